//! A lab's page: who reproduced what, and how to hand results in.

use super::{Pairs, View, as_json, show};
use crate::lab::{SUBMIT_PATH, reproduced};
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::units::significant;
use roofmark_ledger::key::PublicKey;
use std::sync::Arc;

/// `GET /lab`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

fn view<'a>(site: &'a Site, _: &'a crate::Pairs) -> View<'a> {
    View {
        at: "/lab",
        title: "Reproduced".into(),
        lead: "The same configuration, measured and signed by several keys.",
        form: html! {},
        result: Box::new(move || result(site)),
    }
}

fn result(site: &Site) -> Result<Markup, Refused> {
    let found = reproduced(site)?;
    let keys = site.program.known_keys()?;
    let mut table = Table::new(
        "reproduced",
        "Who measured what",
        &["Configuration", "Signed by", "Mean (tok/s)", "Lowest", "Highest", "Rates", "Newest"],
    );
    for one in &found {
        let key = PublicKey::try_from(one.signer.clone()).ok();
        let name = key.as_ref().and_then(|key| keys.name(key)).map(str::to_owned);
        let signer = name.or_else(|| key.map(|key| key.fingerprint())).unwrap_or_default();
        let ground = Ground::plain("measured", format!("signed by {signer}"));
        let rate = |rate: f64| Cell::number(significant(rate, 3)).value(rate).from(ground.clone());
        table.row(vec![
            Cell::text(one.configuration.title()),
            Cell::text(&signer),
            rate(one.mean.get()),
            rate(one.low.get()),
            rate(one.high.get()),
            Cell::number(one.rates.to_string()).value(one.rates as f64),
            Cell::text(&one.newest),
        ]);
    }
    Ok(html! {
        @if table.is_empty() { p.empty { "No configuration has been measured by two keys yet." } } @else { (table.render()) }
        h2 { "Hand results in" }
        p { code { "roofmark submit URL" } " sends a signed bundle to " code { (SUBMIT_PATH) } ". "
            @if site.lab { "This page takes it from keys that it knows." } @else { "This page takes none: it was started without " code { "--lab" } "." } }
        (as_json("/api/reproductions"))
    })
}
