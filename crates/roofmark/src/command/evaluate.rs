//! `roofmark evaluate`: grades the predictor on a file of measurements.

use crate::catalog::catalog;
use crate::exit::Exit;
use anyhow::{Context, Result};
use clap::Args;
use roofmark_facts::evidence::MeasuredPhase;
use roofmark_theory::evaluate::{Graded, LeaveOut, Summary, baseline_errors, evaluate, read, refusals, summarise};
use roofmark_theory::predict::Predictor;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Measurements, comma-separated, with the columns of docs/accuracy.md.
    pub file: PathBuf,
    /// Use evidence of a row's own source too (for rows that are known to be new).
    #[arg(long)]
    pub keep_sources: bool,
    /// How many of the worst rows to show.
    #[arg(long, default_value_t = 10)]
    pub worst: usize,
}

const PHASES: [(MeasuredPhase, &str); 3] = [
    (MeasuredPhase::Decode, "decode"),
    (MeasuredPhase::DecodeBatched, "decode_batched"),
    (MeasuredPhase::Prefill, "prefill"),
];
const GROUPS: [&str; 5] = ["DGX Spark", "Strix Halo", "Apple M-series", "GeForce", "other"];

/// Prints the grades.
pub fn run(args: &EvaluateArgs, json: bool) -> Result<Exit> {
    let failed = || format!("failed to read {}", args.file.display());
    let text = std::fs::read_to_string(&args.file).with_context(failed)?;
    let rows = read(&text).with_context(failed)?;
    let leave = if args.keep_sources { LeaveOut::Nothing } else { LeaveOut::Source };
    let graded = evaluate(Predictor::builtin(), catalog()?, &rows, leave);
    if json {
        super::print(&serde_json::to_string_pretty(&document(&graded))?)?;
    } else {
        super::print(&screen(&graded, args.worst)?)?;
    }
    Ok(Exit::Success)
}

fn document(graded: &[Graded]) -> Value {
    let phases: serde_json::Map<String, Value> =
        PHASES.iter().map(|(phase, name)| ((*name).to_owned(), phase_document(graded, *phase))).collect();
    json!({
        "rows": graded.iter().map(|row| &row.row).collect::<Vec<_>>(),
        "summary": phases,
    })
}

fn phase_document(graded: &[Graded], phase: MeasuredPhase) -> Value {
    let groups: serde_json::Map<String, Value> = GROUPS
        .iter()
        .map(|group| ((*group).to_owned(), json!(summarise(graded, |row| row.phase == phase && row.group == *group))))
        .collect();
    let baselines: serde_json::Map<String, Value> = baseline_names(graded)
        .into_iter()
        .map(|name| {
            let (rows, median, p90, bias) = baseline_errors(graded, name, |row| row.phase == phase);
            (name.to_owned(), json!({"rows": rows, "median_error": median, "p90_error": p90, "bias": bias}))
        })
        .collect();
    json!({
        "all": summarise(graded, |row| row.phase == phase),
        "machines": groups,
        "baselines": baselines,
    })
}

fn baseline_names(graded: &[Graded]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in graded.iter().flat_map(|row| &row.baselines) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}

fn screen(graded: &[Graded], worst: usize) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "phase and machine               rows  pred. answ.  median    p90   bias  cover  above")?;
    for (phase, name) in PHASES {
        line(&mut out, name, &summarise(graded, |row| row.phase == phase))?;
        for group in GROUPS {
            line(&mut out, &format!("  {group}"), &summarise(graded, |row| row.phase == phase && row.group == group))?;
        }
        for baseline in baseline_names(graded) {
            let (rows, median, p90, bias) = baseline_errors(graded, baseline, |row| row.phase == phase);
            if rows > 0 {
                writeln!(out, "  baseline: {baseline:<18} {rows:>13} {}{}{}", percent(median), percent(p90), percent(bias))?;
            }
        }
    }
    line(&mut out, "all phases", &summarise(graded, |_| true))?;
    for group in GROUPS {
        line(&mut out, &format!("  {group}"), &summarise(graded, |row| row.group == group))?;
    }
    writeln!(out, "\nmedian, p90: |predicted / measured - 1|; bias: median of predicted / measured - 1;")?;
    writeln!(out, "cover: share inside the 90 % interval; above: measurements above the ceiling;")?;
    writeln!(out, "answ.: share predicted of the rows that state a quantization")?;
    explain_refusals(&mut out, graded)?;
    explain_worst(&mut out, graded, worst)?;
    Ok(out)
}

fn line(out: &mut String, name: &str, summary: &Summary) -> Result<()> {
    if summary.rows == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "{name:<30} {:>5} {:>6}{}{}{}{}{} {:>6}",
        summary.rows,
        summary.predicted,
        percent(summary.answered),
        percent(summary.median_error),
        percent(summary.p90_error),
        percent(summary.bias),
        percent(summary.coverage),
        summary.above_ceiling
    )?;
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:>7}", format!("{:.1}%", share * 100.0))
}

fn explain_refusals(out: &mut String, graded: &[Graded]) -> Result<()> {
    let refusals = refusals(graded);
    if !refusals.is_empty() {
        writeln!(out, "\nrefused")?;
    }
    for (reason, count) in refusals.iter().take(12) {
        writeln!(out, "{count:>6}  {reason}")?;
    }
    Ok(())
}

fn explain_worst(out: &mut String, graded: &[Graded], count: usize) -> Result<()> {
    let error = |row: &Graded| row.row.predicted.map_or(0.0, |rate| (rate / row.measured).ln().abs());
    let mut rows: Vec<&Graded> = graded.iter().filter(|row| !row.exempt && row.row.predicted.is_some()).collect();
    rows.sort_by(|left, right| error(right).total_cmp(&error(left)));
    if count > 0 && !rows.is_empty() {
        writeln!(out, "\nworst rows            predicted   measured")?;
    }
    for row in rows.iter().take(count) {
        let name: String = row.what.chars().take(46).collect();
        writeln!(out, "  {:<8} {:>20.1} {:>10.1}  {name}", row.row.id, row.row.predicted.unwrap_or(0.0), row.measured)?;
    }
    Ok(())
}
