//! What is asked of the predictor: one model on one machine with one workload.

use crate::software::{Backend, Engine};
use roofmark_facts::evidence::MeasuredPhase;
use roofmark_facts::machine::Machine;
use roofmark_facts::profile::Profile;
use std::sync::Arc;

/// Years from 2026-01-01 of the software that is assumed where no date is given.
pub const SOFTWARE_OF_TODAY: f64 = 0.6;

/// One configuration with its workload. Token counts may be fractional (means over a run).
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The model in its quantization.
    pub profile: Arc<Profile>,
    /// The engine.
    pub engine: Engine,
    /// The backend.
    pub backend: Backend,
    /// What is timed.
    pub phase: MeasuredPhase,
    /// Prompt tokens of one sequence.
    pub prompt: f64,
    /// Tokens in the cache before the timed part, per sequence.
    pub depth: f64,
    /// Tokens in the cache of each sequence, where they differ; empty where all have `depth`. See [`Job::mixed`].
    pub depths: Arc<[f64]>,
    /// Tokens generated per sequence.
    pub generated: f64,
    /// Sequences that run together.
    pub batch: f64,
    /// Tokens of a prompt per pass; the engine's default where `None`.
    pub chunk: Option<f64>,
    /// Flash attention was switched off.
    pub no_flash: bool,
    /// Graph capture was switched off (`--enforce-eager`).
    pub eager: bool,
    /// The tokens of a step belong to one sequence (a verification, or a prompt in small passes): one cache is read.
    pub one_sequence: bool,
    /// Several devices joined by a network share the work.
    pub devices: u32,
    /// Bytes of one cached element (2 for f16).
    pub cache_element: f64,
    /// Age of the software in years from 2026-01-01.
    pub year: f64,
}

impl<'a> Job<'a> {
    /// Decoding one sequence at `depth` tokens with the engine's usual settings.
    #[must_use]
    pub fn decode(
        machine: &'a Machine,
        profile: Arc<Profile>,
        engine: Engine,
        backend: Backend,
        depth: f64,
    ) -> Self {
        Self {
            machine,
            profile,
            engine,
            backend,
            phase: MeasuredPhase::Decode,
            prompt: 0.0,
            depth,
            depths: Arc::default(),
            generated: 128.0,
            batch: 1.0,
            chunk: None,
            no_flash: false,
            eager: false,
            one_sequence: false,
            devices: 1,
            cache_element: 2.0,
            year: SOFTWARE_OF_TODAY,
        }
    }

    /// The same configuration, decoding `batch` sequences of one depth.
    #[must_use]
    pub fn batched(&self, batch: f64) -> Self {
        let phase = if batch > 1.0 { MeasuredPhase::DecodeBatched } else { MeasuredPhase::Decode };
        Self { phase, batch, depths: Arc::default(), ..self.clone() }
    }

    /// The same configuration, decoding one sequence for each of `depths`.
    ///
    /// Caches are summed one by one. `depth` becomes the depth at which as many equal sequences would read exactly the
    /// same bytes: less than the mean where windows cut the long ones.
    #[must_use]
    pub fn mixed(&self, depths: &[f64]) -> Self {
        let cached =
            |depth: f64| self.profile.cache_bytes(depth + self.generated / 2.0, self.cache_element).get();
        let wanted = depths.iter().map(|depth| cached(*depth)).sum::<f64>() / depths.len().max(1) as f64;
        let ends = depths
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |ends, depth| (ends.0.min(*depth), ends.1.max(*depth)));
        let depth = if ends.0 < ends.1 { reaching(wanted, ends, cached) } else { ends.1 };
        let batched = Self { depth, ..self.batched(depths.len() as f64) };
        if ends.0 < ends.1 { Self { depths: depths.into(), ..batched } } else { batched }
    }

    /// The same configuration, processing a prompt of `prompt` tokens behind `depth` cached ones.
    #[must_use]
    pub fn prefill(&self, prompt: f64, depth: f64) -> Self {
        let depths = Arc::default();
        Self { phase: MeasuredPhase::Prefill, prompt, depth, depths, batch: 1.0, ..self.clone() }
    }

    /// Depth of each sequence.
    pub fn each_depth(&self) -> impl Iterator<Item = f64> {
        let equal = if self.depths.is_empty() { self.batch as usize } else { 0 };
        self.depths.iter().copied().chain(std::iter::repeat_n(self.depth, equal))
    }

    /// The deepest sequence's tokens in the cache.
    #[must_use]
    pub fn deepest(&self) -> f64 {
        self.depths.iter().copied().fold(self.depth, f64::max)
    }

    /// Mean tokens in the cache of one sequence while it decodes.
    #[must_use]
    pub fn mean_depth(&self) -> f64 {
        self.depth + self.generated / 2.0
    }

    /// Prompt tokens of all sequences.
    #[must_use]
    pub fn prompt_tokens(&self) -> f64 {
        (self.prompt * self.batch).max(1.0)
    }

    /// Tokens of one pass over a prompt.
    #[must_use]
    pub fn pass(&self) -> f64 {
        self.chunk.unwrap_or_else(|| self.engine.chunk()).min(self.prompt_tokens())
    }

    /// Whether a prompt is processed (rather than tokens generated).
    #[must_use]
    pub fn is_prefill(&self) -> bool {
        self.phase == MeasuredPhase::Prefill
    }
}

/// Where between `ends` the growing function `of` reaches `wanted`.
fn reaching(wanted: f64, ends: (f64, f64), of: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = ends;
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if of(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::cache_bytes;
    use roofmark_facts::catalog::Catalog;
    use roofmark_facts::quant::Quant;

    fn job(model: &str) -> Job<'static> {
        let catalog = Catalog::builtin();
        let profile = catalog.model(model).unwrap().profile(&Quant::parse("Q4_K_M").unwrap());
        let machine = catalog.machine("nvidia-rtx-5090").unwrap();
        Job::decode(machine, Arc::new(profile), Engine::LlamaCpp, Backend::Cuda, 0.0)
    }

    #[test]
    fn mixed_depths_read_the_sum_of_their_caches() {
        // gpt-oss: half the layers see 128 tokens; gemma-3: five of six see 1,024.
        for model in ["llama-3.1-8b", "gpt-oss-20b", "gemma-3-4b"] {
            let depths = [0.0, 1_000.0, 4_000.0, 32_000.0];
            let job = job(model);
            let mixed = job.mixed(&depths);
            let single = |depth: f64| cache_bytes(&Job { depth, ..job.clone() });
            let sum: f64 = depths.iter().map(|depth| single(*depth)).sum();
            assert!((cache_bytes(&mixed) / sum - 1.0).abs() < 1e-12, "{model}");
            let equal = Job { depths: Arc::default(), ..mixed.clone() };
            assert!((cache_bytes(&equal) / sum - 1.0).abs() < 1e-9, "{model}: {}", mixed.depth);
            assert!(mixed.depth <= 9_250.0 + 1e-6, "{model}");
        }
    }

    #[test]
    fn equal_depths_are_no_mixture() {
        let mixed = job("llama-3.1-8b").mixed(&[512.0; 3]);
        assert_eq!((mixed.depth, mixed.batch, mixed.depths.len()), (512.0, 3.0, 0));
    }
}
