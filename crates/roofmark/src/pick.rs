//! Machines, models and quantizations by the names that people type; unknown names offer the nearest.

use crate::catalog::catalog;
use crate::here;
use anyhow::{Result, bail};
use roofmark_facts::catalog::Model;
use roofmark_facts::machine::Machine;
use roofmark_facts::names::Lookup;
use roofmark_facts::quant::Quant;
use roofmark_facts::tensor_type::TensorType;

/// The model of the catalog that `name` means.
pub fn model(name: &str) -> Result<&'static Model> {
    match catalog()?.find_model(name) {
        Lookup::One(found) => Ok(found.model),
        Lookup::Several(found) => {
            ambiguous("model", name, found.iter().map(|found| found.model.slug.as_str()))
        }
        Lookup::None { nearest } => unknown("model", name, &nearest),
    }
}

/// The machine of the catalog that `name` means; `this` is the one at hand.
pub fn machine(name: &str) -> Result<&'static Machine> {
    if name == here::NAME {
        return here::machine();
    }
    match catalog()?.find_machine(name) {
        Lookup::One(found) => Ok(found),
        Lookup::Several(found) => one_of(name, &found),
        Lookup::None { nearest } => unknown("machine", name, &nearest),
    }
}

/// Machines that a name fits: where only their memory differs, the one that has most of it, and a word on the others.
fn one_of(name: &str, found: &[&'static Machine]) -> Result<&'static Machine> {
    let memory = |machine: &Machine| machine.memory.as_ref().map_or(0.0, |memory| memory.value.gib());
    let largest = found.iter().copied().max_by(|left, right| memory(left).total_cmp(&memory(right)));
    match largest.filter(|largest| found.iter().all(|other| same_rates(largest, other))) {
        Some(largest) => {
            let others = found.iter().filter(|other| other.slug != largest.slug);
            let others: Vec<&str> = others.map(|other| other.slug.as_str()).collect();
            eprintln!("`{}`: taking {}; with less memory: {}", shown(name), largest.slug, others.join(", "));
            Ok(largest)
        }
        None => {
            let line = |machine: &&Machine| format!("\n  {:<28} {}", machine.slug, machine.name);
            let lines: String = found.iter().map(line).collect();
            bail!("machine `{}` may be any of these; name one by its id:{lines}", shown(name))
        }
    }
}

/// Whether two machines are the same but for the size of their memory.
fn same_rates(left: &Machine, right: &Machine) -> bool {
    let facts = |machine: &Machine| {
        (
            machine.class.clone(),
            machine.bandwidth.as_ref().map(|found| found.value),
            machine.gpu_cores.as_ref().map(|found| found.value),
            machine.peak("fp16"),
        )
    };
    facts(left) == facts(right)
}

/// The quantization that `text` means.
pub fn quant(text: &str) -> Result<Quant> {
    Ok(Quant::parse(text)?)
}

/// Bytes of one element of a cache of the type that `--kv-type` names.
pub fn cache_element(text: &str) -> Result<f64> {
    let known = ["F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "FP8"];
    let kind = TensorType::ALL.iter().find(|kind| kind.name().eq_ignore_ascii_case(text));
    match kind.filter(|kind| known.contains(&kind.name())) {
        Some(kind) => Ok(kind.bits_per_element() / 8.0),
        None => bail!("--kv-type is `{text}`, expected one of {}", known.join(", ").to_lowercase()),
    }
}

fn ambiguous<'a, T>(what: &str, name: &str, slugs: impl Iterator<Item = &'a str>) -> Result<T> {
    let slugs: Vec<&str> = slugs.take(12).collect();
    bail!("{what} `{}` may be any of these; name one by its id:\n  {}", shown(name), slugs.join("\n  "))
}

fn unknown<T>(what: &str, name: &str, nearest: &[String]) -> Result<T> {
    bail!("{what} `{}` is not in the catalog; nearest: {}", shown(name), nearest.join(", "))
}

/// The start of a name, without what a terminal would act on.
pub fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(60).collect()
}

/// A longer text from outside, without what a terminal would act on.
pub fn shown_long(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(400).collect()
}
