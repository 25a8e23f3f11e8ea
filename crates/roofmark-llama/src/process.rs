//! The engine's own process: what it says of itself, and what makes it harmless to others.

use roofmark_facts::units::Bytes;
#[cfg(unix)]
use std::time::Duration;

/// Variables that change what the engine computes with, by the beginning of their names.
const ENGINE_VARIABLES: [&str; 8] = [
    "GGML_",
    "LLAMA_",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HSA_OVERRIDE_GFX_VERSION",
    "VK_",
    "ROOFMARK_BACKENDS",
];

/// The variables of the environment that can change what the engine does.
pub fn engine_environment() -> Vec<(String, String)> {
    let matters = |name: &str| ENGINE_VARIABLES.iter().any(|start| name.starts_with(start));
    let mut found: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| matters(name))
        .collect();
    found.sort();
    found
}

/// A field of `/proc/self/status` in bytes; `None` where the system has no such file.
pub fn memory(field: &str) -> Option<Bytes> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(Bytes(bytes(&status, field)? as f64))
}

/// A line such as `VmRSS:  12 kB` in bytes.
fn bytes(text: &str, field: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Ties this process to its parent and keeps it from taking others with it: it dies with the
/// parent, it is the first to go when memory runs out, and it leaves no image of gigabytes of
/// weights behind when it aborts. It may not allocate more than is free now, so that a cache that
/// does not fit is refused instead of pushing the machine into its swap (mapped weights do not
/// count). Each is a courtesy that a system may not offer.
pub fn behave() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        if let Some(free) = free_memory() {
            let limit = rustix::process::Rlimit { current: Some(free), maximum: Some(free) };
            let _ = rustix::process::setrlimit(rustix::process::Resource::Data, limit);
        }
    }
    #[cfg(unix)]
    {
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    }
}

/// Time between two looks at what the engine's threads use.
#[cfg(unix)]
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Most looks: a second.
#[cfg(unix)]
const LOOKS: u32 = 100;

/// Waits until the engine's threads sleep. After the last step they poll for more work for a tenth of a
/// second, and would take a processor from whatever is measured next: a roof, or another slice.
#[cfg(unix)]
pub fn come_to_rest() {
    wait_for_rest(processor_time, || std::thread::sleep(LOOK_AGAIN));
}

/// This system's clock of processor time is not read: nothing is waited for.
#[cfg(not(unix))]
pub fn come_to_rest() {}

/// Pauses until `used` grows by less than a quarter of the pause.
#[cfg(unix)]
fn wait_for_rest(mut used: impl FnMut() -> Duration, mut pause: impl FnMut()) {
    let mut before = used();
    for _ in 0..LOOKS {
        pause();
        let now = used();
        if now.saturating_sub(before) < LOOK_AGAIN / 4 {
            return;
        }
        before = now;
    }
}

/// Processor time of all threads of this process so far.
#[cfg(unix)]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Memory and swap that is free, in bytes.
#[cfg(target_os = "linux")]
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    bytes(&text, "MemAvailable:")?.checked_add(bytes(&text, "SwapFree:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn rest_comes_when_no_processor_time_is_used() {
        let pauses = |milliseconds: &[u64]| {
            let (mut times, mut count) = (milliseconds.iter().copied().cycle(), 0);
            wait_for_rest(|| Duration::from_millis(times.next().unwrap_or(0)), || count += 1);
            count
        };
        assert_eq!(pauses(&[5, 5]), 1);
        assert_eq!(pauses(&[5, 15, 25, 26]), 3);
        let busy: Vec<u64> = (0..1000).map(|look| look * 10).collect();
        assert_eq!(pauses(&busy), LOOKS);
    }

    #[test]
    fn fields_are_read_in_bytes() {
        let text = "MemTotal:       24684092 kB\nMemAvailable:   1024 kB\nHugePages_Total:       0\n";
        assert_eq!(bytes(text, "MemAvailable:"), Some(1_048_576));
        assert_eq!(bytes(text, "HugePages_Total:"), None);
        assert_eq!(bytes(text, "SwapFree:"), None);
    }
}
