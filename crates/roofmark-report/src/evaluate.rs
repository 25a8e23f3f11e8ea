//! The grades of the predictor as a screen.

use roofmark_facts::evaluation::{Baseline, Evaluation, Grades, Summary};
use std::fmt::Write;

/// The grades in 80 columns.
#[must_use]
pub fn screen(found: &Evaluation) -> String {
    let head = "phase and machine               rows  pred. answ.  median    p90   bias  cover  above\n";
    let mut text = head.to_owned();
    text += &block("decode", &found.decode);
    text += &block("decode_batched", &found.decode_batched);
    text += &block("prefill", &found.prefill);
    text += &block("all phases", &found.all);
    text += "\nmedian, p90: |predicted / measured - 1|; bias: median of predicted / measured - 1;\n";
    text += "cover: share inside the 90 % interval; above: measurements above the ceiling;\n";
    text += "answ.: share predicted of the rows that state a quantization;\n";
    text += "baseline: their errors, and the predictor's median on the same rows\n";
    text + &refused(found) + &worst(found)
}

fn block(name: &str, grades: &Grades) -> String {
    let machines = grades.machines.iter().map(|(group, summary)| line(&format!("  {group}"), summary));
    line(name, &grades.summary)
        + &machines.collect::<String>()
        + &grades.baselines.iter().map(baseline).collect::<String>()
}

fn line(name: &str, summary: &Summary) -> String {
    if summary.rows == 0 {
        return String::new();
    }
    format!(
        "{name:<30} {:>5} {:>6}{}{}{}{}{} {:>6}\n",
        summary.rows,
        summary.predicted,
        percent(summary.answered),
        percent(summary.median_error),
        percent(summary.p90_error),
        percent(summary.bias),
        percent(summary.coverage),
        summary.above_ceiling
    )
}

fn baseline(found: &Baseline) -> String {
    let named = format!("  baseline: {}", found.name);
    format!(
        "{named:<36} {:>6}       {}{}{}  ours{}\n",
        found.rows,
        percent(found.median_error),
        percent(found.p90_error),
        percent(found.bias),
        percent(found.own_median_error)
    )
}

fn percent(share: f64) -> String {
    format!("{:>7}", format!("{:.1}%", share * 100.0))
}

fn refused(found: &Evaluation) -> String {
    let mut text = String::new();
    for (index, refused) in found.refused.iter().take(12).enumerate() {
        let head = if index == 0 { "\nrefused\n" } else { "" };
        let _ = writeln!(text, "{head}{:>6}  {}", refused.rows, refused.reason);
    }
    text
}

fn worst(found: &Evaluation) -> String {
    let mut text = String::new();
    for (index, row) in found.worst.iter().enumerate() {
        let head = if index == 0 { "\nworst rows            predicted   measured\n" } else { "" };
        let name: String = row.what.chars().take(46).collect();
        let _ =
            writeln!(text, "{head}  {:<8} {:>20.1} {:>10.1}  {name}", row.id, row.predicted, row.measured);
    }
    text
}
