//! Quantities that are not known exactly, as functions of their quantile.

use super::Uncertain;
use statrs::distribution::{ContinuousCDF, Normal};

/// The value that `share` (0 to 1) of all possible values stay below.
#[must_use]
pub fn at(value: &Uncertain, share: f64) -> f64 {
    match *value {
        Uncertain::Known(value) => value,
        Uncertain::Between { low, high } => low + share * (high - low),
        Uncertain::Estimated { low, middle, high } => {
            let end = if share < 0.5 { low } else { high };
            let reach = normal_quantile(share).abs() / normal_quantile(0.95);
            middle * (end / middle).powf(reach)
        }
    }
}

/// Probability that a quantity with the 90 % interval `left` is below one with `right`, both log-normal and
/// independent of each other. Errors that both share make the true probability more decided than this.
#[must_use]
pub fn below(left: &Uncertain, right: &Uncertain) -> f64 {
    let log_deviation = |value: &Uncertain| {
        let (low, high) = value.ends();
        (high / low).ln() / (2.0 * normal_quantile(0.95))
    };
    let distance = (right.middle() / left.middle()).ln();
    let deviation = log_deviation(left).hypot(log_deviation(right));
    if deviation == 0.0 {
        return if distance > 0.0 { 1.0 } else if distance < 0.0 { 0.0 } else { 0.5 };
    }
    Normal::standard().cdf(distance / deviation)
}

fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_meet_the_ends() {
        let rate = Uncertain::Estimated { low: 8.0, middle: 10.0, high: 13.0 };
        for (share, value) in [(0.05, 8.0), (0.5, 10.0), (0.95, 13.0)] {
            assert!((at(&rate, share) - value).abs() < 1e-6, "{share}: {}", at(&rate, share));
        }
        assert_eq!(at(&Uncertain::between(2.0, 4.0), 0.25), 2.5);
    }

    #[test]
    fn apart_intervals_are_decided_and_equal_ones_are_not() {
        let slow = Uncertain::Estimated { low: 4.0, middle: 5.0, high: 6.0 };
        let fast = Uncertain::Estimated { low: 9.0, middle: 10.0, high: 11.0 };
        assert!(below(&slow, &fast) > 0.99 && below(&fast, &slow) < 0.01);
        assert!((below(&slow, &slow) - 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn a_quantile_never_falls(low in 0.1..10.0_f64, up in 1.0..3.0_f64, further in 1.0..3.0_f64, a in 0.001..0.999_f64, b in 0.001..0.999_f64) {
            let value = Uncertain::Estimated { low, middle: low * up, high: low * up * further };
            let (smaller, larger) = (a.min(b), a.max(b));
            prop_assert!(at(&value, smaller) <= at(&value, larger) * (1.0 + 1e-12));
        }
    }
}
