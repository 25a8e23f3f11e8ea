//! The spool: where a run waits while its ledger cannot be reached.
//!
//! One file a record, named by its content. The first line says what it is, the rest is the body. Folders are tried
//! in order; the next start takes in what it finds in any of them.

use crate::digest::Digest;
use crate::error::Error;
use crate::ledger::{Appended, Ledger};
use crate::record::{Draft, Kind, LARGEST};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const FORMAT: &str = "roofmark-spool/1";
const ENDING: &str = "spool";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    kind: Kind,
    points_at: Option<Digest>,
    body_sha256: Digest,
}

/// Keeps `draft` in the first folder that takes it, safe against loss of power.
///
/// # Errors
/// No folder can be written; the error is the last folder's.
pub fn keep(folders: &[PathBuf], draft: &Draft) -> Result<PathBuf, Error> {
    let mut last = Error::malformed("the spool", "it has no folder");
    for folder in folders {
        match keep_in(folder, draft) {
            Ok(path) => return Ok(path),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn keep_in(folder: &Path, draft: &Draft) -> Result<PathBuf, Error> {
    let body_sha256 = Digest::of(draft.body.as_bytes());
    let head = Head { format: FORMAT.to_owned(), kind: draft.kind, points_at: draft.points_at, body_sha256 };
    let head =
        serde_json::to_string(&head).map_err(|error| Error::malformed("the spool", error.to_string()))?;
    create_private(folder).map_err(|source| Error::File {
        action: "create",
        path: folder.to_owned(),
        source,
    })?;
    let path = folder.join(format!("{}.{ENDING}", body_sha256.short()));
    let draft_path = path.with_extension("part");
    let written = fs::File::create(&draft_path).and_then(|mut file| {
        file.write_all(format!("{head}\n{}", draft.body).as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft_path, &path)
    });
    written.map_err(|source| Error::File { action: "write", path: path.clone(), source })?;
    Ok(path)
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// What became of the files in the spool.
#[derive(Debug, Default)]
pub struct TakenIn {
    /// Records that are in the ledger now.
    pub kept: Vec<Appended>,
    /// Files that are no records, left where they are under another name, each with the reason.
    pub refused: Vec<(PathBuf, String)>,
}

/// Appends what waits in `folders` to `ledger` and removes it there.
///
/// # Errors
/// The store fails again; what was not taken in stays in the spool.
pub fn take_in(folders: &[PathBuf], ledger: &mut Ledger) -> Result<TakenIn, Error> {
    let mut taken = TakenIn::default();
    for path in folders.iter().filter(|folder| is_ours(folder)).flat_map(|folder| waiting(folder)) {
        match read(&path).and_then(|draft| ledger.append(&draft)) {
            Ok(appended) => {
                taken.kept.push(appended);
                let _ = fs::remove_file(&path);
            }
            // It was written, but the answer did not arrive.
            Err(Error::Duplicate { .. }) => {
                let _ = fs::remove_file(&path);
            }
            Err(error) if error.is_store() => return Err(error),
            Err(error) => {
                let _ = fs::rename(&path, path.with_extension("refused"));
                taken.refused.push((path, error.to_string()));
            }
        }
    }
    Ok(taken)
}

fn waiting(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .collect();
    paths.sort();
    paths
}

/// A folder that others can write to would let them have their records signed by this user.
#[cfg(unix)]
fn is_ours(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = fs::symlink_metadata(folder) else { return false };
    let me = this_user();
    found.is_dir() && found.mode() & 0o022 == 0 && me.is_none_or(|me| me == found.uid())
}

#[cfg(not(unix))]
fn is_ours(folder: &Path) -> bool {
    folder.is_dir()
}

/// The user that this process runs as, where the system shows it.
#[cfg(unix)]
fn this_user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").ok().map(|found| found.uid())
}

fn read(path: &Path) -> Result<Draft, Error> {
    let refuse = |reason: String| Error::malformed(path.display().to_string(), reason);
    let file = fs::File::open(path).map_err(|source| Error::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let mut text = String::new();
    file.take(LARGEST as u64 + 4096).read_to_string(&mut text).map_err(|error| refuse(error.to_string()))?;
    let (head, body) = text.split_once('\n').ok_or_else(|| refuse("it has no first line".into()))?;
    let head: Head = serde_json::from_str(head).map_err(|error| refuse(error.to_string()))?;
    if head.format != FORMAT {
        return Err(refuse("its format is not known".into()));
    }
    if Digest::of(body.as_bytes()) != head.body_sha256 {
        return Err(refuse("its body was changed or cut off".into()));
    }
    Ok(Draft { kind: head.kind, body: body.to_owned(), points_at: head.points_at })
}
