//! Tables with sources: every number can say where it comes from, below its table.

use maud::{Markup, html};
use roofmark_facts::machine::{Basis, Sourced};

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// `measured`, `datasheet`, `predicted`, `claimed` …
    pub basis: &'static str,
    /// The source, in words.
    pub text: String,
    /// Its address; empty for none.
    pub url: String,
}

impl Ground {
    /// A ground without an address.
    pub fn plain(basis: &'static str, text: impl Into<String>) -> Self {
        Self { basis, text: text.into(), url: String::new() }
    }

    /// The ground of a fact of the catalog.
    pub fn of<T>(fact: &Sourced<T>) -> Self {
        let source = &fact.source;
        Self {
            basis: basis(fact.basis),
            text: format!("{}, {}", source.title, source.date),
            url: source.url.clone(),
        }
    }

    fn letter(&self) -> &'static str {
        match self.basis {
            "measured" => "M",
            "datasheet" => "D",
            "predicted" => "P",
            "derived" => "=",
            "given" => "G",
            "assumed" => "A",
            _ => "C",
        }
    }
}

/// The word for a basis.
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Claimed => "claimed",
        Basis::Projected => "projected",
        Basis::Recalled => "recalled",
        Basis::Derived => "derived",
        Basis::Measured => "measured",
        Basis::Datasheet => "datasheet",
    }
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    shown: Markup0,
    number: bool,
    value: Option<f64>,
    ground: Option<Ground>,
}

/// Markup that has a default.
#[derive(Clone, Debug, Default)]
struct Markup0(String);

impl Cell {
    /// Text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::markup(&html! { (text.as_ref()) })
    }

    /// Anything.
    pub fn markup(markup: &Markup) -> Self {
        Self { shown: Markup0(markup.0.clone()), ..Self::default() }
    }

    /// A number as it is shown.
    pub fn number(text: impl AsRef<str>) -> Self {
        Self { number: true, ..Self::text(text) }
    }

    /// The full value, for sorting and copying.
    pub fn value(self, value: f64) -> Self {
        Self { value: value.is_finite().then_some(value), ..self }
    }

    /// Where it comes from.
    pub fn from(self, ground: Ground) -> Self {
        Self { ground: Some(ground), ..self }
    }

    /// A dash: not known.
    pub fn unknown() -> Self {
        Self { number: true, ..Self::markup(&html! { span title="not known" { "–" } }) }
    }
}

/// A table under construction.
pub struct Table {
    id: String,
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
    grounds: Vec<Ground>,
}

impl Table {
    /// An empty table. `id` is unique on its page.
    pub fn new(id: impl Into<String>, caption: impl Into<String>, head: &[&str]) -> Self {
        Self {
            id: id.into(),
            caption: caption.into(),
            head: head.iter().map(|&text| text.to_owned()).collect(),
            rows: Vec::new(),
            grounds: Vec::new(),
        }
    }

    /// Adds a row; its first cell is its heading.
    pub fn row(&mut self, cells: Vec<Cell>) {
        for ground in cells.iter().filter_map(|cell| cell.ground.as_ref()) {
            if !self.grounds.contains(ground) {
                self.grounds.push(ground.clone());
            }
        }
        self.rows.push(cells);
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn cell(&self, cell: &Cell, heads_row: bool) -> Markup {
        let number =
            cell.ground.as_ref().and_then(|ground| self.grounds.iter().position(|known| known == ground));
        let inner = html! {
            (maud::PreEscaped(&cell.shown.0))
            @if let (Some(at), Some(ground)) = (number, &cell.ground) {
                a.ground href={ "#" (self.id) "-s" (at + 1) } title={ (ground.basis) ": " (ground.text) }
                    aria-label={ (ground.letter()) (at + 1) ", " (ground.basis) ", source " (at + 1) } { (ground.letter()) (at + 1) }
            }
        };
        html! {
            @if heads_row { th scope="row" { (inner) } }
            @else { td.n[cell.number] data-value=[cell.value] { (inner) } }
        }
    }

    /// The table with its tools and sources.
    pub fn render(&self) -> Markup {
        html! {
            div.table id=(self.id) data-testid=(self.id) {
                div.tools aria-hidden="true" {}
                div.scroll tabindex="0" role="group" aria-label=(self.caption) {
                    table {
                        caption { (self.caption) }
                        thead { tr { @for text in &self.head { th scope="col" { (text) } } } }
                        tbody {
                            @for row in &self.rows {
                                tr { @for (at, cell) in row.iter().enumerate() { (self.cell(cell, at == 0)) } }
                            }
                        }
                    }
                }
                @if !self.grounds.is_empty() { (self.sources()) }
            }
        }
    }

    fn sources(&self) -> Markup {
        html! {
            details.sources {
                summary { "Sources (" (self.grounds.len()) ")" }
                ol {
                    @for (at, ground) in self.grounds.iter().enumerate() {
                        li id={ (self.id) "-s" (at + 1) } {
                            b { (ground.basis) } " " (ground.text)
                            @if ground.url.starts_with("https://") {
                                " " a href=(ground.url) rel="noreferrer noopener" { (short(&ground.url)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The host and the beginning of the path.
fn short(url: &str) -> String {
    let text = url.trim_start_matches("https://");
    let mut short: String = text.chars().take(48).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_cell_a_caption_or_a_source_stays_text() {
        let evil = "<img src=x onerror=alert(1)>\"'";
        let mut table = Table::new("t", evil, &[evil]);
        table.row(vec![Cell::text(evil), Cell::number(evil).from(Ground::plain("claimed", evil))]);
        let page = table.render().0;
        assert!(!page.contains("<img"), "{page}");
        assert!(!page.contains("onerror=alert(1)>\"'"), "{page}");
    }

    #[test]
    fn only_https_addresses_become_links() {
        let mut table = Table::new("t", "c", &["a"]);
        let ground = Ground { basis: "claimed", text: "x".into(), url: "javascript:alert(1)".into() };
        table.row(vec![Cell::text("a"), Cell::number("1").from(ground)]);
        assert!(!table.render().0.contains("javascript:"));
    }
}
