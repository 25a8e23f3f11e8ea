//! The state of the machine: what it is, and what it does while a cell runs.
//!
//! Linux is read from `/proc` and `/sys` below a root that tests can replace. macOS and Windows give
//! what a standard tool or the environment says; they have not been tested on the real machines.
//! What cannot be read is `None`, never zero.

#[cfg(test)]
mod fixtures;
mod hardware;
mod linux;
mod power;
pub mod trace;

pub use hardware::gpu_makers;
pub use linux::{EnergyMeter, StateMeter, busy_processors};
pub(crate) use linux::{cache_size, processors};

use roofmark_facts::records::Host;
use roofmark_facts::units::Bytes;
use std::path::Path;

/// What the operating system says of this machine. `root` is `/` but in tests.
#[must_use]
pub fn host(root: &Path) -> Host {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let found = match std::env::consts::OS {
        "macos" => macos(),
        "linux" => linux::host(root),
        other => Host { os: other.into(), cpu: windows_cpu(), ..Host::default() },
    };
    Host { cpus, ..found }
}

/// Untested on a real Mac: sysctl's names as Apple documents them.
fn macos() -> Host {
    Host {
        os: format!("macOS {}", command_line("sw_vers", &["-productVersion"]).unwrap_or_default()),
        cpu: sysctl("machdep.cpu.brand_string").unwrap_or_default(),
        cores: sysctl("hw.physicalcpu").and_then(|text| text.parse().ok()),
        memory: sysctl("hw.memsize").and_then(|text| text.parse().ok()).map(Bytes),
        cache: sysctl("hw.perflevel0.l2cachesize").and_then(|text| text.parse().ok()).map(Bytes),
        ..Host::default()
    }
}

fn sysctl(name: &str) -> Option<String> {
    command_line("sysctl", &["-n", name])
}

fn command_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Untested on Windows: the environment variable that the system sets for every process.
fn windows_cpu() -> String {
    std::env::var("PROCESSOR_IDENTIFIER").unwrap_or_default()
}
