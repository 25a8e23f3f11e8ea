//! The probe: runs one part after the other and keeps what each of them saw.
//!
//! A part that fails is a doubt and the rest goes on; Ctrl-C keeps what was measured. Nothing is
//! compared with an expectation here.

use crate::engine::{Engine, EngineError};
use crate::roof::RoofProbe;
use crate::state::trace::Sampler;
use roofmark_facts::probe_record::{
    Bandwidth, FORMAT, GpuRoof, MemoryRoof, Operation, ProbeDoubt, ProbeRecord, Reading, Why,
};
use roofmark_facts::records::Host;
use roofmark_facts::units::{Bytes, Seconds};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is recorded beside the measurements.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name and version of the tool.
    pub tool: String,
    /// Now: UTC, RFC 3339.
    pub date: String,
    /// The machine.
    pub host: Host,
}

/// How to probe.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// `/` but in tests.
    pub root: &'a Path,
    /// Most threads.
    pub threads: u32,
    /// Time for one row of a table.
    pub row: Duration,
}

/// Starts an engine.
pub type StartEngine<'a> = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + 'a>;
/// Probes the GPUs, in a process of its own.
pub type ProbeGpus<'a> = Box<dyn FnMut() -> Result<Vec<GpuRoof>, String> + 'a>;

/// Parts that other crates and processes do. `None` is left out and said so.
#[derive(Default)]
pub struct Helpers<'a> {
    /// For the quantised kernels.
    pub engine: Option<StartEngine<'a>>,
    /// For the GPUs.
    pub gpus: Option<ProbeGpus<'a>>,
}

/// What happens, as it happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A part begins.
    Began {
        /// Its name.
        part: &'static str,
        /// Parts before it.
        done: u32,
        /// Parts in all.
        planned: u32,
    },
    /// A part gave nothing; the rest goes on.
    Failed {
        /// Its name.
        part: &'static str,
        /// Its own words.
        reason: String,
    },
}

/// What the parts work on.
struct Work<'a> {
    record: ProbeRecord,
    options: Options<'a>,
    helpers: Helpers<'a>,
    stop: &'a AtomicBool,
}

/// A part gives its findings to the record, or a reason why it has none.
type Part = fn(&mut Work<'_>) -> Result<(), String>;

/// The parts in the order they run.
const PARTS: [(&str, Part); 2] = [("memory", memory), ("GPUs", gpus)];

/// Probes this machine.
pub fn run(
    subject: Subject,
    options: Options<'_>,
    helpers: Helpers<'_>,
    events: &mut dyn FnMut(Event),
    stop: &AtomicBool,
) -> ProbeRecord {
    let start = Instant::now();
    let sampler = Sampler::start(options.root, None);
    let mut work = Work { record: empty(subject, &sampler), options, helpers, stop };
    for (index, (name, part)) in PARTS.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            work.record.doubts.push(ProbeDoubt::Interrupted { part: (*name).into() });
            break;
        }
        events(Event::Began { part: name, done: index as u32, planned: PARTS.len() as u32 });
        sampler.part(name);
        if let Err(reason) = part(&mut work) {
            events(Event::Failed { part: name, reason: reason.clone() });
            work.record.doubts.push(ProbeDoubt::Failed { part: (*name).into(), reason });
        }
    }
    let mut record = work.record;
    record.state = sampler.finish();
    record.took = Seconds(start.elapsed().as_secs_f64());
    record
}

fn empty(subject: Subject, sampler: &Sampler) -> ProbeRecord {
    ProbeRecord {
        format: FORMAT.into(),
        tool: subject.tool,
        date: subject.date,
        took: Seconds(0.0),
        machine: subject.host,
        features: Vec::new(),
        memory: MemoryRoof {
            array: Bytes(0.0),
            huge_pages: Reading::Unavailable(Why::NotRun),
            rows: Vec::new(),
        },
        caches: Vec::new(),
        curve: Vec::new(),
        nodes: Vec::new(),
        arithmetic: Vec::new(),
        kernels: Vec::new(),
        gpus: Vec::new(),
        state: sampler.begun(),
        doubts: Vec::new(),
    }
}

fn memory(work: &mut Work<'_>) -> Result<(), String> {
    let host = &work.record.machine;
    let probe = RoofProbe::new(host.cache, host.available).map_err(|error| error.to_string())?;
    work.record.memory.array = probe.bytes();
    for threads in [1, work.options.threads] {
        let roof = probe.measure(threads, work.options.row);
        work.record.memory.rows.push(Bandwidth {
            operation: Operation::Read,
            threads,
            variant: String::new(),
            best: roof.best,
            median: roof.median,
            passes: 3,
        });
    }
    Ok(())
}

fn gpus(work: &mut Work<'_>) -> Result<(), String> {
    if let Some(gpus) = work.helpers.gpus.as_mut() {
        work.record.gpus = gpus()?;
    }
    Ok(())
}
