//! Statements other than rates: times, ratios, prices, memory, bandwidths, unit counts, and comparisons of unlike work.

mod money;
mod specs;
mod speed;

use crate::reader::{Named, Read, Sentence};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::{Finding, Judged};
use std::ops::Range;

/// Findings kept of one text.
const MOST: usize = 2000;

/// All findings of a text, in its order.
pub(crate) fn of(read: &Read, claims: &[Judged], catalog: &Catalog) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, sentence) in read.sentences.iter().enumerate() {
        let text = &read.text[sentence.range.clone()];
        if !text.bytes().any(|byte| byte.is_ascii_digit()) || text.len() > 4000 {
            continue;
        }
        let view = View { read, at, text, base: sentence.range.start, catalog };
        specs::find(&view, &mut found);
        money::find(&view, &mut found);
        speed::find(&view, claims, &mut found);
        if found.len() > MOST {
            break;
        }
    }
    speed::unlike(read, claims, &mut found);
    found.sort_by_key(|finding| (finding.start, finding.end));
    let mut told = std::collections::HashSet::new();
    found.retain(|finding| told.insert((finding.text.clone(), finding.line.clone())));
    found
}

/// One sentence and what surrounds it.
struct View<'a> {
    read: &'a Read,
    at: usize,
    text: &'a str,
    base: usize,
    catalog: &'a Catalog,
}

impl View<'_> {
    /// Machine slugs that the words at `place` (an offset in the sentence) speak of: the name nearest before, else the
    /// first behind, else what the sentence is about.
    fn machines_at(&self, place: usize) -> Vec<String> {
        let sentence = &self.read.sentences[self.at];
        nearest(sentence, self.base + place)
            .map_or_else(|| sentence.about.clone(), |named| named.slugs.clone())
    }

    fn finding(&self, kind: &str, holds: bool, range: Range<usize>, line: String) -> Finding {
        Finding {
            kind: kind.into(),
            holds,
            text: self.text[range.clone()].split_whitespace().collect::<Vec<_>>().join(" "),
            start: self.base + range.start,
            end: self.base + range.end,
            line,
        }
    }
}

/// The machine named nearest before `place` (an offset in the whole text), else the first behind it; what something is only
/// compared with is no subject.
fn nearest(sentence: &Sentence, place: usize) -> Option<&Named> {
    let named = || sentence.machines.iter().filter(|named| !named.compared);
    named().rev().find(|named| named.start <= place).or_else(|| named().next())
}

/// A slug without core count and memory.
fn family(slug: &str) -> String {
    let attribute = |part: &&str| {
        let number = part.strip_suffix("gb").or_else(|| part.strip_suffix('c'));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    slug.split('-').filter(|part| !attribute(part)).collect::<Vec<_>>().join("-")
}

/// Family of the first machine that a name can mean.
fn family_of(named: &Named) -> String {
    named.slugs.first().map(|slug| family(slug)).unwrap_or_default()
}

/// The number in `text`, groups of thousands taken out.
fn number(text: &str) -> Option<f64> {
    text.replace(',', "").parse().ok()
}

/// A number without needless decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, rest) = text.split_once('.').map_or((text, ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}
