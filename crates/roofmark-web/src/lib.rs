//! The web page of Roofmark: every view of the program with an address of its own, the JSON interface, the event
//! stream of a running bench, and the same views as one file to hand on.
//!
//! Pages are rendered here, from records, with escaping by construction; the script in `assets/page.js` only
//! makes them live. What the program knows (questions, catalog, keys, ledger) it lends through [`Program`].
#![forbid(unsafe_code)]

mod api;
mod assets;
mod chart;
mod door;
mod file;
mod filter;
mod guard;
mod lab;
mod ledgers;
mod live;
mod openapi;
mod page;
mod program;
mod serve;
mod table;

pub use file::{Piece, report};
pub use lab::{Accepted, SUBMIT_PATH};
pub use live::{FOLDER as LIVE_FOLDER, Progress};
pub use program::{ChangePoint, Compared, ComparedRow, Operation, Pairs, Parameter, Program, Refused, Trend};
pub use serve::{Bound, Error, Options, Tls, serve};
