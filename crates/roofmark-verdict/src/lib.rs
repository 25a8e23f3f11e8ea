//! Judgement over plain data: statistics of samples, rows of a run, and the referee of claims.
//!
//! Nothing here does I/O, reads a clock or draws a random number without a seed from the caller.
#![forbid(unsafe_code)]

pub mod rows;
pub mod slice;
pub mod stats;
