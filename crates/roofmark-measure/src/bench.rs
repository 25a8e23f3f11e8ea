//! The bench: runs planned cells through engines, with a roof beside every decode, and returns a `Run`.
//!
//! Nothing is computed from the samples here but the rate that progress shows.

#[cfg(test)]
pub(crate) mod fixtures;
mod plan;
mod probe;

pub use plan::{
    Means, Overrides, Plan, Protocol, SLICE_REPETITIONS, memory_needed, parts, plan, time_needed,
};
pub use probe::{MachineProbe, Probe};

use crate::engine::{
    DecodeCell, Engine, EngineError, GenerateRequest, LoadRequest, Loaded, OpenRequest, Opened, PrefillCell,
    Switch, Timed,
};
use crate::products;
use roofmark_facts::doubt::Doubt;
use roofmark_facts::records::{
    Cell, Check, EngineFacts, FORMAT, Host, ModelFacts, Part, Phase, Roof, RoofPair, Roofs, Run, Sample,
    Sentinel, SentinelPair, Settings, Workload,
};
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::{Bytes, Seconds, TokensPerSecond};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Other work above this share of the machine is a reason to wait, and then a doubt.
const BUSY_SHARE: f64 = 0.1;
/// Pause between two looks at a busy machine.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Weights up to this size are warmed with a whole prefill, larger ones with a short one.
const SMALL_MODEL: Bytes = Bytes(1e9);
/// Questions that every language model can answer, to one that chats and to one that continues.
const QUESTIONS: [(&str, bool); 2] =
    [("What is the capital of France?", true), ("The capital of France is", false)];
/// What an answer must hold.
const KNOWN: &str = "Paris";
/// Models with fewer parameters know too little to be asked.
const KNOWS: f64 = 100e6;

/// What is recorded about a run beside its samples.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name and version of the tool.
    pub tool: String,
    /// Now: UTC, RFC 3339.
    pub date: String,
    /// The machine.
    pub host: Host,
    /// The whole model.
    pub model: ModelFacts,
    /// Roofs that were measured to make the plan.
    pub roofs: Option<Roofs>,
    /// How the machine came to rest.
    pub rest: Rest,
}

/// Whether the machine was at rest when the run began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rest {
    /// Time that the start was put off.
    pub waited: Seconds,
    /// Set where the machine stayed busy.
    pub doubt: Option<Doubt>,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the protocol, for the record.
    pub protocol: Protocol,
    /// Threads of the engine.
    pub threads: u32,
    /// Flash attention.
    pub flash_attention: Switch,
    /// Storage type of the cache.
    pub cache_type: TensorType,
    /// Ask the model a question (a file with a tokenizer and trained weights).
    pub ask: bool,
    /// Load all parts at once and alternate between them; else one after the other.
    pub together: bool,
    /// Measure a roof beside every decode (the weights lie in main memory).
    pub roofs: bool,
    /// Read the two-second sentinel before and after every sample.
    pub sentinel: bool,
}

/// A part of the model with the engine that will run it.
pub struct Stage<'a> {
    /// Layers and costs.
    pub part: Part,
    /// Where its weights are.
    pub load: LoadRequest,
    /// Makes the engine when the stage begins; it is dropped when the stage ends.
    pub start: Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + 'a>,
}

/// What happens, as it happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// Other programs are busy; the start is put off.
    Waiting {
        /// Processors busy.
        busy: f64,
    },
    /// A part is being loaded.
    Loading {
        /// Its layers.
        layers: u32,
    },
    /// A sample was taken.
    Sampled {
        /// Samples so far.
        done: u32,
        /// Samples planned.
        planned: u32,
        /// Layers of the part.
        layers: u32,
        /// What was timed.
        workload: Workload,
        /// Its rate.
        rate: TokensPerSecond,
    },
    /// A cell or a part failed; the rest goes on.
    Failed(String),
}

/// Runs `plan` on every stage. Stops between two samples when `stop` is set and keeps what it has.
///
/// # Errors
/// The engine's, where not one sample could be taken.
pub fn run(
    subject: Subject,
    plan: &Plan,
    options: &Options,
    stages: &mut [Stage<'_>],
    probe: &mut dyn Probe,
    events: &mut dyn FnMut(Event),
    stop: &AtomicBool,
) -> Result<Run, EngineError> {
    let mut bench = Bench::new(plan, options, stages, probe, events, stop, subject.host.clone());
    bench.doubts.extend(subject.rest.doubt.clone());
    let groups: Vec<Vec<usize>> = if options.together {
        vec![(0..stages.len()).collect()]
    } else {
        (0..stages.len()).map(|index| vec![index]).collect()
    };
    let mut failure = None;
    for group in groups {
        if let Err(error) = bench.group(stages, &group) {
            (bench.events)(Event::Failed(error.to_string()));
            bench.doubts.push(Doubt::Failed { reason: error.to_string() });
            failure = Some(error);
        }
    }
    match failure {
        Some(error) if bench.done == 0 => Err(error),
        _ => Ok(bench.finish(subject, stages)),
    }
}

/// Waits up to `patience` for other programs to end; a machine that stays busy is a doubt.
///
/// Comes before everything else that measures, the roofs that a plan needs included.
pub fn settle(probe: &mut dyn Probe, cpus: u32, patience: Duration, events: &mut dyn FnMut(Event)) -> Rest {
    let mut waited = Duration::ZERO;
    loop {
        let busy = probe.busy().unwrap_or(0.0);
        if busy <= BUSY_SHARE * f64::from(cpus) {
            return Rest { waited: Seconds(waited.as_secs_f64()), doubt: None };
        }
        if waited >= patience {
            return Rest { waited: Seconds(waited.as_secs_f64()), doubt: Some(Doubt::Busy { busy, cpus }) };
        }
        events(Event::Waiting { busy });
        probe.rest(LOOK_AGAIN);
        waited += LOOK_AGAIN;
    }
}

/// An engine with its part loaded.
struct Live {
    stage: usize,
    engine: Box<dyn Engine>,
    /// Context and sequences of the open context.
    open: Option<(u32, u32)>,
    weights: Bytes,
    parameters: f64,
    /// The device that computes, where it is not the processor.
    device: Option<String>,
    /// The engine has refused a sentinel; it is not asked again.
    no_sentinel: bool,
}

struct Bench<'a> {
    plan: &'a Plan,
    options: &'a Options,
    probe: &'a mut dyn Probe,
    events: &'a mut dyn FnMut(Event),
    stop: &'a AtomicBool,
    cells: Vec<Cell>,
    doubts: Vec<Doubt>,
    engine: EngineFacts,
    check: Check,
    /// Roof measured after the sample before, while nothing else has run since.
    fresh_roof: Option<Roof>,
    /// Sentinel read after the sample before. It tells the state of the machine, whichever part's engine read it.
    fresh_sentinel: Option<Sentinel>,
    host: Host,
    done: u32,
    planned: u32,
    micro_batch: u32,
}

impl<'a> Bench<'a> {
    fn new(
        plan: &'a Plan,
        options: &'a Options,
        stages: &[Stage<'_>],
        probe: &'a mut dyn Probe,
        events: &'a mut dyn FnMut(Event),
        stop: &'a AtomicBool,
        host: Host,
    ) -> Self {
        let cell = |part: usize, workload: &Workload| Cell { part, workload: *workload, samples: Vec::new() };
        let cells: Vec<Cell> = (0..stages.len())
            .flat_map(|part| plan.workloads.iter().map(move |workload| cell(part, workload)))
            .collect();
        Self {
            planned: cells.len() as u32 * plan.repetitions,
            plan,
            options,
            probe,
            events,
            stop,
            cells,
            doubts: Vec::new(),
            engine: EngineFacts::default(),
            check: Check::NotApplicable,
            fresh_roof: None,
            fresh_sentinel: None,
            host,
            done: 0,
            micro_batch: OpenRequest::new(1, 1, 1).micro_batch,
        }
    }

    /// Loads the stages of one group and takes all repetitions of their cells.
    fn group(&mut self, stages: &mut [Stage<'_>], group: &[usize]) -> Result<(), EngineError> {
        let mut live = Vec::new();
        for &stage in group {
            if self.stopped() {
                return Ok(());
            }
            live.push(self.load(&mut stages[stage], stage)?);
        }
        for live in live.iter_mut().take(1).filter(|live| self.options.ask && live.parameters >= KNOWS) {
            self.ask(live)?;
        }
        for round in 0..self.plan.repetitions {
            for (index, workload) in self.order(live.len(), round) {
                if self.stopped() {
                    return Ok(());
                }
                let part = &stages[live[index].stage].part;
                self.sample(&mut live[index], part.layers, workload)?;
            }
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Cells of one round: forth in even rounds, back in odd ones, so that drift weighs on all alike.
    fn order(&self, live: usize, round: u32) -> Vec<(usize, usize)> {
        let workloads = self.plan.workloads.len();
        let mut order: Vec<_> =
            (0..workloads).flat_map(|cell| (0..live).map(move |stage| (stage, cell))).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        order
    }

    fn load(&mut self, stage: &mut Stage<'_>, index: usize) -> Result<Live, EngineError> {
        (self.events)(Event::Loading { layers: stage.part.layers });
        let mut engine = (stage.start)()?;
        let loaded = engine.load(&stage.load)?;
        self.engine = EngineFacts { flash_attention: self.engine.flash_attention, ..engine_facts(&loaded) };
        let profile = &stage.part.profile;
        Ok(Live {
            stage: index,
            engine,
            open: None,
            weights: profile.tensor_bytes,
            parameters: profile.params,
            device: loaded
                .devices
                .iter()
                .find(|device| device.kind != "cpu")
                .map(|device| device.name.clone()),
            no_sentinel: false,
        })
    }

    /// Binds a known answer to the run: a fast engine that is wrong is void.
    fn ask(&mut self, live: &mut Live) -> Result<(), EngineError> {
        self.open(live, 256, 1)?;
        for (question, chat) in QUESTIONS {
            let request = GenerateRequest { prompt: question.into(), chat, tokens: 32 };
            match live.engine.generate(&request) {
                Ok(answer) => {
                    let right = answer.text.contains(KNOWN);
                    self.check = Check::Greedy { prompt: question.into(), answer: answer.text, right };
                    if right {
                        return Ok(());
                    }
                }
                // No tokenizer, or no chat template.
                Err(error) if error.leaves_engine_alive() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn open(&mut self, live: &mut Live, context: u32, sequences: u32) -> Result<Opened, EngineError> {
        let opened = live.engine.open(&OpenRequest {
            flash_attention: self.options.flash_attention,
            cache_type: self.options.cache_type,
            ..OpenRequest::new(self.options.threads, context, sequences)
        })?;
        live.open = Some((context, sequences));
        self.engine.flash_attention = opened.flash_attention;
        Ok(opened)
    }

    /// Makes sure that the open context serves `workload`, and warms a new one.
    fn prepare(&mut self, live: &mut Live, workload: &Workload) -> Result<(), EngineError> {
        let alike = self.plan.workloads.iter().filter(|other| other.batch == workload.batch);
        let context = alike.map(|other| other.depth + other.prompt + other.generated).max().unwrap_or(0);
        if live.open == Some((context, workload.batch)) {
            return Ok(());
        }
        self.open(live, context, workload.batch)?;
        self.fresh_roof = None;
        let alike: Vec<Workload> =
            self.plan.workloads.iter().filter(|other| other.batch == workload.batch).copied().collect();
        for other in alike {
            time(live.engine.as_mut(), &warm_up(&other, live.weights), 0)?;
        }
        Ok(())
    }

    /// Takes one sample with its roofs and keeps it.
    fn sample(&mut self, live: &mut Live, layers: u32, index: usize) -> Result<(), EngineError> {
        let workload = self.plan.workloads[index];
        self.prepare(live, &workload)?;
        let sentinel_before = match self.fresh_sentinel.take() {
            Some(sentinel) => Some(sentinel),
            None => self.sentinel(live)?,
        };
        let beside = self.options.roofs && workload.phase == Phase::Decode;
        let before =
            beside.then(|| self.fresh_roof.take().unwrap_or_else(|| self.probe.roof(self.options.threads)));
        self.fresh_roof = None;
        self.probe.begin();
        let timed = time(live.engine.as_mut(), &workload, u64::from(self.done) + 1)?;
        let (state, energy) = self.probe.end();
        let after = beside.then(|| self.probe.roof(self.options.threads));
        self.fresh_roof = after;
        let sentinel_after = self.sentinel(live)?;
        self.fresh_sentinel = sentinel_after;
        let sample = Sample {
            tokens: workload.tokens(),
            time: timed.total(),
            roof: before.zip(after).map(|(before, after)| RoofPair { before, after }),
            sentinel: sentinel_before
                .zip(sentinel_after)
                .map(|(before, after)| SentinelPair { before, after }),
            // A counter runs through the filling of the cache too, which is not part of the sample.
            energy: energy.filter(|_| workload.depth == 0),
            state,
            finite: timed.finite,
            steps: if timed.steps.len() > 1 { timed.steps } else { Vec::new() },
        };
        self.done += 1;
        let rate = sample.rate();
        (self.events)(Event::Sampled { done: self.done, planned: self.planned, layers, workload, rate });
        self.cells[live.stage * self.plan.workloads.len() + index].samples.push(sample);
        Ok(())
    }

    /// Reads the sentinel with the engine at hand; `None` where it has no memory for it.
    fn sentinel(&mut self, live: &mut Live) -> Result<Option<Sentinel>, EngineError> {
        if live.no_sentinel || !self.options.sentinel {
            return Ok(None);
        }
        let device = live.device.as_deref();
        // It takes two seconds: a roof from before is no longer one right before the next sample.
        self.fresh_roof = None;
        match products::sentinel(live.engine.as_mut(), &self.host, self.options.threads, device) {
            Ok(sentinel) => Ok(Some(sentinel).filter(products::is_reading)),
            Err(error) if error.leaves_engine_alive() => {
                live.no_sentinel = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn finish(mut self, subject: Subject, stages: &[Stage<'_>]) -> Run {
        if self.done < self.planned {
            self.doubts.push(Doubt::Interrupted { done: self.done, planned: self.planned });
        }
        self.doubts.extend(standing_doubts(&subject.host, self.options.threads));
        Run {
            format: FORMAT.into(),
            tool: subject.tool,
            date: subject.date,
            machine: subject.host,
            engine: self.engine,
            model: subject.model,
            settings: Settings {
                protocol: self.options.protocol.name().into(),
                repetitions: self.plan.repetitions,
                threads: self.options.threads,
                cache_type: self.options.cache_type,
                micro_batch: self.micro_batch,
                waited: subject.rest.waited,
            },
            roofs: subject.roofs,
            parts: stages.iter().map(|stage| stage.part.clone()).collect(),
            cells: self.cells,
            check: self.check,
            doubts: self.doubts,
        }
    }
}

/// Doubts that hold before anything runs: limits and governors.
fn standing_doubts(host: &Host, threads: u32) -> Vec<Doubt> {
    let limit = host.cpu_limit.filter(|limit| *limit < f64::from(threads));
    let governor = host.governor.as_deref().filter(|name| matches!(*name, "powersave" | "conservative"));
    [
        limit.map(|limit| Doubt::CpuLimit { limit, threads }),
        (threads > host.cpus).then_some(Doubt::Oversubscribed { threads, cpus: host.cpus }),
        governor.map(|name| Doubt::Governor { name: name.into() }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The part of a workload that wakes threads and touches buffers.
fn warm_up(workload: &Workload, weights: Bytes) -> Workload {
    let prompt = if weights <= SMALL_MODEL { workload.prompt } else { workload.prompt.min(32) };
    Workload { prompt, depth: 0, generated: workload.generated.min(2), ..*workload }
}

fn time(engine: &mut dyn Engine, workload: &Workload, seed: u64) -> Result<Timed, EngineError> {
    let Workload { phase, prompt, depth, batch, generated } = *workload;
    match phase {
        Phase::Prefill => engine.prefill(&PrefillCell { tokens: prompt, depth, seed }),
        Phase::Decode => engine.decode(&DecodeCell { steps: generated, depth, batch, seed }),
    }
}

fn engine_facts(loaded: &Loaded) -> EngineFacts {
    // The engine computes on the first device that is not the processor, where there is one.
    let gpu = loaded.devices.iter().find(|device| device.kind != "cpu");
    let device = gpu.or(loaded.devices.first());
    EngineFacts {
        name: loaded.engine.clone(),
        version: loaded.version.clone(),
        kernels: loaded.system_info.clone(),
        repacked: loaded.buffers.iter().any(|buffer| buffer.name.contains("REPACK")),
        flash_attention: None,
        device: device.map_or_else(|| "CPU".into(), |device| device.description.clone()),
        backend: device.map_or_else(|| "CPU".into(), |device| device.backend.clone()),
        sandbox: loaded.sandbox.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{Scripted, Surroundings};
    use super::*;
    use crate::engine::ModelSource;
    use roofmark_facts::records::Origin;
    use roofmark_testing::profile;
    use std::cell::RefCell;
    use std::rc::Rc;

    type Log = Rc<RefCell<Vec<String>>>;

    fn subject() -> Subject {
        Subject {
            tool: "roofmark 0".into(),
            date: "2026-04-01T00:00:00Z".into(),
            host: Host { cpus: 2, ..Host::default() },
            model: ModelFacts { profile: profile(32), origin: Origin::Synthetic },
            roofs: None,
            rest: Rest::default(),
        }
    }

    fn options(together: bool) -> Options {
        Options {
            protocol: Protocol::Quick,
            threads: 2,
            flash_attention: Switch::Auto,
            cache_type: TensorType::F16,
            ask: false,
            together,
            roofs: true,
            sentinel: true,
        }
    }

    fn stage<'a>(name: &'static str, layers: u32, log: &'a Log, dies_at: Option<usize>) -> Stage<'a> {
        Stage {
            part: Part { layers, profile: profile(layers) },
            load: LoadRequest::new(ModelSource::File("/m".into())),
            start: Box::new(move || Ok(Box::new(Scripted { dies_at, ..Scripted::new(name, log) }))),
        }
    }

    fn two_rounds() -> Plan {
        let overrides = Overrides { repetitions: Some(2), ..Overrides::default() };
        plan(Protocol::Quick, &overrides)
    }

    fn measure(stages: &mut [Stage<'_>], options: &Options, roofs: &[f64]) -> Result<Run, EngineError> {
        let mut probe = Surroundings { roofs: roofs.to_vec(), busy: vec![0.0] };
        run(subject(), &two_rounds(), options, stages, &mut probe, &mut |_| {}, &AtomicBool::new(false))
    }

    #[test]
    fn rounds_run_forth_and_back_across_parts() {
        let log = Log::default();
        let mut order = Vec::new();
        let mut probe = Surroundings { roofs: vec![36.0], busy: vec![0.0] };
        let mut events = |event| {
            if let Event::Sampled { layers, workload, .. } = event {
                order.push(format!("{layers}:{}+{}x{}", workload.prompt, workload.generated, workload.batch));
            }
        };
        let stages = &mut [stage("a", 2, &log, None), stage("b", 4, &log, None)];
        let never = AtomicBool::new(false);
        let run =
            run(subject(), &two_rounds(), &options(true), stages, &mut probe, &mut events, &never).unwrap();
        insta::assert_snapshot!(order.join(" "), @"2:128+0x1 4:128+0x1 2:0+32x1 4:0+32x1 2:0+32x4 4:0+32x4 4:0+32x4 2:0+32x4 4:0+32x1 2:0+32x1 4:128+0x1 2:128+0x1");
        assert!(run.cells.iter().all(|cell| cell.samples.len() == 2));
        assert!((run.cells[1].samples[0].rate().get() - 100.0).abs() < 1e-9);
        assert_eq!(run.cells[2].samples[0].tokens, 128, "four sequences count four tokens a step");
        assert!(run.cells[0].samples[0].roof.is_none(), "a prefill is not bound by memory");
        assert!(run.doubts.is_empty(), "{:?}", run.doubts);
    }

    #[test]
    fn parts_that_do_not_fit_together_run_one_after_the_other() {
        let log = Log::default();
        measure(&mut [stage("a", 2, &log, None), stage("b", 4, &log, None)], &options(false), &[36.0])
            .unwrap();
        let log = log.borrow();
        let first_b = log.iter().position(|line| line.starts_with('b')).unwrap();
        assert!(log[first_b..].iter().all(|line| line.starts_with('b')));
    }

    #[test]
    fn a_roof_stands_right_before_and_after_every_decode() {
        let pairs = |sentinel: bool| -> Vec<(f64, f64)> {
            let (log, roofs) = (Log::default(), [30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0]);
            let options = Options { sentinel, ..options(true) };
            let run = measure(&mut [stage("a", 2, &log, None)], &options, &roofs).unwrap();
            let samples = run.cells[1..].iter().flat_map(|cell| &cell.samples);
            let pairs = samples.map(|sample| sample.roof.unwrap());
            pairs.map(|pair| (pair.before.best.gb(), pair.after.best.gb())).collect()
        };
        // A sentinel lies between two samples: each has two roofs of its own.
        assert_eq!(pairs(true), [(30.0, 31.0), (36.0, 37.0), (32.0, 33.0), (34.0, 35.0)]);
        // Without one a roof serves both, but where a new context was opened in between.
        assert_eq!(pairs(false), [(30.0, 31.0), (35.0, 36.0), (32.0, 33.0), (33.0, 34.0)]);
    }

    #[test]
    fn a_busy_machine_is_waited_for_and_then_doubted() {
        let settle = |busy: &[f64]| {
            let mut probe = Surroundings { roofs: vec![36.0], busy: busy.to_vec() };
            settle(&mut probe, 2, Duration::from_secs(4), &mut |_| {})
        };
        assert_eq!(settle(&[1.5, 0.1]), Rest { waited: Seconds(2.0), doubt: None });
        let busy = Rest { waited: Seconds(4.0), doubt: Some(Doubt::Busy { busy: 1.5, cpus: 2 }) };
        assert_eq!(settle(&[1.5]), busy);
        let log = Log::default();
        let mut probe = Surroundings { roofs: vec![36.0], busy: vec![0.0] };
        let stages = &mut [stage("a", 2, &log, None)];
        let (subject, never) = (Subject { rest: busy, ..subject() }, AtomicBool::new(false));
        let run =
            run(subject, &two_rounds(), &options(true), stages, &mut probe, &mut |_| {}, &never).unwrap();
        assert_eq!(run.settings.waited, Seconds(4.0));
        assert!(matches!(run.doubts[..], [Doubt::Busy { .. }]));
    }

    #[test]
    fn an_interrupt_keeps_what_was_measured() {
        let log = Log::default();
        let stop = AtomicBool::new(false);
        let mut probe = Surroundings { roofs: vec![36.0], busy: vec![0.0] };
        let mut events = |event| {
            if let Event::Sampled { done: 2, .. } = event {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let stages = &mut [stage("a", 2, &log, None)];
        let run =
            run(subject(), &two_rounds(), &options(true), stages, &mut probe, &mut events, &stop).unwrap();
        assert_eq!(run.cells.iter().map(|cell| cell.samples.len()).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(run.doubts, [Doubt::Interrupted { done: 2, planned: 6 }]);
    }

    #[test]
    fn an_engine_that_dies_leaves_its_samples_or_its_error() {
        let log = Log::default();
        // Two warm-ups come first: batch 1, then batch 4.
        let run = measure(&mut [stage("a", 2, &log, Some(2))], &options(true), &[36.0]).unwrap();
        assert!(
            matches!(&run.doubts[0], Doubt::Failed { reason } if reason.contains("signal 9")),
            "{:?}",
            run.doubts
        );
        assert_eq!(run.cells[1].samples.len(), 1);
        let error = measure(&mut [stage("a", 2, &log, Some(0))], &options(true), &[36.0]);
        assert!(matches!(error, Err(EngineError::Killed { .. })));
    }

    #[test]
    fn a_known_answer_is_bound_to_the_run() {
        let log = Log::default();
        let asking = Options { ask: true, ..options(true) };
        let run = measure(&mut [stage("a", 2, &log, None)], &asking, &[36.0]).unwrap();
        assert!(matches!(run.check, Check::Greedy { right: true, .. }));
    }

    #[test]
    fn limits_of_the_machine_are_doubts() {
        let host =
            Host { cpus: 2, cpu_limit: Some(1.5), governor: Some("powersave".into()), ..Host::default() };
        let doubts = standing_doubts(&host, 3);
        assert_eq!(doubts.len(), 3, "{doubts:?}");
        assert!(standing_doubts(&Host { cpus: 2, ..Host::default() }, 2).is_empty());
    }
}
