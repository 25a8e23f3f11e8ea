//! The claims referee: reads what a text says about inference speed and judges it by arithmetic.
//!
//! Judges plain data only: it sees neither the measuring nor the predicting crates. A prediction, where there is
//! one, is an argument.
#![forbid(unsafe_code)]

pub mod reader;
