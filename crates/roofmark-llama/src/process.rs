//! The engine's own process: what it says of itself, and what makes it harmless to others.

use roofmark_facts::units::Bytes;

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
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kib * 1024.0))
}

/// Ties this process to its parent and keeps it from taking others with it: it dies with the
/// parent, it is the first to go when memory runs out, and it leaves no image of gigabytes of
/// weights behind when it aborts. Each is a courtesy that a system may not offer.
pub fn behave() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    #[cfg(unix)]
    {
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    }
}
