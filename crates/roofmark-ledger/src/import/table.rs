//! A table of published rates: one observation a row, each with its source.

use super::Source;
use crate::error::Error;
use crate::observation::{Observation, ObservedCell, Subject, Timed};
use roofmark_facts::evidence;
use roofmark_facts::units::{Bytes, TokensPerSecond};
use serde::Deserialize;

/// A row by its column names; the table may leave columns out and have further ones.
#[derive(Deserialize)]
struct Row {
    id: String,
    machine: String,
    backend: Option<String>,
    engine: Option<String>,
    #[serde(alias = "engine_version")]
    version: Option<String>,
    model: String,
    quant: Option<String>,
    #[serde(alias = "file_size_gb")]
    file_gb: Option<f64>,
    phase: String,
    #[serde(alias = "prompt_tokens")]
    prompt: Option<u64>,
    #[serde(alias = "gen_tokens", alias = "generated_tokens")]
    generated: Option<u64>,
    #[serde(alias = "context_depth")]
    depth: Option<u64>,
    concurrency: Option<u64>,
    #[serde(alias = "tokens_per_s", alias = "tok_s", alias = "tps")]
    rate: f64,
    #[serde(alias = "tok_s_stdev", alias = "tokens_per_s_stdev", alias = "tps_stdev")]
    stdev: Option<f64>,
    date: Option<String>,
    #[serde(default, alias = "source_url")]
    source: String,
    #[serde(default, alias = "source_locator")]
    locator: String,
    #[serde(default)]
    notes: String,
}

pub fn evidence(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let mut reader = csv::Reader::from_reader(whole.as_bytes());
    reader
        .deserialize()
        .map(|row| observation(source, row.map_err(|error| source.refuse("", error))?))
        .collect()
}

fn observation(source: &Source, row: Row) -> Result<Observation, Error> {
    let place = format!("row {}", row.id);
    let timed = match row.phase.as_str() {
        "prefill" => Timed::Prefill,
        "decode" | "decode_batched" => Timed::Decode,
        other => return Err(source.refuse(&place, format!("phase \"{other}\" is not known"))),
    };
    let subject = Subject {
        date: row.date,
        machine: Some(row.machine),
        backend: row.backend,
        engine: row.engine,
        version: row.version,
        model: Some(row.model),
        quant: row.quant,
        size: row.file_gb.map(Bytes::from_gb),
        ..Subject::default()
    };
    let mut one = source.observation(&format!("{place}; {}", row.locator), subject);
    let known = evidence::source(&row.source);
    one.origin.title = known.map_or_else(|| row.source.clone(), |known| known.title.clone());
    one.origin.url = known.map(|known| known.url.clone()).unwrap_or_default();
    one.notes = row.notes;
    one.cells.push(ObservedCell {
        prompt: row.prompt,
        generated: row.generated,
        depth: row.depth,
        batch: row.concurrency,
        rate: Some(source.rate(&place, row.rate)?),
        deviation: row.stdev.map(TokensPerSecond),
        ..ObservedCell::new(timed)
    });
    Ok(one)
}
