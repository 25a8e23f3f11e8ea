//! Step time from first principles with a handful of fleet-wide numbers.
//!
//! Decode: t = t0 + L·t_layer + L_moe·t_moe + L_rec·t_rec + max(bytes / (BW·η), FLOP / (C·η_c)) + KV / (BW·η_kv).
//! Prefill: passes · (t0 + layers) + max(FLOP / (C·η_c(n)), bytes / (BW·η)) + attention FLOP / (C·η_a),
//! with η_c(n) = η_∞ · n / (n + n_half). Sources and derivation: docs/physics.md, "Step time and rates".

use crate::job::Job;
use roofmark_facts::machine::Machine;
use roofmark_facts::prediction::{Limit, Part};
use roofmark_facts::units::{FlopPerSecond, Seconds};

/// Names of the fleet-wide numbers of decoding, in the order of the vector.
pub const DECODE_NUMBERS: [&str; 9] = [
    "step_seconds",
    "layer_seconds",
    "expert_layer_seconds",
    "recurrent_layer_seconds",
    "weights_efficiency",
    "experts_efficiency",
    "cache_efficiency",
    "compute_efficiency",
    "serving_share",
];

/// Where the fit of decoding starts: natural logarithms of these, with how far each may stray (log sd).
pub const DECODE_START: [(f64, f64); 9] = [
    (1e-4, 0.5),
    (2e-5, 1.0),
    (4e-5, 1.0),
    (2e-5, 1.0),
    (0.8, 0.15),
    (0.7, 0.2),
    (0.6, 0.4),
    (0.3, 0.5),
    (2.0, 0.5),
];

/// Names of the fleet-wide numbers of prefill.
pub const PREFILL_NUMBERS: [&str; 9] = [
    "pass_seconds",
    "layer_seconds",
    "expert_layer_seconds",
    "recurrent_token_seconds",
    "compute_efficiency",
    "experts_compute_efficiency",
    "attention_efficiency",
    "weights_efficiency",
    "half_saturation_tokens",
];

/// Where the fit of prefill starts.
pub const PREFILL_START: [(f64, f64); 9] = [
    (5e-4, 1.0),
    (5e-5, 1.0),
    (1e-4, 1.0),
    (1e-7, 2.0),
    (0.45, 0.4),
    (0.25, 0.5),
    (0.25, 0.7),
    (0.7, 0.2),
    (60.0, 0.7),
];

/// Sharpness of the transition between memory-bound and compute-bound (a p-norm instead of a hard maximum).
const SHARPNESS: f64 = 3.0;

/// Bandwidth of one device of the job in bytes per second; `None` where unknown.
#[must_use]
pub fn bandwidth(job: &Job<'_>) -> Option<f64> {
    Some(job.machine.bandwidth.as_ref()?.value.get() * f64::from(job.devices))
}

/// Dense half-precision peak of the machine in FLOP/s, or a stand-in from its relatives.
///
/// Where no matrix peak is catalogued, the rate of the ordinary arithmetic units stands in; where that is unknown
/// too, the class's typical ratio of arithmetic to bandwidth (FLOP per byte, from the catalogued members).
#[must_use]
pub fn peak(machine: &Machine) -> Option<f64> {
    let known = |kind: &str| machine.peak(kind).map(FlopPerSecond::get);
    let matrix = known("fp16").or_else(|| known("bf16"));
    if let Some(matrix) = matrix {
        return Some(matrix);
    }
    let bandwidth = machine.bandwidth.as_ref()?.value.get();
    let by_class = match machine.class.as_str() {
        "apple-m1" => 26.0,
        "apple-m2" => 33.7,
        "apple-m3" => 41.0,
        "apple-m4" => 33.7,
        "apple-m5" | "apple-m6" => 114.0,
        "cpu-x86" | "cpu-arm" => 10.0,
        _ => return Some(known("fp32").map_or(bandwidth * 100.0, |plain| plain * 2.0)),
    };
    Some(known("fp32").filter(|_| by_class < 100.0).unwrap_or(bandwidth * by_class))
}

/// Layers whose mixer keeps a state of fixed size instead of a cache.
#[must_use]
pub fn recurrent_layers(job: &Job<'_>) -> f64 {
    if job.profile.state_bytes.get() == 0.0 {
        return 0.0;
    }
    let cached: f64 = job.profile.caches.iter().map(|group| group.layers).sum();
    (f64::from(job.profile.layers) - cached).max(0.0)
}

/// Layers with routed experts.
#[must_use]
pub fn expert_layers(job: &Job<'_>) -> f64 {
    job.profile.experts.iter().map(|group| group.layers).sum()
}

/// Bytes of routed experts that one step of `tokens` tokens reads.
#[must_use]
pub fn expert_bytes(job: &Job<'_>, tokens: f64) -> f64 {
    job.profile.experts.iter().map(|group| group.bytes.get() * group.layers * group.touched(tokens)).sum()
}

/// Cache and recurrent state that one decode step moves.
#[must_use]
pub fn cache_bytes(job: &Job<'_>) -> f64 {
    let state = 2.0 * job.profile.state_bytes.get();
    let cached = |depth: f64| job.profile.cache_bytes(depth, job.cache_element).get() + state;
    if job.one_sequence {
        return cached(job.mean_depth());
    }
    if job.depths.is_empty() {
        return job.batch * cached(job.mean_depth());
    }
    job.depths.iter().map(|depth| cached(depth + job.generated / 2.0)).sum()
}

/// Time of one step or prompt by what it is spent on, with the numbers `theta` (logarithms); `None` where the
/// machine's bandwidth is unknown.
#[must_use]
pub fn parts(job: &Job<'_>, theta: &[f64]) -> Option<Vec<Part>> {
    let bandwidth = bandwidth(job)?;
    let peak = peak(job.machine)? * f64::from(job.devices);
    let number: Vec<f64> = theta.iter().map(|value| value.exp()).collect();
    Some(if job.is_prefill() {
        prefill(job, &number, bandwidth, peak)
    } else {
        decode(job, &number, bandwidth, peak)
    })
}

/// Sum of the parts.
#[must_use]
pub fn total(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.time.get()).sum()
}

fn decode(job: &Job<'_>, number: &[f64], bandwidth: f64, peak: f64) -> Vec<Part> {
    let profile = &job.profile;
    let overhead = number[0]
        + f64::from(profile.layers) * number[1]
        + expert_layers(job) * number[2]
        + recurrent_layers(job) * number[3];
    let [weights, experts, arithmetic] = reading_and_arithmetic(job, number, bandwidth, peak);
    let cache = cache_bytes(job) / (bandwidth * number[6]);
    let memory = weights + experts;
    vec![
        part(Limit::Overhead, overhead),
        part(Limit::Weights, weights),
        part(Limit::Experts, experts),
        part(Limit::Cache, cache),
        part(Limit::Compute, soft_max(memory, arithmetic) - memory),
        part(Limit::Serving, number[8] * serving(job, peak)),
    ]
}

/// Seconds that a decode step spends on shared weights, on experts and on arithmetic, each by itself.
fn reading_and_arithmetic(job: &Job<'_>, number: &[f64], bandwidth: f64, peak: f64) -> [f64; 3] {
    [
        job.profile.fixed_bytes.get() / (bandwidth * number[4]),
        expert_bytes(job, job.batch) / (bandwidth * number[5]),
        job.profile.flop_per_token().get() * job.batch / (peak * number[7]),
    ]
}

/// Time of the arithmetic of a decode step over the time of reading its weights; 1 at the knee. `None` where the
/// machine's bandwidth is unknown.
#[must_use]
pub fn arithmetic_over_reading(job: &Job<'_>, theta: &[f64]) -> Option<f64> {
    let number: Vec<f64> = theta.iter().map(|value| value.exp()).collect();
    let peak = peak(job.machine)? * f64::from(job.devices);
    let [weights, experts, arithmetic] = reading_and_arithmetic(job, &number, bandwidth(job)?, peak);
    Some(arithmetic / (weights + experts))
}

/// Arithmetic of the other sequences' prompts, spread over the generated tokens: a server that takes in new requests
/// while others decode delays them.
fn serving(job: &Job<'_>, peak: f64) -> f64 {
    if !job.engine.interleaves_prompts() || job.batch <= 1.0 {
        return 0.0;
    }
    let tokens = job.depth + job.prompt;
    (job.batch - 1.0) * tokens / job.generated.max(16.0) * job.profile.flop_per_token().get() / peak
}

fn prefill(job: &Job<'_>, number: &[f64], bandwidth: f64, peak: f64) -> Vec<Part> {
    let profile = &job.profile;
    let (tokens, pass) = (job.prompt_tokens(), job.pass());
    let passes = (tokens / pass).ceil();
    let overhead = passes
        * (number[0] + f64::from(profile.layers) * number[1] + expert_layers(job) * number[2])
        + tokens * recurrent_layers(job) * number[3] * 300e9 / bandwidth;
    let filled = pass / (pass + number[8]);
    let routed: f64 =
        profile.experts.iter().map(|group| group.flop.get() * group.layers * group.active).sum();
    let dense = (profile.fixed_flop.get() - profile.head_flop.get()) * tokens / (peak * number[4] * filled);
    let experts = routed * tokens / (peak * number[5] * filled);
    let attention = profile.attention_flop(job.depth + job.prompt / 2.0).get() * tokens / (peak * number[6]);
    let bytes = profile.fixed_bytes.get() + expert_bytes(job, pass);
    let memory = passes * bytes / (bandwidth * number[7]);
    let arithmetic = dense + experts;
    vec![
        part(Limit::Overhead, overhead),
        part(Limit::Compute, dense),
        part(Limit::ExpertCompute, experts),
        part(Limit::Attention, attention),
        part(Limit::Weights, soft_max(arithmetic, memory) - arithmetic),
    ]
}

fn soft_max(left: f64, right: f64) -> f64 {
    (left.powf(SHARPNESS) + right.powf(SHARPNESS)).powf(1.0 / SHARPNESS)
}

fn part(limit: Limit, seconds: f64) -> Part {
    Part { limit, time: Seconds(seconds) }
}
