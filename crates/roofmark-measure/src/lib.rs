//! Measures: the engine interface and the child process that an engine runs in.
#![forbid(unsafe_code)]

pub mod bench;
pub mod engine;
pub mod load;
pub mod probe;
pub mod roof;
pub mod state;
