//! The referee: is a claimed rate possible, in line with what was measured, or neither?
//!
//! Rules: docs/physics.md, "Ceiling and verdict". Soundness comes first: every doubt is decided for the claim, so that
//! no true measurement is called impossible.

pub mod cases;
mod exemptions;
pub(crate) mod findings;
pub mod measured;
mod physics;
mod wording;

use cases::{Case, Profiles};
use measured::Evidence;
use physics::Outcome;
use roofmark_facts::bounds::Workload;
use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::{Claim, Judged, Reading, Verdict};
use roofmark_facts::machine::Machine;
use roofmark_facts::prediction::Prediction;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;

/// A question to a predictor.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// What the model costs.
    pub profile: &'a Profile,
    /// Its quantization, where it is one of the catalog's.
    pub quant: Option<&'a Quant>,
    /// The work.
    pub workload: &'a Workload,
    /// The engine, lower case.
    pub engine: Option<&'a str>,
}

/// Somebody who predicts rates; the referee knows predictions only through this.
pub type Expect<'a> = &'a dyn Fn(&Question<'_>) -> Option<Prediction>;

/// What a referee judges with.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    /// Machines and models.
    pub catalog: &'a Catalog,
    /// What models cost.
    pub profiles: &'a Profiles,
    /// Measured rates.
    pub evidence: &'a Evidence<'a>,
    /// A predictor; without one a wide band of efficiencies stands in.
    pub expect: Option<Expect<'a>>,
    /// Today, `YYYY-MM-DD`, for forecasts.
    pub today: &'a str,
    /// Other quantizations that the text names.
    pub other_quants: &'a [String],
}

/// The verdict on `claim`.
#[must_use]
pub fn judge(claim: &Claim, court: &Court<'_>) -> Judged {
    let cases = cases::of(claim, court.catalog, court.profiles);
    let elsewhere = court.evidence.elsewhere(claim, court.catalog);
    if cases.is_empty() {
        return wording::unknown(claim, elsewhere);
    }
    let assessed: Vec<(Case<'_>, Outcome)> = cases
        .into_iter()
        .map(|case| {
            let outcome = physics::assess(&case, claim, court);
            (case, outcome)
        })
        .collect();
    let open = Open::of(&assessed, claim);
    let low = open.verdict(&assessed, |outcome| outcome.low);
    let high = open.verdict(&assessed, |outcome| outcome.high);
    let (low, high) = second_thought(claim, court, low, high);
    let forecast =
        |verdict, rate| if claim.forecast { foretold(claim, court, verdict, rate) } else { verdict };
    let (verdict, verdict_high) = (forecast(low, claim.low), forecast(high, claim.high));
    let lead = lead(&assessed);
    Judged {
        ceiling: if open.quant { None } else { assessed[lead].1.ceiling },
        line: wording::line(claim, &assessed, lead, verdict, verdict_high, &open),
        exemptions: exemptions::of(claim, &assessed[lead].0, &assessed[lead].1, court.catalog),
        readings: if assessed.len() > 1 {
            assessed.iter().map(|(case, outcome)| reading(case, outcome, claim)).collect()
        } else {
            Vec::new()
        },
        claim: claim.clone(),
        verdict,
        verdict_high,
        elsewhere,
    }
}

/// What the text leaves open so that the readings differ.
pub(crate) struct Open {
    /// The quantization is not stated.
    pub quant: bool,
    /// The machine's variant is not stated.
    pub machine: bool,
    /// The model is named by its family only.
    pub model: bool,
}

impl Open {
    fn of(assessed: &[(Case<'_>, Outcome)], claim: &Claim) -> Self {
        let first = &assessed[0].0;
        Self {
            quant: assessed.iter().all(|(case, _)| case.quant_open),
            machine: assessed.iter().any(|(case, _)| case.machine.slug != first.machine.slug),
            model: claim.model.is_none(),
        }
    }

    /// One verdict of all readings. Where a usual quantization is assumed, the unusual ones count only to save a claim.
    fn verdict(&self, assessed: &[(Case<'_>, Outcome)], end: fn(&Outcome) -> Verdict) -> Verdict {
        let counts = |case: &Case<'_>, open: bool| self.quant || case.quant_open == open;
        let of = |open: bool| {
            assessed
                .iter()
                .filter(|(case, _)| counts(case, open))
                .map(|(_, outcome)| end(outcome))
                .collect::<Vec<_>>()
        };
        let usual = self.combine(&of(false));
        let saved = usual.is_impossible() && of(true).iter().any(|verdict| !verdict.is_impossible());
        if saved { Verdict::Underspecified } else { usual }
    }

    /// One verdict of several readings: theirs where they agree; the mildest where they are spellings of
    /// one thing; `underspecified` where the text leaves out what decides.
    fn combine(&self, verdicts: &[Verdict]) -> Verdict {
        let mildest = verdicts.iter().copied().min_by_key(|verdict| severity(*verdict));
        let worst = verdicts.iter().copied().max_by_key(|verdict| severity(*verdict));
        let (Some(mildest), Some(worst)) = (mildest, worst) else { return Verdict::Underspecified };
        let open = self.quant || self.machine || self.model;
        if mildest != worst && open && worst != Verdict::Slow { Verdict::Underspecified } else { mildest }
    }
}

fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Consistent => 0,
        Verdict::Slow => 1,
        Verdict::Underspecified => 2,
        Verdict::Implausible => 3,
        _ => 4,
    }
}

/// The reading that the line is about: the one with the highest ceiling.
fn lead(assessed: &[(Case<'_>, Outcome)]) -> usize {
    let ceiling = |at: &usize| assessed[*at].1.ceiling.unwrap_or(0.0);
    let stated =
        (0..assessed.len()).filter(|&at| !assessed[at].0.quant_open || assessed[at].0.label == "Q4_K_M");
    stated.max_by(|a, b| ceiling(a).total_cmp(&ceiling(b)).then(b.cmp(a))).unwrap_or(0)
}

fn reading(case: &Case<'_>, outcome: &Outcome, claim: &Claim) -> Reading {
    Reading {
        assumes: format!("{} {} on {}", case.model, case.label, case.machine.slug),
        ceiling: outcome.ceiling,
        verdict: outcome.low,
        verdict_high: outcome.high,
        arithmetic: wording::arithmetic(claim, case, outcome),
    }
}

/// A rate that is slow for the stated quantization may be right for a heavier one that the text names too.
fn second_thought(claim: &Claim, court: &Court<'_>, low: Verdict, high: Verdict) -> (Verdict, Verdict) {
    if low != Verdict::Slow && high != Verdict::Slow {
        return (low, high);
    }
    for other in court.other_quants.iter().filter(|other| Some(*other) != claim.quant.as_ref()) {
        let mut second = claim.clone();
        second.quant = Some(other.clone());
        let court = Court { other_quants: &[], ..*court };
        let outcomes: Vec<Outcome> = cases::of(&second, court.catalog, court.profiles)
            .iter()
            .map(|case| physics::assess(case, &second, &court))
            .collect();
        let fits = |verdict: Verdict, pick: fn(&Outcome) -> Verdict| {
            let better = verdict == Verdict::Slow
                && outcomes.iter().any(|outcome| pick(outcome) == Verdict::Consistent);
            if better { Verdict::Consistent } else { verdict }
        };
        let (new_low, new_high) = (fits(low, |outcome| outcome.low), fits(high, |outcome| outcome.high));
        if (new_low, new_high) != (low, high) {
            return (new_low, new_high);
        }
    }
    (low, high)
}

/// The verdict on one end of a forecast.
fn foretold(claim: &Claim, court: &Court<'_>, verdict: Verdict, rate: f64) -> Verdict {
    if verdict == Verdict::Impossible {
        return Verdict::CannotComeTrue;
    }
    let past = claim.due.as_deref().is_some_and(|due| due < &court.today[..due.len().min(court.today.len())]);
    match court.evidence.best(claim, court.catalog) {
        Some(best) if best >= rate * 0.98 => Verdict::CameTrue,
        Some(_) if past => Verdict::DidNot,
        _ => Verdict::Open,
    }
}
