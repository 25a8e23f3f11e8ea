//! Limits on what a server may send.

use std::time::Duration;

/// Longest line of a stream.
pub const LINE_CAP: usize = 1 << 20;
/// Longest event of a stream.
pub const EVENT_CAP: usize = 4 << 20;
/// Longest head of a response.
pub const HEAD_CAP: usize = 64 << 10;
/// Longest body of an error or of a probe.
pub const BODY_CAP: usize = 4 << 20;
/// Longest body of a stream, beside what the tokens asked for may take.
pub const STREAM_CAP: u64 = 64 << 20;
/// Bytes that one token may take on the wire, log probabilities included.
pub const TOKEN_CAP: u64 = 16 << 10;
/// Deepest nesting of JSON.
pub const DEPTH_CAP: usize = 64;
/// Largest count of tokens that is believed.
pub const COUNT_CAP: u64 = 1_000_000_000;

/// Times after which a request is given up.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, its handshake included.
    pub connect: Duration,
    /// Between two events, once the response has begun.
    pub idle: Duration,
    /// For the whole request.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}
