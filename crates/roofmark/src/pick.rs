//! Machines, models and quantizations by the names that people type; unknown names offer the nearest.

use crate::catalog::catalog;
use anyhow::{Result, bail};
use roofmark_facts::catalog::Model;
use roofmark_facts::machine::Machine;
use roofmark_facts::names::Lookup;
use roofmark_facts::quant::Quant;

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

/// The machine of the catalog that `name` means.
pub fn machine(name: &str) -> Result<&'static Machine> {
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

fn ambiguous<'a, T>(what: &str, name: &str, slugs: impl Iterator<Item = &'a str>) -> Result<T> {
    bail!("{what} `{}` may be any of: {}", shown(name), slugs.collect::<Vec<_>>().join(", "))
}

fn unknown<T>(what: &str, name: &str, nearest: &[String]) -> Result<T> {
    bail!("{what} `{}` is not in the catalog; nearest: {}", shown(name), nearest.join(", "))
}

/// The start of a name, without what a terminal would act on.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(60).collect()
}
