//! The vocabulary of Roofmark: units, provenance, the catalog, model shapes, tensor tables,
//! workload arithmetic, and the plain records that all crates exchange.
//!
//! Nothing here does I/O, reads a clock or draws a random number that was not seeded by the caller.
#![forbid(unsafe_code)]

pub mod advice;
pub mod answer;
pub mod bounds;
pub mod catalog;
pub mod checkup;
pub mod claim;
pub mod config;
pub mod cost;
pub mod doubt;
pub mod evaluation;
pub mod evidence;
pub mod gguf;
pub mod inspection;
pub mod load_doubt;
pub mod load_record;
pub mod machine;
pub mod names;
pub mod prediction;
pub mod probe_record;
pub mod profile;
pub mod quant;
pub mod ranking;
pub mod reconcile_record;
pub mod records;
pub mod roofline;
pub mod shape;
pub mod synth;
pub mod table;
pub mod tensor_type;
pub mod tensors;
pub mod units;
