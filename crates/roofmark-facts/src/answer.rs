//! The whole answer to one question to the predictor, as a plain record: both phases, memory, waiting times, batches.

use crate::prediction::{Interval, Prediction};
use crate::units::{Bytes, FlopPerSecond, Seconds, TokensPerSecond};
use serde::Serialize;

/// A question with its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Catalog name of the machine.
    pub machine: String,
    /// Name of the machine as people know it.
    pub machine_name: String,
    /// The model.
    pub model: String,
    /// Its quantization.
    pub quant: String,
    /// Parameters of the model.
    pub parameters: f64,
    /// The quantization's mix is not published: bytes are within some 10 %.
    pub approximate_bytes: bool,
    /// Name of the engine.
    pub engine: String,
    /// Name of the backend.
    pub backend: String,
    /// What is asked of it.
    pub workload: Asked,
    /// Longest context of the model in tokens, where stated.
    pub context: Option<u64>,
    /// Where decoding stands on the machine's roofline.
    pub place: Option<Place>,
    /// Where reading the prompt stands on it.
    pub prefill_place: Option<Place>,
    /// The answer.
    pub answer: Answer,
    /// Decode by number of sequences.
    pub batches: Option<Curve>,
}

/// A workload.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Tokens in the cache of each sequence; where they differ, as many as equal sequences would have that read the same.
    pub depth: f64,
    /// Tokens in the cache, sequence by sequence; empty where all have `depth`.
    pub depths: Vec<f64>,
    /// Sequences decoded together.
    pub batch: f64,
    /// Prompt tokens of each.
    pub prompt: f64,
    /// Mean accepted length of speculative decoding.
    pub accepted: Option<f64>,
    /// Machines or cards that share the work.
    pub machines: u32,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Decoding. On a card that spills: layers that do not fit are computed by the host.
    pub decode: Prediction,
    /// Decoding on a card that spills when weights are streamed over the host link instead.
    pub streamed: Option<Prediction>,
    /// The prompt.
    pub prefill: Prediction,
    /// Memory needed and present.
    pub memory: Memory,
    /// From the request to the first token.
    pub first_token: Seconds,
    /// From the request to the end of an answer of 50 tokens.
    pub answer_50: Seconds,
    /// The same with 500 tokens.
    pub answer_500: Seconds,
}

/// Memory of one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// All weights.
    pub weights: Bytes,
    /// Cache and state of all sequences at the end of the workload.
    pub cache: Bytes,
    /// Working buffers.
    pub buffers: Bytes,
    /// What the GPU may use, over all devices; `None` where the size of the memory is unknown.
    pub usable: Option<Bytes>,
}

/// A workload on the axes of a roofline chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Place {
    /// FLOP for each byte read: the horizontal axis.
    pub flop_per_byte: f64,
    /// FLOP for each token: what a rate in tokens/s is multiplied with for the vertical one.
    pub flop_per_token: f64,
}

impl Place {
    /// What a rate computes each second.
    #[must_use]
    pub fn arithmetic(&self, rate: TokensPerSecond) -> FlopPerSecond {
        FlopPerSecond(rate.get() * self.flop_per_token)
    }
}

impl Memory {
    /// Everything together.
    #[must_use]
    pub fn needed(&self) -> Bytes {
        self.weights + self.cache + self.buffers
    }

    /// What does not fit; zero where it fits or the memory is unknown.
    #[must_use]
    pub fn short_by(&self) -> Bytes {
        self.usable.map_or(Bytes(0.0), |usable| (self.needed() - usable).max(Bytes(0.0)))
    }

    /// Whether everything fits (unknown memory counts as enough).
    #[must_use]
    pub fn fits(&self) -> bool {
        self.short_by().get() <= 0.0
    }
}

/// Decode rates by batch.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// From one sequence up.
    pub points: Vec<BatchPoint>,
    /// Sequences at which the arithmetic of a step takes as long as reading its weights: below it further sequences are
    /// nearly free for the weights. `None` where that is beyond 4,096.
    pub knee: Option<f64>,
    /// Sequences from which each stream runs at most half as fast as a single one. `None` where beyond 4,096.
    pub half_speed: Option<f64>,
    /// Sequences of the asked length whose caches fit beside the weights; `None` where the memory is unknown.
    pub fitting: Option<f64>,
}

/// One batch.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BatchPoint {
    /// Sequences together.
    pub batch: u32,
    /// Rate of all sequences.
    pub rate: TokensPerSecond,
    /// 90 % interval of it.
    pub interval90: Interval,
    /// Rate of each.
    pub each: TokensPerSecond,
    /// Weights, caches and buffers fit.
    pub fits: bool,
}
