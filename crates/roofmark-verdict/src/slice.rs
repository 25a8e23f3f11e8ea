//! Slices: the time of a whole model from the times of some of its layers.
//!
//! Time is regressed on the bytes that a sample reads, not on layers, because layers differ in their
//! types. The intercept takes what every part has alike: overhead, and the head's own speed.

use crate::stats::{Spread, bootstrap, median, regress};

/// Largest error of the method where it was held against a whole model: decode, in the sessions before the last
/// mend; one session since stayed within 0.05 (docs/benchmarks.md, "Slices").
pub const METHOD_ERROR: f64 = 0.08;

/// Times of one part.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Bytes that one sample reads.
    pub bytes: f64,
    /// Seconds of each sample.
    pub seconds: Vec<f64>,
}

/// The estimate for the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whole {
    /// Seconds of one sample of the whole model, with the bootstrap interval at `level`.
    pub seconds: Spread,
    /// Largest distance of a part from the line, relative to its time; `None` with two parts.
    pub misfit: Option<f64>,
}

/// Extrapolates to `bytes` along the line through the median time of each slice.
///
/// The interval resamples within each slice, so it holds the noise of the samples; how far the line
/// itself is from the truth is [`METHOD_ERROR`]. `None` for fewer than two different slices, an empty
/// slice, or a line that falls.
#[must_use]
pub fn extrapolate(slices: &[Slice], bytes: f64, seed: u64, level: f64) -> Option<Whole> {
    let groups: Vec<&[f64]> = slices.iter().map(|slice| slice.seconds.as_slice()).collect();
    let at_whole = |groups: &[Vec<f64>]| {
        let points = points(slices, groups)?;
        let seconds = regress(&points)?.at(bytes);
        (seconds > 0.0).then_some(seconds)
    };
    let seconds = bootstrap(&groups, seed, level, at_whole)?;
    let points = points(slices, &slices.iter().map(|slice| slice.seconds.clone()).collect::<Vec<_>>())?;
    let line = regress(&points)?;
    if line.slope <= 0.0 {
        return None;
    }
    let distances = points.iter().map(|(x, y)| ((line.at(*x) - y) / y).abs());
    let misfit = (points.len() > 2).then(|| distances.fold(0.0, f64::max));
    Some(Whole { seconds, misfit })
}

fn points(slices: &[Slice], groups: &[Vec<f64>]) -> Option<Vec<(f64, f64)>> {
    slices.iter().zip(groups).map(|(slice, seconds)| Some((slice.bytes, median(seconds)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slice(bytes: f64, seconds: &[f64]) -> Slice {
        Slice { bytes, seconds: seconds.to_vec() }
    }

    #[test]
    fn the_head_is_in_the_intercept() {
        // 5 ms of overhead and head, 4 ms a layer: 32 layers take 133 ms.
        let slices = [slice(2.0, &[0.013]), slice(4.0, &[0.021]), slice(8.0, &[0.037])];
        let whole = extrapolate(&slices, 32.0, 1, 0.95).unwrap();
        assert!((whole.seconds.mid - 0.133).abs() < 1e-12);
        assert!(whole.misfit.unwrap() < 1e-9);
    }

    #[test]
    fn noise_widens_the_interval_and_a_bent_line_shows() {
        let quiet = [slice(2.0, &[1.0, 1.0, 1.0]), slice(8.0, &[4.0, 4.0, 4.0])];
        let noisy = [slice(2.0, &[0.9, 1.0, 1.1]), slice(8.0, &[3.9, 4.0, 4.1])];
        let width = |slices: &[Slice]| {
            extrapolate(slices, 32.0, 1, 0.95).map(|whole| whole.seconds.high - whole.seconds.low)
        };
        assert!(width(&quiet).unwrap() < 1e-12);
        assert!(width(&noisy).unwrap() > 0.5);
        let bent = [slice(2.0, &[1.0]), slice(4.0, &[2.5]), slice(8.0, &[4.0])];
        assert!(extrapolate(&bent, 32.0, 1, 0.95).unwrap().misfit.unwrap() > 0.1);
    }

    #[test]
    fn what_is_no_line_gives_no_estimate() {
        assert_eq!(extrapolate(&[slice(2.0, &[1.0])], 32.0, 1, 0.95), None);
        assert_eq!(extrapolate(&[slice(2.0, &[1.0]), slice(4.0, &[])], 32.0, 1, 0.95), None);
        assert_eq!(extrapolate(&[slice(2.0, &[2.0]), slice(4.0, &[1.0])], 3.0, 1, 0.95), None, "it falls");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_linear_machine_is_found_exactly(overhead in 0.0..1.0_f64, pace in 0.001..1.0_f64, whole in 10.0..1000.0_f64) {
            let slices: Vec<Slice> = [1.0, 2.0, 4.0].map(|bytes| slice(bytes, &[overhead + pace * bytes; 3])).to_vec();
            let estimate = extrapolate(&slices, whole, 7, 0.95).unwrap().seconds.mid;
            prop_assert!((estimate / (overhead + pace * whole) - 1.0).abs() < 1e-9);
        }
    }
}
