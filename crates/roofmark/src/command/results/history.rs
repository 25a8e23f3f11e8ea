//! `results compare` and `results trend`: change between two records, and over many.

use super::{content, report};
use crate::exit::Exit;
use crate::ledger::shown;
use anyhow::{Result, bail};
use roofmark_facts::records::Run;
use roofmark_ledger::Ledger;
use roofmark_ledger::observation::Observation;
use roofmark_ledger::query::{Configuration, Filter};
use roofmark_ledger::record::{Entry, Record};
use roofmark_verdict::stats::{Change, change, change_points, ratio_interval};
use serde_json::json;

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
                what: format!(
                    "{:?} prompt {} depth {} batch {}, {layers} layers",
                    work.phase, work.prompt, work.depth, work.batch
                )
                .to_lowercase(),
                rates: cell.samples.iter().map(|sample| sample.rate().get()).collect(),
                void: rows.iter().any(|row| row.workload == cell.workload && row.void),
            }
        };
        return entry.run.cells.iter().map(cell).collect();
    }
    let Ok(seen) = serde_json::from_str::<Observation>(&record.body) else { return Vec::new() };
    let count = |value: Option<u64>| value.map_or("?".into(), |value| value.to_string());
    seen.cells
        .iter()
        .map(|cell| Samples {
            what: format!(
                "{} prompt {} depth {} batch {}",
                cell.timed.name(),
                count(cell.prompt),
                count(cell.depth),
                count(cell.batch)
            ),
            rates: match cell.samples.as_slice() {
                [] => cell.rate.iter().map(|rate| rate.get()).collect(),
                samples => samples.iter().map(|rate| rate.get()).collect(),
            },
            void: false,
        })
        .collect()
}

/// Compares the samples of equal workloads; void rows stay out.
pub fn compare(ledger: &mut Ledger, base: &str, new: &str, json: bool) -> Result<Exit> {
    let (base, new) = (content(ledger, base)?, content(ledger, new)?);
    let (before, after) = (samples(&base.1), samples(&new.1));
    let mut lines = Vec::new();
    let mut text = format!("#{} to #{}\n", base.0.sequence, new.0.sequence);
    for old in &before {
        let Some(now) = after.iter().find(|now| now.what == old.what) else { continue };
        let word = if old.void || now.void {
            "void"
        } else {
            match change(&old.rates, &now.rates, MATTERS, SEED) {
                Change::Improved => "improved",
                Change::Regressed => "regressed",
                Change::WithinNoise => "within noise",
                Change::NotEnoughData => "not enough data",
            }
        };
        let ratio = ratio_interval(&old.rates, &now.rates, SEED, 0.95);
        let interval = ratio
            .map_or("-".into(), |ratio| format!("{:.3} ({:.3} to {:.3})", ratio.mid, ratio.low, ratio.high));
        text += &format!("  {:46} {interval:24} {word}\n", old.what);
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
    report(json, &json!({ "base": base.0.content, "new": new.0.content, "rows": lines }), &text)
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
    let mut text = format!("{name}: {} rates\n", points.len());
    if let (Some(first), Some(last)) = (sound.first(), sound.last()) {
        text += &format!(
            "  {} {} {}\n  {} {} {}\n",
            first.date, first.version, first.rate, last.date, last.version, last.rate
        );
    }
    let mut moves = Vec::new();
    for found in &changes {
        let (before, after) = (sound[found.at - 1], sound[found.at]);
        let percent = (found.ratio - 1.0) * 100.0;
        text += &format!(
            "  moved {percent:+.0} % between {} and {} ({} to {}), p = {:.3}\n",
            before.version, after.version, before.date, after.date, found.p
        );
        moves.push(json!({ "ratio": found.ratio, "p": found.p, "from": before.version, "to": after.version,
            "after": before.date, "by": after.date }));
    }
    let listed: Vec<_> = points
        .iter()
        .map(|point| json!({ "sequence": point.sequence, "date": point.date, "version": point.version, "rate": point.rate, "void": point.void }))
        .collect();
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
