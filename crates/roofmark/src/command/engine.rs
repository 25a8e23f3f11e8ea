//! `roofmark __engine`: the child process that llama.cpp runs in. Not for people.

use crate::exit::Exit;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `__engine`.
#[derive(Debug, Args)]
pub struct EngineArgs {
    /// Folders that the engine may read besides the system's.
    readable: Vec<PathBuf>,
}

/// Serves requests on standard input until it ends.
pub fn run(args: &EngineArgs) -> anyhow::Result<Exit> {
    roofmark_llama::child_main(&args.readable)?;
    Ok(Exit::Success)
}
