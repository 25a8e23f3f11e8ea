//! Records as text: screens of 80 columns and Markdown. Strings in, strings out; no colour.
#![forbid(unsafe_code)]

pub mod advise;
pub mod bench;
pub mod catalog;
pub mod ceiling;
pub mod check;
pub mod cost;
pub mod doctor;
pub mod evaluate;
pub mod fit;
pub mod inspect;
pub mod lines;
pub mod load;
pub mod predict;
pub mod probe;
pub mod reconcile;
pub mod roofline;
