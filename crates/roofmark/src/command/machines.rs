//! `roofmark machines`: the catalog of machines.

use crate::exit::Exit;
use clap::Args;

/// Arguments of `machines`.
#[derive(Debug, Args)]
pub struct MachinesArgs {
    /// A machine to explain.
    pub machine: Option<String>,
}

/// Lists or explains.
pub fn run(args: &MachinesArgs, json: bool) -> anyhow::Result<Exit> {
    anyhow::bail!("no catalog yet (asked for {:?}, json {json})", args.machine);
}
