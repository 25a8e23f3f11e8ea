//! Which models and quantizations run on a machine, ranked for a use: fast enough first, then by what the model is worth.
//!
//! No score of anybody's answers enters the rank. It knows three things of a model (how large it is, how new, how many
//! bits are left of it) and turns them into one number by published rules; see [`worth`] and docs/physics.md, "Ranking".

use crate::answer::{Ask, Split, answer};
use crate::job::Job;
use crate::memory::longest_context;
use crate::predict::Predictor;
use crate::resolve::years;
use crate::software::{Backend, Engine};
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::machine::Machine;
use roofmark_facts::quant::Quant;
use roofmark_facts::ranking::{Ranked, Target};
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
    /// Many requests at once, nobody waiting for the first word.
    Batch,
}

impl Use {
    /// Workload and targets.
    #[must_use]
    pub fn target(self) -> Target {
        let one = Target { streams: 1.0, prompt: 0.0, context: 0.0, decode: 0.0, first_token: None };
        match self {
            Self::Chat => {
                Target { prompt: 1024.0, context: 8192.0, decode: 10.0, first_token: Some(5.0), ..one }
            }
            Self::Coding => {
                Target { prompt: 8192.0, context: 32_768.0, decode: 25.0, first_token: Some(20.0), ..one }
            }
            Self::Documents => {
                Target { prompt: 24_576.0, context: 32_768.0, decode: 8.0, first_token: Some(60.0), ..one }
            }
            Self::Batch => {
                Target { streams: 16.0, prompt: 1024.0, context: 4096.0, decode: 5.0, first_token: None }
            }
        }
    }

    /// Whether `model` is offered for this use: models that were made for code are for coding only.
    #[must_use]
    pub fn takes(self, model: &Model) -> bool {
        let code = ["coder", "codestral", "devstral"];
        self == Self::Coding || !code.iter().any(|word| model.slug.contains(word))
    }
}

/// Quantizations that are offered by default, best first.
pub const USUAL: [&str; 6] = ["BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M"];

/// Months in which the parameters that the same answers take fall by half.
///
/// The densing law has 3.5 for the best open model of each month (Xiao et al., Nature Machine Intelligence 2025); Ho et
/// al. 2024 have 8 (95 %: 5 to 14) for the compute that a given loss takes. Not every model is the best of its month.
const HALVING_MONTHS: f64 = 5.0;
/// Exponent of the loss over parameters (Kaplan et al. 2020), and the loss in nats a token (Llama 3 8B, perplexity 6.23)
/// at which the divergences below were measured.
const LOSS_EXPONENT: f64 = 0.076;
const LOSS: f64 = 1.83;
/// Bits per weight and mean Kullback-Leibler divergence from the 16-bit model: Llama 3 8B in Q8_0, Q6_K, Q5_K_M, Q4_K_M,
/// Q3_K_M, Q2_K (the scoreboard in llama.cpp's tools/perplexity/README.md, without importance matrices).
const DIVERGENCE: [(f64, f64); 6] =
    [(8.5, 0.0014), (6.56, 0.0055), (5.7, 0.0108), (4.89, 0.0313), (4.0, 0.102), (3.16, 0.445)];

/// Share of its parameters that a model keeps at `bits` per weight: what it then loses, a smaller model loses too.
#[must_use]
pub fn kept(bits: f64) -> f64 {
    let [last @ .., _] = &DIVERGENCE;
    let at = last.iter().position(|(known, _)| bits >= *known).unwrap_or(last.len()).clamp(1, last.len());
    let ((above, left), (below, right)) = (DIVERGENCE[at - 1], DIVERGENCE[at]);
    let share = (bits - below) / (above - below);
    let divergence = (right.ln() + share * (left / right).ln()).exp();
    (-divergence / LOSS / LOSS_EXPONENT).exp()
}

/// Parameters in 10^9 of a dense 16-bit model of January 2026 that is worth as much: the parameters (of mixtures the
/// geometric mean of all and active ones), halved for every five months of age, times what `bits` keep of them.
#[must_use]
pub fn worth(params: f64, active: f64, years: f64, bits: f64) -> f64 {
    (params * active).sqrt() / 1e9 * (years * 12.0 / HALVING_MONTHS).exp2() * kept(bits)
}

/// Every model that fits with the context of `purpose`, best first: fast enough before too slow, then by [`worth`],
/// then by speed. `quants` are tried in turn; `None` stands for the [`USUAL`] ones, or for the one that the model's
/// maker trained in.
#[must_use]
pub fn rank(
    predictor: &Predictor<'_>,
    catalog: &Catalog,
    machine: &Machine,
    purpose: Use,
    devices: u32,
    quants: Option<&[Quant]>,
) -> Vec<Ranked> {
    let usual: Vec<Quant> = USUAL.iter().filter_map(|label| Quant::parse(label).ok()).collect();
    let native: Vec<Quant> = Quant::parse("MXFP4").into_iter().collect();
    let models = catalog.models.iter().filter(|model| purpose.takes(model));
    let mut entries: Vec<Ranked> = models
        .flat_map(|model| {
            let own = if is_native(model) { &native } else { &usual };
            let quants = quants.unwrap_or(own);
            quants.iter().filter_map(|quant| entry(predictor, machine, model, quant, purpose, devices))
        })
        .collect();
    let speed = |entry: &Ranked| entry.answer.decode.rate.get();
    entries.sort_by(|left, right| {
        right
            .fast_enough
            .cmp(&left.fast_enough)
            .then(right.worth_b.total_cmp(&left.worth_b))
            .then(speed(right).total_cmp(&speed(left)))
            .then(left.model.cmp(&right.model))
    });
    entries
}

/// The maker trained the model in four bits: there is no better file of it.
fn is_native(model: &Model) -> bool {
    model.slug.starts_with("gpt-oss")
}

fn entry(
    predictor: &Predictor<'_>,
    machine: &Machine,
    model: &Model,
    quant: &Quant,
    purpose: Use,
    devices: u32,
) -> Option<Ranked> {
    let target = purpose.target();
    let profile = Arc::new(model.profile(quant));
    let engine = Engine::LlamaCpp;
    let job = Job::decode(machine, Arc::clone(&profile), engine, Backend::usual(machine, engine), 0.0);
    let job = job.batched(target.streams);
    let context = longest_context(&job, devices).filter(|context| *context >= target.context)?;
    let bits = profile.tensor_bytes.get() * 8.0 / profile.params;
    let bits = if is_native(model) { 16.0 } else { bits };
    let ask = Ask {
        job,
        prompt: target.prompt,
        accepted: None,
        devices,
        link: None,
        split: Split::Pipeline,
        host: None,
        hidden: Some(model.shape.hidden as f64),
    };
    let answer = answer(predictor, &ask).ok()?;
    let soon = target.first_token.is_none_or(|longest| answer.first_token.get() <= longest);
    let fast_enough = answer.decode.rate.get() / target.streams >= target.decode && soon;
    let years = years(&model.released).unwrap_or(0.0);
    Some(Ranked {
        model: model.slug.clone(),
        quant: quant.label.to_owned(),
        params_b: model.params_b,
        answer,
        context,
        fast_enough,
        worth_b: worth(profile.params, profile.active_params, years, bits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_bits_keep_less() {
        for (bits, share) in [(16.0, 1.0), (8.5, 0.99), (6.56, 0.96), (4.89, 0.80), (4.0, 0.48), (3.16, 0.04)]
        {
            assert!((kept(bits) - share).abs() < 0.01, "{bits}: {}", kept(bits));
        }
        assert!(kept(2.0) < kept(3.0) && kept(2.0) >= 0.0);
    }

    #[test]
    fn newer_models_are_worth_more_than_old_ones_of_their_size() {
        let dense = |billions: f64, released: &str, bits| {
            worth(billions * 1e9, billions * 1e9, years(released).unwrap(), bits)
        };
        // Gemma 3 27B of March 2025 beats Llama 2 70B of July 2023; Llama 3.3 70B beats Llama 3.1 8B.
        assert!(dense(27.0, "2025-03", 4.89) > dense(70.0, "2023-07", 8.5));
        assert!(dense(70.0, "2024-12", 4.89) > dense(8.0, "2024-07", 16.0));
        // Four bits of a model twice the size beat eight bits of the half, three bits do not.
        assert!(dense(20.0, "2026-01", 4.89) > dense(10.0, "2026-01", 8.5));
        assert!(dense(20.0, "2026-01", 3.9) < dense(10.0, "2026-01", 8.5));
    }
}
