//! One record: what was measured, raw samples, doubts, and the state of its signature.

use super::{Pairs, View, as_json, show};
use crate::api::content;
use crate::chart::{Axis, Chart, Look, Point, Scale, Series};
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::load_record::{LoadRow, LoadRun};
use roofmark_facts::records::{Cell as RunCell, Row, Run};
use roofmark_facts::units::{TokensPerSecond, significant};
use roofmark_ledger::Kind;
use roofmark_ledger::envelope::RECORD;
use roofmark_ledger::observation::Observation;
use roofmark_ledger::query::Listed;
use roofmark_ledger::record::{Entry, Record, Retraction};
use roofmark_report::bench::workload;
use roofmark_verdict::rows::rows;
use std::sync::Arc;

/// Samples that a table shows.
const MOST_SAMPLES: usize = 2_000;

/// `GET /results/{record}`.
pub async fn page(
    State(site): State<Arc<Site>>,
    Path(wanted): Path<String>,
    Query(query): Pairs,
) -> Response {
    show(site, query, move |site, _| view(site, &wanted)).await
}

fn view<'a>(site: &'a Site, wanted: &str) -> View<'a> {
    let found = site.ledgers.with(&site.program, |ledger| content(ledger, wanted));
    let title = match &found {
        Ok((line, _)) => format!("Record #{}: {}", line.sequence, roofmark_ledger::export::title(line)),
        Err(_) => "Record".to_owned(),
    };
    View {
        at: "/results",
        title,
        lead: "What was observed, as it was signed.",
        form: html! {},
        result: Box::new(move || found.and_then(|(line, record)| result(site, &line, &record))),
    }
}

fn result(site: &Site, line: &Listed, record: &Record) -> Result<Markup, Refused> {
    Ok(html! {
        (signature(site, line, record)?)
        (body(record))
        p { a href={ "/trend?record=" (line.sequence) } { "Trend of its configurations" } }
        @if !site.lab && line.withdrawn == 0 { (withdrawal(line)) }
        (as_json(&format!("/api/results/{}", line.content)))
    })
}

/// The body of a record by its form.
pub fn body(record: &Record) -> Markup {
    let read = match record.header.kind {
        Kind::Bench => {
            serde_json::from_str::<Entry<Run>>(&record.body).map(|entry| run(&entry.run, &rows(&entry.run)))
        }
        Kind::Load => serde_json::from_str::<Entry<LoadRun>>(&record.body).and_then(|entry| {
            let rows: Vec<LoadRow> = serde_json::from_str(entry.rows.get())?;
            Ok(super::load::run(&entry.run, &rows))
        }),
        Kind::Retraction => serde_json::from_str::<Retraction>(&record.body)
            .map(|found| html! { p { "Withdraws " code.long { (found.retracts) } ": " (found.reason) } }),
        _ => serde_json::from_str(&record.body).map(|seen| observed(&seen)),
    };
    read.unwrap_or_else(|error| html! { p.error role="alert" { "failed to read this record: " (error) } })
}

/// Who signed, whether it fits, whether the numbers follow.
fn signature(site: &Site, line: &Listed, record: &Record) -> Result<Markup, Refused> {
    let genuine = record.sealed.is_genuine(RECORD);
    let keys = site.program.known_keys()?;
    let name = keys.name(&record.sealed.signer);
    let problems = site.program.problems(record);
    Ok(html! {
        section.card data-testid="signature" aria-label="Signature" {
            h2 { "Signature and recomputation" }
            ul {
                li { strong.good[genuine].bad[!genuine] { @if genuine { "genuine" } @else { "NOT GENUINE" } }
                    ": signed by " code { (record.sealed.signer.fingerprint()) } " ("
                    @match name { Some(name) => (name), None => "a key that is not known here" } ")" }
                li { @if problems.is_empty() { strong.good { "sound" } ": its statistics follow from its samples" }
                    @else { strong.bad { "NOT SOUND" } } }
                @for problem in &problems { li.bad { (problem) } }
                li { "content " code.long { (record.content) } }
                li { "recorded " (record.header.recorded) " by " (record.header.tool) ", place " (line.sequence) " here" }
                @if line.withdrawn > 0 { li.bad { "withdrawn by " a href={ "/results/" (line.withdrawn) } { "#" (line.withdrawn) } } }
            }
        }
    })
}

fn withdrawal(line: &Listed) -> Markup {
    html! {
        form.retract data-retract={ "/api/results/" (line.sequence) "/retract" } data-testid="retract" {
            details {
                summary { "Withdraw this record" }
                p { "It stays in the ledger and no longer counts. This needs the address with the token that "
                    code { "roofmark serve" } " printed." }
                div.field { label for="reason" { "Reason" } input #reason name="reason" required maxlength="1000"; }
                p.go { button type="submit" { "Withdraw" } }
            }
        }
    }
}

/// A run of the embedded engine.
pub fn run(run: &Run, rows: &[Row]) -> Markup {
    html! {
        (facts(run))
        (table(rows).render())
        (samples_chart(run).render())
        (doubts(run, rows))
        (raw(run).render())
    }
}

fn facts(run: &Run) -> Markup {
    let host = &run.machine;
    let engine = &run.engine;
    html! {
        dl.facts {
            dt { "Machine" } dd { (host.slug.as_deref().unwrap_or("not in the catalog")) ", " (host.cpu) ", " (host.cpus) " CPUs; " (host.os) }
            @if let Some(roofs) = &run.roofs {
                dt { "Memory roof" } dd { (significant(roofs.all.best.gb(), 3)) " GB/s read with " (roofs.all.threads) " threads (measured)" }
            }
            dt { "Model" } dd { (run.model.profile.model) " " (run.model.profile.quant) }
            dt { "Engine" } dd { (engine.name) " " (engine.version) " on " (engine.backend) " (" (engine.device) ")" }
            dt { "Method" } dd { "protocol " (run.settings.protocol) ", " (run.settings.repetitions) " repetitions, " (run.settings.threads) " threads; " (run.date) }
        }
    }
}

fn table(rows: &[Row]) -> Table {
    let head = ["Workload", "tok/s", "95 % interval", "Attainable", "Share of the roof", "Samples", "Void"];
    let mut table = Table::new("rows", "Rates", &head);
    let ground =
        || Ground::plain("measured", "median of the samples below, time inside the engine's decode call");
    for row in rows {
        let (low, mid, high) = (row.rate.low.get(), row.rate.mid.get(), row.rate.high.get());
        let roof = || Ground::plain("derived", "bytes of a step over the bandwidth measured beside it");
        let attainable = row.attainable.map_or_else(Cell::unknown, |rate| {
            Cell::number(significant(rate.get(), 3)).value(rate.get()).from(roof())
        });
        let share = row.share.map_or_else(Cell::unknown, |share| {
            Cell::number(format!("{} %", significant(share * 100.0, 3))).value(share).from(roof())
        });
        table.row(vec![
            Cell::text(workload(&row.workload)),
            Cell::number(significant(mid, 3)).value(mid).from(ground()),
            Cell::number(format!("{} to {}", significant(low, 3), significant(high, 3))).from(ground()),
            attainable,
            share,
            Cell::number(row.samples.to_string()).value(f64::from(row.samples)),
            Cell::text(if row.void { "void for comparisons" } else { "" }),
        ]);
    }
    table
}

fn name(run: &Run, cell: &RunCell) -> String {
    let layers = run.parts.get(cell.part).map_or(0, |part| part.layers);
    let whole = layers == run.model.profile.layers;
    let slice = if whole { String::new() } else { format!(", {layers} layers") };
    format!("{}{slice}", workload(&cell.workload))
}

fn samples_chart(run: &Run) -> Chart {
    let series = run.cells.iter().enumerate().map(|(tone, cell)| {
        let points = (1..).zip(&cell.samples).map(|(at, sample)| Point {
            x: f64::from(at),
            y: sample.rate().get(),
            label: format!("sample {at}"),
            ..Point::default()
        });
        Series { name: name(run, cell), tone, look: Look::Points, points: points.collect() }
    });
    Chart {
        id: "samples".into(),
        title: "Raw samples in the order they were taken".into(),
        x: Axis::new("sample", Scale::Linear),
        y: Axis::new("tokens/s", Scale::Log),
        series: series.filter(|series| !series.points.is_empty()).collect(),
        marks: Vec::new(),
    }
}

fn doubts(run: &Run, rows: &[Row]) -> Markup {
    let settings = &run.settings;
    let of_rows = rows.iter().flat_map(|row| row.doubts.iter().map(|doubt| (workload(&row.workload), doubt)));
    let all: Vec<_> = run.doubts.iter().map(|doubt| ("all rows".to_owned(), doubt)).chain(of_rows).collect();
    html! {
        section data-testid="doubts" aria-label="Doubts" {
            h2 { "Doubts" }
            @if all.is_empty() { p { "None." } }
            ul {
                @for (what, doubt) in &all {
                    li { b { (what) } ": " (doubt.text()) @if let Some(advice) = doubt.advice(settings) { " – " i { (advice) } } }
                }
            }
        }
    }
}

fn raw(run: &Run) -> Table {
    let head = ["Workload", "Sample", "tok/s", "Tokens", "Time (s)", "Bandwidth beside it (GB/s)"];
    let mut table = Table::new("raw", "Raw samples", &head);
    let measured = || Ground::plain("measured", "one repetition");
    let all = run
        .cells
        .iter()
        .flat_map(|cell| (1..).zip(&cell.samples).map(move |(at, sample)| (cell, at, sample)));
    for (cell, at, sample) in all.take(MOST_SAMPLES) {
        let rate = sample.rate().get();
        let seconds = sample.time.get();
        let roof = sample.roof.as_ref().map_or_else(Cell::unknown, |roof| {
            let value = roof.bandwidth().gb();
            Cell::number(significant(value, 3))
                .value(value)
                .from(Ground::plain("measured", "the roof probe, before and after"))
        });
        table.row(vec![
            Cell::text(name(run, cell)),
            Cell::number(format!("{at}")).value(f64::from(at)),
            Cell::number(significant(rate, 4)).value(rate).from(measured()),
            Cell::number(sample.tokens.to_string()).value(sample.tokens as f64),
            Cell::number(significant(seconds, 4)).value(seconds).from(measured()),
            roof,
        ]);
    }
    table
}

/// What another tool measured.
fn observed(seen: &Observation) -> Markup {
    let head = ["Timed", "tok/s", "Prompt", "Generated", "Depth", "Batch", "Samples"];
    let mut table = Table::new("rows", "Rates as their source prints them", &head);
    let ground = || Ground::plain("claimed", format!("{} {}", seen.origin.form, seen.origin.title));
    let count = |value: Option<u64>| {
        value.map_or_else(Cell::unknown, |value| Cell::number(value.to_string()).value(value as f64))
    };
    for cell in &seen.cells {
        let rate =
            |rate: TokensPerSecond| Cell::number(significant(rate.get(), 4)).value(rate.get()).from(ground());
        let samples: Vec<String> =
            cell.samples.iter().take(50).map(|rate| significant(rate.get(), 4)).collect();
        table.row(vec![
            Cell::text(cell.timed.name()),
            cell.rate.map_or_else(Cell::unknown, rate),
            count(cell.prompt),
            count(cell.generated),
            count(cell.depth),
            count(cell.batch),
            Cell::text(samples.join(", ")),
        ]);
    }
    html! {
        (table.render())
        @let doubts: Vec<&String> = seen.cells.iter().flat_map(|cell| &cell.doubts).collect();
        section data-testid="doubts" aria-label="Doubts" {
            h2 { "Doubts" }
            ul { @for doubt in doubts { li { (doubt) } } @for missing in &seen.missing { li { "not stated: " (missing) } } }
        }
        @if !seen.notes.is_empty() { p.note { (seen.notes) } }
    }
}
