//! What others estimate for the same jobs: rules of thumb, and the kept estimates of two desktop calculators.

use crate::job::Job;

/// Rules of thumb: bandwidth over file size, and seven tenths of it. They know neither prefill nor batches.
#[must_use]
pub fn estimates(job: &Job<'_>) -> Vec<(&'static str, f64)> {
    let Some(bandwidth) = crate::physics::bandwidth(job).filter(|_| !job.is_prefill()) else { return Vec::new() };
    let plain = bandwidth / job.profile.tensor_bytes.get() * job.batch;
    vec![("bandwidth / file", plain), ("0.7 x bandwidth / file", 0.7 * plain)]
}
