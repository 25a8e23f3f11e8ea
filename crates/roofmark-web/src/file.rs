//! The same views as one file to hand on: script and style inside it, each named by its hash in the file's own policy.

use crate::assets::{self, hash};
use crate::page;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use roofmark_facts::advice::Advice;
use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::Checked;
use roofmark_ledger::record::Record;
use roofmark_report::cost::Costed;

/// A part of a report.
pub struct Piece {
    heading: String,
    body: Markup,
}

impl Piece {
    /// A record of the ledger. `state` says what is known of its signature.
    #[must_use]
    pub fn record(heading: &str, record: &Record, state: &str) -> Self {
        let body = html! {
            (page::record::body(record))
            p.note { "Content " code.long { (record.content) } ", signed by " code { (record.sealed.signer.fingerprint()) } ": " (state) }
        };
        Self { heading: heading.to_owned(), body }
    }

    /// A text with its claims judged.
    #[must_use]
    pub fn check(heading: &str, checked: &Checked) -> Self {
        Self { heading: heading.to_owned(), body: page::check::judged(checked) }
    }

    /// A ranking of machines.
    #[must_use]
    pub fn advice(heading: &str, catalog: &Catalog, advice: &Advice) -> Self {
        Self { heading: heading.to_owned(), body: page::advise::ranking(catalog, advice) }
    }

    /// The cost of a machine.
    #[must_use]
    pub fn cost(heading: &str, costed: &Costed) -> Self {
        Self { heading: heading.to_owned(), body: page::cost::show_costed(costed) }
    }
}

/// One HTML file of `pieces`. `made` says by what and when.
#[must_use]
pub fn report(title: &str, made: &str, pieces: &[Piece]) -> String {
    let style = format!("{}\n{}", assets::CHARTS_STYLE, assets::STYLE);
    let script = format!("{}\n{}", assets::CHARTS, assets::SCRIPT);
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(&style)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(&style)) }
            }
            body.file {
                main #main {
                    h1 { (title) }
                    p.lead { (made) }
                    @if pieces.len() > 1 { nav.contents aria-label="Contents" { ol {
                        @for (at, piece) in pieces.iter().enumerate() { li { a href={ "#part-" (at + 1) } { (piece.heading) } } }
                    } } }
                    @for (at, piece) in pieces.iter().enumerate() {
                        article id={ "part-" (at + 1) } { h2 { (piece.heading) } (numbered(at, &piece.body)) }
                    }
                }
                footer { p { "Every number says what it is: M measured, D datasheet, P predicted with its interval, = derived, \
                    G given, A assumed, C claimed. Nothing is loaded from elsewhere." } p #said role="status" aria-live="polite" {} }
                script { (PreEscaped(&script)) }
            }
        }
    };
    page.0
}

/// Names of places are unique in the file: those of the second part and later get its number.
fn numbered(at: usize, body: &Markup) -> Markup {
    if at == 0 {
        return body.clone();
    }
    let number = format!("p{}-", at + 1);
    let text = body
        .0
        .replace(" id=\"", &format!(" id=\"{number}"))
        .replace(" href=\"#", &format!(" href=\"#{number}"));
    PreEscaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_carries_the_hash_of_its_own_script_and_style() {
        let page = report("t", "made by a test", &[]);
        let between = |from: &str, to: &str| {
            let start = page.find(from).unwrap() + from.len();
            &page[start..start + page[start..].find(to).unwrap()]
        };
        let script = between("<script>", "</script>");
        let style = between("<style>", "</style>");
        assert!(page.contains(&format!("script-src 'sha256-{}'", hash(script))));
        assert!(page.contains(&format!("style-src 'sha256-{}'", hash(style))));
        assert!(!script.contains("</script") && !style.contains("</style"));
        assert!(page.len() < 400_000);
    }

    #[test]
    fn names_of_later_parts_are_their_own() {
        let body = html! { div id="t" { a href="#t-s1" { "x" } } };
        assert_eq!(numbered(1, &body).0, "<div id=\"p2-t\"><a href=\"#p2-t-s1\">x</a></div>");
    }

    #[test]
    fn markup_in_a_title_stays_text() {
        let checked = Checked { text: "<script>alert(1)</script>".into(), ..Checked::default() };
        let page = report("</title><img src=x>", "<b>", &[Piece::check("<i>", &checked)]);
        assert!(!page.contains("<img") && !page.contains("<script>alert") && !page.contains("<i>"));
    }
}
