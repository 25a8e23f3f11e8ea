//! Readers and parsers of Linux's `/proc` and `/sys`.
//!
//! Field meanings: the kernel's documentation of proc, cgroup v1 and v2, pressure stall information,
//! cpufreq, hwmon and powercap.

use roofmark_facts::records::{Host, State};
use roofmark_facts::units::{Bytes, Celsius, Hertz, Joules, Seconds};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest system file that is read: a machine with thousands of processors has a long cpuinfo.
const LIMIT: u64 = 8 << 20;
/// An energy counter that has not moved for this long is broken: packages count every millisecond.
const FROZEN: Seconds = Seconds(0.1);

pub(super) fn host(root: &Path) -> Host {
    let cpuinfo = read(root, "proc/cpuinfo").unwrap_or_default();
    let meminfo = read(root, "proc/meminfo").unwrap_or_default();
    let memory_limit = memory_limit(root);
    let available = field_bytes(&meminfo, "MemAvailable");
    Host {
        os: operating_system(root),
        cpu: field(&cpuinfo, "model name")
            .or_else(|| field(&cpuinfo, "Model"))
            .unwrap_or_else(|| "unknown".into()),
        cpus: 1,
        cores: physical_cores(&cpuinfo),
        cache: last_level_cache(root),
        memory: field_bytes(&meminfo, "MemTotal"),
        available: available.map(|free| memory_limit.map_or(free, |limit| free.min(limit))),
        cpu_limit: cpu_limit(root),
        memory_limit,
        load: read(root, "proc/loadavg").and_then(|text| text.split_whitespace().next()?.parse().ok()),
        governor: read(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        hypervisor: hypervisor(root, &cpuinfo),
        slug: None,
        datasheet: None,
    }
}

/// Contents of a small system file, trimmed; `None` where it cannot be read or is empty.
pub(super) fn read(root: &Path, path: &str) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(root.join(path)).ok()?.take(LIMIT).read_to_string(&mut text).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// First value of `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// A `/proc/meminfo` field, which counts in KiB whatever it prints.
fn field_bytes(text: &str, name: &str) -> Option<Bytes> {
    let value = field(text, name)?;
    let kib: f64 = value.strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kib * 1024.0))
}

fn operating_system(root: &Path) -> String {
    let release = read(root, "etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches('"'))
        .to_owned();
    match read(root, "proc/sys/kernel/osrelease") {
        Some(kernel) => format!("{name}, kernel {kernel}"),
        None => name,
    }
}

/// Distinct (package, core) pairs; `None` where cpuinfo does not tell (Arm).
fn physical_cores(cpuinfo: &str) -> Option<u32> {
    let cores: HashSet<_> = cpuinfo
        .split("\n\n")
        .filter_map(|block| Some((field(block, "physical id")?, field(block, "core id")?)))
        .collect();
    (!cores.is_empty()).then_some(cores.len() as u32)
}

/// The largest cache of the first processor, as `32768K` or `32M`.
fn last_level_cache(root: &Path) -> Option<Bytes> {
    (0..8)
        .filter_map(|index| read(root, &format!("sys/devices/system/cpu/cpu0/cache/index{index}/size")))
        .filter_map(|text| cache_size(&text))
        .reduce(Bytes::max)
}

pub(crate) fn cache_size(text: &str) -> Option<Bytes> {
    let (digits, factor) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1024.0),
        None => (text.strip_suffix('M')?, 1_048_576.0),
    };
    Some(Bytes(digits.parse::<f64>().ok()? * factor))
}

/// Processors in a list such as `0-3,8`; `None` for nonsense.
pub(crate) fn processors(list: &str) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for part in list.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        // No kernel counts further.
        if last >= 1 << 16 {
            return None;
        }
        found.extend(first..=last);
    }
    Some(found)
}

/// Processors that the control group allows: `cpu.max` (v2) or the CFS quota (v1).
fn cpu_limit(root: &Path) -> Option<f64> {
    if let Some(text) = group_file(root, "", "cpu.max") {
        let (quota, period) = text.split_once(' ')?;
        return ratio(quota, period);
    }
    ratio(&group_file(root, "cpu", "cpu.cfs_quota_us")?, &group_file(root, "cpu", "cpu.cfs_period_us")?)
}

/// A quota over its period; `None` for `max`, −1 and nonsense.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

fn memory_limit(root: &Path) -> Option<Bytes> {
    let text =
        group_file(root, "", "memory.max").or_else(|| group_file(root, "memory", "memory.limit_in_bytes"))?;
    let bytes: f64 = text.parse().ok()?;
    // Version 1 writes "no limit" as the largest page-aligned number.
    (bytes < 9e18).then_some(Bytes(bytes))
}

/// A file of this process's control group: of the group itself, else of the root of the hierarchy
/// (inside a container the group's path names the host's tree, and the root is the container's).
fn group_file(root: &Path, controller: &str, name: &str) -> Option<String> {
    let groups = read(root, "proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|each| each == controller).then_some(path)
    })?;
    let base = PathBuf::from("sys/fs/cgroup").join(controller);
    let own = base.join(path.trim_start_matches('/')).join(name);
    read(root, &own.to_string_lossy()).or_else(|| read(root, &base.join(name).to_string_lossy()))
}

fn hypervisor(root: &Path, cpuinfo: &str) -> Option<String> {
    let flagged =
        field(cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    if !flagged {
        return read(root, "sys/hypervisor/type");
    }
    read(root, "sys/hypervisor/type")
        .or_else(|| read(root, "sys/class/dmi/id/product_name"))
        .or_else(|| Some("unnamed".into()))
}

/// Processor time of `/proc/stat` in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ticks {
    busy: f64,
    steal: f64,
    all: f64,
}

fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let values: Vec<f64> = line.split_whitespace().map_while(|value| value.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is part of user.
    let [user, nice, system, idle, iowait, irq, softirq, steal] = *values.get(..8)? else { return None };
    let busy = user + nice + system + irq + softirq;
    Some(Ticks { busy, steal, all: busy + idle + iowait + steal })
}

/// Microseconds in which some task waited for a processor.
fn stalled(pressure: &str) -> Option<f64> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    line.rsplit_once("total=")?.1.parse().ok()
}

/// Processors that are busy over the next `window`, while the caller does nothing; `None` where unknown.
#[must_use]
pub fn busy_processors(root: &Path, window: Duration, cpus: u32) -> Option<f64> {
    let before = ticks(&read(root, "proc/stat")?)?;
    std::thread::sleep(window);
    let after = ticks(&read(root, "proc/stat")?)?;
    let all = after.all - before.all;
    (all > 0.0).then(|| (after.busy - before.busy) / all * f64::from(cpus))
}

/// Reads the state since the reading before.
#[derive(Debug)]
pub struct StateMeter {
    root: PathBuf,
    since: Instant,
    ticks: Option<Ticks>,
    stalled: Option<f64>,
}

impl StateMeter {
    /// Starts a first interval.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            since: Instant::now(),
            ticks: read(root, "proc/stat").and_then(|text| ticks(&text)),
            stalled: read(root, "proc/pressure/cpu").and_then(|text| stalled(&text)),
        }
    }

    /// Ends the interval, returns its state and starts the next one.
    pub fn read(&mut self) -> State {
        let next = Self::new(&self.root);
        let state = State {
            frequency: frequency(&self.root),
            temperature: temperature(&self.root),
            steal: self.ticks.zip(next.ticks).and_then(|(before, after)| {
                let all = after.all - before.all;
                (all > 0.0).then(|| (after.steal - before.steal) / all)
            }),
            pressure: self.stalled.zip(next.stalled).map(|(before, after)| {
                (after - before) / 1e6 / next.since.duration_since(self.since).as_secs_f64().max(1e-3)
            }),
        };
        *self = next;
        state
    }
}

/// Mean of what cpufreq says of each processor, else of cpuinfo's clocks.
pub(super) fn frequency(root: &Path) -> Option<Hertz> {
    let scaled: Vec<f64> = (0..4096)
        .map_while(|cpu| read(root, &format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")))
        .filter_map(|text| text.parse::<f64>().ok())
        .map(|khz| khz * 1e3)
        .collect();
    if let Some(mean) = mean(&scaled) {
        return Some(Hertz(mean));
    }
    let cpuinfo = read(root, "proc/cpuinfo")?;
    let clocks: Vec<f64> = cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.trim() == "cpu MHz")
        .filter_map(|(_, value)| value.trim().parse::<f64>().ok())
        .map(|mhz| mhz * 1e6)
        .collect();
    mean(&clocks).map(Hertz)
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The hottest of the thermal zones and the sensors of processors.
pub(super) fn temperature(root: &Path) -> Option<Celsius> {
    let zones =
        children(root, "sys/class/thermal", "thermal_zone").into_iter().map(|zone| format!("{zone}/temp"));
    let sensors =
        children(root, "sys/class/hwmon", "hwmon").into_iter().map(|sensor| format!("{sensor}/temp1_input"));
    zones
        .chain(sensors)
        .filter_map(|path| read(root, &path)?.parse::<f64>().ok())
        .map(|thousandths| Celsius(thousandths / 1000.0))
        .reduce(Celsius::max)
}

/// Entries of a folder whose name begins with `prefix`, as paths below the root, in order.
pub(super) fn children(root: &Path, folder: &str, prefix: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    names.sort();
    names
}

/// Energy counters of the processor packages (powercap, called RAPL by Intel; AMD's speak it too).
#[derive(Debug)]
pub struct EnergyMeter {
    root: PathBuf,
    packages: Vec<Package>,
    since: Instant,
}

#[derive(Clone, Debug, PartialEq)]
struct Package {
    path: String,
    microjoules: f64,
    wraps_at: f64,
}

impl EnergyMeter {
    /// Reads all package counters; none where they are absent or the user may not read them.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        Self { root: root.to_owned(), packages: packages(root), since: Instant::now() }
    }

    /// Energy since the start; `None` where there is no counter or one did not move.
    #[must_use]
    pub fn stop(&self) -> Option<Joules> {
        energy_between(&self.packages, &packages(&self.root), Seconds(self.since.elapsed().as_secs_f64()))
    }
}

fn packages(root: &Path) -> Vec<Package> {
    children(root, "sys/class/powercap", "intel-rapl:")
        .into_iter()
        .filter(|path| read(root, &format!("{path}/name")).is_some_and(|name| name.starts_with("package")))
        .filter_map(|path| {
            let number = |file: &str| read(root, &format!("{path}/{file}"))?.parse::<f64>().ok();
            Some(Package {
                microjoules: number("energy_uj")?,
                wraps_at: number("max_energy_range_uj")?,
                path,
            })
        })
        .collect()
}

fn energy_between(before: &[Package], after: &[Package], time: Seconds) -> Option<Joules> {
    if before.is_empty() || before.len() != after.len() || time < FROZEN {
        return None;
    }
    let mut total = 0.0;
    for (before, after) in before.iter().zip(after) {
        let moved = after.microjoules - before.microjoules;
        let moved = if moved < 0.0 { moved + before.wraps_at } else { moved };
        if before.path != after.path || moved <= 0.0 {
            return None;
        }
        total += moved;
    }
    Some(Joules(total / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::fixtures::root;

    const CPUINFO: &str = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\ncpu MHz\t\t: 2600.0\nphysical id\t: 0\n\
        core id\t\t: 0\nflags\t\t: fpu hypervisor avx2\n\nprocessor\t: 1\nmodel name\t: AMD EPYC 9R14\n\
        cpu MHz\t\t: 3000.0\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu hypervisor avx2\n";

    #[test]
    fn a_virtual_machine_in_a_limited_group_is_read() {
        let root = root(&[
            ("proc/cpuinfo", CPUINFO),
            ("proc/meminfo", "MemTotal:       24000000 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n"),
            ("proc/loadavg", "1.25 0.5 0.1 2/100 999\n"),
            ("proc/self/cgroup", "0::/service/box\n"),
            ("sys/fs/cgroup/service/box/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/service/box/memory.max", "8000000000\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/size", "48K\n"),
            ("sys/devices/system/cpu/cpu0/cache/index3/size", "32768K\n"),
            ("sys/class/dmi/id/product_name", "m7a.large\n"),
            ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
        ]);
        let host = host(root.path());
        assert_eq!(host.cpu, "AMD EPYC 9R14");
        assert_eq!(host.os, "Debian GNU/Linux 12, kernel 6.1.0");
        assert_eq!(host.cores, Some(1), "two threads of one core");
        assert_eq!(host.cache, Some(Bytes(33_554_432.0)));
        assert_eq!(host.memory, Some(Bytes(24_576_000_000.0)));
        assert_eq!(host.available, Some(Bytes(8e9)), "the group's limit is below what is free");
        assert_eq!((host.cpu_limit, host.load), (Some(1.5), Some(1.25)));
        assert_eq!(host.hypervisor.as_deref(), Some("m7a.large"));
        assert_eq!(frequency(root.path()), Some(Hertz(2.8e9)));
    }

    #[test]
    fn an_empty_machine_knows_nothing_and_invents_nothing() {
        let root = root(&[]);
        let host = host(root.path());
        assert_eq!((host.memory, host.available, host.load, host.cpu_limit), (None, None, None, None));
        assert_eq!((host.governor, host.hypervisor, host.cores), (None, None, None));
        assert_eq!(StateMeter::new(root.path()).read(), State::default());
        assert_eq!(EnergyMeter::start(root.path()).stop(), None);
        assert_eq!(busy_processors(root.path(), Duration::ZERO, 2), None);
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_too() {
        let root = root(&[
            ("proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(cpu_limit(root.path()), Some(0.5));
        assert_eq!(memory_limit(root.path()), None, "the largest number means no limit");
        assert_eq!(ratio("max", "100000"), None);
        assert_eq!(ratio("-1", "100000"), None);
    }

    #[test]
    fn ticks_and_stalls_are_told_apart() {
        let ticks = ticks("cpu  100 10 20 300 5 1 2 40 7 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!(ticks, Ticks { busy: 133.0, steal: 40.0, all: 478.0 });
        assert_eq!(super::ticks("cpu 1 2 3\n"), None);
        assert_eq!(super::ticks("intr 1 2 3\n"), None);
        let pressure = "some avg10=9.15 avg60=20.25 avg300=19.09 total=129325873\nfull avg10=0.00 total=0\n";
        assert_eq!(stalled(pressure), Some(129_325_873.0));
        assert_eq!(stalled("nothing"), None);
    }

    #[test]
    fn sizes_of_caches_have_units() {
        assert_eq!(cache_size("32768K"), Some(Bytes(33_554_432.0)));
        assert_eq!(cache_size("96M"), Some(Bytes(100_663_296.0)));
        assert_eq!(cache_size("many"), None);
    }

    #[test]
    fn a_frozen_counter_gives_no_energy_and_a_full_one_wraps() {
        let package = |microjoules| Package { path: "p".into(), microjoules, wraps_at: 1e9 };
        let between =
            |before, after, time| energy_between(&[package(before)], &[package(after)], Seconds(time));
        assert_eq!(between(1e6, 3e6, 1.0), Some(Joules(2.0)));
        assert_eq!(between(1e6, 1e6, 1.0), None, "frozen is not zero");
        assert_eq!(between(999e6, 1e6, 1.0), Some(Joules(2.0)));
        assert_eq!(between(1e6, 3e6, 0.01), None, "too short to tell");
        assert_eq!(energy_between(&[], &[], Seconds(1.0)), None);
    }

    #[test]
    fn counters_of_packages_are_found_and_sub_zones_left_out() {
        let root = root(&[
            ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
            ("sys/class/powercap/intel-rapl:0/energy_uj", "5000\n"),
            ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n"),
            ("sys/class/powercap/intel-rapl:0:0/name", "core\n"),
            ("sys/class/powercap/intel-rapl:0:0/energy_uj", "1\n"),
            ("sys/class/powercap/intel-rapl:0:0/max_energy_range_uj", "2\n"),
            ("sys/class/thermal/thermal_zone0/temp", "41000\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "63500\n"),
        ]);
        assert_eq!(packages(root.path()).len(), 1);
        assert_eq!(temperature(root.path()), Some(Celsius(63.5)));
    }
}
