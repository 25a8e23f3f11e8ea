//! `roofmark ceiling`: the rate that physics allows, with the arithmetic.

use crate::exit::Exit;
use crate::pick;
use anyhow::{Result, ensure};
use clap::Args;
use roofmark_facts::bounds::{Bound, Workload, bound, ceiling};
use roofmark_facts::units::{Bytes, BytesPerSecond};
use roofmark_report::ceiling::{Explained, attainable, screen};
use serde_json::{Value, json};

/// Arguments of `ceiling`.
#[derive(Debug, Args)]
pub struct CeilingArgs {
    /// A machine of the catalog; `this` is the one at hand, by its last probe.
    #[arg(long)]
    pub machine: String,
    /// A model of the catalog.
    #[arg(long)]
    pub model: String,
    /// Quantization.
    #[arg(long, default_value = "Q4_K_M")]
    pub quant: String,
    /// Tokens already in the cache.
    #[arg(long, default_value_t = 0)]
    pub depth: u32,
    /// Sequences decoded together.
    #[arg(long, default_value_t = 1)]
    pub batch: u32,
    /// Storage type of the cache: f32, f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0.
    #[arg(long, default_value = "f16")]
    pub kv_type: String,
    /// Tokens that speculation has accepted a pass, the bonus token included.
    #[arg(long, default_value_t = 1.0)]
    pub accepted: f64,
    /// Memory bandwidth in GB/s of the host that computes what a card cannot hold.
    #[arg(long, value_name = "GB/S")]
    pub host_bandwidth: Option<f64>,
}

/// Prints the ceiling.
pub fn run(args: &CeilingArgs, json: bool) -> Result<Exit> {
    let text = explained(args, |decode, prefill| {
        if json {
            serde_json::to_string_pretty(&record(decode, prefill))
        } else {
            Ok(screen(decode, prefill))
        }
    })??;
    super::print(&text)?;
    Ok(Exit::Success)
}

/// The ceiling as a record.
pub fn document(args: &CeilingArgs) -> Result<Value> {
    explained(args, record)
}

/// Hands decode and prefill with their arithmetic to `show`.
fn explained<T>(args: &CeilingArgs, show: impl FnOnce(&Explained, &Explained) -> T) -> Result<T> {
    let machine = pick::machine(&args.machine)?;
    let quant = pick::quant(&args.quant)?;
    let profile = pick::model(&args.model)?.profile(&quant);
    let decode = workload(args)?;
    let prefill = Workload { prompt: 512.0, ..Workload::prefill(512.0, decode.depth) };
    let host = args.host_bandwidth.map(BytesPerSecond::from_gb);
    let bounds = [decode, prefill].map(|workload| bound(machine, &profile, &workload, Bytes(0.0)));
    let explain = |workload: Workload, bound: &'_ Bound| ceiling(machine, bound, workload.phase, host);
    let ceilings = [explain(decode, &bounds[0]), explain(prefill, &bounds[1])];
    let [decode, prefill] = [(decode, &bounds[0], ceilings[0]), (prefill, &bounds[1], ceilings[1])].map(
        |(workload, bound, ceiling)| Explained {
            machine,
            profile: &profile,
            approximate: quant.approximate,
            workload,
            bound,
            ceiling,
        },
    );
    Ok(show(&decode, &prefill))
}

fn workload(args: &CeilingArgs) -> Result<Workload> {
    ensure!(args.batch >= 1, "--batch is 0, expected at least 1");
    ensure!((1.0..=64.0).contains(&args.accepted), "--accepted is {}, expected 1 to 64", args.accepted);
    if let Some(host) = args.host_bandwidth {
        ensure!(host > 0.0 && host.is_finite(), "--host-bandwidth is {host}, expected GB/s above 0");
    }
    Ok(Workload {
        batch: f64::from(args.batch),
        cache_element_bytes: pick::cache_element(&args.kv_type)?,
        accepted: args.accepted,
        ..Workload::decode(f64::from(args.depth))
    })
}

fn record(decode: &Explained, prefill: &Explained) -> Value {
    json!({
        "machine": decode.machine.slug,
        "model": decode.profile.model,
        "quant": decode.profile.quant,
        "approximate": decode.approximate,
        "ceiling_tokens_per_s": decode.ceiling.rate,
        "limited_by": decode.ceiling.limited_by,
        "attainable_tokens_per_s": attainable(decode),
        "ceiling_tokens_per_s_each": decode.ceiling.rate.map(|rate| rate.get() / decode.workload.batch),
        "prefill_ceiling_tokens_per_s": prefill.ceiling.rate,
        "prefill_limited_by": prefill.ceiling.limited_by,
        "workload": decode.workload,
        "bytes_per_step": decode.bound.step.traffic(),
        "decode": decode.bound,
        "prefill": prefill.bound,
    })
}
