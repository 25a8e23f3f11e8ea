//! A load test of a server: latencies and rates by load, every request, doubts.

use crate::chart::{Axis, Chart, Look, Point, Scale, Series};
use crate::table::{Cell, Ground, Table};
use maud::{Markup, html};
use roofmark_facts::load_record::{LoadRow, LoadRun};
use roofmark_facts::units::{RequestsPerSecond, Seconds, TokensPerSecond, significant};

/// The run with its rows.
pub fn run(run: &LoadRun, rows: &[LoadRow]) -> Markup {
    html! {
        (facts(run))
        (table(rows).render())
        (curve(rows).render())
        (troubles(rows))
        (doubts(run))
    }
}

fn facts(run: &LoadRun) -> Markup {
    let server = &run.server;
    html! {
        dl.facts {
            dt { "Server" } dd { (server.engine.slug()) " " (server.version.as_deref().unwrap_or_default()) " (by " (server.recognised_by) ")" }
            dt { "Model" } dd { (server.model) @if let Some(context) = server.context { ", context " (context) } }
            dt { "Tokens" } dd { (run.settings.input_tokens) " in, " (run.settings.output_tokens) " out" }
            dt { "Client" } dd { (run.client.cpu) ", " (run.client.cpus) " CPUs; " (run.date) }
        }
    }
}

fn millis(time: Option<Seconds>) -> Cell {
    let Some(time) = time else { return Cell::unknown() };
    let value = time.get() * 1e3;
    Cell::number(significant(value, 3)).value(value).from(measured())
}

fn measured() -> Ground {
    Ground::plain(
        "measured",
        "by the load generator, from the time a request was due; a percentile only where enough requests lie beyond it",
    )
}

fn number(value: Option<f64>) -> Cell {
    value
        .map_or_else(Cell::unknown, |value| Cell::number(significant(value, 3)).value(value).from(measured()))
}

fn table(rows: &[LoadRow]) -> Table {
    let head = [
        "Load",
        "Succeeded",
        "Failed",
        "ttft p50 (ms)",
        "ttft p99 (ms)",
        "tpot p50 (ms)",
        "tpot p99 (ms)",
        "e2e p50 (ms)",
        "Output (tok/s)",
        "Goodput (requests/s)",
        "Marks",
    ];
    let mut table = Table::new("rows", "Latencies and rates by load", &head);
    for row in rows {
        let count = |count: u64| Cell::number(count.to_string()).value(count as f64);
        let marks = match (row.void, row.saturated) {
            (true, _) => "void for comparisons",
            (false, true) => "saturated",
            (false, false) => "",
        };
        table.row(vec![
            Cell::text(row.arrival.label()),
            count(row.succeeded),
            count(row.failed),
            millis(row.ttft.p50),
            millis(row.ttft.p99),
            millis(row.tpot.p50),
            millis(row.tpot.p99),
            millis(row.e2e.p50),
            number(row.output_throughput.map(TokensPerSecond::get)),
            number(row.goodput.map(RequestsPerSecond::get)),
            Cell::text(marks),
        ]);
    }
    table
}

/// Throughput against latency: one point a load.
fn curve(rows: &[LoadRow]) -> Chart {
    let point = |row: &LoadRow| {
        Some(Point {
            x: row.output_throughput?.get(),
            y: row.ttft.p50?.get() * 1e3,
            low: row.ttft.p50_interval.map(|(low, _)| low.get() * 1e3),
            high: row.ttft.p50_interval.map(|(_, high)| high.get() * 1e3),
            label: row.arrival.label(),
        })
    };
    let of = |void: bool| rows.iter().filter(|row| row.void == void).filter_map(point).collect::<Vec<_>>();
    let series = [
        Series { name: "ttft p50".into(), tone: 0, look: Look::Points, points: of(false) },
        Series { name: "void".into(), tone: 7, look: Look::Hollow, points: of(true) },
    ];
    Chart {
        id: "load-curve".into(),
        title: "Wait for the first token against throughput".into(),
        x: Axis::new("output tokens/s", Scale::Linear),
        y: Axis::new("ttft p50 (ms)", Scale::Log),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        marks: Vec::new(),
    }
}

fn troubles(rows: &[LoadRow]) -> Markup {
    let mut table =
        Table::new("troubles", "Failures and irregularities", &["Load", "What", "Failed", "Noted"]);
    for row in rows {
        for (kind, failed, noted) in &row.troubles {
            let count = |count: u64| Cell::number(count.to_string()).value(count as f64);
            table.row(vec![
                Cell::text(row.arrival.label()),
                Cell::text(kind.text()),
                count(*failed),
                count(*noted),
            ]);
        }
    }
    if table.is_empty() {
        html! {}
    } else {
        table.render()
    }
}

fn doubts(run: &LoadRun) -> Markup {
    let cells =
        run.cells.iter().flat_map(|cell| cell.doubts.iter().map(|doubt| (cell.arrival.label(), doubt)));
    let all: Vec<_> = cells.chain(run.doubts.iter().map(|doubt| ("run".to_owned(), doubt))).collect();
    html! {
        section data-testid="doubts" aria-label="Doubts" {
            h2 { "Doubts" }
            @if all.is_empty() { p { "None." } }
            ul { @for (what, doubt) in &all {
                li { b { (what) } ": " (doubt.text()) @if let Some(advice) = doubt.advice() { " – " i { (advice) } } }
            } }
        }
    }
}
