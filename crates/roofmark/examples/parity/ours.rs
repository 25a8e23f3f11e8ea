//! Our side: the engine in its child process.

use crate::{BATCH_DEPTH, BATCH_STEPS, BATCHES, DECODE, PREFILL, Rates, What};
use roofmark_measure::engine::child::ChildEngine;
use roofmark_measure::engine::{DecodeCell, Engine, LoadRequest, ModelSource, OpenRequest, PrefillCell};
use std::path::Path;

/// Rates of one run.
pub fn run(what: What, model: &Path, threads: u32, reps: u32) -> anyhow::Result<Rates> {
    let source = ModelSource::File(std::path::absolute(model)?);
    let mut engine = roofmark_llama::spawn(&source, Vec::new())?;
    engine.load(&LoadRequest::new(source))?;
    match what {
        What::Prefill => prefill(&mut engine, threads, reps),
        What::Decode => decode(&mut engine, threads, reps),
        What::Batch => batch(&mut engine, threads, reps),
    }
}

/// llama-bench warms up with a whole prefill.
fn prefill(engine: &mut ChildEngine, threads: u32, reps: u32) -> anyhow::Result<Rates> {
    engine.open(&OpenRequest::new(threads, PREFILL, 1))?;
    let cell = PrefillCell { tokens: PREFILL, depth: 0, seed: 1 };
    engine.prefill(&cell)?;
    let mut rates = Vec::new();
    for _ in 0..reps {
        rates.push(f64::from(PREFILL) / engine.prefill(&cell)?.total().get());
    }
    Ok(vec![(format!("prefill {PREFILL}"), crate::table::middle(&rates))])
}

/// llama-bench warms up with one token.
fn decode(engine: &mut ChildEngine, threads: u32, reps: u32) -> anyhow::Result<Rates> {
    engine.open(&OpenRequest::new(threads, DECODE, 1))?;
    let cell = DecodeCell { steps: DECODE, depth: 0, batch: 1, seed: 1 };
    engine.decode(&DecodeCell { steps: 1, ..cell })?;
    let mut rates = Vec::new();
    for _ in 0..reps {
        rates.push(f64::from(DECODE) / engine.decode(&cell)?.total().get());
    }
    Ok(vec![(format!("decode {DECODE}"), crate::table::middle(&rates))])
}

/// llama-batched-bench measures each batch once, after a short warm-up; its list names each batch `reps` times.
fn batch(engine: &mut ChildEngine, threads: u32, reps: u32) -> anyhow::Result<Rates> {
    let largest = BATCHES[BATCHES.len() - 1];
    engine.open(&OpenRequest::new(threads, BATCH_DEPTH + BATCH_STEPS, largest))?;
    engine.prefill(&PrefillCell { tokens: 16, depth: 0, seed: 1 })?;
    let mut rates = Vec::new();
    for batch in BATCHES {
        let cell = DecodeCell { steps: BATCH_STEPS, depth: BATCH_DEPTH, batch, seed: 1 };
        let mut of_batch = Vec::new();
        for _ in 0..reps {
            of_batch.push(f64::from(BATCH_STEPS * batch) / engine.decode(&cell)?.total().get());
        }
        rates.push((format!("decode, batch {batch}"), crate::table::middle(&of_batch)));
    }
    Ok(rates)
}
