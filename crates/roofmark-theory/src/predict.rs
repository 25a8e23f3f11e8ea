//! From a job to a [`Prediction`]: rate, intervals, ceiling, breakdown and the measurements it rests on.

use crate::calibrate;
use crate::job::Job;
use crate::kernel::Kind;
use crate::kriging::Posterior;
use crate::model::{Corrected, Evidence, PhaseModel, kind, tokens};
use crate::own::OwnRow;
use crate::table::Table;
use roofmark_facts::answer::Place;
use roofmark_facts::bounds::{self, Phase, Workload};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::{MeasuredPhase, Measurement, measurements};
use roofmark_facts::prediction::{Interval, Limit, Neighbour, Part, Prediction, Tier};
use roofmark_facts::quant::Quant;
use roofmark_facts::units::{Bytes, Seconds, TokensPerSecond};
use std::sync::LazyLock;

/// The calibrated predictor with the evidence it was conditioned on.
pub struct Predictor<'a> {
    evidence: Vec<Evidence<'a>>,
    decode: PhaseModel,
    prefill: PhaseModel,
}

/// Both phases with some sources unseen.
pub struct Unseen {
    decode: Posterior,
    prefill: Posterior,
}

impl Predictor<'static> {
    /// The predictor of this build: the shipped table on the embedded evidence.
    ///
    /// # Panics
    /// Never in a build that passed its tests.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static PREDICTOR: LazyLock<Predictor<'static>> = LazyLock::new(|| {
            Predictor::new(Catalog::builtin(), measurements(), Table::shipped()).expect("a test builds it")
        });
        &PREDICTOR
    }
}

impl<'a> Predictor<'a> {
    /// Conditions `table` on `rows`; `None` where the table is not of this build's form.
    #[must_use]
    pub fn new(catalog: &'a Catalog, rows: &[Measurement], table: &Table) -> Option<Self> {
        let evidence = calibrate::evidence(catalog, rows);
        let (decode, prefill) = std::thread::scope(|scope| {
            let decode = scope.spawn(|| PhaseModel::new(Kind::Decode, &table.decode, &evidence));
            let prefill = PhaseModel::new(Kind::Prefill, &table.prefill, &evidence);
            (decode.join().ok().flatten(), prefill)
        });
        let (decode, prefill) = (decode?, prefill?);
        Some(Self { evidence, decode, prefill })
    }

    /// The predictor with the user's own rows of `machine` learned, the newest first; see [`crate::own`].
    #[must_use]
    pub fn with_own(mut self, machine: &str, rows: Vec<OwnRow<'a>>) -> Self {
        let first = self.evidence.len();
        for model in [&mut self.decode, &mut self.prefill] {
            model.learn(machine, rows.iter().enumerate().map(|(index, row)| (first + index, row)));
        }
        self.evidence.extend(rows.into_iter().map(|row| row.evidence));
        self
    }

    fn model(&self, phase: MeasuredPhase) -> &PhaseModel {
        match kind(phase) {
            Kind::Decode => &self.decode,
            Kind::Prefill => &self.prefill,
        }
    }

    /// The predictor's memory without `sources`.
    #[must_use]
    pub fn without(&self, sources: &[&str]) -> Option<Unseen> {
        Some(Unseen { decode: self.decode.without(sources)?, prefill: self.prefill.without(sources)? })
    }

    /// Predicts one job from all evidence. `None` where the machine's bandwidth is unknown.
    #[must_use]
    pub fn predict(&self, job: &Job<'_>) -> Option<Prediction> {
        self.predict_unseen(job, None, 0)
    }

    /// Predicts one job and names the `neighbours` measurements that weigh most; with `unseen` as if the sources left
    /// out there did not exist.
    #[must_use]
    pub fn predict_unseen(
        &self,
        job: &Job<'_>,
        unseen: Option<&Unseen>,
        neighbours: usize,
    ) -> Option<Prediction> {
        let model = self.model(job.phase);
        let posterior = unseen.map(|unseen| match model.kind() {
            Kind::Decode => &unseen.decode,
            Kind::Prefill => &unseen.prefill,
        });
        let found = model.predict(job, posterior)?;
        let mut prediction = self.record(job, &found);
        let nearest = if neighbours == 0 { Vec::new() } else { model.nearest(job, &found.point, neighbours) };
        prediction.nearest =
            nearest.into_iter().map(|(index, weight)| self.neighbour(index, weight)).collect();
        Some(prediction)
    }

    fn record(&self, job: &Job<'_>, found: &Corrected) -> Prediction {
        let model = self.model(job.phase);
        let ceiling = ceiling(job);
        let seconds = found.log_seconds.exp();
        let plain = tokens(job) / seconds;
        let rate = ceiling.map_or(plain, |ceiling| plain.min(ceiling.get()));
        let factors = model.factors(job.machine, job.phase);
        let interval = |factor: f64| {
            let spread = (factor * found.deviation).exp();
            Interval { low: TokensPerSecond(plain / spread), high: TokensPerSecond(plain * spread) }
        };
        let parts: Vec<Part> = found.parts.iter().filter(|part| part.time.get() > 0.0).copied().collect();
        Prediction {
            phase: job.phase,
            rate: TokensPerSecond(rate),
            interval90: interval(factors.nine_of_ten),
            interval95: interval(factors.nineteen_of_twenty),
            ceiling,
            tier: model.tier(job, &found.point),
            limit: main_limit(&parts),
            breakdown: parts,
            step: Seconds(seconds),
            bytes: traffic(job),
            nearest: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn neighbour(&self, index: usize, weight: f64) -> Neighbour {
        let row = &self.evidence[index];
        let job = &row.job;
        let workload = match job.phase {
            MeasuredPhase::Prefill => format!("prompt {:.0}", job.prompt),
            MeasuredPhase::Decode => format!("depth {:.0}", job.depth),
            MeasuredPhase::DecodeBatched => format!("{} sequences", job.batch),
        };
        let what = format!(
            "{}, {}, {} {}, {workload}",
            job.machine.slug,
            job.backend.name(),
            job.profile.model,
            job.profile.quant
        );
        Neighbour {
            id: row.id.clone(),
            what,
            rate: TokensPerSecond(row.rate),
            source: row.source.clone(),
            weight,
        }
    }

    /// Time of a decode step's arithmetic over that of reading its weights: the knee of the batch is where it is 1.
    #[must_use]
    pub fn arithmetic_over_reading(&self, job: &Job<'_>) -> Option<f64> {
        self.decode.arithmetic_over_reading(job)
    }

    /// Strongest tier that the evidence reaches for `job`.
    #[must_use]
    pub fn tier(&self, job: &Job<'_>) -> Option<Tier> {
        self.predict(job).map(|prediction| prediction.tier)
    }
}

/// The part that takes most of the time.
#[must_use]
pub fn main_limit(parts: &[Part]) -> Limit {
    let largest = parts.iter().max_by(|left, right| left.time.get().total_cmp(&right.time.get()));
    largest.map_or(Limit::Weights, |part| part.limit)
}

/// Bytes of mixes that are not published may be this much below what is computed.
const MIX_MARGIN: f64 = 1.1;

/// The datasheet bound of `job`, memory limits left aside.
#[must_use]
pub fn ceiling(job: &Job<'_>) -> Option<TokensPerSecond> {
    let bound = bounds::bound(job.machine, &job.profile, &bound_workload(job), Bytes(0.0));
    let uncertain = Quant::parse(&job.profile.quant).is_ok_and(|quant| quant.approximate);
    let margin = if uncertain { MIX_MARGIN } else { 1.0 };
    bound.rate.map(|rate| rate * (f64::from(job.devices) * margin))
}

/// `job` as the bounds understand it.
#[must_use]
pub fn bound_workload(job: &Job<'_>) -> Workload {
    let prefill = job.is_prefill();
    Workload {
        phase: if prefill { Phase::Prefill } else { Phase::Decode },
        depth: job.depth,
        prompt: if prefill { job.prompt_tokens() } else { 0.0 },
        batch: if prefill || job.one_sequence { 1.0 } else { job.batch },
        cache_element_bytes: job.cache_element,
        accepted: if job.one_sequence { job.batch } else { 1.0 },
    }
}

/// Where the step of `job` stands on a roofline; `None` where it reads or computes nothing.
#[must_use]
pub fn place(job: &Job<'_>) -> Option<Place> {
    let bound = bounds::bound(job.machine, &job.profile, &bound_workload(job), Bytes(0.0));
    let (flop, traffic) = (bound.step.flop.get(), bound.step.traffic().get());
    (flop > 0.0 && traffic > 0.0)
        .then(|| Place { flop_per_byte: flop / traffic, flop_per_token: flop / bound.step.tokens })
}

fn traffic(job: &Job<'_>) -> Bytes {
    let fixed = job.profile.fixed_bytes.get();
    if job.is_prefill() {
        let passes = (job.prompt_tokens() / job.pass()).ceil();
        return Bytes(passes * (fixed + crate::physics::expert_bytes(job, job.pass())));
    }
    Bytes(fixed + crate::physics::expert_bytes(job, job.batch) + crate::physics::cache_bytes(job))
}
