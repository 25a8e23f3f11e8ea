//! Records of advice: a workload, the machines that serve it in their order, and why the others do not.

use crate::catalog::{Answer, Support};
use crate::cost::{Input, Uncertain};
use crate::prediction::Tier;
use serde::Serialize;

/// What somebody does with a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workload {
    /// Name of the preset it started from.
    pub name: String,
    /// Prompt tokens of a request that are computed.
    pub prompt: f64,
    /// Prompt tokens that are in the cache already.
    pub cached: f64,
    /// Generated tokens of a request.
    pub output: f64,
    /// Requests in flight.
    pub streams: f64,
    /// Hours a day that the machine is on.
    pub hours: f64,
    /// Share of those hours in which it works.
    pub utilisation: f64,
    /// Least tokens per second of each stream.
    pub least_rate: Option<f64>,
    /// Longest wait for the first token in seconds.
    pub longest_wait: Option<f64>,
}

/// How sure it is that the targets are met. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The whole 90 % interval meets them.
    Meets,
    /// The middle meets them.
    Likely,
    /// Only the good end of the interval meets them.
    Doubtful,
    /// Not even the good end.
    Misses,
}

/// A machine in the ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// Slug.
    pub machine: String,
    /// Model that it would run.
    pub model: String,
    /// Quantization.
    pub quant: String,
    /// Engine and backend of the prediction.
    pub engine: String,
    /// Generated tokens per second of one stream alone.
    pub decode: Uncertain,
    /// Generated tokens per second of all streams.
    pub throughput: Uncertain,
    /// Tokens per second that each stream sees.
    pub each: Uncertain,
    /// Seconds until the first token, queueing left aside.
    pub wait: Uncertain,
    /// Weakest evidence of the predictions.
    pub tier: Tier,
    /// Whether the targets are met.
    pub standing: Standing,
    /// Price, where known.
    pub price: Option<Input>,
    /// Money a month, where the price is known.
    pub monthly: Option<Uncertain>,
    /// Money for a million generated tokens, where the price is known.
    pub per_million: Option<Uncertain>,
    /// Probability that it belongs before the next place, by the key of the ranking.
    pub before_next: Option<f64>,
    /// What is not known of it that was asked for, or not counted.
    pub unknown: Vec<String>,
    /// The newest evidence on the engine that runs on it.
    pub support: Option<Support>,
}

/// Why a machine is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The constraint: `fit`, `budget`, `os`, …
    pub constraint: String,
    /// The fact against it.
    pub text: String,
}

/// A machine that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// Slug.
    pub machine: String,
    /// Every reason.
    pub reasons: Vec<Reason>,
}

/// What orders the places within one standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Money a month, least first.
    Cost,
    /// Tokens per second of all streams, most first.
    Speed,
    /// Money for a million generated tokens, least first.
    PerToken,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// What was asked for.
    pub workload: Workload,
    /// Models that were considered.
    pub models: Vec<String>,
    /// ISO code of all money.
    pub currency: String,
    /// What orders the places.
    pub order: Order,
    /// Machines with a price, best first; then those without, fastest first.
    pub places: Vec<Place>,
    /// Machines that are left out.
    pub excluded: Vec<Exclusion>,
    /// Dated answers about the engine that was asked for.
    pub answers: Vec<Answer>,
    /// Rules and assumptions.
    pub notes: Vec<String>,
    /// Seed of the draws.
    pub seed: u64,
}

/// How a machine stands to a target rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reach {
    /// Slug.
    pub machine: String,
    /// Predicted tokens per second.
    pub rate: Uncertain,
    /// Datasheet bound.
    pub ceiling: Option<f64>,
    /// Whether it gets there.
    pub standing: Standing,
    /// Price, where known.
    pub price: Option<Input>,
}

/// What would bring one machine to the target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ways {
    /// How it stands now.
    pub now: Reach,
    /// The largest quantization that gets there, with its rate.
    pub quant: Option<(String, f64)>,
    /// Tokens that speculation has to accept in a pass, its own time left aside.
    pub accepted: Option<f64>,
    /// The largest models that get there in the same quantization, with their rates.
    pub models: Vec<(String, f64)>,
}

/// Answer to "what would it take".
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetAnswer {
    /// Tokens per second.
    pub rate: f64,
    /// Model.
    pub model: String,
    /// Quantization.
    pub quant: String,
    /// Tokens in the cache.
    pub depth: f64,
    /// GB that one token reads.
    pub gb_per_token: f64,
    /// GB/s if every byte arrived at the datasheet's rate.
    pub least_bandwidth_gb_s: f64,
    /// Median of predicted rate over ceiling of the machines that hold the model.
    pub efficiency: f64,
    /// Machines that hold the model and may get there, cheapest first, then those without a price.
    pub reach: Vec<Reach>,
    /// What would bring the asked machines there.
    pub ways: Vec<Ways>,
    /// ISO code of prices.
    pub currency: String,
}
