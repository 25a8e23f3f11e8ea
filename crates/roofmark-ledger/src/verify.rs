//! Checking what is stored: chain, signatures and index of a ledger; signatures and links of a bundle.
//!
//! Recomputing statistics and judging rates by physics need crates that the ledger does not see; the
//! records come back from here for that.

use crate::bundle::Bundle;
use crate::digest::Digest;
use crate::envelope::RECORD;
use crate::error::Error;
use crate::key::PublicKey;
use crate::ledger::{Ledger, Stored};
use crate::record::Record;
use crate::store::column;
use crate::summary::Summary;
use std::collections::BTreeMap;

/// Records that are read at a time.
const PAGE: i64 = 500;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Records that were looked at.
    pub records: i64,
    /// Records whose predecessor was there and had the hash that they name.
    pub linked: i64,
    /// Places where records are missing between two of a bundle (not an error there).
    pub gaps: i64,
    /// Signers with the number of records that each signed.
    pub signers: BTreeMap<String, i64>,
    /// Everything that is wrong, each with its record.
    pub problems: Vec<String>,
}

impl Report {
    fn wrong(&mut self, sequence: i64, what: impl std::fmt::Display) {
        self.problems.push(format!("record {sequence}: {what}"));
    }

    fn signed(&mut self, signer: &PublicKey) {
        *self.signers.entry(signer.to_string()).or_default() += 1;
    }
}

/// Checks the whole ledger and hands every genuine record (and the inner one of a foreign record) to `each`,
/// which says what else is wrong with it.
///
/// # Errors
/// The store fails.
pub fn ledger(ledger: &mut Ledger, mut each: impl FnMut(&Record) -> Vec<String>) -> Result<Report, Error> {
    let head = ledger.head()?;
    let mut report = Report::default();
    let mut previous = None;
    let mut next = 1;
    loop {
        let page = ledger.stored(next, PAGE)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            while next < stored.sequence {
                report.wrong(next, "is missing");
                next += 1;
                previous = None;
            }
            let hash = Digest::of(stored.payload.as_bytes());
            check(ledger, &mut report, stored, previous, &head.ledger, &mut each)?;
            previous = Some(hash);
            next += 1;
            report.records += 1;
        }
    }
    if head.sequence != next - 1 {
        let what = format!("the chain says that it has {} records", head.sequence);
        report.wrong(next - 1, format!("is the last there, {what}"));
    } else if previous.map(|hash| hash.to_string()).unwrap_or_default() != head.hash {
        report.wrong(head.sequence, "is not the one that the chain ends with");
    }
    Ok(report)
}

fn check(
    ledger: &mut Ledger,
    report: &mut Report,
    stored: Stored,
    previous: Option<Digest>,
    name: &str,
    each: &mut impl FnMut(&Record) -> Vec<String>,
) -> Result<(), Error> {
    let (sequence, hash) = (stored.sequence, stored.hash.clone());
    let record = match stored.sealed().and_then(|sealed| {
        if !sealed.is_genuine(RECORD) {
            return Err(Error::malformed("its signature", "it does not fit the stored bytes"));
        }
        Record::open(sealed)
    }) {
        Ok(record) => record,
        Err(error) => {
            report.wrong(sequence, format!("failed to {error}"));
            return Ok(());
        }
    };
    report.signed(&record.sealed.signer);
    if record.sealed.hash().to_string() != hash {
        report.wrong(sequence, "the stored hash is not that of its bytes");
    }
    if record.header.sequence != sequence || record.header.ledger != name {
        report.wrong(sequence, "it was signed for another place or another ledger");
    }
    match (record.header.previous, previous) {
        (named, found) if named == found => report.linked += 1,
        (_, None) if sequence > 1 => report.wrong(sequence, "the record before it cannot be read"),
        _ => report.wrong(sequence, "the record before it is not the one that it names"),
    }
    match Summary::of(&record) {
        Ok(summary) => check_index(ledger, report, sequence, &summary)?,
        Err(error) => report.wrong(sequence, format!("failed to {error}")),
    }
    let inner = record.inner().ok().flatten();
    for what in each(inner.as_ref().unwrap_or(&record)) {
        report.wrong(sequence, what);
    }
    Ok(())
}

/// The index says what the record says.
fn check_index(
    ledger: &mut Ledger,
    report: &mut Report,
    sequence: i64,
    summary: &Summary,
) -> Result<(), Error> {
    const ENTRY: &str = "SELECT content, kind, signer, points_at, date, machine, backend, engine, version, model, \
        quant, origin FROM entries WHERE sequence = $1";
    const CELLS: &str =
        "SELECT configuration, rate, date, version FROM cells WHERE sequence = $1 ORDER BY place";
    let wanted: Vec<String> = [
        summary.content.to_string(),
        summary.kind.name().to_owned(),
        summary.signer.to_string(),
        summary.points_at.map(|content| content.to_string()).unwrap_or_default(),
        summary.date.clone(),
        summary.machine.clone(),
        summary.backend.clone(),
        summary.engine.clone(),
        summary.version.clone(),
        summary.model.clone(),
        summary.quant.clone(),
        summary.origin.clone(),
    ]
    .into();
    let cells: Vec<(i64, f64, String, String)> = summary
        .cells
        .iter()
        .map(|cell| {
            (summary.configuration(cell), cell.rate.get(), summary.date.clone(), summary.version.clone())
        })
        .collect();
    let (entry, found) = ledger.store().read(async |connection| {
        let row = sqlx::query(ENTRY).bind(sequence).fetch_optional(&mut *connection).await?;
        let entry = row.map(|row| (0..12).map(|at| column(&row, at)).collect::<Result<Vec<String>, _>>());
        let rows = sqlx::query(CELLS).bind(sequence).fetch_all(&mut *connection).await?;
        let cells = rows.iter().map(|row| {
            Ok::<(i64, f64, String, String), crate::store::Failure>((
                column(row, 0)?,
                column(row, 1)?,
                column(row, 2)?,
                column(row, 3)?,
            ))
        });
        Ok((entry.transpose()?.unwrap_or_default(), cells.collect::<Result<Vec<_>, _>>()?))
    })?;
    if entry != wanted || found != cells {
        report.wrong(sequence, "the index says something else than the record");
    }
    check_withdrawal(ledger, report, sequence, summary)
}

/// A record that counts as withdrawn is pointed at by the record that withdrew it.
fn check_withdrawal(
    ledger: &mut Ledger,
    report: &mut Report,
    sequence: i64,
    summary: &Summary,
) -> Result<(), Error> {
    const BY: &str = "SELECT other.points_at FROM entries JOIN entries AS other ON other.sequence = entries.withdrawn \
        WHERE entries.sequence = $1";
    const WITHDRAWN: &str = "SELECT withdrawn FROM entries WHERE sequence = $1";
    let (withdrawn, points_at) = ledger.store().read(async |connection| {
        let row = sqlx::query(WITHDRAWN).bind(sequence).fetch_optional(&mut *connection).await?;
        let withdrawn: i64 = row.map_or(Ok(0), |row| column(&row, 0))?;
        if withdrawn == 0 {
            return Ok((0, String::new()));
        }
        let row = sqlx::query(BY).bind(sequence).fetch_optional(&mut *connection).await?;
        Ok((withdrawn, row.map_or(Ok(String::new()), |row| column(&row, 0))?))
    })?;
    if withdrawn != 0 && points_at != summary.content.to_string() {
        report.wrong(
            sequence,
            format!("it is marked as withdrawn by record {withdrawn}, which does not say so"),
        );
    }
    Ok(())
}

/// Checks the links between the records of a bundle, whose signatures were checked when it was read.
pub fn bundle(bundle: &Bundle, mut each: impl FnMut(&Record) -> Vec<String>) -> Report {
    let mut report = Report::default();
    let mut before: BTreeMap<String, &Record> = BTreeMap::new();
    for record in &bundle.records {
        report.records += 1;
        report.signed(&record.sealed.signer);
        let sequence = record.header.sequence;
        match before.insert(record.header.ledger.clone(), record) {
            Some(last) if last.header.sequence + 1 == sequence => {
                if record.header.previous == Some(last.sealed.hash()) {
                    report.linked += 1;
                } else {
                    report.wrong(sequence, "the record before it is not the one that it names");
                }
            }
            Some(last) if last.header.sequence >= sequence => {
                report.wrong(sequence, "it stands after a later record of its ledger");
            }
            _ if sequence > 1 => report.gaps += 1,
            _ => report.linked += 1,
        }
        for what in each(record) {
            report.wrong(sequence, what);
        }
    }
    report
}
