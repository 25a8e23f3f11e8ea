//! A text from end to end: read, judged, and everything else that it states checked.

use crate::reader::{self, Format, Lexicon, ReadError};
use crate::referee::cases::Profiles;
use crate::referee::measured::Evidence;
use crate::referee::{Court, Expect, findings, judge};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::Checked;
use std::collections::HashMap;

/// Claims judged one by one; the claims of a longer text are only counted.
const MOST_CLAIMS: usize = 20_000;

/// What a check works with.
#[derive(Clone, Copy)]
pub struct Library<'a> {
    /// Machines, models and prices.
    pub catalog: &'a Catalog,
    /// Their spellings.
    pub lexicon: &'a Lexicon,
    /// Measured rates.
    pub evidence: &'a Evidence<'a>,
    /// A predictor, where there is one.
    pub expect: Option<Expect<'a>>,
    /// Today, `YYYY-MM-DD`.
    pub today: &'a str,
}

/// Checks the text `bytes`.
///
/// # Errors
/// When it is not text, or too long.
pub fn check(bytes: &[u8], format: Format, library: &Library<'_>) -> Result<Checked, ReadError> {
    let mut read = reader::read(bytes, format, library.lexicon)?;
    read.claims.truncate(MOST_CLAIMS);
    let profiles = Profiles::default();
    let court = Court {
        catalog: library.catalog,
        profiles: &profiles,
        evidence: library.evidence,
        expect: library.expect,
        today: library.today,
        other_quants: &read.quants,
    };
    let mut known = HashMap::new();
    let claims = read.claims.iter().map(|claim| {
        let mut key = claim.clone();
        (key.text, key.start, key.end) = (String::new(), 0, 0);
        let mut judged = known.entry(format!("{key:?}")).or_insert_with(|| judge(claim, &court)).clone();
        judged.claim = claim.clone();
        judged
    });
    let claims = claims.collect::<Vec<_>>();
    let findings = findings::of(&read, &claims, library.catalog);
    Ok(Checked { text: read.text, claims, findings })
}
