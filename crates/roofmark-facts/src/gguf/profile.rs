//! What a GGUF file says of the cost of its model: roles from tensor names, cache geometry from
//! metadata, bytes from the tensor table.
//!
//! Which architecture slides which layers, where the file does not say: llama.cpp's `models/*.cpp`.

use super::{GgufError, Metadata, TensorTable};
use crate::gguf::Value;
use crate::profile::{ModelFacts, Profile, caches, state_bytes};
use crate::shape::{Attention, Compressed, Indexer, Latent, Linear, Mamba, Mixer, QkNorm};
use crate::tensors::Tensor;
use crate::units::Bytes;
use std::collections::{HashMap, HashSet};

/// Most layers that a file may state; no model has as many.
const MOST_LAYERS: u64 = 4096;
/// Largest dimension that a key may state.
const LARGEST: u64 = 1 << 32;

/// The cost of the model in `table`; `model` is its name on screen.
///
/// # Errors
/// When a key that the cost needs is missing, of the wrong type or absurd.
pub fn profile(model: &str, table: &TensorTable) -> Result<Profile, GgufError> {
    let metadata = &table.metadata;
    let arch =
        metadata.text("general.architecture")?.ok_or_else(|| missing("general.architecture".to_owned()))?;
    let keys = Keys { arch, metadata };
    let stored = keys.need("block_count")?;
    if stored > MOST_LAYERS {
        return Err(keys.bad("block_count", stored, "no model has as many layers"));
    }
    let layers = stored.saturating_sub(keys.count("nextn_predict_layers")?.unwrap_or(0));
    let names: HashSet<&str> = table.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let mixers = mixers(&keys, &names, layers as usize)?;
    let hidden = keys.need("embedding_length")?;
    let tensors: Vec<Tensor> = table
        .tensors
        .iter()
        .map(|tensor| Tensor::named(tensor.name.clone(), tensor.dims.clone(), tensor.kind))
        .collect();
    let facts = ModelFacts {
        model: model.to_owned(),
        arch: arch.to_owned(),
        quant: quant_label(table)?,
        layers: layers as u32,
        experts_used: experts_used(&keys, layers as usize)?,
        caches: caches(mixers.iter()),
        state_bytes: mixers.iter().map(|mixer| state_bytes(hidden, mixer)).sum::<Bytes>(),
        context: keys.count("context_length")?,
    };
    Ok(Profile::from_tensors(facts, &tensors))
}

fn missing(key: String) -> GgufError {
    GgufError::MissingKey { key }
}

/// Metadata under the name of one architecture.
struct Keys<'a> {
    arch: &'a str,
    metadata: &'a Metadata,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.arch)
    }

    fn bad(&self, name: &str, value: u64, reason: &'static str) -> GgufError {
        GgufError::BadValue { key: self.key(name), value: value.to_string(), reason }
    }

    fn count(&self, name: &str) -> Result<Option<u64>, GgufError> {
        let count = self.metadata.count(&self.key(name))?;
        match count {
            Some(value) if value > LARGEST => Err(self.bad(name, value, "no dimension is as large")),
            _ => Ok(count),
        }
    }

    fn need(&self, name: &str) -> Result<u64, GgufError> {
        self.count(name)?.ok_or_else(|| missing(self.key(name)))
    }

    /// A number for each layer, bounded.
    fn per_layer(&self, name: &str, layers: usize) -> Result<Option<Vec<u64>>, GgufError> {
        let values = self.metadata.per_layer(&self.key(name), layers)?;
        match values.iter().flatten().find(|&&value| value > LARGEST) {
            Some(&value) => Err(self.bad(name, value, "no dimension is as large")),
            None => Ok(values),
        }
    }
}

/// Experts per token; where layers differ, their mean rounded up.
fn experts_used(keys: &Keys<'_>, layers: usize) -> Result<u64, GgufError> {
    let used = keys.per_layer("expert_used_count", layers)?.unwrap_or_default();
    let routed: Vec<u64> = used.into_iter().filter(|&used| used > 0).collect();
    Ok(if routed.is_empty() { 0 } else { routed.iter().sum::<u64>().div_ceil(routed.len() as u64) })
}

/// How the layers mix tokens, as far as it decides the cache.
fn mixers(keys: &Keys<'_>, names: &HashSet<&str>, layers: usize) -> Result<Vec<Mixer>, GgufError> {
    let heads = Heads::read(keys, layers)?;
    (0..layers)
        .map(|layer| {
            let has = |part: &str| names.contains(format!("blk.{layer}.{part}").as_str());
            if has("attn_kv_a_mqa.weight") && keys.count("attention.key_length_mla")?.is_some() {
                latent(keys, heads.query[layer]).map(Mixer::Latent)
            } else if has("hc_attn_fn.weight") {
                compressed(keys, layer, heads.query[layer]).map(Mixer::Compressed)
            } else if has("ssm_in.weight") {
                mamba(keys).map(Mixer::Mamba)
            } else if has("ssm_out.weight") {
                linear(keys).map(Mixer::Linear)
            } else if has("shortconv.conv.weight") {
                Ok(Mixer::Convolution { taps: keys.need("shortconv.l_cache")?.max(1) })
            } else if has("attn_q.weight") || has("attn_qkv.weight") || has("attn_kv_a_mqa.weight") {
                Ok(Mixer::Attention(heads.attention(layer)))
            } else {
                Ok(Mixer::None)
            }
        })
        .collect()
}

/// Geometry of grouped-query attention over all layers.
struct Heads {
    query: Vec<u64>,
    cached: Vec<u64>,
    windows: Vec<Option<u64>>,
    full: (u64, u64),
    sliding: (u64, u64),
    own_cache: usize,
}

impl Heads {
    fn read(keys: &Keys<'_>, layers: usize) -> Result<Self, GgufError> {
        let query = keys.per_layer("attention.head_count", layers)?.unwrap_or_else(|| vec![0; layers]);
        let cached = keys.per_layer("attention.head_count_kv", layers)?.unwrap_or_else(|| query.clone());
        let most = query.iter().copied().max().unwrap_or(0).max(1);
        let width = keys.need("embedding_length")? / most;
        let key = keys.count("attention.key_length")?.unwrap_or(width);
        let value = keys.count("attention.value_length")?.unwrap_or(width);
        let sliding = (
            keys.count("attention.key_length_swa")?.unwrap_or(key),
            keys.count("attention.value_length_swa")?.unwrap_or(value),
        );
        let shared = keys.count("attention.shared_kv_layers")?.unwrap_or(0) as usize;
        let own_cache = if keys.arch == "gemma3n" { 20 } else { layers.saturating_sub(shared) };
        Ok(Self { query, cached, windows: windows(keys, layers)?, full: (key, value), sliding, own_cache })
    }

    fn attention(&self, layer: usize) -> Attention {
        let window = self.windows[layer];
        let (key_dim, value_dim) = if window.is_some() { self.sliding } else { self.full };
        Attention {
            heads: self.query[layer],
            kv_heads: self.cached[layer],
            key_dim,
            value_dim,
            window,
            output_gate: false,
            qkv_bias: false,
            output_bias: false,
            qk_norm: QkNorm::None,
            sinks: false,
            shares_kv: layer >= self.own_cache,
            value_is_key: false,
        }
    }
}

/// The window of each layer: from the pattern in the file, or the architecture's own.
fn windows(keys: &Keys<'_>, layers: usize) -> Result<Vec<Option<u64>>, GgufError> {
    let Some(width) = window_width(keys, layers)? else { return Ok(vec![None; layers]) };
    let pattern = "attention.sliding_window_pattern";
    let slides: Vec<bool> = match keys.metadata.get(&keys.key(pattern)) {
        Some(Value::Array(_)) => {
            keys.per_layer(pattern, layers)?.unwrap_or_default().iter().map(|&flag| flag != 0).collect()
        }
        _ => {
            let period = keys.count(pattern)?.or_else(|| period(keys.arch, layers)).unwrap_or(1) as usize;
            (0..layers).map(|layer| period == 0 || layer % period < period - 1).collect()
        }
    };
    Ok(slides.into_iter().map(|slides| slides.then_some(width)).collect())
}

fn window_width(keys: &Keys<'_>, layers: usize) -> Result<Option<u64>, GgufError> {
    if keys.arch == "phi3" {
        return Ok(None);
    }
    let stated = keys.count("attention.sliding_window")?;
    let default = match keys.arch {
        "llama4" if stated != Some(0) => return Ok(Some(8192)),
        "gemma2" => Some(4096),
        "exaone4" if layers == 64 => Some(4096),
        _ => None,
    };
    Ok(stated.or(default).filter(|&width| width > 0))
}

/// Every n-th layer is full, for architectures that do not say so in the file. `None`: no layer slides.
fn period(arch: &str, layers: usize) -> Option<u64> {
    match arch {
        "gemma2" | "gpt-oss" => Some(2),
        "gemma3" => Some(6),
        "gemma3n" => Some(5),
        "cohere2" | "olmo2" | "llama4" => Some(4),
        "exaone4" if layers == 64 => Some(4),
        _ => None,
    }
}

fn latent(keys: &Keys<'_>, heads: u64) -> Result<Latent, GgufError> {
    let rope_dim = keys.need("rope.dimension_count")?;
    Ok(Latent {
        heads,
        q_rank: keys.count("attention.q_lora_rank")?.filter(|&rank| rank > 0),
        kv_rank: keys.need("attention.kv_lora_rank")?,
        nope_dim: keys.need("attention.key_length_mla")?.saturating_sub(rope_dim),
        rope_dim,
        value_dim: keys.need("attention.value_length_mla")?,
        indexer: indexer(keys)?,
    })
}

fn indexer(keys: &Keys<'_>) -> Result<Option<Indexer>, GgufError> {
    let Some(heads) = keys.count("attention.indexer.head_count")? else { return Ok(None) };
    let (dim, top) = (keys.need("attention.indexer.key_length")?, keys.need("attention.indexer.top_k")?);
    Ok(Some(Indexer { heads, dim, top }))
}

fn compressed(keys: &Keys<'_>, layer: usize, heads: u64) -> Result<Compressed, GgufError> {
    let name = "attention.compress_ratios";
    let ratios = keys.per_layer(name, layer + 1)?.ok_or_else(|| missing(keys.key(name)))?;
    Ok(Compressed {
        heads,
        head_dim: keys.need("attention.key_length")?,
        q_rank: keys.need("attention.q_lora_rank")?,
        out_groups: keys.need("attention.output_group_count")?,
        out_rank: keys.need("attention.output_lora_rank")?,
        window: keys.need("attention.sliding_window")?,
        ratio: ratios.last().copied().unwrap_or(0),
        indexer: indexer(keys)?.ok_or_else(|| missing(keys.key("attention.indexer.head_count")))?,
        streams: keys.need("hyper_connection.count")?,
    })
}

/// Inner width is that of all value heads; each has `inner / rank` elements.
fn linear(keys: &Keys<'_>) -> Result<Linear, GgufError> {
    let value_heads = keys.need("ssm.time_step_rank")?.max(1);
    Ok(Linear {
        key_heads: keys.need("ssm.group_count")?,
        value_heads,
        key_dim: keys.need("ssm.state_size")?,
        value_dim: keys.need("ssm.inner_size")? / value_heads,
        taps: keys.need("ssm.conv_kernel")?.max(1),
    })
}

fn mamba(keys: &Keys<'_>) -> Result<Mamba, GgufError> {
    let heads = keys.need("ssm.time_step_rank")?.max(1);
    Ok(Mamba {
        heads,
        head_dim: keys.need("ssm.inner_size")? / heads,
        state: keys.need("ssm.state_size")?,
        groups: keys.count("ssm.group_count")?.unwrap_or(1),
        taps: keys.need("ssm.conv_kernel")?.max(1),
    })
}

/// The label that the file gives itself, else the type that holds most bytes. For the screen only.
fn quant_label(table: &TensorTable) -> Result<String, GgufError> {
    let stated = table.metadata.count("general.file_type")?.and_then(file_type);
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    for tensor in &table.tensors {
        *bytes.entry(tensor.kind.name()).or_default() += tensor.bytes;
    }
    let most = bytes.into_iter().max_by_key(|&(name, bytes)| (bytes, name)).map(|(name, _)| name);
    Ok(stated.or(most).unwrap_or("none").to_owned())
}

/// Names of llama.cpp's file types by number (`llama.h`); empty where a number is not in use.
const FILE_TYPES: [&str; 42] = [
    "F32", "F16", "Q4_0", "Q4_1", "", "", "", "Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L",
    "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS",
    "IQ1_S", "IQ4_NL", "IQ3_S", "IQ3_M", "IQ2_S", "IQ2_M", "IQ4_XS", "IQ1_M", "BF16", "", "", "", "TQ1_0",
    "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0",
];

/// Name of the file type with llama.cpp's number `id`.
fn file_type(id: u64) -> Option<&'static str> {
    FILE_TYPES.get(usize::try_from(id).ok()?).copied().filter(|name| !name.is_empty())
}

/// llama.cpp's number of the file type `label`.
pub(crate) fn file_type_id(label: &str) -> Option<u32> {
    let id = FILE_TYPES.iter().position(|name| *name == label)?;
    u32::try_from(id).ok()
}
