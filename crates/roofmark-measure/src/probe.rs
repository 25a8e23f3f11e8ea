//! The probe: runs one part after the other and keeps what each of them saw.
//!
//! A part that fails is a doubt and the rest goes on; Ctrl-C keeps what was measured. Nothing is
//! compared with an expectation here.

mod arithmetic;
mod around;
mod cache;
mod gemm;
mod memory;
mod nodes;
pub mod pieces;
mod threads;

use crate::engine::{Engine, EngineError, ProductCell};
use crate::products;
use crate::simd;
use crate::state::trace::Sampler;
use memory::Arrays;
use roofmark_facts::probe_record::{
    Bandwidth, FORMAT, GpuRoof, MemoryRoof, Operation, ProbeDoubt, ProbeRecord, Reading, Shape, Why,
};
use roofmark_facts::records::Host;
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::{Bytes, Seconds};
use std::path::Path;
use std::process::Command;
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
    /// Keys of [`PARTS`] to run; empty for all.
    pub only: &'a [String],
}

/// Starts an engine.
pub type StartEngine<'a> = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + 'a>;
/// What was found of the GPUs, and why some of them have no rates.
pub type Gpus = (Vec<GpuRoof>, Vec<String>);
/// Probes the GPUs, in processes of their own.
pub type ProbeGpus<'a> = Box<dyn FnMut() -> Result<Gpus, String> + 'a>;

/// Parts that other crates and processes do. `None` is left out and said so.
#[derive(Default)]
pub struct Helpers<'a> {
    /// For the quantised kernels.
    pub engine: Option<StartEngine<'a>>,
    /// For the GPUs.
    pub gpus: Option<ProbeGpus<'a>>,
    /// Prints the state of GPUs, one JSON array a line, until its input ends.
    pub gpu_states: Option<Command>,
}

/// A row whose median pass is below this share of its best moved while it was measured.
const STEADY: f64 = 0.92;
/// Share of processor time that a hypervisor may take before it matters.
const STEAL: f64 = 0.02;

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
        /// About how long this part and those after it take.
        left: Seconds,
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
    /// Kept from one part to the next: mapping them takes as long as measuring.
    arrays: Option<Arrays>,
}

/// A part gives its findings to the record, or a reason why it has none.
type Run = fn(&mut Work<'_>) -> Result<(), String>;

/// A part of the probe.
#[derive(Debug)]
pub struct Part {
    /// Name for [`Options::only`].
    pub key: &'static str,
    /// Name in events and doubts.
    pub name: &'static str,
    /// It takes about as long as so many rows of a table.
    rows: f64,
    run: Run,
}

/// The parts in the order they run.
pub const PARTS: [Part; 6] = [
    Part { key: "memory", name: "memory", rows: 10.0, run: memory },
    Part { key: "caches", name: "caches", rows: 4.0, run: caches },
    Part { key: "nodes", name: "memory nodes", rows: 1.0, run: memory_nodes },
    Part { key: "arithmetic", name: "arithmetic", rows: 12.0, run: arithmetics },
    Part { key: "kernels", name: "quantised kernels", rows: 12.0, run: quantised },
    Part { key: "gpus", name: "GPUs", rows: 6.0, run: gpus },
];

/// Probes this machine.
pub fn run(
    subject: Subject,
    options: Options<'_>,
    mut helpers: Helpers<'_>,
    events: &mut dyn FnMut(Event),
    stop: &AtomicBool,
) -> ProbeRecord {
    let start = Instant::now();
    let busy = around::busy(options.root, subject.host.cpus);
    let sampler = Sampler::start(options.root, helpers.gpu_states.take());
    let mut work = Work { record: empty(subject, &sampler), options, helpers, stop, arrays: None };
    work.record.doubts.extend(busy);
    let before = around::roof(&work.record.machine, options.threads);
    run_parts(&mut work, &sampler, events);
    let again = || around::roof(&work.record.machine, options.threads);
    let after = before.filter(|_| !stopped(stop)).and_then(|_| again());
    let mut record = work.record;
    record.state = sampler.finish();
    let found = doubts(&record);
    record.doubts.extend(found);
    record.doubts.extend(before.zip(after).and_then(|(before, after)| around::drift(before, after)));
    record.took = Seconds(start.elapsed().as_secs_f64());
    record
}

fn run_parts(work: &mut Work<'_>, sampler: &Sampler, events: &mut dyn FnMut(Event)) {
    let only = work.options.only;
    let asked = |part: &&Part| only.is_empty() || only.iter().any(|key| key == part.key);
    let parts: Vec<&Part> = PARTS.iter().filter(asked).collect();
    for (index, Part { name, run, .. }) in parts.iter().enumerate() {
        let rows: f64 = parts[index..].iter().map(|part| part.rows).sum();
        let left = Seconds(rows * work.options.row.as_secs_f64());
        events(Event::Began { part: name, done: index as u32, planned: parts.len() as u32, left });
        sampler.part(name);
        if let Err(reason) = run(work) {
            events(Event::Failed { part: name, reason: reason.clone() });
            work.record.doubts.push(ProbeDoubt::Failed { part: (*name).into(), reason });
        }
        // Ctrl-C in the last part is one too.
        if stopped(work.stop) {
            work.record.doubts.push(ProbeDoubt::Interrupted { part: (*name).into() });
            break;
        }
    }
    let left_out = PARTS
        .iter()
        .filter(|part| !asked(part))
        .map(|part| ProbeDoubt::LeftOut { part: part.name.into(), reason: "not asked for".into() });
    work.record.doubts.extend(left_out);
}

/// What the numbers themselves say against them.
fn doubts(record: &ProbeRecord) -> Vec<ProbeDoubt> {
    let host = &record.machine;
    let mut found = Vec::new();
    if let Some(limit) = host.cpu_limit.filter(|limit| *limit < f64::from(host.cpus)) {
        found.push(ProbeDoubt::Limited {
            what: "processors".into(),
            allowed: limit,
            installed: f64::from(host.cpus),
        });
    }
    if let (Some(limit), Some(memory)) = (host.memory_limit, host.memory)
        && limit < memory
    {
        let (allowed, installed) = (limit.gib(), memory.gib());
        found.push(ProbeDoubt::Limited { what: "GiB of memory".into(), allowed, installed });
    }
    let measured = !record.memory.rows.is_empty();
    if let Some(cache) = host.cache.filter(|cache| measured && record.memory.array < *cache * 2.0) {
        found.push(ProbeDoubt::SmallArrays { array: record.memory.array, cache });
    }
    if let Some(share) = record.memory.huge_pages.value().filter(|share| **share < 0.5) {
        found.push(ProbeDoubt::SmallPages { share: *share });
    }
    let slow = |row: &&Bandwidth| row.median < row.best * STEADY;
    found.extend(record.memory.rows.iter().filter(slow).map(|row| ProbeDoubt::Unsteady {
        what: format!("{} with {} threads", row.operation.name(), row.threads),
        steadiness: row.median / row.best,
    }));
    let steal =
        record.state.during.iter().filter_map(|sample| sample.steal.value().copied()).reduce(f64::max);
    found.extend(steal.filter(|share| *share > STEAL).map(|share| ProbeDoubt::Steal { share }));
    found.extend(
        record
            .state
            .throttled
            .value()
            .filter(|count| **count > 0)
            .map(|count| ProbeDoubt::Throttled { count: *count }),
    );
    found
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

/// The arrays that memory and caches are measured with.
fn arrays(work: &Work<'_>) -> Result<Arrays, String> {
    let host = &work.record.machine;
    Arrays::new(host.cache, host.available, work.options.threads)
        .map_err(|error| format!("map memory for the arrays: {error}"))
}

/// Bandwidth with one thread, with one a core and with all.
fn memory(work: &mut Work<'_>) -> Result<(), String> {
    let cores = work.record.machine.cores.unwrap_or(1);
    let mut counts = vec![1, cores.min(work.options.threads), work.options.threads];
    counts.dedup();
    let mut arrays = arrays(work)?;
    let found = &mut work.record.memory;
    found.array = arrays.bytes();
    found.huge_pages = memory::huge_pages(work.options.root, &arrays);
    for operation in Operation::ALL {
        for threads in &counts {
            if stopped(work.stop) {
                return Ok(());
            }
            found.rows.push(arrays.row(operation, *threads, work.options.row));
        }
    }
    work.arrays = Some(arrays);
    Ok(())
}

fn caches(work: &mut Work<'_>) -> Result<(), String> {
    work.record.caches = cache::levels(work.options.root);
    let mut arrays = match work.arrays.take() {
        Some(arrays) => arrays,
        None => arrays(work)?,
    };
    let stop = work.stop;
    work.record.curve = cache::curve(arrays.first(), work.options.row / 20, &|| stopped(stop));
    cache::attach(&mut work.record.caches, &work.record.curve);
    Ok(())
}

fn memory_nodes(work: &mut Work<'_>) -> Result<(), String> {
    work.arrays = None;
    let mut found = nodes::nodes(work.options.root);
    work.record.nodes = if found.len() > 1 {
        nodes::pairs(&found, work.options.row / 4)
    } else {
        let latency = work.record.curve.last().map(|point| point.latency);
        vec![nodes::uniform(found.pop(), work.record.machine.cpus, work.record.read_roof(), latency)]
    };
    Ok(())
}

fn arithmetics(work: &mut Work<'_>) -> Result<(), String> {
    work.record.features = simd::features();
    for threads in [1, work.options.threads] {
        if !stopped(work.stop) {
            work.record.arithmetic.extend(arithmetic::peaks(threads, work.options.row / 2));
            work.record.arithmetic.extend(gemm::products(threads, work.options.row / 2));
        }
    }
    Ok(())
}

/// Products of both shapes, with weights as the file has them and rearranged.
fn quantised(work: &mut Work<'_>) -> Result<(), String> {
    let Some(start) = work.helpers.engine.as_mut() else {
        let (part, reason) = ("quantised kernels".into(), "this build has no engine".into());
        work.record.doubts.push(ProbeDoubt::LeftOut { part, reason });
        return Ok(());
    };
    let mut engine = start().map_err(|error| error.to_string())?;
    let threads = work.record.machine.cores.unwrap_or(work.options.threads).min(work.options.threads);
    let time = Seconds(work.options.row.as_secs_f64());
    for weights in [TensorType::Q4_K, TensorType::Q8_0] {
        for shape in [Shape::Gemv, Shape::Gemm] {
            for repack in [true, false] {
                if stopped(work.stop) {
                    return Ok(());
                }
                let cell = products::cell(shape, weights, &work.record.machine, threads, None, time);
                let cell = ProductCell { repack, ..cell };
                let products = engine.multiply(&cell).map_err(|error| error.to_string())?;
                let rearranged = products.repacked;
                work.record.kernels.extend(products::rate(&cell, shape, &products));
                if !rearranged {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn gpus(work: &mut Work<'_>) -> Result<(), String> {
    if let Some(gpus) = work.helpers.gpus.as_mut() {
        let (found, failed) = gpus()?;
        work.record.gpus = found;
        let doubt = |reason| ProbeDoubt::Failed { part: "GPUs".into(), reason };
        work.record.doubts.extend(failed.into_iter().map(doubt));
    }
    Ok(())
}

fn stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}
