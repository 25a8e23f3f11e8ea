//! Your own bench runs, from the ledger, as evidence for the predictor.

use crate::catalog::catalog;
use crate::here;
use crate::ledger::{Place, fingerprint, open_existing, shown};
use anyhow::{Context, Result};
use roofmark_facts::evidence::measurements;
use roofmark_facts::machine::Machine;
use roofmark_facts::records::{Row, Run};
use roofmark_ledger::query::{Filter, Sort};
use roofmark_ledger::record::Entry;
use roofmark_ledger::{Kind, Ledger};
use roofmark_measure::state;
use roofmark_theory::own::{OwnRow, evidence};
use roofmark_theory::predict::Predictor;
use roofmark_theory::table::Table;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Most runs that are read, the newest first.
const MOST_RUNS: i64 = 200;

/// A predictor with own runs, and the runs of the ledger that it was made for.
struct Built {
    /// Ledger, machine, and the runs that were looked at: the same ones are not read again.
    looked_at: (String, &'static str, Vec<i64>),
    /// The runs that were used.
    used: Vec<String>,
    predictor: &'static Predictor<'static>,
}

/// Predictors of this process. A server answers many questions between two runs.
static BUILT: Mutex<Vec<Built>> = Mutex::new(Vec::new());

/// The predictor for `machine`: with what you measured on it, where it is the machine at hand and the ledger has runs.
/// A ledger that cannot be read is a warning: predictions do without it.
pub fn predictor(place: &Place, machine: &'static Machine) -> Result<&'static Predictor<'static>> {
    let mut predictors = predictors(place, &[machine])?;
    predictors.pop().context("failed to make a predictor")
}

/// The same for several machines, with one look at the ledger.
pub fn predictors(place: &Place, machines: &[&'static Machine]) -> Result<Vec<&'static Predictor<'static>>> {
    let mut ledger = open_existing(place).unwrap_or_else(|error| {
        warn(&error);
        None
    });
    let one = |machine: &&'static Machine| match ledger.as_mut() {
        Some(ledger) => predictor_of(ledger, machine),
        None => Ok(Predictor::builtin()),
    };
    machines.iter().map(one).collect()
}

fn warn(error: &anyhow::Error) {
    eprintln!("warning: your own runs are not used: {error:#}");
}

fn predictor_of(ledger: &mut Ledger, machine: &'static Machine) -> Result<&'static Predictor<'static>> {
    let runs = runs(ledger, machine).unwrap_or_else(|error| {
        warn(&error);
        Vec::new()
    });
    if runs.is_empty() {
        return Ok(Predictor::builtin());
    }
    let looked_at = (ledger.place(), machine.slug.as_str(), runs);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = built.iter().find(|known| known.looked_at == looked_at) {
        return Ok(known.predictor);
    }
    let rows = read(ledger, machine, &looked_at.2).unwrap_or_else(|error| {
        warn(&error);
        Vec::new()
    });
    let used: Vec<String> = rows.iter().map(|row| row.evidence.id.clone()).collect();
    let same = |known: &&mut Built| known.looked_at.1 == looked_at.1 && known.used == used;
    if let Some(known) = built.iter_mut().find(same) {
        known.looked_at = looked_at;
        return Ok(known.predictor);
    }
    let predictor = with_rows(machine, rows)?;
    built.push(Built { looked_at, used, predictor });
    Ok(predictor)
}

fn with_rows(machine: &'static Machine, rows: Vec<OwnRow<'static>>) -> Result<&'static Predictor<'static>> {
    if rows.is_empty() {
        return Ok(Predictor::builtin());
    }
    let fresh = Predictor::new(catalog()?, measurements(), Table::shipped())
        .context("failed to read the predictor's table")?;
    Ok(Box::leak(Box::new(fresh.with_own(&machine.slug, rows))))
}

/// Rows of your own runs on `machine`, the newest run first. A ledger that cannot be read is a warning.
pub fn rows(place: &Place, machine: &'static Machine) -> Vec<OwnRow<'static>> {
    let rows = || {
        let Some(mut ledger) = open_existing(place)? else { return Ok(Vec::new()) };
        let runs = runs(&mut ledger, machine)?;
        read(&mut ledger, machine, &runs)
    };
    rows().unwrap_or_else(|error| {
        warn(&error);
        Vec::new()
    })
}

/// Places of the newest runs that may be of `machine`. A run keeps the catalog's name of its machine; the machine at
/// hand may have had another name at the time.
fn runs(ledger: &mut Ledger, machine: &Machine) -> Result<Vec<i64>> {
    let named = (machine.slug != here::NAME).then(|| machine.slug.clone());
    let filter = Filter { kind: Some(Kind::Bench), machine: named, ..Filter::default() };
    let runs = ledger.list(&filter, Sort::Added, MOST_RUNS, 0).map_err(shown)?;
    Ok(runs.iter().map(|line| line.sequence).collect())
}

fn read(ledger: &mut Ledger, machine: &'static Machine, runs: &[i64]) -> Result<Vec<OwnRow<'static>>> {
    let host = fingerprint(&state::host(Path::new("/")));
    let mut found = Vec::new();
    for &run in runs {
        let what = || format!("failed to read record #{run}");
        let record = ledger.record(run).map_err(shown)?;
        let entry: Entry<Run> = serde_json::from_str(&record.body).with_context(what)?;
        if entry.context.fingerprint != Some(host) {
            continue;
        }
        let rows: Vec<Row> = serde_json::from_str(entry.rows.get()).with_context(what)?;
        let day = entry.run.date.get(..10).unwrap_or_default();
        let source = format!("your own run of {day}");
        found.extend(evidence(machine, &entry.run, &rows, &format!("#{run}"), &source));
    }
    Ok(found)
}
