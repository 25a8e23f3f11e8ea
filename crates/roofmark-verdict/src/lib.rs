//! Judgement over plain data: statistics of samples, rows of a run, and the referee of claims.
//!
//! Nothing here does I/O, reads a clock or draws a random number without a seed from the caller. It sees neither the
//! measuring nor the predicting crates: a prediction, where there is one, is an argument.
#![forbid(unsafe_code)]

pub mod check;
pub mod doctor;
pub mod load;
pub mod reader;
pub mod reconcile;
pub mod referee;
pub mod rows;
pub mod slice;
pub mod stats;
pub mod sustain;
