//! How well predictions held against measurements that they could not see.

use serde::Serialize;
use std::collections::BTreeMap;

/// The grades of a file of measurements.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows of one stream.
    pub decode: Grades,
    /// Rows of several streams together.
    pub decode_batched: Grades,
    /// Rows of prompts.
    pub prefill: Grades,
    /// All rows together.
    pub all: Grades,
    /// Reasons why rows were not predicted , most frequent first.
    pub refused: Vec<Refused>,
    /// The rows that were predicted worst, the worst first.
    pub worst: Vec<Worst>,
}

/// A reason why rows were not predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The reason.
    pub reason: String,
    /// Rows.
    pub rows: usize,
}

/// Grades of some rows, by group of machines, with what others estimate for the same rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grades {
    /// All of them.
    pub summary: Summary,
    /// By group of machines.
    pub machines: BTreeMap<String, Summary>,
    /// Estimates of others.
    pub baselines: Vec<Baseline>,
}

/// How well rows of one kind were predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Rows of the kind.
    pub rows: usize,
    /// Predicted ones.
    pub predicted: usize,
    /// Share of rows with a stated quantization that were predicted.
    pub answered: f64,
    /// Median of |predicted / measured − 1|.
    pub median_error: f64,
    /// 90th percentile of it.
    pub p90_error: f64,
    /// Median of predicted / measured − 1.
    pub bias: f64,
    /// Share of rows inside the 90 % interval.
    pub coverage: f64,
    /// Rows above the ceiling.
    pub above_ceiling: usize,
}

/// How well somebody else's estimates hold on the rows that they cover.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Baseline {
    /// The estimator.
    pub name: String,
    /// Rows that it has an estimate for.
    pub rows: usize,
    /// Median of |estimated / measured − 1|.
    pub median_error: f64,
    /// 90th percentile of it.
    pub p90_error: f64,
    /// Median of estimated / measured − 1.
    pub bias: f64,
    /// Median error of the predictor on the same rows.
    pub own_median_error: f64,
}

/// A row that was predicted badly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// Its id.
    pub id: String,
    /// Predicted tokens per second.
    pub predicted: f64,
    /// Measured tokens per second.
    pub measured: f64,
    /// Machine, engine, model and quantization.
    pub what: String,
}
