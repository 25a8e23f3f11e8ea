//! `roofmark completions` and `roofmark man`: files for the shell and the manual, generated from the arguments.

use crate::args::Args as Root;
use crate::exit::Exit;
use anyhow::Context;
use clap::{Args, CommandFactory};
use std::path::PathBuf;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell: bash, zsh, fish, elvish or powershell.
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder to write one page a command into; without it the main page goes to standard output.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Prints the completion script.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    // Generated into memory first: a reader that closes the pipe early is no failure.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Root::command(), "roofmark", &mut script);
    super::print_bytes(&script)?;
    Ok(Exit::Success)
}

/// Writes or prints the manual pages.
pub fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let command = Root::command();
    match &args.out {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
            clap_mangen::generate_to(command, folder)
                .with_context(|| format!("failed to write manual pages to {}", folder.display()))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).context("failed to render the manual page")?;
            super::print_bytes(&page)?;
        }
    }
    Ok(Exit::Success)
}
