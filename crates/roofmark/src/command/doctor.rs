//! `roofmark doctor`: what keeps this machine from its roof, each with the number that shows it and what mends it.

use super::probe;
use crate::exit::Exit;
use crate::{pick, saved};
use anyhow::Result;
use clap::Args;
use roofmark_facts::checkup::{Checkup, Diagnosis, EngineDevice, Present};
use roofmark_facts::probe_record::{ProbeRecord, Reading, Why};
use roofmark_facts::records::Host;
use roofmark_measure::state::{self, trace::Sampler};
use roofmark_report::doctor as report;
use roofmark_verdict::doctor::examine;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// How long other programs are watched.
const WATCH: Duration = Duration::from_millis(800);
/// Longest that the listing of GPUs may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Probe this machine now (half a minute); without it the last probe is used.
    #[arg(long)]
    pub probe: bool,
    /// The machine of the catalog that this one is: its datasheet is compared.
    #[arg(long)]
    pub machine: Option<String>,
}

/// Examines this machine and prints what it found.
pub fn run(args: &DoctorArgs, json: bool, place: &crate::ledger::Place) -> Result<Exit> {
    let machine = args.machine.as_deref().map(pick::machine).transpose()?.cloned();
    // Before a probe: what it would take is not another program's.
    let now = present();
    let probe = if args.probe { Some(probe::fresh(place)?) } else { saved::last(&now.host) };
    let source = source(probe.as_ref(), args.probe);
    let checkup = Checkup { probe, now, machine };
    let diagnosis = examine(&checkup);
    if json {
        super::print(&serde_json::to_string_pretty(&document(&diagnosis, &source))?)?;
    } else {
        super::print(&report::screen(&diagnosis, &named(&checkup.now.host), &source))?;
    }
    let mendable = diagnosis.findings().any(|finding| !finding.is_remark());
    Ok(if mendable { Exit::Negative } else { Exit::Success })
}

/// Which probe the advice rests on.
fn source(probe: Option<&ProbeRecord>, fresh: bool) -> String {
    match probe {
        None => "none is kept of this machine as it is now; `roofmark doctor --probe` makes one".into(),
        Some(_) if fresh => "made now".into(),
        Some(probe) => format!("the kept one of {}; `--probe` makes a new one", probe.date),
    }
}

fn named(host: &Host) -> String {
    let virtual_in = host.hypervisor.as_ref().map_or_else(String::new, |name| format!(", virtual ({name})"));
    format!("{}, {} CPUs{virtual_in}; {}", host.cpu, host.cpus, host.os)
}

/// The diagnosis with the words of each finding beside its numbers.
fn document(diagnosis: &Diagnosis, source: &str) -> Value {
    let advice: Vec<Value> = diagnosis
        .findings()
        .map(|finding| {
            json!({"finding": finding, "shows": report::words(finding), "mend": report::mend(finding),
                "remark": finding.is_remark()})
        })
        .collect();
    json!({"format": diagnosis.format, "probe": diagnosis.probe, "rests_on": source, "advice": advice,
        "checks": diagnosis.checks})
}

/// The machine as it is now; what cannot be read says so.
fn present() -> Present {
    let root = Path::new("/");
    let host = state::host(root);
    let sampler = Sampler::start(root, None);
    let busy = state::busy_processors(root, WATCH, host.cpus);
    let state = sampler.finish();
    Present {
        state,
        busy: busy.map_or(Reading::Unavailable(Why::Absent), Reading::Value),
        adapters: super::gpu::list(PATIENCE).map_or(Reading::Unavailable(Why::Malformed), Reading::Value),
        hardware: state::gpu_makers(root),
        engine: engine_devices(),
        host,
    }
}

#[cfg(feature = "engine")]
fn engine_devices() -> Reading<Vec<EngineDevice>> {
    use roofmark_measure::engine::{Device, Engine};
    let form =
        |device: Device| EngineDevice { name: device.name, backend: device.backend, kind: device.kind };
    let listed = roofmark_llama::spawn_without_model().and_then(|mut engine| engine.devices());
    listed.map_or(Reading::Unavailable(Why::Malformed), |devices| {
        Reading::Value(devices.into_iter().map(form).collect())
    })
}

#[cfg(not(feature = "engine"))]
fn engine_devices() -> Reading<Vec<EngineDevice>> {
    Reading::Unavailable(Why::Unsupported)
}
