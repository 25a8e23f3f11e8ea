//! Your own runs: a bench of a configuration makes its prediction exact and is quoted; voided rows are not used.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::measurements;
use roofmark_facts::machine::Machine;
use roofmark_facts::prediction::{Prediction, Tier};
use roofmark_facts::quant::Quant;
use roofmark_facts::records::{Check, EngineFacts, ModelFacts, Row, Run, Settings, Workload};
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::TokensPerSecond;
use roofmark_theory::job::Job;
use roofmark_theory::model::Evidence;
use roofmark_theory::own::{OwnRow, evidence};
use roofmark_theory::predict::Predictor;
use roofmark_theory::software::{Backend, Engine};
use roofmark_theory::table::Table;
use std::sync::Arc;

fn machine(slug: &str) -> &'static Machine {
    Catalog::builtin().machine(slug).unwrap()
}

fn job(machine: &'static Machine, model: &str) -> Job<'static> {
    let profile = Catalog::builtin().model(model).unwrap().profile(&Quant::parse("Q4_K_M").unwrap());
    let backend = Backend::usual(machine, Engine::LlamaCpp);
    Job::decode(machine, Arc::new(profile), Engine::LlamaCpp, backend, 0.0)
}

/// A predictor that saw one own run of `job` at `factor` times the rate that it would have predicted.
fn after_a_run(job: &Job<'static>, factor: f64) -> Predictor<'static> {
    let rate = Predictor::builtin().predict(job).unwrap().rate.get() * factor;
    let evidence = Evidence {
        id: "#7".to_owned(),
        source: "your own run of 2026-11-24".to_owned(),
        job: job.clone(),
        rate,
    };
    let row = OwnRow { evidence, spread: 0.005 };
    let fresh = Predictor::new(Catalog::builtin(), measurements(), Table::shipped()).unwrap();
    fresh.with_own(&job.machine.slug, vec![row])
}

fn width(found: &Prediction) -> f64 {
    found.interval90.high.get() / found.interval90.low.get()
}

#[test]
fn a_run_makes_its_configuration_exact() {
    for slug in ["ddr5-5600-dual", "nvidia-rtx-4070-super", "apple-m4-pro-20c-48gb"] {
        let job = job(machine(slug), "llama-3.1-8b");
        let before = Predictor::builtin().predict(&job).unwrap();
        let after = after_a_run(&job, 0.8).predict_unseen(&job, None, 3).unwrap();
        let ratio = after.rate.get() / before.rate.get();
        assert!((ratio / 0.8 - 1.0).abs() < 0.03, "{slug}: {ratio}");
        assert_eq!(after.tier, Tier::Exact);
        assert!(width(&after) < width(&before) && after.interval90.contains(before.rate * 0.8), "{slug}");
        assert_eq!(after.nearest[0].id, "#7");
    }
}

#[test]
fn a_run_moves_what_is_near_and_no_other_machine() {
    let here = machine("ddr5-5600-dual");
    let refined = after_a_run(&job(here, "llama-3.1-8b"), 0.7);
    let moved = |job: &Job<'_>| {
        refined.predict(job).unwrap().rate.get() / Predictor::builtin().predict(job).unwrap().rate.get()
    };
    let other_model = moved(&job(here, "qwen3-8b"));
    assert!((0.65..0.95).contains(&other_model), "{other_model}");
    let deeper = moved(&Job { depth: 8192.0, ..job(here, "llama-3.1-8b") });
    assert!((0.65..0.95).contains(&deeper), "{deeper}");
    assert!((moved(&job(machine("ddr5-6000-dual"), "llama-3.1-8b")) - 1.0).abs() < 1e-12);
}

fn run(check: Check) -> Run {
    let profile = job(machine("ddr5-5600-dual"), "llama-3.1-8b").profile.as_ref().clone();
    let run = roofmark_testing::run();
    Run {
        model: ModelFacts { profile, ..run.model },
        settings: Settings { cache_type: TensorType::Q8_0, ..run.settings },
        check,
        ..run
    }
}

fn row(workload: Workload, rate: f64, void: bool) -> Row {
    Row { void, ..roofmark_testing::row(workload, TokensPerSecond(rate)) }
}

#[test]
fn a_bench_becomes_evidence_without_what_it_voided() {
    let here = machine("ddr5-5600-dual");
    let rows = [
        row(Workload::decode(32, 1024, 1), 9.0, false),
        row(Workload::decode(32, 0, 4), 30.0, true),
        row(Workload::prefill(512, 0), 60.0, false),
        row(Workload::decode(32, 0, 2), f64::NAN, false),
    ];
    let found = evidence(here, &run(Check::NotRun), &rows, "#3", "your own run of 2026-11-24");
    let told: Vec<_> = found
        .iter()
        .map(|own| {
            let job = &own.evidence.job;
            (job.phase, job.depth, job.batch, job.prompt, own.evidence.rate, job.cache_element)
        })
        .collect();
    use roofmark_facts::evidence::MeasuredPhase::{Decode, Prefill};
    assert_eq!(told, [(Decode, 1024.0, 1.0, 0.0, 9.0, 1.0625), (Prefill, 0.0, 1.0, 512.0, 60.0, 1.0625)]);
    assert!((found[0].spread - 0.0102).abs() < 1e-3, "{}", found[0].spread);
    let wrong = Check::Greedy { prompt: String::new(), answer: String::new(), right: false };
    assert!(evidence(here, &run(wrong), &rows, "#3", "x").is_empty());
    let gpu = Run {
        engine: EngineFacts { backend: "CUDA".into(), ..EngineFacts::default() },
        ..run(Check::NotRun)
    };
    assert!(evidence(here, &gpu, &rows, "#3", "x").is_empty(), "CUDA did not run on this machine");
}
