//! Physical bounds at datasheet peak: the rate that no engine can exceed.
//!
//! Roofline model (Williams et al. 2009): a step takes at least its bytes over the memory bandwidth
//! and its FLOPs over the compute peak. Formulas: docs/physics.md, "Ceiling and verdict".

use crate::machine::{Machine, MachineKind, Sourced};
use crate::profile::Profile;
use crate::units::{Bytes, BytesPerSecond, Flop, FlopPerSecond, TokensPerSecond};
use serde::{Deserialize, Serialize};

/// Clocks may exceed the rated boost by this much.
pub const CLOCK_MARGIN: f64 = 1.15;

/// What is asked of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Prefill or decode.
    pub phase: Phase,
    /// Tokens already in the cache of each sequence.
    pub depth: f64,
    /// Prompt tokens processed by a prefill; 0 where unknown. Unused in decode.
    pub prompt: f64,
    /// Sequences decoded together.
    pub batch: f64,
    /// Bytes of one cached element: 2 for f16.
    pub cache_element_bytes: f64,
    /// Tokens accepted by one pass over the weights: 1 without speculation.
    pub accepted: f64,
}

impl Workload {
    /// Decoding one sequence at `depth`, cache in f16, no speculation.
    #[must_use]
    pub fn decode(depth: f64) -> Self {
        Self { phase: Phase::Decode, depth, prompt: 0.0, batch: 1.0, cache_element_bytes: 2.0, accepted: 1.0 }
    }

    /// Processing a prompt of `prompt` tokens after `depth` others.
    #[must_use]
    pub fn prefill(prompt: f64, depth: f64) -> Self {
        Self { phase: Phase::Prefill, prompt, ..Self::decode(depth) }
    }
}

/// The two phases of inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The prompt is read.
    Prefill,
    /// Tokens are generated.
    Decode,
}

/// What decides a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Bytes over memory bandwidth.
    Bandwidth,
    /// FLOPs over the highest dense peak.
    Compute,
    /// Weights that do not fit, over the link to the host or the host's own memory.
    Link,
    /// The workload does not fit the machine's memory and there is nothing to spill to.
    Capacity,
    /// Neither is known well enough to bound a claim.
    Unknown,
}

/// A bound and the arithmetic behind it. Rates are aggregates over the batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The lower of the two bounds that are known.
    pub rate: Option<TokensPerSecond>,
    /// Which one it is.
    pub limited_by: Limit,
    /// Bound by bandwidth alone.
    pub by_bandwidth: Option<TokensPerSecond>,
    /// Bound by compute alone.
    pub by_compute: Option<TokensPerSecond>,
    /// What one step reads and computes (a whole prompt in prefill).
    pub step: Step,
    /// Memory that the workload needs against what there is.
    pub capacity: Capacity,
    /// Bandwidth used, with its source.
    pub bandwidth: Option<Sourced<BytesPerSecond>>,
    /// Peak used, with its type and source; the bound adds [`CLOCK_MARGIN`].
    pub peak: Option<(String, Sourced<FlopPerSecond>)>,
}

/// Least traffic and work of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Weights, every sequence choosing the same experts.
    pub weights: Bytes,
    /// Key-value cache of all sequences.
    pub cache: Bytes,
    /// Recurrent state of all sequences.
    pub state: Bytes,
    /// Bytes that may stay in the last-level cache and do not cross the memory bus.
    pub resident: Bytes,
    /// Floating-point operations.
    pub flop: Flop,
    /// Tokens that the step yields.
    pub tokens: f64,
}

impl Step {
    /// Bytes that cross the memory bus.
    #[must_use]
    pub fn traffic(&self) -> Bytes {
        (self.weights + self.cache + self.state - self.resident).max(Bytes(0.0))
    }
}

/// Memory needed and present.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Weights, cache and state of all sequences, and [`BUFFERS`].
    pub needed: Bytes,
    /// Memory of the machine, where known.
    pub present: Option<Bytes>,
    /// What does not fit; 0 where the memory is unknown.
    pub spill: Bytes,
}

/// Working buffers of an engine.
pub const BUFFERS: Bytes = Bytes(0.5e9);

/// The bound of `workload` on `machine`. `resident` is the part of the bytes that may stay in the
/// last-level cache: zero for a printed ceiling, the cache's size for a verdict.
#[must_use]
pub fn bound(machine: &Machine, profile: &Profile, workload: &Workload, resident: Bytes) -> Bound {
    let step = match workload.phase {
        Phase::Decode => decode_step(profile, workload, resident),
        Phase::Prefill => prefill_step(profile, workload, resident),
    };
    let bandwidth = machine.bandwidth.clone().filter(|known| known.bound().is_some());
    let peak = machine.peaks.iter().filter(|(_, peak)| peak.bound().is_some());
    let peak = peak.max_by(|left, right| left.1.value.get().total_cmp(&right.1.value.get())).cloned();
    let traffic = step.traffic();
    let bytes_count = workload.phase == Phase::Decode || workload.prompt > 0.0;
    let by_bandwidth = bandwidth.as_ref().filter(|_| bytes_count && traffic.get() > 0.0);
    let by_bandwidth = by_bandwidth.map(|known| TokensPerSecond::of(step.tokens, traffic / known.value));
    let by_compute = peak
        .as_ref()
        .map(|(_, known)| TokensPerSecond::of(step.tokens, step.flop / (known.value * CLOCK_MARGIN)));
    let (rate, limited_by) = lower(by_bandwidth, by_compute);
    Bound {
        rate,
        limited_by,
        by_bandwidth,
        by_compute,
        step,
        capacity: capacity(machine, profile, workload),
        bandwidth,
        peak,
    }
}

fn lower(
    bandwidth: Option<TokensPerSecond>,
    compute: Option<TokensPerSecond>,
) -> (Option<TokensPerSecond>, Limit) {
    match (bandwidth, compute) {
        (Some(bandwidth), Some(compute)) if compute < bandwidth => (Some(compute), Limit::Compute),
        (Some(bandwidth), _) => (Some(bandwidth), Limit::Bandwidth),
        (None, Some(compute)) => (Some(compute), Limit::Compute),
        (None, None) => (None, Limit::Unknown),
    }
}

/// One pass over the weights yields `accepted` tokens for each sequence.
fn decode_step(profile: &Profile, workload: &Workload, resident: Bytes) -> Step {
    let Workload { depth, batch, accepted, .. } = *workload;
    let tokens = batch * accepted;
    Step {
        weights: profile.least_step_weight_bytes(),
        cache: profile.cache_bytes(depth, workload.cache_element_bytes) * batch,
        state: profile.state_bytes * batch,
        resident,
        flop: (profile.flop_per_token() + profile.attention_flop(depth)) * tokens,
        tokens,
    }
}

/// A whole prompt (one token where its length is unknown): weights are read at least once; the head
/// runs for the last token only and is left out.
fn prefill_step(profile: &Profile, workload: &Workload, resident: Bytes) -> Step {
    let tokens = workload.prompt.max(1.0);
    let attention = least_prefill_attention(profile, workload.depth, workload.prompt);
    Step {
        weights: profile.least_step_weight_bytes() - profile.head_bytes,
        cache: profile.cache_bytes(workload.depth, workload.cache_element_bytes),
        state: Bytes(0.0),
        resident,
        flop: (profile.flop_per_token() - profile.head_flop + attention) * tokens,
        tokens,
    }
}

/// Mean attention FLOPs of a prompt's tokens. Windows count what the first token sees: never too much.
fn least_prefill_attention(profile: &Profile, depth: f64, prompt: f64) -> Flop {
    let seen = |window: Option<u64>| window.map_or(depth + prompt / 2.0, |window| depth.min(window as f64));
    profile.caches.iter().map(|group| group.flop * (group.layers * seen(group.window))).sum()
}

fn capacity(machine: &Machine, profile: &Profile, workload: &Workload) -> Capacity {
    let depth = workload.depth + workload.prompt;
    let each = profile.cache_bytes(depth, workload.cache_element_bytes) + profile.state_bytes;
    let needed = profile.tensor_bytes + each * workload.batch + BUFFERS;
    let present = machine.memory.as_ref().map(|memory| memory.value);
    let spill = present.map_or(Bytes(0.0), |present| (needed - present).max(Bytes(0.0)));
    Capacity { needed, present, spill }
}

/// A ceiling: one number that stands for the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Highest aggregate rate; `None` where nothing bounds it or nothing can run.
    pub rate: Option<TokensPerSecond>,
    /// What decides it.
    pub limited_by: Limit,
}

/// The lowest of the bandwidth, compute, link and capacity bounds.
///
/// Decode on a card whose weights spill reads the rest at `beyond`: the host's memory bandwidth where
/// the host computes those layers; without it, the link's, over which they are streamed. In prefill
/// spilled weights are read once for many tokens, so only the compute bound is kept.
#[must_use]
pub fn ceiling(machine: &Machine, bound: &Bound, phase: Phase, beyond: Option<BytesPerSecond>) -> Ceiling {
    let plain = Ceiling { rate: bound.rate, limited_by: bound.limited_by };
    if bound.capacity.spill.get() <= 0.0 {
        return plain;
    }
    if machine.kind != MachineKind::Discrete {
        return Ceiling { rate: None, limited_by: Limit::Capacity };
    }
    if phase == Phase::Prefill {
        return Ceiling { rate: bound.by_compute, limited_by: Limit::Compute };
    }
    let link = machine.link.as_ref().map(|link| link.value);
    match beyond.or(link).and_then(|beyond| spilled_rate(bound, beyond)) {
        Some(rate) if plain.rate.is_none_or(|plain| rate < plain) => {
            Ceiling { rate: Some(rate), limited_by: Limit::Link }
        }
        Some(_) => plain,
        None => Ceiling { rate: None, limited_by: Limit::Capacity },
    }
}

/// Decode bound of a card whose weights spill: what fits is read at the card's bandwidth, the rest
/// at `beyond`: the host's memory bandwidth where the host computes those layers, or the link's
/// where they are streamed. `None` where the card's bandwidth is unknown.
#[must_use]
pub fn spilled_rate(bound: &Bound, beyond: BytesPerSecond) -> Option<TokensPerSecond> {
    let inside = bound.bandwidth.as_ref()?.value;
    let spill = bound.capacity.spill.min(bound.step.traffic());
    let time = (bound.step.traffic() - spill) / inside + spill / beyond;
    Some(TokensPerSecond::of(bound.step.tokens, time))
}

/// Memory traffic that a claimed aggregate `rate` needs.
#[must_use]
pub fn needed_bandwidth(bound: &Bound, rate: TokensPerSecond) -> BytesPerSecond {
    rate * (bound.step.traffic() / bound.step.tokens)
}
