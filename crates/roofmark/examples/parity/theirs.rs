//! Their side: the upstream tools.

use crate::{BATCH_DEPTH, BATCH_STEPS, BATCHES, DECODE, PREFILL, Rates, What};
use anyhow::{Context, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Rates of one run.
pub fn run(what: What, tools: &Path, model: &Path, threads: u32, reps: u32) -> anyhow::Result<Rates> {
    match what {
        What::Prefill => llama_bench(tools, model, threads, reps, PREFILL, 0),
        What::Decode => llama_bench(tools, model, threads, reps, 0, DECODE),
        What::Batch => batched_bench(tools, model, threads, reps),
    }
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} gave {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn llama_bench(
    tools: &Path,
    model: &Path,
    threads: u32,
    reps: u32,
    prefill: u32,
    decode: u32,
) -> anyhow::Result<Rates> {
    let mut command = Command::new(tools.join("llama-bench"));
    command.args(["-o", "json", "-m"]).arg(model);
    for (option, value) in [("-p", prefill), ("-n", decode), ("-t", threads), ("-r", reps)] {
        command.arg(option).arg(value.to_string());
    }
    let document: Value = serde_json::from_str(&output(&mut command)?)?;
    let samples = document[0]["samples_ts"].as_array().context("llama-bench gave no samples")?;
    let rates: Vec<f64> = samples.iter().filter_map(Value::as_f64).collect();
    let name = if decode == 0 { format!("prefill {prefill}") } else { format!("decode {decode}") };
    Ok(vec![(name, crate::table::middle(&rates))])
}

fn batched_bench(tools: &Path, model: &Path, threads: u32, reps: u32) -> anyhow::Result<Rates> {
    let largest = BATCHES[BATCHES.len() - 1];
    let list: Vec<String> =
        BATCHES.iter().flat_map(|batch| (0..reps).map(move |_| batch.to_string())).collect();
    let mut command = Command::new(tools.join("batched-bench"));
    command.args(["--output-format", "jsonl", "-m"]).arg(model).arg("-npl").arg(list.join(","));
    let context = largest * (BATCH_DEPTH + BATCH_STEPS);
    for (option, value) in
        [("-npp", BATCH_DEPTH), ("-ntg", BATCH_STEPS), ("-t", threads), ("-c", context), ("-b", 2048)]
    {
        command.arg(option).arg(value.to_string());
    }
    let text = output(&mut command)?;
    let rows: Vec<Value> = text
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    BATCHES.iter().map(|&batch| rate_of(&rows, batch)).collect()
}

/// From the time, which is printed to the microsecond; the rate it prints has fewer digits at times.
fn rate_of(rows: &[Value], batch: u32) -> anyhow::Result<(String, f64)> {
    let of_batch = rows.iter().filter(|row| row["pl"].as_u64() == Some(u64::from(batch)));
    let rates: Vec<f64> = of_batch
        .filter_map(|row| row["t_tg"].as_f64())
        .map(|time| f64::from(batch * BATCH_STEPS) / time)
        .collect();
    if rates.is_empty() {
        bail!("batched-bench gave no row of batch {batch}");
    }
    Ok((format!("decode, batch {batch}"), crate::table::middle(&rates)))
}
