//! Doubts about a load test, as values that are stored beside its numbers.

use crate::units::{RequestsPerSecond, Seconds, significant};
use serde::{Deserialize, Serialize};

/// Client processor use above this share of a core voids a row.
pub const CLIENT_SHARE_VOID: f64 = 0.25;
/// Prompts may differ from their nominal length by this share.
pub const PROMPT_DRIFT_VOID: f64 = 0.02;
/// Prefix-cache hits above this share void a row.
pub const PREFIX_HITS_VOID: f64 = 0.01;
/// Outputs may differ from their target length by this share.
pub const OUTPUT_DRIFT_FLAG: f64 = 0.10;

/// A reason not to take a load result at face value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LoadDoubt {
    /// Requests were sent later than they were due.
    ScheduleLag {
        /// 99th percentile of the lag.
        p99: Seconds,
        /// What is allowed.
        allowed: Seconds,
    },
    /// The client itself was near its limit.
    ClientBusy {
        /// Share of one core.
        share: f64,
    },
    /// Prompts were not as long as asked.
    PromptDrift {
        /// Mean tokens asked.
        nominal: f64,
        /// Mean tokens that the server counted.
        achieved: f64,
    },
    /// Part of the prompts was in the server's cache.
    PrefixHits {
        /// Share of prompt tokens.
        share: f64,
    },
    /// What the chat template puts before each prompt was in the server's cache, and nothing else.
    TemplateCached {
        /// Share of prompt tokens.
        share: f64,
    },
    /// The server cut prompts off.
    PromptCut {
        /// Tokens asked.
        nominal: f64,
        /// Tokens that the server counted.
        counted: f64,
        /// Its context length.
        context: Option<u64>,
    },
    /// Answers did not have the length asked for.
    OutputLength {
        /// Mean tokens asked.
        target: f64,
        /// Mean tokens that came.
        mean: f64,
        /// Shortest.
        least: f64,
        /// Longest.
        most: f64,
    },
    /// Drafts were accepted: the rate depends on the text.
    Speculation {
        /// Output tokens per forward pass.
        accepted_length: f64,
    },
    /// Token counts are not the server's.
    Estimated {
        /// How they were made: `retokenised`, `listed`, `estimated` or `unknown`.
        source: String,
    },
    /// Tokens per arrival are not known: no gaps between tokens.
    GapsUnknown {
        /// Chunks per output token, mean.
        chunks_per_token: f64,
    },
    /// Reasoning tokens were not streamed.
    HiddenReasoning {
        /// Chunks per output token, mean.
        chunks_per_token: f64,
    },
    /// The steady window is short.
    ShortWindow {
        /// Its length.
        length: Seconds,
        /// Requests in it.
        requests: u64,
    },
    /// Too few requests for the percentiles asked.
    FewRequests {
        /// Requests that succeeded.
        count: u64,
        /// Requests that the 99th percentile needs.
        needed: u64,
    },
    /// Requests failed.
    Failures {
        /// Failed.
        failed: u64,
        /// Of all.
        of: u64,
    },
    /// No request succeeded.
    NoSuccess,
    /// The server cannot follow the load.
    Saturated {
        /// Rate asked, where there is one.
        asked: Option<RequestsPerSecond>,
        /// Rate achieved.
        achieved: RequestsPerSecond,
    },
    /// The server put sequences out of its cache.
    Preempted {
        /// Times.
        count: f64,
    },
    /// Usage that cannot be was ignored.
    BadUsage {
        /// Requests.
        requests: u64,
    },
    /// The server's own count of output tokens differs from the sum of its usage.
    CountsDisagree {
        /// Sum of usage.
        usage: f64,
        /// The counter's difference.
        counter: f64,
    },
    /// The first cell, run again at the end, gave another result.
    OrderEffect {
        /// Relative difference of the median time to the last token.
        difference: f64,
    },
    /// The machine changed while the cell ran.
    SentinelDrift {
        /// Relative difference of the probe.
        drift: f64,
    },
    /// The power counter did not move or the window was too short for it.
    EnergyInvalid {
        /// What was wrong.
        reason: String,
    },
    /// A known question was answered wrongly.
    WrongAnswer {
        /// Beginning of the answer.
        answer: String,
    },
    /// The server took fewer sequences together than were sent.
    FewSlots {
        /// Its slots.
        slots: u32,
        /// Requests in flight.
        concurrency: u32,
    },
    /// The run was stopped before its end.
    Interrupted {
        /// Cells finished.
        done: u32,
        /// Cells planned.
        planned: u32,
    },
}

impl LoadDoubt {
    /// Whether a row with this doubt must stay out of comparisons.
    #[must_use]
    pub fn voids(&self) -> bool {
        match self {
            Self::SentinelDrift { drift } => *drift > crate::doubt::DRIFT_VOID,
            Self::Failures { failed, of } => failed * 2 > *of,
            Self::Estimated { source } => source == "unknown",
            Self::ScheduleLag { .. }
            | Self::ClientBusy { .. }
            | Self::PromptDrift { .. }
            | Self::PrefixHits { .. }
            | Self::PromptCut { .. }
            | Self::NoSuccess
            | Self::BadUsage { .. }
            | Self::CountsDisagree { .. }
            | Self::WrongAnswer { .. } => true,
            _ => false,
        }
    }

    /// What was found, in one line.
    #[must_use]
    pub fn text(&self) -> String {
        let found = self.found();
        if self.voids() { format!("{found}: void for comparisons") } else { found }
    }

    fn found(&self) -> String {
        match self {
            Self::ScheduleLag { p99, allowed } => {
                format!("requests were sent late: p99 {} ms, allowed {} ms", millis(*p99), millis(*allowed))
            }
            Self::ClientBusy { share } => format!("the client used {} of a core", percent(*share)),
            Self::PromptDrift { nominal, achieved } => {
                format!("prompts had {achieved:.1} tokens, {nominal:.1} were asked for")
            }
            Self::PrefixHits { share } => {
                format!("{} of the prompt tokens came from the server's cache", percent(*share))
            }
            Self::TemplateCached { share } => format!(
                "{} of the prompt tokens, what the chat template begins with, came from the server's cache, as \
                 they do in use; prefill rates leave them out",
                percent(*share)
            ),
            Self::PromptCut { nominal, counted, context } => prompt_cut(*nominal, *counted, *context),
            Self::OutputLength { target, mean, least, most } => {
                format!("answers had {mean:.1} tokens ({least:.0} to {most:.0}), {target:.1} were asked for")
            }
            Self::Speculation { accepted_length } => {
                format!(
                    "the server speculates: {accepted_length:.2} tokens a pass, and more or fewer on other text"
                )
            }
            Self::Estimated { source } => format!("the server counts no tokens: counts are {source}"),
            Self::GapsUnknown { chunks_per_token } => format!(
                "{chunks_per_token:.2} chunks a token: gaps between tokens are not known and not shown"
            ),
            Self::HiddenReasoning { chunks_per_token } => format!(
                "only {chunks_per_token:.2} chunks a token were streamed (hidden reasoning): gaps are void"
            ),
            Self::ShortWindow { length, requests } => format!(
                "the steady window is {} s with {requests} requests (30 s and 50 are asked for)",
                significant(length.get(), 3)
            ),
            _ => self.found_more(),
        }
    }

    fn found_more(&self) -> String {
        match self {
            Self::FewRequests { count, needed } => {
                format!("{count} requests are too few for a 99th percentile ({needed} are needed)")
            }
            Self::Failures { failed, of } => format!("{failed} of {of} requests failed"),
            Self::NoSuccess => "no request succeeded".into(),
            Self::Saturated { asked: Some(asked), achieved } => format!(
                "saturated: {} of {} requests per second were served",
                significant(achieved.get(), 3),
                significant(asked.get(), 3)
            ),
            Self::Saturated { asked: None, .. } => "saturated: queue and latency grow".into(),
            Self::Preempted { count } => format!("the server put {count:.0} sequences out of its cache"),
            Self::BadUsage { requests } => format!("{requests} requests came with an impossible usage"),
            Self::CountsDisagree { usage, counter } => {
                format!("usage adds up to {usage:.0} tokens, the server's counter says {counter:.0}")
            }
            Self::OrderEffect { difference } => {
                format!("the first cell, run again at the end, differs by {}", percent(*difference))
            }
            Self::SentinelDrift { drift } => {
                format!("memory bandwidth beside the server moved by {}", percent(*drift))
            }
            Self::EnergyInvalid { reason } => format!("no energy is shown: {reason}"),
            Self::WrongAnswer { answer } => {
                format!("the answer to a known question is wrong (\"{answer}\")")
            }
            Self::FewSlots { slots, concurrency } => {
                format!(
                    "the server decodes {slots} sequences together, {concurrency} were in flight: some queue"
                )
            }
            Self::Interrupted { done, planned } => format!("stopped after {done} of {planned} cells"),
            _ => String::new(),
        }
    }

    /// What to do about it; `None` where nothing helps.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::ScheduleLag { .. } | Self::ClientBusy { .. } => "run the client on another machine",
            Self::PromptDrift { .. } => "look at the chat template, or use --api completions",
            Self::PrefixHits { .. } => "say --shared-prefix if caching is the subject, or restart the server",
            Self::PromptCut { .. } => "start the server with a longer context (Ollama: num_ctx)",
            Self::OutputLength { .. } => "use a server that can ignore its end token",
            Self::Estimated { .. } => "ask the server's maker for usage in streams",
            Self::GapsUnknown { .. } => "take tpot instead",
            Self::ShortWindow { .. } | Self::FewRequests { .. } => "run longer (--duration, --requests)",
            Self::Saturated { .. } => "ask for a lower rate, or let --find-rate search it",
            Self::Preempted { .. } => "give the server more cache, or send less at once",
            Self::SentinelDrift { .. } | Self::OrderEffect { .. } => {
                "let the machine come to rest and run again"
            }
            Self::WrongAnswer { .. } => "check the model file and the server's build",
            Self::FewSlots { .. } => "start the server with more slots",
            _ => return None,
        })
    }
}

fn prompt_cut(nominal: f64, counted: f64, context: Option<u64>) -> String {
    let head = format!("the server took {counted:.0} of {nominal:.0} prompt tokens");
    match context {
        Some(context) => format!("{head} (its context holds {context})"),
        None => head,
    }
}

fn millis(time: Seconds) -> String {
    significant(time.get() * 1e3, 3)
}

fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_void_says_so() {
        let drift = LoadDoubt::PromptDrift { nominal: 512.0, achieved: 540.0 };
        assert_eq!(drift.text(), "prompts had 540.0 tokens, 512.0 were asked for: void for comparisons");
        let length = LoadDoubt::OutputLength { target: 128.0, mean: 60.0, least: 1.0, most: 128.0 };
        assert!(!length.text().contains("void"));
    }

    #[test]
    fn every_kind_has_its_words() {
        for doubt in [
            LoadDoubt::NoSuccess,
            LoadDoubt::BadUsage { requests: 1 },
            LoadDoubt::Interrupted { done: 1, planned: 2 },
            LoadDoubt::Saturated { asked: None, achieved: RequestsPerSecond(1.0) },
            LoadDoubt::FewSlots { slots: 4, concurrency: 16 },
        ] {
            assert!(!doubt.text().is_empty());
        }
    }
}
