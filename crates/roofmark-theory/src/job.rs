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
            generated: 128.0,
            batch: 1.0,
            chunk: None,
            no_flash: false,
            eager: false,
            devices: 1,
            cache_element: 2.0,
            year: SOFTWARE_OF_TODAY,
        }
    }

    /// The same configuration, decoding `batch` sequences.
    #[must_use]
    pub fn batched(&self, batch: f64) -> Self {
        let phase = if batch > 1.0 { MeasuredPhase::DecodeBatched } else { MeasuredPhase::Decode };
        Self { phase, batch, ..self.clone() }
    }

    /// The same configuration, processing a prompt of `prompt` tokens behind `depth` cached ones.
    #[must_use]
    pub fn prefill(&self, prompt: f64, depth: f64) -> Self {
        Self { phase: MeasuredPhase::Prefill, prompt, depth, batch: 1.0, ..self.clone() }
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
