//! Dispatch: one module a command, each with its arguments and a `run`.

pub mod machines;

use crate::args::{Args, Command};
use crate::exit::Exit;

/// Runs the command that `args` names.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Machines(command) => machines::run(&command, args.json),
    }
}
