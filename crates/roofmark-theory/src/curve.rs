//! Decode over the number of sequences: the table of batches, and where it bends.

use crate::answer::{Ask, answer};
use crate::memory::most_sequences;
use crate::predict::Predictor;
use roofmark_facts::answer::{BatchPoint, Curve};

/// Batches of the table.
pub const BATCHES: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// Batches beyond this are not looked at.
const MOST: f64 = 4096.0;

/// The curve of `ask` over the batch, its own batch and mixture of depths left aside; `None` where it is refused.
#[must_use]
pub fn curve(predictor: &Predictor<'_>, ask: &Ask<'_>) -> Option<Curve> {
    let each = |batch: f64| {
        let job = ask.job.batched(batch);
        let decode = answer(predictor, &Ask { job, ..ask.clone() }).ok()?.decode;
        Some(decode.rate.get() / batch)
    };
    let alone = each(1.0)?;
    let slowed = |batch: f64| each(batch).is_some_and(|rate| rate <= alone / 2.0);
    let bent = |batch: f64| {
        predictor.arithmetic_over_reading(&ask.job.batched(batch)).is_some_and(|ratio| ratio >= 1.0)
    };
    let tokens = ask.job.depth + ask.prompt + ask.job.generated;
    Some(Curve {
        points: BATCHES.iter().map(|batch| point(predictor, ask, *batch)).collect::<Option<_>>()?,
        knee: first(bent),
        half_speed: first(slowed),
        fitting: most_sequences(&ask.job, tokens, ask.devices),
    })
}

fn point(predictor: &Predictor<'_>, ask: &Ask<'_>, batch: u32) -> Option<BatchPoint> {
    let job = ask.job.batched(f64::from(batch));
    let found = answer(predictor, &Ask { job, ..ask.clone() }).ok()?;
    let rate = found.decode.rate;
    Some(BatchPoint {
        batch,
        rate,
        interval90: found.decode.interval90,
        each: rate / f64::from(batch),
        fits: found.memory.fits(),
    })
}

/// The least whole number from 1 to [`MOST`] at which `holds`, which holds from some number on.
fn first(holds: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut low, mut high) = (0.0, 1.0);
    while !holds(high) {
        if high >= MOST {
            return None;
        }
        (low, high) = (high, high * 2.0);
    }
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0_f64).floor();
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_holds_is_found() {
        for wanted in [1.0, 2.0, 3.0, 17.0, 4096.0] {
            assert_eq!(first(|number| number >= wanted), Some(wanted));
        }
        assert_eq!(first(|_| false), None);
    }
}
