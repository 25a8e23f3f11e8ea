//! Arithmetic peaks: dot products on registers, and large matrix products from memory.

use super::threads::{bursts, summary};
use crate::simd::{self, Peak};
use roofmark_facts::probe_record::{Arithmetic, Form, Number};
use roofmark_facts::units::{FlopPerSecond, Seconds};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Length of one burst: long enough for clocks to settle, short enough for a median of many.
const BURST: Seconds = Seconds(0.01);
/// Iterations to learn how long one takes.
const TRIAL: u64 = 200_000;

/// The rate of each kind of number with `threads`.
pub(super) fn peaks(threads: u32, time: Duration) -> Vec<Arithmetic> {
    simd::peaks().iter().map(|peak| measure(peak, threads, time)).collect()
}

fn measure(peak: &Peak, threads: u32, time: Duration) -> Arithmetic {
    let iterations = iterations(peak);
    let parts = vec![(); threads.max(1) as usize];
    let operations = peak.operations * iterations as f64 * f64::from(threads.max(1));
    let passes = bursts(parts, time, |()| {
        black_box((peak.run)(black_box(iterations)));
    });
    let rates = passes.into_iter().map(|pass| operations / pass.get()).collect();
    row(peak.number, Form::Peak, peak.instructions.into(), threads, rates, peak.untested)
}

/// Iterations that take about one burst.
fn iterations(peak: &Peak) -> u64 {
    let start = Instant::now();
    black_box((peak.run)(black_box(TRIAL)));
    let each = start.elapsed().as_secs_f64().max(1e-9) / TRIAL as f64;
    ((BURST.get() / each) as u64).max(1)
}

pub(super) fn row(
    number: Number,
    form: Form,
    instructions: String,
    threads: u32,
    rates: Vec<f64>,
    untested: bool,
) -> Arithmetic {
    let (best, median, _) = summary(rates);
    Arithmetic {
        number,
        form,
        instructions,
        threads,
        best: FlopPerSecond(best),
        median: FlopPerSecond(median),
        untested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_number_has_a_rate() {
        for threads in [1, 2] {
            let rows = peaks(threads, Duration::from_millis(1));
            assert!(rows.iter().all(|row| row.best.get() > 1e6 && row.threads == threads), "{rows:?}");
        }
    }
}
