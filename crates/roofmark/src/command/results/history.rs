//! `results compare` and `results trend`: change between two records, and over many.

use super::{content, report};
use crate::exit::Exit;
use crate::ledger::shown;
use anyhow::{Result, bail};
use roofmark_facts::records::{Phase, Run, Workload};
use roofmark_facts::units::{TokensPerSecond, significant};
use roofmark_ledger::observation::{Observation, ObservedCell};
use roofmark_ledger::query::{Configuration, Filter};
use roofmark_ledger::record::{Entry, Record};
use roofmark_ledger::summary::clean;
use roofmark_ledger::{Ledger, export};
use roofmark_report::lines::{labelled, table};
use roofmark_verdict::stats::{Change, change, change_points, median, ratio_interval};
use roofmark_web::{ChangePoint, Compared, ComparedRow, Trend};
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

/// Compares and prints.
pub fn compare(ledger: &mut Ledger, base: &str, new: &str, json: bool) -> Result<Exit> {
    let compared = compared(ledger, base, new)?;
    let mut text = String::new();
    for (label, wanted) in [("before", base), ("after", new)] {
        let line = ledger.find(wanted).map_err(shown)?;
        let what = format!("#{} {} {}", line.sequence, line.date, export::title(&line));
        text += &labelled(label, &clean(&what), 8);
    }
    let mut rows = vec![["workload", "before", "after", "after / before", ""].map(str::to_owned)];
    for row in &compared.rows {
        let interval =
            row.ratio.map_or("-".into(), |[low, mid, high]| format!("{mid:.3} ({low:.3} to {high:.3})"));
        let [from, to] =
            [row.before, row.after].map(|rate| rate.map_or("-".into(), |rate| significant(rate.get(), 3)));
        rows.push([row.workload.clone(), from, to, interval, row.change.to_owned()]);
    }
    text += &format!("\nmedian tok/s, and their ratio with its 95 % interval\n{}", table(&rows, &[1, 2]));
    report(json, &json!(compared), &text)
}

/// The samples of equal workloads; void rows stay out.
pub fn compared(ledger: &mut Ledger, base: &str, new: &str) -> Result<Compared> {
    let (base, new) = (content(ledger, base)?, content(ledger, new)?);
    let (before, after) = (samples(&base.1), samples(&new.1));
    let mut rows = Vec::new();
    for old in &before {
        let Some(now) = after.iter().find(|now| now.what == old.what) else { continue };
        let change =
            if old.void || now.void { "void" } else { words(change(&old.rates, &now.rates, MATTERS, SEED)) };
        let ratio = ratio_interval(&old.rates, &now.rates, SEED, 0.95);
        let [before, after] = [old, now].map(|side| median(&side.rates).map(TokensPerSecond));
        rows.push(ComparedRow {
            workload: old.what.clone(),
            before,
            after,
            change,
            ratio: ratio.map(|ratio| [ratio.low, ratio.mid, ratio.high]),
        });
    }
    if rows.is_empty() {
        bail!(
            "failed to compare #{} and #{}: they have no workload in common",
            base.0.sequence,
            new.0.sequence
        );
    }
    Ok(Compared { base: base.0.content.to_string(), new: new.0.content.to_string(), rows })
}

fn words(change: Change) -> &'static str {
    match change {
        Change::Improved => "improved",
        Change::Regressed => "regressed",
        Change::WithinNoise => "within noise",
        Change::NotEnoughData => "not enough data",
    }
}

/// Follows and prints.
pub fn trend(ledger: &mut Ledger, record: Option<&str>, filter: &Filter, json: bool) -> Result<Exit> {
    let trends = trends(ledger, record, filter)?;
    let text: String = trends.iter().map(lines).collect();
    report(json, &json!(trends), &text)
}

/// Rates of each configuration over time, with the places where they moved.
pub fn trends(ledger: &mut Ledger, record: Option<&str>, filter: &Filter) -> Result<Vec<Trend>> {
    let configurations = match record {
        Some(wanted) => {
            let sequence = ledger.find(wanted).map_err(shown)?.sequence;
            ledger.configurations_of(sequence).map_err(shown)?
        }
        None => ledger.configurations(filter, None).map_err(shown)?,
    };
    let trends: Vec<Trend> =
        configurations.iter().map(|configuration| one_trend(ledger, configuration)).collect::<Result<_>>()?;
    if trends.is_empty() {
        bail!("failed to find a configuration: nothing in the ledger fits; see `roofmark results list`");
    }
    Ok(trends)
}

fn one_trend(ledger: &mut Ledger, configuration: &Configuration) -> Result<Trend> {
    let points = ledger.trend(configuration.number).map_err(shown)?;
    let sound: Vec<_> = points.iter().filter(|point| !point.void).collect();
    let rates: Vec<f64> = sound.iter().map(|point| point.rate.get()).collect();
    let change = |found: roofmark_verdict::stats::ChangePoint| {
        let (before, after) = (sound[found.at - 1], sound[found.at]);
        ChangePoint {
            ratio: found.ratio,
            p: found.p,
            from: before.version.clone(),
            to: after.version.clone(),
            after: before.date.clone(),
            by: after.date.clone(),
        }
    };
    let changes = change_points(&rates, MATTERS, SEED).into_iter().map(change).collect();
    Ok(Trend { configuration: configuration.title(), points, changes })
}

fn lines(trend: &Trend) -> String {
    let sound: Vec<_> = trend.points.iter().filter(|point| !point.void).collect();
    let mut text = labelled("", &trend.configuration, 0);
    let count = trend.points.len();
    let _ = writeln!(text, "  {count} rates, {} of them void", count - sound.len());
    for (label, point) in [("first", sound.first()), ("last", sound.last())] {
        let Some(point) = point else { continue };
        let rate = significant(point.rate.get(), 3);
        let _ = writeln!(text, "  {label:5} {:20} {rate:8} {}", point.date, point.version);
    }
    for found in &trend.changes {
        let percent = (found.ratio - 1.0) * 100.0;
        let moved = format!(
            "{percent:+.0} % between {} ({}) and {} ({}), p = {:.3}",
            found.from, found.after, found.to, found.by, found.p
        );
        text += &labelled("  moved", &moved, 8);
    }
    if trend.changes.is_empty() {
        text += "  no change point\n";
    }
    text
}
