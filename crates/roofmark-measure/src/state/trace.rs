//! The state over time: a thread that reads it every 250 ms while others measure.
//!
//! NVIDIA's library is asked in a process of its own (`gpu_states`), because a driver that crashes
//! takes its process with it.

use super::linux::{StateMeter, frequency, read, temperature};
use super::power::{self, Counter, MISSING};
use roofmark_facts::probe_record::{
    EnergyCounter, GpuState, Reading, SAMPLE_PERIOD, StateSample, StateTrace, Why,
};
use roofmark_facts::units::{Joules, Seconds};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an energy counter is watched to learn how often it moves.
const WATCH: Duration = Duration::from_millis(60);

/// Reads the state until it is finished.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Shared>,
    trace: StateTrace,
    end: Sender<()>,
    thread: JoinHandle<Meter>,
    throttled: Reading<u64>,
    _gpus: Option<Watcher>,
}

#[derive(Debug, Default)]
struct Shared {
    part: Mutex<String>,
    samples: Mutex<Vec<StateSample>>,
    gpus: Mutex<Vec<GpuState>>,
}

impl Sampler {
    /// Starts to read below `root`. `gpu_states` prints the state of GPUs, one JSON array a line, until its input ends.
    #[must_use]
    pub fn start(root: &Path, gpu_states: Option<Command>) -> Self {
        let shared = Arc::new(Shared::default());
        let gpus = gpu_states.and_then(|command| Watcher::start(command, &shared));
        let mut meter = Meter::new(root);
        let before = meter.sample(&shared);
        let trace = StateTrace {
            settings: power::settings(root),
            before: before.clone(),
            during: Vec::new(),
            after: before,
            energy: Vec::new(),
            throttled: Reading::Unavailable(Why::NotRun),
        };
        let (end, ended) = channel();
        let inner = shared.clone();
        let thread = std::thread::spawn(move || {
            let period = Duration::from_secs_f64(SAMPLE_PERIOD.get());
            while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let sample = meter.sample(&inner);
                lock(&inner.samples).push(sample);
            }
            meter
        });
        Self { shared, trace, end, thread, throttled: power::throttle_count(root), _gpus: gpus }
    }

    /// Says what runs from now on.
    pub fn part(&self, name: &str) {
        name.clone_into(&mut lock(&self.shared.part));
    }

    /// The trace as it began.
    #[must_use]
    pub fn begun(&self) -> StateTrace {
        self.trace.clone()
    }

    /// Ends the trace.
    #[must_use]
    pub fn finish(self) -> StateTrace {
        self.part("");
        // The thread may have ended by itself only by a panic, which `join` tells.
        let _ = self.end.send(());
        let mut trace = self.trace;
        trace.during = std::mem::take(&mut lock(&self.shared.samples));
        let Ok(mut meter) = self.thread.join() else { return trace };
        trace.after = meter.sample(&self.shared);
        trace.energy = meter.energy();
        trace.throttled = match (self.throttled, power::throttle_count(&meter.root)) {
            (Reading::Value(before), Reading::Value(after)) => Reading::Value(after.saturating_sub(before)),
            (_, after) => after,
        };
        trace
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads one sample after the other.
#[derive(Debug)]
struct Meter {
    root: PathBuf,
    start: Instant,
    last: Instant,
    state: StateMeter,
    counters: Vec<Watched>,
}

/// A counter with what is known of it.
#[derive(Debug)]
struct Watched {
    counter: Counter,
    period: Option<Seconds>,
    first: Reading<f64>,
    last: Reading<f64>,
    total: f64,
}

impl Meter {
    fn new(root: &Path) -> Self {
        let counters = power::counters(root).into_iter().map(|counter| watch(root, counter)).collect();
        let now = Instant::now();
        Self { root: root.to_owned(), start: now, last: now, state: StateMeter::new(root), counters }
    }

    fn sample(&mut self, shared: &Shared) -> StateSample {
        let state = self.state.read();
        let now = Instant::now();
        let power = self.power(Seconds(now.duration_since(self.last).as_secs_f64()));
        self.last = now;
        let load =
            read(&self.root, "proc/loadavg").and_then(|text| text.split_whitespace().next()?.parse().ok());
        let mut gpus = lock(&shared.gpus).clone();
        gpus.extend(power::amd_gpus(&self.root));
        StateSample {
            at: Seconds(now.duration_since(self.start).as_secs_f64()),
            part: lock(&shared.part).clone(),
            frequency: reading(frequency(&self.root)),
            temperature: reading(temperature(&self.root)),
            power,
            steal: reading(state.steal),
            pressure: reading(state.pressure),
            load: reading(load),
            gpus,
        }
    }

    /// Mean power since the sample before.
    fn power(&mut self, time: Seconds) -> Reading<roofmark_facts::units::Watts> {
        let now: Vec<Reading<f64>> =
            self.counters.iter().map(|watched| power::microjoules(&self.root, &watched.counter)).collect();
        let counters: Vec<Counter> = self.counters.iter().map(|watched| watched.counter.clone()).collect();
        let before: Vec<Reading<f64>> = self.counters.iter().map(|watched| watched.last.clone()).collect();
        let power = power::power(&counters, &before, &now, time);
        for (watched, now) in self.counters.iter_mut().zip(now) {
            if let (Reading::Value(before), Reading::Value(after)) = (&watched.last, &now) {
                watched.total += power::moved(&watched.counter, *before, *after).unwrap_or(0.0);
            }
            watched.last = now;
        }
        power
    }

    fn energy(&self) -> Vec<EnergyCounter> {
        self.counters
            .iter()
            .map(|watched| EnergyCounter {
                scope: watched.counter.scope.clone(),
                energy: match (&watched.first, watched.total) {
                    (Reading::Unavailable(why), _) => Reading::Unavailable(*why),
                    (_, 0.0) => Reading::Unavailable(Why::Frozen),
                    (_, microjoules) => Reading::Value(Joules(microjoules / 1e6)),
                },
                period: watched.period.map_or(Reading::Unavailable(Why::Frozen), Reading::Value),
            })
            .collect()
    }
}

fn reading<T>(found: Option<T>) -> Reading<T> {
    found.map_or(Reading::Unavailable(MISSING), Reading::Value)
}

/// Watches a counter for a moment to learn how often it moves.
fn watch(root: &Path, counter: Counter) -> Watched {
    let first = power::microjoules(root, &counter);
    let start = Instant::now();
    let mut readings = Vec::new();
    while first.value().is_some() && start.elapsed() < WATCH {
        if let Reading::Value(value) = power::microjoules(root, &counter) {
            readings.push((Seconds(start.elapsed().as_secs_f64()), value));
        }
    }
    let last = power::microjoules(root, &counter);
    Watched { period: power::update_period(&readings), counter, first, last, total: 0.0 }
}

/// The process that reports the state of GPUs; it ends when its input does.
#[derive(Debug)]
struct Watcher(Child);

impl Watcher {
    /// `None` where it cannot be started: then no GPU reports a state.
    fn start(mut command: Command, shared: &Arc<Shared>) -> Option<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let output = child.stdout.take()?;
        let shared = shared.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(states) = serde_json::from_str(&line) else { return };
                *lock(&shared.gpus) = states;
            }
        });
        Some(Self(child))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Fails only where the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
