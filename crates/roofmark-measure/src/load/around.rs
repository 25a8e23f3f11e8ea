//! What is measured around the cells of a load test whose server is on this machine: whether the machine stayed the
//! same, and its energy. Also the order in which the cells run.

use crate::roof::RoofProbe;
use crate::state::trace::Sampler;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use roofmark_facts::load_record::LoadEnergy;
use roofmark_facts::probe_record::EnergyCounter;
use roofmark_facts::units::{Bytes, BytesPerSecond, Joules, Seconds, Watts};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Free memory that the sentinel pretends to see; it takes an eighth, 64 MiB, so that the client stays small.
const SPARE: Bytes = Bytes((512_u64 << 20) as f64);
/// How long the sentinel reads.
const SENTINEL: Duration = Duration::from_millis(100);
/// How long the idle power is taken.
const IDLE: Duration = Duration::from_secs(1);
/// Orders of cells among which the best balanced is taken.
const ORDERS: usize = 256;

/// Read bandwidth of memory by one thread right now; `None` where there is no memory for it. One thread, because that
/// moves least by itself.
#[must_use]
pub fn sentinel() -> Option<BytesPerSecond> {
    let probe = RoofProbe::new(None, Some(SPARE)).ok()?;
    Some(probe.measure(1, SENTINEL).median).filter(|rate| *rate > BytesPerSecond(0.0))
}

/// Energy counters that are being read.
#[derive(Debug)]
pub struct EnergyWatch {
    sampler: Sampler,
    begun: Instant,
}

impl EnergyWatch {
    /// Starts to read below `root`, which is `/` but in tests.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        let sampler = Sampler::start(root, None);
        Self { sampler, begun: Instant::now() }
    }

    /// Ends reading; `None` where there is no counter.
    #[must_use]
    pub fn finish(self, idle: Option<Watts>) -> Option<LoadEnergy> {
        let time = Seconds(self.begun.elapsed().as_secs_f64());
        let counters = self.sampler.finish().energy;
        (!counters.is_empty()).then_some(LoadEnergy { counters, time, idle })
    }
}

/// Power while nobody asks; `None` where there is no counter that moves.
#[must_use]
pub fn idle_power(root: &Path) -> Option<Watts> {
    let root: PathBuf = root.to_owned();
    EnergyWatch::start(&root).finish(None)?;
    let watch = EnergyWatch::start(&root);
    std::thread::sleep(IDLE);
    let found = watch.finish(None)?;
    let joules: Option<f64> = found.counters.iter().map(joules).sum();
    joules.map(|joules| Joules(joules) / found.time)
}

fn joules(counter: &EnergyCounter) -> Option<f64> {
    counter.energy.value().map(|energy| energy.get())
}

/// An order of `cells` cells in which time and load go together as little as can be, so that a machine that warms up
/// does not look like a load that costs more.
#[must_use]
pub fn balanced_order(cells: usize, seed: u64) -> Vec<usize> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..cells).collect();
    let mut best = order.clone();
    for _ in 0..ORDERS {
        order.shuffle(&mut random);
        if trend(&order) < trend(&best) {
            best.clone_from(&order);
        }
    }
    best
}

/// How far place and load go together: 0 for not at all, 1 for entirely.
fn trend(order: &[usize]) -> f64 {
    let middle = (order.len() as f64 - 1.0) / 2.0;
    let off = |value: usize| value as f64 - middle;
    let together: f64 = order.iter().enumerate().map(|(place, load)| off(place) * off(*load)).sum();
    let entirely: f64 = (0..order.len()).map(|value| off(value).powi(2)).sum();
    (together / entirely.max(1.0)).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_load_do_not_go_together() {
        for cells in 0..10 {
            let order = balanced_order(cells, 1);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..cells).collect::<Vec<_>>());
            let naive = trend(&sorted);
            let limit = if cells > 3 { 0.05 } else { naive };
            assert!(trend(&order) <= limit, "{order:?}");
        }
        assert!((trend(&[0, 1, 2, 3, 4]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_sentinel_reads_something() {
        assert!(sentinel().is_some_and(|rate| rate.get() > 1e6));
    }

    #[test]
    fn a_machine_without_counters_has_no_energy() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(idle_power(root.path()), None);
        assert_eq!(EnergyWatch::start(root.path()).finish(None), None);
    }
}
