//! A prediction as a plain record: what the predictor hands to the referee, the tables and the ledger.

use crate::evidence::MeasuredPhase;
use crate::units::{Bytes, Seconds, TokensPerSecond};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One predicted rate with everything that makes it checkable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What is predicted. `DecodeBatched` is the sum over all sequences.
    pub phase: MeasuredPhase,
    /// The middle of the prediction (its median).
    pub rate: TokensPerSecond,
    /// Interval that holds nine of ten measurements.
    pub interval90: Interval,
    /// Interval that holds nineteen of twenty measurements.
    pub interval95: Interval,
    /// Datasheet bound at the same workload; absent where no peak may bound.
    pub ceiling: Option<TokensPerSecond>,
    /// What the prediction rests on.
    pub tier: Tier,
    /// What takes most of the time.
    pub limit: Limit,
    /// Parts of the time of one step (decode) or of the prompt (prefill); they add up to `step`.
    pub breakdown: Vec<Part>,
    /// Time of one step (decode: all sequences advance by one token) or of the whole prompt.
    pub step: Seconds,
    /// Bytes that cross the memory bus in one step or prompt.
    pub bytes: Bytes,
    /// Measurements that weigh most, heaviest first.
    pub nearest: Vec<Neighbour>,
    /// What the asker should know (guessed inputs, missing facts).
    pub notes: Vec<String>,
}

/// A range of rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: TokensPerSecond,
    /// Upper end.
    pub high: TokensPerSecond,
}

impl Interval {
    /// Whether `rate` lies inside, ends included.
    #[must_use]
    pub fn contains(&self, rate: TokensPerSecond) -> bool {
        self.low <= rate && rate <= self.high
    }
}

/// How close the evidence comes to the question. Ordered from weakest to strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// No measurement of this class of hardware: formulas and fleet-wide numbers only.
    Physics,
    /// Measurements of the same class of hardware.
    Class,
    /// Measurements of this machine with another model, quantization or engine.
    Machine,
    /// Measurements of this machine, engine, model and quantization.
    Exact,
}

impl fmt::Display for Tier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Physics => "physics only",
            Self::Class => "same class of hardware measured",
            Self::Machine => "same machine measured",
            Self::Exact => "exact configuration measured",
        })
    }
}

/// What the time goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Launches, synchronisation and work per layer.
    Overhead,
    /// Reading weights that every token uses.
    Weights,
    /// Reading routed experts.
    Experts,
    /// Reading the key-value cache or recurrent state.
    Cache,
    /// Arithmetic; of a prompt through a mixture, that of what every token uses.
    Compute,
    /// Arithmetic of routed experts over a prompt.
    ExpertCompute,
    /// Arithmetic of attention over the context.
    Attention,
    /// Prompts of other requests that the server works on in between.
    Serving,
    /// Weights that cross the host link.
    HostLink,
    /// Layers that the host computes from its own memory.
    HostMemory,
    /// The network between machines or cards.
    Network,
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Overhead => "overhead per step and layer",
            Self::Weights => "memory bandwidth (weights)",
            Self::Experts => "memory bandwidth (experts)",
            Self::Cache => "memory bandwidth (cache)",
            Self::Compute => "arithmetic",
            Self::ExpertCompute => "arithmetic (experts)",
            Self::Attention => "attention arithmetic",
            Self::Serving => "prompts of other requests",
            Self::HostLink => "host link (streamed weights)",
            Self::HostMemory => "host memory (layers computed there)",
            Self::Network => "network between devices",
        })
    }
}

/// A part of the predicted time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it is spent on.
    pub limit: Limit,
    /// How long it takes.
    pub time: Seconds,
}

/// A measurement that shaped the prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Row id in the evidence.
    pub id: String,
    /// Machine, engine, model, quantization and workload in one line.
    pub what: String,
    /// The measured rate.
    pub rate: TokensPerSecond,
    /// Source id; see [`crate::evidence::source`].
    pub source: String,
    /// Correlation with what is predicted, 0 to 1.
    pub weight: f64,
}
