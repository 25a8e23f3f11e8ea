//! The load generator: what users of a server feel, alone and in a crowd.
//!
//! A response is time-stamped when its bytes are read, before they are parsed. Latency counts from
//! the time that a request was due. A chunk is never taken for a token.

pub mod around;
pub mod ask;
pub mod before;
pub mod chunk;
mod clock;
mod conversation;
pub mod driver;
mod error;
pub mod exchange;
pub mod http;
pub mod limits;
pub mod plan;
pub mod recognise;
pub mod reconcile;
pub mod sse;
pub mod target;
mod timer;
pub mod trace;
mod transport;
pub mod usage;
pub mod watch;

pub use error::LoadError;

#[cfg(test)]
mod exchange_tests;
