//! The feed-forward part of each layer, from the configuration.

use super::{Config, ConfigError, invalid, mixer};
use crate::shape::{Dense, Experts, Ffn};
use serde_json::Value;

pub(super) fn ffn(config: &Config, arch: &str, index: u64) -> Result<Ffn, ConfigError> {
    match arch {
        "nemotron_h" | "nemotron_h_moe" => match mixer::pattern(config, index)? {
            '-' => dense(config, index, false),
            'E' => experts(config, arch, index).map(Ffn::Experts),
            _ => Ok(Ffn::None),
        },
        "deci" => nas_ffn(config, index),
        "gemma4" => gemma4(config, arch, index),
        "lfm2" => lfm2(config),
        "llama4" if !is_sparse(config, index)? => {
            Ok(Ffn::Dense(Dense { width: config.size("intermediate_size_mlp")?, gated: true, bias: false }))
        }
        _ if count(config)?.is_some() && is_sparse(config, index)? => {
            experts(config, arch, index).map(Ffn::Experts)
        }
        "granitehybrid" => shared_dense(config),
        _ => dense(config, index, true),
    }
}

fn count(config: &Config) -> Result<Option<u64>, ConfigError> {
    for field in ["num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"] {
        if let Some(count) = config.optional(field)?.filter(|count| *count > 0) {
            return Ok(Some(count));
        }
    }
    Ok(None)
}

/// Whether layer `index` has experts, by whichever rule the configuration states.
fn is_sparse(config: &Config, index: u64) -> Result<bool, ConfigError> {
    for field in ["first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"] {
        if config.optional(field)?.is_some_and(|first| index < first) {
            return Ok(false);
        }
    }
    for field in ["decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval"] {
        if config.optional(field)?.is_some_and(|step| step > 0 && !(index + 1).is_multiple_of(step)) {
            return Ok(false);
        }
    }
    let dense = config.get("mlp_only_layers").and_then(Value::as_array);
    Ok(!dense.is_some_and(|list| list.iter().any(|layer| layer.as_u64() == Some(index))))
}

fn dense(config: &Config, index: u64, gated: bool) -> Result<Ffn, ConfigError> {
    let field = "intermediate_size";
    let width = match config.get(field).and_then(Value::as_array) {
        Some(list) => {
            list.get(index as usize).and_then(Value::as_u64).filter(|width| *width > 0 && *width < 1 << 20)
        }
        None => Some(config.size(field)?),
    };
    let width = width.ok_or_else(|| invalid(field, &Value::from(index), "one width for each layer"))?;
    Ok(Ffn::Dense(Dense { width, gated, bias: config.flag("mlp_bias").unwrap_or(false) }))
}

fn experts(config: &Config, arch: &str, index: u64) -> Result<Experts, ConfigError> {
    let Some(count) = count(config)? else { return Err(config.missing("num_experts")) };
    let active = config.first(&[
        "num_experts_per_tok",
        "num_experts_per_token",
        "top_k_experts",
        "moe_topk",
        "moe_k",
    ])?;
    if active > count {
        return Err(invalid(
            "num_experts_per_tok",
            &Value::from(active),
            &format!("at most the {count} experts"),
        ));
    }
    // In these families `intermediate_size` is the width of something else.
    let named = ["qwen", "deepseek", "glm"].iter().any(|family| arch.starts_with(family));
    let width = if named {
        config.size("moe_intermediate_size")?
    } else {
        config.first(&["moe_intermediate_size", "intermediate_size"])?
    };
    let nemotron = arch == "nemotron_h_moe";
    Ok(Experts {
        count,
        active,
        width,
        latent: config.optional("moe_latent_size")?.filter(|latent| nemotron && *latent > 0),
        gated: !nemotron,
        bias: arch == "gpt-oss",
        shared_width: shared_width(config, arch, width)?,
        shared_gate: matches!(arch, "qwen2moe" | "qwen3next" | "qwen35moe" | "qwen4exp"),
        score_bias: has_score_bias(config, arch),
        hash_routed: config.optional("num_hash_layers")?.is_some_and(|layers| index < layers),
        beside: None,
    })
}

/// Total width of the experts that all tokens use.
fn shared_width(config: &Config, arch: &str, width: u64) -> Result<u64, ConfigError> {
    if arch == "llama4" {
        return Ok(width);
    }
    for field in
        ["moe_shared_expert_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"]
    {
        if let Some(total) = config.optional(field)? {
            return Ok(total);
        }
    }
    for field in ["n_shared_experts", "moe_num_shared_experts", "num_shared_expert"] {
        if let Some(experts) = config.optional(field)? {
            return Ok(experts.saturating_mul(width).min(1 << 24));
        }
    }
    Ok(0)
}

/// DeepSeek V2 has no correction bias; its configurations name another scoring or none.
fn has_score_bias(config: &Config, arch: &str) -> bool {
    match arch {
        "deepseek2" => config.model_type != "deepseek_v2",
        "deepseek32" | "deepseek4" | "glm4moe" | "glm-dsa" | "dots1" | "minimax-m2" | "nemotron_h_moe"
        | "lfm2moe" | "ernie4_5-moe" => true,
        _ => false,
    }
}

/// Granite hybrids without experts keep their dense network under the shared expert's name.
fn shared_dense(config: &Config) -> Result<Ffn, ConfigError> {
    let width = config.first(&["shared_intermediate_size", "intermediate_size"])?;
    Ok(Ffn::Dense(Dense { width, gated: true, bias: false }))
}

/// Gemma 4: the dense network runs beside the experts, and may be twice as wide on shared layers.
fn gemma4(config: &Config, arch: &str, index: u64) -> Result<Ffn, ConfigError> {
    let base = config.size("intermediate_size")?;
    let shared = config.optional("num_kv_shared_layers")?.unwrap_or(0);
    let late = index >= config.size("num_hidden_layers")?.saturating_sub(shared);
    let wide = shared > 0 && late && config.flag("use_double_wide_mlp").unwrap_or(false);
    let width = if wide { base * 2 } else { base };
    if !config.flag("enable_moe_block").unwrap_or(false) {
        return Ok(Ffn::Dense(Dense { width, gated: true, bias: false }));
    }
    Ok(Ffn::Experts(Experts { shared_width: 0, beside: Some(width), ..experts(config, arch, index)? }))
}

/// LFM2 states a width that is cut to two thirds and rounded up to a multiple.
fn lfm2(config: &Config) -> Result<Ffn, ConfigError> {
    let stated = config.first(&["block_ff_dim", "intermediate_size"])?;
    let mut width = stated;
    if config.flag("block_auto_adjust_ff_dim").unwrap_or(false) {
        let factor = config.get("block_ffn_dim_multiplier").and_then(Value::as_f64).unwrap_or(1.0);
        let multiple = config.size("block_multiple_of")?;
        width = ((2 * stated / 3) as f64 * factor) as u64;
        width = width.div_ceil(multiple) * multiple;
    }
    Ok(Ffn::Dense(Dense { width, gated: true, bias: false }))
}

/// Nemotron NAS: width = 2/3 · 2 · multiple · hidden, rounded up to 256; a block may be skipped.
fn nas_ffn(config: &Config, index: u64) -> Result<Ffn, ConfigError> {
    let block = mixer::nas_block(config, index, "ffn")?;
    if block.get("no_op").and_then(Value::as_bool) == Some(true) {
        return Ok(Ffn::None);
    }
    let multiple =
        block.get("ffn_mult").and_then(Value::as_f64).filter(|multiple| (0.0..1000.0).contains(multiple));
    let multiple = multiple.ok_or_else(|| config.missing("block_configs.ffn.ffn_mult"))?;
    let raw = (2.0 * multiple * config.size("hidden_size")? as f64 / 3.0) as u64;
    Ok(Ffn::Dense(Dense { width: raw.div_ceil(256) * 256, gated: true, bias: false }))
}
