//! Which results a query string asks for.

use crate::program::{Pairs, Refused};
use roofmark_ledger::query::{Filter, Sort};

/// Lines of a page.
pub const PAGE: i64 = 50;
/// Most lines of one answer of the interface.
const MOST_LINES: i64 = 1_000;
/// Deepest line that is paged to: further in, a filter finds things sooner.
pub const DEEPEST: i64 = 10_000;

/// A list of results, as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// How many.
    pub count: i64,
    /// After how many others.
    pub skip: i64,
}

/// The last value of `name` that is not empty.
pub fn value<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    query.iter().rev().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

/// All values of `name`, also several in one with commas between them.
pub fn values(query: &Pairs, name: &str) -> Vec<String> {
    let of_name = query.iter().filter(|(key, _)| key == name);
    let split = of_name.flat_map(|(_, value)| value.split(','));
    split.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

/// Parameters of a list.
pub const KNOWN: &[&str] = &[
    "kind",
    "machine",
    "backend",
    "engine",
    "engine_version",
    "model",
    "quant",
    "origin",
    "since",
    "until",
    "withdrawn",
    "sort",
    "limit",
    "skip",
];

/// Reads a query string; parameters that are not known are refused.
pub fn listing(query: &Pairs) -> Result<Listing, Refused> {
    if let Some((name, _)) = query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Err(Refused::bad(format!(
            "there is no parameter `{}`; known: {}",
            brief(name),
            KNOWN.join(", ")
        )));
    }
    let text = |name| value(query, name).map(str::to_owned);
    let kind = value(query, "kind").map(kind).transpose()?;
    let filter = Filter {
        kind,
        machine: text("machine"),
        backend: text("backend"),
        engine: text("engine"),
        version: text("engine_version"),
        model: text("model"),
        quant: text("quant"),
        origin: text("origin"),
        since: text("since"),
        until: text("until"),
        withdrawn: value(query, "withdrawn").is_some_and(|value| value != "false"),
    };
    let count = number(query, "limit", PAGE, 1, MOST_LINES)?;
    Ok(Listing { filter, sort: sort(query)?, count, skip: number(query, "skip", 0, 0, DEEPEST)? })
}

fn kind(name: &str) -> Result<roofmark_ledger::Kind, Refused> {
    let known = roofmark_ledger::Kind::ALL;
    known.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|kind| kind.name()).collect();
        Refused::bad(format!("kind is `{}`, expected one of {}", brief(name), names.join(", ")))
    })
}

fn sort(query: &Pairs) -> Result<Sort, Refused> {
    Ok(match value(query, "sort").unwrap_or("date") {
        "date" => Sort::Date,
        "added" => Sort::Added,
        "decode" => Sort::Decode,
        "prefill" => Sort::Prefill,
        "machine" => Sort::Machine,
        "model" => Sort::Model,
        other => {
            let text = format!(
                "sort is `{}`, expected date, added, decode, prefill, machine or model",
                brief(other)
            );
            return Err(Refused::bad(text));
        }
    })
}

fn number(query: &Pairs, name: &str, usual: i64, least: i64, most: i64) -> Result<i64, Refused> {
    let Some(text) = value(query, name) else { return Ok(usual) };
    let read = text.parse().ok().filter(|number| (least..=most).contains(number));
    read.ok_or_else(|| Refused::bad(format!("{name} is `{}`, expected {least} to {most}", brief(text))))
}

/// The beginning of a text that is shown again.
pub fn brief(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_listing_reads_names_order_and_place() {
        let found =
            listing(&pairs(&[("machine", "m"), ("sort", "decode"), ("skip", "50"), ("quant", "")])).unwrap();
        assert_eq!(found.filter.machine.as_deref(), Some("m"));
        assert_eq!((found.filter.quant, found.sort, found.count, found.skip), (None, Sort::Decode, 50, 50));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for (name, value, says) in [
            ("sort", "x", "expected date"),
            ("limit", "0", "1 to 1000"),
            ("skip", "-1", "0 to 10000"),
            ("kind", "x", "bench, probe"),
            ("mahcine", "x", "no parameter"),
        ] {
            let refused = listing(&pairs(&[(name, value)])).unwrap_err();
            assert!(refused.text.contains(says), "{}", refused.text);
        }
    }
}
