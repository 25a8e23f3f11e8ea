//! The schema, version by version, and the way from any earlier one to the newest.
//!
//! `records` and `head` hold what was signed and never change their form. The other tables are an index derived from
//! them: a version that changes it drops the old tables and fills the new ones from the records.

use super::stored;
use super::write::index;
use crate::digest::to_hex;
use crate::error::Error;
use crate::record::Record;
use crate::store::{Failure, Store, column};
use crate::summary::Summary;
use sqlx::AnyConnection;

/// Rows that are indexed between two reads.
const PAGE: i64 = 500;

/// One step from a version to the next.
struct Migration {
    statements: &'static [&'static str],
    /// The index is filled again from the records.
    index: bool,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        statements: &[
            "CREATE TABLE head (one BIGINT PRIMARY KEY, ledger TEXT NOT NULL, sequence BIGINT NOT NULL, \
                hash TEXT NOT NULL)",
            "CREATE TABLE records (sequence BIGINT PRIMARY KEY, hash TEXT NOT NULL, signer TEXT NOT NULL, \
                signature TEXT NOT NULL, payload TEXT NOT NULL)",
            "CREATE TABLE entries (sequence BIGINT PRIMARY KEY, content TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, \
                date TEXT NOT NULL, machine TEXT NOT NULL, model TEXT NOT NULL)",
        ],
        index: false,
    },
    Migration {
        statements: &[
            "DROP TABLE entries",
            "CREATE TABLE entries (sequence BIGINT PRIMARY KEY, content TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, \
                signer TEXT NOT NULL, foreign_copy BIGINT NOT NULL, points_at TEXT NOT NULL, date TEXT NOT NULL, \
                machine TEXT NOT NULL, backend TEXT NOT NULL, engine TEXT NOT NULL, version TEXT NOT NULL, \
                model TEXT NOT NULL, quant TEXT NOT NULL, origin TEXT NOT NULL, cells BIGINT NOT NULL, \
                prefill DOUBLE PRECISION, decode DOUBLE PRECISION, withdrawn BIGINT NOT NULL)",
            "CREATE TABLE cells (sequence BIGINT NOT NULL, place BIGINT NOT NULL, configuration BIGINT NOT NULL, \
                date TEXT NOT NULL, version TEXT NOT NULL, rate DOUBLE PRECISION NOT NULL, low DOUBLE PRECISION, \
                high DOUBLE PRECISION, samples BIGINT NOT NULL, void BIGINT NOT NULL, PRIMARY KEY (sequence, place))",
            "CREATE TABLE configurations (configuration BIGINT PRIMARY KEY, machine TEXT NOT NULL, \
                backend TEXT NOT NULL, engine TEXT NOT NULL, model TEXT NOT NULL, quant TEXT NOT NULL, \
                timed TEXT NOT NULL, prompt BIGINT, generated BIGINT, depth BIGINT, batch BIGINT)",
            "CREATE INDEX entries_by_date ON entries (date)",
            "CREATE INDEX entries_by_machine ON entries (machine, model, date)",
            "CREATE INDEX entries_by_model ON entries (model, date)",
            "CREATE INDEX entries_by_engine ON entries (engine, version, date)",
            "CREATE INDEX entries_by_quant ON entries (quant, date)",
            "CREATE INDEX entries_by_decode ON entries (decode)",
            "CREATE INDEX entries_by_kind ON entries (kind, date)",
            "CREATE INDEX cells_by_configuration ON cells (configuration, date)",
        ],
        index: true,
    },
    // Indexes that end with the order of the lists, so that a page is read and not sorted for: one for each
    // order of a list, and one for each name with the newest first.
    Migration {
        statements: &[
            "DROP INDEX entries_by_date",
            "DROP INDEX entries_by_machine",
            "DROP INDEX entries_by_model",
            "DROP INDEX entries_by_engine",
            "DROP INDEX entries_by_quant",
            "DROP INDEX entries_by_decode",
            "DROP INDEX entries_by_kind",
            "CREATE INDEX entries_by_date ON entries (date, sequence)",
            "CREATE INDEX entries_by_machine ON entries (machine, date, sequence)",
            "CREATE INDEX entries_by_machine_model ON entries (machine, model, date, sequence)",
            "CREATE INDEX entries_by_model ON entries (model, date, sequence)",
            "CREATE INDEX entries_by_engine ON entries (engine, date, sequence)",
            "CREATE INDEX entries_by_version ON entries (version, date, sequence)",
            "CREATE INDEX entries_by_backend ON entries (backend, date, sequence)",
            "CREATE INDEX entries_by_quant ON entries (quant, date, sequence)",
            "CREATE INDEX entries_by_kind ON entries (kind, date, sequence)",
            "CREATE INDEX entries_by_decode ON entries ((COALESCE(decode, -1)), sequence)",
            "CREATE INDEX entries_by_prefill ON entries ((COALESCE(prefill, -1)), sequence)",
            // The fastest of one machine or model are rarely among the fastest of all.
            "CREATE INDEX entries_by_machine_decode ON entries (machine, (COALESCE(decode, -1)), sequence)",
            "CREATE INDEX entries_by_machine_prefill ON entries (machine, (COALESCE(prefill, -1)), sequence)",
            "CREATE INDEX entries_by_model_decode ON entries (model, (COALESCE(decode, -1)), sequence)",
            "CREATE INDEX entries_by_model_prefill ON entries (model, (COALESCE(prefill, -1)), sequence)",
        ],
        index: false,
    },
];

/// The newest version.
pub const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Brings the store to the newest version. A store that is there already is only asked for its version.
pub fn migrate(store: &mut Store) -> Result<(), Error> {
    let place = store.place().shown();
    if store.read(async |connection| Ok(version(connection).await.unwrap_or(0)))? == NEWEST {
        return Ok(());
    }
    store.alone(async |connection| {
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS schema_version (one BIGINT PRIMARY KEY, version BIGINT NOT NULL)",
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query("INSERT INTO schema_version (one, version) VALUES (1, 0) ON CONFLICT DO NOTHING")
            .execute(&mut *connection)
            .await?;
        let found = version(connection).await?;
        if found > NEWEST {
            return Err(Error::NewerSchema { place, found, known: NEWEST }.into());
        }
        step_up(connection, found).await
    })
}

async fn version(connection: &mut AnyConnection) -> Result<i64, Failure> {
    let row = sqlx::query("SELECT version FROM schema_version").fetch_one(connection).await?;
    column(&row, 0)
}

async fn step_up(connection: &mut AnyConnection, found: i64) -> Result<(), Failure> {
    let steps = MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0));
    let mut refill = false;
    for migration in steps {
        for statement in migration.statements {
            sqlx::query(*statement).execute(&mut *connection).await?;
        }
        refill |= migration.index;
    }
    if found == 0 {
        name_ledger(connection).await?;
    }
    if refill {
        fill(connection).await?;
    }
    sqlx::query("UPDATE schema_version SET version = $1").bind(NEWEST).execute(connection).await?;
    Ok(())
}

async fn name_ledger(connection: &mut AnyConnection) -> Result<(), Failure> {
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|error| Error::malformed("a random name", error.to_string()))?;
    sqlx::query("INSERT INTO head (one, ledger, sequence, hash) VALUES (1, $1, 0, '')")
        .bind(to_hex(&name))
        .execute(connection)
        .await?;
    Ok(())
}

/// Derives the index from the records.
async fn fill(connection: &mut AnyConnection) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let rows = sqlx::query(
            "SELECT sequence, hash, signer, signature, payload FROM records WHERE sequence > $1 \
             ORDER BY sequence LIMIT $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = column(last, 0)?;
        let mut summaries = Vec::with_capacity(rows.len());
        for row in &rows {
            let record = Record::open(stored(row)?.sealed()?)?;
            summaries.push((record.header.sequence, Summary::of(&record)?));
        }
        index(connection, &summaries).await?;
    }
}
