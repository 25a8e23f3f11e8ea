//! What one model costs to run: bytes, FLOPs and cache per token, from its tensor table.
//!
//! This is the only view of a model that the predictor, the ceiling and the referee have. It is the
//! same whether the model came from the catalog, a `config.json` or a GGUF file.
//! Formulas: docs/physics.md, "Bytes and flops".

use crate::quant::Quant;
use crate::shape::{Attention, Compressed, Ffn, Latent, Linear, Mamba, Mixer, Shape};
use crate::table::tensor_table;
use crate::tensors::{Role, Tensor};
use crate::units::{Bytes, Flop};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Total parameters, prediction layers left out.
    pub params: f64,
    /// Parameters used per token (embedding table left out).
    pub active_params: f64,
    /// Weights that each decode step reads whatever the batch: all but embedding rows and routed experts; head included.
    pub fixed_bytes: Bytes,
    /// Output projection alone (part of `fixed_bytes`).
    pub head_bytes: Bytes,
    /// FLOPs per token outside the routed experts, two for each weight read; head included.
    pub fixed_flop: Flop,
    /// FLOPs of the head alone.
    pub head_flop: Flop,
    /// Layers with routed experts.
    pub experts: Vec<ExpertLayers>,
    /// Attention layers grouped by cache form.
    pub caches: Vec<CacheLayers>,
    /// Size of the fixed recurrent state of one sequence (all layers); each step reads it and writes it.
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
    /// Layers of grouped-query attention; `shares_kv` layers read another layer's cache.
    #[must_use]
    pub fn attention(layers: f64, attention: &Attention) -> Self {
        let width = (attention.key_dim + attention.value_dim) as f64;
        Self {
            layers,
            elements: if attention.shares_kv { 0.0 } else { attention.kv_heads as f64 * width },
            window: attention.window,
            flop: Flop(2.0 * attention.heads as f64 * width),
        }
    }

    /// Layers of latent attention: one vector per token serves all heads, as key and as value.
    #[must_use]
    pub fn latent(layers: f64, latent: &Latent) -> Self {
        let (rank, rope) = (latent.kv_rank as f64, latent.rope_dim as f64);
        Self {
            layers,
            elements: rank + rope,
            window: latent.indexer.map(|indexer| indexer.top),
            flop: Flop(2.0 * latent.heads as f64 * (2.0 * rank + rope)),
        }
    }

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

/// What a tensor list does not say about its model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// Model slug or file name.
    pub model: String,
    /// llama.cpp's architecture name.
    pub arch: String,
    /// Quantization label.
    pub quant: String,
    /// Layers that decoding runs; tensors of later layers (prediction heads) are stored but not read.
    pub layers: u32,
    /// Routed experts used per token; 0 where there are none.
    pub experts_used: u64,
    /// Attention layers grouped by cache form; see [`CacheLayers::attention`] and its siblings.
    pub caches: Vec<CacheLayers>,
    /// Size of all recurrent state of one sequence.
    pub state_bytes: Bytes,
    /// Longest context in tokens, where stated.
    pub context: Option<u64>,
}

impl Profile {
    /// The cost of a model with these tensors. Catalog, `config.json` and GGUF all end here.
    #[must_use]
    pub fn from_tensors(facts: ModelFacts, tensors: &[Tensor]) -> Self {
        let read: Vec<&Tensor> = tensors.iter().filter(|tensor| is_read(tensor, facts.layers)).collect();
        let tied = !tensors.iter().any(|tensor| tensor.role == Role::Output);
        let head: Vec<&Tensor> = tensors.iter().filter(|tensor| is_head(tensor, tied)).collect();
        let fixed = read.iter().filter(|tensor| tensor.role != Role::Expert);
        let head_bytes: Bytes = head.iter().map(|tensor| tensor.stored()).sum();
        let head_flop = Flop(head.iter().map(|tensor| 2.0 * tensor.size()).sum());
        let experts = group_experts(&read, facts.experts_used as f64);
        let per_expert: f64 =
            experts.iter().map(|group| group.flop.get() / 2.0 * group.layers * group.active).sum();
        Self {
            tensor_bytes: tensors.iter().map(Tensor::stored).sum(),
            params: tensors.iter().filter(|tensor| is_inside(tensor, facts.layers)).map(Tensor::size).sum(),
            active_params: fixed.clone().map(|tensor| tensor.size()).sum::<f64>()
                + head_flop.get() / 2.0
                + per_expert,
            fixed_bytes: fixed.clone().map(|tensor| tensor.stored()).sum::<Bytes>() + head_bytes,
            head_bytes,
            fixed_flop: Flop(fixed.map(|tensor| 2.0 * tensor.size()).sum()) + head_flop,
            head_flop,
            experts,
            kinds: shares_by_kind(tensors),
            model: facts.model,
            arch: facts.arch,
            quant: facts.quant,
            layers: facts.layers,
            caches: facts.caches,
            state_bytes: facts.state_bytes,
            context: facts.context,
        }
    }

    /// The cost of a model of this shape in this quantization.
    #[must_use]
    pub fn from_shape(model: &str, shape: &Shape, quant: &Quant) -> Self {
        let experts_used = shape.layers.iter().find_map(|layer| match &layer.ffn {
            Ffn::Experts(experts) => Some(experts.active),
            _ => None,
        });
        let facts = ModelFacts {
            model: model.to_owned(),
            arch: shape.arch.clone(),
            quant: quant.label.to_owned(),
            layers: shape.layers.len() as u32,
            experts_used: experts_used.unwrap_or(0),
            caches: caches(shape.layers.iter().map(|layer| &layer.mixer)),
            state_bytes: shape.layers.iter().map(|layer| state_bytes(shape.hidden, &layer.mixer)).sum(),
            context: shape.context,
        };
        Self::from_tensors(facts, &tensor_table(shape, quant))
    }

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

    /// FLOPs per token: two for each weight read (attention over the context left out).
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

/// Read in every decoding step, by all sequences together.
fn is_read(tensor: &Tensor, layers: u32) -> bool {
    is_inside(tensor, layers) && !matches!(tensor.role, Role::TokenEmbedding | Role::Output)
}

/// Part of the model proper: not of a prediction layer, not stored for other ends.
fn is_inside(tensor: &Tensor, layers: u32) -> bool {
    tensor.role != Role::Unused && tensor.layer.is_none_or(|layer| layer < layers)
}

fn is_head(tensor: &Tensor, tied: bool) -> bool {
    tensor.role == Role::Output || (tied && tensor.name == "token_embd.weight")
}

/// Layers with equal experts, in order of first appearance.
fn group_experts(read: &[&Tensor], active: f64) -> Vec<ExpertLayers> {
    let mut layers: BTreeMap<u32, ExpertLayers> = BTreeMap::new();
    for tensor in read.iter().filter(|tensor| tensor.role == Role::Expert) {
        let count = tensor.dims.last().copied().unwrap_or(1).max(1) as f64;
        let empty = ExpertLayers {
            layers: 1.0,
            count,
            active: active.min(count),
            bytes: Bytes(0.0),
            flop: Flop(0.0),
        };
        let layer = layers.entry(tensor.layer.unwrap_or(0)).or_insert(empty);
        layer.bytes = layer.bytes + tensor.stored() / count;
        layer.flop = layer.flop + Flop(2.0 * tensor.size() / count);
    }
    let mut groups: Vec<ExpertLayers> = Vec::new();
    for layer in layers.into_values() {
        match groups.iter_mut().find(|group| ExpertLayers { layers: 1.0, ..**group } == layer) {
            Some(group) => group.layers += 1.0,
            None => groups.push(layer),
        }
    }
    groups
}

fn shares_by_kind(tensors: &[Tensor]) -> Vec<(String, f64)> {
    let mut bytes: BTreeMap<&str, f64> = BTreeMap::new();
    for tensor in tensors {
        *bytes.entry(tensor.kind.name()).or_default() += tensor.stored().get();
    }
    let total: f64 = bytes.values().sum();
    let mut shares: Vec<_> = bytes.into_iter().map(|(kind, part)| (kind.to_owned(), part / total)).collect();
    shares.sort_by(|left, right| right.1.total_cmp(&left.1));
    shares
}

/// Attention layers among `mixers`, grouped by cache form.
pub(crate) fn caches<'a>(mixers: impl Iterator<Item = &'a Mixer>) -> Vec<CacheLayers> {
    let mut groups: Vec<CacheLayers> = Vec::new();
    for layer in mixers.flat_map(layer_caches) {
        match groups.iter_mut().find(|group| CacheLayers { layers: 1.0, ..**group } == layer) {
            Some(group) => group.layers += 1.0,
            None => groups.push(layer),
        }
    }
    groups
}

fn layer_caches(mixer: &Mixer) -> Vec<CacheLayers> {
    match mixer {
        Mixer::Attention(attention) => vec![CacheLayers::attention(1.0, attention)],
        Mixer::Latent(latent) => {
            let indexer = latent.indexer.map(|indexer| index_cache(indexer.heads, indexer.dim, 1.0));
            [CacheLayers::latent(1.0, latent)].into_iter().chain(indexer).collect()
        }
        Mixer::Compressed(compressed) => compressed_caches(compressed),
        Mixer::Linear(_) | Mixer::Mamba(_) | Mixer::Convolution { .. } | Mixer::None => Vec::new(),
    }
}

/// Keys of an indexer, one for each `pooled` tokens.
fn index_cache(heads: u64, dim: u64, pooled: f64) -> CacheLayers {
    let flop = Flop(2.0 * heads as f64 * dim as f64 / pooled);
    CacheLayers { layers: 1.0, elements: dim as f64 / pooled, window: None, flop }
}

/// A window of single-head entries, and pooled entries of the whole past (or the best of them).
fn compressed_caches(mixer: &Compressed) -> Vec<CacheLayers> {
    let width = mixer.head_dim as f64;
    let flop = 4.0 * mixer.heads as f64 * width;
    let recent = CacheLayers { layers: 1.0, elements: width, window: Some(mixer.window), flop: Flop(flop) };
    if mixer.ratio == 0 {
        return vec![recent];
    }
    let ratio = mixer.ratio as f64;
    let picks = mixer.ratio == 4;
    let window = picks.then_some(mixer.indexer.top * mixer.ratio);
    let pooled = CacheLayers { layers: 1.0, elements: width / ratio, window, flop: Flop(flop / ratio) };
    let indexer = picks.then(|| index_cache(mixer.indexer.heads, mixer.indexer.dim, ratio));
    [recent, pooled].into_iter().chain(indexer).collect()
}

/// Recurrent state of one layer and sequence, in F32 as llama.cpp keeps it.
pub(crate) fn state_bytes(hidden: u64, mixer: &Mixer) -> Bytes {
    let elements = match mixer {
        Mixer::Linear(linear) => linear_state(linear),
        Mixer::Mamba(mamba) => mamba_state(mamba),
        Mixer::Convolution { taps } => hidden * (taps - 1),
        _ => 0,
    };
    Bytes(4.0 * elements as f64)
}

fn linear_state(linear: &Linear) -> u64 {
    let mixed = 2 * linear.key_heads * linear.key_dim + linear.value_heads * linear.value_dim;
    linear.value_heads * linear.key_dim * linear.value_dim + mixed * (linear.taps - 1)
}

fn mamba_state(mamba: &Mamba) -> u64 {
    let inner = mamba.heads * mamba.head_dim;
    inner * mamba.state + (inner + 2 * mamba.groups * mamba.state) * (mamba.taps - 1)
}
