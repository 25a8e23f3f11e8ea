//! A running bench, as it goes.

use super::{Pairs, View, show};
use crate::chart::{Axis, Chart, Scale};
use crate::serve::Site;
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use std::sync::Arc;

/// `GET /live`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

fn view<'a>(_: &'a Site, _: &'a crate::Pairs) -> View<'a> {
    View {
        at: "/live",
        title: "Live".into(),
        lead: "A bench that runs on this machine now, sample by sample.",
        form: html! {},
        result: Box::new(|| Ok(frame())),
    }
}

fn frame() -> Markup {
    let chart = Chart {
        id: "live-rates".into(),
        title: "Rates as they are taken".into(),
        x: Axis::new("sample", Scale::Linear),
        y: Axis::new("tokens/s", Scale::Log),
        series: Vec::new(),
        marks: Vec::new(),
    };
    html! {
        div #live data-events="/api/live" data-testid="live" {
            p #live-state role="status" aria-live="polite" data-testid="live-state" {
                "Waiting for a bench. Start one with " code { "roofmark bench" } "."
            }
            label for="live-done" { "Samples taken" }
            progress #live-done max="1" value="0" {}
            (chart.render())
            div.scroll tabindex="0" role="group" aria-label="Samples" {
                table {
                    caption { "Samples" }
                    thead { tr { th scope="col" { "Sample" } th scope="col" { "Workload" } th scope="col" { "tok/s (measured)" } } }
                    tbody #live-rows data-testid="live-rows" {}
                }
            }
            noscript { p { "This view needs its script." } }
        }
    }
}
