//! The last probe of this machine: where it is kept, and how it becomes a machine of the owner's catalog.

use crate::{catalog, ledger};
use anyhow::{Context, Result, ensure};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::probe_record::{FORMAT, Number, ProbeRecord};
use roofmark_facts::records::Host;
use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond, significant};
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest record that is read.
const LONGEST: u64 = 16 << 20;

/// Keeps `record` as the last one.
pub fn keep(record: &ProbeRecord) -> Result<PathBuf> {
    let folder = ledger::folder()?;
    let path = folder.join("probe.json");
    let context = || format!("failed to keep the probe in {}", path.display());
    std::fs::create_dir_all(&folder).with_context(context)?;
    // Written beside and renamed, so that a reader never sees half of it.
    let beside = folder.join(format!("probe.{}.tmp", std::process::id()));
    std::fs::write(&beside, serde_json::to_vec_pretty(record)?).with_context(context)?;
    std::fs::rename(&beside, &path).with_context(context)?;
    Ok(path)
}

/// The last probe, where there is one of `host`.
pub fn last(host: &Host) -> Option<ProbeRecord> {
    read(&ledger::folder().ok()?.join("probe.json")).filter(|record| is_of(record, host))
}

fn read(path: &Path) -> Option<ProbeRecord> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|record: &ProbeRecord| record.format == FORMAT)
}

/// The record is of this machine as it is now: processor, processors that may be used, memory.
fn is_of(record: &ProbeRecord, host: &Host) -> bool {
    let then = &record.machine;
    then.cpu == host.cpu
        && then.cpus == host.cpus
        && then.memory == host.memory
        && then.cpu_limit == host.cpu_limit
}

/// Refuses a name that no machine of the catalog can have: before anything is measured.
pub fn check_name(name: &str) -> Result<()> {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    ensure!(
        !name.is_empty() && name.len() <= 60 && name.chars().all(plain),
        "--save is `{}`, expected lower-case letters, digits, - and .",
        crate::pick::shown(name)
    );
    ensure!(
        catalog::catalog()?.machines.iter().all(|machine| machine.slug != name),
        "--save is `{name}`, which the catalog has already; choose another name"
    );
    Ok(())
}

/// Adds the machine of `record` to the owner's catalog as `name`.
pub fn add_to_catalog(record: &ProbeRecord, name: &str) -> Result<PathBuf> {
    check_name(name)?;
    ensure!(record.read_roof().is_some(), "failed to add `{name}` to the catalog: it has no memory roof");
    let path = catalog::user_path()?;
    let context = || format!("failed to add to the catalog {}", path.display());
    let before =
        if path.is_file() { std::fs::read_to_string(&path).with_context(context)? } else { String::new() };
    let after = format!("{before}\n{}", entry(record, name));
    // What would not be read again is not written.
    Catalog::builtin().clone().extended(&path.display().to_string(), &after)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(context)?;
    }
    let beside = path.with_extension("toml.tmp");
    std::fs::write(&beside, after).with_context(context)?;
    std::fs::rename(&beside, &path).with_context(context)?;
    Ok(path)
}

/// The machine in the form of the catalog. Bandwidth and peaks are measured, never a datasheet's.
fn entry(record: &ProbeRecord, name: &str) -> String {
    let host = &record.machine;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let day = record.date.get(..10).unwrap_or(&record.date);
    let source = format!("probe-of-{name}");
    let class = if cfg!(target_arch = "aarch64") { "cpu-arm" } else { "cpu-x86" };
    let mut text = format!(
        "[source.{}]\ntitle = {}\nurl = \"\"\ndate = {}\n\n",
        quoted(&source),
        quoted(&format!("roofmark probe of {name}")),
        quoted(day)
    );
    text += &format!(
        "[[machine]]\nslug = {}\nvendor = \"\"\nname = {}\nkind = \"cpu\"\nclass = {}\nos = [{}]\n\
         owner_memory_clock = true\nnotes = \"bandwidth and peaks are what the probe measured\"\n[machine.facts]\n",
        quoted(name),
        quoted(&host.cpu),
        quoted(class),
        quoted(std::env::consts::OS)
    );
    for (fact, value) in facts(record) {
        let number = significant(value, 6);
        // A string never fails to be written to.
        let _ = writeln!(
            text,
            "{fact} = {{ value = {number}, source = {}, basis = \"measured\" }}",
            quoted(&source)
        );
    }
    text
}

fn facts(record: &ProbeRecord) -> Vec<(&'static str, f64)> {
    let host = &record.machine;
    let read = record.read_roof().map(BytesPerSecond::gb);
    let peak = |number| record.peak(number).map(FlopPerSecond::tera);
    let found = [
        ("memory_gib", host.memory_limit.or(host.memory).map(Bytes::gib)),
        ("bandwidth_gb_s", read),
        ("measured_read_gb_s", read),
        ("last_level_cache_mb", host.cache.map(|cache| cache.get() / 1e6)),
        ("cpu_cores", host.cores.map(f64::from)),
        ("fp32_tflops", peak(Number::F32)),
        ("bf16_dense_tflops", peak(Number::Bf16)),
        ("int8_dense_tops", peak(Number::Int8)),
    ];
    found
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(_, value)| *value > 0.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ProbeRecord {
        serde_json::from_str(include_str!("../tests/data/probe.json")).unwrap()
    }

    #[test]
    fn a_record_becomes_a_machine_whose_numbers_are_measured() {
        let catalog = Catalog::builtin().clone().extended("mine", &entry(&record(), "my-box")).unwrap();
        let machine = catalog.machines.iter().find(|machine| machine.slug == "my-box").unwrap();
        let read = machine.measured_read.as_ref().unwrap();
        assert!((read.value.gb() - record().read_roof().unwrap().gb()).abs() < 0.01);
        assert_eq!(read.basis, roofmark_facts::machine::Basis::Measured);
        assert!(machine.peak("int8").is_some());
    }

    #[test]
    fn a_record_of_another_machine_is_not_taken() {
        let record = record();
        assert!(is_of(&record, &record.machine));
        let other = Host { memory: Some(Bytes(1e9)), ..record.machine.clone() };
        assert!(!is_of(&record, &other));
    }
}
