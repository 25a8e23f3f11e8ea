//! Models and quantizations by the names that people type; unknown names offer the nearest.

use anyhow::{Result, bail};
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::names::Lookup;
use roofmark_facts::quant::Quant;

/// The model of the catalog that `name` means.
pub fn model(name: &str) -> Result<&'static Model> {
    match Catalog::builtin().find_model(name) {
        Lookup::One(found) => Ok(found.model),
        Lookup::Several(found) => {
            let slugs: Vec<&str> = found.iter().map(|found| found.model.slug.as_str()).collect();
            bail!("model `{name}` may be any of: {}", slugs.join(", "))
        }
        Lookup::None { nearest } => {
            bail!("model `{name}` is not in the catalog; nearest: {}", nearest.join(", "))
        }
    }
}

/// The quantization that `text` means.
pub fn quant(text: &str) -> Result<Quant> {
    Ok(Quant::parse(text)?)
}
