//! What a model needs and what a machine has: limits of unified memory, cards that spill, the longest context.

use crate::job::Job;
use roofmark_facts::answer::Memory;
use roofmark_facts::bounds::BUFFERS;
use roofmark_facts::machine::{Machine, MachineKind};
use roofmark_facts::units::Bytes;

/// Memory of `job` when each sequence holds `tokens` tokens, on `devices` of the machine.
#[must_use]
pub fn memory(job: &Job<'_>, tokens: f64, devices: u32) -> Memory {
    let each = job.profile.cache_bytes(tokens, job.cache_element) + job.profile.state_bytes;
    let buffers = BUFFERS * f64::from(devices);
    let usable = usable(job.machine).map(|usable| usable * f64::from(devices));
    Memory { weights: job.profile.tensor_bytes, cache: each * job.batch, buffers, usable }
}

/// Memory of `job` when each sequence has grown by `beyond` tokens from its own depth, on `devices` of the machine.
#[must_use]
pub fn held(job: &Job<'_>, beyond: f64, devices: u32) -> Memory {
    let cache = |depth: f64| job.profile.cache_bytes(depth + beyond, job.cache_element).get();
    let caches: f64 = job.each_depth().map(cache).sum();
    let equal = memory(job, 0.0, devices);
    Memory { cache: Bytes(caches) + job.profile.state_bytes * job.batch, ..equal }
}

/// Sequences of `tokens` tokens that fit beside the weights, on `devices` of the machine; `None` where the size of the
/// memory is unknown or a sequence takes none.
#[must_use]
pub fn most_sequences(job: &Job<'_>, tokens: f64, devices: u32) -> Option<f64> {
    let one = memory(&job.batched(1.0), tokens, devices);
    let room = one.usable? - one.weights - one.buffers;
    let most = (room / one.cache).floor();
    most.is_finite().then_some(most.max(0.0))
}

/// Memory that a GPU may use by default.
///
/// The catalogued limit where there is one. Otherwise macOS lets the GPU wire two thirds of up to 36 GiB and three
/// quarters of more; other unified machines keep 4 GiB and a twentieth for the system; cards keep 1 % for the driver.
#[must_use]
pub fn usable(machine: &Machine) -> Option<Bytes> {
    if let Some(usable) = &machine.usable {
        return Some(usable.value);
    }
    let all = machine.memory.as_ref()?.value;
    Some(match machine.kind {
        MachineKind::Discrete => all * 0.99,
        _ if machine.vendor == "Apple" && all.gib() <= 36.0 => all * (2.0 / 3.0),
        _ if machine.vendor == "Apple" => all * 0.75,
        _ => (all * 0.95 - Bytes::from_gib(4.0)).max(all * 0.5),
    })
}

/// Longest context in tokens that fits beside the weights, at most what the model was made for; `None` where the
/// weights alone do not fit.
#[must_use]
pub fn longest_context(job: &Job<'_>, devices: u32) -> Option<f64> {
    let most = job.profile.context.map_or(131_072.0, |context| context as f64);
    if memory(job, most, devices).fits() {
        return Some(most);
    }
    if !memory(job, 256.0, devices).fits() {
        return None;
    }
    let (mut low, mut high) = (256.0, most);
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0_f64).floor();
        if memory(job, middle, devices).fits() {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}
