//! Fits the fleet-wide numbers of the physics to measured times: damped Gauss-Newton on log time.

use crate::job::Job;
use crate::physics;
use nalgebra::{Cholesky, DMatrix, DVector};

/// A measured time with its job and its weight in the fit.
pub struct Timed<'a, 'b> {
    /// The job.
    pub job: &'b Job<'a>,
    /// Logarithm of the measured seconds of one step or prompt.
    pub log_seconds: f64,
    /// Weight (1 for a source of its own).
    pub weight: f64,
}

/// Residuals beyond this (log) count linearly instead of squared.
const ROBUST: f64 = 0.3;
const ROUNDS: usize = 40;
const STEP: f64 = 1e-4;

/// The logarithms of the numbers that explain `rows` best, starting at `start` = (value, log sd of the prior).
#[must_use]
pub fn fit(rows: &[Timed<'_, '_>], start: &[(f64, f64)]) -> Vec<f64> {
    let prior: Vec<f64> = start.iter().map(|(value, _)| value.ln()).collect();
    let mut theta = prior.clone();
    let mut damping = 1e-2;
    let mut cost = total_cost(rows, &theta, &prior, start);
    for _ in 0..ROUNDS {
        let Some(step) = newton_step(rows, &theta, &prior, start, damping) else { break };
        let trial: Vec<f64> = theta.iter().zip(step.iter()).map(|(value, change)| value + change).collect();
        let trial_cost = total_cost(rows, &trial, &prior, start);
        if trial_cost < cost {
            let gain = cost - trial_cost;
            (theta, cost, damping) = (trial, trial_cost, damping * 0.3);
            if gain < 1e-9 * cost {
                break;
            }
        } else {
            damping *= 10.0;
        }
    }
    theta
}

fn residual(row: &Timed<'_, '_>, theta: &[f64]) -> f64 {
    physics::parts(row.job, theta).map_or(0.0, |parts| physics::total(&parts).ln() - row.log_seconds)
}

fn total_cost(rows: &[Timed<'_, '_>], theta: &[f64], prior: &[f64], start: &[(f64, f64)]) -> f64 {
    let robust = |row: &Timed<'_, '_>| {
        let scaled = residual(row, theta) / ROBUST;
        row.weight * 2.0 * ROBUST * ROBUST * ((1.0 + scaled * scaled).sqrt() - 1.0)
    };
    let data: f64 = rows.iter().map(robust).sum();
    let strays = theta.iter().zip(prior).zip(start).map(|((value, middle), (_, sd))| ((value - middle) / sd).powi(2));
    data + strays.sum::<f64>()
}

fn newton_step(
    rows: &[Timed<'_, '_>],
    theta: &[f64],
    prior: &[f64],
    start: &[(f64, f64)],
    damping: f64,
) -> Option<DVector<f64>> {
    let size = theta.len();
    let mut curvature = DMatrix::zeros(size, size);
    let mut slope = DVector::zeros(size);
    for row in rows {
        let here = residual(row, theta);
        let weight = row.weight / (1.0 + (here / ROBUST).powi(2)).sqrt();
        let gradient = DVector::from_fn(size, |index, _| {
            let mut moved = theta.to_vec();
            moved[index] += STEP;
            (residual(row, &moved) - here) / STEP
        });
        curvature.ger(weight, &gradient, &gradient, 1.0);
        slope.axpy(-weight * here, &gradient, 1.0);
    }
    for index in 0..size {
        let precision = start[index].1.powi(-2);
        curvature[(index, index)] += precision;
        slope[index] -= precision * (theta[index] - prior[index]);
        curvature[(index, index)] *= 1.0 + damping;
    }
    Cholesky::new(curvature).map(|factor| factor.solve(&slope))
}
