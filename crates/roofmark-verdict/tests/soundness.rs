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

/// The three rows that are noted as too high, each judged with what its notes disclose (docs/accuracy.md says why).
#[test]
fn rows_noted_as_too_high_are_judged_as_documented() {
    let catalog = Catalog::builtin();
    let profiles = Profiles::default();
    let rows = measurements().iter().filter(|row| row.flag == Some(Flag::High));
    let lines: Vec<String> = rows
        .map(|row| format!("{}: {}", row.id, judge_alone(&claim_of(row, catalog), catalog, &profiles).line))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    m1986: consistent: 275,040 tok/s × 0.000974 GB = 268 GB/s; this machine has 273; ceiling 280,330
    m2606: underspecified (left out: the quantization): 59.5 tok/s × 5.03 GB = 299 GB/s; this machine has 273; ceiling 54.2. It would take 1.1 accepted tokens a pass, or 2 streams
    m2607: underspecified (left out: the quantization): 58.8 tok/s × 5.03 GB = 296 GB/s; this machine has 273; ceiling 54.2. It would take 1.1 accepted tokens a pass, or 2 streams
    ");
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

/// A generator of numbers from a seed (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.roll(10_000) as f64 / 10_000.0
    }
}

/// Machines with a trusted bandwidth and models that fit them, in the order of the dice.
fn configuration(dice: &mut Dice, quants: &[&str], catalog: &Catalog, profiles: &Profiles) -> (Claim, f64) {
    loop {
        let machine = &catalog.machines[dice.roll(catalog.machines.len())];
        let model = &catalog.models[dice.roll(catalog.models.len())];
        let claim = Claim {
            machine: Some(machine.slug.clone()),
            machines: vec![machine.slug.clone()],
            model: Some(model.slug.clone()),
            models: vec![model.slug.clone()],
            quant: Some(quants[dice.roll(quants.len())].into()),
            low: 1e-3,
            high: 1e-3,
            ..empty()
        };
        let judged = judge_alone(&claim, catalog, profiles);
        let batch = Claim { phase: Phase::DecodeBatched, concurrency: Some(16), ..claim.clone() };
        let batch = judge_alone(&batch, catalog, profiles);
        let fits =
            judged.exemptions.iter().chain(&batch.exemptions).all(|exemption| exemption.kind != "memory_gb");
        let big = model.params_b * 0.5 > 3.0 && model.shape.arch != "gpt-oss";
        let cached = machine.cache.as_ref().map_or(0.512, |cache| cache.value.gb()) < 0.6;
        if let (Some(ceiling), true) = (
            judged.ceiling,
            fits && big
                && cached
                && !judged.line.contains("FLOP")
                && machine.kind != roofmark_facts::machine::MachineKind::Cpu,
        ) {
            return (claim, ceiling);
        }
    }
}

fn batch_ceiling(claim: &Claim, catalog: &Catalog, profiles: &Profiles) -> f64 {
    let batch = Claim { phase: Phase::DecodeBatched, concurrency: Some(16), ..claim.clone() };
    judge_alone(&batch, catalog, profiles).ceiling.expect("the machine's bandwidth is known")
}

#[test]
fn two_hundred_impossible_claims_are_caught_with_the_exemption_that_made_them() {
    let catalog = Catalog::builtin();
    let profiles = Profiles::default();
    let mut dice = Dice(20_261_124);
    for round in 0..200 {
        let wide = round % 4 == 0;
        let quants: &[&str] =
            if wide { &["F16", "BF16"] } else { &["Q4_K_M", "Q8_0", "F16", "Q6_K", "Q4_0", "FP8"] };
        let (mut claim, ceiling) = configuration(&mut dice, quants, catalog, &profiles);
        let (kind, needs, rate) = match round % 4 {
            0 => ("bits_per_weight", None, ceiling * dice.between(1.35, 2.0)),
            1 => ("streams", Some(16.0), batch_ceiling(&claim, catalog, &profiles) * dice.between(0.8, 0.95)),
            2 => ("accepted_length", None, ceiling * dice.between(2.0, 5.0)),
            _ => ("devices", Some(4.0), ceiling * dice.between(3.1, 3.8)),
        };
        (claim.low, claim.high) = (rate, rate);
        let judged = judge_alone(&claim, catalog, &profiles);
        assert_eq!(
            judged.verdict,
            Verdict::Impossible,
            "{}: {}",
            claim.machine.as_deref().unwrap_or_default(),
            judged.line
        );
        let asked = judged.exemptions.iter().find(|exemption| exemption.kind == kind);
        let asked = asked.map(|exemption| exemption.needs);
        assert!(asked.is_some(), "{kind} is not asked for: {:?}", judged.exemptions);
        if let (Some(most), Some(asked)) = (needs, asked) {
            assert!(asked <= most, "{kind}: {asked} of {most}");
        }
        let saved = match kind {
            "streams" => Claim { phase: Phase::DecodeBatched, concurrency: Some(16), ..claim.clone() },
            "accepted_length" => Claim { speculation: true, accepted: Some(6.0), ..claim.clone() },
            "devices" => Claim { devices: 4, ..claim.clone() },
            _ => Claim { quant: Some("Q4_K_M".into()), ..claim.clone() },
        };
        let after = judge_alone(&saved, catalog, &profiles);
        assert!(
            !after.verdict.is_impossible() || after.line.contains("FLOP"),
            "disclosed {kind}: {}",
            after.line
        );
    }
}

/// The worked cases of docs/physics.md.
fn worked(machine: &str, model: &str, quant: &str, low: f64, high: f64) -> Judged {
    let catalog = Catalog::builtin();
    let claim = Claim {
        machine: Some(machine.into()),
        machines: vec![machine.into()],
        model: Some(model.into()),
        models: vec![model.into()],
        quant: Some(quant.into()),
        low,
        high,
        ..empty()
    };
    judge_alone(&claim, catalog, &Profiles::default())
}

#[test]
fn the_worked_cases_come_out_as_written() {
    let max = worked("apple-m5-max-40c-128gb", "llama-3.1-70b", "Q4_K_M", 30.0, 45.0);
    assert_eq!(
        max.line,
        "impossible: 30 to 45 tok/s × 41.9 GB = 1,258 to 1,886 GB/s; this machine has 614; ceiling 14.6. It would take 2.1 accepted tokens a pass, or 3 streams"
    );
    let spark = worked("nvidia-dgx-spark", "llama-3.1-70b", "FP8", 2.7, 2.7);
    assert_eq!(
        (spark.verdict, spark.ceiling.map(|rate| (rate * 100.0).round())),
        (Verdict::Consistent, Some(387.0))
    );
    let stock = worked("nvidia-dgx-spark", "gpt-oss-120b", "MXFP4-BF16", 59.5, 59.5);
    assert_eq!(stock.verdict, Verdict::Impossible);
    assert!(
        stock.exemptions.iter().any(|exemption| exemption.kind == "requantised_bytes"),
        "{:?}",
        stock.exemptions
    );
    assert_eq!(
        worked("nvidia-dgx-spark", "gpt-oss-120b", "MXFP4-ALL", 59.5, 59.5).verdict,
        Verdict::Consistent
    );
    let card = worked("nvidia-rtx-5090", "llama-3.1-70b", "Q4_K_M", 8.0, 12.0);
    assert_eq!((card.verdict, card.verdict_high), (Verdict::Underspecified, Verdict::Underspecified));
    assert!(card.exemptions.iter().any(|exemption| exemption.kind == "host_bandwidth"));
}
