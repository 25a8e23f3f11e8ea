//! Synthetic models: GGUF files with the exact shapes and storage types of a real model and random
//! valid blocks, so that a machine can be measured without a download.
//!
//! A slice keeps some of the layers, chosen so that the full model's own mix of types is kept; its
//! metadata and tensor table are those of a model with that many layers.

mod blocks;
mod keys;
mod random;
mod slice;

use crate::gguf::{
    Metadata, NewTensor, TensorInfo, TensorTable, Value, WriteError, file_bytes, file_type_id, write,
};
use crate::quant::Quant;
use crate::shape::{Ffn, Layer, Mixer, Shape};
use crate::table::tensor_table;
use crate::tensor_type::TensorType;
use crate::tensors::Tensor;
use blocks::{Values, fill};
use random::Random;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use thiserror::Error;

/// Changes whenever the same plan and seed would give another file; part of a cached file's name.
pub const SYNTH_VERSION: u32 = 1;

/// Random bytes kept of each type; larger tensors repeat them.
const POOL_BYTES: u64 = 64 << 20;
/// Bytes between two calls of a progress callback.
const CHUNK_BYTES: usize = 8 << 20;

/// A synthetic model, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Shape of what is written (the kept layers).
    pub shape: Shape,
    /// Layers of the full model.
    pub full_layers: u32,
    /// Metadata as the engine wants it; no vocabulary.
    pub metadata: Metadata,
    /// Tensors in order.
    pub tensors: Vec<NewTensor>,
}

/// Why there is no plan. Each completes "failed to plan a synthetic model: …".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are what the message says they are")]
pub enum SynthError {
    /// No such slice.
    #[error("{asked} layers were asked for, the model has {has} (at least 1 is needed)")]
    Layers { asked: u32, has: u32 },
    /// A slice that lacks a kind of mixer.
    #[error("{asked} layers were asked for, the model needs {least} to keep each of its kinds of layer")]
    Kinds { asked: u32, least: u32 },
    /// A format that no GGUF file holds.
    #[error("tensor {tensor:?} is {kind}, which GGUF does not have; choose a GGUF quantization")]
    Foreign { tensor: String, kind: &'static str },
}

/// Plans the model `name` of this shape in this quantization; of its layers only `keep`, where given.
///
/// # Errors
/// When `keep` is zero or more than the model has, or a storage type is not GGUF's.
pub fn plan(name: &str, shape: &Shape, quant: &Quant, keep: Option<u32>) -> Result<Plan, SynthError> {
    let tensors = tensor_table(shape, quant);
    let full_layers = shape.layers.len() as u32;
    if let Some(foreign) = tensors.iter().find(|tensor| !tensor.kind.in_gguf()) {
        return Err(SynthError::Foreign { tensor: foreign.name.clone(), kind: foreign.kind.name() });
    }
    let asked = keep.unwrap_or(full_layers);
    if asked == 0 || asked > full_layers {
        return Err(SynthError::Layers { asked, has: full_layers });
    }
    let least = least_layers(shape);
    if asked < least {
        return Err(SynthError::Kinds { asked, least });
    }
    let (shape, tensors) = if asked == full_layers {
        (shape.clone(), tensors.iter().map(|tensor| new_tensor(tensor, tensor.name.clone())).collect())
    } else {
        cut(shape, &tensors, asked as usize)
    };
    let mut metadata = keys::metadata(&shape, name);
    if let Some(id) = file_type_id(quant.label) {
        metadata.set("general.file_type", Value::U32(id));
    }
    Ok(Plan { shape, full_layers, metadata, tensors })
}

/// Random weights of a storage type: `count` blocks, every one valid, the same for the same seed.
#[must_use]
pub fn random_blocks(kind: TensorType, count: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; count * kind.block_bytes() as usize];
    fill(kind, Values::Weights, &mut Random::new(seed), &mut bytes);
    bytes
}

fn new_tensor(tensor: &Tensor, name: String) -> NewTensor {
    NewTensor { name, dims: tensor.dims.clone(), kind: tensor.kind }
}

/// The model with `keep` of its layers; prediction layers are left out.
fn cut(shape: &Shape, tensors: &[Tensor], keep: usize) -> (Shape, Vec<NewTensor>) {
    let kept = order_owners(shape, kept_layers(shape, tensors, keep));
    let mut slice = shape.clone();
    slice.layers = kept.iter().filter_map(|&layer| shape.layers.get(layer).cloned()).collect();
    slice.prediction_layers = 0;
    let place: HashMap<u32, usize> = kept.iter().enumerate().map(|(new, &old)| (old as u32, new)).collect();
    let renamed = |tensor: &Tensor| match tensor.layer {
        None => Some(new_tensor(tensor, tensor.name.clone())),
        Some(old) => {
            let new = place.get(&old)?;
            let part = tensor.name.strip_prefix(&format!("blk.{old}."))?;
            Some(new_tensor(tensor, format!("blk.{new}.{part}")))
        }
    };
    let mut tensors: Vec<_> = tensors.iter().filter_map(renamed).collect();
    fit_per_layer_tables(shape, keep as u64, &mut tensors);
    if let Some(streams) = &mut slice.streams {
        streams.fed = streams.fed.iter().filter_map(|&old| Some(*place.get(&(old as u32))? as u64)).collect();
        // A table that feeds no layer of the slice would be a tensor that the engine does not expect.
        tensors.retain(|tensor| !streams.fed.is_empty() || tensor.name != NGRAM_TABLE);
    }
    (slice, tensors)
}

/// The n-gram table of Qwen 3.8 Flash.
const NGRAM_TABLE: &str = "per_layer_token_embd.weight";

/// Per-layer embedding tables have a part for each layer (Gemma 3n and 4).
fn fit_per_layer_tables(shape: &Shape, keep: u64, tensors: &mut [NewTensor]) {
    let Some(embedding) = shape.per_layer_embedding else { return };
    for tensor in tensors {
        match tensor.name.as_str() {
            "per_layer_token_embd.weight" => tensor.dims[0] = embedding.width * keep,
            "per_layer_model_proj.weight" => tensor.dims[1] = embedding.width * keep,
            _ => {}
        }
    }
}

/// Numbers of the layers to keep, in order.
///
/// Layers that differ in shape or in the types of their tensors are different kinds. Where the engine
/// tells expert layers by their number alone, whole periods are kept.
fn kept_layers(shape: &Shape, tensors: &[Tensor], keep: usize) -> Vec<usize> {
    let mut kinds: Vec<String> = shape.layers.iter().map(|layer| format!("{layer:?}")).collect();
    for tensor in tensors {
        let kind = tensor.layer.and_then(|layer| kinds.get_mut(layer as usize));
        if let (Some(kind), Some(layer)) = (kind, tensor.layer) {
            let part = tensor.name.strip_prefix(&format!("blk.{layer}.")).unwrap_or(&tensor.name);
            kind.push_str(&format!(" {part} {}", tensor.kind.name()));
        }
    }
    let period = expert_period(shape);
    let families = shape.layers.chunks(period).map(|unit| unit.iter().map(family).collect::<Vec<_>>());
    let units: Vec<_> = families.zip(kinds.chunks(period).map(|unit| unit.join("\n"))).collect();
    slice::choose(&units, keep.div_ceil(period))
        .into_iter()
        .flat_map(|unit| unit * period..((unit + 1) * period).min(kinds.len()))
        .take(keep)
        .collect()
}

/// Longest context, in tokens, in which a slice computes what those layers compute in the whole model; `None`
/// for every context. The engine knows the windows of EXAONE 4 by the layer count of the whole model alone.
#[must_use]
pub fn slice_context(shape: &Shape) -> Option<u64> {
    let window = |layer: &Layer| if let Mixer::Attention(part) = &layer.mixer { part.window } else { None };
    (shape.arch == "exaone4").then(|| shape.layers.iter().filter_map(window).min()).flatten()
}

/// Fewest layers of a slice that has each kind of mixer.
#[must_use]
pub fn least_layers(shape: &Shape) -> u32 {
    let period = expert_period(shape);
    let units: BTreeSet<Vec<Family>> =
        shape.layers.chunks(period).map(|unit| unit.iter().map(family).collect()).collect();
    ((units.len() * period) as u32).min(shape.layers.len() as u32)
}

/// Layers without a cache of their own read the last ones that have: with a window, then without.
fn order_owners(shape: &Shape, kept: Vec<usize>) -> Vec<usize> {
    let of = |layer: usize, slides: bool| {
        family(&shape.layers[layer]) == Family::Attention { slides, shares: false }
    };
    let owners = [true, false].map(|slides| kept.iter().copied().rfind(|&layer| of(layer, slides)));
    let [Some(sliding), Some(full)] = owners else { return kept };
    let shares =
        |layer: usize| matches!(family(&shape.layers[layer]), Family::Attention { shares: true, .. });
    let (late, mut early): (Vec<usize>, Vec<usize>) = kept.into_iter().partition(|&layer| shares(layer));
    if late.is_empty() {
        return early;
    }
    early.retain(|&layer| layer != sliding && layer != full);
    [early, vec![sliding, full], late].concat()
}

/// Kinds of mixers; an engine expects a model to have each kind that its full size has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// Attention: within a window or not, with a cache of its own or not.
    Attention { slides: bool, shares: bool },
    /// Compressed attention with this ratio.
    Compressed(u64),
    /// A recurrent state.
    Recurrent,
    /// No mixer.
    None,
}

fn family(layer: &Layer) -> Family {
    match &layer.mixer {
        Mixer::Attention(part) => Family::Attention { slides: part.window.is_some(), shares: part.shares_kv },
        Mixer::Latent(_) => Family::Attention { slides: false, shares: false },
        Mixer::Compressed(part) => Family::Compressed(part.ratio),
        Mixer::Linear(_) | Mixer::Mamba(_) | Mixer::Convolution { .. } => Family::Recurrent,
        Mixer::None => Family::None,
    }
}

/// Every n-th layer has experts: n, for the engine's architectures that tell expert layers by their
/// number; 1 for those that look at leading layers or at the tensors.
pub(crate) fn expert_period(shape: &Shape) -> usize {
    if !matches!(shape.arch.as_str(), "llama4" | "ernie4_5-moe") {
        return 1;
    }
    let sparse =
        shape.layers.iter().enumerate().filter(|(_, layer)| has_experts(layer)).map(|(index, _)| index);
    match sparse.take(2).collect::<Vec<_>>().as_slice() {
        [first, second] => second - first,
        _ => 1,
    }
}

/// Whether the layer routes to experts.
pub(crate) fn has_experts(layer: &Layer) -> bool {
    matches!(layer.ffn, Ffn::Experts(_))
}

impl Plan {
    /// Bytes of all tensors, padding left out.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.iter().map(bytes).sum()
    }

    /// The tensors as a reader of the file finds them; their offsets are not laid out.
    #[must_use]
    pub fn table(&self) -> TensorTable {
        let info = |tensor: &NewTensor| TensorInfo {
            name: tensor.name.clone(),
            dims: tensor.dims.clone(),
            kind: tensor.kind,
            offset: 0,
            bytes: bytes(tensor),
        };
        TensorTable {
            metadata: self.metadata.clone(),
            tensors: self.tensors.iter().map(info).collect(),
            file_bytes: self.tensor_bytes(),
            parts: 1,
        }
    }

    /// Length of the file in bytes: header, padding and tensor data.
    ///
    /// # Errors
    /// When a tensor is malformed.
    pub fn file_bytes(&self) -> Result<u64, WriteError> {
        file_bytes(&self.metadata, &self.tensors)
    }

    /// Writes the file. `progress` is told the tensor bytes written so far. Returns the bytes of the file.
    ///
    /// # Errors
    /// When the target refuses.
    pub fn write<W: Write>(
        &self,
        out: &mut W,
        seed: u64,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, WriteError> {
        let mut pools = Pools::new(&self.tensors, seed);
        let mut written = 0;
        write(out, &self.metadata, &self.tensors, |index, sink| {
            pools.copy(&self.tensors[index], sink, |chunk| {
                written += chunk;
                progress(written);
            })
        })
    }
}

fn bytes(tensor: &NewTensor) -> u64 {
    let elements = tensor.dims.iter().product();
    let row = tensor.dims.first().copied().unwrap_or(0);
    tensor.kind.bytes_for(elements, row).unwrap_or(0)
}

/// Random blocks by type, made when first needed.
struct Pools {
    seed: u64,
    sizes: HashMap<(TensorType, Values), u64>,
    made: HashMap<(TensorType, Values), (Vec<u8>, usize)>,
}

impl Pools {
    fn new(tensors: &[NewTensor], seed: u64) -> Self {
        let mut sizes = HashMap::new();
        for tensor in tensors {
            let size = sizes.entry((tensor.kind, Values::of(&tensor.name))).or_insert(0);
            *size = bytes(tensor).max(*size);
        }
        Self { seed, sizes, made: HashMap::new() }
    }

    /// Writes the data of `tensor`, going on in the pool where the last tensor of its kind ended.
    fn copy(
        &mut self,
        tensor: &NewTensor,
        sink: &mut dyn Write,
        mut progress: impl FnMut(u64),
    ) -> io::Result<()> {
        let key = (tensor.kind, Values::of(&tensor.name));
        let (seed, size) = (self.seed, self.sizes.get(&key).copied().unwrap_or(0));
        let (pool, next) = self.made.entry(key).or_insert_with(|| (pool(key, size, seed), 0));
        let mut left = bytes(tensor) as usize;
        while left > 0 {
            let length = left.min(pool.len() - *next).min(CHUNK_BYTES);
            sink.write_all(&pool[*next..*next + length])?;
            *next = (*next + length) % pool.len();
            left -= length;
            progress(length as u64);
        }
        Ok(())
    }
}

fn pool((kind, values): (TensorType, Values), size: u64, seed: u64) -> Vec<u8> {
    let block = kind.block_bytes();
    let length = size.min(POOL_BYTES / block * block);
    let mut bytes = vec![0; length as usize];
    let mut random = Random::new(seed ^ (u64::from(kind.id()) << 32) ^ ((values as u64) << 48));
    fill(kind, values, &mut random, &mut bytes);
    bytes
}
