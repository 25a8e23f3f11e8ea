//! Engine-direct rates against llama-bench and llama-batched-bench, alternating, on the same file
//! and threads. Run by benches/parity.sh; the result is in docs/benchmarks.md.
//!
//! Each pair starts both programs anew, so that neither keeps a lucky place in memory, and the
//! order within the pairs alternates. The statistic is the median of the pairs' ratios.

mod ours;
mod table;
mod theirs;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use roofmark_facts::quant::Quant;
use roofmark_facts::shape::Shape;
use roofmark_facts::synth;
use std::path::{Path, PathBuf};

/// Compares rates with the upstream tools.
#[derive(Parser)]
struct Args {
    /// What to compare.
    what: What,
    /// Folder with llama-bench and batched-bench.
    #[arg(long)]
    tools: PathBuf,
    /// A model; without it a synthetic slice of Llama 3.2 1B in Q4_K_M is made.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Layers of the synthetic slice.
    #[arg(long, default_value_t = 4)]
    layers: u32,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Pairs to run.
    #[arg(long, default_value_t = 9)]
    pairs: u32,
    /// Repetitions within a program's run (a warm-up comes first).
    #[arg(long, default_value_t = 3)]
    reps: u32,
    /// Folder for the model and the raw samples.
    #[arg(long, default_value = "target/parity")]
    out: PathBuf,
}

/// A comparison.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Prefill of 512 tokens against llama-bench.
    Prefill,
    /// Decode of 64 tokens against llama-bench.
    Decode,
    /// Decode of batches 1, 2, 4, 8 and 16 against llama-batched-bench.
    Batch,
}

/// One measured thing with the rates (tokens/s) of each pair.
struct Series {
    name: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// What a program measured in one run: a name and a rate (tokens/s) for each thing.
type Rates = Vec<(String, f64)>;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == roofmark_llama::CHILD_COMMAND) {
        let folders: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
        return Ok(roofmark_llama::child_main(&folders)?);
    }
    let args = Args::parse();
    std::fs::create_dir_all(&args.out)?;
    let model = match &args.model {
        Some(model) => model.clone(),
        None => synthetic(&args.out, args.layers)?,
    };
    let series = compare(&args, &model)?;
    table::keep(&args.out, args.what, args.threads, &series)?;
    print!("{}", table::markdown(args.threads, &series));
    Ok(())
}

fn compare(args: &Args, model: &Path) -> anyhow::Result<Vec<Series>> {
    let mut series: Vec<Series> = Vec::new();
    for pair in 0..args.pairs {
        let mine = || ours::run(args.what, model, args.threads, args.reps);
        let upstream = || theirs::run(args.what, &args.tools, model, args.threads, args.reps);
        let (ours, theirs) = if pair % 2 == 0 {
            let ours = mine()?;
            (ours, upstream()?)
        } else {
            let theirs = upstream()?;
            (mine()?, theirs)
        };
        eprintln!("pair {} of {}: {ours:.1?} against {theirs:.1?}", pair + 1, args.pairs);
        add(&mut series, &ours, &theirs)?;
    }
    Ok(series)
}

fn add(series: &mut Vec<Series>, ours: &Rates, theirs: &Rates) -> anyhow::Result<()> {
    if ours.len() != theirs.len() {
        bail!("{} rates against {}", ours.len(), theirs.len());
    }
    for (index, ((name, mine), (_, upstream))) in ours.iter().zip(theirs).enumerate() {
        if series.len() == index {
            series.push(Series { name: name.clone(), ours: Vec::new(), theirs: Vec::new() });
        }
        series[index].ours.push(*mine);
        series[index].theirs.push(*upstream);
    }
    Ok(())
}

/// Batches that are compared.
const BATCHES: [u32; 5] = [1, 2, 4, 8, 16];

/// Tokens in the cache before, and steps of, a batched decode.
const BATCH_DEPTH: u32 = 32;
const BATCH_STEPS: u32 = 32;

const PREFILL: u32 = 512;
const DECODE: u32 = 64;

/// Shape of Llama 3.2 1B, as its config.json gives it.
const CONFIG: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048,
    "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
    "head_dim": 64, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16"}"#;

fn synthetic(out: &Path, layers: u32) -> anyhow::Result<PathBuf> {
    let path = out.join(format!("llama-3.2-1b-{layers}-layers-v{}-Q4_K_M.gguf", synth::SYNTH_VERSION));
    if path.is_file() {
        return Ok(path);
    }
    let shape = Shape::from_config(&serde_json::from_str(CONFIG)?)?;
    let plan = synth::plan("llama-3.2-1b", &shape, &Quant::parse("Q4_K_M")?, Some(layers))?;
    let part = path.with_extension("part");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&part)?);
    plan.write(&mut file, 1, |_| ()).with_context(|| format!("failed to write {}", part.display()))?;
    std::io::Write::flush(&mut file)?;
    std::fs::rename(&part, &path)?;
    Ok(path)
}
