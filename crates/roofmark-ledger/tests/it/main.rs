//! The ledger as its callers see it, on SQLite and, where one is given, on a real PostgreSQL.

mod common;
#[cfg(target_os = "linux")]
mod faults;
mod hostile;
mod imports;
mod life;
mod migration;
mod privacy;
