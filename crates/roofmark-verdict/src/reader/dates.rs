//! Dates in running text, as far as forecasts need them: months, quarters and years.

use regex::Regex;
use std::sync::LazyLock;

const MONTHS: &[(&str, u32)] = &[
    ("jan", 1),
    ("feb", 2),
    ("mar", 3),
    ("mär", 3),
    ("apr", 4),
    ("avr", 4),
    ("may", 5),
    ("mai", 5),
    ("jun", 6),
    ("juin", 6),
    ("jul", 7),
    ("juil", 7),
    ("aug", 8),
    ("sep", 9),
    ("oct", 10),
    ("okt", 10),
    ("nov", 11),
    ("dec", 12),
    ("dez", 12),
];

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?-u:\b)(?:(?P<iso>20\d\d-\d\d(?:-\d\d)?)|(?:Q[1-4]\s*[–-]\s*)?Q(?P<quarter>[1-4])\s*,?\s*(?P<qyear>20\d\d)?|(?P<part>early|mid|late|end of|spring|summer|autumn|fall|winter|ende|fin)\s*-?\s*(?P<pyear>20\d\d)|(?P<month>january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|avril|juin|juillet|octobre|décembre)(?-u:\b)\.?(?:\s+\d{1,2},)?\s*(?P<myear>20\d\d)?|(?P<year>20[2-3]\d))(?-u:\b)",
    )
    .expect("the pattern is valid")
});

/// A date in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub start: usize,
    pub end: usize,
    pub year: Option<u32>,
    /// Last month that the words cover.
    pub month: Option<u32>,
    /// A full day where one is written.
    pub day: Option<String>,
}

impl Date {
    /// `YYYY-MM`, with `year` where the words leave it out.
    pub(super) fn due(&self, year: Option<u32>) -> Option<String> {
        if self.day.is_some() {
            return self.day.clone();
        }
        Some(format!("{:04}-{:02}", self.year.or(year)?, self.month.unwrap_or(12)))
    }
}

/// Dates in `text`; offsets count from `base`. A bare `may` is a verb, and a bare month or quarter needs no year.
pub(super) fn find(text: &str, base: usize) -> Vec<Date> {
    PATTERN.captures_iter(text).filter_map(|found| read(&found, base)).collect()
}

fn read(found: &regex::Captures<'_>, base: usize) -> Option<Date> {
    let whole = found.get(0)?;
    let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse::<u32>().ok());
    let mut date =
        Date { start: base + whole.start(), end: base + whole.end(), year: None, month: None, day: None };
    if let Some(iso) = found.name("iso") {
        date.year = iso.as_str().get(..4)?.parse().ok();
        date.month = iso.as_str().get(5..7)?.parse().ok();
        date.day = (iso.as_str().len() == 10).then(|| iso.as_str().to_owned());
    } else if let Some(quarter) = number("quarter") {
        date.year = number("qyear");
        date.month = Some(quarter * 3);
    } else if let Some(part) = found.name("part") {
        date.year = number("pyear");
        date.month = Some(part_month(&part.as_str().to_lowercase()));
    } else if let Some(month) = found.name("month") {
        date.year = number("myear");
        let name = month.as_str().to_lowercase();
        if name == "may" && date.year.is_none() && !month.as_str().starts_with('M') {
            return None;
        }
        date.month = MONTHS.iter().rev().find(|(start, _)| name.starts_with(start)).map(|&(_, month)| month);
    } else {
        date.year = number("year");
    }
    Some(date)
}

fn part_month(part: &str) -> u32 {
    match part {
        "early" | "winter" => 3,
        "mid" | "spring" => 6,
        "summer" => 9,
        _ => 12,
    }
}

/// Month in which the text speaks: the latest that it says it was written or checked in.
pub(super) fn of_text(text: &str) -> Option<String> {
    let mut best: Option<String> = None;
    for date in find(text, 0).into_iter().take(2000) {
        let mut from = date.start.saturating_sub(24);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let before = text[from..date.start].to_lowercase();
        let stated =
            ["as of", "verified", "tested", "updated", "stand ", "written", "published", "limitations"]
                .iter()
                .any(|word| before.contains(word));
        if let (true, Some(_), Some(month)) = (stated, date.month, date.due(None)) {
            let month = month[..7].to_owned();
            best = best.max(Some(month));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(text: &str) -> Vec<String> {
        find(text, 0).iter().filter_map(|date| date.due(Some(2026))).collect()
    }

    #[test]
    fn dates_are_read_to_the_end_of_what_they_cover() {
        assert_eq!(dues("by July 2026"), ["2026-07"]);
        assert_eq!(dues("Q2–Q3 2026"), ["2026-09"]);
        assert_eq!(dues("in late 2026, by October"), ["2026-12", "2026-10"]);
        assert_eq!(dues("on 2026-03-29"), ["2026-03-29"]);
        assert_eq!(dues("it may be fast"), Vec::<String>::new());
    }

    #[test]
    fn a_text_speaks_from_the_latest_month_it_states() {
        assert_eq!(of_text("As of March 2026 … Date verified: March–April 2026."), Some("2026-04".into()));
        assert_eq!(of_text("by July 2026"), None);
    }
}
