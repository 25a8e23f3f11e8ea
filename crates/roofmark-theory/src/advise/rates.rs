//! Predicted rates of a workload on a machine: prefill, one stream, all streams; with the engine that is assumed.

use super::support::{newest_support, runs};
use crate::job::Job;
use crate::predict::Predictor;
use crate::software::{Backend, Engine};
use roofmark_facts::advice::Workload;
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::cost::{Input, Quantity, Uncertain};
use roofmark_facts::machine::Machine;
use roofmark_facts::prediction::{Prediction, Tier};
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// From so many streams on, an engine that batches continuously is assumed where it runs natively.
const MANY_STREAMS: f64 = 4.0;

/// Predictions of one workload.
#[derive(Clone, Debug)]
pub struct Rates {
    /// Reading the prompt.
    pub prefill: Prediction,
    /// One stream alone.
    pub decode: Prediction,
    /// All streams, where there are several.
    pub batch: Option<Prediction>,
    /// Engine and backend.
    pub engine: String,
    /// Quantization, in the form that the engine reads.
    pub quant: String,
    /// Costs of the model.
    pub profile: Arc<Profile>,
}

impl Rates {
    /// The weakest evidence of the predictions.
    #[must_use]
    pub fn tier(&self) -> Tier {
        let all = [Some(&self.prefill), Some(&self.decode), self.batch.as_ref()];
        all.into_iter().flatten().map(|prediction| prediction.tier).min().unwrap_or(Tier::Physics)
    }

    /// Tokens per second of all streams.
    #[must_use]
    pub fn throughput(&self) -> Uncertain {
        Uncertain::rate(self.batch.as_ref().unwrap_or(&self.decode))
    }

    /// The rates as inputs of a cost.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<Quantity, Input> {
        let input = |prediction: &Prediction| {
            let ground = format!("{} {}, {}", self.engine, self.quant, prediction.tier);
            Input::predicted(Uncertain::rate(prediction), &ground)
        };
        let mut inputs = BTreeMap::from([
            (Quantity::PrefillRate, input(&self.prefill)),
            (Quantity::DecodeRate, input(&self.decode)),
        ]);
        inputs.extend(self.batch.as_ref().map(|batch| (Quantity::BatchRate, input(batch))));
        inputs
    }
}

/// Rates with the engine that suits the workload; `None` where the machine's bandwidth is unknown.
#[must_use]
pub fn rates(machine: &Machine, model: &Model, quant: &Quant, workload: &Workload) -> Option<Rates> {
    let many = workload.streams >= MANY_STREAMS
        && newest_support(Catalog::builtin(), "vllm", machine).is_some_and(|found| found.status == "native");
    rates_with(machine, model, quant, workload, if many { "vllm" } else { "llama.cpp" })
}

/// Rates with the engine `name`.
#[must_use]
pub fn rates_with(
    machine: &Machine,
    model: &Model,
    quant: &Quant,
    workload: &Workload,
    name: &str,
) -> Option<Rates> {
    let engine = Engine::parse(name);
    let quant = readable(engine, quant);
    let backend = backend(machine, engine, name);
    let profile = Arc::new(model.profile(&quant));
    let before = workload.cached + workload.prompt;
    let mut job = Job::decode(machine, Arc::clone(&profile), engine, backend, before);
    job.generated = workload.output;
    let predictor = Predictor::builtin();
    let batch = (workload.streams > 1.0).then(|| predictor.predict(&job.batched(workload.streams)));
    Some(Rates {
        prefill: predictor.predict(&job.prefill(workload.prompt, workload.cached))?,
        decode: predictor.predict(&job)?,
        batch: match batch {
            Some(batch) => Some(batch?),
            None => None,
        },
        engine: format!("{name} on {}", backend.name()),
        quant: quant.label.to_owned(),
        profile,
    })
}

fn backend(machine: &Machine, engine: Engine, name: &str) -> Backend {
    let newest = newest_support(Catalog::builtin(), name, machine).filter(|found| runs(found));
    let stated = newest.and_then(|found| found.backend.as_deref()).and_then(Backend::parse);
    match stated.filter(|backend| engine != Engine::LlamaCpp && backend.runs_on(machine)) {
        Some(backend) => backend,
        None => Backend::usual(machine, engine),
    }
}

/// The quantization of like size that `engine` reads: vLLM, SGLang and TensorRT-LLM do not serve GGUF mixes at speed,
/// MLX has its own.
fn readable(engine: Engine, quant: &Quant) -> Quant {
    let gguf = ["Q", "IQ", "UD", "TQ"].iter().any(|start| quant.label.starts_with(start));
    if !gguf {
        return quant.clone();
    }
    let digit = quant.label.chars().find(char::is_ascii_digit).and_then(|digit| digit.to_digit(10));
    let large = digit.is_some_and(|bits| bits >= 6);
    let label = match engine {
        Engine::Vllm | Engine::Sglang | Engine::TensorRt => if large { "INT8" } else { "INT4" },
        Engine::Mlx => if large { "MLX-8bit" } else { "MLX-4bit" },
        _ => return quant.clone(),
    };
    Quant::parse(label).unwrap_or_else(|_| quant.clone())
}
