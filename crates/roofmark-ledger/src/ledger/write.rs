//! Appending: the head row is taken, the record is chained and signed, the index is written, the head moves on.

use super::Appended;
use crate::digest::Digest;
use crate::envelope::{RECORD, Sealed};
use crate::error::Error;
use crate::key::Signer;
use crate::observation::Timed;
use crate::record::{Draft, FORMAT, Header, Kind, Record, payload};
use crate::store::{Failure, Question, Value, column};
use crate::summary::{Cell, Summary};
use roofmark_facts::units::TokensPerSecond;
use sqlx::AnyConnection;
use std::collections::BTreeMap;

/// Rows written by one statement: both databases take more values than these have.
const ROWS: usize = 200;
/// Payload that is written by statements of several rows.
const MOST_BYTES: usize = 16 << 20;

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
    let mut records = Vec::with_capacity(drafts.len());
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
        previous = Some(record.sealed.hash());
        records.push(record);
    }
    insert(connection, &records).await?;
    let summaries = records.iter().map(|record| Ok((record.header.sequence, Summary::of(record)?)));
    index(connection, &summaries.collect::<Result<Vec<_>, Error>>()?).await?;
    sqlx::query("UPDATE head SET hash = $1 WHERE one = 1")
        .bind(previous.map(|hash| hash.to_string()).unwrap_or_default())
        .execute(connection)
        .await?;
    let appended = |record: Record| Appended { content: record.content, sequence: record.header.sequence };
    Ok(records.into_iter().map(appended).collect())
}

async fn insert(connection: &mut AnyConnection, records: &[Record]) -> Result<(), Failure> {
    // Large records go one by one: a statement of hundreds of megabytes helps nobody.
    let bytes: usize = records.iter().map(|record| record.sealed.payload.len()).sum();
    for some in records.chunks(if bytes < MOST_BYTES { ROWS } else { 1 }) {
        let mut insert =
            Question::new("INSERT INTO records (sequence, hash, signer, signature, payload) VALUES");
        for record in some {
            let sealed = &record.sealed;
            insert.row([
                record.header.sequence.into(),
                sealed.hash().to_string().into(),
                sealed.signer.to_string().into(),
                sealed.signature.as_str().into(),
                sealed.payload.as_str().into(),
            ]);
        }
        insert.run(connection).await?;
    }
    Ok(())
}

/// Writes what records are searched by: each with its place in the chain.
pub async fn index(connection: &mut AnyConnection, summaries: &[(i64, Summary)]) -> Result<(), Failure> {
    for some in summaries.chunks(ROWS) {
        index_entries(connection, some).await?;
    }
    let cells: Vec<(i64, i64, &Summary, &Cell)> = summaries
        .iter()
        .flat_map(|(sequence, summary)| {
            (0..).zip(&summary.cells).map(move |(place, cell)| (*sequence, place, summary, cell))
        })
        .collect();
    for some in cells.chunks(ROWS) {
        index_cells(connection, some).await?;
        describe(connection, some).await?;
    }
    for (sequence, summary) in summaries {
        if let Some(points_at) = summary.points_at {
            withdraw(connection, *sequence, summary, &points_at.to_string()).await?;
        }
    }
    Ok(())
}

async fn index_entries(connection: &mut AnyConnection, some: &[(i64, Summary)]) -> Result<(), Failure> {
    let mut insert = Question::new(
        "INSERT INTO entries (sequence, content, kind, signer, foreign_copy, points_at, date, machine, backend, \
         engine, version, model, quant, origin, cells, prefill, decode, withdrawn) VALUES",
    );
    for (sequence, summary) in some {
        let rate = |timed| Value::Rate(summary.best(timed).map(TokensPerSecond::get));
        insert.row([
            (*sequence).into(),
            summary.content.to_string().into(),
            summary.kind.name().into(),
            summary.signer.to_string().into(),
            i64::from(summary.foreign).into(),
            summary.points_at.map(|content| content.to_string()).unwrap_or_default().into(),
            summary.date.as_str().into(),
            summary.machine.as_str().into(),
            summary.backend.as_str().into(),
            summary.engine.as_str().into(),
            summary.version.as_str().into(),
            summary.model.as_str().into(),
            summary.quant.as_str().into(),
            summary.origin.as_str().into(),
            whole(summary.cells.len() as u64).into(),
            rate(Timed::Prefill),
            rate(Timed::Decode),
            0.into(),
        ]);
    }
    insert.push(" ON CONFLICT (content) DO NOTHING");
    if insert.run(connection).await? < some.len() as u64 {
        return Err(duplicate(connection, some).await?.into());
    }
    Ok(())
}

/// Which of `some` was there before.
async fn duplicate(connection: &mut AnyConnection, some: &[(i64, Summary)]) -> Result<Error, Failure> {
    for (own, summary) in some {
        let row = sqlx::query("SELECT sequence FROM entries WHERE content = $1 AND sequence <> $2")
            .bind(summary.content.to_string())
            .bind(own)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = row {
            let sequence = column(&row, 0)?;
            return Ok(Error::Duplicate { content: summary.content.short(), sequence });
        }
    }
    Ok(Error::malformed("the index", "it refuses a record that it does not hold"))
}

async fn index_cells(
    connection: &mut AnyConnection,
    some: &[(i64, i64, &Summary, &Cell)],
) -> Result<(), Failure> {
    let mut insert = Question::new(
        "INSERT INTO cells (sequence, place, configuration, date, version, rate, low, high, samples, void) VALUES",
    );
    for (sequence, place, summary, cell) in some {
        insert.row([
            (*sequence).into(),
            (*place).into(),
            summary.configuration(cell).into(),
            summary.date.as_str().into(),
            summary.version.as_str().into(),
            Value::Rate(Some(cell.rate.get())),
            Value::Rate(cell.bounds.map(|(low, _)| low.get())),
            Value::Rate(cell.bounds.map(|(_, high)| high.get())),
            i64::from(cell.samples).into(),
            i64::from(cell.void).into(),
        ]);
    }
    insert.run(connection).await.map(drop)
}

/// Names the configurations of `some` cells, each once.
async fn describe(
    connection: &mut AnyConnection,
    some: &[(i64, i64, &Summary, &Cell)],
) -> Result<(), Failure> {
    let distinct: BTreeMap<i64, (&Summary, &Cell)> =
        some.iter().map(|(_, _, summary, cell)| (summary.configuration(cell), (*summary, *cell))).collect();
    let mut insert = Question::new(
        "INSERT INTO configurations (configuration, machine, backend, engine, model, quant, timed, prompt, \
         generated, depth, batch) VALUES",
    );
    for (configuration, (summary, cell)) in distinct {
        let count = |value: Option<u64>| Value::Count(value.map(whole));
        insert.row([
            configuration.into(),
            summary.machine.as_str().into(),
            summary.backend.as_str().into(),
            summary.engine.as_str().into(),
            summary.model.as_str().into(),
            summary.quant.as_str().into(),
            cell.timed.name().into(),
            count(cell.prompt),
            count(cell.generated),
            count(cell.depth),
            count(cell.batch),
        ]);
    }
    insert.push(" ON CONFLICT DO NOTHING");
    insert.run(connection).await.map(drop)
}

/// A count as both databases keep it.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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
