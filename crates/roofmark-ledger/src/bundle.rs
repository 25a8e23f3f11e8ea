//! Bundles: records in one text file, to hand to somebody else.
//!
//! The first line is a signed list of the records, each further line one record in its envelope, as
//! it was signed when it was written. There are no names of files in it, nothing is compressed and nothing
//! refers to anything outside, so that there is no path to escape from and nothing that unfolds.

use crate::digest::Digest;
use crate::envelope::{MANIFEST, RECORD, Sealed};
use crate::error::Error;
use crate::key::Signer;
use crate::record::{LARGEST, Record};
use crate::summary::Summary;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read};

/// Version of the form.
pub const FORMAT: &str = "roofmark-bundle/1";
/// Most records in one bundle.
pub const MOST_RECORDS: usize = 100_000;
/// Longest line: a payload in base64 with its envelope.
const LONGEST_LINE: usize = LARGEST / 3 * 4 + (1 << 16);
/// Largest file that is read.
pub const LARGEST_FILE: u64 = 1 << 30;

/// What the first line lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// When it was made: UTC.
    pub made: String,
    /// Name and version of the program that made it.
    pub tool: String,
    /// Hash of each record's payload, in order.
    pub records: Vec<Digest>,
}

/// A bundle that was read: every signature fits, every record is the one that the list names.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The list.
    pub manifest: Manifest,
    /// Who made the bundle.
    pub maker: crate::key::PublicKey,
    /// The records, in order.
    pub records: Vec<Record>,
}

/// The text of a bundle of `records`.
///
/// # Errors
/// There are too many records.
pub fn write(records: &[Record], tool: &str, signer: &Signer) -> Result<String, Error> {
    if records.len() > MOST_RECORDS {
        let reason = format!("{} records, at most {MOST_RECORDS} fit", records.len());
        return Err(Error::malformed("the new bundle", reason));
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        made: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        tool: tool.to_owned(),
        records: records.iter().map(|record| record.sealed.hash()).collect(),
    };
    let list = serde_json::to_string(&manifest)
        .map_err(|error| Error::malformed("the new bundle", error.to_string()))?;
    let first = Sealed::seal(MANIFEST, list, signer).to_line(MANIFEST);
    let lines = records.iter().map(|record| record.sealed.to_line(RECORD));
    Ok(std::iter::once(first).chain(lines).map(|line| line + "\n").collect())
}

/// Reads a whole bundle and checks all of it.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn read(input: impl Read) -> Result<Bundle, Error> {
    let mut input = std::io::BufReader::new(input.take(LARGEST_FILE + 1));
    let first = line(&mut input, 1)?.ok_or_else(|| Error::malformed("line 1", "the file is empty"))?;
    let list = Sealed::from_line(MANIFEST, &first, "line 1")?;
    let manifest: Manifest = serde_json::from_str(&list.payload)
        .map_err(|error| Error::malformed("line 1", format!("the list: {error}")))?;
    if manifest.format != FORMAT {
        let reason = format!(
            "format \"{}\" is not known, wanted \"{FORMAT}\"",
            crate::summary::clean(&manifest.format)
        );
        return Err(Error::malformed("line 1", reason));
    }
    if manifest.records.len() > MOST_RECORDS {
        let reason = format!("{} records, at most {MOST_RECORDS} are read", manifest.records.len());
        return Err(Error::malformed("line 1", reason));
    }
    let mut records = Vec::new();
    for (at, wanted) in manifest.records.iter().enumerate() {
        let number = at + 2;
        let text = line(&mut input, number)?.ok_or_else(|| truncated(number, manifest.records.len()))?;
        records.push(record(&text, number, wanted)?);
    }
    if line(&mut input, records.len() + 2)?.is_some() {
        return Err(Error::malformed(
            format!("line {}", records.len() + 2),
            "there is more than the list names",
        ));
    }
    Ok(Bundle { manifest, maker: list.signer, records })
}

fn truncated(number: usize, records: usize) -> Error {
    Error::malformed(
        format!("line {number}"),
        format!("the file ends before the last of its {records} records"),
    )
}

fn record(text: &str, number: usize, wanted: &Digest) -> Result<Record, Error> {
    let what = format!("line {number}");
    let sealed = Sealed::from_line(RECORD, text, &what)?;
    if sealed.hash() != *wanted {
        return Err(Error::malformed(what, "it is another record than the list names"));
    }
    let record = Record::open(sealed)?;
    Summary::of(&record)?;
    Ok(record)
}

/// The next line without its end; `None` at the end of the file. Every line has to end.
fn line(input: &mut impl BufRead, number: usize) -> Result<Option<String>, Error> {
    let refuse = |reason: String| Error::malformed(format!("line {number}"), reason);
    let mut bytes = Vec::new();
    input
        .take(LONGEST_LINE as u64 + 1)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| refuse(error.to_string()))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() > LONGEST_LINE {
        return Err(refuse(format!("longer than {LONGEST_LINE} bytes")));
    }
    if bytes.pop() != Some(b'\n') {
        return Err(refuse("the file ends in the middle of a line".into()));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| refuse(foreign_file()))
}

fn foreign_file() -> String {
    "it is not UTF-8: a bundle is plain text, not an archive".to_owned()
}
