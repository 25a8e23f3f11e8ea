//! A sweep that was stopped, kept in the data folder until it is gone on with (`--resume`).
//!
//! The file holds what a finished record would hold: no address, no key, no prompt. Its name is a digest of
//! the server's address and of everything that was asked for, so only the same sweep finds it.

use anyhow::{Context, Result};
use roofmark_facts::load_record::LoadRun;
use roofmark_ledger::digest::Digest;
use std::path::{Path, PathBuf};

/// Largest file that is read back.
const MOST: u64 = 1 << 30;

/// Where the sweep that `asked` describes is kept.
pub fn place(folder: &Path, asked: &str) -> PathBuf {
    folder.join("unfinished").join(format!("load-{}.json", Digest::of(asked.as_bytes()).short()))
}

/// Keeps what is finished so far; the file is whole or as it was before.
pub fn keep(path: &Path, run: &LoadRun) -> Result<()> {
    let what = || format!("failed to keep {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(what)?;
    }
    let part = path.with_extension("part");
    std::fs::write(&part, serde_json::to_vec(run)?).with_context(what)?;
    std::fs::rename(&part, path).with_context(what)
}

/// What was finished, without the cell that was stopped in its middle; `None` where nothing was kept.
pub fn find(path: &Path) -> Result<Option<LoadRun>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = crate::ledger::read_file(path, MOST)?;
    let mut run: LoadRun = serde_json::from_slice(&bytes)
        .with_context(|| format!("failed to read {}: not a load test of this version", path.display()))?;
    run.cells.retain(|cell| !cell.interrupted);
    run.doubts.clear();
    Ok(Some(run))
}

/// The sweep is finished.
pub fn forget(path: &Path) {
    // Left where it cannot be removed, it costs nothing but space.
    let _ = std::fs::remove_file(path);
}
