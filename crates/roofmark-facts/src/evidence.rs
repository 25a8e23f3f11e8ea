//! Measured rates published by others: the rows that predictions are calibrated on and verdicts are
//! compared with. Embedded from `data/evidence.csv`; each row names its source.

use crate::units::{Bytes, TokensPerSecond};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

const ROWS: &str = include_str!("../data/evidence.csv");
const SOURCES: &str = include_str!("../data/evidence_sources.csv");

/// All measured rows, in the order of the file.
///
/// # Panics
/// Never with the embedded data: a test reads every row.
#[must_use]
pub fn measurements() -> &'static [Measurement] {
    static ALL: LazyLock<Vec<Measurement>> = LazyLock::new(|| read_rows(ROWS).unwrap_or_default());
    &ALL
}

/// Title and address of the source with this id.
#[must_use]
pub fn source(id: &str) -> Option<&'static EvidenceSource> {
    static ALL: LazyLock<Vec<EvidenceSource>> = LazyLock::new(|| read_sources(SOURCES).unwrap_or_default());
    ALL.iter().find(|source| source.id == id)
}

/// What was timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredPhase {
    /// Prompt tokens per second.
    Prefill,
    /// Generated tokens per second of one stream.
    Decode,
    /// Generated tokens per second of all streams together.
    DecodeBatched,
}

/// What a source says, or hints, about speculative decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speculation {
    /// Nothing said: plain decode.
    None,
    /// The source cannot rule it out.
    Possible,
    /// On; the method where it is named (`mtp`, `dflash`, `dspark`).
    On(Option<&'static str>),
}

/// A row that its collector marked as out of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flag {
    /// Not possible as labelled.
    High,
    /// Far too slow for the machine.
    Low,
}

/// One measured rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Stable id of the row.
    pub id: String,
    /// Slug of the machine; may leave the variant open (`apple-m2-ultra`).
    pub machine: String,
    /// `CUDA`, `ROCm`, `Vulkan`, `Metal`, `MLX`.
    pub backend: Option<String>,
    /// Engine, lower case: `llama.cpp`, `llama-server`, `vllm`, `ollama`, `mlx-lm`, …
    pub engine: Option<String>,
    /// Version or build of the engine.
    pub version: Option<String>,
    /// Model as the source writes it (resolve it through the catalog's names).
    pub model: String,
    /// Quantization label in canonical spelling; absent where the source does not say.
    pub quant: Option<String>,
    /// Size of the weights file, where stated.
    pub file: Option<Bytes>,
    /// What was timed.
    pub phase: MeasuredPhase,
    /// Prompt tokens.
    pub prompt: Option<u64>,
    /// Generated tokens.
    pub generated: Option<u64>,
    /// Tokens in the cache before the timed part.
    pub depth: Option<u64>,
    /// Sequences in flight.
    pub concurrency: u64,
    /// The rate; of all streams together where `phase` is `DecodeBatched`.
    pub rate: TokensPerSecond,
    /// Standard deviation of the rate, where stated.
    pub stdev: Option<TokensPerSecond>,
    /// Date, `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Id of the source; see [`source`].
    pub source: String,
    /// Place within the source.
    pub locator: String,
    /// Speculative decoding.
    pub speculation: Speculation,
    /// Machines used together.
    pub devices: u32,
    /// Out of line, and in which direction.
    pub flag: Option<Flag>,
    /// What else the source discloses.
    pub notes: String,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EvidenceSource {
    /// Short id used by the rows.
    pub id: String,
    /// Title.
    pub title: String,
    /// Address; empty where unknown.
    pub url: String,
}

/// A row as it stands in the file.
#[derive(Deserialize)]
struct Row {
    id: String,
    machine: String,
    backend: Option<String>,
    engine: Option<String>,
    version: Option<String>,
    model: String,
    quant: Option<String>,
    file_gb: Option<f64>,
    phase: MeasuredPhase,
    prompt: Option<u64>,
    generated: Option<u64>,
    depth: Option<u64>,
    concurrency: u64,
    rate: f64,
    stdev: Option<f64>,
    date: Option<String>,
    source: String,
    locator: String,
    speculation: String,
    devices: u32,
    flag: String,
    notes: String,
}

impl From<Row> for Measurement {
    fn from(row: Row) -> Self {
        Self {
            speculation: speculation(&row.speculation),
            flag: flag(&row.flag),
            id: row.id,
            machine: row.machine,
            backend: row.backend,
            engine: row.engine,
            version: row.version,
            model: row.model,
            quant: row.quant,
            file: row.file_gb.map(Bytes::from_gb),
            phase: row.phase,
            prompt: row.prompt,
            generated: row.generated,
            depth: row.depth,
            concurrency: row.concurrency,
            rate: TokensPerSecond(row.rate),
            stdev: row.stdev.map(TokensPerSecond),
            date: row.date,
            source: row.source,
            locator: row.locator,
            devices: row.devices,
            notes: row.notes,
        }
    }
}

fn speculation(text: &str) -> Speculation {
    match text {
        "" => Speculation::None,
        "possible" => Speculation::Possible,
        "mtp" => Speculation::On(Some("mtp")),
        "dflash" => Speculation::On(Some("dflash")),
        "dspark" => Speculation::On(Some("dspark")),
        _ => Speculation::On(None),
    }
}

fn flag(text: &str) -> Option<Flag> {
    match text {
        "high" => Some(Flag::High),
        "low" => Some(Flag::Low),
        _ => None,
    }
}

fn read_rows(text: &str) -> Result<Vec<Measurement>, csv::Error> {
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .map(|row| row.map(|row: Row| row.into()))
        .collect()
}

fn read_sources(text: &str) -> Result<Vec<EvidenceSource>, csv::Error> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_reads_and_names_a_known_source() {
        let rows = read_rows(ROWS).expect("the embedded rows read");
        assert_eq!(rows.len(), 2107);
        for row in &rows {
            assert!(source(&row.source).is_some(), "{}: source {}", row.id, row.source);
            assert!(row.rate.get() > 0.0, "{}", row.id);
        }
        let ids: HashSet<_> = rows.iter().map(|row| &row.id).collect();
        assert_eq!(ids.len(), rows.len());
    }

    #[test]
    fn flags_and_speculation_are_carried() {
        let rows = measurements();
        assert_eq!(rows.iter().filter(|row| row.flag == Some(Flag::High)).count(), 3);
        let spark = rows.iter().find(|row| row.id == "m2638").expect("the row is there");
        assert_eq!(spark.speculation, Speculation::On(Some("dflash")));
        assert_eq!(spark.quant.as_deref(), Some("NVFP4"));
    }
}
