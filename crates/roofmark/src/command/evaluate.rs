//! `roofmark evaluate`: grades the predictor on a file of measurements.

use crate::catalog::catalog;
use crate::exit::Exit;
use anyhow::{Context, Result};
use clap::Args;
use roofmark_facts::evaluation::Evaluation;
use roofmark_report::evaluate::screen;
use roofmark_theory::evaluate::{Graded, LeaveOut, evaluate, evaluation, read};
use roofmark_theory::predict::Predictor;
use serde_json::{Value, json};
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

/// Prints the grades.
pub fn run(args: &EvaluateArgs, json: bool) -> Result<Exit> {
    let failed = || format!("failed to read {}", args.file.display());
    let text = std::fs::read_to_string(&args.file).with_context(failed)?;
    let rows = read(&text).with_context(failed)?;
    let leave = if args.keep_sources { LeaveOut::Nothing } else { LeaveOut::Source };
    let graded = evaluate(Predictor::builtin(), catalog()?, &rows, leave);
    let found = evaluation(&graded, args.worst);
    if json {
        super::print(&serde_json::to_string_pretty(&document(&graded, &found))?)?;
    } else {
        super::print(&screen(&found))?;
    }
    Ok(Exit::Success)
}

fn document(graded: &[Graded], found: &Evaluation) -> Value {
    let rows: Vec<_> = graded.iter().map(|row| &row.row).collect();
    json!({ "rows": rows, "summary": found })
}
