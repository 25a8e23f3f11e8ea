//! `roofmark verify`: chain, signatures, statistics and physics of stored results. Needs neither engine nor model.

use crate::exit::Exit;
use crate::ledger::{self, Place};
use anyhow::{Result, bail};
use clap::Args;
use roofmark_facts::catalog::Catalog;
use roofmark_facts::records::{Phase, Run};
use roofmark_ledger::bundle;
use roofmark_ledger::key::PublicKey;
use roofmark_ledger::observation::Observation;
use roofmark_ledger::record::{Entry, Kind, Record};
use roofmark_ledger::verify::{self, Report};
use std::fmt::Write;
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
    judged: usize,
    unbounded: usize,
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
    let known = ledger::known_keys(&ledger::signer()?)?;
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
        Kind::Run => judge_run(record, counts),
        Kind::Load | Kind::Import | Kind::Probe => judge_observation(record, counts),
        _ => Vec::new(),
    }
}

fn judge_run(record: &Record, counts: &mut Counts) -> Vec<String> {
    let Ok(entry) = serde_json::from_str::<Entry>(&record.body) else {
        return vec!["its run cannot be read".into()];
    };
    let mut wrong = Vec::new();
    match ledger::statistics(&entry.run) {
        Ok(again) if again == entry.rows.get() => counts.recomputed += 1,
        _ => wrong.push("its statistics do not follow from its samples".into()),
    }
    wrong.extend(above_ceiling(&entry.run, counts));
    wrong
}

/// Decode rates against the bandwidth of the datasheet, the last-level cache allowed for.
fn above_ceiling(run: &Run, counts: &mut Counts) -> Vec<String> {
    let machine = run.machine.slug.as_deref().and_then(|slug| Catalog::builtin().machine(slug));
    let bandwidth = machine.and_then(|machine| Some((machine, machine.bandwidth.as_ref()?.bound()?)));
    let Some((machine, bandwidth)) = bandwidth else {
        counts.unbounded += 1;
        return Vec::new();
    };
    let margin = if machine.owner_memory_clock { 1.15 } else { 1.02 };
    let cache = machine.cache.as_ref().map_or(512e6, |cache| cache.value.get());
    let mut wrong = Vec::new();
    for row in roofmark_verdict::rows::rows(run).iter().filter(|row| row.workload.phase == Phase::Decode) {
        counts.judged += 1;
        let steps = row.rate.mid.get() / f64::from(row.workload.batch.max(1));
        let traffic = (run.model.profile.least_step_weight_bytes().get() - cache).max(0.0) * steps;
        if traffic > bandwidth.get() * margin {
            wrong
                .push(format!("a decode of {} needs more bandwidth than {} has", row.rate.mid, machine.name));
        }
    }
    wrong
}

/// A mean that does not follow from the samples beside it, by more than its rounding.
fn judge_observation(record: &Record, counts: &mut Counts) -> Vec<String> {
    let Ok(seen) = serde_json::from_str::<Observation>(&record.body) else {
        return vec!["it cannot be read".into()];
    };
    let mut wrong = Vec::new();
    for cell in seen.cells.iter().filter(|cell| !cell.samples.is_empty()) {
        let Some(rate) = cell.rate else { continue };
        let mean = cell.samples.iter().map(|sample| sample.get()).sum::<f64>() / cell.samples.len() as f64;
        counts.recomputed += 1;
        if (rate.get() / mean - 1.0).abs() > 0.01 {
            wrong.push(format!("its rate of {rate} is not the mean of its samples"));
        }
    }
    counts.unbounded += 1;
    wrong
}

fn document(what: &str, report: &Report, counts: &Counts, signers: &Signers) -> Result<String> {
    let signers: Vec<_> = signers
        .iter()
        .map(|(key, count, name)| serde_json::json!({ "fingerprint": key, "records": count, "known_as": name }))
        .collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({
        "verified": what, "records": report.records, "linked": report.linked, "gaps": report.gaps,
        "recomputed": counts.recomputed, "judged": counts.judged, "no_ceiling": counts.unbounded,
        "signers": signers, "problems": report.problems, "cannot_know": CANNOT_KNOW,
    }))?)
}

fn screen(what: &str, report: &Report, counts: &Counts, signers: &Signers) -> String {
    let verdict = if report.problems.is_empty() { "sound" } else { "NOT SOUND" };
    let mut text = format!("{what}: {verdict}, {} records\n\nchecked\n", report.records);
    let _ =
        writeln!(text, "  chain       {} linked to the record before, {} gaps", report.linked, report.gaps);
    let _ = writeln!(text, "  signatures  {} genuine", report.signers.values().sum::<i64>());
    for (key, count, name) in signers {
        let name = name.as_deref().unwrap_or("a key that you do not know (`roofmark key --trust`)");
        let _ = writeln!(text, "              {key} signed {count}: {name}");
    }
    let _ = writeln!(text, "  statistics  {} recomputed from raw samples", counts.recomputed);
    let _ = writeln!(
        text,
        "  physics     {} rates against a ceiling; {} records name no ceiling",
        counts.judged, counts.unbounded
    );
    for problem in &report.problems {
        let _ = writeln!(text, "  WRONG       {problem}");
    }
    text += "\ncannot be known from here\n";
    for unknown in CANNOT_KNOW {
        let _ = writeln!(text, "  {unknown}");
    }
    text
}
