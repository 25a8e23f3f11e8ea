//! `roofmark synth`: writes a synthetic model of the exact shapes and types of a real one.

use crate::exit::Exit;
use crate::{pick, synth_file};
use anyhow::Result;
use clap::Args;
use roofmark_facts::synth::plan;
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
    /// File to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Plans, writes and says what was written.
pub fn run(args: &SynthArgs, json: bool) -> Result<Exit> {
    let model = pick::model(&args.model)?;
    let quant = pick::quant(&args.quant)?;
    let plan = plan(&model.slug, &model.shape, &quant, args.layers)?;
    let total = plan.tensor_bytes();
    let bytes = synth_file::write(&args.output, &plan, args.seed, |written| show_progress(written, total))?;
    end_progress();
    let layers = plan.shape.layers.len();
    if json {
        let document = json!({ "file": args.output, "model": model.slug, "quant": quant.label, "layers": layers,
            "full_layers": plan.full_layers, "file_bytes": bytes, "tensor_bytes": total, "seed": args.seed });
        super::print(&serde_json::to_string_pretty(&document)?)?;
    } else {
        super::print(&screen(&args.output, &model.name, quant.label, (layers, plan.full_layers), bytes))?;
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
