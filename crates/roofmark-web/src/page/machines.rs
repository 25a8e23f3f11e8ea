//! Machines side by side: the roofline with ceilings, predicted bands and measured points, and the facts.

use super::{
    Choice, Pairs, View, as_json, asked, asked_all, form, machine_boxes, model_choice, pairs, query_string,
    show,
};
use crate::chart::{Axis, Chart, Look, Point, Scale, Series};
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::answer::Case;
use roofmark_facts::catalog::{Catalog, Price};
use roofmark_facts::evidence::{Flag, Measurement, Speculation, measurements, source};
use roofmark_facts::machine::{Machine, Sourced};
use roofmark_facts::roofline::Roof;
use roofmark_facts::units::{Bytes, BytesPerSecond, TokensPerSecond, Watts, grouped, significant};
use roofmark_theory::predict::place;
use roofmark_theory::resolve::{self, Profiles, job};
use std::collections::HashMap;
use std::sync::Arc;

/// The systems of the article.
const USUAL: [&str; 4] =
    ["apple-m5-max-40c-128gb", "nvidia-dgx-spark", "amd-strix-halo-128gb", "nvidia-rtx-5090"];
/// Most machines on one page.
const MOST: usize = 12;
/// Sequences together whose places are shown.
const BATCHES: &str = "1,4,16,64";
/// Ends of the x axis: FLOP per byte.
const ENDS: (f64, f64) = (0.5, 3_000.0);

/// `GET /machines`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

/// Answers the first question once, so that the predictor and the evidence are read.
pub fn warm(site: &Site) {
    drop((view(site, &[]).result)());
}

/// What is asked for.
struct Asked {
    machines: Vec<&'static Machine>,
    model: String,
    quant: String,
    depth: String,
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let names = asked_all(query, "machine", &known(site));
    let model = asked(query, "model", "llama-3.1-70b");
    let (quant, depth) = (asked(query, "quant", "Q4_K_M"), asked(query, "depth", "0"));
    let models = model_choice(site, "model", "Model", &model, None);
    let slug =
        |name: &String| site.program.machine(name).map_or(name.clone(), |machine| machine.slug.clone());
    let slugs: Vec<String> = names.iter().map(slug).collect();
    let fields = html! {
        (machine_boxes(site, &slugs))
        (models.render())
        (Choice::new("quant", "Quantization", &["Q3_K_M", "MXFP4", "Q4_K_M", "Q6_K", "Q8_0", "BF16"], &quant).slider().render())
        (Choice::new("depth", "Depth (tokens in the cache)", &super::explorer::DEPTHS, &depth).slider().render())
    };
    let asked = machines(site, &names).map(|machines| Asked { machines, model, quant, depth });
    View {
        at: "/machines",
        title: "Machines side by side".into(),
        lead: "What each machine could do at most, where a model stands under that roof, and what was measured.",
        form: form("/machines", &fields),
        result: Box::new(move || asked.and_then(|asked| result(site, &asked))),
    }
}

/// The usual machines that are in this catalog; its first ones where none is.
fn known(site: &Site) -> Vec<&'static str> {
    let catalog = site.program.catalog();
    let found: Vec<&str> = USUAL.into_iter().filter(|slug| catalog.machine(slug).is_some()).collect();
    if found.is_empty() {
        catalog.machines.iter().take(3).map(|machine| machine.slug.as_str()).collect()
    } else {
        found
    }
}

fn machines(site: &Site, names: &[String]) -> Result<Vec<&'static Machine>, Refused> {
    if names.len() > MOST {
        return Err(Refused::bad(format!(
            "{} machines are chosen, at most {MOST} fit one page",
            names.len()
        )));
    }
    names.iter().map(|name| site.program.machine(name)).collect()
}

fn result(site: &Site, asked: &Asked) -> Result<Markup, Refused> {
    let slugs: Vec<&str> = asked.machines.iter().map(|machine| machine.slug.as_str()).collect();
    let known: Vec<&str> = asked
        .machines
        .iter()
        .filter(|machine| machine.bandwidth.is_some())
        .map(|machine| machine.slug.as_str())
        .collect();
    let question = pairs(&[
        ("machine", &known.join(",")),
        ("model", &asked.model),
        ("quant", &asked.quant),
        ("depth", &asked.depth),
        ("batch", BATCHES),
    ]);
    let cases = if known.is_empty() { Vec::new() } else { site.program.predict(&question)? };
    let model = site.program.model(&asked.model)?;
    Ok(html! {
        (roofline(site, asked, &cases, &model.slug).render())
        (facts(site, asked, &cases).render())
        (engines(site, &asked.machines).render())
        (as_json(&format!("/api/predict?{}", query_string(&question))))
        p.note { "Shown: " (slugs.join(", ")) ". The roof is drawn at datasheet bandwidth and the highest dense peak." }
    })
}

fn roofline(site: &Site, asked: &Asked, cases: &[Case], model: &str) -> Chart {
    let mut series = Vec::new();
    for (tone, machine) in asked.machines.iter().enumerate() {
        series.extend(roof(machine, tone));
        let predicted: Vec<Point> =
            cases.iter().filter(|case| case.machine == machine.slug).filter_map(predicted).collect();
        if !predicted.is_empty() {
            series.push(Series {
                name: format!("{}: predicted", machine.name),
                tone,
                look: Look::Band,
                points: predicted,
            });
        }
        let measured = measured(site, machine, model);
        if !measured.is_empty() {
            series.push(Series {
                name: format!("{}: measured", machine.name),
                tone,
                look: Look::Points,
                points: measured,
            });
        }
    }
    Chart {
        id: "roofline".into(),
        title: format!("Roofline of {} {} (decode, batch 1 to 64)", asked.model, asked.quant),
        x: Axis::new("FLOP per byte", Scale::Log),
        y: Axis::new("TFLOP/s", Scale::Log),
        series,
        marks: Vec::new(),
    }
}

/// The machine's ceiling: memory bandwidth, then the compute peak.
fn roof(machine: &Machine, tone: usize) -> Option<Series> {
    let roof = Roof::of(machine)?;
    let at = |x: f64, label: &str| Point { x, y: roof.at(x).tera(), label: label.into(), ..Point::default() };
    let slope = |x: f64| at(x, "memory bandwidth");
    let points = match roof.knee() {
        Some(knee) if knee < ENDS.1 => vec![slope(ENDS.0), at(knee, "knee"), at(ENDS.1, "compute peak")],
        _ => vec![slope(ENDS.0), slope(ENDS.1)],
    };
    Some(Series { name: format!("{}: ceiling", machine.name), tone, look: Look::Bound, points })
}

fn predicted(case: &Case) -> Option<Point> {
    let place = case.place?;
    let scaled = |rate: TokensPerSecond| place.arithmetic(rate).tera();
    let decode = &case.answer.decode;
    let unfit = if case.answer.memory.fits() { "" } else { ", does not fit" };
    Some(Point {
        x: place.flop_per_byte,
        y: scaled(decode.rate),
        low: Some(scaled(decode.interval90.low)),
        high: Some(scaled(decode.interval90.high)),
        label: format!(
            "batch {}: {} tok/s predicted{unfit}",
            case.workload.batch,
            significant(decode.rate.get(), 3)
        ),
    })
}

/// Measured decoding of the model on the machine, in any quantization.
fn measured(site: &Site, machine: &Machine, model: &str) -> Vec<Point> {
    let mut profiles = Profiles::default();
    rows(site, &machine.slug, model)
        .into_iter()
        .filter_map(|row| {
            let job = job(site.program.catalog(), &mut profiles, row).ok().filter(|job| !job.is_prefill())?;
            let place = place(&job)?;
            let y = place.arithmetic(row.rate).tera();
            Some(Point { x: place.flop_per_byte, y, label: describe(row), ..Point::default() })
        })
        .collect()
}

/// Rows of the evidence that may be held against a prediction of `model` on `machine`.
pub fn rows(site: &Site, machine: &str, model: &str) -> Vec<&'static Measurement> {
    site.evidence().get(&(machine.to_owned(), model.to_owned())).cloned().unwrap_or_default()
}

/// The evidence by machine and model of the catalog. Rows that fit no single one of its entries stay out, as do rows that
/// are above physics, or of several devices, or speculative.
pub fn index(catalog: &'static Catalog) -> Evidence {
    let mut found = Evidence::new();
    let fit = |row: &&Measurement| {
        row.devices == 1 && row.flag != Some(Flag::High) && row.speculation == Speculation::None
    };
    for row in measurements().iter().filter(fit) {
        if let (Ok(machine), Ok(model)) =
            (resolve::machine(catalog, &row.machine), resolve::model(catalog, &row.model))
        {
            found.entry((machine.slug.clone(), model.slug.clone())).or_default().push(row);
        }
    }
    found
}

/// Measured rows by machine and model.
pub type Evidence = HashMap<(String, String), Vec<&'static Measurement>>;

/// A row in words, with its source.
pub fn describe(row: &Measurement) -> String {
    let depth = row.depth.map_or(String::new(), |depth| format!(", depth {depth}"));
    let title = source(&row.source).map_or(row.source.as_str(), |source| source.title.as_str());
    format!(
        "{} tok/s measured: {}{depth}, {} at a time ({title})",
        significant(row.rate.get(), 3),
        row.quant.as_deref().unwrap_or("quantization not stated"),
        row.concurrency,
    )
}

fn facts(site: &Site, asked: &Asked, cases: &[Case]) -> Table {
    let names: Vec<&str> =
        std::iter::once("Fact").chain(asked.machines.iter().map(|machine| machine.name.as_str())).collect();
    let mut table = Table::new("facts", "Facts of the machines", &names);
    let mut row = |name: &str, cell: &dyn Fn(&Machine) -> Cell| {
        let cells = asked.machines.iter().map(|machine| cell(machine));
        table.row(std::iter::once(Cell::text(name)).chain(cells).collect());
    };
    row("Memory (GB)", &|machine| fact(machine.memory.as_ref(), Bytes::gb));
    row("Bandwidth, datasheet (GB/s)", &|machine| fact(machine.bandwidth.as_ref(), BytesPerSecond::gb));
    row("Bandwidth, measured read (GB/s)", &|machine| {
        fact(machine.measured_read.as_ref(), BytesPerSecond::gb)
    });
    row("Host link (GB/s)", &|machine| fact(machine.link.as_ref(), BytesPerSecond::gb));
    row("Highest dense peak (TFLOP/s)", &peak);
    row("Power under load (W)", &|machine| fact(machine.load.as_ref().or(machine.tdp.as_ref()), Watts::get));
    row("Power idle (W)", &|machine| fact(machine.idle.as_ref(), Watts::get));
    row("Noise (dB)", &|machine| fact(machine.noise_db.as_ref(), |noise| noise));
    row("Price, newest (as offered)", &|machine| price(&site.program.catalog().prices, machine));
    row("Released", &|machine| machine.released.as_ref().map_or_else(Cell::unknown, Cell::number));
    row("Systems", &|machine| Cell::text(machine.os.join(", ")));
    for (batch, name) in [(1.0, "Decode, one stream (tok/s)"), (16.0, "Decode, 16 streams together (tok/s)")]
    {
        row(name, &|machine| decode(cases, machine, batch));
    }
    row("Prefill (tok/s)", &|machine| prefill(cases, machine));
    row("Fits", &|machine| fits(cases, machine));
    table
}

/// A fact in a unit.
fn fact<T: Copy>(fact: Option<&Sourced<T>>, unit: impl Fn(T) -> f64) -> Cell {
    let Some(fact) = fact else { return Cell::unknown() };
    let value = unit(fact.value);
    Cell::number(significant(value, 3)).value(value).from(Ground::of(fact))
}

fn peak(machine: &Machine) -> Cell {
    let highest =
        machine.peaks.iter().max_by(|(_, left), (_, right)| left.value.get().total_cmp(&right.value.get()));
    let Some((kind, peak)) = highest else { return Cell::unknown() };
    let value = peak.value.get() / 1e12;
    Cell::number(format!("{} {kind}", significant(value, 3))).value(value).from(Ground::of(peak))
}

fn price(prices: &[Price], machine: &Machine) -> Cell {
    let newest = prices
        .iter()
        .filter(|price| price.machine == machine.slug)
        .max_by(|left, right| left.date.cmp(&right.date));
    let Some(price) = newest else { return Cell::unknown() };
    let ground = Ground {
        basis: if price.claim { "claimed" } else { "offered" },
        text: format!("{}, {} ({})", price.source.title, price.date, price.condition),
        url: price.source.url.clone(),
    };
    Cell::number(format!("{} {}", grouped(price.amount.round() as u64), price.currency))
        .value(price.amount)
        .from(ground)
}

fn case_of<'a>(cases: &'a [Case], machine: &Machine, batch: f64) -> Option<&'a Case> {
    cases.iter().find(|case| case.machine == machine.slug && case.workload.batch == batch)
}

fn decode(cases: &[Case], machine: &Machine, batch: f64) -> Cell {
    case_of(cases, machine, batch)
        .map_or_else(Cell::unknown, |case| super::explorer::rate(&case.answer.decode))
}

fn prefill(cases: &[Case], machine: &Machine) -> Cell {
    case_of(cases, machine, 1.0)
        .map_or_else(Cell::unknown, |case| super::explorer::rate(&case.answer.prefill))
}

fn fits(cases: &[Case], machine: &Machine) -> Cell {
    let Some(case) = case_of(cases, machine, 1.0) else { return Cell::unknown() };
    let memory = &case.answer.memory;
    let needed = significant(memory.needed().gb(), 3);
    let text = if memory.fits() {
        format!("yes: {needed} GB")
    } else {
        format!("no: {needed} GB, {} GB short", significant(memory.short_by().gb(), 3))
    };
    Cell::text(text)
}

fn engines(site: &Site, machines: &[&Machine]) -> Table {
    let names: Vec<&str> =
        std::iter::once("Engine").chain(machines.iter().map(|machine| machine.name.as_str())).collect();
    let mut table = Table::new("engines", "Engines: what runs, since when", &names);
    let support = &site.program.catalog().support;
    let mut engines: Vec<&str> = support.iter().map(|row| row.engine.as_str()).collect();
    engines.sort_unstable();
    engines.dedup();
    for engine in engines {
        let cells = machines.iter().map(|machine| {
            let found = support.iter().find(|row| row.engine == engine && row.machine_class == machine.class);
            let Some(row) = found else { return Cell::unknown() };
            let ground = Ground {
                basis: "claimed",
                text: format!("{}, {}", row.source.title, row.source.date),
                url: row.source.url.clone(),
            };
            Cell::text(format!("{}, since {}", row.status, row.since)).from(ground)
        });
        table.row(std::iter::once(Cell::text(engine)).chain(cells).collect());
    }
    table
}
