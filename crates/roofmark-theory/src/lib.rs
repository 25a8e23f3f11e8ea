//! The predictor: ceilings and calibrated rates of any catalogued model on any catalogued machine.
//!
//! Physics with a few fleet-wide numbers gives a time; a Gaussian process over the published measurements corrects
//! it and says how sure it is; split-conformal factors make the intervals cover what they say. docs/physics.md.
#![forbid(unsafe_code)]

pub mod advise;
pub mod answer;
pub mod baseline;
pub mod calibrate;
pub mod cost;
pub mod curve;
pub mod evaluate;
pub mod job;
pub mod kernel;
pub mod kriging;
pub mod memory;
pub mod model;
pub mod numbers;
pub mod own;
pub mod physics;
pub mod point;
pub mod predict;
pub mod rank;
pub mod resolve;
pub mod software;
pub mod table;
pub mod workload;
