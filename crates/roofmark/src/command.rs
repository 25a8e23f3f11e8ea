//! Dispatch: one module a command, each with its arguments and a `run`.

#[cfg(feature = "engine")]
pub mod bench;
pub mod calibrate;
pub mod ceiling;
pub mod check;
pub mod completions;
pub mod endpoint;
#[cfg(feature = "engine")]
pub mod engine;
pub mod engines;
pub mod evaluate;
pub mod fit;
pub mod inspect;
pub mod machines;
pub mod models;
pub mod predict;
pub mod synth;

use crate::args::{Args, Command};
use crate::exit::Exit;

/// Runs the command that `args` names.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        #[cfg(feature = "engine")]
        Command::Bench(command) => bench::run(&command, args.json),
        #[cfg(not(feature = "engine"))]
        Command::Bench(command) => endpoint::run(&command, args.json),
        #[cfg(feature = "engine")]
        Command::Engine(command) => engine::run(&command),
        Command::Engines(command) => engines::run(&command, args.json),
        Command::Predict(command) => predict::run(&command, args.json),
        Command::Evaluate(command) => evaluate::run(&command, args.json),
        Command::Calibrate(command) => calibrate::run(&command, args.json),
        Command::Fit(command) => fit::run(&command, args.json),
        Command::Inspect(command) => inspect::run(&command, args.json),
        Command::Synth(command) => synth::run(&command, args.json),
        Command::Machines(command) => machines::run(&command, args.json),
        Command::Check(command) => check::run(&command, args.json),
        Command::Models(command) => models::run(&command, args.json),
        Command::Ceiling(command) => ceiling::run(&command, args.json),
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
