//! `roofmark verify`: chain, signatures, statistics and physics of stored results. Needs neither engine nor model.

mod physics;

use crate::exit::Exit;
use crate::ledger::{self, Measurement, Place};
use anyhow::{Result, bail};
use clap::Args;
use physics::Judged;
use roofmark_facts::load_record::LoadRun;
use roofmark_facts::probe_record::ProbeRecord;
use roofmark_facts::records::{Row, Run};
use roofmark_ledger::bundle;
use roofmark_ledger::key::PublicKey;
use roofmark_ledger::observation::Observation;
use roofmark_ledger::record::{Entry, Kind, Record};
use roofmark_ledger::summary::clean;
use roofmark_ledger::verify::{self, Report};
use roofmark_report::lines::labelled;
use roofmark_verdict::referee::cases::Profiles;
use std::path::PathBuf;

/// What no check of stored bytes can tell.
const CANNOT_KNOW: [&str; 3] = [
    "whether the machine, the model and the settings were the ones that the signer names",
    "whether the clock of the signer was right",
    "whether records after the last one were removed together with the end of the chain",
];

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A bundle.
    pub file: Option<PathBuf>,
    /// The whole ledger.
    #[arg(long, conflicts_with = "file")]
    pub all: bool,
    /// Records of keys that are not known are wrong too.
    #[arg(long)]
    pub known_only: bool,
}

/// What was recomputed and judged.
#[derive(Default)]
struct Counts {
    recomputed: usize,
    without_samples: usize,
    judged: usize,
    unbounded: usize,
    remarks: Vec<String>,
    profiles: Profiles,
}

impl Counts {
    fn add(&mut self, record: &Record, judged: Judged) -> Vec<String> {
        self.judged += judged.judged;
        self.unbounded += judged.unbounded;
        let name = record.content.short();
        self.remarks.extend(judged.remarks.iter().map(|remark| format!("{name}: {remark}")));
        judged.impossible
    }
}

/// Verifies and prints.
pub fn run(args: &VerifyArgs, json: bool, place: &Place) -> Result<Exit> {
    let mut counts = Counts::default();
    let mut each = |record: &Record| judge(record, &mut counts);
    let (what, mut report) = match (&args.file, args.all) {
        (Some(path), _) => {
            let bytes = ledger::read_file(path, bundle::LARGEST_FILE)?;
            let read = bundle::read(bytes.as_slice())
                .map_err(|error| anyhow::anyhow!("failed to verify {}: {error}", path.display()))?;
            (path.display().to_string(), verify::bundle(&read, &mut each))
        }
        (None, true) => {
            let mut ledger = ledger::open(place)?;
            (ledger.place(), verify::ledger(&mut ledger, &mut each).map_err(ledger::shown)?)
        }
        (None, false) => bail!("failed to verify: name a bundle, or the whole ledger with --all"),
    };
    let signers = signers(&report)?;
    if args.known_only {
        let unknown = signers.iter().filter(|(_, _, name)| name.is_none());
        report
            .problems
            .extend(unknown.map(|(key, count, _)| format!("{count} records: key {key} is not known")));
    }
    let text = if json {
        document(&what, &report, &counts, &signers)?
    } else {
        screen(&what, &report, &counts, &signers)
    };
    super::print(&text)?;
    Ok(if report.problems.is_empty() { Exit::Success } else { Exit::Negative })
}

type Signers = Vec<(String, i64, Option<String>)>;

fn signers(report: &Report) -> Result<Signers> {
    let known = ledger::known_keys()?;
    let named = report.signers.iter().filter_map(|(key, count)| {
        let key = PublicKey::try_from(key.clone()).ok()?;
        Some((key.fingerprint(), *count, known.name(&key).map(str::to_owned)))
    });
    Ok(named.collect())
}

/// What is wrong with a record beyond its signature.
pub fn problems(record: &Record) -> Vec<String> {
    judge(record, &mut Counts::default())
}

fn judge(record: &Record, counts: &mut Counts) -> Vec<String> {
    match record.header.kind {
        Kind::Bench => judge_bench(record, counts),
        Kind::Load => recomputed::<LoadRun>(record, counts).err().into_iter().collect(),
        Kind::Probe => readable_probe(record, counts).err().into_iter().collect(),
        Kind::Import => judge_observation(record, counts),
        Kind::Foreign | Kind::Retraction => Vec::new(),
    }
}

/// The measurement in `record`, its statistics computed again and found equal.
fn recomputed<R: Measurement>(record: &Record, counts: &mut Counts) -> Result<Entry<R>, String> {
    let entry: Entry<R> =
        serde_json::from_str(&record.body).map_err(|error| format!("it cannot be read: {error}"))?;
    match entry.run.statistics() {
        Ok(again) if again == entry.rows.get() => {
            counts.recomputed += 1;
            Ok(entry)
        }
        _ => {
            let tool = clean(&record.header.tool);
            Err(format!("its statistics (by {tool}) do not follow from its samples (by {})", ledger::TOOL))
        }
    }
}

/// A probe: observations, of which nothing is derived.
fn readable_probe(record: &Record, counts: &mut Counts) -> Result<(), String> {
    let read = serde_json::from_str::<Entry<ProbeRecord>>(&record.body);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    counts.without_samples += 1;
    Ok(())
}

fn judge_bench(record: &Record, counts: &mut Counts) -> Vec<String> {
    let entry = match recomputed::<Run>(record, counts) {
        Ok(entry) => entry,
        Err(wrong) => return vec![wrong],
    };
    let rows: Vec<Row> = roofmark_verdict::rows::rows(&entry.run);
    counts.add(record, physics::of_run(&entry.run, &rows))
}

/// A mean that does not follow from the samples beside it, by more than its rounding; and its physics.
fn judge_observation(record: &Record, counts: &mut Counts) -> Vec<String> {
    let Ok(seen) = serde_json::from_str::<Observation>(&record.body) else {
        return vec!["it cannot be read".into()];
    };
    let mut wrong = Vec::new();
    let with_samples = seen.cells.iter().filter(|cell| !cell.samples.is_empty());
    for (cell, rate) in with_samples.filter_map(|cell| Some((cell, cell.rate?))) {
        let mean = cell.samples.iter().map(|sample| sample.get()).sum::<f64>() / cell.samples.len() as f64;
        if (rate.get() / mean - 1.0).abs() > 0.01 {
            wrong.push(format!("its rate of {rate} is not the mean of its samples"));
        }
    }
    if seen.cells.iter().any(|cell| !cell.samples.is_empty()) {
        counts.recomputed += 1;
    } else {
        counts.without_samples += 1;
    }
    let judged = physics::of_observation(&seen, &counts.profiles);
    wrong.extend(counts.add(record, judged));
    wrong
}

fn document(what: &str, report: &Report, counts: &Counts, signers: &Signers) -> Result<String> {
    let signers: Vec<_> = signers
        .iter()
        .map(|(key, count, name)| serde_json::json!({ "fingerprint": key, "records": count, "known_as": name }))
        .collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({
        "verified": what, "records": report.records, "linked": report.linked, "gaps": report.gaps,
        "recomputed": counts.recomputed, "without_samples": counts.without_samples,
        "judged": counts.judged, "no_ceiling": counts.unbounded, "remarks": counts.remarks,
        "signers": signers, "problems": report.problems, "cannot_know": CANNOT_KNOW,
    }))?)
}

fn screen(what: &str, report: &Report, counts: &Counts, signers: &Signers) -> String {
    let verdict = if report.problems.is_empty() { "sound" } else { "NOT SOUND" };
    let mut text = labelled("", &format!("{what}: {verdict}, {} records", report.records), 0);
    text += "\nchecked\n";
    let mut line = |label: &str, said: &str| text += &labelled(label, said, 14);
    line("  chain", &format!("{} linked to the record before, {} gaps", report.linked, report.gaps));
    line("  signatures", &format!("{} genuine", report.signers.values().sum::<i64>()));
    for (key, count, name) in signers {
        let name = name.as_deref().unwrap_or("a key that you do not know (roofmark key --trust)");
        line("", &format!("{key} signed {count}: {}", clean(name)));
    }
    let (again, none) = (counts.recomputed, counts.without_samples);
    line("  statistics", &format!("{again} records recomputed from raw samples; {none} hold none"));
    let (judged, open) = (counts.judged, counts.unbounded);
    line("  physics", &format!("{judged} rates held against a ceiling; {open} name none"));
    counts.remarks.iter().for_each(|remark| line("  note", &clean(remark)));
    report.problems.iter().for_each(|problem| line("  WRONG", &clean(problem)));
    text += "\ncannot be known from here\n";
    for unknown in CANNOT_KNOW {
        text += &labelled("  -", unknown, 4);
    }
    text
}
