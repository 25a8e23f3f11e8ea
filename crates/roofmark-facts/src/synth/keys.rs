//! GGUF metadata of a shape, as llama.cpp's loader asks for it.
//!
//! Key names: `llama-arch.cpp`; which architecture reads which: `models/*.cpp` of the version in
//! Cargo.lock. Keys that an architecture does not read are ignored by it, so that most are written
//! whenever the shape has the property they name.

use super::{expert_period, has_experts};
use crate::gguf::{Metadata, Value};
use crate::shape::{Attention, Experts, Ffn, Indexer, Latent, Layer, Mixer, Shape, Streams};

/// Context length where the shape states none.
const DEFAULT_CONTEXT: u64 = 4096;

/// All keys of a model of this shape; without a vocabulary.
pub(super) fn metadata(shape: &Shape, name: &str) -> Metadata {
    let mut keys = Keys { arch: &shape.arch, out: Metadata::default() };
    keys.out.set("general.architecture", Value::text(&shape.arch));
    keys.out.set("general.name", Value::text(name));
    keys.out.set("general.quantization_version", Value::U32(2));
    keys.out.set("tokenizer.ggml.model", Value::text("no_vocab"));
    common(shape, &mut keys);
    heads(shape, &mut keys);
    windows(shape, &mut keys);
    feed_forward(shape, &mut keys);
    mixers(shape, &mut keys);
    family(shape, &mut keys);
    keys.out
}

/// Keys of one architecture being collected.
struct Keys<'a> {
    arch: &'a str,
    out: Metadata,
}

impl Keys<'_> {
    fn set(&mut self, name: &str, value: Value) {
        self.out.set(format!("{}.{name}", self.arch), value);
    }

    fn count(&mut self, name: &str, value: u64) {
        self.set(name, Value::U32(u32::try_from(value).unwrap_or(u32::MAX)));
    }

    /// One number for all layers where they agree, else a list.
    fn per_layer(&mut self, name: &str, values: &[u64]) {
        match values {
            [first, rest @ ..] if rest.iter().any(|value| value != first) => {
                let numbers: Vec<u32> =
                    values.iter().map(|&value| u32::try_from(value).unwrap_or(u32::MAX)).collect();
                self.set(name, Value::u32s(&numbers));
            }
            [first, ..] => self.count(name, *first),
            [] => {}
        }
    }

    fn float(&mut self, name: &str, value: f32) {
        self.set(name, Value::F32(value));
    }
}

fn common(shape: &Shape, keys: &mut Keys<'_>) {
    keys.count("vocab_size", shape.vocab);
    keys.count("context_length", shape.context.unwrap_or(DEFAULT_CONTEXT));
    keys.count("embedding_length", shape.hidden);
    keys.count("block_count", shape.layers.len() as u64 + u64::from(shape.prediction_layers));
    if shape.prediction_layers > 0 {
        keys.count("nextn_predict_layers", u64::from(shape.prediction_layers));
    }
    keys.float("attention.layer_norm_rms_epsilon", 1e-5);
    keys.float("attention.layer_norm_epsilon", 1e-5);
    keys.float("rope.freq_base", 10_000.0);
}

/// The layer's attention, if it is of the usual kind.
fn attention(layer: &Layer) -> Option<&Attention> {
    if let Mixer::Attention(attention) = &layer.mixer { Some(attention) } else { None }
}

fn attentions(shape: &Shape) -> impl Iterator<Item = &Attention> {
    shape.layers.iter().filter_map(attention)
}

fn heads(shape: &Shape, keys: &mut Keys<'_>) {
    let all: Vec<u64> = shape.layers.iter().map(|layer| query_heads(&layer.mixer)).collect();
    let most = all.iter().copied().max().unwrap_or(0);
    if shape.arch == "deci" {
        keys.per_layer("attention.head_count", &all);
    } else {
        keys.count("attention.head_count", most);
    }
    let cached: Vec<u64> = with_prediction(shape, |layer| kv_heads(shape, &layer.mixer));
    keys.per_layer("attention.head_count_kv", &cached);
    let full =
        attentions(shape).find(|attention| attention.window.is_none()).or_else(|| attentions(shape).next());
    if let Some(full) = full {
        keys.count("attention.key_length", full.key_dim);
        keys.count("attention.value_length", full.value_dim);
        keys.count("rope.dimension_count", full.key_dim / rotary_part(&shape.arch));
    }
}

/// One value for each layer; prediction layers repeat the last.
fn with_prediction(shape: &Shape, value: impl Fn(&Layer) -> u64) -> Vec<u64> {
    let mut values: Vec<u64> = shape.layers.iter().map(value).collect();
    if let Some(&last) = values.last() {
        values.resize(values.len() + shape.prediction_layers as usize, last);
    }
    values
}

fn query_heads(mixer: &Mixer) -> u64 {
    match mixer {
        Mixer::Attention(attention) => attention.heads,
        Mixer::Latent(latent) => latent.heads,
        Mixer::Compressed(compressed) => compressed.heads,
        Mixer::Linear(_) | Mixer::Mamba(_) | Mixer::Convolution { .. } | Mixer::None => 0,
    }
}

/// Hybrids mark recurrent layers by 0 here, except those with gated delta rule layers.
fn kv_heads(shape: &Shape, mixer: &Mixer) -> u64 {
    match mixer {
        Mixer::Attention(attention) => attention.kv_heads,
        Mixer::Latent(_) | Mixer::Compressed(_) => 1,
        Mixer::Linear(_) => attentions(shape).next().map_or(1, |attention| attention.kv_heads),
        Mixer::Mamba(_) | Mixer::Convolution { .. } | Mixer::None => 0,
    }
}

/// The part of a head that is rotated: 1/n.
fn rotary_part(arch: &str) -> u64 {
    match arch {
        "qwen3next" | "qwen35" | "qwen35moe" | "qwen4exp" => 4,
        "glm4" | "glm4moe" | "minimax-m2" => 2,
        _ => 1,
    }
}

fn windows(shape: &Shape, keys: &mut Keys<'_>) {
    let slides: Vec<bool> =
        shape.layers.iter().map(|layer| attention(layer).is_some_and(|part| part.window.is_some())).collect();
    let Some(first) = attentions(shape).find(|attention| attention.window.is_some()) else { return };
    keys.count("attention.sliding_window", first.window.unwrap_or(0));
    keys.set("attention.sliding_window_pattern", Value::bools(&slides));
    keys.count("attention.key_length_swa", first.key_dim);
    keys.count("attention.value_length_swa", first.value_dim);
    keys.count("rope.dimension_count_swa", first.key_dim / rotary_part(&shape.arch));
}

fn feed_forward(shape: &Shape, keys: &mut Keys<'_>) {
    keys.per_layer("feed_forward_length", &with_prediction(shape, |layer| width(shape, layer)));
    let routed = shape.layers.iter().find_map(|layer| experts(layer));
    if let Some(routed) = routed {
        expert_keys(shape, routed, keys);
    }
}

fn experts(layer: &Layer) -> Option<&Experts> {
    if let Ffn::Experts(experts) = &layer.ffn { Some(experts) } else { None }
}

/// Width that the loader takes for the layer; expert layers beside dense ones state the dense width.
fn width(shape: &Shape, layer: &Layer) -> u64 {
    match &layer.ffn {
        Ffn::None => 0,
        Ffn::Dense(dense) => dense.width,
        Ffn::Experts(experts) => experts.beside.or_else(|| dense_width(shape)).unwrap_or(experts.width),
    }
}

fn dense_width(shape: &Shape) -> Option<u64> {
    shape
        .layers
        .iter()
        .find_map(|layer| if let Ffn::Dense(dense) = &layer.ffn { Some(dense.width) } else { None })
}

fn expert_keys(shape: &Shape, experts: &Experts, keys: &mut Keys<'_>) {
    keys.count("expert_count", experts.count);
    keys.count("expert_used_count", experts.active);
    keys.count("expert_feed_forward_length", experts.width);
    keys.count("expert_shared_feed_forward_length", experts.shared_width);
    keys.count("expert_shared_count", experts.shared_width / experts.width);
    keys.float("expert_weights_scale", 1.0);
    keys.set("expert_weights_norm", Value::Bool(true));
    let gating = match shape.arch.as_str() {
        "deepseek4" => 4,
        "minimax-m2" => 2,
        _ => 1 + u64::from(experts.score_bias),
    };
    keys.count("expert_gating_func", gating);
    let lead = shape.layers.iter().take_while(|layer| !has_experts(layer)).count();
    let period = expert_period(shape);
    keys.count("leading_dense_block_count", if period > 1 { 0 } else { lead as u64 });
    keys.count("interleave_moe_layer_step", period as u64);
    if let Some(latent) = experts.latent {
        keys.count("moe_latent_size", latent);
    }
}

fn mixers(shape: &Shape, keys: &mut Keys<'_>) {
    let linear = |layer: &Layer| matches!(layer.mixer, Mixer::Linear(_));
    if shape.layers.iter().any(linear) {
        let mut flags: Vec<bool> = shape.layers.iter().map(linear).collect();
        flags.resize(flags.len() + shape.prediction_layers as usize, false);
        keys.set("attention.recurrent_layers", Value::bools(&flags));
    }
    for layer in &shape.layers {
        match &layer.mixer {
            Mixer::Latent(latent) => latent_keys(latent, keys),
            Mixer::Linear(part) => {
                let inner = part.value_heads * part.value_dim;
                state(keys, part.taps, inner, part.key_dim, part.value_heads, part.key_heads);
            }
            Mixer::Mamba(part) => {
                state(keys, part.taps, part.heads * part.head_dim, part.state, part.heads, part.groups);
            }
            Mixer::Convolution { taps } => keys.count("shortconv.l_cache", *taps),
            Mixer::Compressed(_) | Mixer::Attention(_) | Mixer::None => {}
        }
    }
}

fn state(keys: &mut Keys<'_>, taps: u64, inner: u64, state: u64, rank: u64, groups: u64) {
    keys.count("ssm.conv_kernel", taps);
    keys.count("ssm.inner_size", inner);
    keys.count("ssm.state_size", state);
    keys.count("ssm.time_step_rank", rank);
    keys.count("ssm.group_count", groups);
}

/// The cache holds one compressed head; the per-head sizes go under keys of their own.
fn latent_keys(latent: &Latent, keys: &mut Keys<'_>) {
    keys.count("attention.q_lora_rank", latent.q_rank.unwrap_or(0));
    keys.count("attention.kv_lora_rank", latent.kv_rank);
    keys.count("attention.key_length", latent.kv_rank + latent.rope_dim);
    keys.count("attention.value_length", latent.kv_rank);
    keys.count("attention.key_length_mla", latent.nope_dim + latent.rope_dim);
    keys.count("attention.value_length_mla", latent.value_dim);
    keys.count("rope.dimension_count", latent.rope_dim);
    if let Some(indexer) = latent.indexer {
        indexer_keys(indexer, keys);
    }
}

fn indexer_keys(indexer: Indexer, keys: &mut Keys<'_>) {
    keys.count("attention.indexer.head_count", indexer.heads);
    keys.count("attention.indexer.key_length", indexer.dim);
    keys.count("attention.indexer.top_k", indexer.top);
}

/// What single families ask for.
fn family(shape: &Shape, keys: &mut Keys<'_>) {
    let arch = shape.arch.as_str();
    if arch.starts_with("granite") || matches!(arch, "command-r" | "cohere2") {
        keys.float("logit_scale", 1.0);
    }
    if arch.starts_with("qwen3vl") || arch.starts_with("qwen35") || arch == "qwen4exp" {
        let pairs = attentions(shape).next().map_or(32, |part| part.key_dim / rotary_part(arch) / 2) as u32;
        let (height, width) = (pairs / 3, pairs / 3);
        keys.set("rope.dimension_sections", Value::u32s(&[pairs - height - width, height, width, 0]));
    }
    if arch == "gemma4" || shape.per_layer_embedding.is_some() {
        gemma_keys(shape, keys);
    }
    if arch == "deepseek4" {
        compressed_keys(shape, keys);
    }
    if let Some(streams) = &shape.streams {
        stream_keys(shape, streams, keys);
    }
}

/// Qwen 3.8 Flash.
fn stream_keys(shape: &Shape, streams: &Streams, keys: &mut Keys<'_>) {
    keys.count("hyper_connection.count", streams.count);
    keys.count("hyper_connection.low_rank", streams.rank);
    indexer_keys(streams.indexer, keys);
    let pooled = |layer: &Layer| if attention(layer).is_some() { streams.pooled as u32 } else { 0 };
    let ratios: Vec<u32> = shape.layers.iter().map(pooled).collect();
    keys.set("attention.compress_ratios", Value::u32s(&ratios));
    if !streams.fed.is_empty() {
        ngram_keys(shape.hidden, streams, keys);
    }
}

/// The n-gram table: each head has the same number of rows, one after the other. Which row an n-gram has is
/// decided by multipliers; any odd ones serve.
fn ngram_keys(hidden: u64, streams: &Streams, keys: &mut Keys<'_>) {
    let heads = (hidden / streams.row).max(1);
    let rows = streams.rows / heads;
    let fed: Vec<u32> = streams.fed.iter().map(|&layer| layer as u32).collect();
    keys.set("ple.layers", Value::u32s(&fed));
    keys.count("ple.ngram_size", streams.ngram);
    keys.count("ple.heads_per_ngram", heads / (streams.ngram - 1));
    keys.count("ple.conv_kernel", streams.taps);
    keys.count("ple.eos_token_id", 0);
    keys.count("embedding_length_per_layer_input", streams.row);
    let numbers = |count: u64, number: &dyn Fn(u64) -> u64| (0..count).map(number).collect::<Vec<_>>();
    keys.set("ple.layer_multipliers", Value::u64s(&numbers(streams.ngram, &|place| 2 * place + 1)));
    keys.set("ple.head_offsets", Value::u64s(&numbers(heads, &|head| head * rows)));
    keys.set("ple.head_vocab_sizes", Value::u64s(&numbers(heads, &|_| rows)));
}

fn gemma_keys(shape: &Shape, keys: &mut Keys<'_>) {
    keys.count("embedding_length_per_layer_input", shape.per_layer_embedding.map_or(0, |part| part.width));
    let shared = attentions(shape).filter(|attention| attention.shares_kv).count();
    keys.count("attention.shared_kv_layers", shared as u64);
}

/// DeepSeek V4. Constants that shape nothing are those of the published configuration.
fn compressed_keys(shape: &Shape, keys: &mut Keys<'_>) {
    let parts: Vec<_> = shape
        .layers
        .iter()
        .filter_map(|layer| if let Mixer::Compressed(part) = &layer.mixer { Some(part) } else { None })
        .collect();
    let Some(first) = parts.first() else { return };
    keys.count("attention.key_length", first.head_dim);
    keys.count("attention.value_length", first.head_dim);
    keys.count("rope.dimension_count", 64);
    keys.count("attention.q_lora_rank", first.q_rank);
    keys.count("attention.output_group_count", first.out_groups);
    keys.count("attention.output_lora_rank", first.out_rank);
    keys.count("attention.sliding_window", first.window);
    keys.float("attention.compress_rope_freq_base", 160_000.0);
    let ratios: Vec<u32> = parts.iter().map(|part| part.ratio as u32).collect();
    keys.set("attention.compress_ratios", Value::u32s(&ratios));
    indexer_keys(first.indexer, keys);
    keys.count("hyper_connection.count", first.streams);
    keys.count("hyper_connection.sinkhorn_iterations", 20);
    keys.float("hyper_connection.epsilon", 1e-6);
    keys.float("swiglu_clamp_exp", 7.0);
    let hashed =
        shape.layers.iter().filter(|layer| experts(layer).is_some_and(|part| part.hash_routed)).count();
    keys.count("hash_layer_count", hashed as u64);
}
