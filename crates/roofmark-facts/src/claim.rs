//! Claims about inference speed, what a referee says of them, and the other findings of a text.
//!
//! Plain records: the claim reader and the referee (`roofmark-verdict`) make them, `roofmark-report`
//! shows them.

use serde::{Deserialize, Serialize};

/// Which part of inference a rate describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Prompt tokens per second.
    Prefill,
    /// Generated tokens per second of one stream.
    Decode,
    /// Generated tokens per second of all streams together.
    DecodeBatched,
}

impl Phase {
    /// The name in JSON and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::DecodeBatched => "decode_batched",
        }
    }
}

/// A rate that a text states, with all that the text says of its conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The sentence, bullet or table row it stands in.
    pub text: String,
    /// First byte of the figure in the text that was read.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// Catalog slug of the machine, or the family that the text leaves open (`apple-m5-max`).
    pub machine: Option<String>,
    /// Catalog machines that the text can mean.
    pub machines: Vec<String>,
    /// Catalog slug of the model, or a size class such as `70b`.
    pub model: Option<String>,
    /// Catalog models that the text can mean.
    pub models: Vec<String>,
    /// Quantization in canonical spelling, or a class such as `Q4`.
    pub quant: Option<String>,
    /// What the rate counts.
    pub phase: Phase,
    /// Streams in flight; `None` where the text says "batched" without a number.
    pub concurrency: Option<u64>,
    /// Low end of the rate in tokens per second.
    pub low: f64,
    /// High end; equal to `low` for a single value.
    pub high: f64,
    /// Tokens of context (prompt tokens for prefill).
    pub context: Option<u64>,
    /// Engine, lower case.
    pub engine: Option<String>,
    /// The text says that speculative decoding is on.
    pub speculation: bool,
    /// Accepted length, where stated.
    pub accepted: Option<f64>,
    /// Machines or cards used together.
    pub devices: u32,
    /// The text says that weights are offloaded to host memory.
    pub offloaded: bool,
    /// The claim is about the future.
    pub forecast: bool,
    /// When a forecast falls due, `YYYY-MM` or `YYYY-MM-DD`.
    pub due: Option<String>,
}

/// What a referee says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Above what the hardware can do.
    Impossible,
    /// Possible on paper, above anything that was ever measured.
    Implausible,
    /// In line with physics and with measurements.
    Consistent,
    /// Below what the machine should reach.
    Slow,
    /// The text leaves out what decides it.
    Underspecified,
    /// A forecast above what the hardware can do.
    CannotComeTrue,
    /// A forecast whose rate has been measured.
    CameTrue,
    /// A forecast that fell due without being reached.
    DidNot,
    /// A forecast that is not due.
    Open,
}

impl Verdict {
    /// The words on screen.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Impossible => "impossible",
            Self::Implausible => "implausible",
            Self::Consistent => "consistent",
            Self::Slow => "slow",
            Self::Underspecified => "underspecified",
            Self::CannotComeTrue => "cannot come true",
            Self::CameTrue => "came true",
            Self::DidNot => "did not",
            Self::Open => "open",
        }
    }

    /// Physics forbids it, now or at its due date.
    #[must_use]
    pub fn is_impossible(self) -> bool {
        matches!(self, Self::Impossible | Self::CannotComeTrue)
    }
}

/// A condition that would make a claim possible, with the number it would take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exemption {
    /// Its name: `streams`, `accepted_length`, `devices`, `bits_per_weight`, `host_bandwidth`, …
    pub kind: String,
    /// The number it would take.
    pub needs: f64,
    /// In words, such as `2.1 accepted tokens a pass`.
    pub words: String,
}

/// The verdict under one reading of what the text leaves open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What is assumed, such as `Q8_0 on apple-m5-max-32c`.
    pub assumes: String,
    /// Ceiling in tokens per second; `None` where no trusted peak is known.
    pub ceiling: Option<f64>,
    /// Verdict on the low end.
    pub verdict: Verdict,
    /// Verdict on the high end.
    pub verdict_high: Verdict,
    /// The arithmetic.
    pub arithmetic: String,
}

/// A rate that somebody measured in the claim's configuration or close to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// What was measured, in words.
    pub what: String,
    /// Lowest and highest rate of the rows, tokens per second.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// How many rows.
    pub rows: usize,
    /// Titles and addresses of the sources.
    pub sources: Vec<String>,
}

/// A claim with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What the text says.
    pub claim: Claim,
    /// Verdict on the low end.
    pub verdict: Verdict,
    /// Verdict on the high end.
    pub verdict_high: Verdict,
    /// Ceiling in tokens per second, where one reading decides; the highest of them otherwise.
    pub ceiling: Option<f64>,
    /// One line that a reader understands.
    pub line: String,
    /// Each plausible reading, where the text leaves something open.
    pub readings: Vec<Reading>,
    /// What would make it possible.
    pub exemptions: Vec<Exemption>,
    /// What was measured elsewhere.
    pub elsewhere: Vec<Elsewhere>,
}

/// Something else that a text says and that arithmetic or the catalog can check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind: `price`, `seconds`, `ratio`, `memory`, `bandwidth`, `units`, `unlike_comparison`, …
    pub kind: String,
    /// Whether the statement holds.
    pub holds: bool,
    /// The words it is about.
    pub text: String,
    /// First byte of those words.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// What is said of it, with the arithmetic.
    pub line: String,
}

/// All that was found in a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The text as read (for HTML: what a reader sees).
    pub text: String,
    /// Claims in the order of the text.
    pub claims: Vec<Judged>,
    /// Other findings in the order of the text.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Whether physics forbids any claim.
    #[must_use]
    pub fn any_impossible(&self) -> bool {
        self.claims.iter().any(|judged| judged.verdict.is_impossible() || judged.verdict_high.is_impossible())
    }
}
