//! The doctor: rules over a probe's record and the present state. Each is a pure function that is silent, speaks
//! with the numbers that show it, or says that nothing could be read.

use roofmark_facts::checkup::{
    Check, Checkup, Diagnosis, EngineDevice, FORMAT, Finding, Outcome, Present, Subject,
};
use roofmark_facts::machine::MachineKind;
use roofmark_facts::probe_record::{GpuKind, GpuRoof, Operation, ProbeDoubt, Reading, StateSample};
use roofmark_facts::units::{BytesPerSecond, Hertz};

/// No single channel reaches this: 64 bits at 8,000 million transfers a second.
const ONE_CHANNEL: BytesPerSecond = BytesPerSecond(64e9);
/// Measured bandwidth below this share of the datasheet is too low. Sound machines read 0.7 to 0.95 of it.
const DATASHEET: f64 = 0.6;
/// A median pass below this share of the best: the machine has a slow state.
const STEADY: f64 = 0.8;
/// Share of the arrays that lies in huge pages where the system gives them.
const HUGE: f64 = 0.5;
/// A clock under load below this share of the highest.
const CLOCK: f64 = 0.6;
/// Share of the processors that other programs may use before it matters, and processors at least.
const BUSY: (f64, f64) = (0.1, 0.25);
/// Share of processor time that a hypervisor may take before it matters.
const STEAL: f64 = 0.02;
/// Share of the samples in which a GPU is throttled before it matters.
const GPU_THROTTLED: f64 = 0.1;
/// What rules say that need a probe where there is none.
const NO_PROBE: &str = "no probe of this machine";

/// Every rule on `checkup`.
#[must_use]
pub fn examine(checkup: &Checkup) -> Diagnosis {
    let rules: [(Subject, Rule); 14] = [
        (Subject::Channels, channels),
        (Subject::Datasheet, datasheet),
        (Subject::Steadiness, steadiness),
        (Subject::HugePages, huge_pages),
        (Subject::PowerMode, power_mode),
        (Subject::Governor, governor),
        (Subject::Clock, clock),
        (Subject::Throttling, throttling),
        (Subject::Background, background),
        (Subject::Hypervisor, hypervisor),
        (Subject::Limits, limits),
        (Subject::Backend, backend),
        (Subject::Adapters, adapters),
        (Subject::Parts, parts),
    ];
    let checks = rules.map(|(subject, rule)| Check { subject, outcome: rule(checkup) });
    Diagnosis {
        format: FORMAT.into(),
        probe: checkup.probe.as_ref().map(|probe| probe.date.clone()),
        checks: checks.into(),
    }
}

type Rule = fn(&Checkup) -> Outcome;

fn found(findings: Vec<Finding>) -> Outcome {
    if findings.is_empty() { Outcome::Fine } else { Outcome::Found(findings) }
}

fn unavailable<T>(reading: &Reading<T>) -> Outcome {
    match reading {
        Reading::Value(_) => Outcome::Fine,
        Reading::Unavailable(why) => Outcome::Unavailable(why.words().into()),
    }
}

fn no_probe() -> Outcome {
    Outcome::Unavailable(NO_PROBE.into())
}

fn channels(checkup: &Checkup) -> Outcome {
    if checkup.now.host.hypervisor.is_some() {
        return Outcome::Unavailable("a virtual machine does not see the modules".into());
    }
    let modules = &checkup.now.state.settings.modules;
    let Some(count) = modules.value() else { return unavailable(modules) };
    if *count > 1 {
        return Outcome::Fine;
    }
    let Some(read) = read_roof(checkup) else { return no_probe() };
    // Soldered memory may be listed as one module and have many channels; its bandwidth tells.
    if read > ONE_CHANNEL { Outcome::Fine } else { found(vec![Finding::OneModule { read }]) }
}

fn read_roof(checkup: &Checkup) -> Option<BytesPerSecond> {
    checkup.probe.as_ref()?.read_roof()
}

fn datasheet(checkup: &Checkup) -> Outcome {
    let Some(machine) = &checkup.machine else {
        return Outcome::Unavailable(
            "the machine is not known in the catalog; name it with --machine".into(),
        );
    };
    let Some(datasheet) = machine.bandwidth.as_ref().and_then(roofmark_facts::machine::Sourced::bound) else {
        return Outcome::Unavailable(format!("no datasheet bandwidth of {} is known", machine.slug));
    };
    let Some(probe) = &checkup.probe else { return no_probe() };
    let cpu = probe.read_roof().map(|read| (read, "processor".to_owned()));
    let gpu = probe
        .gpus
        .iter()
        .filter(|gpu| is_hardware(gpu))
        .filter_map(|gpu| Some((gpu.read?, gpu.name.clone())));
    // The processor of a machine with a GPU does not reach what the GPU does: only a GPU's rate can tell.
    let best = match machine.kind {
        MachineKind::Cpu => cpu,
        MachineKind::Unified | MachineKind::Discrete => {
            gpu.max_by(|left, right| left.0.get().total_cmp(&right.0.get()))
        }
    };
    match best {
        None => Outcome::Unavailable("the probe has no rate of what the datasheet is about".into()),
        Some((read, _)) if read >= datasheet * DATASHEET => Outcome::Fine,
        Some((read, by)) => {
            found(vec![Finding::UnderDatasheet { machine: machine.slug.clone(), read, by, datasheet }])
        }
    }
}

fn is_hardware(gpu: &GpuRoof) -> bool {
    !matches!(gpu.kind, GpuKind::Software | GpuKind::Unknown)
}

fn steadiness(checkup: &Checkup) -> Outcome {
    let Some(probe) = &checkup.probe else { return no_probe() };
    if probe.memory.rows.is_empty() {
        return Outcome::Unavailable("the probe has no memory rates".into());
    }
    let guest = probe.machine.hypervisor.is_some();
    let reads = probe.memory.rows.iter().filter(|row| row.operation == Operation::Read);
    let memory = reads.map(|row| {
        let threads = if row.threads == 1 { "1 thread".into() } else { format!("{} threads", row.threads) };
        (format!("read with {threads}"), row.median / row.best)
    });
    let kernels =
        probe.kernels.iter().map(|row| (format!("{} on {}", row.weights, row.device), row.steadiness));
    let worst = memory.chain(kernels).min_by(|left, right| left.1.total_cmp(&right.1));
    let worst = worst.filter(|(_, steadiness)| *steadiness < STEADY);
    found(worst.map(|(what, steadiness)| Finding::Unsteady { what, steadiness, guest }).into_iter().collect())
}

fn huge_pages(checkup: &Checkup) -> Outcome {
    let rule = &checkup.now.state.settings.huge_pages;
    let share = checkup.probe.as_ref().and_then(|probe| probe.memory.huge_pages.value().copied());
    if rule.value().is_some_and(|rule| rule == "never") {
        return found(vec![Finding::HugePagesOff { share }]);
    }
    match share {
        Some(share) if share < HUGE => found(vec![Finding::FewHugePages { share }]),
        Some(_) => Outcome::Fine,
        None => unavailable(rule),
    }
}

fn power_mode(checkup: &Checkup) -> Outcome {
    let settings = &checkup.now.state.settings;
    let highest = settings.highest.value().copied();
    let mut findings = Vec::new();
    if let Some(mode) = settings.mode.value().filter(|mode| saves(mode)) {
        let mac = checkup.now.host.os.starts_with("macOS");
        findings.push(Finding::SlowMode { mode: mode.clone(), highest, mac });
    }
    if let Some(preference) = settings.preference.value().filter(|name| saves(name)) {
        findings.push(Finding::SavingPreference { preference: preference.clone(), highest });
    }
    if settings.on_battery.value() == Some(&true) {
        findings.push(Finding::OnBattery);
    }
    let readable = settings.mode.value().is_some() || settings.preference.value().is_some();
    if findings.is_empty() && !readable { unavailable(&settings.mode) } else { found(findings) }
}

/// Power modes (ACPI platform profiles, macOS) and energy preferences that trade speed for power.
fn saves(name: &str) -> bool {
    matches!(name, "low-power" | "quiet" | "cool" | "low power" | "power" | "balance_power")
}

fn governor(checkup: &Checkup) -> Outcome {
    let settings = &checkup.now.state.settings;
    let Some(governor) = settings.governor.value() else { return unavailable(&settings.governor) };
    // These drivers choose clocks themselves: their `powersave` is the usual one, and the preference rules.
    let driver = settings.driver.value().map_or("", String::as_str);
    let by_itself = matches!(driver, "intel_pstate" | "amd-pstate-epp" | "amd_pstate_epp");
    if !matches!(governor.as_str(), "powersave" | "conservative") || by_itself {
        return Outcome::Fine;
    }
    let clock = under_load(checkup).or_else(|| checkup.now.state.after.frequency.value().copied());
    let highest = settings.highest.value().copied();
    found(vec![Finding::SlowGovernor { governor: governor.clone(), clock, highest }])
}

/// Median clock while the probe ran.
fn under_load(checkup: &Checkup) -> Option<Hertz> {
    let probe = checkup.probe.as_ref()?;
    let clock = |sample: &StateSample| sample.frequency.value().map(|clock| clock.get());
    let mut clocks: Vec<f64> = probe.state.during.iter().filter_map(clock).collect();
    clocks.sort_by(f64::total_cmp);
    clocks.get(clocks.len() / 2).copied().map(Hertz)
}

fn clock(checkup: &Checkup) -> Outcome {
    let Some(probe) = &checkup.probe else { return no_probe() };
    let highest = &probe.state.settings.highest;
    let Some(most) = highest.value().copied() else { return unavailable(highest) };
    match under_load(checkup) {
        None => unavailable(&probe.state.after.frequency),
        Some(clock) if clock >= most * CLOCK => Outcome::Fine,
        Some(clock) => found(vec![Finding::LowClock { clock, highest: most }]),
    }
}

fn throttling(checkup: &Checkup) -> Outcome {
    let Some(probe) = &checkup.probe else { return no_probe() };
    let mut findings = Vec::new();
    if let Some(count) = probe.state.throttled.value().copied().filter(|count| *count > 0) {
        let heat = |sample: &StateSample| sample.temperature.value().map(|heat| heat.get());
        let hottest = probe.state.during.iter().filter_map(heat).reduce(f64::max);
        findings.push(Finding::Throttled { count, hottest });
    }
    let gpus = gpu_throttling(&probe.state.during);
    let readable = probe.state.throttled.value().is_some() || gpus.is_some();
    findings.extend(gpus.into_iter().flatten());
    if findings.is_empty() && !readable { unavailable(&probe.state.throttled) } else { found(findings) }
}

/// GPUs that held their clocks down in a notable share of the samples; `None` where no GPU says.
fn gpu_throttling(samples: &[StateSample]) -> Option<Vec<Finding>> {
    let states =
        || samples.iter().flat_map(|sample| &sample.gpus).filter(|gpu| gpu.throttled.value().is_some());
    let mut names: Vec<&str> = states().map(|gpu| gpu.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let finding = |name: &str| {
        let of: Vec<&Vec<String>> =
            states().filter(|gpu| gpu.name == name).filter_map(|gpu| gpu.throttled.value()).collect();
        let held: Vec<&&Vec<String>> = of.iter().filter(|reasons| !reasons.is_empty()).collect();
        let share = held.len() as f64 / of.len() as f64;
        let mut reasons: Vec<String> = held.into_iter().flat_map(|reasons| reasons.iter().cloned()).collect();
        reasons.sort();
        reasons.dedup();
        (share > GPU_THROTTLED).then(|| Finding::GpuThrottled { gpu: name.into(), reasons, share })
    };
    Some(names.into_iter().filter_map(finding).collect())
}

fn background(checkup: &Checkup) -> Outcome {
    let cpus = checkup.now.host.cpus;
    let Some(busy) = checkup.now.busy.value().copied() else { return unavailable(&checkup.now.busy) };
    let most = (BUSY.0 * f64::from(cpus)).max(BUSY.1);
    if busy <= most { Outcome::Fine } else { found(vec![Finding::Busy { busy, cpus }]) }
}

fn hypervisor(checkup: &Checkup) -> Outcome {
    let during = checkup.probe.iter().flat_map(|probe| &probe.state.during);
    let samples = during.chain([&checkup.now.state.after]);
    let share = samples.filter_map(|sample| sample.steal.value().copied()).reduce(f64::max);
    match share {
        None => unavailable(&checkup.now.state.after.steal),
        Some(share) if share > STEAL => found(vec![Finding::Steal { share }]),
        Some(_) => Outcome::Fine,
    }
}

fn limits(checkup: &Checkup) -> Outcome {
    let host = &checkup.now.host;
    let cpus = host.cpu_limit.filter(|limit| *limit < f64::from(host.cpus));
    let memory = host.memory_limit.zip(host.memory).filter(|(allowed, installed)| allowed < installed);
    let cpus = cpus.map(|allowed| Finding::FewProcessors { allowed, cpus: host.cpus });
    let memory = memory.map(|(allowed, installed)| Finding::LittleMemory { allowed, installed });
    found(cpus.into_iter().chain(memory).collect())
}

fn backend(checkup: &Checkup) -> Outcome {
    let Present { engine, adapters, hardware, .. } = &checkup.now;
    let Some(devices) = engine.value() else {
        return Outcome::Unavailable("this build has no engine".into());
    };
    if devices.iter().any(drives_gpu) {
        return Outcome::Fine;
    }
    let adapter = adapters.value().into_iter().flatten().find(|gpu| is_hardware(gpu));
    let maker = hardware.value().into_iter().flatten().find(|maker| feature(maker).is_some());
    let cpu_read = read_roof(checkup);
    let name = adapter.map(|gpu| gpu.name.clone()).or_else(|| maker.cloned());
    let Some(gpu) = name else {
        let none = adapters.value().is_some() || hardware.value().is_some();
        return if none { Outcome::Fine } else { unavailable(adapters) };
    };
    let measured = checkup.probe.iter().flat_map(|probe| &probe.gpus).find(|measured| measured.name == gpu);
    let feature = feature(&gpu).or_else(|| feature(maker?)).unwrap_or("vulkan").into();
    let gpu_read = measured.and_then(|measured| measured.read);
    found(vec![Finding::UnusedGpu { gpu, feature, gpu_read, cpu_read }])
}

fn drives_gpu(device: &EngineDevice) -> bool {
    matches!(device.kind.as_str(), "gpu" | "igpu")
}

/// Feature of this build that drives the GPUs of a maker best.
fn feature(name: &str) -> Option<&'static str> {
    let holds = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if holds(&["NVIDIA", "GeForce", "RTX"]) => Some("cuda"),
        () if holds(&["Apple"]) => Some("metal"),
        () if holds(&["AMD", "Radeon", "Intel"]) => Some("vulkan"),
        () => None,
    }
}

fn adapters(checkup: &Checkup) -> Outcome {
    let Some(listed) = checkup.now.adapters.value() else { return unavailable(&checkup.now.adapters) };
    let hardware = checkup.now.hardware.value().cloned().unwrap_or_default();
    if listed.iter().any(is_hardware) {
        return Outcome::Fine;
    }
    let Some(software) = listed.iter().find(|gpu| gpu.kind == GpuKind::Software) else {
        return Outcome::Fine;
    };
    let read = checkup.probe.iter().flat_map(|probe| &probe.gpus).find(|gpu| gpu.name == software.name);
    let read = read.and_then(|gpu| gpu.read);
    found(vec![Finding::SoftwareAdapter { adapter: software.name.clone(), read, hardware }])
}

fn parts(checkup: &Checkup) -> Outcome {
    let Some(probe) = &checkup.probe else { return no_probe() };
    let failed = |doubt: &ProbeDoubt| match doubt {
        ProbeDoubt::Failed { part, reason } => {
            Some(Finding::PartFailed { part: part.clone(), reason: reason.clone() })
        }
        _ => None,
    };
    found(probe.doubts.iter().filter_map(failed).collect())
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
