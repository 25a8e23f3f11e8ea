//! Ctrl-C: the first one asks a measurement to end, the second one ends the program.

use crate::exit::Exit;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C sets, which also prints `words`.
///
/// # Errors
/// The system takes no handler, or there is one.
pub fn flag(words: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted.code());
        }
        eprintln!("\n{words}");
    })
    .context("failed to listen for Ctrl-C")?;
    Ok(stop)
}
