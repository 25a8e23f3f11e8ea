//! What one model costs to run: bytes, FLOPs and cache per token, from its tensor table.
//!
//! This is the only view of a model that the predictor, the ceiling and the referee have. It is the
//! same whether the model came from the catalog, a `config.json` or a GGUF file.
//! Formulas: docs/physics.md, "Bytes and flops".

use crate::units::{Bytes, Flop};
use serde::{Deserialize, Serialize};

/// Cost of a model, independent of machine and engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Model slug or file name.
    pub model: String,
    /// llama.cpp's architecture name.
    pub arch: String,
    /// Quantization label, such as `Q4_K_M`.
    pub quant: String,
    /// Number of layers.
    pub layers: u32,
    /// All tensor data.
    pub tensor_bytes: Bytes,
    /// Total parameters (elements of all tensors that hold weights).
    pub params: f64,
    /// Parameters used per token (embedding table left out).
    pub active_params: f64,
    /// Weights that each decode step reads whatever the batch: all but embedding rows and routed experts; head included.
    pub fixed_bytes: Bytes,
    /// Output projection alone (part of `fixed_bytes`).
    pub head_bytes: Bytes,
    /// Matrix FLOPs per token outside the routed experts; head included.
    pub fixed_flop: Flop,
    /// FLOPs of the head alone.
    pub head_flop: Flop,
    /// Layers with routed experts.
    pub experts: Vec<ExpertLayers>,
    /// Attention layers grouped by cache form.
    pub caches: Vec<CacheLayers>,
    /// Fixed recurrent state read and written per sequence and step (all layers).
    pub state_bytes: Bytes,
    /// Longest context in tokens, where stated.
    pub context: Option<u64>,
    /// Share of weight bytes by storage type name, largest first.
    pub kinds: Vec<(String, f64)>,
}

/// Layers that share one expert geometry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpertLayers {
    /// How many layers.
    pub layers: f64,
    /// Routed experts in each.
    pub count: f64,
    /// Chosen per token.
    pub active: f64,
    /// Bytes of one expert in one layer.
    pub bytes: Bytes,
    /// FLOPs of one expert in one layer and token.
    pub flop: Flop,
}

/// Layers that share one cache geometry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheLayers {
    /// How many layers.
    pub layers: f64,
    /// Cached elements per layer and token (keys and values together).
    pub elements: f64,
    /// Tokens that the window keeps.
    pub window: Option<u64>,
    /// Attention FLOPs per layer, query token and attended token.
    pub flop: Flop,
}

impl CacheLayers {
    /// Tokens attended to at depth `tokens`.
    #[must_use]
    pub fn attended(&self, tokens: f64) -> f64 {
        self.window.map_or(tokens, |window| tokens.min(window as f64))
    }
}

impl ExpertLayers {
    /// Expected number of distinct experts that `tokens` tokens touch in one layer: E·(1 − (1 − k/E)^T).
    ///
    /// Uniform routing (Mixtral and later routers are trained towards it); `tokens` may be fractional.
    #[must_use]
    pub fn touched(&self, tokens: f64) -> f64 {
        self.count * (1.0 - (1.0 - self.active / self.count).powf(tokens))
    }
}

impl Profile {
    /// Weights read by one step of a single sequence (batch 1), without cache.
    #[must_use]
    pub fn bytes_per_token(&self) -> Bytes {
        self.step_weight_bytes(1.0)
    }

    /// Expected weights read by one step of `batch` sequences.
    #[must_use]
    pub fn step_weight_bytes(&self, batch: f64) -> Bytes {
        self.fixed_bytes
            + self.experts.iter().map(|group| group.bytes * (group.layers * group.touched(batch))).sum()
    }

    /// Fewest weights a step can read: every sequence chooses the same experts. For ceilings.
    #[must_use]
    pub fn least_step_weight_bytes(&self) -> Bytes {
        self.step_weight_bytes(1.0)
    }

    /// Matrix FLOPs per token (attention over the context left out).
    #[must_use]
    pub fn flop_per_token(&self) -> Flop {
        self.fixed_flop + self.experts.iter().map(|group| group.flop * (group.layers * group.active)).sum()
    }

    /// Attention FLOPs of one token that attends to `depth` tokens.
    #[must_use]
    pub fn attention_flop(&self, depth: f64) -> Flop {
        self.caches.iter().map(|group| group.flop * (group.layers * group.attended(depth))).sum()
    }

    /// Cache read per sequence and step at `depth` tokens with `bytes_per_element` (2 for f16).
    #[must_use]
    pub fn cache_bytes(&self, depth: f64, bytes_per_element: f64) -> Bytes {
        Bytes(
            self.caches
                .iter()
                .map(|group| group.layers * group.elements * group.attended(depth) * bytes_per_element)
                .sum(),
        )
    }

    /// Cache growth per token in full-attention layers.
    #[must_use]
    pub fn growing_cache_bytes(&self, bytes_per_element: f64) -> Bytes {
        Bytes(
            self.caches
                .iter()
                .filter(|group| group.window.is_none())
                .map(|group| group.layers * group.elements * bytes_per_element)
                .sum(),
        )
    }

    /// Whether the model has routed experts.
    #[must_use]
    pub fn is_moe(&self) -> bool {
        !self.experts.is_empty()
    }
}
