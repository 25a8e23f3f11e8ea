//! The cost of a machine as a screen: inputs with their sources, results with their spread, what matters most.

use crate::lines::labelled;
use roofmark_facts::cost::{
    Bar, Basis, Comparison, Figure, FigureOutcome, Input, Metric, Quantity, Question, Summary,
};
use roofmark_facts::units::{grouped, plain, significant};

/// Everything that one screen shows of one machine.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Costed {
    /// What was asked, with every input.
    pub question: Question,
    /// Results.
    pub results: Vec<Summary>,
    /// What [`Costed::tornado`] moves.
    pub moved: Metric,
    /// Inputs by how much they move it.
    pub tornado: Vec<Bar>,
    /// Against other machines at the same work.
    pub comparisons: Vec<Comparison>,
    /// What is left out or assumed.
    pub notes: Vec<String>,
    /// Seed of the draws.
    pub seed: u64,
}

/// The screen.
#[must_use]
pub fn screen(costed: &Costed) -> String {
    let Question { machine, currency, requests, inputs } = &costed.question;
    let years = inputs.get(&Quantity::Years).map_or(0.0, |years| years.value.middle());
    let mut text = format!("Cost of {machine} over {} years, in {currency}\n", plain(years, 3));
    let job = format!(
        "requests of {} prompt and {} output tokens, {} at a time",
        grouped(requests.prompt as u64),
        grouped(requests.output as u64),
        requests.streams
    );
    text += &labelled("", &job, 0);
    text += "\nInputs\n";
    for (quantity, input) in inputs {
        text += &labelled(&row(quantity.name(), &shown(*quantity, input)), &provenance(input), 40);
    }
    text += &format!("\nResults (nine of ten draws lie between the ends; seed {})\n", costed.seed);
    for summary in &costed.results {
        text += &labelled(&row(summary.metric.name(), &middle(summary)), &ends(summary), 40);
    }
    text += &tornado(costed);
    for comparison in &costed.comparisons {
        text += &compared(machine, comparison);
    }
    for note in &costed.notes {
        text += &format!("\n{}", labelled("note  ", note, 6));
    }
    text
}

fn row(label: &str, value: &str) -> String {
    format!("  {label:<23} {value:>13}")
}

fn shown(quantity: Quantity, input: &Input) -> String {
    let (low, high) = input.value.ends();
    let text = |value: f64| match quantity {
        Quantity::Price | Quantity::Extra | Quantity::Resale => money(value),
        Quantity::Depreciation | Quantity::Utilisation => format!("{} %", plain(value * 100.0, 3)),
        Quantity::Tariff => significant(value, 3),
        _ => plain(value, 3),
    };
    if low == high { text(low) } else { format!("{}..{}", text(low).replace(" %", ""), text(high)) }
}

/// How an input is known.
#[must_use]
pub fn provenance(input: &Input) -> String {
    let how = match input.basis {
        Basis::Given => return "given".into(),
        Basis::Catalogued => "",
        Basis::Predicted => "predicted: ",
        Basis::Assumed => "assumed: ",
    };
    let date = input.date.as_deref().map_or(String::new(), |date| format!(" ({date})"));
    let stale = if input.stale { ", STALE" } else { "" };
    format!("{how}{}{date}{stale}", input.source)
}

/// An amount: whole above a hundred, three digits below.
#[must_use]
pub fn money(value: f64) -> String {
    match value {
        value if !value.is_finite() => "never".into(),
        value if value.abs() >= 100.0 && value < 0.0 => format!("-{}", grouped(value.abs().round() as u64)),
        value if value >= 100.0 => grouped(value.round() as u64),
        value => significant(value, 3),
    }
}

fn middle(summary: &Summary) -> String {
    money(summary.middle)
}

fn ends(summary: &Summary) -> String {
    let (low, high) = (money(summary.low), money(summary.high));
    if low == high { String::new() } else { format!("{low} to {high}") }
}

fn tornado(costed: &Costed) -> String {
    let Some(widest) = costed.tornado.first().map(Bar::swing) else { return String::new() };
    let mut text = format!("\nWhat moves \"{}\" most\n", costed.moved.name());
    for bar in &costed.tornado {
        let length = (bar.swing() / widest * 24.0).round().max(1.0) as usize;
        let span = format!("{}..{}", money(bar.at_low), money(bar.at_high));
        text += &labelled(&row(bar.quantity.name(), &span), &"#".repeat(length), 40);
    }
    text
}

fn compared(machine: &str, comparison: &Comparison) -> String {
    let (low, middle, high) = comparison.difference;
    let Comparison { other, first_cheaper, break_even_months, too_slow, .. } = comparison;
    let mut text = format!("{machine} is cheaper in {} % of the draws", (first_cheaper * 100.0).round());
    if middle.is_finite() {
        text +=
            &format!("; its total less the other's: {} ({} to {})", money(middle), money(low), money(high));
    }
    if *too_slow > 0.0 {
        text += &format!(
            "; the other cannot do this work within the day in {} % of the draws",
            (too_slow * 100.0).round()
        );
    }
    text += &match break_even_months {
        Some(months) => {
            format!(
                "; electricity makes up for the difference in price after {} months",
                significant(*months, 3)
            )
        }
        None => "; electricity never makes up for the difference in price".into(),
    };
    format!("\nAgainst {other} at the same work\n{}", labelled("  ", &text, 2))
}

/// The figures of the article, done again.
#[must_use]
pub fn article(figures: &[Figure]) -> String {
    let mut text = String::from("The figures of the CraftRigs article (2026-04), from its own inputs\n");
    for figure in figures {
        let label = match figure.outcome {
            FigureOutcome::Follows => "follows",
            FigureOutcome::Contradicts => "contradicts",
            FigureOutcome::NotDerivable => "not derivable",
        };
        text += &format!("\n{}", labelled(&format!("{label:<15}"), &figure.says, 15));
        text += &labelled("", &figure.arithmetic, 15);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_never_is_a_word() {
        for (value, text) in [
            (4699.4, "4,699"),
            (0.0513, "0.0513"),
            (-1299.0, "-1,299"),
            (f64::INFINITY, "never"),
            (99.0, "99.0"),
        ] {
            assert_eq!(money(value), text);
        }
    }
}
