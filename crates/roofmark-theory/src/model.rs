//! The calibrated model of one phase: physics, regression over the evidence, interval factors.

use crate::job::Job;
use crate::kernel::{Kernel, Kind};
use crate::kriging::{Estimate, Kriging, Posterior, Sample};
use crate::own::{self, MOST_ROWS, Own, OwnRow};
use crate::physics::{self, DECODE_NUMBERS, PREFILL_NUMBERS};
use crate::point::{Point, level, point};
use crate::table::{Factors, PhaseTable};
use roofmark_facts::evidence::MeasuredPhase;
use roofmark_facts::machine::Machine;
use roofmark_facts::prediction::{Part, Tier};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A measured row ready for the regression.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// Row id.
    pub id: String,
    /// Source id.
    pub source: String,
    /// What was measured.
    pub job: Job<'a>,
    /// Tokens per second; of all sequences together.
    pub rate: f64,
}

impl Evidence<'_> {
    /// Logarithm of the measured seconds of one step (decode) or of the whole prompt (prefill).
    #[must_use]
    pub fn log_seconds(&self) -> f64 {
        (tokens(&self.job) / self.rate).ln()
    }
}

/// Tokens that one step or prompt yields.
#[must_use]
pub fn tokens(job: &Job<'_>) -> f64 {
    if job.is_prefill() { job.prompt_tokens() } else { job.batch }
}

/// Which kernel a phase uses.
#[must_use]
pub fn kind(phase: MeasuredPhase) -> Kind {
    match phase {
        MeasuredPhase::Prefill => Kind::Prefill,
        MeasuredPhase::Decode | MeasuredPhase::DecodeBatched => Kind::Decode,
    }
}

/// Names of a kind's fleet-wide numbers.
#[must_use]
pub fn number_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Decode => &DECODE_NUMBERS,
        Kind::Prefill => &PREFILL_NUMBERS,
    }
}

/// One phase, calibrated.
pub struct PhaseModel {
    kind: Kind,
    theta: Vec<f64>,
    kriging: Kriging,
    everything: Posterior,
    samples: Vec<(usize, Sample)>,
    sources: HashMap<String, usize>,
    groups: [HashSet<u32>; 3],
    factors: BTreeMap<String, Factors>,
    own: Option<Own>,
}

/// Mean, spread and shape of one prediction in log seconds.
#[derive(Clone, Debug)]
pub struct Corrected {
    /// Parts of the time, corrected to add up to the predicted time.
    pub parts: Vec<Part>,
    /// Logarithm of the predicted seconds.
    pub log_seconds: f64,
    /// Standard deviation of a new measurement in log seconds.
    pub deviation: f64,
    /// Features.
    pub point: Point,
}

impl PhaseModel {
    /// Conditions the model of `table` on the rows of `evidence` that belong to `kind`.
    #[must_use]
    pub fn new(kind: Kind, table: &PhaseTable, evidence: &[Evidence<'_>]) -> Option<Self> {
        let theta = table.theta(number_names(kind))?;
        let (samples, sources) = samples(kind, &theta, evidence);
        let chosen = table.representatives.iter().filter_map(|id| {
            samples
                .iter()
                .find(|(index, _)| evidence[*index].id == *id)
                .map(|(_, sample)| sample.point.clone())
        });
        let kernel = Kernel::new(kind, &table.deviations);
        let plain: Vec<Sample> = samples.iter().map(|(_, sample)| sample.clone()).collect();
        let kriging = Kriging::new(kernel, chosen.collect(), &plain)?;
        let everything = kriging.posterior(&[])?;
        let groups = ["cell", "chip", "class"]
            .map(|name| plain.iter().map(|sample| sample.point.groups[level(name)]).collect());
        Some(Self {
            kind,
            theta,
            kriging,
            everything,
            samples,
            sources,
            groups,
            factors: table.factors.clone(),
            own: None,
        })
    }

    /// Conditions on own rows of `machine` too: each with its place in the evidence. Rows of another phase are passed over.
    pub fn learn<'a>(&mut self, machine: &str, rows: impl Iterator<Item = (usize, &'a OwnRow<'a>)>) {
        let placed =
            rows.filter(|(_, row)| kind(row.evidence.job.phase) == self.kind).filter_map(|(place, row)| {
                let point = point(&row.evidence.job, &physics::parts(&row.evidence.job, &self.theta)?);
                let deviation = row.evidence.log_seconds() - point.log_seconds;
                Some((place, point, deviation, row.spread))
            });
        let placed: Vec<_> = placed.take(MOST_ROWS).collect();
        if !placed.is_empty() {
            self.own = Own::new(machine, &self.kriging, &self.everything, placed);
        }
    }

    /// The posterior that has not seen the sources named.
    #[must_use]
    pub fn without(&self, sources: &[&str]) -> Option<Posterior> {
        let numbers: Vec<usize> =
            sources.iter().filter_map(|name| self.sources.get(*name).copied()).collect();
        self.kriging.posterior(&numbers)
    }

    /// Predicts `job`; `posterior` is [`Self::without`]'s or `None` for all evidence.
    #[must_use]
    pub fn predict(&self, job: &Job<'_>, posterior: Option<&Posterior>) -> Option<Corrected> {
        let parts = physics::parts(job, &self.theta)?;
        let point = point(job, &parts);
        let base = self.kriging.estimate(posterior.unwrap_or(&self.everything), &point);
        let kernel = self.kriging.kernel();
        let own = self.own.as_ref().filter(|own| posterior.is_none() && own.is_of(job));
        let (Estimate { mean, variance }, noise) = match own {
            Some(own) => (own.refine(&self.kriging, &point, base), kernel.row_variance(&point)),
            None => (base, kernel.observation_variance(&point)),
        };
        let factor = mean.exp();
        let parts = parts.into_iter().map(|part| Part { time: part.time * factor, ..part }).collect();
        Some(Corrected {
            parts,
            log_seconds: point.log_seconds + mean,
            deviation: (variance + noise).sqrt(),
            point,
        })
    }

    /// Time of a decode step's arithmetic over that of reading its weights.
    #[must_use]
    pub fn arithmetic_over_reading(&self, job: &Job<'_>) -> Option<f64> {
        physics::arithmetic_over_reading(job, &self.theta)
    }

    /// How many deviations an interval spans.
    #[must_use]
    pub fn factors(&self, machine: &Machine, phase: MeasuredPhase) -> Factors {
        let default = Factors { nine_of_ten: 1.9, nineteen_of_twenty: 2.6, rows: 0 };
        self.factors.get(&group_name(machine, phase)).copied().unwrap_or(default)
    }

    /// What the prediction of `job` at `point` rests on.
    #[must_use]
    pub fn tier(&self, job: &Job<'_>, point: &Point) -> Tier {
        let own = self.own.as_ref().filter(|own| own.is_of(job));
        let known = |slot: usize, name: &str| {
            let group = point.groups[level(name)];
            self.groups[slot].contains(&group) || own.is_some_and(|own| own.holds(level(name), group))
        };
        match () {
            () if known(0, "cell") => Tier::Exact,
            () if known(1, "chip") => Tier::Machine,
            () if known(2, "class") => Tier::Class,
            () => Tier::Physics,
        }
    }

    /// Indices into the evidence of the `count` rows that correlate most with `job` at `point`, with their
    /// correlation. Where own rows count, it is that of the conditions too, which only own rows share.
    #[must_use]
    pub fn nearest(&self, job: &Job<'_>, point: &Point, count: usize) -> Vec<(usize, f64)> {
        let kernel = self.kriging.kernel();
        let own = self.own.as_ref().filter(|own| own.is_of(job));
        let variance = |at: &Point| match own {
            Some(_) => own::variance(&self.kriging, at),
            None => kernel.covariance(at, at),
        };
        let here = variance(point);
        let others = self.samples.iter().map(|(index, sample)| {
            let both = kernel.covariance(point, &sample.point);
            (*index, both / (here * variance(&sample.point)).sqrt())
        });
        let mut scored: Vec<(usize, f64)> = others.collect();
        scored.extend(own.into_iter().flat_map(|own| own.correlations(&self.kriging, point)));
        scored.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        scored.truncate(count);
        scored
    }

    /// Which phase this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// Samples of `kind` with their place in the evidence, and the numbers of the sources.
#[must_use]
pub fn samples(
    kind: Kind,
    theta: &[f64],
    evidence: &[Evidence<'_>],
) -> (Vec<(usize, Sample)>, HashMap<String, usize>) {
    let mut sources = HashMap::new();
    let mut samples = Vec::new();
    for (index, row) in evidence.iter().enumerate().filter(|(_, row)| self::kind(row.job.phase) == kind) {
        let Some(parts) = physics::parts(&row.job, theta) else { continue };
        let point = point(&row.job, &parts);
        let next = sources.len();
        let source = *sources.entry(row.source.clone()).or_insert(next);
        let deviation = row.log_seconds() - point.log_seconds;
        samples.push((index, Sample { point, deviation, source, doubt: 1.0 }));
    }
    (samples, sources)
}

/// The group that shares interval factors.
#[must_use]
pub fn group_name(machine: &Machine, phase: MeasuredPhase) -> String {
    let phase = match phase {
        MeasuredPhase::Prefill => "prefill",
        MeasuredPhase::Decode => "decode",
        MeasuredPhase::DecodeBatched => "decode_batched",
    };
    format!("{} {phase}", machine_group(machine))
}

/// The group of machines that accuracy is stated for.
#[must_use]
pub fn machine_group(machine: &Machine) -> &'static str {
    match machine.class.as_str() {
        "grace-blackwell" => "DGX Spark",
        "strix-halo" => "Strix Halo",
        class if class.starts_with("apple") => "Apple M-series",
        class if class.starts_with("geforce") => "GeForce",
        _ => "other",
    }
}
