//! Configurations over dates and versions, with the places where their rates moved.

use super::{Pairs, View, as_json, asked, input, query_string, show};
use crate::chart::{Axis, Chart, Look, Point, Scale, Series, seconds};
use crate::filter::value;
use crate::program::{Refused, Trend};
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use std::sync::Arc;

/// Configurations that one page draws.
const MOST: usize = 12;

/// `GET /trend`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let fields = html! {
        (input(query, "record", "Record whose configurations to follow", "latest"))
        @for (name, label) in [("machine", "Machine"), ("backend", "Backend"), ("engine", "Engine"), ("model", "Model"), ("quant", "Quantization")] {
            (input(query, name, label, "any"))
        }
    };
    View {
        at: "/results",
        title: "Trend".into(),
        lead: "The same configuration over time. A change point is where its rates moved by more than noise.",
        form: super::form("/trend", &fields),
        result: Box::new(move || result(site, query)),
    }
}

fn result(site: &Site, query: &crate::Pairs) -> Result<Markup, Refused> {
    let chosen: Vec<(String, String)> = ["record", "machine", "backend", "engine", "model", "quant"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), value(query, name)?.to_owned())))
        .collect();
    if chosen.is_empty() {
        return Ok(
            html! { p.empty { "Name a record or a machine. Each record in the " a href="/results" { "results" } " has a link to its trend." } },
        );
    }
    let trends = site.ledgers.with(&site.program, |ledger| site.program.trend(ledger, &chosen))?;
    let shown = asked(query, "from", "0").parse().unwrap_or(0).min(trends.len());
    Ok(html! {
        @for (at, trend) in trends.iter().enumerate().skip(shown).take(MOST) {
            (chart(at, trend).render())
            (changes(at, trend))
        }
        @if trends.len() > shown + MOST {
            p { a href={ "/trend?" (query_string(&chosen)) "&from=" (shown + MOST) } { (trends.len() - shown - MOST) " more configurations" } }
        }
        (as_json(&format!("/api/trend?{}", query_string(&chosen))))
    })
}

fn chart(at: usize, trend: &Trend) -> Chart {
    let point = |point: &roofmark_ledger::query::Point| {
        Some(Point {
            x: seconds(&point.date)?,
            y: point.rate.get(),
            low: point.bounds.map(|(low, _)| low.get()),
            high: point.bounds.map(|(_, high)| high.get()),
            label: format!("#{}, version {}", point.sequence, point.version),
        })
    };
    let of = |void: bool| {
        trend.points.iter().filter(|point| point.void == void).filter_map(point).collect::<Vec<_>>()
    };
    let series = [
        Series { name: "rate".into(), tone: 0, look: Look::Points, points: of(false) },
        Series { name: "void".into(), tone: 7, look: Look::Hollow, points: of(true) },
    ];
    let mark = |change: &crate::ChangePoint| {
        Some((
            seconds(&change.by)?,
            format!("{:+.0} % from {} to {}", (change.ratio - 1.0) * 100.0, change.from, change.to),
        ))
    };
    Chart {
        id: format!("trend-{at}"),
        title: trend.configuration.clone(),
        x: Axis::new("date", Scale::Time),
        y: Axis::new("tokens/s", Scale::Linear),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        marks: trend.changes.iter().filter_map(mark).collect(),
    }
}

fn changes(at: usize, trend: &Trend) -> Markup {
    if trend.changes.is_empty() {
        return html! { p.note { "No change point." } };
    }
    let head = ["Moved by", "From version", "To version", "After", "By", "p"];
    let mut table = Table::new(format!("changes-{at}"), "Change points", &head);
    for change in &trend.changes {
        let percent = (change.ratio - 1.0) * 100.0;
        let ground = Ground::plain("derived", "permutation test over the rates of this trend");
        table.row(vec![
            Cell::number(format!("{percent:+.1} %")).value(percent).from(ground),
            Cell::text(&change.from),
            Cell::text(&change.to),
            Cell::text(&change.after),
            Cell::text(&change.by),
            Cell::number(format!("{:.3}", change.p)).value(change.p),
        ]);
    }
    table.render()
}
