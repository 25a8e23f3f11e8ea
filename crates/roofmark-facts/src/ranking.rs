//! Models ranked for a use on a machine, as a plain record.

use crate::answer::Answer;
use serde::Serialize;

/// What runs on a machine, best first.
#[derive(Clone, Debug, Serialize)]
pub struct Ranking {
    /// Catalog name of the machine.
    pub machine: String,
    /// Name as people know it.
    pub machine_name: String,
    /// Cards of its kind together.
    pub devices: u32,
    /// Name of the use.
    pub purpose: String,
    /// Workload and targets of the use.
    pub target: Target,
    /// The models.
    pub models: Vec<Ranked>,
}

/// Workload and targets of a use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Sequences together.
    pub streams: f64,
    /// Prompt tokens.
    pub prompt: f64,
    /// Context of each sequence that must fit, and that the model must have been made for.
    pub context: f64,
    /// Tokens per second of each sequence that are enough.
    pub decode: f64,
    /// Seconds to the first token that are bearable; `None` where nobody waits.
    pub first_token: Option<f64>,
}

/// One model in one quantization on the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked {
    /// Model slug.
    pub model: String,
    /// Quantization.
    pub quant: String,
    /// Parameters in 10^9.
    pub params_b: f64,
    /// Rates, memory, waiting times.
    pub answer: Answer,
    /// Longest context that fits, for each sequence.
    pub context: f64,
    /// Fast enough for the use.
    pub fast_enough: bool,
    /// Parameters in 10^9 of a dense 16-bit model of January 2026 that is worth as much.
    pub worth_b: f64,
}
