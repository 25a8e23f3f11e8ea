//! What can go wrong, each with the place and the value. Texts complete "failed to …".

use std::path::PathBuf;

/// An error of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached or refuses to write: a run is spooled.
    #[error("reach the ledger {place}: {reason}")]
    Store {
        /// Address without its password, or path.
        place: String,
        /// What the database said, with what to do where that is known.
        reason: String,
    },
    /// The store was written by a newer Roofmark.
    #[error("open the ledger {place}: its schema is version {found}, this program knows up to {known}")]
    NewerSchema {
        /// Address or path.
        place: String,
        /// Version in the store.
        found: i64,
        /// Newest known version.
        known: i64,
    },
    /// A file could not be read or written.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// Verb: read, write, create.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A key file that is no key, or is open to others.
    #[error("use the key in {path}: {reason}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Stored or received bytes that are not a record.
    #[error("read {what}: {reason}")]
    Malformed {
        /// Which record, line or file.
        what: String,
        /// What is wrong, with the value.
        reason: String,
    },
    /// The same content is in the ledger already.
    #[error("add {content}: already in the ledger as record {sequence}")]
    Duplicate {
        /// Identity of the content.
        content: String,
        /// Where it is.
        sequence: i64,
    },
    /// No record has this identity.
    #[error("find record {wanted}: {hint}")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What there is.
        hint: String,
    },
    /// A record that would give private data away.
    #[error("export record {content}: it holds {what}")]
    Private {
        /// Identity of the content.
        content: String,
        /// What was found in it.
        what: String,
    },
}

impl Error {
    /// A refusal of bytes that came from outside.
    pub(crate) fn malformed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), reason: reason.into() }
    }

    /// Whether the record may be stored later: the store failed, not the record.
    #[must_use]
    pub fn is_store(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::NewerSchema { .. })
    }
}
