//! The GPUs' own process, and the parent that survives it: a driver that crashes costs one adapter.

use crate::child;
use crate::exit::Exit;
use anyhow::{Context, Result};
use clap::Args;
use roofmark_facts::probe_record::GpuRoof;
use roofmark_measure::roof::RoofProbe;
use roofmark_measure::state;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Time for one rate.
const ROW: Duration = Duration::from_millis(300);
/// Longest that one adapter may take unless told otherwise; a driver that hangs is killed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of the hidden `__gpu`.
#[derive(Debug, Args)]
pub struct GpuArgs {
    /// Adapter to measure; without it the adapters are listed.
    pub adapter: Option<usize>,
}

/// Runs in the child: measures, and prints JSON on the last line.
pub fn run(args: &GpuArgs) -> Result<Exit> {
    let text = match args.adapter {
        Some(index) => serde_json::to_string(&measure(index)?)?,
        None => serde_json::to_string(&roofmark_gpu::adapters())?,
    };
    super::print(&text)?;
    Ok(Exit::Success)
}

/// The adapter with this processor as its company.
fn measure(index: usize) -> Result<GpuRoof> {
    let host = state::host(Path::new("/"));
    let memory = RoofProbe::new(host.cache, host.available)
        .context("failed to map memory for the processor that reads beside the GPU")?;
    let cpu = |time: Duration| memory.measure(host.cpus, time).median;
    Ok(roofmark_gpu::measure(index, ROW, &cpu)?)
}

/// All adapters without rates.
///
/// # Errors
/// The adapters cannot be listed, in the child's words.
pub fn list(patience: Duration) -> Result<Vec<GpuRoof>, String> {
    ask(&["__gpu"], patience)
}

/// All adapters with their rates, and why some have none. Each may take `patience`.
///
/// # Errors
/// The adapters cannot be listed, in the child's words.
pub fn probe(patience: Duration) -> Result<(Vec<GpuRoof>, Vec<String>), String> {
    let mut failed = Vec::new();
    let mut measure = |(index, listed): (usize, GpuRoof)| {
        ask(&["__gpu", &index.to_string()], patience).unwrap_or_else(|reason| {
            failed.push(format!("measure {}: {reason}", listed.name));
            listed
        })
    };
    let gpus = list(patience)?.into_iter().enumerate().map(&mut measure).collect();
    Ok((gpus, failed))
}

fn ask<T: serde::de::DeserializeOwned>(args: &[&str], patience: Duration) -> Result<T, String> {
    let program = std::env::current_exe().map_err(|error| format!("find this program: {error}"))?;
    let mut command = Command::new(program);
    command.args(args);
    let answer = child::ask(command, patience)?;
    serde_json::from_str(&answer).map_err(|error| format!("read its answer: {error}"))
}
