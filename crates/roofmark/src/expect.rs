//! The predictor as the referee asks it: its question in the predictor's terms.

use roofmark_facts::bounds::Phase;
use roofmark_facts::prediction::Prediction;
use roofmark_facts::quant::Family;
use roofmark_theory::job::Job;
use roofmark_theory::predict::Predictor;
use roofmark_theory::software::{Backend, Engine};
use roofmark_verdict::referee::Question;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Prompt tokens where a claim names none.
const USUAL_PROMPT: f64 = 512.0;

/// Predictions by what was asked: a text asks the same of many rates.
#[derive(Default)]
pub struct Memory(RefCell<HashMap<String, Option<Prediction>>>);

impl Memory {
    /// What the predictor of this build expects.
    pub fn expect(&self, question: &Question<'_>) -> Option<Prediction> {
        let Question { machine, profile, workload, engine, .. } = question;
        let key = format!("{} {} {} {workload:?} {engine:?}", machine.slug, profile.model, profile.quant);
        self.0.borrow_mut().entry(key).or_insert_with(|| predict(question)).clone()
    }
}

fn predict(question: &Question<'_>) -> Option<Prediction> {
    let engine = engine(question);
    let backend = Backend::usual(question.machine, engine);
    let profile = Arc::new(question.profile.clone());
    let work = question.workload;
    let job = Job::decode(question.machine, profile, engine, backend, work.depth);
    let job = match work.phase {
        Phase::Prefill if work.prompt > 0.0 => job.prefill(work.prompt, work.depth),
        Phase::Prefill => job.prefill(USUAL_PROMPT, work.depth),
        Phase::Decode => job.batched(work.batch),
    };
    Predictor::builtin().predict(&job)
}

/// The claim's engine; without one, an engine that runs its quantization.
fn engine(question: &Question<'_>) -> Engine {
    if let Some(name) = question.engine {
        return Engine::parse(name);
    }
    match question.quant.map(|quant| quant.family) {
        Some(Family::Mlx) => Engine::Mlx,
        Some(Family::Fp8 | Family::Nvfp4 | Family::Awq | Family::Int8) => Engine::Vllm,
        _ => Engine::LlamaCpp,
    }
}
