//! Verdicts in words: one line that a reader understands, with the arithmetic.

use super::Open;
use super::cases::Case;
use super::physics::{Outcome, needed_beyond};
use roofmark_facts::bounds::Limit;
use roofmark_facts::claim::{Claim, Elsewhere, Judged, Phase, Verdict};
use roofmark_facts::machine::MachineKind;
use roofmark_facts::units::significant;

/// The verdict where machine or model is unknown.
pub(super) fn unknown(claim: &Claim, elsewhere: Vec<Elsewhere>) -> Judged {
    let missing = match (&claim.machine, &claim.model) {
        (None, None) => "neither machine nor model is named",
        (None, _) => "no machine is named",
        (_, None) => "no model is named",
        _ => "its model is not in the catalog",
    };
    Judged {
        verdict: Verdict::Underspecified,
        verdict_high: Verdict::Underspecified,
        ceiling: None,
        line: format!("underspecified: {missing}"),
        readings: Vec::new(),
        exemptions: Vec::new(),
        elsewhere,
        claim: claim.clone(),
    }
}

/// One line on a judged claim.
pub(super) fn line(
    claim: &Claim,
    assessed: &[(Case<'_>, Outcome)],
    lead: usize,
    low: Verdict,
    high: Verdict,
    open: &Open,
) -> String {
    let (case, outcome) = &assessed[lead];
    let mut line = verdict_words(claim, low, high);
    if low == Verdict::Underspecified || high == Verdict::Underspecified {
        line.push_str(&missing(claim, case, outcome, open));
    }
    line.push_str(": ");
    line.push_str(&arithmetic(claim, case, outcome));
    if low == Verdict::Slow || high == Verdict::Slow {
        line.push_str(&format!("; expected at least {}", rate(outcome.expected.0)));
    }
    if low == Verdict::Implausible || high == Verdict::Implausible {
        line.push_str(&implausible(claim, case, outcome));
    }
    line
}

fn verdict_words(claim: &Claim, low: Verdict, high: Verdict) -> String {
    if low == high || claim.low == claim.high {
        return low.words().to_owned();
    }
    format!("{} at {}, {} at {}", low.words(), rate(claim.low), high.words(), rate(claim.high))
}

fn missing(claim: &Claim, case: &Case<'_>, outcome: &Outcome, open: &Open) -> String {
    let mut left_out = Vec::new();
    if open.quant {
        left_out.push("the quantization");
    }
    if open.machine {
        left_out.push("the machine's variant");
    }
    if open.model {
        left_out.push("the model's size");
    }
    if claim.phase == Phase::DecodeBatched && claim.concurrency.is_none() {
        left_out.push("the number of streams");
    }
    let close = outcome.limit.is_some_and(|limit| super::physics::is_too_close(case, claim.high / limit));
    if left_out.is_empty() && close {
        left_out.push("the exact bytes of its weights");
    }
    if left_out.is_empty() && outcome.spill.get() > 0.0 {
        left_out.push("the host that holds what does not fit");
    }
    if left_out.is_empty() {
        left_out.push("a trusted peak of the machine");
    }
    format!(" (left out: {})", left_out.join(", "))
}

fn implausible(claim: &Claim, case: &Case<'_>, outcome: &Outcome) -> String {
    if outcome.limit.is_some_and(|limit| claim.high > limit) && case.machine.owner_memory_clock {
        return "; only with overclocked memory".into();
    }
    if claim.high > outcome.expected.1 {
        return format!("; expected at most {} ({})", rate(outcome.expected.1), outcome.expected_from);
    }
    match &case.machine.measured_read {
        Some(read) => {
            format!("; the best read bandwidth ever measured on it is {} GB/s", whole(read.value.gb()))
        }
        None => String::new(),
    }
}

/// The arithmetic of one reading.
pub(super) fn arithmetic(claim: &Claim, case: &Case<'_>, outcome: &Outcome) -> String {
    let mut text = match (claim.phase, outcome.bound.limited_by) {
        (Phase::Prefill, Limit::Compute | Limit::Unknown) | (_, Limit::Compute) => {
            compute(claim, case, outcome)
        }
        _ => traffic(claim, case, outcome),
    };
    if outcome.spill.get() > 0.0 {
        text.push_str(&spilled(claim, case, outcome));
    }
    text
}

fn traffic(claim: &Claim, case: &Case<'_>, outcome: &Outcome) -> String {
    let Some(bandwidth) = &outcome.bound.bandwidth else {
        return format!("no trusted memory bandwidth of {} is known", case.machine.name);
    };
    let devices = f64::from(claim.devices.max(1));
    let per_token = outcome.bound.step.traffic() / outcome.bound.step.tokens.max(1.0);
    let streams = if claim.phase == Phase::Decode { claim.concurrency.unwrap_or(1) as f64 } else { 1.0 };
    let needed = |value: f64| whole((per_token * value * streams).gb());
    let range = claim.low < claim.high;
    let needs =
        if range { format!("{} to {}", needed(claim.low), needed(claim.high)) } else { needed(claim.low) };
    let shared = match claim.concurrency {
        Some(n) if n > 1 => format!(" (weights shared by {n} streams)"),
        _ => String::new(),
    };
    let machine =
        if devices > 1.0 { format!("{devices} of this machine have") } else { "this machine has".into() };
    let what =
        format!("{} × {} GB{shared} = {needs} GB/s", rates(claim), significant(per_token.gb() * streams, 3));
    format!(
        "{what}; {machine} {}; ceiling {}{}",
        whole(bandwidth.value.gb() * devices),
        ceiling(outcome),
        exemption_words(claim, outcome)
    )
}

fn compute(claim: &Claim, case: &Case<'_>, outcome: &Outcome) -> String {
    let Some((kind, peak)) = &outcome.bound.peak else {
        return format!("no trusted arithmetic peak of {} is known", case.machine.name);
    };
    let devices = f64::from(claim.devices.max(1));
    let flop = outcome.bound.step.flop / outcome.bound.step.tokens.max(1.0);
    let needed = |value: f64| significant(flop.get() * value / 1e12, 3);
    let needs = if claim.low < claim.high {
        format!("{} to {}", needed(claim.low), needed(claim.high))
    } else {
        needed(claim.low)
    };
    format!(
        "{} × {} GFLOP = {needs} TFLOP/s; its highest dense peak is {} ({kind}), 1.15 times that with raised clocks; ceiling {}",
        rates(claim),
        significant(flop.get() / 1e9, 3),
        significant(peak.value.tera() * devices, 3),
        ceiling(outcome)
    )
}

fn spilled(claim: &Claim, case: &Case<'_>, outcome: &Outcome) -> String {
    let present =
        outcome.bound.capacity.present.map_or(0.0, |present| present.gb() * f64::from(claim.devices.max(1)));
    let needed = significant(outcome.bound.capacity.needed.gb(), 3);
    let mut text = format!(
        "; {} needs {needed} GB of {} GB, {} GB spill",
        case.label,
        significant(present, 3),
        significant(outcome.spill.gb(), 2)
    );
    if case.machine.kind != MachineKind::Discrete {
        return text;
    }
    if let Some(link) = &case.machine.link
        && let Some(streamed) = roofmark_facts::bounds::spilled_rate(&outcome.bound, link.value)
    {
        text.push_str(&format!(
            ": about {} streamed over the {} GB/s link",
            rate(streamed.get()),
            whole(link.value.gb())
        ));
    }
    let host = |value: f64| needed_beyond(outcome, value).map(|needed| whole(needed.gb()));
    match (host(claim.low), host(claim.high)) {
        (Some(low), Some(high)) if low != high => {
            text.push_str(&format!("; it takes a host that reads {low} to {high} GB/s"));
        }
        (Some(low), _) => text.push_str(&format!("; it takes a host that reads {low} GB/s")),
        (None, _) => {}
    }
    text
}

/// "It would take 2.1 accepted tokens a pass, or 3 streams."
fn exemption_words(claim: &Claim, outcome: &Outcome) -> String {
    let ratio = outcome.limit.map_or(0.0, |limit| claim.low / limit);
    let single = claim.concurrency == Some(1);
    if ratio <= super::physics::ROUNDING {
        return String::new();
    }
    let streams = if single { format!(", or {} streams", ratio.ceil()) } else { String::new() };
    format!(". It would take {:.1} accepted tokens a pass{streams}", (ratio * 10.0).ceil() / 10.0)
}

fn ceiling(outcome: &Outcome) -> String {
    outcome.ceiling.map_or_else(|| "unknown".into(), rate)
}

fn rates(claim: &Claim) -> String {
    if claim.low < claim.high {
        format!("{} to {} tok/s", rate(claim.low), rate(claim.high))
    } else {
        format!("{} tok/s", rate(claim.low))
    }
}

/// A rate with three digits and no trailing zeros.
pub(super) fn rate(value: f64) -> String {
    let text = significant(value, 3);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        thousands(&text)
    }
}

fn whole(value: f64) -> String {
    thousands(&format!("{value:.0}"))
}

/// Digits in groups of three.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
