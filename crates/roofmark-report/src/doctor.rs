//! A diagnosis as one screen of 80 columns: each finding with the number that shows it and what mends it.

use crate::lines::labelled;
use roofmark_facts::checkup::{Diagnosis, Finding, Outcome};
use roofmark_facts::units::{BytesPerSecond, Hertz, significant};

/// Columns of a label on the left.
const LABEL: usize = 10;

/// The screen. `probe` says which probe it rests on.
#[must_use]
pub fn screen(diagnosis: &Diagnosis, machine: &str, probe: &str) -> String {
    let mut text = labelled("machine", machine, LABEL) + &labelled("probe", probe, LABEL);
    let (remarks, findings): (Vec<&Finding>, Vec<&Finding>) =
        diagnosis.findings().partition(|finding| finding.is_remark());
    text += "\n";
    if findings.is_empty() {
        text += "Nothing to mend was found.\n";
    }
    for (number, finding) in (1..).zip(&findings) {
        text += &labelled(&format!("{number}."), &words(finding), 4);
        text += &labelled("", &format!("→ {}", mend(finding)), 4);
    }
    for finding in remarks {
        text += &labelled("note", &words(finding), LABEL);
        text += &labelled("", &format!("→ {}", mend(finding)), LABEL);
    }
    text += "\n";
    let fine = diagnosis.checks.iter().filter(|check| check.outcome == Outcome::Fine);
    let fine: Vec<&str> = fine.map(|check| check.subject.name()).collect();
    if !fine.is_empty() {
        text += &labelled("fine", &fine.join(", "), LABEL);
    }
    for check in &diagnosis.checks {
        if let Outcome::Unavailable(why) = &check.outcome {
            text += &labelled("unread", &format!("{}: unavailable ({why})", check.subject.name()), LABEL);
        }
    }
    text
}

fn gb(rate: BytesPerSecond) -> String {
    format!("{} GB/s", significant(rate.gb(), 3))
}

fn ghz(clock: Hertz) -> String {
    format!("{} GHz", significant(clock.get() / 1e9, 3))
}

fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0, 2))
}

/// What was found, with its numbers.
#[must_use]
pub fn words(finding: &Finding) -> String {
    match finding {
        Finding::OneModule { read } => format!(
            "one memory module is fitted and memory reads {}: one channel of the two or more that there are",
            gb(*read)
        ),
        Finding::UnderDatasheet { machine, read, by, datasheet } => format!(
            "the {by} reads {}, {} of the {} in the datasheet of {machine}; sound machines reach 70 to 95 %",
            gb(*read),
            percent(read.get() / datasheet.get()),
            gb(*datasheet)
        ),
        Finding::Unsteady { what, steadiness, .. } => {
            format!("{what}: the median pass reached {} of the best one", percent(*steadiness))
        }
        Finding::HugePagesOff { share } => format!(
            "huge pages are off (`never`){}",
            share.map_or_else(String::new, |share| format!(
                "; {} of the probe's memory lay in them",
                percent(share)
            ))
        ),
        Finding::FewHugePages { share } => {
            format!("huge pages are allowed, and {} of the probe's memory lay in them", percent(*share))
        }
        Finding::SlowMode { mode, highest, .. } => {
            format!("the power mode is `{mode}`{}", limit(*highest))
        }
        Finding::SavingPreference { preference, highest } => {
            format!("the processor's energy preference is `{preference}`{}", limit(*highest))
        }
        Finding::OnBattery => "0 of its mains supplies are on line: it runs on battery".into(),
        Finding::SlowGovernor { governor, clock, highest } => format!(
            "the governor is `{governor}`{}{}",
            clock.map_or_else(String::new, |clock| format!(", clock {}", ghz(clock))),
            limit(*highest)
        ),
        Finding::LowClock { clock, highest } => format!(
            "the clock under load is {}, {} of the {} that are allowed",
            ghz(*clock),
            percent(clock.get() / highest.get()),
            ghz(*highest)
        ),
        _ => other_words(finding),
    }
}

fn limit(highest: Option<Hertz>) -> String {
    highest.map_or_else(String::new, |highest| format!("; up to {} are allowed", ghz(highest)))
}

/// Findings about load, limits and GPUs.
fn other_words(finding: &Finding) -> String {
    let reads = |read: &Option<BytesPerSecond>| {
        read.map_or_else(|| "was not measured".into(), |read| format!("reads {}", gb(read)))
    };
    match finding {
        Finding::Throttled { count, hottest } => format!(
            "the processor was throttled {count} times while the probe ran{}",
            hottest.map_or_else(String::new, |heat| format!("; hottest sensor {heat:.0} °C"))
        ),
        Finding::GpuThrottled { gpu, reasons, share } => {
            format!(
                "{gpu} held its clocks down in {} of the samples: {}",
                percent(*share),
                reasons.join(", ")
            )
        }
        Finding::Busy { busy, cpus } => format!("other programs use {busy:.1} of {cpus} processors"),
        Finding::Steal { share } => {
            format!("the hypervisor took up to {} of the processor time", percent(*share))
        }
        Finding::FewProcessors { allowed, cpus } => {
            format!("this container may use {} of {cpus} processors", significant(*allowed, 3))
        }
        Finding::LittleMemory { allowed, installed } => format!(
            "this container may use {} GiB of memory of {}",
            significant(allowed.gib(), 3),
            significant(installed.gib(), 3)
        ),
        Finding::UnusedGpu { gpu, gpu_read, cpu_read, .. } => format!(
            "there is a GPU ({gpu}) that the engine of this build does not use: it {}, the processor {}",
            reads(gpu_read),
            reads(cpu_read)
        ),
        Finding::SoftwareAdapter { adapter, read, hardware } => {
            let has = if hardware.is_empty() {
                String::new()
            } else {
                format!(" beside hardware by {}", hardware.join(", "))
            };
            format!("the only adapter is a software driver{has}: {adapter} {}", reads(read))
        }
        Finding::PartFailed { part, reason } => format!("{part}: failed to {reason}"),
        _ => String::new(),
    }
}

/// The command or setting that mends it.
#[must_use]
pub fn mend(finding: &Finding) -> String {
    match finding {
        Finding::OneModule { .. } => {
            "fit a second module of the same kind in the slot of the other channel (the board's manual names it)".into()
        }
        Finding::UnderDatasheet { .. } => {
            "look at the other findings first; then at the memory's profile (XMP or EXPO) in the firmware, and at the driver".into()
        }
        Finding::Unsteady { guest: true, .. } => {
            "neighbours share this host's memory: compare medians of interleaved runs, or use a dedicated host".into()
        }
        Finding::Unsteady { guest: false, .. } => "close other programs and probe again: roofmark probe".into(),
        Finding::HugePagesOff { .. } => {
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled".into()
        }
        Finding::FewHugePages { .. } => "echo 1 | sudo tee /proc/sys/vm/compact_memory, then probe again".into(),
        Finding::SlowMode { mac: true, .. } => {
            "sudo pmset -a lowpowermode 0; where there is a high-power mode: sudo pmset -a powermode 2".into()
        }
        Finding::SlowMode { mac: false, .. } => {
            "powerprofilesctl set performance, or echo performance | sudo tee /sys/firmware/acpi/platform_profile".into()
        }
        Finding::SavingPreference { .. } => {
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/energy_performance_preference".into()
        }
        Finding::OnBattery => "plug it in".into(),
        Finding::SlowGovernor { .. } => "sudo cpupower frequency-set -g performance".into(),
        Finding::LowClock { .. } => {
            "see power mode, governor and throttling above; else the firmware's power limits (PL1, PPT) and cooling".into()
        }
        Finding::Throttled { .. } => "clean fans and filters, give it air; lower room temperature or power limit".into(),
        Finding::GpuThrottled { .. } => {
            "for a power cap: nvidia-smi -q -d POWER shows it and sudo nvidia-smi -pl WATTS sets it; for heat: cooling".into()
        }
        _ => other_mend(finding),
    }
}

fn other_mend(finding: &Finding) -> String {
    match finding {
        Finding::Busy { .. } => "top -o %CPU shows them; stop them and measure again".into(),
        Finding::Steal { .. } => "move to a dedicated host, or measure when its neighbours rest".into(),
        Finding::FewProcessors { .. } => {
            "docker run --cpus N, or CPUQuota= of the service (cpu.max of the control group)".into()
        }
        Finding::LittleMemory { .. } => {
            "docker run --memory SIZE, or MemoryMax= of the service (memory.max of the control group)".into()
        }
        Finding::UnusedGpu { feature, .. } => {
            format!("cargo build --release -p roofmark --features {feature}")
        }
        Finding::SoftwareAdapter { hardware, .. } if hardware.is_empty() => {
            "nothing to mend without a GPU; VK_DRIVER_FILES=/dev/null hides it from engines".into()
        }
        Finding::SoftwareAdapter { .. } => {
            "install the maker's Vulkan driver; vulkaninfo --summary lists what is found".into()
        }
        Finding::PartFailed { .. } => {
            "probe again; where a GPU's driver fails each time, update it (vulkaninfo --summary names it)"
                .into()
        }
        _ => String::new(),
    }
}
