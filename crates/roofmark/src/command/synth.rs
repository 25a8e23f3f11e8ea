//! `roofmark synth`: writes a synthetic model of the exact shapes and types of a real one.

use crate::exit::Exit;
use crate::{pick, synth_file};
use anyhow::Result;
use clap::Args;
use roofmark_facts::synth::{plan, slice_context};
use roofmark_facts::units::Bytes;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Arguments of `synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// A model of the catalog.
    pub model: String,
    /// Quantization.
    #[arg(long, default_value = "Q4_K_M")]
    pub quant: String,
    /// Keep this many layers, chosen so that the model's mix of types stays.
    #[arg(long)]
    pub layers: Option<u32>,
    /// Seed of the random weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// File to write; without it the file goes to the cache folder, and is kept if it is there.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Plans, writes and says what was written.
pub fn run(args: &SynthArgs, json: bool) -> Result<Exit> {
    let model = pick::model(&args.model)?;
    let quant = pick::quant(&args.quant)?;
    let plan = plan(&model.slug, &model.shape, &quant, args.layers)?;
    let total = plan.tensor_bytes();
    let progress = |written| show_progress(written, total);
    let path = match &args.output {
        Some(path) => synth_file::write(path, &plan, args.seed, progress).map(|_| path.clone())?,
        None => {
            let name = synth_file::file_name(&model.slug, quant.label, &plan, args.seed);
            synth_file::cached(&synth_file::cache_folder()?, &name, &plan, args.seed, progress)?
        }
    };
    end_progress();
    let bytes = plan.file_bytes()?;
    let layers = plan.shape.layers.len();
    let limit = slice_context(&model.shape).filter(|_| layers < plan.full_layers as usize);
    if let Some(tokens) = limit {
        eprintln!(
            "the engine knows this model's windows by its layer count: the slice is like the model up to {tokens} tokens"
        );
    }
    if json {
        let document = json!({ "file": path, "model": model.slug, "quant": quant.label, "layers": layers,
            "full_layers": plan.full_layers, "file_bytes": bytes, "tensor_bytes": total, "seed": args.seed, "slice_context": limit });
        super::print(&serde_json::to_string_pretty(&document)?)?;
    } else {
        super::print(&screen(&path, &model.name, quant.label, (layers, plan.full_layers), bytes))?;
    }
    Ok(Exit::Success)
}

fn screen(path: &Path, model: &str, quant: &str, (layers, full): (usize, u32), bytes: u64) -> String {
    let size = Bytes(bytes as f64).gb();
    format!("{model} {quant}, {layers} of {full} layers, random weights\n{size:.3} GB  {}", path.display())
}

fn show_progress(written: u64, total: u64) {
    let mut talk = std::io::stderr();
    if talk.is_terminal() {
        let _ = write!(talk, "\rwriting {:5.1} %", 100.0 * written as f64 / total.max(1) as f64);
    }
}

fn end_progress() {
    let mut talk = std::io::stderr();
    if talk.is_terminal() {
        let _ = write!(talk, "\r{:20}\r", "");
    }
}
