//! The record of a load test: what a client saw of a server, request by request.
//!
//! Times are kept raw, counted from the start of the cell on one monotonic clock; every metric is
//! derived from them by `roofmark-verdict` and can be derived again. Nothing here holds a key, an
//! address, a prompt or an answer.

use crate::load_doubt::LoadDoubt;
use crate::probe_record::EnergyCounter;
use crate::records::Host;
use crate::units::{Bytes, Joules, RequestsPerSecond, Seconds, TokensPerSecond, Watts};
use serde::{Deserialize, Serialize};

/// Version of the stored form.
pub const FORMAT: &str = "roofmark-load/1";

/// One load test: one server, one model, one or more cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadRun {
    /// [`FORMAT`].
    pub format: String,
    /// Name and version of the tool.
    pub tool: String,
    /// When it began: UTC, RFC 3339.
    pub date: String,
    /// The machine that the client ran on.
    pub client: Host,
    /// The server, as far as it shows itself.
    pub server: ServerFacts,
    /// What was asked for.
    pub settings: LoadSettings,
    /// Cells in the order they were asked for; [`LoadCell::ran`] says when each ran.
    pub cells: Vec<LoadCell>,
    /// Doubts about the run as a whole.
    pub doubts: Vec<LoadDoubt>,
    /// Highest rate that the server holds, where it was searched.
    #[serde(default)]
    pub found_rate: Option<FoundRate>,
    /// The cell that ran first, run again after the last: what differs between the two is not the load.
    #[serde(default)]
    pub repeat: Option<LoadCell>,
}

/// What a search for the highest sustainable rate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundRate {
    /// Highest rate shown to hold.
    pub holds: Option<RequestsPerSecond>,
    /// Lowest rate not shown to hold.
    pub fails: Option<RequestsPerSecond>,
    /// Share of requests that must meet each target.
    pub quantile: f64,
    /// Confidence at each rate.
    pub confidence: f64,
    /// Requests at each rate.
    pub requests: u64,
    /// Rates in the order they were tried, and whether each held.
    pub tried: Vec<(RequestsPerSecond, bool)>,
}

/// Server software that is recognised by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerEngine {
    /// llama.cpp's `llama-server`.
    LlamaServer,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// TensorRT-LLM's `trtllm-serve`.
    TensorrtLlm,
    /// Ollama.
    Ollama,
    /// LM Studio.
    LmStudio,
    /// MLX-LM's `mlx_lm.server`.
    MlxLm,
    /// Anything else that speaks OpenAI's interface.
    OpenAi,
}

impl ServerEngine {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::LlamaServer,
        Self::Vllm,
        Self::Sglang,
        Self::TensorrtLlm,
        Self::Ollama,
        Self::LmStudio,
        Self::MlxLm,
        Self::OpenAi,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::TensorrtLlm => "tensorrt-llm",
            Self::Ollama => "ollama",
            Self::LmStudio => "lm-studio",
            Self::MlxLm => "mlx-lm",
            Self::OpenAi => "openai",
        }
    }
}

/// The interface that requests go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// `POST …/v1/chat/completions`, server-sent events.
    Chat,
    /// `POST …/v1/completions`, server-sent events.
    Completions,
    /// Ollama's `POST /api/chat`, one JSON document a line.
    OllamaChat,
    /// Ollama's `POST /api/generate`, one JSON document a line.
    OllamaGenerate,
}

/// What a server says of itself. `None` is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Which software.
    pub engine: ServerEngine,
    /// What it was recognised by, or that the caller said so.
    pub recognised_by: String,
    /// Its version, in its own words.
    pub version: Option<String>,
    /// Identity of the model, as requests name it.
    pub model: String,
    /// Tokens that one sequence can hold.
    pub context: Option<u64>,
    /// Sequences that it decodes together at most.
    pub slots: Option<u32>,
    /// Interface used.
    pub api: Api,
    /// The connection was encrypted.
    pub tls: bool,
    /// Client and server were on one machine.
    pub loopback: bool,
}

/// How a load test was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadSettings {
    /// Prompt length asked for, in the words of the command line.
    pub input_tokens: String,
    /// Output length asked for, in the words of the command line.
    pub output_tokens: String,
    /// Turns per conversation.
    pub turns: u32,
    /// Pause of a user between an answer and the next turn.
    #[serde(default)]
    pub think: Seconds,
    /// The server was asked to go on after its end token.
    pub ignore_eos: bool,
    /// Prefix caching is the subject: prompts share a prefix on purpose.
    pub shared_prefix: bool,
    /// Seed of lengths, prompts and arrivals.
    pub seed: u64,
    /// Tokens around the text of a prompt, as calibrated: those of the chat template and of the nonce.
    #[serde(default)]
    pub template_tokens: Option<f64>,
    /// Latency targets.
    pub slos: Vec<Slo>,
    /// Latency of requests for one token, taken before the cells: what is not prefill.
    pub overhead: Option<Seconds>,
    /// Whether the server answers a known question rightly.
    pub check: Option<GreedyCheck>,
    /// Highest output rate that this client handled against a server that answers at once.
    pub self_test: Option<SelfTest>,
}

/// A known question and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreedyCheck {
    /// The answer holds the known word.
    pub right: bool,
    /// Beginning of the answer.
    pub answer: String,
}

/// What the client can take, measured right before the run against a server inside this process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Chunks handled per second of the client's processor time.
    pub chunks_per_cpu_second: f64,
}

/// A latency metric that a target can be set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SloMetric {
    /// Time to the first token.
    Ttft,
    /// Time to the first token of the answer.
    Ttfa,
    /// Time per output token after the first.
    Tpot,
    /// Time to the last token.
    E2e,
}

impl SloMetric {
    /// The name on the command line.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Ttfa => "ttfa",
            Self::Tpot => "tpot",
            Self::E2e => "e2e",
        }
    }
}

/// A latency target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// Which latency.
    pub metric: SloMetric,
    /// At most this.
    pub limit: Seconds,
}

/// How requests arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Arrival {
    /// A fixed number in flight: the next one is sent when one ends.
    Closed {
        /// Requests in flight.
        concurrency: u32,
    },
    /// Equal intervals, whatever the server does.
    Constant {
        /// Rate.
        rate: RequestsPerSecond,
    },
    /// Independent arrivals.
    Poisson {
        /// Mean rate.
        rate: RequestsPerSecond,
    },
    /// Bursty (or, above one, smoother) arrivals: gamma-distributed intervals.
    Gamma {
        /// Mean rate.
        rate: RequestsPerSecond,
        /// Shape of the distribution; 1 is Poisson.
        shape: f64,
    },
    /// Independent arrivals whose rate changes by steps.
    Stages {
        /// The steps, one after the other.
        steps: Vec<Stage>,
    },
    /// Times and lengths of a recorded trace.
    Trace {
        /// Form of the trace: `mooncake`, `burstgpt` or `azure`.
        form: String,
        /// Times are divided by this.
        speed: f64,
    },
}

/// A step of [`Arrival::Stages`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Mean rate.
    pub rate: RequestsPerSecond,
    /// How long it lasts.
    pub length: Seconds,
}

impl Arrival {
    /// Rate asked for, where there is one.
    #[must_use]
    pub fn rate(&self) -> Option<RequestsPerSecond> {
        match self {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Gamma { rate, .. } => Some(*rate),
            Self::Closed { .. } | Self::Stages { .. } | Self::Trace { .. } => None,
        }
    }

    /// Arrivals do not wait for the server.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }

    /// A short name for a table.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Closed { concurrency } => format!("{concurrency}"),
            Self::Constant { rate } => format!("{}/s constant", rate.get()),
            Self::Poisson { rate } => format!("{}/s poisson", rate.get()),
            Self::Gamma { rate, shape } => format!("{}/s gamma {shape}", rate.get()),
            Self::Stages { steps } => format!("{} stages", steps.len()),
            Self::Trace { form, .. } => format!("{form} trace"),
        }
    }
}

/// One load: an arrival process held for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadCell {
    /// How requests arrived.
    pub arrival: Arrival,
    /// When the last request was due, counted from the start of the cell.
    pub arrivals_end: Seconds,
    /// When the cell ended.
    pub ended: Seconds,
    /// The requests, in the order they were due.
    pub requests: Vec<RequestRecord>,
    /// What the client itself used.
    pub client: ClientUse,
    /// The server's counters over the cell.
    pub counters: ServerCounters,
    /// The sweep was stopped in this cell.
    pub interrupted: bool,
    /// Doubts about this cell.
    pub doubts: Vec<LoadDoubt>,
    /// Its place in the order in which the cells ran, from 0.
    #[serde(default)]
    pub ran: u32,
    /// Energy of the machine over the cell, where the server is on this machine and it has a counter.
    #[serde(default)]
    pub energy: Option<LoadEnergy>,
}

/// Energy counters over a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadEnergy {
    /// What each counter counted, such as `package-0`.
    pub counters: Vec<EnergyCounter>,
    /// Time between the first and the last reading.
    pub time: Seconds,
    /// Power of the same counters before the cells, the server loaded and nobody asking.
    pub idle: Option<Watts>,
}

/// Energy per output token of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnergyPerToken {
    /// What the counters cover, such as `package-0`: not the whole machine.
    pub scope: String,
    /// All of it.
    pub all: Joules,
    /// Above the idle power, where that is known.
    pub above_idle: Option<Joules>,
}

/// Resources of the client over a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientUse {
    /// Processor time of the thread that sends and receives.
    pub cpu: Seconds,
    /// Wall time.
    pub wall: Seconds,
    /// Highest resident memory of the process.
    pub peak_memory: Option<Bytes>,
    /// Bytes received.
    pub received: Bytes,
    /// Read bandwidth of memory by a short probe before the cell, where the server is on this machine.
    pub sentinel_before: Option<f64>,
    /// The same after the cell.
    pub sentinel_after: Option<f64>,
}

/// Differences of the server's own counters over a cell. `None` where it does not export one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerCounters {
    /// Prompt tokens looked up in the prefix cache.
    pub prefix_queries: Option<f64>,
    /// Prompt tokens found there.
    pub prefix_hits: Option<f64>,
    /// Draft tokens proposed.
    pub drafted: Option<f64>,
    /// Draft tokens accepted.
    pub accepted: Option<f64>,
    /// Sequences put out of the cache and computed again.
    pub preemptions: Option<f64>,
    /// Highest share of the cache in use that was seen.
    pub cache_use: Option<f64>,
    /// Output tokens that the server counted.
    pub output_tokens: Option<f64>,
}

/// Where a count of output tokens comes from, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The server's usage or timings.
    Server,
    /// Token identities or log probabilities in the stream, counted.
    Listed,
    /// The whole text, tokenised again by the server.
    Retokenised,
    /// The length of the text over a measured ratio: `estimated`.
    Estimated,
    /// Not known.
    Unknown,
}

/// One arrival of output: all tokens that one read of the socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenArrival(
    /// Microseconds after the request was sent.
    pub u32,
    /// Tokens, where [`RequestRecord::arrivals_are_tokens`]; else non-empty chunks.
    pub u32,
);

/// One request as the client saw it. Times count from the start of the cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// When it was due. In a closed loop, when it was sent.
    pub scheduled: Seconds,
    /// When its turn came: before a connection was made where none was open.
    pub sent: Seconds,
    /// First byte of the response.
    pub first_byte: Option<Seconds>,
    /// First non-empty token on any channel.
    pub first: Option<Seconds>,
    /// First token of the answer (not of reasoning).
    pub first_answer: Option<Seconds>,
    /// Last token.
    pub last: Option<Seconds>,
    /// End of the response, or when it failed.
    pub ended: Seconds,
    /// A connection was made for it.
    pub new_connection: bool,
    /// Prompt tokens that were aimed at; 0 where none were, as in a later turn, whose history is as long
    /// as the answers were.
    pub prompt_nominal: u32,
    /// Prompt tokens that the server counted.
    pub prompt_tokens: Option<u64>,
    /// Prompt tokens that the server had cached.
    pub cached_tokens: Option<u64>,
    /// Output tokens asked for.
    pub output_asked: u32,
    /// Output tokens.
    pub output_tokens: Option<f64>,
    /// Where that count comes from.
    pub token_source: Option<TokenSource>,
    /// Reasoning tokens that the server counted.
    pub reasoning_tokens: Option<u64>,
    /// Chunks with text in them.
    pub chunks: u32,
    /// Chunks with reasoning in them.
    pub reasoning_chunks: u32,
    /// Bytes of output text, as the stream wrote it.
    pub text_bytes: u64,
    /// Arrivals of output, in order.
    pub arrivals: Vec<TokenArrival>,
    /// The second number of an arrival counts tokens.
    pub arrivals_are_tokens: bool,
    /// Draft tokens proposed for this request.
    pub drafted: Option<u64>,
    /// Draft tokens accepted.
    pub accepted: Option<u64>,
    /// The server's own time for the prompt.
    pub server_prefill: Option<Seconds>,
    /// The server's own time for the output.
    pub server_decode: Option<Seconds>,
    /// Why the server stopped.
    pub finish: Option<String>,
    /// Conversation and turn, where there is more than one turn.
    pub turn: Option<(u32, u32)>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Irregularities that did not fail it.
    pub remarks: Vec<Trouble>,
}

impl RequestRecord {
    /// It came to its end with at least one token.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.failure.is_none() && self.first.is_some()
    }

    /// Time to the first token, from when it was due.
    #[must_use]
    pub fn ttft(&self) -> Option<Seconds> {
        Some(self.first? - self.scheduled)
    }

    /// Time to the first byte, from when it was sent.
    #[must_use]
    pub fn ttfb(&self) -> Option<Seconds> {
        Some(self.first_byte? - self.sent)
    }

    /// Time to the first token of the answer, from when it was due.
    #[must_use]
    pub fn ttfa(&self) -> Option<Seconds> {
        Some(self.first_answer? - self.scheduled)
    }

    /// Time to the last token, from when it was due.
    #[must_use]
    pub fn e2e(&self) -> Option<Seconds> {
        Some(self.last? - self.scheduled)
    }

    /// Mean time per output token after the first: (last − first) / (n − 1).
    #[must_use]
    pub fn tpot(&self) -> Option<Seconds> {
        let tokens = self.output_tokens?;
        (tokens > 1.5).then_some((self.last? - self.first?) / (tokens - 1.0))
    }

    /// Longest silence between two arrivals.
    #[must_use]
    pub fn gap_max(&self) -> Option<Seconds> {
        let gaps = self.arrivals.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0));
        gaps.max().map(|micros| Seconds(f64::from(micros) / 1e6))
    }

    /// How late it was sent.
    #[must_use]
    pub fn lag(&self) -> Seconds {
        self.sent - self.scheduled
    }
}

/// What went wrong, by kind. Part of the stored form: kinds are added, never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nobody listens at the port.
    Refused,
    /// The name of the host is not known.
    Dns,
    /// The host could not be reached, or the connection broke before an answer.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// 401 or 403.
    Unauthorized,
    /// 404: no such model or path.
    NotFound,
    /// 429.
    RateLimited,
    /// Another 4xx.
    Rejected,
    /// 5xx.
    ServerError,
    /// 3xx: redirects are not followed.
    Redirect,
    /// An error object inside a 200 stream.
    ErrorInStream,
    /// No connection in time.
    ConnectTimeout,
    /// Nothing complete came for too long.
    IdleTimeout,
    /// The whole request took too long.
    Deadline,
    /// Far more output than was asked for.
    Endless,
    /// The stream broke off before its end.
    Truncated,
    /// The stream has no end mark, but a reason to finish.
    NoDone,
    /// Not the content type of a stream.
    ContentType,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// A line over its cap.
    LineTooLong,
    /// An event over its cap.
    EventTooLong,
    /// A body over its cap.
    BodyTooLong,
    /// A compressed body, though none was accepted.
    Compressed,
    /// Not HTTP.
    BadHttp,
    /// An event that is not JSON.
    BadJson,
    /// A usage that cannot be: negative, not a whole number, absurd, or shrinking.
    BadUsage,
    /// A success without one token.
    NoTokens,
    /// The run was stopped.
    Interrupted,
}

impl Trouble {
    /// A few words for a table.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Dns => "host name not found",
            Self::Unreachable => "connection failed",
            Self::Tls => "TLS failed",
            Self::Unauthorized => "not authorised (401, 403)",
            Self::NotFound => "no such model or path (404)",
            Self::RateLimited => "rate limited (429)",
            Self::Rejected => "request rejected (4xx)",
            Self::ServerError => "server error (5xx)",
            Self::Redirect => "redirect (not followed)",
            Self::ErrorInStream => "error inside the stream",
            Self::ConnectTimeout => "no connection in time",
            Self::IdleTimeout => "silent for too long",
            Self::Deadline => "total deadline passed",
            Self::Endless => "stream without end",
            Self::Truncated => "stream broke off",
            Self::NoDone => "no [DONE] at the end",
            Self::ContentType => "wrong content type",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::LineTooLong => "line over 1 MiB",
            Self::EventTooLong => "event over 4 MiB",
            Self::BodyTooLong => "body over its cap",
            Self::Compressed => "compressed body",
            Self::BadHttp => "not HTTP",
            Self::BadJson => "event is not JSON",
            Self::BadUsage => "impossible usage",
            Self::NoTokens => "no token in the answer",
            Self::Interrupted => "stopped by the user",
        }
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub kind: Trouble,
    /// More, shortened, control characters removed.
    pub detail: String,
}

/// A percentile row of one latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Requests (or gaps) behind it.
    pub count: u64,
    /// Median.
    pub p50: Option<Seconds>,
    /// Bounds of the median's 95 % bootstrap interval.
    pub p50_interval: Option<(Seconds, Seconds)>,
    /// 90th percentile, where ten samples lie beyond it.
    pub p90: Option<Seconds>,
    /// 99th percentile, where ten samples lie beyond it.
    pub p99: Option<Seconds>,
    /// Largest.
    pub max: Option<Seconds>,
}

/// The part of a cell that throughput is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteadyWindow {
    /// From when concurrency first reached its target.
    pub from: Seconds,
    /// Until arrivals stopped.
    pub to: Seconds,
    /// Requests that ended inside.
    pub requests: u64,
}

/// One line of the result, derived from a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadRow {
    /// How requests arrived.
    pub arrival: Arrival,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Steady window.
    pub window: Option<SteadyWindow>,
    /// First byte after sending.
    pub ttfb: Latency,
    /// First token after the due time.
    pub ttft: Latency,
    /// First token of the answer after the due time.
    pub ttfa: Latency,
    /// Time per output token after the first.
    pub tpot: Latency,
    /// Gaps per token; absent where tokens per arrival are not known.
    pub itl: Option<Latency>,
    /// Longest silence of each request.
    pub gap_max: Latency,
    /// Last token after the due time.
    pub e2e: Latency,
    /// How late requests were sent.
    pub lag: Latency,
    /// Output tokens in the window over its length.
    pub output_throughput: Option<TokensPerSecond>,
    /// Requests ended in the window over its length.
    pub request_rate: Option<RequestsPerSecond>,
    /// Median of 1 / tpot, for single streams of at least 128 tokens.
    pub decode_rate: Option<TokensPerSecond>,
    /// Median of (prompt − cached) / (ttft − overhead).
    pub prefill_rate: Option<TokensPerSecond>,
    /// The overhead was subtracted.
    pub overhead_subtracted: bool,
    /// Requests that met all targets over the window's length.
    pub goodput: Option<RequestsPerSecond>,
    /// Output tokens of those over the window's length.
    pub goodput_tokens: Option<TokensPerSecond>,
    /// Requests in flight, mean over the window.
    pub in_flight: Option<f64>,
    /// Server cannot follow: the queue and the latency grow, or less than 95 % of the rate was achieved.
    pub saturated: bool,
    /// Output tokens per forward pass, where drafts are counted.
    pub accepted_length: Option<f64>,
    /// Mean output tokens of a request.
    pub output_tokens: Option<f64>,
    /// Mean prompt tokens of a request.
    pub prompt_tokens: Option<f64>,
    /// Mean prompt tokens of a request that came from the server's cache.
    #[serde(default)]
    pub cached_tokens: Option<f64>,
    /// Counts of output tokens are estimates.
    pub estimated: bool,
    /// Energy over the cell by its output tokens.
    #[serde(default)]
    pub energy: Option<EnergyPerToken>,
    /// Not fit for comparisons; shown all the same.
    pub void: bool,
    /// Failures and irregularities by kind: kind, failed, noted.
    pub troubles: Vec<(Trouble, u64, u64)>,
}
