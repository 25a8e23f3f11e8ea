//! The ledger as a list: filter, order, page through, pick two to compare.

use super::{Choice, Pairs, View, as_json, asked, query_string, show};
use crate::api::known_names;
use crate::filter::{DEEPEST, Listing, PAGE, listing, value};
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::units::{TokensPerSecond, significant};
use roofmark_ledger::export;
use roofmark_ledger::query::Listed;
use std::sync::Arc;

/// `GET /results`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let names = site.ledgers.with(&site.program, known_names).unwrap_or_default();
    View {
        at: "/results",
        title: "Results".into(),
        lead: "What this ledger keeps: measured here, imported, or taken in from others.",
        form: form(query, &names),
        result: Box::new(move || result(site, query)),
    }
}

fn form(query: &crate::Pairs, names: &[(&'static str, Vec<String>)]) -> Markup {
    let fields = html! {
        @for (name, known) in names {
            @let options: Vec<&str> = std::iter::once("").chain(known.iter().map(String::as_str)).collect();
            (Choice::new(name, label(name), &options, &asked(query, name, "")).render())
        }
        (Choice::new("kind", "Kind", &["", "bench", "load", "probe", "import", "foreign"], &asked(query, "kind", "")).render())
        (Choice::new("sort", "Order", &["date", "added", "decode", "prefill", "machine", "model"], &asked(query, "sort", "date")).render())
        div.field { label for="field-since" { "Since" } input type="date" id="field-since" name="since" value=(asked(query, "since", "")); }
        div.field { label for="field-until" { "Before" } input type="date" id="field-until" name="until" value=(asked(query, "until", "")); }
        (super::tick(query, "withdrawn", "Withdrawn too"))
    };
    super::form("/results", &fields)
}

fn label(name: &str) -> &'static str {
    match name {
        "machine" => "Machine",
        "backend" => "Backend",
        "engine" => "Engine",
        "model" => "Model",
        _ => "Quantization",
    }
}

fn result(site: &Site, query: &crate::Pairs) -> Result<Markup, Refused> {
    let wanted = Listing { count: PAGE + 1, ..listing(query)? };
    let mut lines = site.ledgers.with(&site.program, |ledger| {
        Ok(ledger.list(&wanted.filter, wanted.sort, wanted.count, wanted.skip)?)
    })?;
    if lines.is_empty() && wanted.skip == 0 {
        return Ok(empty(query));
    }
    let more = lines.len() as i64 > PAGE;
    lines.truncate(PAGE as usize);
    let filters: Vec<_> =
        query.iter().filter(|(name, value)| name != "skip" && !value.is_empty()).cloned().collect();
    Ok(html! {
        form.compare method="get" action="/compare" {
            (list(&lines).render())
            p.go { button type="submit" { "Compare the two that are chosen" } }
        }
        (pages(&filters, wanted.skip, more))
        p { a href={ "/trend?" (query_string(&filters)) } { "Trend of these configurations" } }
        (as_json(&format!("/api/results?{}", query_string(query))))
    })
}

fn empty(query: &crate::Pairs) -> Markup {
    let filtered = query.iter().any(|(_, value)| !value.is_empty());
    html! {
        div.empty data-testid="empty" {
            @if filtered { p { "No record fits this filter." } }
            @else {
                p { "This ledger is empty." }
                p { "Measure this machine with " code { "roofmark bench" } ", or take in what another tool measured with "
                    code { "roofmark results import FILE" } "." }
                p { "What others have measured and published is in the " a href="/explorer" { "Explorer" } "." }
            }
        }
    }
}

fn list(lines: &[Listed]) -> Table {
    let head = [
        "Record",
        "Base",
        "New",
        "Date",
        "Machine",
        "Model",
        "Quant",
        "Engine",
        "Decode (tok/s)",
        "Prefill (tok/s)",
        "Kind",
    ];
    let mut table = Table::new("results", "Records", &head);
    for line in lines {
        let pick = |name: &str, word: &str| {
            let label = format!("{word} of a comparison: record {}", line.sequence);
            Cell::markup(&html! { input type="radio" name=(name) value=(line.sequence) aria-label=(label); })
        };
        table.row(vec![
            Cell::markup(&html! { a href={ "/results/" (line.content) } title=(export::title(line)) { "#" (line.sequence) } }),
            pick("base", "base"),
            pick("new", "new"),
            Cell::text(line.date.get(..10).unwrap_or(&line.date)),
            Cell::text(&line.machine),
            Cell::text(&line.model),
            Cell::text(&line.quant),
            Cell::text(format!("{} {} {}", line.engine, line.version, line.backend).trim()),
            rate(line, line.decode),
            rate(line, line.prefill),
            kind(line),
        ]);
    }
    table
}

fn kind(line: &Listed) -> Cell {
    let withdrawn =
        if line.withdrawn > 0 { format!(", withdrawn by #{}", line.withdrawn) } else { String::new() };
    Cell::text(format!("{}{withdrawn}", line.kind))
}

fn rate(line: &Listed, rate: Option<TokensPerSecond>) -> Cell {
    let Some(rate) = rate else { return Cell::unknown() };
    let how = if line.kind == "bench" || line.kind == "load" { "measured" } else { "claimed" };
    let ground = Ground::plain(how, format!("{} records of origin \"{}\"", line.kind, line.origin));
    Cell::number(significant(rate.get(), 3)).value(rate.get()).from(ground)
}

fn pages(filters: &crate::Pairs, skip: i64, more: bool) -> Markup {
    let link = |skip: i64| {
        let mut query = filters.to_vec();
        query.push(("skip".into(), skip.to_string()));
        format!("/results?{}", query_string(&query))
    };
    html! {
        nav.pages aria-label="Pages" {
            @if skip > 0 { a rel="prev" href=(link((skip - PAGE).max(0))) { "Newer" } }
            span { "Records " (skip + 1) " on" }
            @if more && skip + PAGE <= DEEPEST { a rel="next" href=(link(skip + PAGE)) { "More" } }
            @else if more { span { "further in, use a filter" } }
        }
    }
}

/// The value of `name`, for other views of the ledger.
pub fn named<'a>(query: &'a crate::Pairs, name: &str) -> Result<&'a str, Refused> {
    value(query, name).ok_or_else(|| Refused::bad(format!("nothing is chosen as `{name}`")))
}
