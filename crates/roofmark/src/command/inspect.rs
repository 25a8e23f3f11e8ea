//! `roofmark inspect`: what a model costs, from its file or from the catalog.

use crate::exit::Exit;
use crate::{model_file, pick};
use anyhow::Result;
use clap::Args;
use roofmark_facts::gguf::profile;
use roofmark_facts::inspection::{Inspected, types};
use roofmark_facts::table::tensor_table;
use roofmark_report::inspect::{CACHE_ELEMENT, screen};
use serde_json::{Value, json};
use std::path::Path;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A GGUF file (any part of a split one), or a model of the catalog.
    #[arg(value_name = "FILE|MODEL")]
    pub model: String,
    /// Quantization; for a model of the catalog.
    #[arg(long)]
    pub quant: Option<String>,
}

/// Prints the cost of one model.
pub fn run(args: &InspectArgs, json: bool) -> Result<Exit> {
    let path = Path::new(&args.model);
    let is_file = path.exists() || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    let found = if is_file { from_file(path)? } else { from_catalog(&args.model, args.quant.as_deref())? };
    if json {
        super::print(&serde_json::to_string_pretty(&document(&found))?)?;
    } else {
        super::print(&screen(&found))?;
    }
    Ok(Exit::Success)
}

fn from_file(path: &Path) -> Result<Inspected> {
    let table = model_file::open(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let profile = profile(&name, &table)
        .map_err(|error| anyhow::Error::from(error).context(format!("failed to read {}", path.display())))?;
    let types = types(table.tensors.iter().map(|tensor| (tensor.kind, tensor.bytes)));
    Ok(Inspected {
        profile,
        file_bytes: table.file_bytes,
        parts: Some(table.parts),
        approximate: false,
        types,
    })
}

fn from_catalog(name: &str, quant: Option<&str>) -> Result<Inspected> {
    let model = pick::model(name)?;
    let quant = pick::quant(quant.unwrap_or("Q4_K_M"))?;
    let profile = model.profile(&quant);
    let tensors = tensor_table(&model.shape, &quant);
    let types = types(tensors.iter().map(|tensor| (tensor.kind, tensor.stored().get() as u64)));
    let file_bytes = profile.tensor_bytes.get() as u64;
    Ok(Inspected { profile, file_bytes, parts: None, approximate: quant.approximate, types })
}

fn document(found: &Inspected) -> Value {
    let profile = &found.profile;
    let types: Vec<Value> = found
        .types
        .iter()
        .map(|row| json!({ "type": row.kind.name(), "tensors": row.tensors, "bytes": row.bytes }))
        .collect();
    json!({
        "model": profile.model,
        "arch": profile.arch,
        "quant": profile.quant,
        "approximate": found.approximate,
        "layers": profile.layers,
        "parameters": profile.params as u64,
        "active_parameters": profile.active_params as u64,
        "files": found.parts,
        "file_bytes": found.file_bytes,
        "tensor_bytes": profile.tensor_bytes.get() as u64,
        "bytes_per_token": profile.bytes_per_token().get().round() as u64,
        "kv_bytes_per_token": profile.growing_cache_bytes(CACHE_ELEMENT).get(),
        "kv_window_bytes": found.window_bytes(CACHE_ELEMENT),
        "state_bytes": profile.state_bytes.get(),
        "flops_per_token": profile.flop_per_token().get(),
        "context": profile.context,
        "experts": profile.experts,
        "caches": profile.caches,
        "types": types,
    })
}
