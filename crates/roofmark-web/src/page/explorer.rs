//! One model on one machine: sliders for quantization, depth, batch and speculation; rates follow them.

use super::{
    Choice, Pairs, View, as_json, asked, form, machine_choice, model_choice, pairs, query_string, show,
};
use crate::chart::{Axis, Chart, Look, Point, Scale, Series};
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::answer::Case;
use roofmark_facts::evidence::{MeasuredPhase, Measurement, source};
use roofmark_facts::prediction::Prediction;
use roofmark_facts::units::{Seconds, significant};
use std::sync::Arc;

/// Depths of the slider.
pub const DEPTHS: [&str; 9] = ["0", "512", "2048", "4096", "8192", "16384", "32768", "65536", "131072"];
const QUANTS: [&str; 12] =
    ["Q2_K", "Q3_K_M", "IQ4_XS", "MXFP4", "NVFP4", "Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "FP8", "Q8_0", "BF16"];
const BATCHES: [&str; 7] = ["1", "2", "4", "8", "16", "32", "64"];
const ACCEPTED: [&str; 8] = ["1", "1.25", "1.5", "2", "2.5", "3", "4", "6"];

/// `GET /explorer`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

/// What is asked for, as the options of `predict`.
struct Asked {
    machine: String,
    model: String,
    quant: String,
    depth: String,
    batch: String,
    speculation: String,
    engine: String,
}

impl Asked {
    fn question(&self, quant: &str, depth: &str) -> Vec<(String, String)> {
        let mut words = vec![
            ("machine", self.machine.as_str()),
            ("model", &self.model),
            ("quant", quant),
            ("depth", depth),
            ("batch", &self.batch),
        ];
        if self.speculation != "1" {
            words.push(("speculation", &self.speculation));
        }
        if !self.engine.is_empty() {
            words.push(("engine", &self.engine));
        }
        pairs(&words)
    }
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let asked = Asked {
        machine: asked(query, "machine", "nvidia-dgx-spark"),
        model: asked(query, "model", "gpt-oss-120b"),
        quant: asked(query, "quant", "MXFP4"),
        depth: asked(query, "depth", "0"),
        batch: asked(query, "batch", "1"),
        speculation: asked(query, "speculation", "1"),
        engine: asked(query, "engine", ""),
    };
    View {
        at: "/explorer",
        title: "Model on machine".into(),
        lead: "Move a slider: the rates, their intervals and the memory follow.",
        form: form("/explorer", &fields(site, &asked)),
        result: Box::new(move || result(site, &asked)),
    }
}

fn fields(site: &Site, asked: &Asked) -> Markup {
    let machines = machine_choice(site, "machine", "Machine", &asked.machine, None);
    let models = model_choice(site, "model", "Model", &asked.model, None);
    let engines = ["", "llama.cpp", "ollama", "mlx", "vllm", "lm-studio", "sglang", "tensorrt-llm"];
    html! {
        (machines.render()) (models.render())
        (Choice::new("quant", "Quantization", &QUANTS, &asked.quant).slider().render())
        (Choice::new("depth", "Depth (tokens in the cache)", &DEPTHS, &asked.depth).slider().render())
        (Choice::new("batch", "Batch (sequences together)", &BATCHES, &asked.batch).slider().render())
        (Choice::new("speculation", "Speculation (tokens accepted a pass)", &ACCEPTED, &asked.speculation).slider().render())
        (Choice::new("engine", "Engine (any: the usual one)", &engines, &asked.engine).render())
    }
}

fn result(site: &Site, asked: &Asked) -> Result<Markup, Refused> {
    let question = asked.question(&asked.quant, &asked.depth);
    let cases = site.program.predict(&question)?;
    let case = cases.first().ok_or_else(|| Refused::bad("no prediction"))?;
    Ok(html! {
        (headline(case))
        (over_depth(site, asked, case).render())
        (by_quant(site, asked).render())
        (grounds(case))
        (evidence(site, case))
        (as_json(&format!("/api/predict?{}", query_string(&question))))
    })
}

/// A predicted rate with its interval and what it rests on.
pub fn rate(prediction: &Prediction) -> Cell {
    let Prediction { rate, interval90, tier, .. } = prediction;
    let text = format!(
        "{} ({} to {})",
        significant(rate.get(), 3),
        significant(interval90.low.get(), 3),
        significant(interval90.high.get(), 3)
    );
    let ground = Ground::plain("predicted", format!("rate and 90 % interval of the predictor; {tier}"));
    Cell::number(text).value(rate.get()).from(ground)
}

fn headline(case: &Case) -> Markup {
    let answer = &case.answer;
    let memory = &answer.memory;
    let seconds = |time: Seconds| format!("{} s", significant(time.get(), 3));
    html! {
        dl.cards {
            (card("decode", "Decode", &answer.decode))
            (card("prefill", "Prefill", &answer.prefill))
            div.card data-testid="fits" {
                dt { "Fits" }
                dd {
                    strong.good[memory.fits()].bad[!memory.fits()] { @if memory.fits() { "yes" } @else { "no" } }
                    p { (significant(memory.needed().gb(), 3)) " GB needed"
                        @if let Some(usable) = memory.usable { ", " (significant(usable.gb(), 3)) " GB usable" } }
                    @if !memory.fits() { p { (significant(memory.short_by().gb(), 3)) " GB short" } }
                }
            }
            div.card data-testid="waits" {
                dt { "Waiting" }
                dd {
                    strong { (seconds(answer.first_token)) }
                    p { "to the first token" }
                    p { (seconds(answer.answer_50)) " for 50 tokens, " (seconds(answer.answer_500)) " for 500" }
                }
            }
        }
        @if case.approximate_bytes { p.note { "The bytes of this quantization are within some 10 %: its mix is not published." } }
    }
}

fn card(id: &str, name: &str, prediction: &Prediction) -> Markup {
    let interval = &prediction.interval90;
    html! {
        div.card data-testid=(id) {
            dt { (name) ", predicted" }
            dd {
                strong { (significant(prediction.rate.get(), 3)) " tok/s" }
                p { "90 %: " (significant(interval.low.get(), 3)) " to " (significant(interval.high.get(), 3)) }
                @if let Some(ceiling) = prediction.ceiling { p { "ceiling " (significant(ceiling.get(), 3)) } }
                p { "limit: " (prediction.limit) }
                p { "rests on: " (prediction.tier) }
            }
        }
    }
}

fn over_depth(site: &Site, asked: &Asked, case: &Case) -> Chart {
    let context = case.context.map_or(f64::INFINITY, |context| context as f64);
    let within: Vec<&str> = DEPTHS
        .into_iter()
        .filter(|depth| depth.parse().unwrap_or(0.0) + case.workload.prompt <= context)
        .collect();
    let cases = site.program.predict(&asked.question(&asked.quant, &within.join(","))).unwrap_or_default();
    let x = |case: &Case| case.workload.depth;
    let band = |case: &Case| {
        let decode = &case.answer.decode;
        let (low, high) = (decode.interval90.low.get(), decode.interval90.high.get());
        let label = format!("depth {}", case.workload.depth);
        Point { x: x(case), y: decode.rate.get(), low: Some(low), high: Some(high), label }
    };
    let ceiling = |case: &Case| {
        let y = case.answer.decode.ceiling?.get();
        Some(Point { x: x(case), y, label: "ceiling".into(), ..Point::default() })
    };
    let measured = rows(site, case)
        .into_iter()
        .filter(|row| row.quant.as_deref() == Some(asked.quant.as_str()))
        .map(|row| Point {
            x: row.depth.unwrap_or(0) as f64,
            y: row.rate.get(),
            label: super::machines::describe(row),
            ..Point::default()
        });
    let series = vec![
        Series {
            name: "ceiling".into(),
            tone: 3,
            look: Look::Bound,
            points: cases.iter().filter_map(ceiling).collect(),
        },
        Series {
            name: "predicted".into(),
            tone: 0,
            look: Look::Band,
            points: cases.iter().map(band).collect(),
        },
        Series { name: "measured by others".into(), tone: 1, look: Look::Points, points: measured.collect() },
    ];
    Chart {
        id: "over-depth".into(),
        title: format!("Decode of {} {} on {} over depth", asked.model, asked.quant, case.machine_name),
        x: Axis::new("depth (tokens)", Scale::Linear),
        y: Axis::new("tokens/s", Scale::Linear),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        marks: Vec::new(),
    }
}

/// Measured decoding of the model on the machine with this many sequences.
fn rows(site: &Site, case: &Case) -> Vec<&'static Measurement> {
    let mut rows = super::machines::rows(site, &case.machine, &case.model);
    rows.retain(|row| row.phase != MeasuredPhase::Prefill && row.concurrency as f64 == case.workload.batch);
    rows
}

fn by_quant(site: &Site, asked: &Asked) -> Table {
    let head =
        ["Quantization", "Decode (tok/s)", "Prefill (tok/s)", "Memory (GB)", "Fits", "First token (s)"];
    let mut table = Table::new("by-quant", "The same in other quantizations", &head);
    let cases = site.program.predict(&asked.question(&QUANTS.join(","), &asked.depth)).unwrap_or_default();
    for case in &cases {
        let memory = &case.answer.memory;
        let needed = memory.needed().gb();
        let first = case.answer.first_token.get();
        table.row(vec![
            Cell::text(&case.quant),
            rate(&case.answer.decode),
            rate(&case.answer.prefill),
            Cell::number(significant(needed, 3)).value(needed).from(derived("weights, cache and buffers")),
            Cell::text(if memory.fits() { "yes" } else { "no" }),
            Cell::number(significant(first, 3)).value(first).from(derived("from the predicted rates")),
        ]);
    }
    table
}

fn derived(how: &str) -> Ground {
    Ground::plain("derived", how)
}

/// What the prediction rests on: its parts and the nearest measurements.
fn grounds(case: &Case) -> Markup {
    let decode = &case.answer.decode;
    let mut parts = Table::new("parts", "Where the time of a step goes", &["Part", "Time (ms)"]);
    for part in &decode.breakdown {
        let milliseconds = part.time.get() * 1e3;
        let cell = Cell::number(significant(milliseconds, 3))
            .value(milliseconds)
            .from(derived("the predictor's model of a step"));
        parts.row(vec![Cell::text(part.limit.to_string()), cell]);
    }
    let mut near = Table::new("nearest", "Nearest measurements", &["Measurement", "tok/s", "Weight"]);
    for neighbour in &decode.nearest {
        let rate = neighbour.rate.get();
        let ground = Ground::plain("measured", format!("{} ({})", neighbour.source, neighbour.id));
        near.row(vec![
            Cell::text(&neighbour.what),
            Cell::number(significant(rate, 3)).value(rate).from(ground),
            Cell::number(significant(neighbour.weight, 2)).value(neighbour.weight),
        ]);
    }
    html! {
        div.pair { (parts.render()) @if !near.is_empty() { (near.render()) } }
        @if !decode.notes.is_empty() { ul.note { @for note in &decode.notes { li { (note) } } } }
    }
}

/// Every measured row of this model on this machine.
fn evidence(site: &Site, case: &Case) -> Markup {
    let head = ["Quantization", "tok/s", "Depth", "Streams", "Engine", "Date"];
    let mut table = Table::new("evidence", "Measured by others on this machine", &head);
    for row in rows(site, case) {
        let rate = row.rate.get();
        let found = source(&row.source);
        let ground = Ground {
            basis: "measured",
            text: format!("{} ({})", found.map_or(row.source.as_str(), |source| &source.title), row.locator),
            url: found.map(|source| source.url.clone()).unwrap_or_default(),
        };
        let text = |value: &Option<String>| value.as_ref().map_or_else(Cell::unknown, Cell::text);
        table.row(vec![
            Cell::text(row.quant.as_deref().unwrap_or("not stated")),
            Cell::number(significant(rate, 3)).value(rate).from(ground),
            row.depth.map_or_else(Cell::unknown, |depth| Cell::number(depth.to_string()).value(depth as f64)),
            Cell::number(row.concurrency.to_string()).value(row.concurrency as f64),
            text(&row.engine),
            text(&row.date),
        ]);
    }
    if table.is_empty() {
        return html! { p.note { "Nobody has published this model on this machine with this batch." } };
    }
    table.render()
}
