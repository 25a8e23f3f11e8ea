//! Your own bench runs, from the ledger, as evidence for the predictor.

use crate::catalog::catalog;
use crate::here;
use crate::ledger::{Place, fingerprint, open_existing, shown};
use anyhow::{Context, Result};
use roofmark_facts::evidence::measurements;
use roofmark_facts::machine::Machine;
use roofmark_facts::records::{Row, Run};
use roofmark_ledger::Kind;
use roofmark_ledger::query::{Filter, Sort};
use roofmark_ledger::record::Entry;
use roofmark_measure::state;
use roofmark_theory::own::{OwnRow, evidence};
use roofmark_theory::predict::Predictor;
use roofmark_theory::table::Table;
use std::path::Path;

/// Most runs that are read, the newest first.
const MOST_RUNS: i64 = 200;

/// The predictor for `machine`: with what you measured on it, where it is the machine at hand and the ledger has runs.
pub fn predictor(place: &Place, machine: &'static Machine) -> Result<&'static Predictor<'static>> {
    let rows = rows(place, machine);
    if rows.is_empty() {
        return Ok(Predictor::builtin());
    }
    let fresh = Predictor::new(catalog()?, measurements(), Table::shipped())
        .context("failed to read the predictor's table")?;
    Ok(Box::leak(Box::new(fresh.with_own(&machine.slug, rows))))
}

/// Rows of your own runs on `machine`, the newest run first. A ledger that cannot be read is a warning: predictions
/// do without it.
pub fn rows(place: &Place, machine: &'static Machine) -> Vec<OwnRow<'static>> {
    read(place, machine).unwrap_or_else(|error| {
        eprintln!("warning: your own runs are not used: {error:#}");
        Vec::new()
    })
}

fn read(place: &Place, machine: &'static Machine) -> Result<Vec<OwnRow<'static>>> {
    let Some(mut ledger) = open_existing(place)? else { return Ok(Vec::new()) };
    let filter = Filter { kind: Some(Kind::Bench), ..Filter::default() };
    let runs = ledger.list(&filter, Sort::Added, MOST_RUNS, 0).map_err(shown)?;
    let host = fingerprint(&state::host(Path::new("/")));
    let mut found = Vec::new();
    for line in runs {
        let what = || format!("failed to read record #{}", line.sequence);
        let record = ledger.record(line.sequence).map_err(shown)?;
        let entry: Entry<Run> = serde_json::from_str(&record.body).with_context(what)?;
        let named = entry.run.machine.slug.as_ref() == Some(&machine.slug);
        if entry.context.fingerprint != Some(host) || !(named || machine.slug == here::NAME) {
            continue;
        }
        let rows: Vec<Row> = serde_json::from_str(entry.rows.get()).with_context(what)?;
        let day = entry.run.date.get(..10).unwrap_or_default();
        let source = format!("your own run of {day}");
        found.extend(evidence(machine, &entry.run, &rows, &format!("#{}", line.sequence), &source));
    }
    Ok(found)
}
