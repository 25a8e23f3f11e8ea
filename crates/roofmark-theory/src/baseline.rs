//! What others estimate for the same jobs: rules of thumb, and the kept estimates of two desktop calculators.
//!
//! The estimates of llmfit 1.1.17 and whichllm 0.5.21 (PyPI packages) were asked for on 2026-11-24 by
//! `benches/baselines.py`, which gives them the catalogued bandwidth, and are kept in `data/baselines.csv`.

use crate::job::Job;
use roofmark_facts::evidence::{Measurement, measurements};
use std::collections::HashMap;
use std::sync::LazyLock;

const KEPT: &str = include_str!("../data/baselines.csv");

/// Estimates for one measured row, by the name of the estimator.
#[must_use]
pub fn estimates(job: &Job<'_>, row: &Measurement) -> Vec<(&'static str, f64)> {
    let mut all = rules_of_thumb(job);
    all.extend(calculators(row));
    all
}

/// Bandwidth over file size, and seven tenths of it. They know neither prefill nor batches.
fn rules_of_thumb(job: &Job<'_>) -> Vec<(&'static str, f64)> {
    let Some(bandwidth) = crate::physics::bandwidth(job).filter(|_| !job.is_prefill()) else {
        return Vec::new();
    };
    let plain = bandwidth / job.profile.tensor_bytes.get() * job.batch;
    vec![("bandwidth / file", plain), ("0.7 x bandwidth / file", 0.7 * plain)]
}

/// Kept estimates for a row of the embedded evidence; none for any other row.
fn calculators(row: &Measurement) -> Vec<(&'static str, f64)> {
    static ALL: LazyLock<HashMap<&str, Vec<(&str, f64)>>> =
        LazyLock::new(|| KEPT.lines().skip(1).map(kept).collect());
    let same = |known: &&Measurement| known.id == row.id && known.rate == row.rate;
    let known = measurements().iter().find(same);
    known.and_then(|known| ALL.get(known.id.as_str())).cloned().unwrap_or_default()
}

fn kept(line: &'static str) -> (&'static str, Vec<(&'static str, f64)>) {
    let mut fields = line.split(',');
    let id = fields.next().unwrap_or_default();
    let rates = ["llmfit", "whichllm"].into_iter().zip(fields);
    (id, rates.filter_map(|(name, rate)| Some((name, rate.parse().ok()?))).collect())
}
