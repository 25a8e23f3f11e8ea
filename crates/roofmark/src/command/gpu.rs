//! The GPUs' own process, and the parent that survives it: a driver that crashes costs one adapter.

use crate::exit::Exit;
use anyhow::Result;
use clap::Args;
use roofmark_facts::probe_record::GpuRoof;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time for one rate.
const ROW: Duration = Duration::from_millis(300);
/// Longest that one adapter may take; a driver that hangs is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of the hidden `__gpu`.
#[derive(Debug, Args)]
pub struct GpuArgs {
    /// Adapter to measure; without it the adapters are listed.
    pub adapter: Option<usize>,
}

/// Runs in the child: measures, and prints JSON.
pub fn run(args: &GpuArgs) -> Result<Exit> {
    let text = match args.adapter {
        Some(index) => serde_json::to_string(&roofmark_gpu::measure(index, ROW)?)?,
        None => serde_json::to_string(&roofmark_gpu::adapters())?,
    };
    super::print(&text)?;
    Ok(Exit::Success)
}

/// All adapters with their rates, and why some have none.
///
/// # Errors
/// The adapters cannot be listed, in the child's words.
pub fn probe() -> Result<(Vec<GpuRoof>, Vec<String>), String> {
    let listed: Vec<GpuRoof> = ask(&["__gpu"])?;
    let mut failed = Vec::new();
    let mut measure = |(index, listed): (usize, GpuRoof)| {
        ask(&["__gpu", &index.to_string()]).unwrap_or_else(|reason| {
            failed.push(format!("{}: {reason}", listed.name));
            listed
        })
    };
    let gpus = listed.into_iter().enumerate().map(&mut measure).collect();
    Ok((gpus, failed))
}

fn ask<T: serde::de::DeserializeOwned>(args: &[&str]) -> Result<T, String> {
    let program = std::env::current_exe().map_err(|error| format!("find this program: {error}"))?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("start a process for the GPUs: {error}"))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("end within {} s; it was killed", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("wait for the process of the GPUs: {error}")),
        }
    };
    let (mut out, mut talk) = (String::new(), String::new());
    let read = child.stdout.take().map(|mut pipe| pipe.read_to_string(&mut out));
    let _ = child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut talk));
    if !status.success() {
        let last = talk.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("measure it: its process ended with {status}: {last}"));
    }
    match read {
        Some(Ok(_)) => serde_json::from_str(&out).map_err(|error| format!("read its answer: {error}")),
        _ => Err("read its answer".into()),
    }
}
