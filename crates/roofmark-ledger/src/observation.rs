//! The body of imports: what was seen, where it comes from, and what is missing.

use crate::digest::Digest;
use roofmark_facts::units::{Bytes, TokensPerSecond};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Version of the form.
pub const FORMAT: &str = "roofmark-observation/1";

/// Something that was measured, in a form common to all tools.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// [`FORMAT`].
    pub format: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What was measured.
    pub subject: Subject,
    /// Settings as the source names them.
    pub settings: BTreeMap<String, String>,
    /// The numbers.
    pub cells: Vec<ObservedCell>,
    /// What the source does not say and a run of our own would.
    pub missing: Vec<String>,
    /// What else the source discloses.
    pub notes: String,
    /// Anything further in a form of its own.
    pub detail: Option<Box<RawValue>>,
}

/// Where an observation comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Name of the form, such as `llama-bench json`.
    pub form: String,
    /// SHA-256 of the file it was read from.
    pub file_sha256: Option<Digest>,
    /// Place in the file or in the source.
    pub locator: String,
    /// Title of a published source.
    pub title: String,
    /// Address of a published source.
    pub url: String,
}

/// What was measured. `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// UTC date or time of the measurement.
    pub date: Option<String>,
    /// Slug or name of the machine.
    pub machine: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Driver.
    pub driver: Option<String>,
    /// Backend.
    pub backend: Option<String>,
    /// Engine.
    pub engine: Option<String>,
    /// Version or build of the engine.
    pub version: Option<String>,
    /// Commit of the engine.
    pub commit: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Quantization.
    pub quant: Option<String>,
    /// Bytes of weights.
    pub size: Option<Bytes>,
    /// SHA-256 of the model file.
    pub model_sha256: Option<Digest>,
}

/// What was timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timed {
    /// Tokens of a prompt.
    Prefill,
    /// Generated tokens: of all sequences together where there are several.
    Decode,
    /// Prompt and generation together.
    Both,
    /// Requests through a server: output tokens of all requests together.
    Requests,
    /// Memory or arithmetic, not a model.
    Machine,
}

impl Timed {
    /// Name as it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Both => "both",
            Self::Requests => "requests",
            Self::Machine => "machine",
        }
    }
}

/// One line of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedCell {
    /// What was timed.
    pub timed: Timed,
    /// Prompt tokens.
    pub prompt: Option<u64>,
    /// Generated tokens.
    pub generated: Option<u64>,
    /// Tokens in the cache before.
    pub depth: Option<u64>,
    /// Sequences together.
    pub batch: Option<u64>,
    /// Rate as the source prints it.
    pub rate: Option<TokensPerSecond>,
    /// Its standard deviation.
    pub deviation: Option<TokensPerSecond>,
    /// Rates of the single repetitions, where the source keeps them.
    pub samples: Vec<TokensPerSecond>,
    /// Further numbers, named as in the source.
    pub metrics: Vec<Metric>,
    /// Reasons not to take the numbers at face value.
    pub doubts: Vec<String>,
}

impl ObservedCell {
    /// A cell of which nothing is known but what was timed.
    #[must_use]
    pub fn new(timed: Timed) -> Self {
        Self {
            timed,
            prompt: None,
            generated: None,
            depth: None,
            batch: None,
            rate: None,
            deviation: None,
            samples: Vec::new(),
            metrics: Vec::new(),
            doubts: Vec::new(),
        }
    }
}

/// A number with the name and unit that its source gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
}

impl Observation {
    /// An observation without numbers.
    #[must_use]
    pub fn new(origin: Origin, subject: Subject) -> Self {
        Self {
            format: FORMAT.to_owned(),
            origin,
            subject,
            settings: BTreeMap::new(),
            cells: Vec::new(),
            missing: Vec::new(),
            notes: String::new(),
            detail: None,
        }
    }
}
