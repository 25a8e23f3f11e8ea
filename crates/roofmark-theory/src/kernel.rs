//! How much two jobs have in common: the covariance of their deviations from physics.
//!
//! k = (Σ_levels v·[same group]) · (1 + Σ_parts w·s·s') + Σ_terms u·[same group]·shape(distance).
//! The first factor is hierarchical shrinkage (class, chip, kernels, model, …); the second lets every group have its
//! own efficiency for each part of the time, weighted by that part's share; the terms add smooth trends.

use crate::point::{COORDINATES, DATE, DEPTH, LEVELS, PACE, Point, SHARES, SIZE, SPEED, level};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Standard deviations (of log time) by name; the whole state of the kernel.
pub type Deviations = BTreeMap<String, f64>;

/// A smooth trend within a group.
#[derive(Clone, Copy, Debug)]
struct Term {
    name: &'static str,
    level: &'static str,
    coordinate: usize,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Squared exponential of this length.
    Near(f64),
    /// The same, between rows of several sequences only.
    NearMany(f64),
    /// Product of the coordinates, in units of this.
    Slope(f64),
}

/// Length scale of the device's speed (log) and of the date (years).
const SPEED_LENGTH: f64 = 0.7;
const DATE_LENGTH: f64 = 0.35;
/// Slopes over the batch are in units of ln 8.
const LN_8: f64 = 2.079_441_541_679_835_7;

const DECODE_TERMS: [Term; 9] = [
    Term { name: "batch", level: "kernels", coordinate: SIZE, shape: Shape::Slope(LN_8) },
    Term { name: "batch+family", level: "kernels+family", coordinate: SIZE, shape: Shape::Slope(LN_8) },
    Term { name: "batch+model", level: "kernels+model", coordinate: SIZE, shape: Shape::Slope(LN_8) },
    Term { name: "batch+chip", level: "chip+kernels", coordinate: SIZE, shape: Shape::Slope(LN_8) },
    Term { name: "batch~family", level: "kernels+family", coordinate: SIZE, shape: Shape::NearMany(1.0) },
    Term { name: "batch~all", level: "all", coordinate: SIZE, shape: Shape::NearMany(1.0) },
    Term { name: "pace~all", level: "all", coordinate: PACE, shape: Shape::Near(1.0) },
    Term { name: "pace~chip", level: "chip+kernels", coordinate: PACE, shape: Shape::Near(1.0) },
    Term { name: "depth~model", level: "kernels+model", coordinate: DEPTH, shape: Shape::Near(1.5) },
];

const PREFILL_TERMS: [Term; 9] = [
    Term { name: "tokens~all", level: "all", coordinate: SIZE, shape: Shape::Near(1.5) },
    Term { name: "tokens", level: "kernels", coordinate: SIZE, shape: Shape::Near(1.5) },
    Term { name: "tokens~chip", level: "chip+kernels", coordinate: SIZE, shape: Shape::Near(1.5) },
    Term { name: "tokens~model", level: "kernels+model", coordinate: SIZE, shape: Shape::Near(1.5) },
    Term { name: "depth", level: "kernels", coordinate: DEPTH, shape: Shape::Near(1.5) },
    Term { name: "depth~model", level: "kernels+model", coordinate: DEPTH, shape: Shape::Near(1.5) },
    Term { name: "depth~chip", level: "chip+kernels", coordinate: DEPTH, shape: Shape::Near(1.5) },
    Term { name: "pass", level: "kernels", coordinate: PACE, shape: Shape::Near(1.5) },
    Term { name: "pass~chip", level: "chip+kernels", coordinate: PACE, shape: Shape::Near(1.5) },
];

/// Names of the noise deviations: the source, the source's machine and software, its parts, a cell within it, a row.
pub const NOISE: [&str; 7] =
    ["source", "source+conditions", "source+parts", "source+cell", "row", "row of a server", "row of many"];

/// Which of the two kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Decoding, one sequence or many.
    Decode,
    /// Prefill.
    Prefill,
}

impl Kind {
    fn terms(self) -> &'static [Term] {
        match self {
            Self::Decode => &DECODE_TERMS,
            Self::Prefill => &PREFILL_TERMS,
        }
    }

    /// Names of the parts that groups have efficiencies of their own for, in the order of [`Point::shares`].
    fn parts(self) -> [&'static str; SHARES] {
        match self {
            Self::Decode => ["part overhead", "part experts", "part cache", "part compute", "part serving"],
            Self::Prefill => ["part overhead", "part experts", "part attention", "part weights", "part none"],
        }
    }

    /// Every name that [`Deviations`] of this kernel holds.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let levels = LEVELS.iter().map(|name| format!("level {name}"));
        let terms = self.terms().iter().map(|term| format!("term {}", term.name));
        let noise = NOISE.iter().map(|name| format!("noise {name}"));
        let parts = self.parts().into_iter().filter(|name| *name != "part none").map(str::to_owned);
        levels.chain(terms).chain(parts).chain(noise).collect()
    }
}

/// A coordinate and the length over which a group changes along it.
type Trend = (usize, f64);

/// A kernel ready to evaluate.
#[derive(Clone, Debug)]
pub struct Kernel {
    levels: Vec<(usize, f64, Option<Trend>)>,
    parts: [f64; SHARES],
    terms: Vec<(usize, usize, Shape, f64)>,
    noise: [f64; NOISE.len()],
}

/// Deviations below this change nothing and are left out.
const NEGLIGIBLE: f64 = 0.006;

impl Kernel {
    /// Prepares the kernel; names that `deviations` lacks count as zero.
    #[must_use]
    pub fn new(kind: Kind, deviations: &Deviations) -> Self {
        let variance = |name: String| {
            deviations.get(&name).map_or(0.0, |sd| if *sd < NEGLIGIBLE { 0.0 } else { sd * sd })
        };
        let levels = LEVELS
            .iter()
            .enumerate()
            .map(|(index, name)| (index, variance(format!("level {name}")), trend(name)));
        let terms = kind.terms().iter().map(|term| {
            (level(term.level), term.coordinate, term.shape, variance(format!("term {}", term.name)))
        });
        let mut noise = [0.0; NOISE.len()];
        for (slot, name) in noise.iter_mut().zip(NOISE) {
            *slot = variance(format!("noise {name}"));
        }
        Self {
            levels: levels.filter(|(_, variance, _)| *variance > 0.0).collect(),
            parts: kind.parts().map(|name| variance(name.to_owned())),
            terms: terms.filter(|(.., variance)| *variance > 0.0).collect(),
            noise,
        }
    }

    /// Covariance of two jobs' deviations, noise left out.
    #[must_use]
    pub fn covariance(&self, left: &Point, right: &Point) -> f64 {
        let mut groups = 0.0;
        for &(level, variance, trend) in &self.levels {
            if left.groups[level] == right.groups[level] {
                groups +=
                    trend.map_or(variance, |(at, length)| variance * near(left.at[at], right.at[at], length));
            }
        }
        let mut common = 1.0;
        for part in 0..SHARES {
            common += self.parts[part] * left.shares[part] * right.shares[part];
        }
        groups * common + self.trends(left, right)
    }

    fn trends(&self, left: &Point, right: &Point) -> f64 {
        let mut sum = 0.0;
        for &(level, at, shape, variance) in &self.terms {
            if left.groups[level] != right.groups[level] {
                continue;
            }
            let (here, there) = (left.at[at], right.at[at]);
            sum += variance
                * match shape {
                    Shape::Near(length) => near(here, there, length),
                    Shape::NearMany(length) if left.many && right.many => near(here, there, length),
                    Shape::NearMany(_) => 0.0,
                    Shape::Slope(unit) => here * there / (unit * unit),
                };
        }
        sum
    }

    /// Covariance that two rows of one source have beyond [`Self::covariance`].
    #[must_use]
    pub fn source_covariance(&self, left: &Point, right: &Point) -> f64 {
        let mut sum = self.noise[0];
        let conditions = level("chip+kernels");
        if left.groups[conditions] == right.groups[conditions] {
            let parts = left.shares[0] * right.shares[0] + left.shares[2] * right.shares[2];
            sum += self.noise[1] + self.noise[2] * parts;
        }
        let cell = level("cell");
        if left.groups[cell] == right.groups[cell] {
            sum += self.noise[3];
        }
        sum
    }

    /// Variance of a single row beyond everything that it shares.
    #[must_use]
    pub fn row_variance(&self, point: &Point) -> f64 {
        let base = if point.server { self.noise[5] } else { self.noise[4] };
        base + if point.many { self.noise[6] } else { 0.0 } + 1e-5
    }

    /// Variance of a new source's row at `point` beyond the correction itself.
    #[must_use]
    pub fn observation_variance(&self, point: &Point) -> f64 {
        self.source_covariance(point, point) + self.row_variance(point)
    }
}

fn trend(level: &str) -> Option<Trend> {
    match level {
        "kernels~speed" => Some((SPEED, SPEED_LENGTH)),
        "class+kernels~date" => Some((DATE, DATE_LENGTH)),
        _ => None,
    }
}

fn near(left: f64, right: f64, length: f64) -> f64 {
    let distance = (left - right) / length;
    (-0.5 * distance * distance).exp()
}

/// Dimension check at compile time: every coordinate that a term uses exists.
const _: () = assert!(PACE < COORDINATES && SIZE < COORDINATES && DEPTH < COORDINATES);
