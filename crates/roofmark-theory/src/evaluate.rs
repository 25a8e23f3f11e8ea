//! Grades the predictor on measurements that it may not look at: each row is predicted without its own source.

use crate::model::machine_group;
use crate::predict::{Predictor, Unseen};
use crate::resolve::{self, Profiles};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::evaluation::{Baseline, Evaluation, Grades, Refused, Summary, Worst};
use roofmark_facts::evidence::{self, MeasuredPhase, Measurement, Speculation};
use roofmark_facts::units::{Bytes, TokensPerSecond};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// One row of the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The row's own id.
    pub id: String,
    /// Predicted tokens per second.
    pub predicted: Option<f64>,
    /// Lower end of the 90 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Datasheet bound.
    pub ceiling: Option<f64>,
    /// Why it was not predicted.
    pub refused: Option<String>,
}

/// A row with what the grading needs beside the answer.
#[derive(Clone, Debug)]
pub struct Graded {
    /// The answer.
    pub row: Row,
    /// The measured rate.
    pub measured: f64,
    /// What was timed.
    pub phase: MeasuredPhase,
    /// Machine group, where the machine is known.
    pub group: &'static str,
    /// The quantization is stated.
    pub quant_known: bool,
    /// Not to be graded: flagged by its collector, or speculative.
    pub exempt: bool,
    /// Machine, engine, model and quantization in one line.
    pub what: String,
    /// Estimates of the baselines, by name.
    pub baselines: Vec<(&'static str, f64)>,
}

/// Which evidence a row may not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveOut {
    /// Everything of its source.
    Source,
    /// Nothing: the row is known not to be in the evidence.
    Nothing,
}

/// A row of the file, in the form of the published table of measurements. Fields may be blank.
#[derive(Debug, Deserialize)]
struct FileRow {
    id: String,
    machine: String,
    backend: Option<String>,
    engine: Option<String>,
    engine_version: Option<String>,
    model: String,
    quant: Option<String>,
    file_size_gb: Option<f64>,
    phase: MeasuredPhase,
    prompt_tokens: Option<f64>,
    gen_tokens: Option<f64>,
    context_depth: Option<f64>,
    concurrency: Option<f64>,
    tokens_per_s: f64,
    date: Option<String>,
    source: Option<String>,
    source_locator: Option<String>,
    notes: Option<String>,
}

/// Reads measurements from comma-separated text.
///
/// # Errors
/// The line and what is wrong with it.
pub fn read(text: &str) -> Result<Vec<Measurement>, csv::Error> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.map(measurement)).collect()
}

fn measurement(row: FileRow) -> Measurement {
    let count = |value: Option<f64>| value.filter(|value| *value >= 0.0).map(|value| value as u64);
    let notes = row.notes.unwrap_or_default();
    Measurement {
        speculation: speculation(&notes),
        flag: flag(&notes),
        devices: 1,
        file: row.file_size_gb.map(Bytes::from_gb),
        prompt: count(row.prompt_tokens),
        generated: count(row.gen_tokens),
        depth: count(row.context_depth),
        concurrency: count(row.concurrency).unwrap_or(1).max(1),
        rate: TokensPerSecond(row.tokens_per_s),
        stdev: None,
        source: row.source.unwrap_or_default(),
        locator: row.source_locator.unwrap_or_default(),
        id: row.id,
        machine: row.machine,
        backend: row.backend,
        engine: row.engine,
        version: row.engine_version,
        model: row.model,
        quant: row.quant,
        phase: row.phase,
        date: row.date,
        notes,
    }
}

/// What notes disclose of speculative decoding.
fn speculation(notes: &str) -> Speculation {
    let lower = notes.to_lowercase();
    let plain = ["no mtp", "without mtp", "mtp off", "no speculat", "without speculat"];
    match () {
        () if plain.iter().any(|words| lower.contains(words)) => Speculation::None,
        () if lower.contains("possibl") && (lower.contains("speculative") || lower.contains("mtp")) => {
            Speculation::Possible
        }
        () if lower.contains("possible mtp") => Speculation::Possible,
        () if ["speculative", "dflash", "dspark", "eagle", "mtp on", "mtp-", "mtp n"]
            .iter()
            .any(|words| lower.contains(words)) =>
        {
            Speculation::On(None)
        }
        () => Speculation::None,
    }
}

fn flag(notes: &str) -> Option<evidence::Flag> {
    match () {
        () if notes.contains("FLAG-HIGH") => Some(evidence::Flag::High),
        () if notes.contains("FLAG-LOW") => Some(evidence::Flag::Low),
        () => None,
    }
}

/// Predicts and grades every row.
#[must_use]
pub fn evaluate(
    predictor: &Predictor<'_>,
    catalog: &Catalog,
    rows: &[Measurement],
    leave: LeaveOut,
) -> Vec<Graded> {
    let mut profiles = Profiles::default();
    let mut unseen: HashMap<String, Option<Unseen>> = HashMap::new();
    rows.iter()
        .map(|row| {
            let without = match leave {
                LeaveOut::Nothing => None,
                LeaveOut::Source => unseen
                    .entry(row.source.clone())
                    .or_insert_with(|| leave_out(predictor, &row.source))
                    .as_ref(),
            };
            grade(predictor, catalog, &mut profiles, row, without)
        })
        .collect()
}

/// The predictor without what `source` (an address, a title or an id) stands for; `None` where it knows no such source.
fn leave_out(predictor: &Predictor<'_>, source: &str) -> Option<Unseen> {
    let ids: Vec<&str> = evidence::measurements()
        .iter()
        .map(|row| row.source.as_str())
        .filter(|id| *id == source || evidence::source(id).is_some_and(|known| same_source(known, source)))
        .collect();
    if ids.is_empty() {
        return None;
    }
    let mut ids = ids;
    ids.sort_unstable();
    ids.dedup();
    predictor.without(&ids)
}

fn same_source(known: &evidence::EvidenceSource, source: &str) -> bool {
    let plain = |text: &str| text.trim_end_matches('/').to_lowercase();
    let wanted = plain(source);
    !wanted.is_empty()
        && (plain(&known.url) == wanted
            || plain(&known.title) == wanted
            || wanted.starts_with(&format!("{} (", plain(&known.url))) && !known.url.is_empty())
}

fn grade(
    predictor: &Predictor<'_>,
    catalog: &Catalog,
    profiles: &mut Profiles,
    row: &Measurement,
    unseen: Option<&Unseen>,
) -> Graded {
    let job = resolve::job(catalog, profiles, row);
    let prediction = job.as_ref().ok().and_then(|job| predictor.predict_unseen(job, unseen, 0));
    let refused = match (&job, &prediction) {
        (Err(refusal), _) => Some(refusal.to_string()),
        (Ok(_), None) => Some("the machine's bandwidth is not known".to_owned()),
        _ => None,
    };
    let get = |pick: fn(&roofmark_facts::prediction::Prediction) -> f64| prediction.as_ref().map(pick);
    let group = job.as_ref().map_or("unknown", |job| machine_group(job.machine));
    let baselines = job.as_ref().map_or_else(|_| Vec::new(), |job| crate::baseline::estimates(job, row));
    Graded {
        row: Row {
            id: row.id.clone(),
            predicted: get(|found| found.rate.get()),
            low: get(|found| found.interval90.low.get()),
            high: get(|found| found.interval90.high.get()),
            ceiling: prediction.as_ref().and_then(|found| found.ceiling).map(TokensPerSecond::get),
            refused,
        },
        measured: row.rate.get(),
        phase: row.phase,
        group,
        quant_known: row.quant.is_some() || row.file.is_some(),
        exempt: row.flag.is_some() || row.speculation != Speculation::None,
        what: format!(
            "{} {} {} {}",
            row.machine,
            row.engine.as_deref().unwrap_or("-"),
            row.model,
            row.quant.as_deref().unwrap_or("-")
        ),
        baselines,
    }
}

/// Summarises the rows that `keep` picks; exempt ones are not graded.
#[must_use]
pub fn summarise(rows: &[Graded], keep: impl Fn(&Graded) -> bool) -> Summary {
    let kept: Vec<&Graded> = rows.iter().filter(|row| !row.exempt && keep(row)).collect();
    let predicted: Vec<&&Graded> = kept.iter().filter(|row| row.row.predicted.is_some()).collect();
    let known = kept.iter().filter(|row| row.quant_known);
    let (known, answered) = known.fold((0usize, 0usize), |(all, done), row| {
        (all + 1, done + usize::from(row.row.predicted.is_some()))
    });
    let ratios: Vec<f64> =
        predicted.iter().filter_map(|row| Some(row.row.predicted? / row.measured - 1.0)).collect();
    let errors: Vec<f64> = ratios.iter().map(|ratio| ratio.abs()).collect();
    let inside = |row: &Graded| {
        row.row.low.is_some_and(|low| low <= row.measured)
            && row.row.high.is_some_and(|high| row.measured <= high)
    };
    Summary {
        rows: kept.len(),
        predicted: predicted.len(),
        answered: answered as f64 / known.max(1) as f64,
        median_error: percentile(&errors, 0.5),
        p90_error: percentile(&errors, 0.9),
        bias: percentile(&ratios, 0.5),
        coverage: predicted.iter().filter(|row| inside(row)).count() as f64 / predicted.len().max(1) as f64,
        above_ceiling: predicted
            .iter()
            .filter(|row| row.row.ceiling.is_some_and(|ceiling| row.measured > ceiling))
            .count(),
    }
}

/// Errors of the estimates of `name` on the rows that `keep` picks.
#[must_use]
pub fn baseline(rows: &[Graded], name: &str, keep: impl Fn(&Graded) -> bool) -> Baseline {
    let estimate =
        |row: &Graded| row.baselines.iter().find(|(known, _)| *known == name).map(|(_, rate)| *rate);
    let picked = rows.iter().filter(|row| !row.exempt && keep(row));
    let both =
        picked.filter_map(|row| Some([estimate(row)?, row.row.predicted?].map(|rate| rate / row.measured)));
    let ratios: Vec<[f64; 2]> = both.collect();
    let errors = |index: usize| ratios.iter().map(|pair| (pair[index] - 1.0).abs()).collect::<Vec<_>>();
    let signed: Vec<f64> = ratios.iter().map(|pair| pair[0] - 1.0).collect();
    Baseline {
        name: name.to_owned(),
        rows: ratios.len(),
        median_error: percentile(&errors(0), 0.5),
        p90_error: percentile(&errors(0), 0.9),
        bias: percentile(&signed, 0.5),
        own_median_error: percentile(&errors(1), 0.5),
    }
}

/// Groups of machines that accuracy is stated for.
pub const GROUPS: [&str; 5] = ["DGX Spark", "Strix Halo", "Apple M-series", "GeForce", "other"];

/// The grades of `rows` with the `worst` of them.
#[must_use]
pub fn evaluation(rows: &[Graded], worst: usize) -> Evaluation {
    let phase = |phase| grades(rows, |row| row.phase == phase);
    Evaluation {
        decode: phase(MeasuredPhase::Decode),
        decode_batched: phase(MeasuredPhase::DecodeBatched),
        prefill: phase(MeasuredPhase::Prefill),
        all: Grades { baselines: Vec::new(), ..grades(rows, |_| true) },
        refused: refusals(rows),
        worst: worst_rows(rows, worst),
    }
}

fn grades(rows: &[Graded], keep: impl Fn(&Graded) -> bool) -> Grades {
    let of = |group: &str| (group.to_owned(), summarise(rows, |row| row.group == group && keep(row)));
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.baselines) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let baselines = names.into_iter().map(|name| baseline(rows, name, &keep));
    Grades {
        summary: summarise(rows, &keep),
        machines: GROUPS.map(of).into(),
        baselines: baselines.filter(|found| found.rows > 0).collect(),
    }
}

fn worst_rows(rows: &[Graded], count: usize) -> Vec<Worst> {
    let error = |row: &Worst| (row.predicted / row.measured).ln().abs();
    let graded = rows.iter().filter(|row| !row.exempt);
    let worst = graded.filter_map(|row| {
        let (id, what) = (row.row.id.clone(), row.what.clone());
        Some(Worst { id, what, predicted: row.row.predicted?, measured: row.measured })
    });
    let mut worst: Vec<Worst> = worst.collect();
    worst.sort_by(|left, right| error(right).total_cmp(&error(left)));
    worst.truncate(count);
    worst
}

/// Reasons of refusal, most frequent first.
fn refusals(rows: &[Graded]) -> Vec<Refused> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in rows.iter().filter_map(|row| row.row.refused.as_deref()) {
        *counts.entry(reason).or_default() += 1;
    }
    let refused = counts.into_iter().map(|(reason, rows)| Refused { reason: reason.to_owned(), rows });
    let mut refused: Vec<Refused> = refused.collect();
    refused.sort_by_key(|entry| std::cmp::Reverse(entry.rows));
    refused
}

/// The `share` quantile by the nearest rank; 0 for nothing.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * (sorted.len().max(1) - 1) as f64).round() as usize;
    sorted.get(rank).copied().unwrap_or(0.0)
}
