//! `roofmark probe`: what this machine's memory, arithmetic and links really give.

mod progress;

use crate::exit::Exit;
use crate::saved;
use anyhow::{Result, ensure};
use clap::Args;
use progress::Progress;
use roofmark_facts::probe_record::ProbeRecord;
use roofmark_measure::probe::{Helpers, Options, PARTS, Subject, run as measure};
use roofmark_measure::state;
use roofmark_report::probe as report;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Most threads (default: all processors that this process may use).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Add this machine to your own catalog under a name.
    #[arg(long, value_name = "NAME")]
    pub save: Option<String>,
    /// Only these parts.
    #[arg(long, value_name = "PART,…", value_delimiter = ',',
        value_parser = clap::builder::PossibleValuesParser::new(PARTS.map(|part| part.key)))]
    pub only: Vec<String>,
    /// Seconds for each row of a table.
    #[arg(long, value_name = "SECONDS", default_value_t = ROW)]
    pub row: f64,
    /// Longest that one GPU may take, in seconds; then its process is killed.
    #[arg(long, value_name = "SECONDS", default_value_t = super::gpu::PATIENCE.as_secs())]
    pub gpu_patience: u64,
}

/// Usual seconds of a row.
const ROW: f64 = 0.8;

/// Probes and prints.
pub fn run(args: &ProbeArgs, json: bool, place: &crate::ledger::Place) -> Result<Exit> {
    check(args)?;
    if let Some(name) = &args.save {
        saved::check_name(name)?;
    }
    let stop = listen()?;
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
/// Ctrl-C cannot be listened for.
pub fn fresh(place: &crate::ledger::Place) -> Result<ProbeRecord> {
    let (threads, save, only) = (None, None, Vec::new());
    let args = ProbeArgs { threads, save, only, row: ROW, gpu_patience: super::gpu::PATIENCE.as_secs() };
    let stop = listen()?;
    let record = take(&args, &stop);
    keep(&record, true, place);
    Ok(record)
}

fn listen() -> Result<Arc<AtomicBool>> {
    crate::stop::flag("stopping; what was measured is kept (press again to stop now)")
}

fn check(args: &ProbeArgs) -> Result<()> {
    ensure!((0.001..=60.0).contains(&args.row), "--row is {}, expected 0.001 to 60 seconds", args.row);
    ensure!(args.gpu_patience >= 1, "--gpu-patience is 0, expected at least 1 second");
    Ok(())
}

fn take(args: &ProbeArgs, stop: &AtomicBool) -> ProbeRecord {
    let root = Path::new("/");
    let host = state::host(root);
    let threads = args.threads.unwrap_or(host.cpus);
    let options = Options { root, threads, row: Duration::from_secs_f64(args.row), only: &args.only };
    let subject = Subject { tool: crate::ledger::TOOL.into(), date: crate::day::now(), host };
    let mut progress = Progress::new();
    let record = measure(
        subject,
        options,
        helpers(Duration::from_secs(args.gpu_patience)),
        &mut |event| progress.show(&event),
        stop,
    );
    progress.finish();
    record
}

/// Keeps the record in the ledger, and as the last of this machine where it has a memory roof; one of some parts does
/// not take the place of a whole one.
fn keep(record: &ProbeRecord, whole: bool, place: &crate::ledger::Place) {
    if record.read_roof().is_none() {
        eprintln!("without a memory roof this is not kept as the last probe");
    } else if whole || saved::last(&record.machine).is_none() {
        match saved::keep(record) {
            Ok(path) => eprintln!("kept in {}", path.display()),
            Err(error) => eprintln!("warning: {error:#}"),
        }
    }
    crate::ledger::keep_run(place, record, roofmark_ledger::record::Context::default());
}

/// What this crate hands in: the engine where the build has one.
fn helpers(gpu_patience: Duration) -> Helpers<'static> {
    #[cfg(feature = "engine")]
    let engine = Some(Box::new(start_engine) as roofmark_measure::probe::StartEngine<'static>);
    #[cfg(not(feature = "engine"))]
    let engine = None;
    Helpers { engine, gpus: Some(Box::new(move || super::gpu::probe(gpu_patience))), gpu_states: None }
}

/// The engine's process, confined to what it needs without a model.
#[cfg(feature = "engine")]
fn start_engine() -> Result<Box<dyn roofmark_measure::engine::Engine>, roofmark_measure::engine::EngineError>
{
    Ok(Box::new(roofmark_llama::spawn_without_model()?))
}
