//! Tensor tables from shapes: every tensor of a model with the name and dimensions that llama.cpp
//! loads, in the types of a quantization.
//!
//! Names and dimensions were read off llama.cpp's loader (`llama-arch.cpp` and `models/*.cpp` of the
//! version in Cargo.lock). Dimensions are in ggml's order: row length first.

mod feed;
mod mix;

use crate::quant::Quant;
use crate::shape::{AltUp, Ffn, Layer, Mixer, PerLayerEmbedding, Shape, Streams};
use crate::tensor_type::TensorType;
use crate::tensors::Tensor;

/// All tensors of a model of this shape in this quantization.
#[must_use]
pub fn tensor_table(shape: &Shape, quant: &Quant) -> Vec<Tensor> {
    let mut tensors = unquantized(shape);
    quant.assign(shape, &mut tensors);
    tensors
}

/// All tensors with everything in F32.
fn unquantized(shape: &Shape) -> Vec<Tensor> {
    let mut list = List::default();
    list.add("token_embd.weight", &[shape.hidden, shape.vocab]);
    if let Some(embedding) = shape.per_layer_embedding {
        per_layer_tables(shape, embedding, &mut list);
    }
    for (index, layer) in shape.layers.iter().enumerate() {
        list.layer = index;
        push_layer(shape, layer, &mut list);
    }
    prediction_layers(shape, &mut list);
    if let Some(width) = proportional_rope(shape) {
        list.add("rope_freqs.weight", &[width / 2]);
    }
    if let Some(streams) = &shape.streams {
        push_stream_tables(shape.hidden, streams, &mut list);
    }
    let last = if shape.arch.starts_with("lfm2") { "token_embd_norm.weight" } else { "output_norm.weight" };
    if shape.streams.is_none() {
        list.add(last, &[shape.hidden]);
    }
    if !shape.tied {
        list.add("output.weight", &[shape.hidden, shape.vocab]);
    }
    if let Some(Mixer::Compressed(mixer)) = shape.layers.first().map(|layer| &layer.mixer) {
        list.add("output_hc_fn.weight", &[mixer.streams * shape.hidden, mixer.streams]);
        list.add("output_hc_base.weight", &[mixer.streams]);
        list.add("output_hc_scale.weight", &[1]);
    }
    list.tensors
}

/// Gemma 4 stores rotary frequencies for its full-attention layers: elements of their heads.
fn proportional_rope(shape: &Shape) -> Option<u64> {
    let full = shape.layers.iter().find_map(|layer| match &layer.mixer {
        Mixer::Attention(attention) if attention.window.is_none() => Some(attention.key_dim),
        _ => None,
    });
    full.filter(|_| shape.arch == "gemma4")
}

fn per_layer_tables(shape: &Shape, embedding: PerLayerEmbedding, list: &mut List) {
    let width = embedding.width * shape.layers.len() as u64;
    list.add("per_layer_token_embd.weight", &[width, embedding.vocab]);
    list.add("per_layer_model_proj.weight", &[shape.hidden, width]);
    list.add("per_layer_proj_norm.weight", &[embedding.width]);
    if let Some(altup) = embedding.altup {
        list.add("altup_proj.weight", &[shape.hidden, shape.hidden, altup.inputs - 1]);
        list.add("altup_unembd_proj.weight", &[shape.hidden, shape.hidden, altup.inputs - 1]);
    }
}

fn push_layer(shape: &Shape, layer: &Layer, list: &mut List) {
    for norm in norms(&shape.arch).iter().filter(|norm| is_kept(norm, shape, layer)) {
        list.part(norm, &[shape.hidden]);
    }
    mix::push(shape, &layer.mixer, list);
    feed::push(shape, &layer.ffn, list);
    if let Some(streams) = &shape.streams {
        push_streams(shape.hidden, streams, matches!(layer.mixer, Mixer::Attention(_)), list);
    }
    if let Some(embedding) = shape.per_layer_embedding {
        list.part("inp_gate.weight", &[shape.hidden, embedding.width]);
        list.part("proj.weight", &[embedding.width, shape.hidden]);
        list.part("post_norm.weight", &[shape.hidden]);
        if let Some(altup) = embedding.altup {
            push_altup(shape.hidden, altup, list);
        }
    }
    if shape.arch == "gemma4" {
        list.part("layer_output_scale.weight", &[1]);
    }
}

/// The n-gram table and the mixer that ends the streams.
fn push_stream_tables(hidden: u64, streams: &Streams, list: &mut List) {
    let wide = streams.count * hidden;
    list.add("per_layer_token_embd.weight", &[streams.row, streams.rows]);
    list.add("output_hc_norm.weight", &[hidden, streams.count]);
    list.add("output_hc_down.weight", &[wide, streams.rank]);
    list.add("output_hc_up.weight", &[streams.rank, wide]);
}

/// Mixers of the streams around both halves of a layer, its indexer and its n-grams.
fn push_streams(hidden: u64, streams: &Streams, attends: bool, list: &mut List) {
    let wide = streams.count * hidden;
    for half in ["hc_attn", "hc_ffn"] {
        list.part(&format!("{half}_norm.weight"), &[hidden, streams.count]);
        list.part(&format!("{half}_down.weight"), &[wide, streams.rank]);
        list.part(&format!("{half}_up.weight"), &[streams.rank, wide]);
        list.part(&format!("{half}_inject.weight"), &[wide, streams.count]);
    }
    if attends {
        list.part("indexer.q_proj.weight", &[hidden, streams.indexer.heads * streams.indexer.dim]);
        list.part("indexer.k_proj.weight", &[hidden, streams.indexer.dim]);
        list.part("indexer.q_norm.weight", &[streams.indexer.dim]);
        list.part("indexer.k_norm.weight", &[streams.indexer.dim]);
    }
    if streams.fed.contains(&(list.layer as u64)) {
        list.part("ple_key.weight", &[hidden, wide]);
        list.part("ple_value.weight", &[hidden, hidden]);
        for norm in ["ple_norm_key.weight", "ple_norm_query.weight", "ple_norm_conv.weight"] {
            list.part(norm, &[hidden, streams.count]);
        }
        list.part("ple_conv1d.weight", &[streams.taps, wide]);
    }
}

/// Nemotron NAS drops the norm together with the half of the layer that it drops.
fn is_kept(norm: &str, shape: &Shape, layer: &Layer) -> bool {
    let half_is_there =
        if norm.starts_with("attn") { layer.mixer != Mixer::None } else { layer.ffn != Ffn::None };
    shape.arch != "deci" || half_is_there
}

fn push_altup(hidden: u64, altup: AltUp, list: &mut List) {
    let inputs = altup.inputs;
    list.part("altup_correct_coef.weight", &[inputs, inputs]);
    list.part("altup_correct_scale.weight", &[hidden]);
    list.part("altup_predict_coef.weight", &[inputs, inputs * inputs]);
    list.part("altup_router.weight", &[hidden, inputs]);
    list.part("altup_router_norm.weight", &[hidden]);
    list.part("laurel_l.weight", &[hidden, altup.laurel_rank]);
    list.part("laurel_r.weight", &[altup.laurel_rank, hidden]);
    list.part("laurel_post_norm.weight", &[hidden]);
}

/// Norms around the two halves of a layer.
fn norms(arch: &str) -> &'static [&'static str] {
    match arch {
        "qwen3next" | "qwen35" | "qwen35moe" | "gpt-oss" | "glm4moe" | "seed_oss" => {
            &["attn_norm.weight", "post_attention_norm.weight"]
        }
        "gemma2" | "gemma3" | "gemma3n" | "gemma4" | "glm4" => {
            &["attn_norm.weight", "post_attention_norm.weight", "ffn_norm.weight", "post_ffw_norm.weight"]
        }
        "qwen4exp" => &[],
        "olmo2" | "exaone4" => &["post_attention_norm.weight", "post_ffw_norm.weight"],
        "command-r" | "cohere2" | "nemotron_h" | "nemotron_h_moe" => &["attn_norm.weight"],
        _ => &["attn_norm.weight", "ffn_norm.weight"],
    }
}

/// Prediction layers repeat the last layer and add their input projection.
fn prediction_layers(shape: &Shape, list: &mut List) {
    let Some(last) = shape.layers.last() else { return };
    for extra in 0..shape.prediction_layers as usize {
        list.layer = shape.layers.len() + extra;
        push_layer(shape, last, list);
        list.part("nextn.eh_proj.weight", &[2 * shape.hidden, shape.hidden]);
        for norm in ["nextn.enorm.weight", "nextn.hnorm.weight", "nextn.shared_head_norm.weight"] {
            list.part(norm, &[shape.hidden]);
        }
    }
}

/// Tensors being listed, and the layer that parts go to.
#[derive(Default)]
struct List {
    tensors: Vec<Tensor>,
    layer: usize,
}

impl List {
    fn add(&mut self, name: &str, dims: &[u64]) {
        self.tensors.push(Tensor::named(name.to_owned(), dims.to_vec(), TensorType::F32));
    }

    fn part(&mut self, name: &str, dims: &[u64]) {
        let name = format!("blk.{}.{name}", self.layer);
        self.tensors.push(Tensor::named(name, dims.to_vec(), TensorType::F32));
    }
}
