//! Soundness of the referee: no true measurement is called impossible, and no impossible claim passes.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::{Claim, Judged, Phase, Verdict};
use roofmark_facts::evidence::{Flag, MeasuredPhase, Measurement, Speculation, measurements};
use roofmark_verdict::referee::cases::Profiles;
use roofmark_verdict::referee::measured::Evidence;
use roofmark_verdict::referee::{Court, judge};
use std::collections::BTreeMap;

/// A claim with the conditions that a measured row discloses.
fn claim_of(row: &Measurement, catalog: &Catalog) -> Claim {
    let model = catalog.find_model(&row.model).all().first().map(|found| found.model.slug.clone());
    let machines: Vec<String> =
        catalog.find_machine(&row.machine).all().iter().map(|machine| machine.slug.clone()).collect();
    Claim {
        machine: machines.first().map(|_| row.machine.clone()),
        machines,
        models: model.iter().cloned().collect(),
        model,
        quant: row.quant.clone(),
        phase: match row.phase {
            MeasuredPhase::Prefill => Phase::Prefill,
            MeasuredPhase::Decode => Phase::Decode,
            MeasuredPhase::DecodeBatched => Phase::DecodeBatched,
        },
        concurrency: Some(row.concurrency),
        low: row.rate.get(),
        high: row.rate.get(),
        context: row
            .depth
            .filter(|depth| *depth > 0)
            .or(row.prompt.filter(|_| row.phase == MeasuredPhase::Prefill)),
        engine: row.engine.clone(),
        speculation: row.speculation != Speculation::None,
        devices: if row.machine.ends_with("-x2") { 1 } else { row.devices },
        ..empty()
    }
}

fn empty() -> Claim {
    Claim {
        text: String::new(),
        start: 0,
        end: 0,
        machine: None,
        machines: Vec::new(),
        model: None,
        models: Vec::new(),
        quant: None,
        phase: Phase::Decode,
        concurrency: Some(1),
        low: 0.0,
        high: 0.0,
        context: None,
        engine: None,
        speculation: false,
        accepted: None,
        devices: 1,
        offloaded: false,
        forecast: false,
        due: None,
    }
}

/// Judges without the row's own evidence, so that a row cannot vouch for itself.
fn judge_alone(claim: &Claim, catalog: &Catalog, profiles: &Profiles) -> Judged {
    let none = Evidence::default();
    judge(
        claim,
        &Court { catalog, profiles, evidence: &none, expect: None, today: "2026-11-24", other_quants: &[] },
    )
}

#[test]
fn no_measurement_is_impossible_and_nearly_all_are_consistent() {
    let catalog = Catalog::builtin();
    let profiles = Profiles::default();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut odd = Vec::new();
    let mut wrong = Vec::new();
    for row in measurements() {
        let judged = judge_alone(&claim_of(row, catalog), catalog, &profiles);
        *counts.entry(judged.verdict.words()).or_default() += 1;
        if judged.verdict != Verdict::Consistent {
            odd.push(format!(
                "{} {} {} {:?} {:?} x{} {}: {}",
                row.id,
                row.machine,
                row.model,
                row.quant,
                row.phase,
                row.concurrency,
                row.rate.get(),
                judged.line
            ));
        }
        if judged.verdict.is_impossible() && row.flag != Some(Flag::High) {
            wrong.push(format!(
                "{} {} {} {:?} {:?} x{}: {}",
                row.id, row.machine, row.model, row.quant, row.phase, row.concurrency, judged.line
            ));
        }
    }
    println!("{counts:?}\n{}", odd.join("\n"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let share = |words: &str| *counts.get(words).unwrap_or(&0) as f64 / measurements().len() as f64;
    assert!(share("consistent") >= 0.90, "{counts:?}");
    assert!(share("implausible") <= 0.03, "{counts:?}");
}

/// One published claim.
#[derive(serde::Deserialize)]
struct Published {
    machine: String,
    model: String,
    quant: Option<String>,
    phase: String,
    concurrency: Option<u64>,
    low: Option<f64>,
    high: Option<f64>,
    impossible: String,
    note: String,
}

impl Published {
    fn claim(&self, catalog: &Catalog) -> Option<Claim> {
        let found = catalog.find_model(&self.model).all();
        let models: Vec<String> = found
            .iter()
            .take(1)
            .filter(|found| !found.approximate)
            .map(|found| found.model.slug.clone())
            .collect();
        Some(Claim {
            machine: Some(self.machine.clone()),
            machines: catalog
                .find_machine(&self.machine)
                .all()
                .iter()
                .map(|machine| machine.slug.clone())
                .collect(),
            model: models.first().cloned().or_else(|| Some(self.model.clone())),
            models,
            quant: self.quant.clone(),
            phase: match self.phase.as_str() {
                "prefill" => Phase::Prefill,
                "decode_batched" => Phase::DecodeBatched,
                _ => Phase::Decode,
            },
            concurrency: self.concurrency,
            low: self.low?,
            high: self.high.or(self.low)?,
            ..empty()
        })
    }
}

#[test]
fn published_claims_that_are_impossible_are_found() {
    let catalog = Catalog::builtin();
    let profiles = Profiles::default();
    let text = include_str!("data/claims.csv");
    let rows: Vec<Published> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.expect("it reads")).collect();
    assert_eq!(rows.len(), 50);
    let mut wrong = Vec::new();
    for row in &rows {
        let Some(mut claim) = row.claim(catalog) else { continue };
        if row.note.contains("aggregate read as one stream") {
            (claim.phase, claim.concurrency) = (Phase::Decode, Some(1));
        }
        let judged = judge_alone(&claim, catalog, &profiles);
        let caught = judged.verdict_high.is_impossible()
            || judged.verdict_high == Verdict::Underspecified && !judged.exemptions.is_empty();
        println!(
            "{:4} {} {} {:?}: {} {:?}",
            row.impossible,
            row.machine,
            row.model,
            row.quant,
            judged.line,
            judged.exemptions.iter().map(|e| &e.words).collect::<Vec<_>>()
        );
        if row.impossible == "yes" && !caught
            || row.note.contains("plausible")
                && !row.note.contains("implausible")
                && judged.verdict.is_impossible()
        {
            wrong.push(format!("{} {}: {}", row.machine, row.model, judged.line));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
