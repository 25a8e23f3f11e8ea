//! The token mixer of each layer, from the configuration.

use super::{Config, ConfigError, invalid};
use crate::shape::{Attention, Compressed, Indexer, Latent, Linear, Mamba, Mixer, QkNorm};
use serde_json::Value;

pub(super) fn mixer(config: &Config, arch: &str, index: u64) -> Result<Mixer, ConfigError> {
    match arch {
        "deepseek2" | "deepseek32" | "glm-dsa" | "mistral4" => latent(config, arch).map(Mixer::Latent),
        "deepseek4" => compressed(config, index).map(Mixer::Compressed),
        "qwen3next" | "qwen35" | "qwen35moe" | "qwen4exp" if !is_full_of_hybrid(config, index)? => {
            linear(config).map(Mixer::Linear)
        }
        "nemotron_h" | "nemotron_h_moe" => match pattern(config, index)? {
            'M' => mamba(config).map(Mixer::Mamba),
            '*' => attention(config, arch, index).map(Mixer::Attention),
            _ => Ok(Mixer::None),
        },
        "granitehybrid" if config.word("layer_types", index)? == Some("mamba") => {
            mamba(config).map(Mixer::Mamba)
        }
        "lfm2" | "lfm2moe" if config.word("layer_types", index)? == Some("conv") => {
            Ok(Mixer::Convolution { taps: config.size("conv_L_cache")? })
        }
        "deci" => nas_attention(config, index),
        _ => attention(config, arch, index).map(Mixer::Attention),
    }
}

/// Letter of layer `index` in `hybrid_override_pattern` (Nemotron-H): M, *, - or E.
pub(super) fn pattern(config: &Config, index: u64) -> Result<char, ConfigError> {
    let field = "hybrid_override_pattern";
    let value = config.get(field).ok_or_else(|| config.missing(field))?;
    let letter = value.as_str().and_then(|text| text.chars().nth(index as usize));
    letter.ok_or_else(|| invalid(field, value, "one letter for each layer"))
}

fn is_full_of_hybrid(config: &Config, index: u64) -> Result<bool, ConfigError> {
    if let Some(word) = config.word("layer_types", index)? {
        return Ok(word == "full_attention");
    }
    Ok((index + 1).is_multiple_of(config.size("full_attention_interval")?))
}

fn attention(config: &Config, arch: &str, index: u64) -> Result<Attention, ConfigError> {
    let heads = config.size("num_attention_heads")?;
    let global = arch == "gemma4" && window(config, arch, index)?.is_none();
    let head_dim = match config.optional(if global { "global_head_dim" } else { "head_dim" })? {
        Some(dim) if dim > 0 => dim,
        _ => default_head_dim(config, heads)?,
    };
    let kv_heads = match config.optional("num_global_key_value_heads")? {
        Some(count) if global && count > 0 => count,
        _ => config.optional("num_key_value_heads")?.unwrap_or(heads),
    };
    if kv_heads == 0 || heads % kv_heads != 0 {
        return Err(invalid(
            "num_key_value_heads",
            &Value::from(kv_heads),
            "a divisor of num_attention_heads",
        ));
    }
    let biased = config.flag("attention_bias").or_else(|| config.flag("use_bias")).unwrap_or(false);
    Ok(Attention {
        heads,
        kv_heads,
        key_dim: head_dim,
        value_dim: head_dim,
        window: window(config, arch, index)?,
        output_gate: matches!(arch, "qwen3next" | "qwen35" | "qwen35moe" | "qwen4exp"),
        qkv_bias: config.flag("attention_bias").unwrap_or(matches!(arch, "qwen2" | "qwen2moe" | "gpt-oss"))
            || (biased && arch == "ernie4_5"),
        output_bias: output_bias(config, arch, biased),
        qk_norm: qk_norm(config, arch),
        sinks: arch == "gpt-oss",
        shares_kv: shares_kv(config, index)?,
        value_is_key: global && config.flag("attention_k_eq_v").unwrap_or(false),
    })
}

fn default_head_dim(config: &Config, heads: u64) -> Result<u64, ConfigError> {
    let hidden = config.size("hidden_size")?;
    if hidden % heads != 0 {
        return Err(config.missing("head_dim"));
    }
    Ok(hidden / heads)
}

fn output_bias(config: &Config, arch: &str, biased: bool) -> bool {
    match arch {
        "gpt-oss" => true,
        "llama" | "granite" | "mistral3" | "ernie4_5" => biased,
        _ => config.flag("attention_out_bias").unwrap_or(false),
    }
}

fn qk_norm(config: &Config, arch: &str) -> QkNorm {
    let asked = config.flag("use_qk_norm").unwrap_or(false);
    match arch {
        "olmo2" | "minimax-m2" => QkNorm::Row,
        "qwen3" | "qwen3moe" | "qwen3vl" | "qwen3vlmoe" | "qwen3next" | "qwen35" | "qwen35moe"
        | "qwen4exp" | "gemma3" | "gemma3n" | "gemma4" | "lfm2" | "lfm2moe" | "dots1" | "exaone4"
        | "hunyuan-moe" => QkNorm::Head,
        "command-r" if asked => QkNorm::EachHead,
        "glm4moe" if asked => QkNorm::Head,
        _ => QkNorm::None,
    }
}

fn shares_kv(config: &Config, index: u64) -> Result<bool, ConfigError> {
    let shared = config.optional("num_kv_shared_layers")?.unwrap_or(0);
    Ok(shared > 0 && index >= config.size("num_hidden_layers")?.saturating_sub(shared))
}

/// Tokens that layer `index` keeps; `None` for full attention.
fn window(config: &Config, arch: &str, index: u64) -> Result<Option<u64>, ConfigError> {
    if arch == "qwen4exp" {
        return config.optional("indexer_budget");
    }
    if arch == "llama4" {
        let full = config
            .optional("no_rope_layer_interval")?
            .is_some_and(|step| step > 0 && (index + 1).is_multiple_of(step));
        return Ok(if full { None } else { config.optional("attention_chunk_size")? });
    }
    let Some(width) = config.optional("sliding_window")?.filter(|width| *width > 0) else { return Ok(None) };
    if config.get("layer_types").is_some() {
        let slides = config.word("layer_types", index)? == Some("sliding_attention");
        return Ok(slides.then_some(width));
    }
    let period = match config.get("sliding_window_pattern") {
        Some(value) if value.is_u64() => value.as_u64().unwrap_or(0),
        _ => default_period(arch),
    };
    Ok((period > 1 && !(index + 1).is_multiple_of(period)).then_some(width))
}

/// Every n-th layer is full where the configuration states no pattern; 0: the window is not used.
fn default_period(arch: &str) -> u64 {
    match arch {
        "gemma2" => 2,
        "gemma3" | "gemma4" => 6,
        "gemma3n" => 5,
        "gpt-oss" => 2,
        "cohere2" | "exaone4" => 4,
        _ => 0,
    }
}

fn latent(config: &Config, arch: &str) -> Result<Latent, ConfigError> {
    let indexer = match arch {
        "deepseek32" | "glm-dsa" => Some(indexer(config)?),
        _ => None,
    };
    Ok(Latent {
        heads: config.size("num_attention_heads")?,
        q_rank: config.optional("q_lora_rank")?.filter(|rank| *rank > 0),
        kv_rank: config.size("kv_lora_rank")?,
        nope_dim: config.size("qk_nope_head_dim")?,
        rope_dim: config.size("qk_rope_head_dim")?,
        value_dim: config.size("v_head_dim")?,
        indexer,
    })
}

fn indexer(config: &Config) -> Result<Indexer, ConfigError> {
    Ok(Indexer {
        heads: config.size("index_n_heads")?,
        dim: config.size("index_head_dim")?,
        top: config.size("index_topk")?,
    })
}

fn compressed(config: &Config, index: u64) -> Result<Compressed, ConfigError> {
    let field = "compress_ratios";
    let ratios = config.get(field).ok_or_else(|| config.missing(field))?;
    let ratio =
        ratios.get(index as usize).and_then(Value::as_u64).filter(|ratio| matches!(ratio, 0 | 4 | 128));
    Ok(Compressed {
        heads: config.size("num_attention_heads")?,
        head_dim: config.size("head_dim")?,
        q_rank: config.size("q_lora_rank")?,
        out_groups: config.size("o_groups")?,
        out_rank: config.size("o_lora_rank")?,
        window: config.size("sliding_window")?,
        ratio: ratio.ok_or_else(|| invalid(field, ratios, "0, 4 or 128 for each layer"))?,
        indexer: indexer(config)?,
        streams: config.size("hc_mult")?,
    })
}

fn linear(config: &Config) -> Result<Linear, ConfigError> {
    Ok(Linear {
        key_heads: config.size("linear_num_key_heads")?,
        value_heads: config.size("linear_num_value_heads")?,
        key_dim: config.size("linear_key_head_dim")?,
        value_dim: config.size("linear_value_head_dim")?,
        taps: config.size("linear_conv_kernel_dim")?,
    })
}

fn mamba(config: &Config) -> Result<Mamba, ConfigError> {
    Ok(Mamba {
        heads: config.first(&["mamba_num_heads", "mamba_n_heads"])?,
        head_dim: config.first(&["mamba_head_dim", "mamba_d_head"])?,
        state: config.first(&["ssm_state_size", "mamba_d_state"])?,
        groups: config.first(&["n_groups", "mamba_n_groups"])?,
        taps: config.first(&["conv_kernel", "mamba_d_conv"])?,
    })
}

/// One entry of `block_configs` (Nemotron NAS): attention may be skipped and group sizes vary.
fn nas_attention(config: &Config, index: u64) -> Result<Mixer, ConfigError> {
    let block = nas_block(config, index, "attention")?;
    if block.get("no_op").and_then(Value::as_bool) == Some(true) {
        return Ok(Mixer::None);
    }
    let group = block.get("n_heads_in_group").and_then(Value::as_u64).filter(|group| *group > 0);
    let group = group.ok_or_else(|| config.missing("block_configs.attention.n_heads_in_group"))?;
    let heads = config.size("num_attention_heads")?;
    let mut attention = attention(config, "llama", index)?;
    attention.kv_heads = (heads / group).max(1);
    Ok(Mixer::Attention(attention))
}

pub(super) fn nas_block<'a>(config: &Config<'a>, index: u64, part: &str) -> Result<&'a Value, ConfigError> {
    let blocks = config.get("block_configs").ok_or_else(|| config.missing("block_configs"))?;
    let block = blocks.get(index as usize).and_then(|block| block.get(part));
    block.ok_or_else(|| {
        invalid("block_configs", &Value::from(index), &format!("an entry with `{part}` for each layer"))
    })
}
