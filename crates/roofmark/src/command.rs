//! Dispatch: one module a command, each with its arguments and a `run`.

pub mod advise;
#[cfg(feature = "engine")]
pub mod bench;
pub mod calibrate;
pub mod ceiling;
pub mod check;
pub mod completions;
pub mod cost;
pub mod doctor;
pub mod endpoint;
#[cfg(feature = "engine")]
pub mod engine;
pub mod engines;
pub mod evaluate;
pub mod fit;
pub mod gpu;
pub mod inspect;
pub mod key;
pub mod machines;
pub mod models;
pub mod predict;
pub mod probe;
pub mod report;
pub mod results;
pub mod roofline;
pub mod serve;
pub mod submit;
pub mod synth;
pub mod verify;

use crate::args::{Args, Command};
use crate::exit::Exit;

/// Runs the command that `args` names.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let place = crate::ledger::Place { address: args.ledger, durable: args.durable };
    match args.command {
        #[cfg(feature = "engine")]
        Command::Bench(command) => bench::run(&command, args.json, &place),
        #[cfg(not(feature = "engine"))]
        Command::Bench(command) => endpoint::run(&command, args.json, &place),
        #[cfg(feature = "engine")]
        Command::Engine(command) => engine::run(&command),
        Command::Gpu(command) => gpu::run(&command),
        Command::Engines(command) => engines::run(&command, args.json),
        Command::Predict(command) => predict::run(&command, args.json, &place),
        Command::Doctor(command) => doctor::run(&command, args.json, &place),
        Command::Roofline(command) => roofline::run(&command, args.json, &place),
        Command::Probe(command) => probe::run(&command, args.json, &place),
        Command::Evaluate(command) => evaluate::run(&command, args.json),
        Command::Calibrate(command) => calibrate::run(&command, args.json, &place),
        Command::Fit(command) => fit::run(&command, args.json, &place),
        Command::Inspect(command) => inspect::run(&command, args.json),
        Command::Synth(command) => synth::run(&command, args.json),
        Command::Machines(command) => machines::run(&command, args.json),
        Command::Check(command) => check::run(&command, args.json),
        Command::Models(command) => models::run(&command, args.json),
        Command::Ceiling(command) => ceiling::run(&command, args.json),
        Command::Advise(command) => advise::run(&command, args.json),
        Command::Cost(command) => cost::run(&command, args.json),
        Command::Results(command) => results::run(&command, args.json, &place),
        Command::Verify(command) => verify::run(&command, args.json, &place),
        Command::Serve(command) => serve::run(&command, args.json, place),
        Command::Report(command) => report::run(&command, args.json, &place),
        Command::Submit(command) => submit::run(&command, args.json, &place),
        Command::Key(command) => key::run(&command, args.json),
        Command::Completions(command) => completions::completions(&command),
        Command::Man(command) => completions::man(&command),
    }
}

/// Writes `bytes` to standard output; a closed pipe is the reader's choice, not a failure.
pub fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a screen or document, ending in one newline.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
}
