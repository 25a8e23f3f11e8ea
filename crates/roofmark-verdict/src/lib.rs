//! The claims referee: reads what a text says about inference speed and judges it by arithmetic.
//!
//! Judges plain data only: it sees neither the measuring nor the predicting crates. A prediction, where there is
//! one, is an argument.
#![forbid(unsafe_code)]

pub mod reader;
//! Judgement over plain data: statistics of samples, rows of a run, and the referee of claims.
//!
//! Nothing here does I/O, reads a clock or draws a random number without a seed from the caller.
#![forbid(unsafe_code)]

pub mod rows;
pub mod slice;
pub mod stats;
