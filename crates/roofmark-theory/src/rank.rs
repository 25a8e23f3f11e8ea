//! Which models and quantizations run on a machine, ranked for a use.

use crate::answer::{Answer, Ask, Split, answer};
use crate::job::Job;
use crate::memory::longest_context;
use crate::predict::Predictor;
use crate::software::{Backend, Engine};
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::machine::Machine;
use roofmark_facts::quant::Quant;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the model is wanted for: it sets the workload and what counts as fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Short questions, read as they come.
    Chat,
    /// Long prompts with tools, long answers.
    Coding,
    /// Whole documents in the prompt.
    Documents,
}

/// Workload and targets of a use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Prompt tokens.
    pub prompt: f64,
    /// Context that must fit.
    pub context: f64,
    /// Tokens per second that are enough.
    pub decode: f64,
    /// Seconds to the first token that are bearable.
    pub first_token: f64,
}

impl Use {
    /// Workload and targets.
    #[must_use]
    pub fn target(self) -> Target {
        match self {
            Self::Chat => Target { prompt: 1024.0, context: 8192.0, decode: 10.0, first_token: 5.0 },
            Self::Coding => Target { prompt: 8192.0, context: 32_768.0, decode: 25.0, first_token: 20.0 },
            Self::Documents => Target { prompt: 24_576.0, context: 32_768.0, decode: 8.0, first_token: 60.0 },
        }
    }
}

/// One model in one quantization on the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Model slug.
    pub model: String,
    /// Quantization.
    pub quant: String,
    /// Parameters in 10^9.
    pub params_b: f64,
    /// Rates, memory, waiting times.
    pub answer: Answer,
    /// Longest context that fits.
    pub context: f64,
    /// Fast enough for the use.
    pub fast_enough: bool,
    /// Higher is better; see [`rank`].
    pub score: f64,
}

/// Quantizations that are offered by default, best first.
pub const USUAL: [&str; 5] = ["BF16", "Q8_0", "Q6_K", "Q4_K_M", "Q3_K_M"];

/// Share of a model's worth that a quantization keeps, by its bits per weight; a coarse rule for ranking only: eight
/// bits lose nothing that can be noticed, four some, three a lot.
fn kept(bits: f64) -> f64 {
    1.0 - 0.5 * (-(bits - 1.5) / 1.1).exp()
}

/// Every model that fits with the context of `purpose`, best first: fast enough before too slow, then by size (the
/// logarithm of the parameters, of mixtures the geometric mean of all and active ones) times what the quantization
/// keeps.
#[must_use]
pub fn rank(predictor: &Predictor<'_>, catalog: &Catalog, machine: &Machine, purpose: Use, devices: u32, quants: &[Quant]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = catalog
        .models
        .iter()
        .flat_map(|model| quants.iter().filter_map(|quant| entry(predictor, machine, model, quant, purpose, devices)))
        .collect();
    entries.sort_by(|left, right| {
        right.fast_enough.cmp(&left.fast_enough).then(right.score.total_cmp(&left.score)).then(left.model.cmp(&right.model))
    });
    entries
}

fn entry(predictor: &Predictor<'_>, machine: &Machine, model: &Model, quant: &Quant, purpose: Use, devices: u32) -> Option<Entry> {
    let target = purpose.target();
    let profile = Arc::new(model.profile(quant));
    if profile.context.is_some_and(|context| (context as f64) < target.prompt) {
        return None;
    }
    let bits = profile.tensor_bytes.get() * 8.0 / profile.params;
    let size = (profile.params * profile.active_params).sqrt();
    let engine = Engine::LlamaCpp;
    let job = Job::decode(machine, profile, engine, Backend::usual(machine, engine), 0.0);
    let context = longest_context(&job, devices)?;
    if context < target.context.min(job.profile.context.map_or(f64::INFINITY, |most| most as f64)) {
        return None;
    }
    let ask = Ask { job, prompt: target.prompt, accepted: None, devices, link: None, split: Split::Pipeline, host: None, hidden: Some(model.shape.hidden as f64) };
    let answer = answer(predictor, &ask).ok()?;
    let fast_enough = answer.decode.rate.get() >= target.decode && answer.first_token.get() <= target.first_token;
    let score = (size / 1e9).max(0.1).ln() * kept(bits);
    Some(Entry { model: model.slug.clone(), quant: quant.label.to_owned(), params_b: model.params_b, answer, context, fast_enough, score })
}
