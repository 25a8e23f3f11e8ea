//! The `roofmark` command: arguments in, one screen or one JSON document out.
#![forbid(unsafe_code)]

mod args;
mod bar;
mod catalog;
mod child;
mod command;
mod day;
mod exit;
mod expect;
mod here;
mod ledger;
mod local;
mod model_file;
mod model_hash;
mod open_questions;
mod own;
mod ownership;
mod pick;
mod saved;
mod stop;
mod synth_file;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match command::run(args) {
        Ok(code) => code.into(),
        Err(error) => exit::report(&error),
    }
}
