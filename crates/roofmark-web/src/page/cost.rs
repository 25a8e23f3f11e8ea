//! What owning a machine costs: inputs with their sources, results with their spread, the tornado.

use super::advise::uncertain;
use super::{
    Choice, Pairs, View, as_json, asked, filled, form, input, machine_choice, model_choice, query_string,
    show,
};
use crate::filter::value;
use crate::program::Refused;
use crate::serve::Site;
use crate::table::{Cell, Ground, Table};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use roofmark_facts::cost::{Bar, Basis, Comparison, Input, Quantity};
use roofmark_facts::units::plain;
use roofmark_report::cost::{Costed, money, provenance};
use roofmark_theory::workload::PRESETS;
use std::sync::Arc;

/// Width of the tornado's bars.
const WIDTH: f64 = 400.0;

/// `GET /cost`.
pub async fn page(State(site): State<Arc<Site>>, Query(query): Pairs) -> Response {
    show(site, query, view).await
}

/// Answers the first question once, so that it is there when somebody asks.
pub fn warm(site: &Site) {
    drop((view(site, &[]).result)());
}

fn view<'a>(site: &'a Site, query: &'a crate::Pairs) -> View<'a> {
    let mut question = filled(query);
    for (name, usual) in [("machine", "nvidia-dgx-spark"), ("model", "llama-3.1-70b")] {
        if value(&question, name).is_none() {
            question.push((name.into(), usual.into()));
        }
    }
    View {
        at: "/cost",
        title: "What does it cost?".into(),
        lead: "Money over the years of ownership. A range A..B stands for anything in between.",
        form: form("/cost", &fields(site, &question)),
        result: Box::new(move || site.remembered("cost", &question, || result(site, &question))),
    }
}

fn fields(site: &Site, query: &crate::Pairs) -> Markup {
    let machines = machine_choice(site, "machine", "Machine", &asked(query, "machine", ""), None);
    let models = model_choice(site, "model", "Model", &asked(query, "model", ""), None);
    let against = machine_choice(site, "against", "Compare with", &asked(query, "against", ""), Some("none"));
    html! {
        (machines.render()) (models.render())
        (Choice::new("quant", "Quantization", &["Q4_K_M", "Q6_K", "Q8_0", "BF16"], &asked(query, "quant", "Q4_K_M")).render())
        (Choice::new("workload", "Workload", &PRESETS, &asked(query, "workload", "chat")).render())
        (against.render())
        (Choice::new("currency", "Currency", &["USD", "EUR", "GBP"], &asked(query, "currency", "USD")).render())
        (input(query, "years", "Years", "3"))
        (input(query, "tariff", "Electricity (a kWh, or a region)", "United States"))
        (input(query, "hours", "Hours a day", "8"))
        (input(query, "utilisation", "Percent of them at work", "15"))
        (input(query, "depreciation", "Percent lost a year", "20..40"))
        (input(query, "extra", "Extras", "800"))
        (input(query, "watts", "Watts at work", "150..250"))
        (input(query, "api", "API price of 1 M (input/output)", "0.6/0.8"))
    }
}

fn result(site: &Site, question: &crate::Pairs) -> Result<Markup, Refused> {
    let costed = site.program.cost(question)?;
    Ok(html! {
        (show_costed(&costed))
        (as_json(&format!("/api/cost?{}", query_string(question))))
    })
}

/// The cost of one machine.
pub fn show_costed(costed: &Costed) -> Markup {
    html! {
        (results(costed).render())
        (tornado(costed))
        (inputs(costed).render())
        @for comparison in &costed.comparisons { (compared(&costed.question.machine, comparison)) }
        @if !costed.notes.is_empty() { ul.note { @for note in &costed.notes { li { (note) } } } }
        p.note { "Nine of ten draws lie between the ends; seed " (costed.seed) "." }
    }
}

fn results(costed: &Costed) -> Table {
    let caption = format!("Cost of {} in {}", costed.question.machine, costed.question.currency);
    let mut table = Table::new("costs", caption, &["Result", "Middle", "Low", "High"]);
    for summary in &costed.results {
        let ground =
            || Ground::plain("predicted", format!("draws over the inputs below, seed {}", costed.seed));
        let cell = |value: f64| Cell::number(money(value)).value(value).from(ground());
        table.row(vec![
            Cell::text(summary.metric.name()),
            cell(summary.middle),
            cell(summary.low),
            cell(summary.high),
        ]);
    }
    table
}

fn inputs(costed: &Costed) -> Table {
    let mut table = Table::new("inputs", "Inputs", &["Input", "Value", "Known how"]);
    for (quantity, input) in &costed.question.inputs {
        let basis = match input.basis {
            Basis::Given => "given",
            Basis::Catalogued => "offered",
            Basis::Predicted => "predicted",
            Basis::Assumed => "assumed",
        };
        let cell = Cell::number(shown(*quantity, input)).value(input.value.middle());
        table.row(vec![
            Cell::text(quantity.name()),
            cell.from(Ground::plain(basis, provenance(input))),
            Cell::text(provenance(input)),
        ]);
    }
    table
}

fn shown(quantity: Quantity, input: &Input) -> String {
    match quantity {
        Quantity::Price | Quantity::Extra | Quantity::Resale => uncertain(&input.value, money),
        Quantity::Depreciation | Quantity::Utilisation => {
            uncertain(&input.value, |share| format!("{} %", plain(share * 100.0, 3)))
        }
        _ => uncertain(&input.value, |value| plain(value, 3)),
    }
}

/// What moves the result most: bars from one end to the other, widest first.
fn tornado(costed: &Costed) -> Markup {
    let ends = |bar: &Bar| (bar.at_low.min(bar.at_high), bar.at_low.max(bar.at_high));
    let finite: Vec<&Bar> = costed.tornado.iter().filter(|bar| bar.swing().is_finite()).collect();
    let low = finite.iter().map(|bar| ends(bar).0).fold(f64::INFINITY, f64::min);
    let high = finite.iter().map(|bar| ends(bar).1).fold(f64::NEG_INFINITY, f64::max);
    if finite.is_empty() || low >= high {
        return html! {};
    }
    let scale = WIDTH / (high - low);
    html! {
        figure.tornado #tornado data-testid="tornado" {
            figcaption { "What moves “" (costed.moved.name()) "” most" }
            table {
                thead { tr { th scope="col" { "Input" } th scope="col" { "Low to high" } th scope="col" { span.unseen { "Bar" } } } }
                tbody { @for bar in &finite {
                    @let (from, to) = ends(bar);
                    tr {
                        th scope="row" { (bar.quantity.name()) }
                        td.n { (money(from)) " to " (money(to)) }
                        td { svg viewBox={ "0 0 " (WIDTH) " 14" } preserveAspectRatio="none" aria-hidden="true" {
                            rect class="bar" x=((from - low) * scale) y="1" width=(((to - from) * scale).max(2.0)) height="12" {}
                        } }
                    }
                } }
            }
        }
    }
}

fn compared(machine: &str, comparison: &Comparison) -> Markup {
    let (low, middle, high) = comparison.difference;
    html! {
        p data-testid="against" {
            b { (machine) } " is cheaper than " b { (comparison.other) } " in " ((comparison.first_cheaper * 100.0).round()) " % of the draws"
            @if middle.is_finite() { "; its total less the other's: " (money(middle)) " (" (money(low)) " to " (money(high)) ")" }
            @if comparison.too_slow > 0.0 { "; the other cannot do this work within the day in " ((comparison.too_slow * 100.0).round()) " % of the draws" }
            @if let Some(months) = comparison.break_even_months { "; they break even after " ((months).round()) " months" } "."
        }
    }
}
