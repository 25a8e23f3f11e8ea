//! The record of two views of one model: inside the engine, and through its server.
//!
//! Samples only; what they add up to is worked out by `roofmark-verdict`.

use crate::load_record::ServerFacts;
use crate::records::Host;
use crate::units::{Seconds, TokensPerSecond};
use serde::{Deserialize, Serialize};

/// Version of the stored form.
pub const FORMAT: &str = "roofmark-reconcile/1";

/// Both views, taken in turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// [`FORMAT`].
    pub format: String,
    /// Name and version of the tool.
    pub tool: String,
    /// When it began: UTC, RFC 3339.
    pub date: String,
    /// The machine.
    pub machine: Host,
    /// The file, without its folder.
    pub model: String,
    /// Version of the embedded engine.
    pub engine: String,
    /// The server.
    pub server: ServerFacts,
    /// Threads of both.
    pub threads: u32,
    /// Prompt tokens, as the server counted them.
    pub prompt_tokens: u32,
    /// Output tokens of each answer.
    pub output_tokens: u32,
    /// Rounds in the order they were taken.
    pub rounds: Vec<Round>,
}

/// One of each measurement, close together in time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Inside the engine: the prefill of the prompt.
    pub prefill: Seconds,
    /// Inside the engine: the decode steps after the first token, all of them.
    pub decode: Seconds,
    /// Through the server, streamed: from sending to the last token. What a user sees.
    pub streamed: Seconds,
    /// Through the server, the answer in one piece.
    pub whole: Answered,
    /// The same with the least sampling that the server can do.
    pub least: Answered,
    /// A request that does nothing.
    pub empty: Seconds,
    /// A request that tokenises the prompt and does nothing else.
    pub tokenise: Seconds,
    /// A request that puts the prompt into the chat template and does nothing else.
    pub template: Seconds,
}

/// One answer in one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// From sending to the end of the response.
    pub total: Seconds,
    /// The server's own time for the prompt.
    pub prefill: Seconds,
    /// The server's own time for the output.
    pub decode: Seconds,
}

/// The rest may be this share of what the user sees.
pub const UNEXPLAINED_MOST: f64 = 0.02;

/// A part of the difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// How it was measured.
    pub how: String,
    /// Time of one request; below zero where the server was faster.
    pub time: Seconds,
}

/// The balance of one request, in medians over the rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// Time inside the engine.
    pub engine: Seconds,
    /// Time that the user sees.
    pub user: Seconds,
    /// Rate inside the engine, while tokens are generated.
    pub engine_rate: TokensPerSecond,
    /// Output tokens over the whole time that the user sees.
    pub user_rate: TokensPerSecond,
    /// Where the difference goes.
    pub parts: Vec<Part>,
    /// What the parts leave open: `user − engine − Σ parts`.
    pub rest: Seconds,
    /// The rest over what the user sees.
    pub rest_share: f64,
}
