//! Calibration: numbers, representatives and interval factors from evidence, judged with whole sources left out.

use crate::job::Job;
use crate::kernel::{Deviations, Kernel, Kind};
use crate::kriging::{Kriging, Sample, choose_inducing};
use crate::model::{Evidence, group_name, kind, number_names, samples};
use crate::numbers::{Timed, fit};
use crate::physics::{DECODE_START, PREFILL_START};
use crate::point::chip;
use crate::resolve::{self, Profiles};
use crate::table::{Factors, PhaseTable, Table};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::{Measurement, Speculation};
use std::collections::{BTreeMap, HashMap};

/// Version of the table's form.
const VERSION: u32 = 1;
/// Rows that stand for all, at most.
const REPRESENTATIVES: usize = 512;
/// Rows at which a group's own interval factor weighs as much as the fleet's.
const OWN_WEIGHT: f64 = 15.0;

/// Residual of a row that its own source did not help to predict.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// Index into the evidence.
    pub index: usize,
    /// Measured minus predicted log seconds.
    pub residual: f64,
    /// Predicted standard deviation.
    pub deviation: f64,
}

/// The rows of `measurements` that can be learned from: plain, unflagged, with all that decides them.
#[must_use]
pub fn evidence<'a>(catalog: &'a Catalog, measurements: &[Measurement]) -> Vec<Evidence<'a>> {
    let mut profiles = Profiles::default();
    let plain = measurements.iter().filter(|row| row.speculation == Speculation::None && row.flag.is_none());
    plain
        .filter_map(|row| {
            let job = resolve::job(catalog, &mut profiles, row).ok()?;
            Some(Evidence { id: row.id.clone(), source: row.source.clone(), job, rate: row.rate.get() })
        })
        .collect()
}

/// Calibrates both phases, starting from the deviations in `start`. Each of `rounds` is one pass of a coordinate
/// search over the deviations; 0 keeps them.
#[must_use]
pub fn calibrate(evidence: &[Evidence<'_>], start: &Table, rounds: u32) -> Option<Table> {
    Some(Table {
        version: VERSION,
        rows: evidence.len(),
        decode: phase(Kind::Decode, evidence, &start.decode.deviations, rounds)?,
        prefill: phase(Kind::Prefill, evidence, &start.prefill.deviations, rounds)?,
    })
}

fn phase(kind: Kind, evidence: &[Evidence<'_>], start: &Deviations, rounds: u32) -> Option<PhaseTable> {
    let theta = fleet_numbers(kind, evidence);
    let (placed, _) = samples(kind, &theta, evidence);
    let mut deviations = start.clone();
    let plain: Vec<Sample> = placed.iter().map(|(_, sample)| sample.clone()).collect();
    for round in 0..rounds {
        deviations = search(kind, &deviations, &plain, 0.6 / f64::from(round + 1));
    }
    let chosen = choose_inducing(&Kernel::new(kind, &deviations), &plain, REPRESENTATIVES);
    let left_out = leave_sources_out(&Kernel::new(kind, &deviations), &plain, &chosen)?;
    let residuals = left_out.iter().zip(&placed).map(|((residual, deviation), (index, _))| LeftOut {
        index: *index,
        residual: *residual,
        deviation: *deviation,
    });
    let residuals: Vec<LeftOut> = residuals.collect();
    let numbers = number_names(kind).iter().zip(&theta).map(|(name, value)| ((*name).to_owned(), round(value.exp())));
    Some(PhaseTable {
        numbers: numbers.collect(),
        deviations: deviations.iter().map(|(name, value)| (name.clone(), round(*value))).collect(),
        representatives: chosen.iter().map(|index| evidence[placed[*index].0].id.clone()).collect(),
        factors: factors(evidence, &residuals),
    })
}

/// Five significant digits: more would be noise in the shipped table.
fn round(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

fn fleet_numbers(kind: Kind, evidence: &[Evidence<'_>]) -> Vec<f64> {
    let rows: Vec<&Evidence<'_>> = evidence.iter().filter(|row| self::kind(row.job.phase) == kind).collect();
    let mut counts: HashMap<(&str, &str), f64> = HashMap::new();
    for row in &rows {
        *counts.entry(condition(row)).or_default() += 1.0;
    }
    let weights: Vec<f64> = rows.iter().map(|row| counts[&condition(row)].powf(-0.5)).collect();
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let timed: Vec<Timed<'_, '_>> = rows
        .iter()
        .zip(weights)
        .map(|(row, weight)| Timed { job: &row.job, log_seconds: row.log_seconds(), weight: weight / mean })
        .collect();
    let start: &[(f64, f64)] = match kind {
        Kind::Decode => &DECODE_START,
        Kind::Prefill => &PREFILL_START,
    };
    fit(&timed, start)
}

fn condition<'b>(row: &'b Evidence<'_>) -> (&'b str, &'b str) {
    let Job { machine, .. } = &row.job;
    (&row.source, chip(&machine.slug))
}

/// Residual and deviation of every sample with its source left out.
#[must_use]
pub fn leave_sources_out(kernel: &Kernel, samples: &[Sample], chosen: &[usize]) -> Option<Vec<(f64, f64)>> {
    let inducing = chosen.iter().map(|index| samples[*index].point.clone()).collect();
    let kriging = Kriging::new(kernel.clone(), inducing, samples)?;
    let count = samples.iter().map(|sample| sample.source + 1).max().unwrap_or(0);
    let mut result = vec![(0.0, 1.0); samples.len()];
    for source in 0..count {
        let posterior = kriging.posterior(&[source])?;
        for (slot, sample) in result.iter_mut().zip(samples).filter(|(_, sample)| sample.source == source) {
            let estimate = kriging.estimate(&posterior, &sample.point);
            let variance = estimate.variance + kernel.observation_variance(&sample.point);
            *slot = (sample.deviation - estimate.mean, variance.sqrt());
        }
    }
    Some(result)
}

/// One pass over all deviations: each is moved up or down by a factor and kept where left-out rows come out better.
fn search(kind: Kind, start: &Deviations, samples: &[Sample], step: f64) -> Deviations {
    let mut best = start.clone();
    let mut best_score = score(kind, &best, samples);
    for name in kind.names() {
        for direction in [step, -step] {
            let mut trial = best.clone();
            let moved = (trial.get(&name).copied().unwrap_or(0.01).max(0.004) * direction.exp()).clamp(0.002, 4.5);
            trial.insert(name.clone(), moved);
            let trial_score = score(kind, &trial, samples);
            if trial_score > best_score {
                (best, best_score) = (trial, trial_score);
                break;
            }
        }
    }
    best
}

/// Mean predictive score of left-out rows: a Student log density, less the absolute error. Large sources count less.
#[must_use]
pub fn score(kind: Kind, deviations: &Deviations, samples: &[Sample]) -> f64 {
    const FREEDOM: f64 = 4.0;
    let kernel = Kernel::new(kind, deviations);
    let chosen = choose_inducing(&kernel, samples, REPRESENTATIVES);
    let Some(left_out) = leave_sources_out(&kernel, samples, &chosen) else { return f64::NEG_INFINITY };
    let mut counts: HashMap<usize, f64> = HashMap::new();
    for sample in samples {
        *counts.entry(sample.source).or_default() += 1.0;
    }
    let mut sums = (0.0, 0.0, 0.0);
    for (sample, (residual, deviation)) in samples.iter().zip(left_out) {
        let weight = counts[&sample.source].powf(-0.3);
        let scaled = residual / deviation;
        let density = -deviation.ln() - (FREEDOM + 1.0) / 2.0 * (scaled * scaled / FREEDOM).ln_1p();
        sums.0 += weight * density;
        sums.1 += weight;
        sums.2 += residual.abs().min(0.6);
    }
    sums.0 / sums.1 - sums.2 / samples.len() as f64
}

/// Split-conformal factors by group; small groups lean on the whole fleet.
fn factors(evidence: &[Evidence<'_>], residuals: &[LeftOut]) -> BTreeMap<String, Factors> {
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for left_out in residuals {
        let job = &evidence[left_out.index].job;
        let scaled = (left_out.residual / left_out.deviation).abs();
        groups.entry(group_name(job.machine, job.phase)).or_default().push(scaled);
    }
    let mut all: Vec<f64> = groups.values().flatten().copied().collect();
    let fleet = [quantile(&mut all, 0.90), quantile(&mut all, 0.95)];
    let blend = |own: f64, fleet: f64, rows: f64| round((own * rows + fleet * OWN_WEIGHT) / (rows + OWN_WEIGHT));
    let entries = groups.into_iter().map(|(name, mut scaled)| {
        let rows = scaled.len();
        let [nine, nineteen] = [quantile(&mut scaled, 0.90), quantile(&mut scaled, 0.95)];
        let factors = Factors {
            nine_of_ten: blend(nine, fleet[0], rows as f64),
            nineteen_of_twenty: blend(nineteen, fleet[1], rows as f64),
            rows,
        };
        (name, factors)
    });
    entries.collect()
}

/// The `share` quantile (the split-conformal one: the ⌈(n + 1)·share⌉-th smallest).
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = ((values.len() as f64 + 1.0) * share).ceil() as usize;
    values.get(rank.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(2.0)
}
