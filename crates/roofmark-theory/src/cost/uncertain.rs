//! Quantities that are not known exactly, as functions of their quantile.

use roofmark_facts::prediction::Prediction;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// A quantity and how sure it is. Its unit is that of the [`super::Quantity`] it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// Known exactly, or taken as given.
    Known(f64),
    /// Anywhere between two ends, all equally likely.
    Between {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Log-normal on either side of a median, with an interval that holds nine of ten.
    Estimated {
        /// 5 % quantile.
        low: f64,
        /// Median.
        middle: f64,
        /// 95 % quantile.
        high: f64,
    },
}

impl Uncertain {
    /// The range from `low` to `high`; a point where they are equal.
    #[must_use]
    pub fn between(low: f64, high: f64) -> Self {
        if low == high { Self::Known(low) } else { Self::Between { low, high } }
    }

    /// A predicted rate: its 90 % interval, cut at the ceiling.
    #[must_use]
    pub fn rate(prediction: &Prediction) -> Self {
        let ceiling = prediction.ceiling.map_or(f64::INFINITY, |ceiling| ceiling.get());
        let middle = prediction.rate.get();
        let high = prediction.interval90.high.get().min(ceiling).max(middle);
        Self::Estimated { low: prediction.interval90.low.get().min(middle), middle, high }
    }

    /// The value that `share` (0 to 1) of all possible values stay below.
    #[must_use]
    pub fn at(&self, share: f64) -> f64 {
        match *self {
            Self::Known(value) => value,
            Self::Between { low, high } => low + share * (high - low),
            Self::Estimated { low, middle, high } => {
                let end = if share < 0.5 { low } else { high };
                let reach = normal_quantile(share).abs() / normal_quantile(0.95);
                middle * (end / middle).powf(reach)
            }
        }
    }

    /// The median.
    #[must_use]
    pub fn middle(&self) -> f64 {
        self.at(0.5)
    }

    /// The ends that nine of ten values lie between; all values of a range.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        match *self {
            Self::Known(value) => (value, value),
            Self::Between { low, high } | Self::Estimated { low, high, .. } => (low, high),
        }
    }

    /// Whether there is any doubt.
    #[must_use]
    pub fn varies(&self) -> bool {
        let (low, high) = self.ends();
        low < high
    }

    /// The same quantity in another unit.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        match *self {
            Self::Known(value) => Self::Known(value * factor),
            Self::Between { low, high } => Self::Between { low: low * factor, high: high * factor },
            Self::Estimated { low, middle, high } => {
                Self::Estimated { low: low * factor, middle: middle * factor, high: high * factor }
            }
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
            assert!((rate.at(share) - value).abs() < 1e-6, "{share}: {}", rate.at(share));
        }
        assert_eq!(Uncertain::between(2.0, 4.0).at(0.25), 2.5);
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
            prop_assert!(value.at(smaller) <= value.at(larger) * (1.0 + 1e-12));
        }
    }
}
