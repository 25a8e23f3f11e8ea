//! Records as text: screens of 80 columns and Markdown. Strings in, strings out; no colour.
#![forbid(unsafe_code)]

pub mod bench;
pub mod catalog;
pub mod ceiling;
pub mod check;
mod lines;
pub mod load;
