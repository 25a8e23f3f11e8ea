//! Two records, workload by workload.

use super::results::named;
use super::{Pairs, View, as_json, input, query_string, show};
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use std::sync::Arc;

/// `GET /compare`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let fields = html! {
        (input(query, "base", "Base (a place, or digits of an identity)", "12"))
        (input(query, "new", "New", "latest"))
    };
    View {
        at: "/results",
        title: "Compare two records".into(),
        lead: "New over old for each workload that both have. Void rows stay out.",
        form: super::form("/compare", &fields),
        result: Box::new(move || result(site, query)),
    }
}

fn result(site: &Site, query: &crate::Pairs) -> Result<Markup, Refused> {
    let (base, new) = (named(query, "base")?, named(query, "new")?);
    let compared = site.ledgers.with(&site.program, |ledger| site.program.compare(ledger, base, new))?;
    let mut table = Table::new("compared", "New over old", &["Workload", "Ratio", "95 % interval", "Change"]);
    let ground = || Ground::plain("derived", "bootstrap over the raw samples of both records");
    for row in &compared.rows {
        let digits = |value: f64| format!("{value:.3}");
        let (ratio, interval) = match row.ratio {
            Some([low, mid, high]) => (
                Cell::number(digits(mid)).value(mid).from(ground()),
                Cell::number(format!("{} to {}", digits(low), digits(high))).from(ground()),
            ),
            None => (Cell::unknown(), Cell::unknown()),
        };
        let word = row.change;
        let change = html! { span.good[word == "improved"].bad[word == "regressed"] { (word) } };
        table.row(vec![Cell::text(&row.workload), ratio, interval, Cell::markup(&change)]);
    }
    Ok(html! {
        p { "From " a href={ "/results/" (compared.base) } { (compared.base.get(..12).unwrap_or_default()) } " to "
            a href={ "/results/" (compared.new) } { (compared.new.get(..12).unwrap_or_default()) } "." }
        (table.render())
        (as_json(&format!("/api/compare?{}", query_string(query))))
    })
}
