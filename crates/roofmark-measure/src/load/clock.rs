//! What the client itself uses.

use roofmark_facts::units::{Bytes, Seconds};

/// Processor time of this thread; zero where the system does not say.
#[must_use]
pub fn thread_cpu() -> Seconds {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Seconds(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }
    #[cfg(not(unix))]
    Seconds(0.0)
}

/// Highest resident memory of this process.
#[must_use]
pub fn peak_memory() -> Option<Bytes> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(Bytes(kib * 1024.0))
}
