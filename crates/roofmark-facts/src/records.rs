//! The record of a measured run, and the rows that are derived from it.
//!
//! A [`Run`] keeps what was observed: raw samples with the memory roof measured beside each, the
//! state of the machine, settings, doubts. A [`Row`] is computed from it and can be computed again.

use crate::doubt::Doubt;
use crate::machine::Sourced;
use crate::profile::Profile;
use crate::tensor_type::TensorType;
use crate::units::{
    Bytes, BytesPerSecond, Celsius, FlopPerSecond, Hertz, Joules, Seconds, TokensPerSecond, Watts,
};
use serde::{Deserialize, Serialize};

/// Version of the stored form.
pub const FORMAT: &str = "roofmark-run/1";

/// Everything that one bench observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`FORMAT`].
    pub format: String,
    /// Name and version of the tool.
    pub tool: String,
    /// When it began: UTC, RFC 3339. Passed in by the caller.
    pub date: String,
    /// The machine, as far as it shows itself.
    pub machine: Host,
    /// The engine and its kernels.
    pub engine: EngineFacts,
    /// The model that the rows are about.
    pub model: ModelFacts,
    /// How it was run.
    pub settings: Settings,
    /// Read bandwidth with one thread and with all, at the start; `None` where nothing was probed.
    pub roofs: Option<Roofs>,
    /// The models that really ran: the whole one, or slices of it.
    pub parts: Vec<Part>,
    /// What was timed, in the order of the plan.
    pub cells: Vec<Cell>,
    /// Whether the engine computes the right thing.
    pub check: Check,
    /// Doubts about the run as a whole.
    pub doubts: Vec<Doubt>,
}

/// What the operating system says of the machine. `None` is unknown, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Operating system and release.
    pub os: String,
    /// Name of the processor.
    pub cpu: String,
    /// Logical processors that this process may use.
    pub cpus: u32,
    /// Physical cores.
    pub cores: Option<u32>,
    /// Last-level cache.
    pub cache: Option<Bytes>,
    /// Memory installed.
    pub memory: Option<Bytes>,
    /// Memory that a new program can get, limits of the control group included.
    pub available: Option<Bytes>,
    /// Processors that the control group allows, fractional.
    pub cpu_limit: Option<f64>,
    /// Memory that the control group allows.
    pub memory_limit: Option<Bytes>,
    /// Processes that wanted a processor in the last minute (the one-minute load average).
    pub load: Option<f64>,
    /// Frequency governor.
    pub governor: Option<String>,
    /// Name of the hypervisor, where the machine is virtual.
    pub hypervisor: Option<String>,
    /// Name in the catalog.
    pub slug: Option<String>,
    /// Datasheet bandwidth of the catalogued machine.
    pub datasheet: Option<Sourced<BytesPerSecond>>,
}

/// What is read while a cell runs. `None` is unknown, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Mean processor frequency.
    pub frequency: Option<Hertz>,
    /// Hottest sensor.
    pub temperature: Option<Celsius>,
    /// Share of processor time that the hypervisor took away since the state before.
    pub steal: Option<f64>,
    /// Share of the time since the state before in which some task waited for a processor.
    pub pressure: Option<f64>,
}

/// The engine that computed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineFacts {
    /// Name.
    pub name: String,
    /// Version of the package it was built from.
    pub version: String,
    /// The engine's own account of its instruction sets.
    pub kernels: String,
    /// Weights are rearranged for the fastest CPU kernels.
    pub repacked: bool,
    /// Flash attention is in use; `None` where the engine does not say.
    pub flash_attention: Option<bool>,
    /// Device that computes, such as `CPU` or the name of a GPU.
    pub device: String,
    /// Backend that drives it, such as `CPU`, `CUDA` or `Metal`.
    pub backend: String,
    /// How far the engine's process is confined.
    pub sandbox: String,
}

/// The model that the rows are about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Costs of the whole model.
    pub profile: Profile,
    /// Where the weights came from.
    pub origin: Origin,
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Random blocks of the exact shapes and types.
    Synthetic,
    /// A file, by name (not by path: a record may be published).
    File(String),
}

/// How a bench was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Protocol that the plan started from.
    pub protocol: String,
    /// Repetitions of each cell.
    pub repetitions: u32,
    /// Threads of the engine.
    pub threads: u32,
    /// Storage type of the cache.
    pub cache_type: TensorType,
    /// Most tokens that a prefill computes together.
    pub micro_batch: u32,
    /// Seconds that the start was put off to let the machine come to rest.
    pub waited: Seconds,
}

/// Read bandwidth of main memory by a short probe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roof {
    /// Threads that read.
    pub threads: u32,
    /// Best burst: the roof.
    pub best: BytesPerSecond,
    /// Median burst: steadier, used to tell drift.
    pub median: BytesPerSecond,
}

/// Roofs at the start of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roofs {
    /// With one thread.
    pub single: Roof,
    /// With the engine's threads.
    pub all: Roof,
}

/// Roofs around one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoofPair {
    /// Right before.
    pub before: Roof,
    /// Right after.
    pub after: Roof,
}

impl RoofPair {
    /// Bandwidth that bounds the sample: the mean of both best bursts.
    #[must_use]
    pub fn bandwidth(&self) -> BytesPerSecond {
        (self.before.best + self.after.best) / 2.0
    }

    /// Relative difference of the medians, as a share of the larger one.
    #[must_use]
    pub fn drift(&self) -> f64 {
        let (before, after) = (self.before.median, self.after.median);
        ((before - after).get().abs() / before.max(after).get()).max(0.0)
    }
}

/// Rates of two quantised matrix products by the engine's own kernels, read in two seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sentinel {
    /// Weights read in the shape of decode.
    pub gemv: BytesPerSecond,
    /// Arithmetic in the shape of prefill.
    pub gemm: FlopPerSecond,
}

/// Sentinels around one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentinelPair {
    /// Right before.
    pub before: Sentinel,
    /// Right after.
    pub after: Sentinel,
}

/// A model that really ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Layers.
    pub layers: u32,
    /// Its costs.
    pub profile: Profile,
}

/// The two phases of inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Tokens of a prompt, computed together.
    Prefill,
    /// One token per sequence and step.
    Decode,
}

/// What one cell does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// Phase that is timed.
    pub phase: Phase,
    /// Prompt tokens timed (0 for decode).
    pub prompt: u32,
    /// Tokens in the cache before, per sequence.
    pub depth: u32,
    /// Sequences together.
    pub batch: u32,
    /// Steps timed, each one token per sequence (0 for prefill).
    pub generated: u32,
}

impl Workload {
    /// A prefill of one sequence.
    #[must_use]
    pub fn prefill(prompt: u32, depth: u32) -> Self {
        Self { phase: Phase::Prefill, prompt, depth, batch: 1, generated: 0 }
    }

    /// `generated` decode steps of `batch` sequences.
    #[must_use]
    pub fn decode(generated: u32, depth: u32, batch: u32) -> Self {
        Self { phase: Phase::Decode, prompt: 0, depth, batch, generated }
    }

    /// Tokens that one sample of this workload counts.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        match self.phase {
            Phase::Prefill => u64::from(self.prompt),
            Phase::Decode => u64::from(self.generated) * u64::from(self.batch),
        }
    }

    /// Passes over the weights in one sample.
    #[must_use]
    pub fn passes(&self, micro_batch: u32) -> u32 {
        match self.phase {
            Phase::Prefill => self.prompt.div_ceil(micro_batch.max(1)),
            Phase::Decode => self.generated,
        }
    }

    /// Bytes that one sample of `model` must read: the fewest weights and the mean cache.
    ///
    /// `element` is the size of a cached element in bytes.
    #[must_use]
    pub fn bytes(&self, model: &Profile, micro_batch: u32, element: f64) -> Bytes {
        let passes = f64::from(self.passes(micro_batch));
        let timed = f64::from(self.prompt.max(self.generated));
        let cache = model.cache_bytes(f64::from(self.depth) + timed / 2.0, element) * f64::from(self.batch);
        let cache = if self.phase == Phase::Decode {
            cache + model.state_bytes * f64::from(self.batch)
        } else {
            cache
        };
        (model.least_step_weight_bytes() + cache) * passes
    }
}

/// Samples of one workload on one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Index into [`Run::parts`].
    pub part: usize,
    /// What was timed.
    pub workload: Workload,
    /// Raw samples in the order they were taken.
    pub samples: Vec<Sample>,
}

/// One repetition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Tokens counted.
    pub tokens: u64,
    /// Time inside the engine's decode call.
    pub time: Seconds,
    /// Time of each step, where there is more than one.
    pub steps: Vec<Seconds>,
    /// Roofs measured right before and after.
    pub roof: Option<RoofPair>,
    /// Sentinels read right before and after; absent in older records and where there was no memory for them.
    #[serde(default)]
    pub sentinel: Option<SentinelPair>,
    /// Energy over the sample, where a counter moved.
    pub energy: Option<Joules>,
    /// State of the machine at the end of the sample.
    pub state: State,
    /// All logits at the end were finite numbers.
    pub finite: bool,
}

impl Sample {
    /// Tokens per second.
    #[must_use]
    pub fn rate(&self) -> TokensPerSecond {
        TokensPerSecond::of(self.tokens as f64, self.time)
    }
}

/// Whether the engine computes the right thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Cannot be told: random weights, or no tokenizer.
    NotApplicable,
    /// Was not asked for, or the run ended before.
    NotRun,
    /// Greedy decoding of `prompt` gave `answer`.
    Greedy {
        /// What was asked.
        prompt: String,
        /// What came out.
        answer: String,
        /// The answer is the known one.
        right: bool,
    },
}

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval<T> {
    /// Lower bound.
    pub low: T,
    /// The estimate (a median unless said otherwise).
    pub mid: T,
    /// Upper bound.
    pub high: T,
}

/// What bounds a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory bandwidth: the rate is near what the bytes allow.
    Memory,
    /// Arithmetic, at this rate.
    Compute(FlopPerSecond),
    /// Neither is near: overhead, caches, a slow path.
    Neither,
    /// No roof was measured.
    Unknown,
}

/// How a row came from parts of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extrapolation {
    /// Layers of the parts that ran.
    pub layers: Vec<u32>,
    /// Layers of the model.
    pub of: u32,
    /// Largest distance of a part from the line, relative to its time; `None` with two parts.
    pub misfit: Option<f64>,
    /// Largest error of the method where it was checked on a whole model.
    pub method_error: f64,
}

/// One line of the result, derived from the samples of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was timed.
    pub workload: Workload,
    /// Median rate and its 95 % bootstrap interval.
    pub rate: Interval<TokensPerSecond>,
    /// Slowest sample (of the whole model; `None` for an extrapolation).
    pub slowest: Option<TokensPerSecond>,
    /// Fastest sample.
    pub fastest: Option<TokensPerSecond>,
    /// Samples behind it.
    pub samples: u32,
    /// Rate at which the bytes alone would take the measured read bandwidth (decode only).
    pub attainable: Option<TokensPerSecond>,
    /// Rate over attainable. Above 1 is a doubt, never clamped.
    pub share: Option<f64>,
    /// Rate that the datasheet bandwidth would allow, for a catalogued machine.
    pub ceiling: Option<TokensPerSecond>,
    /// Mean power over the samples.
    pub power: Option<Watts>,
    /// Energy per output token.
    pub energy_per_token: Option<Joules>,
    /// What bounds it.
    pub limit: Limit,
    /// Set where the row is computed from slices.
    pub extrapolation: Option<Extrapolation>,
    /// Not fit for comparisons; shown all the same.
    pub void: bool,
    /// Doubts about this row.
    pub doubts: Vec<Doubt>,
}
