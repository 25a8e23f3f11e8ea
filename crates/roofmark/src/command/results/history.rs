//! `results compare` and `results trend`: change between two records, and over many.

use super::{content, report};
use crate::exit::Exit;
use crate::ledger::shown;
use anyhow::{Result, bail};
use roofmark_facts::records::{Phase, Run, Workload};
use roofmark_facts::units::significant;
use roofmark_ledger::observation::{Observation, ObservedCell};
use roofmark_ledger::query::{Configuration, Filter};
use roofmark_ledger::record::{Entry, Record};
use roofmark_ledger::summary::clean;
use roofmark_ledger::{Ledger, export};
use roofmark_report::lines::{labelled, table};
use roofmark_verdict::stats::{Change, change, change_points, median, ratio_interval};
use serde_json::json;
use std::fmt::Write;

/// Smallest relative change of interest.
const MATTERS: f64 = 0.02;
const SEED: u64 = 0x0F00_F000;

/// Sample rates of one workload.
struct Samples {
    what: String,
    rates: Vec<f64>,
    void: bool,
}

fn samples(record: &Record) -> Vec<Samples> {
    if let Ok(entry) = serde_json::from_str::<Entry<Run>>(&record.body) {
        let rows = roofmark_verdict::rows::rows(&entry.run);
        let cell = |cell: &roofmark_facts::records::Cell| {
            let layers = entry.run.parts.get(cell.part).map_or(0, |part| part.layers);
            let work = &cell.workload;
            Samples {
                what: workload(work, layers, entry.run.model.profile.layers),
                rates: cell.samples.iter().map(|sample| sample.rate().get()).collect(),
                void: rows.iter().any(|row| row.workload == cell.workload && row.void),
            }
        };
        return entry.run.cells.iter().map(cell).collect();
    }
    let Ok(seen) = serde_json::from_str::<Observation>(&record.body) else { return Vec::new() };
    seen.cells
        .iter()
        .map(|cell| Samples {
            what: observed(cell),
            rates: match cell.samples.as_slice() {
                [] => cell.rate.iter().map(|rate| rate.get()).collect(),
                samples => samples.iter().map(|rate| rate.get()).collect(),
            },
            void: false,
        })
        .collect()
}

/// A workload in few words; of a slice with its layers.
fn workload(work: &Workload, layers: u32, of: u32) -> String {
    let (name, tokens) = match work.phase {
        Phase::Prefill => ("prefill", work.prompt),
        Phase::Decode => ("decode", work.generated),
    };
    let mut text = format!("{name} {tokens}");
    if work.batch > 1 {
        let _ = write!(text, " x{}", work.batch);
    }
    if work.depth > 0 {
        let _ = write!(text, " at {}", work.depth);
    }
    if layers != of {
        let _ = write!(text, ", {layers} layers");
    }
    text
}

fn observed(cell: &ObservedCell) -> String {
    let tokens = cell.prompt.or(cell.generated).map(|count| format!(" {count}")).unwrap_or_default();
    let batch = cell.batch.filter(|count| *count > 1).map(|count| format!(" x{count}")).unwrap_or_default();
    let depth = cell.depth.filter(|count| *count > 0).map(|count| format!(" at {count}")).unwrap_or_default();
    format!("{}{tokens}{batch}{depth}", cell.timed.name())
}

/// Compares the samples of equal workloads; void rows stay out.
pub fn compare(ledger: &mut Ledger, base: &str, new: &str, json: bool) -> Result<Exit> {
    let (base, new) = (content(ledger, base)?, content(ledger, new)?);
    let (before, after) = (samples(&base.1), samples(&new.1));
    let mut lines = Vec::new();
    let mut rows = vec![["workload", "before", "after", "after / before", ""].map(str::to_owned)];
    for old in &before {
        let Some(now) = after.iter().find(|now| now.what == old.what) else { continue };
        let word =
            if old.void || now.void { "void" } else { words(change(&old.rates, &now.rates, MATTERS, SEED)) };
        let ratio = ratio_interval(&old.rates, &now.rates, SEED, 0.95);
        let interval = ratio
            .map_or("-".into(), |ratio| format!("{:.3} ({:.3} to {:.3})", ratio.mid, ratio.low, ratio.high));
        let [from, to] =
            [old, now].map(|side| median(&side.rates).map_or("-".into(), |rate| significant(rate, 3)));
        rows.push([old.what.clone(), from, to, interval, word.to_owned()]);
        lines.push(json!({ "workload": old.what, "change": word,
            "ratio": ratio.map(|ratio| [ratio.low, ratio.mid, ratio.high]) }));
    }
    if lines.is_empty() {
        bail!(
            "failed to compare #{} and #{}: they have no workload in common",
            base.0.sequence,
            new.0.sequence
        );
    }
    let mut text = String::new();
    for (label, line) in [("before", &base.0), ("after", &new.0)] {
        let what = format!("#{} {} {}", line.sequence, line.date, export::title(line));
        text += &labelled(label, &clean(&what), 8);
    }
    text += &format!("\nmedian tok/s, and their ratio with its 95 % interval\n{}", table(&rows, &[1, 2]));
    report(json, &json!({ "base": base.0.content, "new": new.0.content, "rows": lines }), &text)
}

fn words(change: Change) -> &'static str {
    match change {
        Change::Improved => "improved",
        Change::Regressed => "regressed",
        Change::WithinNoise => "within noise",
        Change::NotEnoughData => "not enough data",
    }
}

/// Rates of each configuration over time, with the places where they moved.
pub fn trend(ledger: &mut Ledger, record: Option<&str>, filter: &Filter, json: bool) -> Result<Exit> {
    let configurations = match record {
        Some(wanted) => {
            let sequence = ledger.find(wanted).map_err(shown)?.sequence;
            ledger.configurations_of(sequence).map_err(shown)?
        }
        None => ledger.configurations(filter, None).map_err(shown)?,
    };
    let mut text = String::new();
    let mut documents = Vec::new();
    for configuration in configurations {
        let (document, lines) = one_trend(ledger, &configuration)?;
        documents.push(document);
        text += &lines;
    }
    if documents.is_empty() {
        bail!("failed to find a configuration: nothing in the ledger fits; see `roofmark results list`");
    }
    report(json, &json!(documents), &text)
}

fn one_trend(ledger: &mut Ledger, configuration: &Configuration) -> Result<(serde_json::Value, String)> {
    let points = ledger.trend(configuration.number).map_err(shown)?;
    let sound: Vec<_> = points.iter().filter(|point| !point.void).collect();
    let rates: Vec<f64> = sound.iter().map(|point| point.rate.get()).collect();
    let changes = change_points(&rates, MATTERS, SEED);
    let name = name(configuration);
    let mut text = labelled("", &name, 0);
    let _ = writeln!(text, "  {} rates, {} of them void", points.len(), points.len() - sound.len());
    for (label, point) in [("first", sound.first()), ("last", sound.last())] {
        let Some(point) = point else { continue };
        let _ = writeln!(
            text,
            "  {label:5} {:20} {:8} {}",
            point.date,
            significant(point.rate.get(), 3),
            point.version
        );
    }
    let mut moves = Vec::new();
    for found in &changes {
        let (before, after) = (sound[found.at - 1], sound[found.at]);
        let percent = (found.ratio - 1.0) * 100.0;
        let moved = format!(
            "{percent:+.0} % between {} ({}) and {} ({}), p = {:.3}",
            before.version, before.date, after.version, after.date, found.p
        );
        text += &labelled("  moved", &moved, 8);
        moves.push(json!({ "ratio": found.ratio, "p": found.p, "from": before.version, "to": after.version,
            "after": before.date, "by": after.date }));
    }
    let listed: Vec<_> = points
        .iter()
        .map(|point| json!({ "sequence": point.sequence, "date": point.date, "version": point.version, "rate": point.rate, "void": point.void }))
        .collect();
    if changes.is_empty() {
        text += "  no change point\n";
    }
    Ok((json!({ "configuration": name, "points": listed, "changes": moves }), text))
}

fn name(configuration: &Configuration) -> String {
    let numbers = [
        ("prompt", configuration.prompt),
        ("generated", configuration.generated),
        ("depth", configuration.depth),
        ("batch", configuration.batch),
    ];
    let numbers = numbers.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?)));
    let names = [
        &configuration.machine,
        &configuration.backend,
        &configuration.engine,
        &configuration.model,
        &configuration.quant,
        &configuration.timed,
    ];
    names.into_iter().filter(|text| !text.is_empty()).cloned().chain(numbers).collect::<Vec<_>>().join(" ")
}
