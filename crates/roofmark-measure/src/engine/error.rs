//! What can go wrong with an engine. Each text completes "failed to …".

use std::time::Duration;

/// Why an engine gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The process could not be started.
    #[error("start the engine's process {program}: {source}")]
    Spawn {
        /// Path of the program.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The engine understood the request and says why it cannot serve it.
    #[error("{request}: {reason}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// The engine's reason.
        reason: String,
    },
    /// The engine's process gave up by itself (an assertion, an exception that nobody caught).
    #[error("{request}: the engine's process aborted{}", quoted(.last_words))]
    Aborted {
        /// What was asked.
        request: &'static str,
        /// Last line that the process logged.
        last_words: String,
    },
    /// Somebody killed the engine's process.
    #[error("{request}: the engine's process was killed (signal {signal}{})", hint(*.signal))]
    Killed {
        /// What was asked.
        request: &'static str,
        /// Number of the signal.
        signal: i32,
    },
    /// The engine's process ended without an answer.
    #[error("{request}: the engine's process ended with exit status {code}{}", quoted(.last_words))]
    Exited {
        /// What was asked.
        request: &'static str,
        /// Exit status.
        code: i32,
        /// Last line that the process logged.
        last_words: String,
    },
    /// The process lives but the answer took too long. The process was killed.
    #[error("{request}: no answer within {} s; the engine's process was stopped", .limit.as_secs_f64())]
    TimedOut {
        /// What was asked.
        request: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The process gives no sign of life. It was killed.
    #[error("{request}: no sign of life for {} s; the engine's process was stopped", .limit.as_secs_f64())]
    Silent {
        /// What was asked.
        request: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The process answered with something that is not the protocol. It was killed.
    #[error("{request}: the engine's process answered `{line}`, which is not its protocol")]
    Garbled {
        /// What was asked.
        request: &'static str,
        /// The beginning of the line.
        line: String,
    },
    /// The caller's watch asked to stop. The process was killed.
    #[error("{request}: interrupted")]
    Interrupted {
        /// What was asked.
        request: &'static str,
    },
}

impl EngineError {
    /// The engine's process is still there and takes further requests.
    #[must_use]
    pub fn leaves_engine_alive(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

fn quoted(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(": {last_words}") }
}

fn hint(signal: i32) -> &'static str {
    match signal {
        9 => ", as the system does when memory runs out",
        7 | 11 => ", a memory fault",
        4 => ", an instruction that this processor lacks",
        _ => "",
    }
}
