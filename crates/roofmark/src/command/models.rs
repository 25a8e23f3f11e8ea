//! `roofmark models`: the catalog of models.

mod on_disk;

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::pick;
use clap::Args;
use roofmark_facts::catalog::Model;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_report::catalog as report;
use serde_json::{Value, json};

/// Quantization of the list.
const LISTED: &str = "Q4_K_M";

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// A model to explain, in any usual spelling.
    #[arg(value_name = "NAME")]
    pub model: Option<String>,
    /// Only models whose name holds this text.
    #[arg(long, conflicts_with = "model")]
    pub filter: Option<String>,
    /// Model files on this disk instead: Ollama, LM Studio, the hub's cache, llama.cpp.
    #[arg(long, conflicts_with_all = ["model", "filter"])]
    pub local: bool,
}

/// Lists or explains.
pub fn run(args: &ModelsArgs, json: bool) -> anyhow::Result<Exit> {
    if args.local {
        on_disk::run(json)?;
        return Ok(Exit::Success);
    }
    let text = match &args.model {
        _ if json => serde_json::to_string_pretty(&document(args)?)?,
        Some(name) => {
            let model = pick::model(name)?;
            report::model(model, &profiles(model))
        }
        None => report::models(&list(args.filter.as_deref())?),
    };
    super::print(&text)?;
    Ok(Exit::Success)
}

/// The list, or the model with its quantizations.
pub fn document(args: &ModelsArgs) -> anyhow::Result<Value> {
    if let Some(name) = &args.model {
        return Ok(explained(pick::model(name)?));
    }
    let models = list(args.filter.as_deref())?;
    let models: Vec<Value> = models.iter().map(|(model, profile)| record(model, profile)).collect();
    Ok(json!({ "models": models }))
}

fn list(filter: Option<&str>) -> anyhow::Result<Vec<(&'static Model, Profile)>> {
    let wanted = filter.unwrap_or_default().to_lowercase();
    let quant = pick::quant(LISTED)?;
    let models = catalog()?.models.iter().filter(|model| model.slug.contains(&wanted));
    Ok(models.map(|model| (model, model.profile(&quant))).collect())
}

fn profiles(model: &Model) -> Vec<(Profile, bool)> {
    Quant::all().iter().map(|quant| (model.profile(quant), quant.approximate)).collect()
}

fn record(model: &Model, profile: &Profile) -> Value {
    json!({
        "slug": model.slug,
        "name": model.name,
        "maker": model.maker,
        "released": model.released,
        "aliases": model.aliases,
        "source": model.source,
        "arch": profile.arch,
        "layers": profile.layers,
        "parameters": profile.params as u64,
        "active_parameters": profile.active_params as u64,
        "kv_bytes_per_token": profile.growing_cache_bytes(2.0).get(),
        "context": profile.context,
    })
}

fn explained(model: &Model) -> Value {
    let profiles = profiles(model);
    let Some((first, _)) = profiles.first() else { return Value::Null };
    let mut record = record(model, first);
    record["quantizations"] = profiles
        .iter()
        .map(|(profile, approximate)| {
            json!({
                "quant": profile.quant,
                "tensor_bytes": profile.tensor_bytes.get() as u64,
                "bytes_per_token": profile.bytes_per_token().get().round() as u64,
                "approximate": approximate,
            })
        })
        .collect();
    record
}
