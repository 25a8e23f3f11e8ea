//! From arguments to a request: every name is resolved, every number checked, before anything runs.

use super::BenchArgs;
use super::weights::{self, Weights};
use crate::{local, model_file, pick};
use anyhow::{Context, Result, bail};
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::gguf;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::records::{Host, Part, Workload};
use roofmark_facts::synth::slice_context;
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond};
use roofmark_measure::bench::{
    Means, Overrides, Plan, Protocol, SLICE_REPETITIONS, memory_needed, parts, plan, time_needed,
};
use roofmark_measure::engine::Switch;
use std::path::Path;

/// Arithmetic that one thread is assumed to do when the time of prefill is guessed.
const PER_THREAD: FlopPerSecond = FlopPerSecond(0.12e12);

/// What `bench` will do.
pub struct Request {
    /// Where weights come from.
    pub weights: Weights,
    /// Costs of the whole model.
    pub whole: Profile,
    /// Name of the method.
    pub protocol: Protocol,
    /// Cells and repetitions.
    pub plan: Plan,
    /// Threads of the engine.
    pub threads: u32,
    /// Flash attention.
    pub flash_attention: Switch,
    /// Storage type of the cache.
    pub cache_type: TensorType,
    /// Layers on a GPU.
    pub gpu_layers: Option<u32>,
    layers: Vec<u32>,
    verify_slices: bool,
    repetitions_given: bool,
}

/// Resolves `args` for `host`.
pub fn resolve(args: &BenchArgs, host: &Host) -> Result<Request> {
    let weights = find_weights(&args.model, &args.quant)?;
    let whole = whole(&weights)?;
    let overrides = Overrides {
        prefill: args.prefill.clone(),
        decode: args.decode.clone(),
        depth: args.depth.clone(),
        batch: args.batch.clone(),
        repetitions: args.reps,
    };
    let plan = plan(args.protocol, &overrides);
    if plan.workloads.is_empty() {
        bail!("--prefill and --decode leave nothing to measure");
    }
    if let Some(layers) = args.layers.iter().find(|&&layers| layers == 0 || layers > whole.layers) {
        bail!("--layers {layers}: {} has 1 to {} layers", whole.model, whole.layers);
    }
    let sliced = !args.layers.is_empty() || args.verify_slices;
    if sliced && weights.is_trained() {
        bail!("a file runs whole; slices are made of synthetic models: name a model of the catalog");
    }
    Ok(Request {
        weights,
        whole,
        protocol: args.protocol,
        plan,
        threads: args.threads.unwrap_or_else(|| threads(host)),
        flash_attention: args.flash_attn.into(),
        cache_type: cache_type(&args.kv_type)?,
        gpu_layers: args.gpu_layers,
        layers: args.layers.clone(),
        verify_slices: args.verify_slices,
        repetitions_given: args.reps.is_some(),
    })
}

/// A file, else a model on this disk, else a model of the catalog.
fn find_weights(name: &str, quant: &str) -> Result<Weights> {
    let path = Path::new(name);
    if path.exists() || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) {
        return file(path);
    }
    let found = local::models(&local::Places::usual(|name| std::env::var(name).ok()));
    if let Some(model) = local::find(&found, name) {
        return file(&model.path);
    }
    let known = pick::model(name).map_err(|error| match found.as_slice() {
        [] => error,
        found => {
            let names: Vec<&str> = found.iter().take(8).map(|model| model.name.as_str()).collect();
            anyhow::anyhow!("{error}; on this disk: {}", names.join(", "))
        }
    });
    Ok(Weights::Synthetic { model: known?, quant: pick::quant(quant)? })
}

fn file(path: &Path) -> Result<Weights> {
    let path = std::path::absolute(path).with_context(|| format!("failed to read {}", path.display()))?;
    let table = model_file::open(&path)?;
    let path = model_file::first_part(&path);
    Ok(Weights::File { path, table: Box::new(table) })
}

fn whole(weights: &Weights) -> Result<Profile> {
    match weights {
        Weights::Synthetic { model, quant } => Ok(model.profile(quant)),
        Weights::File { path, table } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            gguf::profile(&name, table).with_context(|| format!("failed to read {}", path.display()))
        }
    }
}

/// Physical cores, within what the control group allows.
fn threads(host: &Host) -> u32 {
    let cores = host.cores.unwrap_or(host.cpus).min(host.cpus);
    host.cpu_limit.map_or(cores, |limit| cores.min(limit.ceil() as u32)).max(1)
}

/// Types that llama.cpp can keep a cache in.
const CACHE_TYPES: [TensorType; 9] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q8_0,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::IQ4_NL,
    TensorType::Q5_0,
    TensorType::Q5_1,
];

fn cache_type(text: &str) -> Result<TensorType> {
    let found = CACHE_TYPES.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text));
    found.with_context(|| {
        let names = CACHE_TYPES.map(|kind| kind.name().to_ascii_lowercase());
        format!("--kv-type {text} is not a cache type; there are {}", names.join(", "))
    })
}

impl Request {
    /// Layers run on a GPU.
    pub fn on_gpu(&self) -> bool {
        let built = cfg!(any(feature = "cuda", feature = "metal", feature = "rocm", feature = "vulkan"));
        built && self.gpu_layers != Some(0)
    }

    /// What memory and time allow on `host`.
    pub fn means(&self, host: &Host, roof: BytesPerSecond) -> Means {
        Means {
            // A discrete GPU has memory of its own, which the engine knows better.
            available: host.available.filter(|_| !self.on_gpu()),
            roof,
            compute: PER_THREAD * f64::from(self.threads),
            budget: self.protocol.budget(),
            element: self.cache_type.bits_per_element() / 8.0,
            copies: if self.weights.is_trained() { 1.0 } else { 2.0 },
        }
    }

    /// The parts of the model to run.
    pub fn parts(&self, means: &Means) -> Result<Vec<Part>> {
        let whole = Part { layers: self.whole.layers, profile: self.whole.clone() };
        let Weights::Synthetic { model, quant } = &self.weights else {
            return self.fits(means, &self.whole).map(|()| vec![whole]);
        };
        let profile = |layers: u32| weights::slice_profile(model, quant, layers);
        // Planning asks for every size: one that cannot be planned is as good as too large.
        let or_whole = |layers: u32| profile(layers).unwrap_or_else(|_| self.whole.clone());
        let counts = match self.layers.as_slice() {
            [] if self.verify_slices => self.verification(means, or_whole)?,
            [] => parts(self.whole.layers, &self.plan, means, or_whole)
                .with_context(|| self.too_large(means, &or_whole(1)))?,
            layers => layers.to_vec(),
        };
        let parts: Vec<Part> = counts
            .into_iter()
            .map(|layers| Ok(Part { layers, profile: profile(layers)? }))
            .collect::<Result<_>>()?;
        parts.iter().try_for_each(|part| self.fits(means, &part.profile))?;
        if parts.iter().any(|part| part.layers < self.whole.layers) {
            self.check_slices(model)?;
        }
        Ok(parts)
    }

    /// The plan for `parts`: slices are repeated more often, unless the user said how often.
    pub fn plan_for(&self, parts: &[Part]) -> Plan {
        let sliced = parts.iter().any(|part| part.layers < self.whole.layers);
        let least = if sliced && !self.repetitions_given { SLICE_REPETITIONS } else { 0 };
        Plan { repetitions: self.plan.repetitions.max(least), ..self.plan.clone() }
    }

    /// Slices stand for the model only as far as the engine runs them like it.
    fn check_slices(&self, model: &Model) -> Result<()> {
        let tokens = |work: &Workload| u64::from(work.depth + work.prompt + work.generated);
        let longest = self.plan.workloads.iter().map(tokens).max().unwrap_or(0);
        match slice_context(&model.shape) {
            Some(limit) if longest > limit => bail!(
                "failed to slice {}: the engine knows its windows of {limit} tokens by the layer count of the \
                 whole model, so that {longest} tokens in a slice would cost more; stay within {limit}",
                model.slug
            ),
            _ => Ok(()),
        }
    }

    /// The slices that would be run if the whole model were too slow, and the whole model.
    fn verification(&self, means: &Means, profile: impl Fn(u32) -> Profile) -> Result<Vec<u32>> {
        self.fits(means, &self.whole)?;
        let budget = means.budget.min(time_needed(&self.whole, &self.plan, means)) * 0.5;
        let scarce = Means { budget, ..*means };
        let slices = parts(self.whole.layers, &self.plan, &scarce, profile).unwrap_or_default();
        if slices.len() < 2 {
            bail!("{} is small enough to run whole; verify slices on a larger model", self.whole.model);
        }
        Ok(slices.into_iter().chain([self.whole.layers]).collect())
    }

    fn fits(&self, means: &Means, profile: &Profile) -> Result<()> {
        let needed = memory_needed(profile, &self.plan, means);
        match means.available {
            Some(available) if needed > available => bail!(self.too_large(means, profile)),
            _ => Ok(()),
        }
    }

    /// Why `profile` does not fit, and what would.
    fn too_large(&self, means: &Means, profile: &Profile) -> String {
        let available = means.available.unwrap_or_default();
        let fit = fitting(available, &self.plan, means);
        let hint = match fit.as_slice() {
            [] => "no model of the catalog fits; free some memory first".into(),
            fit => format!("these would fit: {}", fit.join(", ")),
        };
        format!(
            "failed to fit {} {} ({} layers): it needs {:.1} GB of memory, {:.1} GB are free; {hint}",
            profile.model,
            profile.quant,
            profile.layers,
            memory_needed(profile, &self.plan, means).gb(),
            available.gb(),
        )
    }
}

/// The largest models of the catalog, in Q4_K_M, that fit whole.
fn fitting(available: Bytes, plan: &Plan, means: &Means) -> Vec<String> {
    let Ok(quant) = Quant::parse("Q4_K_M") else { return Vec::new() };
    let mut fitting: Vec<(f64, &str)> = Catalog::builtin()
        .models
        .iter()
        .map(|model| (memory_needed(&model.profile(&quant), plan, means), model.slug.as_str()))
        .filter(|(needed, _)| *needed <= available)
        .map(|(needed, slug)| (needed.get(), slug))
        .collect();
    fitting.sort_by(|left, right| right.0.total_cmp(&left.0));
    fitting.into_iter().take(3).map(|(_, slug)| format!("{slug} Q4_K_M")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    fn host(gb: f64) -> Host {
        Host { cpus: 4, cores: Some(2), available: Some(Bytes::from_gb(gb)), ..Host::default() }
    }

    fn request(arguments: &str) -> Result<Request> {
        let arguments = ["roofmark", "bench"].into_iter().chain(arguments.split_whitespace());
        match Args::try_parse_from(arguments)?.command {
            Command::Bench(args) => resolve(&args, &host(24.0)),
            _ => bail!("not a bench"),
        }
    }

    fn error(arguments: &str) -> String {
        request(arguments).err().map(|error| format!("{error:#}")).unwrap_or_default()
    }

    fn layers(arguments: &str, gb: f64) -> Result<Vec<u32>> {
        let request = request(arguments)?;
        let means = request.means(&host(gb), BytesPerSecond::from_gb(36.0));
        Ok(request.parts(&means)?.iter().map(|part| part.layers).collect())
    }

    #[test]
    fn threads_are_physical_cores_within_the_limit() {
        assert_eq!(threads(&host(1.0)), 2);
        assert_eq!(threads(&Host { cores: None, ..host(1.0) }), 4);
        assert_eq!(threads(&Host { cpu_limit: Some(0.5), ..host(1.0) }), 1);
    }

    #[test]
    fn bad_arguments_name_themselves() {
        insta::assert_snapshot!(error("--kv-type q3"), @"--kv-type q3 is not a cache type; there are f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1");
        insta::assert_snapshot!(error("--layers 40"), @"--layers 40: llama-3.1-8b has 1 to 32 layers");
        insta::assert_snapshot!(error("--prefill 0 --decode 0"), @"--prefill and --decode leave nothing to measure");
        assert!(error("--model lama-3.1-8b").contains("llama-3.1-8b"), "{}", error("--model lama-3.1-8b"));
        assert!(error("--quant Q4_KX").contains("Q4_K_M"), "{}", error("--quant Q4_KX"));
        assert!(error("--model no/such.gguf").contains("no/such.gguf"));
        assert!(error("--protocol fast").contains("article-2026-04"));
        assert!(error("--reps 0").contains("0 is not in 1..=1000"));
    }

    #[test]
    fn a_model_that_does_not_fit_is_sliced() {
        let counts = layers("--model llama-3.1-70b", 24.0).unwrap();
        assert_eq!(counts.len(), 3);
        assert!(counts[2] < 80);
        assert_eq!(layers("--model smollm2-135m", 24.0).unwrap(), [30]);
        let repetitions = |arguments: &str| {
            let request = request(arguments).unwrap();
            let means = request.means(&host(24.0), BytesPerSecond::from_gb(36.0));
            request.plan_for(&request.parts(&means).unwrap()).repetitions
        };
        assert_eq!(repetitions("--model smollm2-135m"), 3);
        assert_eq!(repetitions("--model llama-3.1-70b"), SLICE_REPETITIONS);
        assert_eq!(repetitions("--model llama-3.1-70b --reps 2"), 2);
        assert_eq!(layers("--layers 2,4", 24.0).unwrap(), [2, 4]);
    }

    #[test]
    fn a_slice_that_the_engine_runs_otherwise_is_refused() {
        assert_eq!(layers("--model exaone-4.0-32b --layers 4,8", 24.0).unwrap(), [4, 8]);
        let deep = layers("--model exaone-4.0-32b --layers 4,8 --depth 4096", 24.0).unwrap_err();
        insta::assert_snapshot!(deep, @"failed to slice exaone-4.0-32b: the engine knows its windows of 4096 tokens by the layer count of the whole model, so that 4128 tokens in a slice would cost more; stay within 4096");
    }

    #[test]
    fn verification_runs_slices_and_the_whole() {
        let counts = layers("--verify-slices", 24.0).unwrap();
        assert!(counts.len() == 4 && counts[3] == 32, "{counts:?}");
        let small = layers("--model smollm2-135m --verify-slices", 24.0).unwrap();
        assert!(
            small.len() > 2 && small.ends_with(&[30]),
            "a model that is quick to run can be sliced too: {small:?}"
        );
    }

    #[test]
    fn no_free_memory_says_what_would_fit() {
        let tight = layers("--model llama-3.1-70b", 2.0).unwrap_err();
        let text = format!("{tight:#}");
        assert!(text.contains("failed to fit llama-3.1-70b") && text.contains("these would fit: "), "{text}");
        let none = layers("--model llama-3.1-70b", 0.1).unwrap_err();
        assert!(none.to_string().ends_with("no model of the catalog fits; free some memory first"), "{none}");
    }
}
