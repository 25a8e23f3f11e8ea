//! Readers of power, clocks, throttling and memory modules, each answer a [`Reading`].
//!
//! Sources: the kernel's documentation of cpufreq, powercap, hwmon, amdgpu's sysfs and the platform
//! profile; the SMBIOS specification for memory modules. Everything is read below a root that tests replace.

use super::linux::{children, mean};
use roofmark_facts::probe_record::{GpuState, PowerSettings, Reading, Why};
use roofmark_facts::units::{Bytes, Celsius, Hertz, Seconds, Watts};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Longest file that is read.
const LIMIT: u64 = 1 << 20;

/// Why a value is missing that the readers for Linux did not find.
pub(super) const MISSING: Why = if cfg!(target_os = "linux") { Why::Absent } else { Why::Unsupported };

/// Settings of power and memory as they are now.
pub(super) fn settings(root: &Path) -> PowerSettings {
    let cpu = |file: &str| text(root, &format!("sys/devices/system/cpu/cpu0/cpufreq/{file}"));
    PowerSettings {
        governor: cpu("scaling_governor"),
        driver: cpu("scaling_driver"),
        preference: cpu("energy_performance_preference"),
        mode: mode(root),
        on_battery: on_battery(root),
        highest: parsed(&cpu("scaling_max_freq")).map(|khz: f64| Hertz(khz * 1e3)),
        huge_pages: text(root, "sys/kernel/mm/transparent_hugepage/enabled")
            .value()
            .and_then(|text| chosen(text))
            .map_or(Reading::Unavailable(MISSING), Reading::Value),
        modules: modules(root),
    }
}

/// The text of a small system file, or why there is none.
pub(super) fn text(root: &Path, path: &str) -> Reading<String> {
    match bytes(root, path) {
        Reading::Unavailable(why) => Reading::Unavailable(why),
        Reading::Value(bytes) => match String::from_utf8(bytes) {
            Ok(text) if !text.trim().is_empty() => Reading::Value(text.trim().to_owned()),
            _ => Reading::Unavailable(Why::Malformed),
        },
    }
}

fn bytes(root: &Path, path: &str) -> Reading<Vec<u8>> {
    let mut found = Vec::new();
    let read = std::fs::File::open(root.join(path)).and_then(|file| file.take(LIMIT).read_to_end(&mut found));
    match read.map_err(|error| error.kind()) {
        Ok(_) => Reading::Value(found),
        Err(ErrorKind::PermissionDenied) => Reading::Unavailable(Why::Denied),
        Err(ErrorKind::NotFound) => Reading::Unavailable(MISSING),
        // Drivers answer so where the hardware has no such sensor, or has just gone to sleep.
        Err(_) => Reading::Unavailable(Why::Absent),
    }
}

/// A text as a number.
pub(super) fn parsed<T: std::str::FromStr>(text: &Reading<String>) -> Reading<T> {
    match text {
        Reading::Unavailable(why) => Reading::Unavailable(*why),
        Reading::Value(text) => text.parse().map_or(Reading::Unavailable(Why::Malformed), Reading::Value),
    }
}

fn number(root: &Path, path: &str) -> Reading<f64> {
    parsed(&text(root, path))
}

/// The choice in `always [madvise] never`.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// Power mode: the firmware's profile, else macOS's low-power switch (untested on a real Mac).
fn mode(root: &Path) -> Reading<String> {
    if cfg!(target_os = "macos") {
        return super::command_line("pmset", &["-g"])
            .and_then(|text| low_power_mode(&text))
            .map_or(Reading::Unavailable(Why::Absent), Reading::Value);
    }
    text(root, "sys/firmware/acpi/platform_profile")
}

/// `lowpowermode 1` (or `powermode`) in what `pmset -g` prints.
fn low_power_mode(text: &str) -> Option<String> {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name)?.split_whitespace().next().map(str::to_owned))
    };
    match value("powermode").or_else(|| value("lowpowermode"))?.as_str() {
        "0" => Some("automatic".into()),
        "1" => Some("low power".into()),
        "2" => Some("high power".into()),
        _ => None,
    }
}

/// No mains supply is on line; absent where the machine has no supply that it can see.
fn on_battery(root: &Path) -> Reading<bool> {
    let supplies = children(root, "sys/class/power_supply", "");
    let mains = supplies.iter().filter(|supply| {
        text(root, &format!("{supply}/type")).value().is_some_and(|kind| kind == "Mains" || kind == "USB")
    });
    let online: Vec<bool> = mains
        .filter_map(|supply| number(root, &format!("{supply}/online")).value().map(|on| *on > 0.0))
        .collect();
    if online.is_empty() { Reading::Unavailable(MISSING) } else { Reading::Value(!online.contains(&true)) }
}

/// Times that processors were throttled since the system started: those of cores, and of packages once each.
pub(super) fn throttle_count(root: &Path) -> Reading<u64> {
    let count = |cpu: &String, kind: &str| {
        parsed::<u64>(&text(root, &format!("{cpu}/thermal_throttle/{kind}_throttle_count"))).value().copied()
    };
    let cpus = children(root, "sys/devices/system/cpu", "cpu");
    let cores: Vec<u64> = cpus.iter().filter_map(|cpu| count(cpu, "core")).collect();
    let packages = cpus.iter().filter_map(|cpu| count(cpu, "package")).max().unwrap_or(0);
    if cores.is_empty() {
        Reading::Unavailable(MISSING)
    } else {
        Reading::Value(cores.iter().sum::<u64>() + packages)
    }
}

/// An energy counter of the system, in microjoules.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counter {
    /// What it counts.
    pub scope: String,
    /// File below the root.
    pub path: String,
    /// Where it begins again at 0.
    pub wraps_at: f64,
}

/// Counters of packages: powercap's (Intel and AMD), else those of hwmon's `amd_energy` family.
pub(super) fn counters(root: &Path) -> Vec<Counter> {
    let found = powercap(root);
    if found.is_empty() { hwmon_energy(root) } else { found }
}

fn powercap(root: &Path) -> Vec<Counter> {
    let zones = children(root, "sys/class/powercap", "intel-rapl:");
    let zone = |path: String| {
        let scope = text(root, &format!("{path}/name")).value().cloned()?;
        let wraps_at = number(root, &format!("{path}/max_energy_range_uj")).value().copied()?;
        (scope.starts_with("package") || scope == "psys").then(|| Counter {
            scope,
            path: format!("{path}/energy_uj"),
            wraps_at,
        })
    };
    zones.into_iter().filter_map(zone).collect()
}

fn hwmon_energy(root: &Path) -> Vec<Counter> {
    let mut found = Vec::new();
    for sensor in children(root, "sys/class/hwmon", "hwmon") {
        let named = |name: &String| matches!(name.as_str(), "amd_energy" | "zenergy");
        if !text(root, &format!("{sensor}/name")).value().is_some_and(named) {
            continue;
        }
        for path in children(root, &sensor, "energy").into_iter().filter(|path| path.ends_with("_input")) {
            let label = text(root, &path.replace("_input", "_label"));
            if let Some(scope) = label.value().filter(|label| label.starts_with("Esocket")) {
                found.push(Counter { scope: scope.clone(), path, wraps_at: f64::INFINITY });
            }
        }
    }
    found
}

/// A counter's value in microjoules.
pub(super) fn microjoules(root: &Path, counter: &Counter) -> Reading<f64> {
    number(root, &counter.path)
}

/// From `before` to `after` in microjoules; `None` where it did not move.
pub(super) fn moved(counter: &Counter, before: f64, after: f64) -> Option<f64> {
    let difference = after - before;
    let difference = if difference < 0.0 { difference + counter.wraps_at } else { difference };
    (difference > 0.0 && difference.is_finite()).then_some(difference)
}

/// Time between changes of a counter, from readings `(time, value)` in order: the median gap.
pub(super) fn update_period(readings: &[(Seconds, f64)]) -> Option<Seconds> {
    let changes: Vec<f64> =
        readings.windows(2).filter(|pair| pair[0].1 != pair[1].1).map(|pair| pair[1].0.get()).collect();
    let mut gaps: Vec<f64> = changes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    gaps.get(gaps.len() / 2).copied().map(Seconds)
}

/// AMD cards that report a state through sysfs.
pub(super) fn amd_gpus(root: &Path) -> Vec<GpuState> {
    children(root, "sys/class/drm", "card")
        .into_iter()
        .filter(|card| !card.trim_start_matches("sys/class/drm/").contains('-'))
        .filter(|card| {
            text(root, &format!("{card}/device/vendor")).value().is_some_and(|vendor| vendor == "0x1002")
        })
        .filter_map(|card| amd_gpu(root, &card))
        .collect()
}

fn amd_gpu(root: &Path, card: &str) -> Option<GpuState> {
    let sensor = children(root, &format!("{card}/device/hwmon"), "hwmon").into_iter().next()?;
    let read = |file: &str| number(root, &format!("{sensor}/{file}"));
    let average = read("power1_average");
    let power = if average.value().is_some() { average } else { read("power1_input") };
    let name = text(root, &format!("{card}/device/product_name"));
    Some(GpuState {
        name: name
            .value()
            .cloned()
            .unwrap_or_else(|| format!("amdgpu {}", card.rsplit('/').next().unwrap_or(card))),
        clock: read("freq1_input").map(Hertz),
        memory_clock: read("freq2_input").map(Hertz),
        temperature: read("temp1_input").map(|thousandths| Celsius(thousandths / 1e3)),
        power: power.map(|microwatts| Watts(microwatts / 1e6)),
        throttled: Reading::Unavailable(Why::Unsupported),
        memory: amd_memory(root, card, "total"),
        memory_used: amd_memory(root, card, "used"),
    })
}

/// Dedicated memory and the translated part (GTT) of host memory, where the driver counts them.
fn amd_memory(root: &Path, card: &str, what: &str) -> Reading<Bytes> {
    let part = |kind: &str| number(root, &format!("{card}/device/mem_info_{kind}_{what}"));
    match (part("vram"), part("gtt")) {
        (Reading::Value(own), Reading::Value(shared)) => Reading::Value(Bytes(own + shared)),
        (own, _) => own.map(Bytes),
    }
}

/// Memory modules that are fitted, from the firmware's table (readable by the administrator on most systems).
fn modules(root: &Path) -> Reading<u32> {
    match bytes(root, "sys/firmware/dmi/tables/DMI") {
        Reading::Unavailable(why) => Reading::Unavailable(why),
        // A virtual machine lists no modules, or one that is not real.
        Reading::Value(table) => match fitted_modules(&table) {
            0 => Reading::Unavailable(Why::Absent),
            count => Reading::Value(count),
        },
    }
}

/// Counts memory devices (type 17) with a size in an SMBIOS structure table.
fn fitted_modules(table: &[u8]) -> u32 {
    let mut rest = table;
    let mut count = 0;
    while let [kind, length, ..] = *rest {
        let length = usize::from(length);
        let Some((structure, after)) = rest.split_at_checked(length).filter(|_| length >= 4) else { break };
        let size = structure.get(0x0c..0x0e).map_or(0, |size| u16::from_le_bytes([size[0], size[1]]));
        // 0 is an empty slot, 0xffff an unknown size.
        count += u32::from(kind == 17 && size != 0 && size != 0xffff);
        let Some(strings) = after.windows(2).position(|pair| pair == [0, 0]) else { break };
        rest = &after[strings + 2..];
    }
    count
}

/// Mean power of counters that moved between two readings of all of them.
pub(super) fn power(
    counters: &[Counter],
    before: &[Reading<f64>],
    after: &[Reading<f64>],
    time: Seconds,
) -> Reading<Watts> {
    if counters.is_empty() {
        return Reading::Unavailable(MISSING);
    }
    let mut watts = Vec::new();
    for (counter, pair) in
        counters.iter().zip(before.iter().zip(after)).filter(|(counter, _)| counter.scope != "psys")
    {
        let (Reading::Value(before), Reading::Value(after)) = pair else {
            return Reading::Unavailable(Why::Denied);
        };
        match moved(counter, *before, *after) {
            Some(microjoules) => watts.push(microjoules / 1e6 / time.get().max(1e-6)),
            None => return Reading::Unavailable(Why::Frozen),
        }
    }
    mean(&watts)
        .map_or(Reading::Unavailable(Why::Absent), |mean| Reading::Value(Watts(mean * watts.len() as f64)))
}

#[cfg(test)]
#[path = "power_tests.rs"]
mod tests;
