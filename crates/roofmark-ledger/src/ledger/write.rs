//! Appending: the head row is taken, the record is chained and signed, the index is written, the head moves on.

use super::Appended;
use crate::digest::Digest;
use crate::envelope::{RECORD, Sealed};
use crate::error::Error;
use crate::key::Signer;
use crate::observation::Timed;
use crate::record::{Draft, FORMAT, Header, Kind, Record, payload};
use crate::store::{Failure, column};
use crate::summary::{Cell, Summary};
use roofmark_facts::units::TokensPerSecond;
use sqlx::AnyConnection;

/// Appends `drafts` inside the transaction of `connection`.
pub async fn append(
    connection: &mut AnyConnection,
    drafts: &[Draft],
    signer: &Signer,
    tool: &str,
) -> Result<Vec<Appended>, Failure> {
    let count = i64::try_from(drafts.len()).unwrap_or(i64::MAX);
    // The first statement of the transaction writes: it puts all writers in one line.
    let head = sqlx::query(
        "UPDATE head SET sequence = sequence + $1 WHERE one = 1 RETURNING ledger, sequence, hash",
    )
    .bind(count)
    .fetch_one(&mut *connection)
    .await?;
    let (ledger, end, hash): (String, i64, String) =
        (column(&head, 0)?, column(&head, 1)?, column(&head, 2)?);
    let mut previous = Digest::try_from(hash).ok();
    let recorded = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let mut appended = Vec::with_capacity(drafts.len());
    for (draft, sequence) in drafts.iter().zip(end - count + 1..) {
        let header = Header {
            format: FORMAT.to_owned(),
            ledger: ledger.clone(),
            sequence,
            previous,
            recorded: recorded.clone(),
            kind: draft.kind,
            tool: tool.to_owned(),
            signer: signer.public(),
            points_at: draft.points_at,
        };
        let record = Record::open(Sealed::seal(RECORD, payload(&header, &draft.body)?, signer))?;
        let hash = insert(connection, &record).await?;
        appended.push(Appended { content: record.content, sequence });
        previous = Some(hash);
    }
    sqlx::query("UPDATE head SET hash = $1 WHERE one = 1")
        .bind(previous.map(|hash| hash.to_string()).unwrap_or_default())
        .execute(connection)
        .await?;
    Ok(appended)
}

async fn insert(connection: &mut AnyConnection, record: &Record) -> Result<Digest, Failure> {
    let (sealed, sequence) = (&record.sealed, record.header.sequence);
    let summary = Summary::of(record)?;
    refuse_duplicate(connection, &summary).await?;
    let hash = sealed.hash();
    sqlx::query(
        "INSERT INTO records (sequence, hash, signer, signature, payload) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(sequence)
    .bind(hash.to_string())
    .bind(sealed.signer.to_string())
    .bind(&sealed.signature)
    .bind(&sealed.payload)
    .execute(&mut *connection)
    .await?;
    index(connection, sequence, &summary).await?;
    Ok(hash)
}

async fn refuse_duplicate(connection: &mut AnyConnection, summary: &Summary) -> Result<(), Failure> {
    let content = summary.content.to_string();
    let row = sqlx::query("SELECT sequence FROM entries WHERE content = $1")
        .bind(&content)
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => {
            Err(Error::Duplicate { content: summary.content.short(), sequence: column(&row, 0)? }.into())
        }
        None => Ok(()),
    }
}

/// Writes what a record is searched by.
pub async fn index(connection: &mut AnyConnection, sequence: i64, summary: &Summary) -> Result<(), Failure> {
    const INSERT: &str = "INSERT INTO entries (sequence, content, kind, signer, foreign_copy, points_at, date, \
        machine, backend, engine, version, model, quant, origin, cells, prefill, decode, withdrawn) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0)";
    let points_at = summary.points_at.map(|content| content.to_string()).unwrap_or_default();
    sqlx::query(INSERT)
        .bind(sequence)
        .bind(summary.content.to_string())
        .bind(summary.kind.name())
        .bind(summary.signer.to_string())
        .bind(i64::from(summary.foreign))
        .bind(&points_at)
        .bind(&summary.date)
        .bind(&summary.machine)
        .bind(&summary.backend)
        .bind(&summary.engine)
        .bind(&summary.version)
        .bind(&summary.model)
        .bind(&summary.quant)
        .bind(&summary.origin)
        .bind(i64::try_from(summary.cells.len()).unwrap_or(i64::MAX))
        .bind(summary.best(Timed::Prefill).map(TokensPerSecond::get))
        .bind(summary.best(Timed::Decode).map(TokensPerSecond::get))
        .execute(&mut *connection)
        .await?;
    for (place, cell) in (0..).zip(&summary.cells) {
        index_cell(connection, sequence, place, summary, cell).await?;
    }
    if summary.points_at.is_some() {
        withdraw(connection, sequence, summary, &points_at).await?;
    }
    Ok(())
}

async fn index_cell(
    connection: &mut AnyConnection,
    sequence: i64,
    place: i64,
    summary: &Summary,
    cell: &Cell,
) -> Result<(), Failure> {
    const INSERT: &str = "INSERT INTO cells (sequence, place, configuration, date, version, rate, low, high, samples, \
        void) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    const DESCRIBE: &str = "INSERT INTO configurations (configuration, machine, backend, engine, model, quant, timed, \
        prompt, generated, depth, batch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
    let count = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    let configuration = summary.configuration(cell);
    sqlx::query(INSERT)
        .bind(sequence)
        .bind(place)
        .bind(configuration)
        .bind(&summary.date)
        .bind(&summary.version)
        .bind(cell.rate.get())
        .bind(cell.bounds.map(|(low, _)| low.get()))
        .bind(cell.bounds.map(|(_, high)| high.get()))
        .bind(i64::from(cell.samples))
        .bind(i64::from(cell.void))
        .execute(&mut *connection)
        .await?;
    sqlx::query(DESCRIBE)
        .bind(configuration)
        .bind(&summary.machine)
        .bind(&summary.backend)
        .bind(&summary.engine)
        .bind(&summary.model)
        .bind(&summary.quant)
        .bind(cell.timed.name())
        .bind(count(cell.prompt))
        .bind(count(cell.generated))
        .bind(count(cell.depth))
        .bind(count(cell.batch))
        .execute(connection)
        .await?;
    Ok(())
}

/// Marks the record that a correction or retraction points at. A stranger withdraws only what they signed.
async fn withdraw(
    connection: &mut AnyConnection,
    sequence: i64,
    summary: &Summary,
    points_at: &str,
) -> Result<(), Failure> {
    let target = sqlx::query("SELECT signer, withdrawn FROM entries WHERE content = $1 AND content <> $2")
        .bind(points_at)
        .bind(summary.content.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(target) = target else {
        // A bundle may hold a retraction without the record that it withdraws.
        return if summary.foreign { Ok(()) } else { Err(no_target(points_at).into()) };
    };
    let (signer, withdrawn): (String, i64) = (column(&target, 0)?, column(&target, 1)?);
    if summary.foreign && signer != summary.signer.to_string() {
        return Ok(());
    }
    if withdrawn != 0 && summary.kind == Kind::Retraction && !summary.foreign {
        let reason = format!("it was withdrawn by record {withdrawn} already");
        return Err(Error::malformed(format!("record {}", &points_at[..12]), reason).into());
    }
    sqlx::query("UPDATE entries SET withdrawn = $1 WHERE content = $2")
        .bind(sequence)
        .bind(points_at)
        .execute(connection)
        .await?;
    Ok(())
}

fn no_target(points_at: &str) -> Error {
    Error::Unknown { wanted: points_at.to_owned(), hint: "nothing in the ledger has this identity".into() }
}
