//! Measures: the engine interface and the child process that an engine runs in.
#![deny(unsafe_code)]

pub mod bench;
pub mod engine;
pub mod load;
pub mod probe;
pub mod products;
pub mod roof;
#[expect(unsafe_code, reason = "streaming stores and dot products have no safe form")]
mod simd;
pub mod state;
