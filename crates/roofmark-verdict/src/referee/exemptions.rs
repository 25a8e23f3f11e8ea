//! What would make a claim possible: each condition by name, with the number that it would take.

use super::cases::Case;
use super::physics::{self, OVERCLOCK, Outcome, ROUNDING};
use roofmark_facts::bounds::{self, Workload};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::{Claim, Exemption, Phase};
use roofmark_facts::quant::Quant;
use roofmark_facts::units::{Bytes, significant};

/// Conditions under which the higher end of `claim` would be possible; none when it is possible as it stands.
pub(super) fn of(claim: &Claim, case: &Case<'_>, outcome: &Outcome, catalog: &Catalog) -> Vec<Exemption> {
    let Some(limit) = outcome.limit else { return Vec::new() };
    let mut found = Vec::new();
    if outcome.spill.get() > 0.0 && claim.phase != Phase::Prefill {
        found.extend(host(claim, outcome));
        found.push(memory(outcome));
    }
    let ratio = claim.high / limit;
    if claim.phase == Phase::DecodeBatched && claim.concurrency.is_none() && ratio > 1.0 {
        found.push(streams(claim.high / limit));
        return found;
    }
    let close = physics::is_too_close(case, ratio);
    if ratio <= ROUNDING && !close {
        return found;
    }
    let ratio = if close { (ratio * case.doubt).max(1.05) } else { ratio };
    if claim.phase == Phase::Prefill {
        found.push(make(
            "cached_share",
            1.0 - 1.0 / ratio,
            format!("{}% of the prompt answered from a prefix cache", (100.0 - 100.0 / ratio).ceil()),
        ));
        found.push(devices(claim, ratio));
        return found;
    }
    found.push(accepted(ratio));
    if claim.phase == Phase::Decode && claim.concurrency == Some(1) {
        found.push(streams(ratio));
    }
    found.push(devices(claim, ratio));
    found.extend(bits(case, ratio));
    found.extend(requantised(claim, case, catalog));
    if case.machine.owner_memory_clock && ratio <= OVERCLOCK {
        found.push(make(
            "memory_clock",
            ratio,
            format!("memory overclocked by {}%", ((ratio - 1.0) * 100.0).ceil()),
        ));
    }
    found.extend(prefill(claim, case));
    found
}

fn make(kind: &str, needs: f64, words: String) -> Exemption {
    Exemption { kind: kind.into(), needs, words }
}

fn accepted(ratio: f64) -> Exemption {
    let shown = (ratio * 10.0).ceil() / 10.0;
    make("accepted_length", ratio, format!("{shown:.1} accepted tokens a pass"))
}

fn streams(ratio: f64) -> Exemption {
    let count = ratio.ceil();
    make("streams", count, format!("{count} streams"))
}

fn devices(claim: &Claim, ratio: f64) -> Exemption {
    let count = (ratio * f64::from(claim.devices.max(1))).ceil();
    make("devices", count, format!("{count} machines of this kind"))
}

fn bits(case: &Case<'_>, ratio: f64) -> Option<Exemption> {
    let now = case.profile.tensor_bytes.get() * 8.0 / case.profile.params;
    let needs = now / ratio;
    (needs >= 1.0).then(|| {
        make(
            "bits_per_weight",
            needs,
            format!("{} bits a weight instead of {}", significant(needs, 2), significant(now, 2)),
        )
    })
}

/// gpt-oss with attention and head stored in four bits too.
fn requantised(claim: &Claim, case: &Case<'_>, catalog: &Catalog) -> Option<Exemption> {
    if !case.label.starts_with("MXFP4") || case.label == "MXFP4-ALL" {
        return None;
    }
    let all = catalog.model(&case.model)?.profile(&Quant::parse("MXFP4-ALL").ok()?);
    let bound = bounds::bound(case.machine, &all, &Workload::decode(0.0), Bytes(0.0));
    let possible = bound.rate.is_some_and(|rate| claim.high <= rate.get() * f64::from(claim.devices.max(1)));
    possible.then(|| {
        make(
            "requantised_bytes",
            all.bytes_per_token().gb(),
            format!(
                "attention and head requantised to MXFP4 ({:.2} GB a token instead of {:.2})",
                all.bytes_per_token().gb(),
                case.profile.bytes_per_token().gb()
            ),
        )
    })
}

/// A prompt rate quoted as a decode rate.
fn prefill(claim: &Claim, case: &Case<'_>) -> Option<Exemption> {
    let bound = bounds::bound(case.machine, &case.profile, &Workload::prefill(0.0, 0.0), Bytes(0.0));
    let compute = bound.by_compute?.get() * f64::from(claim.devices.max(1));
    (claim.high <= compute * 0.5)
        .then(|| make("prefill", compute, "or the figure is of the prompt, not of generated tokens".into()))
}

fn memory(outcome: &Outcome) -> Exemption {
    let needed = outcome.bound.capacity.needed.gb();
    make("memory_gb", needed, format!("{} GB of memory for weights and cache", significant(needed, 3)))
}

/// Host memory that a card's spill would have to be read at, at either end.
fn host(claim: &Claim, outcome: &Outcome) -> Option<Exemption> {
    let low = physics::needed_beyond(outcome, claim.low);
    let high = physics::needed_beyond(outcome, claim.high);
    let gb = |rate: roofmark_facts::units::BytesPerSecond| significant(rate.gb(), 2);
    match (low, high) {
        (Some(low), Some(high)) if claim.low < claim.high => Some(make(
            "host_bandwidth",
            high.gb(),
            format!(
                "a host that reads its memory at {} to {} GB/s for the {} GB that spill",
                gb(low),
                gb(high),
                significant(outcome.spill.gb(), 2)
            ),
        )),
        (_, Some(high)) => Some(make(
            "host_bandwidth",
            high.gb(),
            format!(
                "a host that reads its memory at {} GB/s for the {} GB that spill",
                gb(high),
                significant(outcome.spill.gb(), 2)
            ),
        )),
        (Some(low), None) => Some(make(
            "host_bandwidth",
            low.gb(),
            format!(
                "for the low end a host that reads its memory at {} GB/s for the {} GB that spill",
                gb(low),
                significant(outcome.spill.gb(), 2)
            ),
        )),
        (None, None) => None,
    }
}
