//! `roofmark probe`: what this machine's memory, arithmetic and links really give.

use crate::exit::Exit;
use crate::saved;
use anyhow::Result;
use clap::Args;
use roofmark_facts::probe_record::ProbeRecord;
use roofmark_measure::probe::{Event, Helpers, Options, PARTS, Subject, run as measure};
use roofmark_measure::state;
use roofmark_report::probe as report;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Arguments of `probe`.
#[derive(Debug, Default, Args)]
pub struct ProbeArgs {
    /// Most threads (default: all processors that this process may use).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Add this machine to your own catalog under a name.
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// Only these parts; what was kept of the last whole probe then stays.
    #[arg(long, value_name = "PART,…", value_delimiter = ',', conflicts_with = "save",
        value_parser = clap::builder::PossibleValuesParser::new(PARTS.map(|part| part.key)))]
    pub only: Vec<String>,
}

/// Probes and prints.
pub fn run(args: &ProbeArgs, json: bool, place: &crate::ledger::Place) -> Result<Exit> {
    let stop = crate::stop::flag("stopping; what was measured is kept (press again to stop now)")?;
    let record = take(args, &stop);
    if json {
        super::print(&serde_json::to_string_pretty(&record)?)?;
    } else {
        super::print(&report::screen(&record))?;
    }
    keep(&record, args.only.is_empty(), place);
    if let Some(name) = &args.save {
        let path = saved::add_to_catalog(&record, name)?;
        eprintln!("`{name}` is now a machine of {}", path.display());
    }
    Ok(if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Success })
}

/// A probe of all parts, kept.
///
/// # Errors
/// Ctrl-C cannot be listened for, or it was pressed.
pub fn fresh(place: &crate::ledger::Place) -> Result<ProbeRecord> {
    let stop = crate::stop::flag("stopping; what was measured is kept (press again to stop now)")?;
    let record = take(&ProbeArgs::default(), &stop);
    keep(&record, true, place);
    Ok(record)
}

fn take(args: &ProbeArgs, stop: &AtomicBool) -> ProbeRecord {
    let root = Path::new("/");
    let host = state::host(root);
    let threads = args.threads.unwrap_or(host.cpus);
    let options = Options { root, threads, row: Duration::from_millis(800), only: &args.only };
    let subject = Subject { tool: crate::ledger::TOOL.into(), date: crate::day::now(), host };
    measure(subject, options, helpers(), &mut show, stop)
}

/// Keeps the record in the ledger, and a whole one as the last of this machine.
fn keep(record: &ProbeRecord, whole: bool, place: &crate::ledger::Place) {
    match whole.then(|| saved::keep(record)) {
        Some(Ok(path)) => eprintln!("kept in {}", path.display()),
        Some(Err(error)) => eprintln!("warning: {error:#}"),
        None => {}
    }
    crate::ledger::keep_run(place, record, roofmark_ledger::record::Context::default());
}

/// What this crate hands in: the engine where the build has one.
fn helpers() -> Helpers<'static> {
    #[cfg(feature = "engine")]
    let engine = Some(Box::new(start_engine) as roofmark_measure::probe::StartEngine<'static>);
    #[cfg(not(feature = "engine"))]
    let engine = None;
    Helpers { engine, gpus: Some(Box::new(|| super::gpu::probe(super::gpu::PATIENCE))) }
}

/// The engine's process, confined to what it needs without a model.
#[cfg(feature = "engine")]
fn start_engine() -> Result<Box<dyn roofmark_measure::engine::Engine>, roofmark_measure::engine::EngineError>
{
    Ok(Box::new(roofmark_llama::spawn_without_model()?))
}

fn show(event: Event) {
    match event {
        Event::Began { part, done, planned } => eprintln!("{}/{planned} {part}", done + 1),
        Event::Failed { part, reason } => eprintln!("{part}: failed to {reason}"),
    }
}
