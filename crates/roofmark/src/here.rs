//! The machine at hand, in the form of the catalog: what the system says of it, and its memory roof.

use crate::{day, saved};
use anyhow::{Context, Result};
use roofmark_facts::machine::{Basis, Machine, MachineKind, Source, Sourced};
use roofmark_facts::probe_record::{Number, ProbeRecord};
use roofmark_facts::records::Host;
use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond};
use roofmark_measure::roof::RoofProbe;
use roofmark_measure::state;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// What stands for the machine at hand where a machine is named.
pub const NAME: &str = "this";

/// How long the roof is read: several passes over the buffer, and no wait that a person would notice.
const PATIENCE: Duration = Duration::from_millis(700);

/// The machine at hand, probed once. Its processor computes: no GPU is looked for.
pub fn machine() -> Result<&'static Machine> {
    static HERE: OnceLock<Machine> = OnceLock::new();
    if let Some(machine) = HERE.get() {
        return Ok(machine);
    }
    let host = state::host(Path::new("/"));
    if let Some(record) = saved::last(&host)
        && let Some(roof) = record.read_roof()
    {
        let day = record.date.get(..10).unwrap_or(&record.date);
        eprintln!("this machine reads memory at {:.1} GB/s (roofmark probe of {day})", roof.gb());
        let machine = described(&host, roof, day);
        return Ok(HERE.get_or_init(|| Machine { peaks: peaks(&record, day), ..machine }));
    }
    let probe = RoofProbe::new(host.cache, host.available)
        .context("failed to map memory for the bandwidth probe of this machine")?;
    let roof = probe.measure(host.cpus, PATIENCE).best;
    eprintln!("this machine reads memory at {:.1} GB/s (measured now, {} threads)", roof.gb(), host.cpus);
    let day = day::today(None)?.to_string();
    Ok(HERE.get_or_init(|| described(&host, roof, &day)))
}

/// Arithmetic peaks that a probe has measured.
fn peaks(record: &ProbeRecord, date: &str) -> Vec<(String, Sourced<FlopPerSecond>)> {
    let source = Source { title: "roofmark probe".into(), url: String::new(), date: date.into() };
    let peak = |number: Number| {
        let value = record.peak(number)?;
        Some((number.name().to_owned(), Sourced { value, basis: Basis::Measured, source: source.clone() }))
    };
    [Number::F32, Number::F16, Number::Bf16, Number::Int8].into_iter().filter_map(peak).collect()
}

/// `host` with a measured read bandwidth of `roof`.
pub fn described(host: &Host, roof: BytesPerSecond, date: &str) -> Machine {
    let source = |title: &str| Source { title: title.into(), url: String::new(), date: date.into() };
    let probed = Sourced { value: roof, basis: Basis::Measured, source: source("read by the roof probe") };
    let told =
        |value: Bytes| Sourced { value, basis: Basis::Measured, source: source("the operating system") };
    Machine {
        slug: NAME.into(),
        vendor: String::new(),
        name: format!("this machine ({})", host.cpu),
        aliases: Vec::new(),
        kind: MachineKind::Cpu,
        class: if cfg!(target_arch = "aarch64") { "cpu-arm" } else { "cpu-x86" }.into(),
        owner_memory_clock: true,
        memory: host.memory_limit.or(host.memory).map(told),
        usable: host.available.map(told),
        bandwidth: Some(probed.clone()),
        measured_read: Some(probed),
        cache: host.cache.map(told),
        link: None,
        network: None,
        peaks: Vec::new(),
        tdp: None,
        load: None,
        prefill_power: None,
        idle: None,
        noise_db: None,
        os: vec![std::env::consts::OS.into()],
        released: None,
        portable: None,
        silent: None,
        cpu_cores: host.cores.map(|cores| Sourced {
            value: f64::from(cores),
            basis: Basis::Measured,
            source: source("the operating system"),
        }),
        gpu_cores: None,
        memory_type: None,
        notes: Some("the bandwidth is what the probe read, not a datasheet's".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_becomes_a_machine_whose_numbers_are_measured() {
        let host = Host { cpu: "Example 9".into(), memory: Some(Bytes::from_gib(24.0)), ..Host::default() };
        let machine = described(&host, BytesPerSecond::from_gb(50.0), "2026-11-24");
        assert_eq!(machine.name, "this machine (Example 9)");
        assert_eq!(
            machine.bandwidth.map(|found| (found.value.gb(), found.basis)),
            Some((50.0, Basis::Measured))
        );
        assert_eq!(machine.memory.map(|found| found.value.gib()), Some(24.0));
    }
}
