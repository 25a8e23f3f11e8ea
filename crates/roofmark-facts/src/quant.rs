//! Quantizations by name: which tensor is stored in which type.
//!
//! llama.cpp's mixes follow the rules of its quantizer (`quant/llama.rs`), so the bytes of a file are
//! known without the file. Other engines' formats assign one type to each part of the model. Mixes
//! whose rules are not published (Unsloth's dynamic ones) are approximations and say so.

mod labels;
mod llama;

use crate::shape::Shape;
use crate::tensor_type::TensorType;
use crate::tensors::{Role, Tensor};
use llama::Ftype;
use serde::{Deserialize, Serialize};

/// Quantizations that behave alike on hardware: the group that calibration pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// F32, F16, BF16.
    Half,
    /// Q4_0 to Q8_0.
    Legacy,
    /// Q2_K to Q6_K and the mixes over them.
    KQuant,
    /// Codebook types, IQ1 to IQ4.
    IQuant,
    /// MXFP4 experts or weights.
    Mxfp4,
    /// NVFP4.
    Nvfp4,
    /// FP8 and MXFP8.
    Fp8,
    /// Eight-bit integers (W8A8).
    Int8,
    /// MLX groups.
    Mlx,
    /// AWQ, GPTQ and other four-bit integer groups.
    Awq,
}

impl Family {
    /// Name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Half => "half",
            Self::Legacy => "legacy",
            Self::KQuant => "k-quant",
            Self::IQuant => "i-quant",
            Self::Mxfp4 => "mxfp4",
            Self::Nvfp4 => "nvfp4",
            Self::Fp8 => "fp8",
            Self::Int8 => "int8",
            Self::Mlx => "mlx",
            Self::Awq => "awq",
        }
    }
}

/// A quantization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    /// The field's label, such as `Q4_K_M`.
    pub label: &'static str,
    /// Calibration group.
    pub family: Family,
    /// The mix is not published or varies between files: bytes are within some 10 %.
    pub approximate: bool,
    /// Stored in GGUF files.
    pub gguf: bool,
    scheme: Scheme,
}

/// A label that names no quantization. Completes "failed to …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{text}` is not a known quantization; nearest: {}", nearest.join(", "))]
pub struct UnknownQuant {
    /// What was asked for.
    pub text: String,
    /// Labels that look like it.
    pub nearest: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scheme {
    /// llama.cpp's quantizer.
    Llama(Ftype),
    /// Unsloth's dynamic mixes.
    Dynamic(Dynamic),
    /// One type for each part.
    Parts(Parts),
}

/// Types of the parts of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Parts {
    embedding: TensorType,
    output: TensorType,
    dense: TensorType,
    experts: TensorType,
    small: TensorType,
}

/// A dynamic mix of Unsloth, as far as the sizes of its files tell: llama.cpp's mix, and least types
/// for what is outside the routed experts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dynamic {
    /// Mix under it.
    base: Ftype,
    /// Mix under it for mixture-of-experts models up to 2025.
    older_base: Ftype,
    /// Attention and shared experts of those models.
    older: TensorType,
    /// Attention and shared experts of later ones.
    newer: TensorType,
    /// Recurrent layers of later models, dense ones included.
    recurrent: TensorType,
    /// Embedding and head.
    table: TensorType,
}

impl Quant {
    /// Every known quantization.
    #[must_use]
    pub fn all() -> &'static [Quant] {
        labels::QUANTS
    }

    /// The quantization that `text` names, in any of the spellings people use.
    ///
    /// # Errors
    /// [`UnknownQuant`] with the nearest labels.
    pub fn parse(text: &str) -> Result<Self, UnknownQuant> {
        labels::find(text)
            .ok_or_else(|| UnknownQuant { text: text.to_owned(), nearest: labels::nearest(text) })
    }

    /// Sets the storage type of each tensor.
    pub(crate) fn assign(&self, shape: &Shape, tensors: &mut [Tensor]) {
        match self.scheme {
            Scheme::Llama(ftype) => llama::assign(ftype, shape, tensors),
            Scheme::Dynamic(dynamic) => assign_dynamic(dynamic, shape, tensors),
            Scheme::Parts(parts) => assign_parts(parts, tensors),
        }
        if self.gguf {
            published_exceptions(self.label, shape, tensors);
        }
    }
}

fn assign_parts(parts: Parts, tensors: &mut [Tensor]) {
    for tensor in tensors {
        let wanted = match tensor.role {
            Role::TokenEmbedding => parts.embedding,
            Role::Output => parts.output,
            Role::Mixer | Role::FeedForward if tensor.dims.len() > 1 => parts.dense,
            Role::Expert if tensor.is_matrix() => parts.experts,
            _ => parts.small,
        };
        tensor.kind = if fits(wanted, tensor) { wanted } else { TensorType::BF16 };
    }
}

fn fits(kind: TensorType, tensor: &Tensor) -> bool {
    tensor.dims.first().is_some_and(|row| row.is_multiple_of(kind.block_elements()))
}

fn assign_dynamic(dynamic: Dynamic, shape: &Shape, tensors: &mut [Tensor]) {
    let moe = shape.is_moe();
    let newer = ["qwen35", "qwen4", "gemma4", "nemotron", "deepseek2"]
        .iter()
        .any(|arch| shape.arch.starts_with(arch));
    let older_moe = moe && !newer;
    llama::assign(if older_moe { dynamic.older_base } else { dynamic.base }, shape, tensors);
    for tensor in tensors {
        let least = match tensor.role {
            Role::TokenEmbedding | Role::Output => Some(dynamic.table),
            Role::Mixer if newer && is_recurrent(&tensor.name) => Some(dynamic.recurrent),
            Role::Mixer | Role::FeedForward if moe => Some(if newer { dynamic.newer } else { dynamic.older }),
            _ => None,
        };
        let Some(least) = least else { continue };
        let lower =
            tensor.kind != TensorType::F32 && tensor.kind.bits_per_element() < least.bits_per_element();
        if lower && tensor.dims.len() > 1 && fits(least, tensor) {
            tensor.kind = least;
        }
    }
}

fn is_recurrent(name: &str) -> bool {
    [".ssm_", ".attn_qkv", ".attn_gate"].iter().any(|piece| name.contains(piece))
}

/// Files that everybody uses and that differ from the quantizer's rules.
///
/// gpt-oss was released with MXFP4 experts, and every GGUF of it keeps them whatever its label says.
/// Gemma 3 in Q4_0 is the quantization-aware release: its embedding stays in Q8_0.
fn published_exceptions(label: &str, shape: &Shape, tensors: &mut [Tensor]) {
    let gpt_oss = shape.arch == "gpt-oss";
    let gemma_qat = shape.arch == "gemma3" && label == "Q4_0";
    for tensor in tensors {
        if gpt_oss && tensor.role == Role::Expert && tensor.is_matrix() {
            tensor.kind = TensorType::MXFP4;
        }
        if gemma_qat && tensor.role == Role::TokenEmbedding {
            tensor.kind = TensorType::Q8_0;
        }
    }
}
