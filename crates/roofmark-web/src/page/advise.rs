//! Which machine for which workload: a form, and the ranking with its reasons.

use super::{
    Choice, Pairs, View, as_json, asked, filled, form, input, model_choice, query_string, show, tick,
};
use crate::filter::value;
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::advice::{Advice, Place, Standing, TargetAnswer};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::cost::Uncertain;
use roofmark_facts::units::significant;
use roofmark_report::cost::{money, provenance};
use roofmark_theory::workload::PRESETS;
use std::sync::Arc;

/// Machines that are left out, at most so many with their reasons.
const EXCLUDED: usize = 200;

/// `GET /advise`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

/// Answers the first question once, so that it is there when somebody asks.
pub fn warm(site: &Site) {
    drop((view(site, &[]).result)());
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let mut question = filled(query);
    if value(&question, "model").is_none()
        && value(&question, "at_least").is_none()
        && value(&question, "target").is_none()
    {
        question.push(("model".into(), "llama-3.1-70b".into()));
    }
    View {
        at: "/advise",
        title: "Which machine?".into(),
        lead: "Say what it is for. Machines are ranked by whether they meet the targets, then by money or speed.",
        form: form("/advise", &fields(site, &question)),
        result: Box::new(move || site.remembered("advise", &question, || result(site, &question))),
    }
}

fn fields(site: &Site, query: &crate::Pairs) -> Markup {
    let models = model_choice(site, "model", "Model", &asked(query, "model", ""), Some("any of at least …"));
    html! {
        (Choice::new("workload", "Workload", &PRESETS, &asked(query, "workload", "chat")).render())
        (models.render())
        (input(query, "at_least", "Any model of at least (10⁹ parameters)", "30"))
        (Choice::new("quant", "Quantization", &["Q4_K_M", "Q6_K", "Q8_0", "BF16"], &asked(query, "quant", "Q4_K_M")).render())
        (input(query, "budget", "Budget", "5000"))
        (Choice::new("currency", "Currency", &["USD", "EUR", "GBP"], &asked(query, "currency", "USD")).render())
        (Choice::new("by", "Order by", &["", "cost", "speed", "per-token"], &asked(query, "by", "")).render())
        (Choice::new("os", "System", &["", "linux", "macos", "windows"], &asked(query, "os", "")).render())
        (input(query, "users", "People at once (team)", "8"))
        (input(query, "streams", "Requests in flight", "1"))
        (input(query, "least_rate", "Least tokens/s of each", "8"))
        (input(query, "longest_wait", "Longest wait (s)", "10"))
        (input(query, "target", "Or: what reaches", "20 tok/s on llama-3.1-70b Q4_K_M"))
        (tick(query, "silent", "Silent")) (tick(query, "portable", "Portable")) (tick(query, "vendor_support", "Supported by its vendor"))
    }
}

fn result(site: &Site, question: &crate::Pairs) -> Result<Markup, Refused> {
    let json = as_json(&format!("/api/advise?{}", query_string(question)));
    if value(question, "target").is_some() {
        let keep =
            ["target", "workload", "users", "prompt", "output", "machine", "currency", "price", "budget"];
        let asked: Vec<_> =
            question.iter().filter(|(name, _)| keep.contains(&name.as_str())).cloned().collect();
        return Ok(html! { (target(&site.program.target(&asked)?)) (json) });
    }
    Ok(html! { (ranking(site.program.catalog(), &site.program.advise(question)?)) (json) })
}

/// An uncertain number with its ends.
pub fn uncertain(value: &Uncertain, show: impl Fn(f64) -> String) -> String {
    let (low, high) = value.ends();
    if low == high {
        show(low)
    } else {
        format!("{} ({} to {})", show(value.middle()), show(low), show(high))
    }
}

fn rate(value: &Uncertain, ground: &str) -> Cell {
    let text = uncertain(value, |rate| significant(rate, 3));
    Cell::number(text).value(value.middle()).from(Ground::plain("predicted", ground))
}

/// A ranking with its reasons.
pub fn ranking(catalog: &Catalog, advice: &Advice) -> Markup {
    let work = &advice.workload;
    html! {
        p { "For " b { (advice.models.join(", ")) } ": prompts of " (work.prompt) " tokens, answers of " (work.output) ", "
            (work.streams) " at a time"
            @if let Some(least) = work.least_rate { ", at least " (least) " tok/s each" }
            @if let Some(wait) = work.longest_wait { ", at most " (wait) " s to the first token" } "." }
        @if advice.places.is_empty() { p.error role="alert" data-testid="nothing" { "No machine of the catalog is left." } }
        @else { (places(catalog, advice).render()) }
        @for answer in &advice.answers { p { b { (answer.question) } " " (answer.answer) } }
        @if !advice.notes.is_empty() { ul.note { @for note in &advice.notes { li { (note) } } } }
        (excluded(advice))
    }
}

fn places(catalog: &Catalog, advice: &Advice) -> Table {
    let currency = &advice.currency;
    let month = format!("{currency} a month");
    let million = format!("{currency} for 1 M tokens");
    let head = [
        "Machine",
        "Model",
        "Standing",
        "Each (tok/s)",
        "All (tok/s)",
        "First token (s)",
        "Price",
        &month,
        &million,
        "Before the next",
        "Open questions",
    ];
    let mut table = Table::new("places", "Ranking", &head);
    for place in &advice.places {
        table.row(row(catalog, place));
    }
    table
}

fn row(catalog: &Catalog, place: &Place) -> Vec<Cell> {
    let name = catalog.machine(&place.machine).map_or(place.machine.as_str(), |machine| &machine.name);
    let ground = format!("{} with {}; {}", place.quant, place.engine, place.tier);
    let cost = |value: &Option<Uncertain>| {
        value.as_ref().map_or_else(Cell::unknown, |value| {
            let text = uncertain(value, money);
            Cell::number(text)
                .value(value.middle())
                .from(Ground::plain("predicted", "draws over price, power, tariff and rates"))
        })
    };
    let price = place.price.as_ref().map_or_else(Cell::unknown, |price| {
        let text = uncertain(&price.value, money);
        Cell::number(text).value(price.value.middle()).from(Ground::plain("offered", provenance(price)))
    });
    let next = place.before_next.map_or_else(Cell::unknown, |share| {
        let text = format!("{} % of draws", (share * 100.0).round());
        Cell::number(text)
            .value(share)
            .from(Ground::plain("predicted", "share of draws in which it stands before the next"))
    });
    vec![
        Cell::markup(
            &html! { a href={ "/explorer?" (query_string(&super::pairs(&[("machine", &place.machine), ("model", &place.model), ("quant", &place.quant)]))) } { (name) } },
        ),
        Cell::text(format!("{} {} ({})", place.model, place.quant, place.engine)),
        Cell::markup(&standing(place.standing)),
        rate(&place.each, &ground),
        rate(&place.throughput, &ground),
        rate(&place.wait, &ground),
        price,
        cost(&place.monthly),
        cost(&place.per_million),
        next,
        Cell::text(place.unknown.join("; ")),
    ]
}

fn standing(standing: Standing) -> Markup {
    match standing {
        Standing::Meets => html! { span.good { "meets the targets" } },
        Standing::Likely => html! { span.good { "likely meets them" } },
        Standing::Doubtful => html! { span { "doubtful" } },
        Standing::Misses => html! { span.bad { "misses them" } },
    }
}

fn excluded(advice: &Advice) -> Markup {
    if advice.excluded.is_empty() {
        return html! {};
    }
    let mut table = Table::new("excluded", "Left out, with the reasons", &["Machine", "Reasons"]);
    for exclusion in advice.excluded.iter().take(EXCLUDED) {
        let reasons: Vec<&str> = exclusion.reasons.iter().map(|reason| reason.text.as_str()).collect();
        table.row(vec![Cell::text(&exclusion.machine), Cell::text(reasons.join("; "))]);
    }
    html! { details { summary { "Left out: " (advice.excluded.len()) " machines" } (table.render()) } }
}

fn target(answer: &TargetAnswer) -> Markup {
    let mut table = Table::new(
        "reach",
        "What reaches it",
        &["Machine", "Rate (tok/s)", "Ceiling (tok/s)", "Standing", "Price"],
    );
    for reach in &answer.reach {
        let ceiling = reach.ceiling.map_or_else(Cell::unknown, |ceiling| {
            Cell::number(significant(ceiling, 3))
                .value(ceiling)
                .from(Ground::plain("derived", "datasheet bandwidth over bytes"))
        });
        let price = reach.price.as_ref().map_or_else(Cell::unknown, |price| {
            Cell::number(uncertain(&price.value, money))
                .value(price.value.middle())
                .from(Ground::plain("offered", provenance(price)))
        });
        table.row(vec![
            Cell::text(&reach.machine),
            rate(&reach.rate, "one stream"),
            ceiling,
            Cell::markup(&standing(reach.standing)),
            price,
        ]);
    }
    html! {
        p { (significant(answer.rate, 3)) " tok/s on " b { (answer.model) " " (answer.quant) } ": each token reads "
            (significant(answer.gb_per_token, 3)) " GB, so no machine below " (significant(answer.least_bandwidth_gb_s, 3))
            " GB/s reaches it." }
        @if table.is_empty() { p.error role="alert" { "No machine of the catalog reaches it." } } @else { (table.render()) }
        @for way in &answer.ways {
            p { b { (way.now.machine) } ": "
                @if let Some((quant, bits)) = &way.quant { "with " (quant) " (" (significant(*bits, 3)) "); " }
                @if let Some(accepted) = way.accepted { "with " (significant(accepted, 3)) " accepted tokens a pass; " }
                @for (model, rate) in &way.models { (model) " " (significant(*rate, 3)) "; " } }
        }
    }
}
