//! `roofmark bench`: measures this machine with the embedded engine and holds it against its memory.

mod progress;
mod request;
mod via_server;
mod weights;

use crate::exit::Exit;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use progress::Progress;
use request::Request;
use roofmark_facts::records::{Check, Host, ModelFacts, Roofs, Row, Run};
use roofmark_facts::units::BytesPerSecond;
use roofmark_measure::bench::{
    MachineProbe, Options, Probe, Protocol, Subject, memory_needed, run as measure, settle,
};
use roofmark_measure::engine::Switch;
use roofmark_measure::state;
use roofmark_report::bench as report;
use roofmark_verdict::rows::rows;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest wait for other programs to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Memory bandwidth that stands in until it is measured, where only sizes matter.
const NOMINAL: BytesPerSecond = BytesPerSecond(30e9);

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A model of the catalog (synthetic weights), a GGUF file, or a model found on this disk.
    #[arg(long, default_value = "llama-3.1-8b", value_name = "MODEL|FILE")]
    pub model: String,
    /// Quantization of a model of the catalog.
    #[arg(long, default_value = "Q4_K_M")]
    pub quant: String,
    /// Method: quick, standard or article-2026-04.
    #[arg(long, default_value = "quick")]
    pub protocol: Protocol,
    /// Prompt lengths instead of the protocol's; 0 for none.
    #[arg(long, value_delimiter = ',', value_name = "TOKENS")]
    pub prefill: Vec<u32>,
    /// Decode steps instead of the protocol's; 0 for none.
    #[arg(long, value_delimiter = ',', value_name = "TOKENS")]
    pub decode: Vec<u32>,
    /// Tokens in the cache before decoding.
    #[arg(long, value_delimiter = ',', value_name = "TOKENS")]
    pub depth: Vec<u32>,
    /// Sequences decoded together.
    #[arg(long, value_delimiter = ',', value_name = "SEQUENCES")]
    pub batch: Vec<u32>,
    /// Repetitions of each cell.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub reps: Option<u32>,
    /// Threads of the engine (default: physical cores).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Flash attention.
    #[arg(long, value_enum, default_value_t = FlashAttention::Auto)]
    pub flash_attn: FlashAttention,
    /// Storage type of the cache, such as f16 or q8_0.
    #[arg(long, default_value = "f16", value_name = "TYPE")]
    pub kv_type: String,
    /// Layer counts of the slices to run instead of a choice by memory and time.
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    pub layers: Vec<u32>,
    /// Layers to put on a GPU (default: all, where the build has a GPU backend).
    #[arg(long)]
    pub gpu_layers: Option<u32>,
    /// Run the whole model and its slices, and say how far apart they are.
    #[arg(long)]
    pub verify_slices: bool,
    /// Run the model through its llama-server too and say where the difference goes.
    #[arg(long, conflicts_with_all = ["endpoint", "verify_slices"])]
    pub via_server: bool,
    /// The llama-server program (default: the one on the PATH).
    #[arg(long, value_name = "FILE", requires = "via_server")]
    pub server_binary: Option<std::path::PathBuf>,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// A load test of a server instead.
    #[command(flatten)]
    pub load: super::endpoint::EndpointArgs,
}

/// Flash attention on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FlashAttention {
    /// The engine chooses.
    Auto,
    /// On.
    On,
    /// Off.
    Off,
}

impl From<FlashAttention> for Switch {
    fn from(choice: FlashAttention) -> Self {
        match choice {
            FlashAttention::Auto => Self::Auto,
            FlashAttention::On => Self::On,
            FlashAttention::Off => Self::Off,
        }
    }
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A screen of 80 columns.
    Text,
    /// Markdown, to paste.
    Md,
}

/// What the first Ctrl-C says.
const STOPPING: &str = "stopping after this sample (press again to stop now)";

/// Measures and prints.
pub fn run(args: &BenchArgs, json: bool, place: &crate::ledger::Place) -> Result<Exit> {
    if args.load.endpoint.is_some() {
        return super::endpoint::run(&args.load, json, place);
    }
    if args.via_server {
        return via_server::run(args, json);
    }
    let root = Path::new("/");
    let host = state::host(root);
    let request = request::resolve(args, &host)?;
    // What cannot fit is said before anything is waited for.
    request.parts(&request.means(&host, NOMINAL))?;
    let stop = crate::stop::flag(STOPPING)?;
    let mut progress = Progress::new(crate::ledger::folder().ok().as_deref());
    let date = crate::day::now();
    progress.note(&roofmark_web::Progress::Started {
        model: format!("{} {}", request.whole.model, request.whole.quant),
        protocol: request.protocol.to_string(),
        date,
    });
    let mut probe = MachineProbe::new(&host, root).context("failed to map memory for the bandwidth probe")?;
    let rest = settle(&mut probe, host.cpus, PATIENCE, &mut |event| progress.show(&event));
    let roofs = Roofs { single: probe.roof(1), all: probe.roof(request.threads) };
    let means = request.means(&host, roofs.all.best);
    let parts = request.parts(&means)?;
    let plan = request.plan_for(&parts);
    let together = parts.iter().map(|part| memory_needed(&part.profile, &request.plan, &means)).sum();
    let options = Options {
        protocol: request.protocol,
        threads: request.threads,
        flash_attention: request.flash_attention,
        cache_type: request.cache_type,
        ask: request.weights.is_trained(),
        together: means.available.is_none_or(|available| available >= together),
        roofs: !request.on_gpu(),
        sentinel: true,
    };
    let subject = Subject { rest, ..subject(&request, host, roofs) };
    let mut stages = weights::stages(&request, parts);
    let run =
        measure(subject, &plan, &options, &mut stages, &mut probe, &mut |event| progress.show(&event), &stop)
            .map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    drop(stages);
    progress.finish();
    print(&run, args, json)?;
    let kept = crate::ledger::keep_run(place, &run, weights::facts(&request.weights));
    // The page is not told where the ledger is.
    let text = kept.split(" in ").next().unwrap_or_default().to_owned();
    progress.note(&roofmark_web::Progress::Finished { text });
    Ok(exit(&run, &stop))
}

fn subject(request: &Request, host: Host, roofs: Roofs) -> Subject {
    Subject {
        tool: crate::ledger::TOOL.into(),
        date: crate::day::now(),
        host,
        model: ModelFacts { profile: request.whole.clone(), origin: request.weights.origin() },
        roofs: Some(roofs),
        rest: roofmark_measure::bench::Rest::default(),
    }
}

fn print(run: &Run, args: &BenchArgs, json: bool) -> Result<()> {
    let rows = rows(run);
    if json {
        let document = serde_json::json!({ "run": run, "rows": rows });
        return super::print(&serde_json::to_string_pretty(&document)?);
    }
    let mut text = match args.format {
        Format::Text => report::screen(run, &rows),
        Format::Md => report::markdown(run, &rows),
    };
    if args.verify_slices {
        text += &report::slices(&rows, &sliced_rows(run));
    }
    super::print(&text)
}

/// The rows that the slices of a run give without its whole model.
fn sliced_rows(run: &Run) -> Vec<Row> {
    let whole = run.model.profile.layers;
    let is_whole = |part: usize| run.parts.get(part).is_some_and(|part| part.layers == whole);
    let mut slices = run.clone();
    slices.cells.retain(|cell| !is_whole(cell.part));
    rows(&slices)
}

fn exit(run: &Run, stop: &AtomicBool) -> Exit {
    match run.check {
        Check::Greedy { right: false, .. } => Exit::Negative,
        _ if stop.load(Ordering::Relaxed) => Exit::Interrupted,
        _ => Exit::Success,
    }
}
