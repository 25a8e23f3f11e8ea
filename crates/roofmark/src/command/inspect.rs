//! `roofmark inspect`: what a model costs, from its file or from the catalog.

use crate::exit::Exit;
use crate::{model_file, pick};
use anyhow::Result;
use clap::Args;
use roofmark_facts::gguf::profile;
use roofmark_facts::profile::Profile;
use roofmark_facts::table::tensor_table;
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Bytes of a cached element: the engine's default is f16.
const CACHE_ELEMENT: f64 = 2.0;

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

/// What is shown of a model.
struct Inspected {
    profile: Profile,
    /// Length of the files; for a catalogued model the tensor data alone.
    file_bytes: u64,
    /// Number of files; `None` for a catalogued model.
    parts: Option<u32>,
    /// The quantization's mix is not published.
    approximate: bool,
    types: Vec<TypeRow>,
}

/// Tensors of one storage type.
struct TypeRow {
    kind: TensorType,
    tensors: u64,
    bytes: u64,
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

/// Tensors and bytes by type, most bytes first.
fn types(tensors: impl Iterator<Item = (TensorType, u64)>) -> Vec<TypeRow> {
    let mut sums: BTreeMap<TensorType, (u64, u64)> = BTreeMap::new();
    for (kind, bytes) in tensors {
        let sum = sums.entry(kind).or_default();
        *sum = (sum.0 + 1, sum.1 + bytes);
    }
    let mut rows: Vec<TypeRow> =
        sums.into_iter().map(|(kind, (tensors, bytes))| TypeRow { kind, tensors, bytes }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows
}

/// What windows hold when they are full.
fn window_bytes(profile: &Profile) -> Bytes {
    let held = |group: &roofmark_facts::profile::CacheLayers| {
        group.window.map_or(0.0, |window| group.layers * group.elements * window as f64 * CACHE_ELEMENT)
    };
    Bytes(profile.caches.iter().map(held).sum())
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
        "kv_window_bytes": window_bytes(profile).get(),
        "state_bytes": profile.state_bytes.get(),
        "flops_per_token": profile.flop_per_token().get(),
        "context": profile.context,
        "experts": profile.experts,
        "caches": profile.caches,
        "types": types,
    })
}

fn screen(found: &Inspected) -> String {
    let profile = &found.profile;
    let mut text = format!(
        "{}\n{}, {}, {} layers, {} parameters{}\n\n",
        clean(&profile.model),
        clean(&profile.arch),
        clean(&profile.quant),
        profile.layers,
        count(profile.params),
        if profile.is_moe() { format!(", {} active", count(profile.active_params)) } else { String::new() },
    );
    for (label, value) in rows(found) {
        let _ = writeln!(text, "  {label:<18}{value}");
    }
    let _ = write!(text, "\n  {:<14}{:>8}{:>18}{:>9}\n", "type", "tensors", "bytes", "share");
    for row in &found.types {
        let share = 100.0 * row.bytes as f64 / profile.tensor_bytes.get();
        let bytes = grouped(row.bytes);
        let _ = writeln!(text, "  {:<14}{:>8}{bytes:>18}{share:>7.1} %", row.kind.name(), row.tensors);
    }
    text
}

fn rows(found: &Inspected) -> Vec<(&'static str, String)> {
    let profile = &found.profile;
    let mut rows = Vec::new();
    if let Some(parts) = found.parts {
        let files = if parts > 1 { format!(" in {parts} files") } else { String::new() };
        rows.push(("file", format!("{} B{files}", grouped(found.file_bytes))));
    }
    let doubt = if found.approximate { " (about: the mix is not published)" } else { "" };
    rows.push(("tensor data", format!("{:.3} GB{doubt}", profile.tensor_bytes.gb())));
    rows.push(("read per token", format!("{:.3} GB at batch 1, depth 0", profile.bytes_per_token().gb())));
    rows.push(("compute per token", format!("{:.2} GFLOP", profile.flop_per_token().get() / 1e9)));
    let growing = profile.growing_cache_bytes(CACHE_ELEMENT).get().round() as u64;
    rows.push(("KV cache (f16)", format!("{} B per token", grouped(growing))));
    let window = window_bytes(profile);
    if window.get() > 0.0 {
        rows.push(("", format!("{:.2} MB in sliding windows, when full", window.get() / 1e6)));
    }
    if profile.state_bytes.get() > 0.0 {
        rows.push(("recurrent state", format!("{:.2} MB per sequence", profile.state_bytes.get() / 1e6)));
    }
    for group in &profile.experts {
        let text = format!("{} of {} per token in {} layers", group.active, group.count, group.layers);
        rows.push(("experts", text));
    }
    if let Some(context) = profile.context {
        rows.push(("context", format!("{} tokens", grouped(context))));
    }
    rows
}

/// Names from a file may hold anything; a terminal must not act on it.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).take(70).collect()
}

/// A count in the field's way: 8.03 B, 134.5 M.
fn count(value: f64) -> String {
    if value >= 1e9 { format!("{:.2} B", value / 1e9) } else { format!("{:.1} M", value / 1e6) }
}

/// Thousands apart.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (98_362_432, "98,362,432")] {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn names_from_files_cannot_steer_a_terminal() {
        assert_eq!(clean("\u{1b}[31mred\n"), "?[31mred?");
    }

    #[test]
    fn the_screen_of_a_catalogued_model() {
        insta::assert_snapshot!(screen(&from_catalog("gpt-oss-20b", Some("MXFP4")).unwrap()), @r"
        gpt-oss-20b
        gpt-oss, MXFP4, 24 layers, 20.91 B parameters, 3.61 B active

          tensor data       12.097 GB
          read per token    2.575 GB at batch 1, depth 0
          compute per token 7.22 GFLOP
          KV cache (f16)    24,576 B per token
                            3.15 MB in sliding windows, when full
          experts           4 of 32 per token in 24 layers
          context           131,072 tokens

          type           tensors             bytes    share
          MXFP4               72    10,152,345,600   83.9 %
          Q8_0                98     1,907,481,600   15.8 %
          F32                289        36,731,136    0.3 %
        ");
    }
}
