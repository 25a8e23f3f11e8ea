//! Confines the engine's process (Linux, Landlock): it reads the system's files and the model,
//! writes to devices only, and opens no network connection. What the kernel cannot enforce is said.

use std::path::PathBuf;

/// Confines this process and all threads that it starts from now on. Gives one line for people.
#[cfg(target_os = "linux")]
pub fn confine(readable: &[PathBuf]) -> String {
    match enforce(readable) {
        Ok(status) => describe(&status.ruleset).to_owned(),
        Err(error) => format!("not confined: {error}"),
    }
}

/// Confines nothing: this system has no Landlock.
#[cfg(not(target_os = "linux"))]
pub fn confine(_readable: &[PathBuf]) -> String {
    "not confined: this system has no Landlock".to_owned()
}

/// System folders that an engine and its GPU drivers read. Homes and temporary files are not among them.
#[cfg(target_os = "linux")]
const SYSTEM: [&str; 9] = ["/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/proc", "/sys", "/run"];

#[cfg(target_os = "linux")]
fn enforce(readable: &[PathBuf]) -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope, path_beneath_rules,
    };
    let readable = readable.iter().filter(|path| !is_memory_file(path));
    let newest = ABI::V6;
    let read = AccessFs::from_read(newest);
    Ruleset::default()
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(["/dev"], AccessFs::from_all(newest)))?
        .restrict_self()
}

/// A memory file has no place in any folder: Landlock takes no rule for it, and lets it pass.
#[cfg(target_os = "linux")]
fn is_memory_file(path: &std::path::Path) -> bool {
    std::fs::read_link(path).is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:"))
}

#[cfg(target_os = "linux")]
fn describe(status: &landlock::RulesetStatus) -> &'static str {
    match status {
        landlock::RulesetStatus::FullyEnforced => "confined: reads system and model, no network",
        landlock::RulesetStatus::PartiallyEnforced => "partly confined: this kernel's Landlock is old",
        landlock::RulesetStatus::NotEnforced => "not confined: this kernel has no Landlock",
    }
}
