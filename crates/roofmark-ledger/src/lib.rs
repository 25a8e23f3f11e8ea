//! The ledger: append-only, hash-chained, signed records of what was measured, in SQLite or PostgreSQL.
//!
//! A record is one text: a header line and a body. Its bytes are signed once (ed25519 over DSSE's
//! pre-authentication encoding), stored as they are, and never written again in another form.
//! Everything else in the store (dates, names, rates to search by) is derived from those bytes and can be rebuilt.
//!
//! The calls block; a caller that is asynchronous runs them on a thread for blocking work.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod digest;
pub mod envelope;
mod error;
pub mod export;
pub mod import;
pub mod key;
pub mod ledger;
pub mod observation;
pub mod privacy;
pub mod query;
pub mod record;
pub mod spool;
mod store;
pub mod summary;
pub mod verify;

pub use error::Error;
pub use ledger::{Appended, Ledger, Options};
pub use record::{Draft, Kind};
