//! Opening a ledger, appending to it, and reading records back.

mod schema;
mod write;

use crate::digest::Digest;
use crate::envelope::Sealed;
use crate::error::Error;
use crate::key::{PublicKey, Signer};
use crate::record::{Draft, Record};
pub use crate::store::Place;
use crate::store::{Failure, Store, column};
use sqlx::any::AnyRow;
use std::time::Duration;

/// How to open a ledger.
pub struct Options {
    /// Where it is.
    pub place: Place,
    /// Survive a loss of power, not only the death of the program: one sync per append.
    pub durable: bool,
    /// Longest time that a call waits for a lock or an answer.
    pub patience: Duration,
    /// Name and version of the calling program, kept in each record.
    pub tool: String,
}

/// An open ledger.
pub struct Ledger {
    store: Store,
    signer: Signer,
    tool: String,
}

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Identity of its content.
    pub content: Digest,
    /// Its place in the chain.
    pub sequence: i64,
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Identity of the ledger.
    pub ledger: String,
    /// Records written.
    pub sequence: i64,
    /// Hash of the last one; empty before the first.
    pub hash: String,
}

impl Ledger {
    /// Opens the ledger, makes it when there is none, and brings an older one to the newest schema.
    ///
    /// # Errors
    /// The store cannot be reached or written, or was written by a newer program.
    pub fn open(options: Options, signer: Signer) -> Result<Self, Error> {
        let mut store = Store::connect(options.place, options.durable, options.patience)?;
        schema::migrate(&mut store)?;
        Ok(Self { store, signer, tool: options.tool })
    }

    /// Where it is, as it may be shown.
    #[must_use]
    pub fn place(&self) -> String {
        self.store.place().shown()
    }

    /// Key that signs new records.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.signer.public()
    }

    /// Writes one record. When this returns, the record is kept.
    ///
    /// # Errors
    /// The draft is malformed or in the ledger already, or the store fails.
    pub fn append(&mut self, draft: &Draft) -> Result<Appended, Error> {
        let mut appended = self.append_all(std::slice::from_ref(draft))?;
        appended.pop().ok_or_else(|| Error::malformed("the new record", "it is empty"))
    }

    /// Writes several records: all of them or none.
    ///
    /// # Errors
    /// As [`Self::append`], for any of them.
    pub fn append_all(&mut self, drafts: &[Draft]) -> Result<Vec<Appended>, Error> {
        let (signer, tool) = (&self.signer, &self.tool);
        self.store.transaction(async |connection| write::append(connection, drafts, signer, tool).await)
    }

    /// The end of the chain.
    ///
    /// # Errors
    /// The store fails.
    pub fn head(&mut self) -> Result<Head, Error> {
        self.store.read(async |connection| {
            let row = sqlx::query("SELECT ledger, sequence, hash FROM head").fetch_one(connection).await?;
            Ok(Head { ledger: column(&row, 0)?, sequence: column(&row, 1)?, hash: column(&row, 2)? })
        })
    }

    /// The record at `sequence`, its signature not checked.
    ///
    /// # Errors
    /// There is none, it cannot be read, or the store fails.
    pub fn record(&mut self, sequence: i64) -> Result<Record, Error> {
        let rows = self.stored(sequence, 1)?;
        match rows.into_iter().next() {
            Some(stored) if stored.sequence == sequence => Record::open(stored.sealed()?),
            _ => Err(Error::Unknown { wanted: sequence.to_string(), hint: "there is no such place".into() }),
        }
    }

    /// Up to `count` stored rows from `sequence` on, as they stand in the store.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) fn stored(&mut self, sequence: i64, count: i64) -> Result<Vec<Stored>, Error> {
        const SELECT: &str = "SELECT sequence, hash, signer, signature, payload FROM records \
            WHERE sequence >= $1 ORDER BY sequence LIMIT $2";
        self.store.read(async |connection| {
            let rows = sqlx::query(SELECT).bind(sequence).bind(count).fetch_all(connection).await?;
            rows.iter().map(stored).collect()
        })
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}

/// A row of `records`.
pub(crate) struct Stored {
    pub sequence: i64,
    pub hash: String,
    pub signer: String,
    pub signature: String,
    pub payload: String,
}

impl Stored {
    /// The signed bytes.
    pub fn sealed(self) -> Result<Sealed, Error> {
        let what = format!("record {}", self.sequence);
        let signer = PublicKey::try_from(self.signer).map_err(|reason| Error::malformed(what, reason))?;
        Ok(Sealed { payload: self.payload, signer, signature: self.signature })
    }
}

fn stored(row: &AnyRow) -> Result<Stored, Failure> {
    Ok(Stored {
        sequence: column(row, 0)?,
        hash: column(row, 1)?,
        signer: column(row, 2)?,
        signature: column(row, 3)?,
        payload: column(row, 4)?,
    })
}
