//! Your own runs: rows of a bench become evidence of the very machine they were taken on.
//!
//! A row of another source says what such a machine does under conditions that are not yours; the regression gives each
//! source noise of its own for that. A row of your own was taken under your conditions, and the run that is predicted
//! shares them. So own rows are conditioned on exactly, on top of everything else, with the source's covariance
//! counted as signal: one bench of a configuration makes its prediction exact, and moves its neighbours.

use crate::job::Job;
use crate::kriging::{Estimate, Footing, Kriging, Posterior};
use crate::model::Evidence;
use crate::point::Point;
use crate::resolve::years;
use crate::software::{Backend, Engine};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use roofmark_facts::machine::Machine;
use roofmark_facts::records::{Check, Phase, Row, Run};
use std::sync::Arc;

/// Most rows of one phase that are conditioned on, the newest first.
pub const MOST_ROWS: usize = 256;

/// A row of a run of one's own, ready for the regression.
#[derive(Clone, Debug)]
pub struct OwnRow<'a> {
    /// What was measured, with the place of the run in the ledger as its id.
    pub evidence: Evidence<'a>,
    /// Log standard deviation of the rate beyond what rows scatter anyway: its own interval, and the error of the
    /// method where slices stood for the whole model.
    pub spread: f64,
}

/// The rows of `run` that may be learned from, as measurements of `machine`; `id` and `source` name them.
///
/// Rows that the bench voided, and runs whose engine computed something wrong, give none.
#[must_use]
pub fn evidence<'a>(
    machine: &'a Machine,
    run: &Run,
    rows: &[Row],
    id: &str,
    source: &str,
) -> Vec<OwnRow<'a>> {
    let wrong = matches!(run.check, Check::Greedy { right: false, .. });
    let backend = Backend::parse(&run.engine.backend).filter(|backend| backend.runs_on(machine));
    let (Some(backend), false) = (backend, wrong) else { return Vec::new() };
    let template = Job {
        chunk: Some(f64::from(run.settings.micro_batch)).filter(|tokens| *tokens >= 1.0),
        no_flash: run.engine.flash_attention == Some(false),
        cache_element: run.settings.cache_type.bits_per_element() / 8.0,
        year: years(run.date.get(..10).unwrap_or_default()).unwrap_or(crate::job::SOFTWARE_OF_TODAY),
        ..Job::decode(
            machine,
            Arc::new(run.model.profile.clone()),
            Engine::parse(&run.engine.name),
            backend,
            0.0,
        )
    };
    let usable = |row: &&Row| !row.void && row.rate.mid.get().is_finite() && row.rate.mid.get() > 0.0;
    let own = |row: &Row| OwnRow {
        evidence: Evidence {
            id: id.to_owned(),
            source: source.to_owned(),
            job: workload(&template, row),
            rate: row.rate.mid.get(),
        },
        spread: spread(row),
    };
    rows.iter().filter(usable).map(own).collect()
}

fn workload<'a>(template: &Job<'a>, row: &Row) -> Job<'a> {
    let work = &row.workload;
    let [prompt, depth, batch, generated] =
        [work.prompt, work.depth, work.batch, work.generated].map(f64::from);
    match work.phase {
        Phase::Prefill => template.prefill(prompt, depth),
        Phase::Decode => Job { depth, generated, ..template.batched(batch.max(1.0)) },
    }
}

/// Deviation from the 95 % interval of the row, and half of the largest error that the method of slices showed.
fn spread(row: &Row) -> f64 {
    let (low, high) = (row.rate.low.get(), row.rate.high.get());
    let interval = if low > 0.0 && high > low { (high / low).ln() / 3.92 } else { 0.0 };
    let method = row.extrapolation.as_ref().map_or(0.0, |found| found.method_error / 2.0);
    interval.hypot(method)
}

/// Own rows of one phase, conditioned on.
pub struct Own {
    machine: String,
    /// Place in the evidence of the predictor, the point, and how it stands to the inducing points.
    rows: Vec<(usize, Point, Footing)>,
    factor: Cholesky<f64, Dyn>,
    pull: DVector<f64>,
}

impl Own {
    /// Conditions on `rows`: place in the evidence, point, observed minus physical log time, spread.
    #[must_use]
    pub fn new(
        machine: &str,
        kriging: &Kriging,
        posterior: &Posterior,
        rows: Vec<(usize, Point, f64, f64)>,
    ) -> Option<Self> {
        let residuals =
            rows.iter().map(|(_, point, deviation, _)| deviation - kriging.estimate(posterior, point).mean);
        let residuals = DVector::from_iterator(rows.len(), residuals);
        let spreads: Vec<f64> = rows.iter().map(|(.., spread)| *spread).collect();
        let rows: Vec<(usize, Point, Footing)> = rows
            .into_iter()
            .map(|(place, point, ..)| {
                let footing = kriging.footing(posterior, &point);
                (place, point, footing)
            })
            .collect();
        let kernel = kriging.kernel();
        let covariance = DMatrix::from_fn(rows.len(), rows.len(), |row, column| {
            let ((_, left, _), (_, right, footing)) = (&rows[row], &rows[column]);
            let shared = shared(kriging, left, right, footing);
            let alone = kernel.row_variance(left) + spreads[row] * spreads[row];
            shared + if row == column { alone } else { 0.0 }
        });
        let factor = Cholesky::new(covariance)?;
        let pull = factor.solve(&residuals);
        Some(Self { machine: machine.to_owned(), rows, factor, pull })
    }

    /// Whether the rows are of the machine that `job` is about.
    #[must_use]
    pub fn is_of(&self, job: &Job<'_>) -> bool {
        self.machine == job.machine.slug
    }

    /// `base`, the estimate at `point` from everybody else's rows, refined. Its variance then holds what the run that is
    /// predicted shares with the own ones; only the row's own noise comes on top.
    #[must_use]
    pub fn refine(&self, kriging: &Kriging, point: &Point, base: Estimate) -> Estimate {
        let covariances = self.rows.iter().map(|(_, own, footing)| shared(kriging, point, own, footing));
        let covariances = DVector::from_iterator(self.rows.len(), covariances);
        let mut explained = covariances.clone();
        self.factor.l_dirty().solve_lower_triangular_mut(&mut explained);
        let all = base.variance + kriging.kernel().source_covariance(point, point);
        Estimate {
            mean: base.mean + covariances.dot(&self.pull),
            variance: (all - explained.norm_squared()).max(1e-6),
        }
    }

    /// Whether a row of the same group at `level` is among them.
    #[must_use]
    pub fn holds(&self, level: usize, group: u32) -> bool {
        self.rows.iter().any(|(_, point, _)| point.groups[level] == group)
    }

    /// Places in the evidence with the correlation of each row with `point`, the shared conditions included.
    pub fn correlations(&self, kriging: &Kriging, point: &Point) -> impl Iterator<Item = (usize, f64)> {
        let kernel = kriging.kernel();
        let own = variance(kriging, point);
        self.rows.iter().map(move |(place, other, _)| {
            let both = kernel.covariance(point, other) + kernel.source_covariance(point, other);
            (*place, both / (own * variance(kriging, other)).sqrt())
        })
    }
}

/// Variance of the correction at `point` and of the conditions of its source.
#[must_use]
pub fn variance(kriging: &Kriging, point: &Point) -> f64 {
    kriging.kernel().covariance(point, point) + kriging.kernel().source_covariance(point, point)
}

/// Covariance of two own rows given everybody else's: what is left of the correction's, and the shared conditions.
fn shared(kriging: &Kriging, left: &Point, right: &Point, footing: &Footing) -> f64 {
    kriging.left_over(left, right, footing) + kriging.kernel().source_covariance(left, right)
}
