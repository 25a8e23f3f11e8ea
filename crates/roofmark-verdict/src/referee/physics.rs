//! One reading of a claim against datasheet bounds, best measured bandwidth and expectation.

use super::cases::Case;
use super::{Court, Question};
use roofmark_facts::bounds::{self, Bound, Limit, Workload};
use roofmark_facts::claim::{Claim, Phase, Verdict};
use roofmark_facts::machine::{Machine, MachineKind};
use roofmark_facts::units::{Bytes, BytesPerSecond, TokensPerSecond};

/// Above the ceiling by more than this, a claim is impossible: rounding of datasheets.
pub(super) const ROUNDING: f64 = 1.02;
/// How far an owner can raise the memory clock.
pub(super) const OVERCLOCK: f64 = 1.15;
/// Last-level cache of a machine whose cache is unknown.
const UNKNOWN_CACHE: Bytes = Bytes(512e6);
/// The same of server processors.
const SERVER_CACHE: Bytes = Bytes(1.2e9);
/// Share of the best measured read bandwidth that decoding has never exceeded.
const MEASURED_SHARE: f64 = 0.95;
/// The fastest host memory that a card may spill to.
const BEST_HOST: BytesPerSecond = BytesPerSecond(1.3e12);
/// What any host of a card reaches, by its memory or by streaming over the link.
const ANY_HOST: BytesPerSecond = BytesPerSecond(6.0e10);
/// The fastest disk that weights can be read from.
const DISK: BytesPerSecond = BytesPerSecond(1.4e10);
/// A rate this close to a ceiling that is only known approximately is decided by the exact bytes.
const CLOSE: f64 = 0.95;
/// Longest accepted length that speculation has shown over a whole text.
const LONGEST_ACCEPTED: f64 = 16.0;

/// What physics says of one reading.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Verdict on the low end.
    pub low: Verdict,
    /// Verdict on the high end.
    pub high: Verdict,
    /// Printed ceiling (nothing stays in cache), in the claim's own terms.
    pub ceiling: Option<f64>,
    /// Ceiling that verdicts use.
    pub limit: Option<f64>,
    /// The bound behind the printed ceiling.
    pub bound: Bound,
    /// Bytes that do not fit; 0 where all fits.
    pub spill: Bytes,
    /// Bytes of a step that come from beyond the machine's own memory.
    pub beyond: Bytes,
    /// Rates that are expected, low to high.
    pub expected: (f64, f64),
    /// Best rate that was measured of the very configuration.
    pub best: Option<f64>,
    /// Where the expectation comes from.
    pub expected_from: &'static str,
}

/// Judges both ends of `claim` under `case`.
pub(super) fn assess(case: &Case<'_>, claim: &Claim, court: &Court<'_>) -> Outcome {
    let workload = workload(claim);
    let printed = bound(case, claim, &workload, Bytes(0.0));
    let devices = f64::from(claim.devices.max(1));
    let resident = cache(case.machine) * devices;
    let verdict = bound(case, claim, &workload, resident);
    let scale = devices / per_stream(claim);
    let spill = spill(case, &printed, devices);
    let mut outcome = Outcome {
        low: Verdict::Consistent,
        high: Verdict::Consistent,
        ceiling: printed.rate.map(|rate| rate.get() * scale),
        limit: verdict.rate.map(|rate| rate.get() * scale * case.doubt),
        beyond: beyond(case, &printed, spill),
        bound: printed,
        spill,
        expected: (0.0, f64::INFINITY),
        best: None,
        expected_from: "physics alone",
    };
    expect(&mut outcome, case, claim, court, &workload);
    outcome.low = end(&outcome, case, claim, claim.low, &verdict, scale);
    outcome.high = end(&outcome, case, claim, claim.high, &verdict, scale);
    outcome
}

/// The least work that the claim's words allow: an empty context.
fn workload(claim: &Claim) -> Workload {
    match claim.phase {
        Phase::Prefill => Workload::prefill(0.0, 0.0),
        Phase::Decode | Phase::DecodeBatched => {
            let batch = claim.concurrency.unwrap_or(1).max(1) as f64;
            Workload { batch, ..Workload::decode(0.0) }
        }
    }
}

/// The bound of `workload`. A prompt of known length reads the weights at least once; its attention is left out, because
/// a text may mean the room for context and not the prompt.
fn bound(case: &Case<'_>, claim: &Claim, workload: &Workload, resident: Bytes) -> Bound {
    let free = bounds::bound(case.machine, &case.profile, workload, resident);
    let prompt = claim.context.filter(|tokens| *tokens >= 16 && claim.phase == Phase::Prefill);
    let Some(prompt) = prompt else { return free };
    let tokens = (prompt * claim.concurrency.unwrap_or(1).max(1)) as f64;
    let whole = bounds::bound(case.machine, &case.profile, &Workload::prefill(tokens, 0.0), resident);
    match (whole.by_bandwidth, free.rate) {
        (Some(reading), Some(rate)) if reading < rate => {
            Bound { rate: Some(reading), limited_by: Limit::Bandwidth, ..whole }
        }
        (Some(reading), None) => Bound { rate: Some(reading), limited_by: Limit::Bandwidth, ..whole },
        _ => free,
    }
}

/// Bounds are of all streams together; a claim may be of each.
fn per_stream(claim: &Claim) -> f64 {
    if claim.phase == Phase::Decode { claim.concurrency.unwrap_or(1).max(1) as f64 } else { 1.0 }
}

/// Bytes that may stay in the last-level cache between tokens.
fn cache(machine: &Machine) -> Bytes {
    let unknown = if machine.kind == MachineKind::Cpu { SERVER_CACHE } else { UNKNOWN_CACHE };
    machine.cache.as_ref().map_or(unknown, |cache| cache.value)
}

/// Bytes that do not fit, the token-embedding table left on the host.
fn spill(case: &Case<'_>, bound: &Bound, devices: f64) -> Bytes {
    let Some(present) = bound.capacity.present else { return Bytes(0.0) };
    let experts: Bytes =
        case.profile.experts.iter().map(|group| group.bytes * (group.layers * group.count)).sum();
    let table = (case.profile.tensor_bytes - case.profile.fixed_bytes - experts).max(Bytes(0.0));
    let needed = (bound.capacity.needed - table) / case.doubt;
    let slack = if case.machine.kind == MachineKind::Discrete { 1.0 } else { 0.97 };
    (needed * slack - present * devices).max(Bytes(0.0))
}

/// Bytes of one step that come from beyond: in a mixture of experts only the chosen part of what spilled, and the engine
/// may keep the popular experts inside.
fn beyond(case: &Case<'_>, bound: &Bound, spill: Bytes) -> Bytes {
    let traffic = bound.step.traffic();
    if case.profile.is_moe() {
        return spill * (traffic / case.profile.tensor_bytes) * 0.5;
    }
    spill.min(traffic)
}

/// The verdict on one end.
fn end(outcome: &Outcome, case: &Case<'_>, claim: &Claim, rate: f64, verdict: &Bound, scale: f64) -> Verdict {
    let Some(limit) = outcome.limit else {
        let expected = outcome.expected.1.is_finite() && within(outcome, rate) != Verdict::Implausible;
        return if expected { within(outcome, rate) } else { Verdict::Underspecified };
    };
    if claim.phase == Phase::DecodeBatched && claim.concurrency.is_none() {
        return unknown_batch(verdict, rate, limit, outcome);
    }
    let hard =
        if case.machine.owner_memory_clock && claim.phase != Phase::Prefill { OVERCLOCK } else { ROUNDING };
    let ratio = rate / limit;
    if claim.speculation && ratio > 0.5 {
        return speculative(claim, ratio, rate, verdict, scale * case.doubt);
    }
    if ratio > hard {
        return Verdict::Impossible;
    }
    if is_too_close(case, ratio) && !claim.speculation {
        return Verdict::Underspecified;
    }
    if outcome.spill.get() > 0.0 && claim.phase != Phase::Prefill {
        return spilled(outcome, case, rate / scale * per_step(verdict));
    }
    if ratio > ROUNDING || above_measured(outcome, case, claim, rate, verdict, scale) {
        return Verdict::Implausible;
    }
    within(outcome, rate)
}

/// Whether the bytes are known too badly to tell: near the ceiling of an approximate mix or of a size class.
pub(super) fn is_too_close(case: &Case<'_>, ratio: f64) -> bool {
    case.doubt > 1.0 && ratio * case.doubt > CLOSE
}

/// Steps a second times tokens a step.
fn per_step(bound: &Bound) -> f64 {
    1.0 / bound.step.tokens.max(1.0)
}

fn within(outcome: &Outcome, rate: f64) -> Verdict {
    let (low, high) = outcome.expected;
    if rate > high {
        Verdict::Implausible
    } else if rate < low {
        Verdict::Slow
    } else {
        Verdict::Consistent
    }
}

/// A batch of unknown size is bound by compute alone; up to one stream's ceiling it needs no batch.
fn unknown_batch(verdict: &Bound, rate: f64, limit: f64, outcome: &Outcome) -> Verdict {
    let compute = verdict.by_compute.map_or(f64::INFINITY, TokensPerSecond::get);
    if rate > compute * ROUNDING {
        Verdict::Impossible
    } else if rate > limit {
        Verdict::Underspecified
    } else if rate < outcome.expected.0 {
        Verdict::Slow
    } else {
        Verdict::Consistent
    }
}

/// Disclosed speculation: what the accepted length would have to be.
fn speculative(claim: &Claim, ratio: f64, rate: f64, verdict: &Bound, scale: f64) -> Verdict {
    let compute = verdict.by_compute.map_or(f64::INFINITY, |compute| compute.get() * scale);
    let accepted = claim.accepted.unwrap_or(LONGEST_ACCEPTED);
    if rate > compute * ROUNDING || ratio > accepted * ROUNDING {
        Verdict::Impossible
    } else if ratio > 8.0 {
        Verdict::Implausible
    } else {
        Verdict::Consistent
    }
}

/// Decoding with part of the weights outside, at `steps` steps a second.
fn spilled(outcome: &Outcome, case: &Case<'_>, steps: f64) -> Verdict {
    if case.machine.kind != MachineKind::Discrete {
        let limit = DISK.get() / outcome.beyond.get();
        return if steps > limit * ROUNDING { Verdict::Impossible } else { Verdict::Implausible };
    }
    match needed_beyond(outcome, steps) {
        None => Verdict::Impossible,
        Some(beyond) if beyond > BEST_HOST * ROUNDING => Verdict::Impossible,
        Some(beyond) if beyond > ANY_HOST => Verdict::Underspecified,
        Some(beyond) if beyond < ANY_HOST * 0.1 => Verdict::Slow,
        Some(_) => Verdict::Consistent,
    }
}

/// Bandwidth beyond the card that `steps` steps a second need; `None` where the card's own part takes too long.
pub(super) fn needed_beyond(outcome: &Outcome, steps: f64) -> Option<BytesPerSecond> {
    let bandwidth = outcome.bound.bandwidth.as_ref()?.value;
    let inside = (outcome.bound.step.traffic() - outcome.beyond).max(Bytes(0.0)) / bandwidth;
    let left = 1.0 / steps - inside.get();
    (left > 0.0).then(|| BytesPerSecond(outcome.beyond.get() / left))
}

/// Whether one stream needs more than the machine has ever been seen to read.
fn above_measured(
    outcome: &Outcome,
    case: &Case<'_>,
    claim: &Claim,
    rate: f64,
    verdict: &Bound,
    scale: f64,
) -> bool {
    let Some(measured) = &case.machine.measured_read else { return false };
    let single = claim.phase == Phase::Decode && claim.concurrency == Some(1);
    let needed = verdict.step.traffic() * (rate / scale / case.doubt);
    single
        && outcome.best.is_none_or(|best| best * ROUNDING < rate)
        && needed.get() > measured.value.get() * MEASURED_SHARE
}

/// Fills in the rates that are expected: a prediction where there is a predictor, else a band of efficiencies; widened
/// by what was measured of the very configuration.
fn expect(outcome: &mut Outcome, case: &Case<'_>, claim: &Claim, court: &Court<'_>, workload: &Workload) {
    outcome.expected = band(outcome, case, claim, workload);
    let depth = claim.context.unwrap_or(0) as f64;
    let work = match claim.phase {
        Phase::Prefill => Workload { prompt: if depth > 0.0 { depth } else { 512.0 }, ..*workload },
        _ => Workload { depth, ..*workload },
    };
    let question = Question {
        machine: case.machine,
        profile: &case.profile,
        quant: case.quant.as_ref(),
        workload: &work,
        engine: claim.engine.as_deref(),
    };
    if claim.devices <= 1
        && outcome.spill.get() <= 0.0
        && let Some(prediction) = court.expect.and_then(|predict| predict(&question))
    {
        let share = per_stream(claim);
        let (low, high) = (prediction.interval95.low.get() / share, prediction.interval95.high.get() / share);
        // Servers' aggregates may hold prefill and queueing; predictions do not.
        let low = if claim.phase == Phase::DecodeBatched { low.min(outcome.expected.0) } else { low };
        outcome.expected = (low, high);
        outcome.expected_from = "prediction";
    }
    if let Some((low, high)) = court.evidence.span(claim, &case.label, court.catalog) {
        outcome.expected = (outcome.expected.0.min(low * 0.8), outcome.expected.1.max(high * 1.25));
        outcome.expected_from = "measurements";
        outcome.best = Some(high);
    }
}

/// Where no peak may bound a claim, one that is only recalled still says what to expect of a prompt.
fn untrusted_band(outcome: &Outcome, case: &Case<'_>, claim: &Claim) -> (f64, f64) {
    let peak = case.machine.peaks.iter().map(|(_, peak)| peak.value.get()).fold(0.0, f64::max);
    if claim.phase != Phase::Prefill || peak <= 0.0 {
        return (0.0, f64::INFINITY);
    }
    let rate =
        peak * f64::from(claim.devices.max(1)) * outcome.bound.step.tokens / outcome.bound.step.flop.get();
    (rate * 0.002, rate * 2.0)
}

/// A wide band: from a third of the traffic-bound rate with a fixed time a step, to nearly all of it.
fn band(outcome: &Outcome, case: &Case<'_>, claim: &Claim, workload: &Workload) -> (f64, f64) {
    let scale = f64::from(claim.devices.max(1)) / per_stream(claim);
    let Some(limit) = outcome.limit else { return untrusted_band(outcome, case, claim) };
    if claim.phase == Phase::Prefill {
        let compute = outcome.bound.by_compute.map(|rate| rate.get() * scale);
        let expected = compute.map_or_else(|| untrusted_band(outcome, case, claim).0, |rate| rate * 0.002);
        let short = claim.context.is_some_and(|prompt| prompt < 256);
        return (expected * if short { 0.1 } else { 1.0 }, limit);
    }
    let depth = claim.context.unwrap_or(0) as f64;
    let traffic = case.profile.step_weight_bytes(workload.batch)
        + case.profile.cache_bytes(depth, 2.0) * workload.batch
        + case.profile.state_bytes * workload.batch;
    let Some(bandwidth) = outcome.bound.bandwidth.as_ref() else { return (0.0, limit) };
    let roof = (traffic / bandwidth.value).get();
    let share = if workload.batch > 1.0 {
        0.12
    } else if case.profile.is_moe() {
        0.2
    } else {
        0.3
    };
    let slowest = roof / share + 0.008;
    (workload.batch / slowest * scale, limit)
}
