//! SHA-256 of model files, kept beside the ledger so that a file of gigabytes is read once.

use crate::ledger;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use roofmark_facts::gguf::PartName;
use roofmark_facts::units::Bytes;
use roofmark_ledger::digest::{Digest, Hasher};
use roofmark_ledger::record::ModelFile;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;
/// Files below this are hashed before a bar would show.
const SHORT: u64 = 256 << 20;
/// Most files whose digest is remembered.
const REMEMBERED: usize = 500;

/// A digest with what it was computed of.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    path: PathBuf,
    size: u64,
    modified_ns: u64,
    sha256: Digest,
}

/// The files of the model at `path` (all parts of a split one) with their digests.
pub fn files(path: &Path) -> Result<Vec<ModelFile>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let paths: Vec<PathBuf> = match PartName::parse(&name) {
        Some(part) => part.siblings().map(|sibling| path.with_file_name(sibling)).collect(),
        None => vec![path.to_owned()],
    };
    paths.iter().map(|path| file(path)).collect()
}

fn file(path: &Path) -> Result<ModelFile> {
    let failed = || format!("failed to read {}", path.display());
    let found = fs::metadata(path).with_context(failed)?;
    let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let wanted = Known {
        path: fs::canonicalize(path).with_context(failed)?,
        size: found.len(),
        modified_ns: u64::try_from(modified.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX),
        sha256: Digest::of(&[]),
    };
    let mut known = remembered();
    let same = |one: &&Known| Known { sha256: wanted.sha256, ..(*one).clone() } == wanted;
    let sha256 = match known.iter().find(same) {
        Some(one) => one.sha256,
        None => {
            let sha256 = digest(path, wanted.size).with_context(failed)?;
            known.retain(|one| one.path != wanted.path);
            known.push(Known { sha256, ..wanted });
            remember(&known);
            sha256
        }
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(ModelFile { name, size: Bytes(found.len() as f64), sha256 })
}

fn digest(path: &Path, size: u64) -> std::io::Result<Digest> {
    let bar = if size < SHORT { ProgressBar::hidden() } else { ProgressBar::new(size) };
    if let Ok(style) = ProgressStyle::with_template("SHA-256 of the model {bar:30} {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            bar.finish_and_clear();
            return Ok(hasher.end());
        }
        hasher.add(&piece[..count]);
        bar.inc(count as u64);
    }
}

fn store() -> Option<PathBuf> {
    ledger::folder().ok().map(|folder| folder.join("model-digests.json"))
}

/// An unreadable list is an empty one: the files are read again.
fn remembered() -> Vec<Known> {
    let text = store().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn remember(known: &[Known]) {
    let newest = &known[known.len().saturating_sub(REMEMBERED)..];
    let (Some(path), Ok(text)) = (store(), serde_json::to_string_pretty(newest)) else { return };
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    if fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path)).is_err() {
        let _ = fs::remove_file(&draft);
    }
}
