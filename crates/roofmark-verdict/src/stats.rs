//! Statistics of raw samples: robust summaries, seeded bootstrap intervals, regression, comparisons.
//!
//! Samples are bare `f64` here because a statistic keeps the unit of its samples; callers put the
//! unit back on. Values must be finite: functions that return `Option` give `None` otherwise.

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;
/// Samples from which the median's interval is computed without resampling.
pub const MANY: usize = 1000;
/// Makes the median absolute deviation estimate the standard deviation of normal data.
const MAD_TO_SIGMA: f64 = 1.4826;
/// The same for the mean absolute deviation, used where more than half of the samples are equal.
const MEAN_AD_TO_SIGMA: f64 = 1.2533;

/// An interval around a central value, in the unit of the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Lower bound.
    pub low: f64,
    /// The estimate.
    pub mid: f64,
    /// Upper bound.
    pub high: f64,
}

/// The `p` quantile (0 to 1) with linear interpolation between order statistics (Hyndman and Fan's type 7).
#[must_use]
pub fn quantile(samples: &[f64], p: f64) -> Option<f64> {
    (0.0..=1.0).contains(&p).then(|| Some(quantile_of_sorted(&sorted(samples)?, p))).flatten()
}

/// The same of samples that are in rising order and at least one.
#[must_use]
pub fn quantile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let position = p * (sorted.len() - 1) as f64;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    below + (above - below) * position.fract()
}

/// The middle sample, or the mean of the two middle ones.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    quantile(samples, 0.5)
}

/// The `p` quantile, only where at least ten samples lie beyond it: n · (1 − p) ≥ 10.
#[must_use]
pub fn percentile(samples: &[f64], p: f64) -> Option<f64> {
    has_percentile(samples.len(), p).then(|| quantile(samples, p)).flatten()
}

/// Whether `count` samples are enough for the `p` quantile: ten beyond it.
#[must_use]
pub fn has_percentile(count: usize, p: f64) -> bool {
    // The tolerance keeps 1000 samples enough for p = 0.99, whose complement is not exact in binary.
    count as f64 * (1.0 - p) >= 10.0 - 1e-9
}

/// Median absolute deviation from the median, not scaled.
#[must_use]
pub fn mad(samples: &[f64]) -> Option<f64> {
    let mid = median(samples)?;
    let deviations: Vec<f64> = samples.iter().map(|value| (value - mid).abs()).collect();
    median(&deviations)
}

/// How far a sample lies from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlier {
    /// Within 3.5 robust standard deviations of the median.
    No,
    /// Beyond 3.5 (the cut of Iglewicz and Hoaglin 1993).
    Mild,
    /// Beyond 7.
    Severe,
}

/// Classifies each sample by its distance from the median. Nothing is dropped.
#[must_use]
pub fn classify(samples: &[f64]) -> Vec<Outlier> {
    let (Some(mid), Some(sigma)) = (median(samples), robust_sigma(samples)) else {
        return vec![Outlier::No; samples.len()];
    };
    samples
        .iter()
        .map(|value| match (value - mid).abs() / sigma {
            z if z > 7.0 => Outlier::Severe,
            z if z > 3.5 => Outlier::Mild,
            _ => Outlier::No,
        })
        .collect()
}

/// Standard deviation estimated from the median absolute deviation; `None` for fewer than five samples,
/// of which two alike would make an outlier of any other.
fn robust_sigma(samples: &[f64]) -> Option<f64> {
    if samples.len() < 5 {
        return None;
    }
    let deviation = mad(samples)?;
    if deviation > 0.0 {
        return Some(deviation * MAD_TO_SIGMA);
    }
    let mid = median(samples)?;
    let mean = samples.iter().map(|value| (value - mid).abs()).sum::<f64>() / samples.len() as f64;
    Some(mean * MEAN_AD_TO_SIGMA)
}

/// A frozen generator (`SplitMix64`, Steele et al. 2014): an interval must come out the same in every release.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Draws as many samples as there are, with replacement.
    fn resample(&mut self, samples: &[f64]) -> Vec<f64> {
        let count = samples.len() as u64;
        samples.iter().map(|_| samples[(self.next() % count) as usize]).collect()
    }
}

/// Percentile bootstrap of any statistic of several independent groups of samples.
///
/// `level` is the coverage (0.95). `None` where a group is empty or not finite or the statistic is undefined on it.
/// With few samples the interval is short: three samples cover the true median at most 75 % of the time.
pub fn bootstrap(
    groups: &[&[f64]],
    seed: u64,
    level: f64,
    statistic: impl Fn(&[Vec<f64>]) -> Option<f64>,
) -> Option<Spread> {
    if groups.iter().any(|group| group.is_empty() || !group.iter().all(|value| value.is_finite())) {
        return None;
    }
    let mid = statistic(&groups.iter().map(|group| group.to_vec()).collect::<Vec<_>>())?;
    let mut random = SplitMix(seed);
    let draws: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| statistic(&groups.iter().map(|group| random.resample(group)).collect::<Vec<_>>()))
        .collect();
    let tail = (1.0 - level) / 2.0;
    Some(Spread { low: quantile(&draws, tail)?.min(mid), mid, high: quantile(&draws, 1.0 - tail)?.max(mid) })
}

/// Bootstrap interval of the median.
///
/// From [`MANY`] samples on by its limit for many resamples, which needs none: the number of resampled values
/// below a point is binomial, so the bounds are the order statistics at n/2 ∓ z·√n/2 (Efron 1982, chapter 10).
#[must_use]
pub fn median_interval(samples: &[f64], seed: u64, level: f64) -> Option<Spread> {
    if samples.len() < MANY {
        return bootstrap(&[samples], seed, level, |groups| median(&groups[0]));
    }
    median_interval_of_sorted(&sorted(samples)?, level)
}

/// The same for many samples that are sorted and finite.
#[must_use]
pub fn median_interval_of_sorted(sorted: &[f64], level: f64) -> Option<Spread> {
    let count = sorted.len() as f64;
    let half = normal_quantile(f64::midpoint(level, 1.0)) * count.sqrt() / 2.0;
    let at = |rank: f64| sorted.get((rank.max(0.0) as usize).min(sorted.len().checked_sub(1)?)).copied();
    let (low, high) = ((count - 1.0) / 2.0 - half, (count - 1.0) / 2.0 + half);
    Some(Spread { low: at(low.round())?, mid: quantile_of_sorted(sorted, 0.5), high: at(high.round())? })
}

/// Finite samples in rising order; `None` where one is not finite or there are none.
#[must_use]
pub fn sorted(samples: &[f64]) -> Option<Vec<f64>> {
    if samples.is_empty() || !samples.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

/// Quantile of the standard normal distribution for 0.5 < p < 1, to 0.0005 (Abramowitz and Stegun 26.2.23).
fn normal_quantile(p: f64) -> f64 {
    let t = (-2.0 * (1.0 - p).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

/// Bootstrap interval of median(`new`) / median(`base`), the two sampled independently.
#[must_use]
pub fn ratio_interval(base: &[f64], new: &[f64], seed: u64, level: f64) -> Option<Spread> {
    bootstrap(&[base, new], seed, level, |groups| {
        let ratio = median(&groups[1])? / median(&groups[0])?;
        ratio.is_finite().then_some(ratio)
    })
}

/// Bootstrap interval of the median of `new[i] / base[i]`: for pairs that were measured side by side.
///
/// `None` where the lengths differ.
#[must_use]
pub fn paired_ratio_interval(base: &[f64], new: &[f64], seed: u64, level: f64) -> Option<Spread> {
    if base.len() != new.len() {
        return None;
    }
    let ratios: Vec<f64> = base.iter().zip(new).map(|(base, new)| new / base).collect();
    median_interval(&ratios, seed, level)
}

/// Largest coverage that any interval for the median can have with `count` samples: 1 − 2 · 0.5^n.
#[must_use]
pub fn median_coverage(count: usize) -> f64 {
    (1.0 - 2.0 * 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX))).max(0.0)
}

/// A least-squares line y = intercept + slope · x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Value at x = 0.
    pub intercept: f64,
    /// Change of y per x.
    pub slope: f64,
    /// Root mean square of the residuals, with n − 2 degrees of freedom; `None` for two points.
    pub residual: Option<f64>,
    /// Standard error of the slope; `None` for two points.
    pub slope_error: Option<f64>,
    count: f64,
    mean_x: f64,
    sum_xx: f64,
}

impl Line {
    /// Value at `x`.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// Standard error of the line at `x`; `None` for two points.
    #[must_use]
    pub fn error_at(&self, x: f64) -> Option<f64> {
        Some(self.residual? * (1.0 / self.count + (x - self.mean_x).powi(2) / self.sum_xx).sqrt())
    }
}

/// Fits a line through (x, y) points. `None` for fewer than two distinct x or a value that is not finite.
#[must_use]
pub fn regress(points: &[(f64, f64)]) -> Option<Line> {
    if points.len() < 2 || !points.iter().all(|(x, y)| x.is_finite() && y.is_finite()) {
        return None;
    }
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let sum_xx: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if sum_xx <= 0.0 {
        return None;
    }
    let sum_xy: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = sum_xy / sum_xx;
    let intercept = mean_y - slope * mean_x;
    let squares: f64 = points.iter().map(|(x, y)| (y - intercept - slope * x).powi(2)).sum();
    let residual = (points.len() > 2).then(|| (squares / (count - 2.0)).sqrt());
    let slope_error = residual.map(|residual| residual / sum_xx.sqrt());
    Some(Line { intercept, slope, residual, slope_error, count, mean_x, sum_xx })
}

/// What happened between two sets of rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The rate went up by more than noise.
    Improved,
    /// The rate went down by more than noise.
    Regressed,
    /// Any change is smaller than what matters.
    WithinNoise,
    /// The interval is too wide to tell.
    NotEnoughData,
}

/// Classifies the change from `base` to `new` rates (higher is better) by the 95 % interval of their ratio.
///
/// `matters` is the smallest relative change of interest (0.02). An interval inside 1 ± `matters` is noise,
/// one that leaves 1 out is a change, and any other says too little.
#[must_use]
pub fn change(base: &[f64], new: &[f64], matters: f64, seed: u64) -> Change {
    if base.len() < 3 || new.len() < 3 {
        return Change::NotEnoughData;
    }
    match ratio_interval(base, new, seed, 0.95) {
        Some(ratio) if ratio.low > 1.0 - matters && ratio.high < 1.0 + matters => Change::WithinNoise,
        Some(ratio) if ratio.low > 1.0 => Change::Improved,
        Some(ratio) if ratio.high < 1.0 => Change::Regressed,
        _ => Change::NotEnoughData,
    }
}

/// A place where the level of a series moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// Index of the first value of the new level.
    pub at: usize,
    /// Median after over median before, within the neighbouring change points.
    pub ratio: f64,
    /// Share of shuffled series with a split at least as good.
    pub p: f64,
}

/// Shuffles behind each p-value.
const SHUFFLES: usize = 499;
/// Fewest values on either side of a change.
const SHORTEST: usize = 3;

/// Change points of a series of positive rates in time order: binary segmentation of the logarithms, each split kept where
/// fewer than 1 % of seeded shuffles split as well and the level moves by at least `matters` (0.02).
#[must_use]
pub fn change_points(values: &[f64], matters: f64, seed: u64) -> Vec<ChangePoint> {
    if !values.iter().all(|value| value.is_finite() && *value > 0.0) {
        return Vec::new();
    }
    let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let mut splits = Vec::new();
    let mut random = SplitMix(seed);
    segment(&logs, 0, matters, &mut random, &mut splits);
    splits.sort_by_key(|(at, _)| *at);
    let bounds: Vec<usize> =
        std::iter::once(0).chain(splits.iter().map(|(at, _)| *at)).chain([values.len()]).collect();
    let level = |from: usize, to: usize| median(&values[from..to]).unwrap_or(f64::NAN);
    bounds
        .windows(3)
        .zip(&splits)
        .map(|(around, (at, p))| ChangePoint {
            at: *at,
            ratio: level(around[1], around[2]) / level(around[0], around[1]),
            p: *p,
        })
        .collect()
}

fn segment(logs: &[f64], offset: usize, matters: f64, random: &mut SplitMix, found: &mut Vec<(usize, f64)>) {
    let Some((at, gain)) = best_split(logs) else { return };
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    if (mean(&logs[at..]) - mean(&logs[..at])).abs() < matters {
        return;
    }
    let mut shuffled = logs.to_vec();
    let mut as_good = 0;
    for _ in 0..SHUFFLES {
        for last in (1..shuffled.len()).rev() {
            shuffled.swap(last, (random.next() % (last as u64 + 1)) as usize);
        }
        as_good += usize::from(best_split(&shuffled).is_some_and(|(_, other)| other >= gain));
    }
    let p = (as_good + 1) as f64 / (SHUFFLES + 1) as f64;
    if p > 0.01 {
        return;
    }
    found.push((offset + at, p));
    segment(&logs[..at], offset, matters, random, found);
    segment(&logs[at..], offset + at, matters, random, found);
}

/// The split that takes most off the sum of squares, with what it takes off.
fn best_split(logs: &[f64]) -> Option<(usize, f64)> {
    let total: f64 = logs.iter().sum();
    let count = logs.len() as f64;
    let mut before = 0.0;
    let mut best = None;
    for at in 1..logs.len() {
        before += logs[at - 1];
        if at < SHORTEST || logs.len() - at < SHORTEST {
            continue;
        }
        let left = at as f64;
        let gain = before * before / left + (total - before).powi(2) / (count - left) - total * total / count;
        if best.is_none_or(|(_, most)| gain > most) {
            best = Some((at, gain));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0, f64::NAN], 0.5), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        let samples: Vec<f64> = (0..1000).map(f64::from).collect();
        assert!(percentile(&samples, 0.99).is_some());
        assert_eq!(percentile(&samples[..999], 0.99), None);
        assert_eq!(percentile(&samples[..19], 0.5), None);
    }

    #[test]
    fn the_interval_without_resampling_is_the_bootstrap() {
        let mut random = SplitMix(3);
        for count in [1000, 1501, 4000] {
            let samples: Vec<f64> = (0..count).map(|_| (random.next() as f64 / 1e19).powi(3)).collect();
            let exact = median_interval(&samples, 7, 0.95).unwrap();
            let drawn = bootstrap(&[&samples], 7, 0.95, |groups| median(&groups[0])).unwrap();
            let width = drawn.high - drawn.low;
            assert_eq!(exact.mid, drawn.mid);
            assert!((exact.low - drawn.low).abs() < 0.15 * width, "{count}: {exact:?} {drawn:?}");
            assert!((exact.high - drawn.high).abs() < 0.15 * width, "{count}: {exact:?} {drawn:?}");
        }
    }

    #[test]
    fn outliers_are_classified_and_kept() {
        use Outlier::{Mild, No, Severe};
        assert_eq!(classify(&[10.0, 10.1, 9.9, 10.05, 9.95, 2.0]), [No, No, No, No, No, Severe]);
        assert_eq!(classify(&[10.0, 10.1, 9.9, 10.1, 9.9, 10.6]), [No, No, No, No, No, Mild]);
        assert_eq!(classify(&[5.0, 5.0, 5.0, 5.0, 9.0]), [No, No, No, No, Mild], "more than half are equal");
        assert_eq!(classify(&[1.0, 100.0]), [No, No], "two samples have no outlier");
        assert_eq!(classify(&[34.2, 34.2, 34.8]), [No, No, No], "nor have three");
        assert_eq!(classify(&[7.0; 6]), [No; 6]);
    }

    #[test]
    fn three_samples_cover_three_quarters() {
        assert_eq!(median_coverage(3), 0.75);
        assert_eq!(median_coverage(1), 0.0);
        assert!(median_coverage(6) > 0.95);
    }

    #[test]
    fn an_interval_is_the_same_in_every_release() {
        let spread = median_interval(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 42, 0.95);
        assert_eq!(spread, Some(Spread { low: 2.0, mid: 4.0, high: 6.0 }));
    }

    #[test]
    fn a_line_extrapolates_with_its_error() {
        let line = regress(&[(1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]).unwrap();
        assert_eq!((line.intercept, line.slope, line.at(10.0)), (1.0, 2.0, 21.0));
        assert!(line.error_at(10.0).unwrap() < 1e-9);
        let noisy = regress(&[(1.0, 3.1), (2.0, 4.8), (3.0, 7.1)]).unwrap();
        assert!(noisy.error_at(10.0) > noisy.error_at(2.0), "the error grows away from the data");
        assert_eq!(regress(&[(2.0, 1.0), (2.0, 3.0)]), None);
        assert_eq!(regress(&[(0.0, 1.0), (2.0, 3.0)]).unwrap().error_at(4.0), None);
    }

    #[test]
    fn changes_are_told_from_noise() {
        let base = [100.0, 100.2, 99.8, 100.1, 99.9];
        let scaled = |factor: f64| base.map(|value| value * factor);
        assert_eq!(change(&base, &scaled(1.1), 0.02, 1), Change::Improved);
        assert_eq!(change(&base, &scaled(0.9), 0.02, 1), Change::Regressed);
        assert_eq!(change(&base, &scaled(1.005), 0.02, 1), Change::WithinNoise);
        assert_eq!(change(&base, &[60.0, 140.0, 100.0], 0.02, 1), Change::NotEnoughData);
        assert_eq!(change(&base, &[120.0, 121.0], 0.02, 1), Change::NotEnoughData);
    }

    #[test]
    fn a_series_changes_where_its_level_moves() {
        let noise = |at: usize| 1.0 + [0.003, -0.004, 0.001, -0.002, 0.004][at % 5];
        let series: Vec<f64> = (0..30).map(|at| if at < 18 { 40.0 } else { 52.4 } * noise(at)).collect();
        let found = change_points(&series, 0.02, 1);
        assert_eq!(found.iter().map(|point| point.at).collect::<Vec<_>>(), [18]);
        assert!((found[0].ratio - 1.31).abs() < 0.01, "{found:?}");
        let flat: Vec<f64> = (0..30).map(|at| 40.0 * noise(at)).collect();
        assert_eq!(change_points(&flat, 0.02, 1), []);
        assert_eq!(change_points(&[1.0, 2.0], 0.02, 1), []);
    }

    fn samples() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.001..1e6_f64, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_median_lies_between_the_extremes(samples in samples()) {
            let mid = median(&samples).unwrap();
            let low = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let high = samples.iter().copied().fold(0.0, f64::max);
            prop_assert!(low <= mid && mid <= high);
        }

        #[test]
        fn quantiles_never_cross(samples in samples(), p in 0.0..1.0_f64, q in 0.0..1.0_f64) {
            prop_assert!(quantile(&samples, p.min(q)) <= quantile(&samples, p.max(q)));
        }

        #[test]
        fn an_interval_holds_its_median_and_scales(samples in samples(), seed: u64) {
            let spread = median_interval(&samples, seed, 0.95).unwrap();
            prop_assert!(spread.low <= spread.mid && spread.mid <= spread.high);
            let doubled: Vec<f64> = samples.iter().map(|value| value * 2.0).collect();
            let twice = median_interval(&doubled, seed, 0.95).unwrap();
            prop_assert_eq!(twice, Spread { low: spread.low * 2.0, mid: spread.mid * 2.0, high: spread.high * 2.0 });
        }

        #[test]
        fn a_line_finds_the_line(intercept in -1e3..1e3_f64, slope in -1e3..1e3_f64, xs in prop::collection::btree_set(0..1000_i32, 2..20)) {
            let points: Vec<_> = xs.iter().map(|&x| (f64::from(x), intercept + slope * f64::from(x))).collect();
            let line = regress(&points).unwrap();
            prop_assert!((line.intercept - intercept).abs() < 1e-6 * (1.0 + intercept.abs() + slope.abs() * 1e3));
            prop_assert!((line.slope - slope).abs() < 1e-6 * (1.0 + slope.abs() + intercept.abs()));
        }

        #[test]
        fn classification_keeps_every_sample(samples in samples()) {
            prop_assert_eq!(classify(&samples).len(), samples.len());
        }
    }
}
