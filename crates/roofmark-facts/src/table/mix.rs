//! Tensors of the token mixers.

use super::List;
use crate::shape::{Attention, Compressed, Indexer, Latent, Linear, Mamba, Mixer, QkNorm, Shape};

pub(super) fn push(shape: &Shape, mixer: &Mixer, list: &mut List) {
    let hidden = shape.hidden;
    match mixer {
        Mixer::Attention(attention) => push_attention(shape, attention, list),
        Mixer::Latent(latent) => push_latent(hidden, latent, list),
        Mixer::Compressed(compressed) => push_compressed(hidden, compressed, list),
        Mixer::Linear(linear) => push_linear(&shape.arch, hidden, linear, list),
        Mixer::Mamba(mamba) => push_mamba(hidden, mamba, list),
        Mixer::Convolution { taps } => {
            list.part("shortconv.conv.weight", &[*taps, hidden]);
            list.part("shortconv.in_proj.weight", &[hidden, 3 * hidden]);
            list.part("shortconv.out_proj.weight", &[hidden, hidden]);
        }
        Mixer::None => {}
    }
}

fn push_attention(shape: &Shape, attention: &Attention, list: &mut List) {
    let hidden = shape.hidden;
    let output = attention.heads * attention.value_dim;
    let query = attention.heads * attention.key_dim * if attention.output_gate { 2 } else { 1 };
    let (key, value) = (attention.kv_heads * attention.key_dim, attention.kv_heads * attention.value_dim);
    let borrows = attention.shares_kv && shape.arch == "gemma4";
    if shape.arch == "phi3" {
        list.part("attn_qkv.weight", &[hidden, query + key + value]);
    } else {
        list.part("attn_q.weight", &[hidden, query]);
        if !borrows {
            list.part("attn_k.weight", &[hidden, key]);
        }
        if !(borrows || attention.value_is_key) {
            list.part("attn_v.weight", &[hidden, value]);
        }
    }
    list.part("attn_output.weight", &[output, hidden]);
    push_attention_biases(hidden, attention, [query, key, value], list);
    push_qk_norms(shape, attention, [query, key], list);
    if attention.sinks {
        list.part("attn_sinks.weight", &[attention.heads]);
    }
}

fn push_attention_biases(hidden: u64, attention: &Attention, widths: [u64; 3], list: &mut List) {
    if attention.qkv_bias {
        for (name, width) in ["attn_q.bias", "attn_k.bias", "attn_v.bias"].into_iter().zip(widths) {
            list.part(name, &[width]);
        }
    }
    if attention.output_bias {
        list.part("attn_output.bias", &[hidden]);
    }
}

fn push_qk_norms(shape: &Shape, attention: &Attention, [query, key]: [u64; 2], list: &mut List) {
    let (query, key): (Vec<u64>, Vec<u64>) = match attention.qk_norm {
        QkNorm::None => return,
        QkNorm::Head => (vec![attention.key_dim], vec![attention.key_dim]),
        QkNorm::Row => (vec![query], vec![key]),
        QkNorm::EachHead => {
            (vec![attention.key_dim, attention.heads], vec![attention.key_dim, attention.kv_heads])
        }
    };
    list.part("attn_q_norm.weight", &query);
    if !(attention.shares_kv && shape.arch == "gemma4") {
        list.part("attn_k_norm.weight", &key);
    }
}

fn push_latent(hidden: u64, latent: &Latent, list: &mut List) {
    let query = latent.heads * (latent.nope_dim + latent.rope_dim);
    match latent.q_rank {
        Some(rank) => {
            list.part("attn_q_a.weight", &[hidden, rank]);
            list.part("attn_q_a_norm.weight", &[rank]);
            list.part("attn_q_b.weight", &[rank, query]);
        }
        None => list.part("attn_q.weight", &[hidden, query]),
    }
    list.part("attn_kv_a_mqa.weight", &[hidden, latent.kv_rank + latent.rope_dim]);
    list.part("attn_kv_a_norm.weight", &[latent.kv_rank]);
    list.part("attn_k_b.weight", &[latent.nope_dim, latent.kv_rank, latent.heads]);
    list.part("attn_v_b.weight", &[latent.kv_rank, latent.value_dim, latent.heads]);
    list.part("attn_output.weight", &[latent.heads * latent.value_dim, hidden]);
    if let Some(indexer) = latent.indexer {
        push_indexer(hidden, latent.q_rank.unwrap_or(hidden), indexer, list);
    }
}

fn push_indexer(hidden: u64, q_rank: u64, indexer: Indexer, list: &mut List) {
    list.part("indexer.k_norm.weight", &[indexer.dim]);
    list.part("indexer.k_norm.bias", &[indexer.dim]);
    list.part("indexer.proj.weight", &[hidden, indexer.heads]);
    list.part("indexer.attn_k.weight", &[hidden, indexer.dim]);
    list.part("indexer.attn_q_b.weight", &[q_rank, indexer.heads * indexer.dim]);
}

fn push_compressed(hidden: u64, mixer: &Compressed, list: &mut List) {
    let width = mixer.heads * mixer.head_dim;
    list.part("attn_sinks.weight", &[mixer.heads]);
    list.part("attn_q_a.weight", &[hidden, mixer.q_rank]);
    list.part("attn_q_a_norm.weight", &[mixer.q_rank]);
    list.part("attn_q_b.weight", &[mixer.q_rank, width]);
    list.part("attn_kv.weight", &[hidden, mixer.head_dim]);
    list.part("attn_kv_a_norm.weight", &[mixer.head_dim]);
    list.part("attn_output_a.weight", &[width / mixer.out_groups, mixer.out_rank * mixer.out_groups]);
    list.part("attn_output_b.weight", &[mixer.out_groups * mixer.out_rank, hidden]);
    let mixed = (2 + mixer.streams) * mixer.streams;
    for half in ["hc_attn", "hc_ffn"] {
        list.part(&format!("{half}_fn.weight"), &[mixer.streams * hidden, mixed]);
        list.part(&format!("{half}_base.weight"), &[mixed]);
        list.part(&format!("{half}_scale.weight"), &[3]);
    }
    if mixer.ratio > 0 {
        push_compressor(hidden, mixer, list);
    }
}

fn push_compressor(hidden: u64, mixer: &Compressed, list: &mut List) {
    let overlapping = mixer.ratio == 4;
    let width = if overlapping { 2 * mixer.head_dim } else { mixer.head_dim };
    list.part("attn_compressor_kv.weight", &[hidden, width]);
    list.part("attn_compressor_gate.weight", &[hidden, width]);
    list.part("attn_compressor_ape.weight", &[width, mixer.ratio]);
    list.part("attn_compressor_norm.weight", &[mixer.head_dim]);
    if !overlapping {
        return;
    }
    let Indexer { heads, dim, .. } = mixer.indexer;
    list.part("indexer.proj.weight", &[hidden, heads]);
    list.part("indexer.attn_q_b.weight", &[mixer.q_rank, heads * dim]);
    list.part("indexer_compressor_kv.weight", &[hidden, 2 * dim]);
    list.part("indexer_compressor_gate.weight", &[hidden, 2 * dim]);
    list.part("indexer_compressor_ape.weight", &[2 * dim, mixer.ratio]);
    list.part("indexer_compressor_norm.weight", &[dim]);
}

fn push_linear(arch: &str, hidden: u64, linear: &Linear, list: &mut List) {
    let (key, value) = (linear.key_heads * linear.key_dim, linear.value_heads * linear.value_dim);
    list.part("attn_qkv.weight", &[hidden, 2 * key + value]);
    list.part("attn_gate.weight", &[hidden, value]);
    list.part("ssm_conv1d.weight", &[linear.taps, 2 * key + value]);
    list.part("ssm_dt.bias", &[linear.value_heads]);
    list.part("ssm_a", &[linear.value_heads]);
    if arch == "qwen3next" {
        list.part("ssm_ba.weight", &[hidden, 2 * linear.value_heads]);
    } else {
        list.part("ssm_beta.weight", &[hidden, linear.value_heads]);
        list.part("ssm_alpha.weight", &[hidden, linear.value_heads]);
    }
    list.part("ssm_norm.weight", &[linear.value_dim]);
    list.part("ssm_out.weight", &[value, hidden]);
}

fn push_mamba(hidden: u64, mamba: &Mamba, list: &mut List) {
    let inner = mamba.heads * mamba.head_dim;
    let mixed = inner + 2 * mamba.groups * mamba.state;
    list.part("ssm_in.weight", &[hidden, inner + mixed + mamba.heads]);
    list.part("ssm_conv1d.weight", &[mamba.taps, mixed]);
    list.part("ssm_conv1d.bias", &[mixed]);
    list.part("ssm_dt.bias", &[mamba.heads]);
    list.part("ssm_a", &[1, mamba.heads]);
    list.part("ssm_d", &[1, mamba.heads]);
    list.part("ssm_norm.weight", &[inner / mamba.groups, mamba.groups]);
    list.part("ssm_out.weight", &[inner, hidden]);
}
