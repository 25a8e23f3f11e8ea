//! Passes that several threads begin together, each on its own part.

use roofmark_facts::units::Seconds;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Turns of waiting before a thread gives its processor away.
const SPINS: u32 = 20_000;
/// Passes that a row has at least, so that a slow machine has a median.
const FEWEST: usize = 3;

/// Runs `pass` on all `parts` again and again for `time`; gives the wall time of each pass but the first,
/// which wakes the processors.
pub(super) fn bursts<T: Send>(parts: Vec<T>, time: Duration, pass: impl Fn(&mut T) + Sync) -> Vec<Seconds> {
    let gate = Gate::new(parts.len());
    let stop = AtomicBool::new(false);
    let mut parts = parts.into_iter();
    let Some(mut first) = parts.next() else { return Vec::new() };
    std::thread::scope(|scope| {
        for mut part in parts {
            let (gate, stop, pass) = (&gate, &stop, &pass);
            scope.spawn(move || {
                loop {
                    gate.wait();
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    pass(&mut part);
                    gate.wait();
                }
            });
        }
        lead(&gate, &stop, time, || pass(&mut first))
    })
}

/// The first thread: starts each pass, times it, and says when it was the last.
fn lead(gate: &Gate, stop: &AtomicBool, time: Duration, mut pass: impl FnMut()) -> Vec<Seconds> {
    let deadline = Instant::now() + time;
    let mut passes = Vec::new();
    loop {
        let last = passes.len() > FEWEST && Instant::now() >= deadline;
        stop.store(last, Ordering::Relaxed);
        gate.wait();
        if last {
            passes.remove(0);
            return passes;
        }
        let start = Instant::now();
        pass();
        gate.wait();
        passes.push(Seconds(start.elapsed().as_secs_f64()));
    }
}

/// A barrier that spins first: a pass may be shorter than a sleeping thread takes to wake.
struct Gate {
    threads: usize,
    waiting: AtomicUsize,
    round: AtomicUsize,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self { threads, waiting: AtomicUsize::new(0), round: AtomicUsize::new(0) }
    }

    fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.waiting.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.waiting.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.round.load(Ordering::Acquire) == round {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// Best and median of rates, with their count.
pub(super) fn summary(mut rates: Vec<f64>) -> (f64, f64, u32) {
    rates.sort_by(f64::total_cmp);
    let (best, median) = (rates.last().copied(), rates.get(rates.len() / 2).copied());
    (best.unwrap_or_default(), median.unwrap_or_default(), rates.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_gone_over_in_every_pass() {
        for threads in [1, 2, 5] {
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            let passes = bursts((0..threads).collect(), Duration::from_millis(2), |part| {
                counts[*part].fetch_add(1, Ordering::Relaxed);
            });
            let counts: Vec<usize> = counts.into_iter().map(AtomicUsize::into_inner).collect();
            assert!(counts.iter().all(|count| *count == passes.len() + 1), "{counts:?}");
            assert!(passes.len() >= FEWEST);
        }
        assert!(bursts(Vec::<u8>::new(), Duration::ZERO, |_| {}).is_empty());
    }

    #[test]
    fn best_and_median() {
        assert_eq!(summary(vec![3.0, 1.0, 2.0]), (3.0, 2.0, 3));
        assert_eq!(summary(vec![]), (0.0, 0.0, 0));
    }
}
