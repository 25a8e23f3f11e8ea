//! Tensor tables: every tensor of a model with its dimensions, storage type and role.

use crate::tensor_type::TensorType;
use crate::units::Bytes;
use serde::{Deserialize, Serialize};

/// What a tensor is for; decides when its bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Rows are looked up: one per token, nothing more.
    TokenEmbedding,
    /// The output projection; with tied embeddings the embedding table plays this part too.
    Output,
    /// Projections of attention or of another mixer.
    Mixer,
    /// Dense feed-forward matrices, shared experts included.
    FeedForward,
    /// Routed experts: only the chosen ones are read.
    Expert,
    /// Norms, biases, routers and other small tensors, read for every token.
    Small,
    /// Stored but not read in plain decoding (position tables, prediction heads for speculation).
    Unused,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// GGUF name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Dimensions in ggml's order: the first is the row length, contiguous in memory.
    pub dims: Vec<u64>,
    /// Storage type.
    pub kind: TensorType,
    /// What it is for.
    pub role: Role,
    /// Layer it belongs to.
    pub layer: Option<u32>,
}

impl Tensor {
    /// A tensor whose role and layer follow from its GGUF name.
    #[must_use]
    pub fn named(name: String, dims: Vec<u64>, kind: TensorType) -> Self {
        let (role, layer) = classify(&name);
        Self { name, dims, kind, role, layer }
    }

    /// Elements as a float: never overflows.
    #[must_use]
    pub fn size(&self) -> f64 {
        self.dims.iter().map(|&dim| dim as f64).product()
    }

    /// Stored bytes; a row that is no whole number of blocks counts as a fraction.
    #[must_use]
    pub fn stored(&self) -> Bytes {
        self.bytes().map_or_else(|| self.kind.bytes_of(self.size()), |bytes| Bytes(bytes as f64))
    }

    /// Takes part in a matrix product (two dimensions or more, and no bias).
    #[must_use]
    pub fn is_matrix(&self) -> bool {
        self.dims.len() > 1 && !self.name.ends_with(".bias") && self.role != Role::TokenEmbedding
    }

    /// Number of elements; `None` on overflow.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim))
    }

    /// Stored bytes; `None` on overflow or when rows are not whole blocks.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.kind.bytes_for(self.elements()?, *self.dims.first()?)
    }
}

/// Role and layer of the tensor with this GGUF name.
///
/// Prediction layers cannot be told by name alone: [`crate::profile::Profile::from_tensors`] leaves
/// out every layer at or beyond the model's layer count.
#[must_use]
pub fn classify(name: &str) -> (Role, Option<u32>) {
    let Some(rest) = name.strip_prefix("blk.") else {
        return (global_role(name), None);
    };
    let (number, part) = rest.split_once('.').unwrap_or((rest, ""));
    (layer_role(part), number.parse().ok())
}

fn global_role(name: &str) -> Role {
    match name {
        "token_embd.weight" | "per_layer_token_embd.weight" => Role::TokenEmbedding,
        "output.weight" => Role::Output,
        "per_layer_model_proj.weight" | "altup_proj.weight" | "altup_unembd_proj.weight" => Role::Mixer,
        "position_embd.weight" | "token_types.weight" => Role::Unused,
        _ if ["v.", "a.", "mm.", "nextn.", "cls"].iter().any(|prefix| name.starts_with(prefix)) => {
            Role::Unused
        }
        _ => Role::Small,
    }
}

fn layer_role(part: &str) -> Role {
    let small = [
        "norm",
        "ffn_gate_inp",
        "conv1d",
        "shortconv.conv",
        "sinks",
        "exp_probs_b",
        "ssm_a",
        "ssm_d",
        "altup_",
    ];
    if part.starts_with("nextn.") || part.contains("tid2eid") {
        Role::Unused
    } else if part.contains("_exps.") {
        Role::Expert
    } else if part.ends_with(".bias")
        || (small.iter().any(|piece| part.contains(piece)) && !part.starts_with("ssm_alpha"))
    {
        Role::Small
    } else if part.starts_with("ffn_") {
        Role::FeedForward
    } else {
        Role::Mixer
    }
}
