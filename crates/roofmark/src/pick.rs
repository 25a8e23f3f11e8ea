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
        Lookup::Several(found) => ambiguous("machine", name, found.iter().map(|found| found.slug.as_str())),
        Lookup::None { nearest } => unknown("machine", name, &nearest),
    }
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
    bail!("{what} `{}` may be any of: {}", shown(name), slugs.collect::<Vec<_>>().join(", "))
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
