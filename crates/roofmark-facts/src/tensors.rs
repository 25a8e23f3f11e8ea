//! Tensor tables: every tensor of a model with its dimensions, storage type and role.

use crate::tensor_type::TensorType;
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
