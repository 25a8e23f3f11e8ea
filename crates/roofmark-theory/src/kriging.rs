//! Gaussian-process regression of the deviations from physics ("kriging"), sparse and with sources left out at will.
//!
//! Inducing points stand for the rows (deterministic training conditional with a diagonal correction, Quiñonero-Candela
//! and Rasmussen 2005). Rows of one source share noise, so the data enter as one block per source; to leave a source
//! out is to leave its block out, which makes leave-one-source-out evaluation exact and cheap.

use crate::kernel::Kernel;
use crate::point::Point;
use nalgebra::{Cholesky, DMatrix, DVector};

/// One measured deviation.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where it was measured.
    pub point: Point,
    /// Observed minus physical log time.
    pub deviation: f64,
    /// Rows of one source share its peculiarities; equal numbers mean the same source.
    pub source: usize,
    /// Factor on the row's own variance (1; more for doubtful rows).
    pub doubt: f64,
}

/// Mean and variance of a log deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Variance of the correction, noise of a new measurement left out.
    pub variance: f64,
}

/// What one source contributes.
struct Block {
    source: usize,
    precision: DMatrix<f64>,
    pull: DVector<f64>,
}

/// The regression, ready to predict.
pub struct Kriging {
    kernel: Kernel,
    inducing: Vec<Point>,
    /// Inverse of the prior's lower Cholesky factor: it turns covariances into independent ones.
    whiten: DMatrix<f64>,
    blocks: Vec<Block>,
}

/// A posterior: everything that a prediction needs.
pub struct Posterior {
    /// Weights of the inducing points in the mean.
    mean: DVector<f64>,
    /// Reduction of the prior variance as a quadratic form, row-major.
    gain: Vec<f32>,
}

/// A point's covariances with the inducing points, times the gain of a posterior.
pub struct Footing(Vec<f64>);

/// Added to the diagonal of the prior so that it can be factored.
const JITTER: f64 = 1e-6;

impl Kriging {
    /// Conditions on `samples`; `inducing` are the points that stand for them.
    #[must_use]
    pub fn new(kernel: Kernel, inducing: Vec<Point>, samples: &[Sample]) -> Option<Self> {
        let size = inducing.len();
        let prior = DMatrix::from_fn(size, size, |row, column| {
            kernel.covariance(&inducing[row], &inducing[column]) + if row == column { JITTER } else { 0.0 }
        });
        let factor = Cholesky::new(prior)?;
        let mut whiten = DMatrix::identity(size, size);
        factor.l_dirty().solve_lower_triangular_mut(&mut whiten);
        let mut this = Self { kernel, inducing, whiten, blocks: Vec::new() };
        this.blocks =
            by_source(samples).into_iter().map(|rows| this.block(&rows)).collect::<Option<Vec<_>>>()?;
        Some(this)
    }

    /// Covariances of `point` with the inducing points.
    fn row(&self, point: &Point) -> DVector<f64> {
        DVector::from_iterator(
            self.inducing.len(),
            self.inducing.iter().map(|other| self.kernel.covariance(point, other)),
        )
    }

    fn block(&self, rows: &[&Sample]) -> Option<Block> {
        let mut cross = DMatrix::zeros(self.inducing.len(), rows.len());
        for (index, sample) in rows.iter().enumerate() {
            cross.set_column(index, &self.row(&sample.point));
        }
        let cross = &self.whiten * cross;
        let noise = Cholesky::new(DMatrix::from_fn(rows.len(), rows.len(), |row, column| {
            self.noise(rows, &cross, row, column)
        }))?;
        let mut scaled = cross.transpose();
        noise.l_dirty().solve_lower_triangular_mut(&mut scaled);
        let mut deviations = DVector::from_iterator(rows.len(), rows.iter().map(|sample| sample.deviation));
        noise.l_dirty().solve_lower_triangular_mut(&mut deviations);
        let precision = scaled.transpose() * &scaled;
        let pull = scaled.transpose() * deviations;
        Some(Block { source: rows.first()?.source, precision, pull })
    }

    fn noise(&self, rows: &[&Sample], whitened: &DMatrix<f64>, row: usize, column: usize) -> f64 {
        let (left, right) = (&rows[row].point, &rows[column].point);
        let shared = self.kernel.source_covariance(left, right);
        if row != column {
            return shared;
        }
        let unexplained = self.kernel.covariance(left, left) - whitened.column(row).norm_squared();
        shared + self.kernel.row_variance(left) * rows[row].doubt + unexplained.max(0.0)
    }

    /// The posterior, with the sources in `left_out` unseen.
    #[must_use]
    pub fn posterior(&self, left_out: &[usize]) -> Option<Posterior> {
        let size = self.inducing.len();
        let mut precision = DMatrix::identity(size, size);
        let mut pull = DVector::zeros(size);
        for block in self.blocks.iter().filter(|block| !left_out.contains(&block.source)) {
            precision += &block.precision;
            pull += &block.pull;
        }
        let factor = Cholesky::new(precision)?;
        let mean = self.whiten.tr_mul(&factor.solve(&pull));
        // K⁻¹ − K⁻¹SK⁻¹ = L⁻ᵀ (I − B⁻¹) L⁻¹
        let inner = DMatrix::identity(size, size) - factor.inverse();
        let inner = self.whiten.tr_mul(&(inner * &self.whiten));
        let gain = inner.iter().map(|value| *value as f32).collect();
        Some(Posterior { mean, gain })
    }

    /// Estimate at `point` under `posterior`.
    #[must_use]
    pub fn estimate(&self, posterior: &Posterior, point: &Point) -> Estimate {
        let row: Vec<f64> = self.inducing.iter().map(|other| self.kernel.covariance(point, other)).collect();
        let mean = row.iter().zip(posterior.mean.iter()).map(|(left, right)| left * right).sum();
        let reduction = quadratic(&posterior.gain, &row);
        let variance = (self.kernel.covariance(point, point) - reduction).max(1e-6);
        Estimate { mean, variance }
    }

    /// How `point` stands to the inducing points under `posterior`; see [`Self::left_over`].
    #[must_use]
    pub fn footing(&self, posterior: &Posterior, point: &Point) -> Footing {
        let row: Vec<f32> =
            self.inducing.iter().map(|other| self.kernel.covariance(point, other) as f32).collect();
        Footing(posterior.gain.chunks_exact(row.len()).map(|gain| dot(gain, &row)).collect())
    }

    /// Covariance of the corrections at `point` and at the point of `footing`, given the rows of its posterior.
    #[must_use]
    pub fn left_over(&self, point: &Point, other: &Point, footing: &Footing) -> f64 {
        let explained =
            self.inducing.iter().zip(&footing.0).map(|(at, gain)| self.kernel.covariance(point, at) * gain);
        self.kernel.covariance(point, other) - explained.sum::<f64>()
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

/// x' A x for a symmetric matrix in single precision; the sum runs in double precision per row.
fn quadratic(matrix: &[f32], vector: &[f64]) -> f64 {
    let narrow: Vec<f32> = vector.iter().map(|value| *value as f32).collect();
    matrix.chunks_exact(vector.len()).zip(vector).map(|(row, factor)| dot(row, &narrow) * factor).sum()
}

fn dot(left: &[f32], right: &[f32]) -> f64 {
    let mut lanes = [0.0f32; 8];
    for (here, there) in left.chunks_exact(8).zip(right.chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += here[lane] * there[lane];
        }
    }
    let whole = left.len() / 8 * 8;
    let rest: f32 = left[whole..].iter().zip(&right[whole..]).map(|(here, there)| here * there).sum();
    f64::from(lanes.iter().sum::<f32>() + rest)
}

/// Groups samples by source, in the order of first appearance.
fn by_source(samples: &[Sample]) -> Vec<Vec<&Sample>> {
    let mut groups: Vec<Vec<&Sample>> = Vec::new();
    for sample in samples {
        match groups.iter_mut().find(|group| group[0].source == sample.source) {
            Some(group) => group.push(sample),
            None => groups.push(vec![sample]),
        }
    }
    groups
}

/// Picks up to `count` samples whose points explain the others best: pivoted Cholesky, largest unexplained variance
/// first. Indices into `samples`.
#[must_use]
pub fn choose_inducing(kernel: &Kernel, samples: &[Sample], count: usize) -> Vec<usize> {
    let mut left: Vec<f64> = samples.iter().map(|s| kernel.covariance(&s.point, &s.point)).collect();
    let mut chosen = Vec::new();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    while chosen.len() < count.min(samples.len()) {
        let pivot =
            (0..left.len()).fold(0, |best, index| if left[index] > left[best] { index } else { best });
        if left[pivot] < 1e-5 {
            break;
        }
        let root = left[pivot].sqrt();
        let column: Vec<f64> = (0..samples.len())
            .map(|row| {
                let known: f64 = columns.iter().map(|column| column[row] * column[pivot]).sum();
                (kernel.covariance(&samples[row].point, &samples[pivot].point) - known) / root
            })
            .collect();
        for (value, entry) in left.iter_mut().zip(&column) {
            *value -= entry * entry;
        }
        left[pivot] = 0.0;
        chosen.push(pivot);
        columns.push(column);
    }
    chosen
}
