//! `roofmark calibrate`: fits the predictor's table to the evidence.

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::ledger::{self, Place};
use crate::{here, own};
use anyhow::{Context, Result};
use clap::Args;
use roofmark_facts::evidence::measurements;
use roofmark_theory::calibrate::{calibrate, evidence};
use roofmark_theory::evaluate::read;
use roofmark_theory::model::Evidence;
use roofmark_theory::table::{PhaseTable, Table};
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// More measurements beside the embedded ones, in the columns of docs/accuracy.md.
    #[arg(long)]
    pub with: Vec<PathBuf>,
    /// Leave your own runs of this machine out.
    #[arg(long)]
    pub without_ledger: bool,
    /// Passes of the search over the kernel's deviations; 0 keeps those of this build.
    #[arg(long, default_value_t = 0)]
    pub search: u32,
}

/// Calibrates and prints the table.
pub fn run(args: &CalibrateArgs, json: bool, place: &Place) -> Result<Exit> {
    let mut rows = measurements().to_vec();
    for path in &args.with {
        let failed = || format!("failed to read {}", path.display());
        rows.extend(read(&std::fs::read_to_string(path).with_context(failed)?).with_context(failed)?);
    }
    let mut evidence = evidence(catalog()?, &rows);
    if !args.without_ledger && ledger::open_existing(place)?.is_some() {
        // Runs of one machine are one source: they share its peculiarities.
        let own = own::rows(place, here::machine()?).into_iter();
        evidence.extend(own.map(|row| Evidence { source: "own".to_owned(), ..row.evidence }));
    }
    let table = calibrate(&evidence, Table::shipped(), args.search)
        .context("failed to calibrate: the covariance of the evidence cannot be factored")?;
    if json {
        super::print(&serde_json::to_string_pretty(&table)?)?;
    } else {
        super::print(&screen(&table)?)?;
    }
    Ok(Exit::Success)
}

fn screen(table: &Table) -> Result<String> {
    let mut out = String::new();
    let same = if table == Table::shipped() { "the same as" } else { "not the same as" };
    writeln!(out, "calibrated on {} rows; {same} the table of this build", table.rows)?;
    for (name, phase) in [("decode", &table.decode), ("prefill", &table.prefill)] {
        writeln!(out, "\n{name}: fleet-wide numbers")?;
        numbers(&mut out, phase)?;
    }
    Ok(out)
}

fn numbers(out: &mut String, phase: &PhaseTable) -> Result<()> {
    for (name, value) in &phase.numbers {
        writeln!(out, "  {name:<30} {value:>12.4e}")?;
    }
    writeln!(out, "  deviations of groups (log)")?;
    for (name, value) in phase.deviations.iter().filter(|(_, value)| **value >= 0.006) {
        writeln!(out, "  {name:<30} {value:>12.3}")?;
    }
    writeln!(out, "  interval factors: rows, 90 %, 95 %")?;
    for (name, factors) in &phase.factors {
        let (nine, nineteen) = (factors.nine_of_ten, factors.nineteen_of_twenty);
        writeln!(out, "  {name:<30} {:>5} {nine:>6.2} {nineteen:>6.2}", factors.rows)?;
    }
    Ok(())
}
