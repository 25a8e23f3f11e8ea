//! The shape of a model: what its layers are made of, in the terms that decide bytes and FLOPs.
//!
//! A `Shape` comes from a Hugging Face `config.json` (the catalog stores the same keys) and is the
//! input of [`crate::table`]. Dimensions are elements; counts are counts.

use serde::{Deserialize, Serialize};

/// A decoder-only language model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// llama.cpp's architecture name (`general.architecture`), such as `llama` or `qwen3moe`.
    pub arch: String,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Entries of the vocabulary, padding included.
    pub vocab: u64,
    /// The output projection is the token embedding.
    pub tied: bool,
    /// Longest context the maker states, in tokens.
    pub context: Option<u64>,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// Gemma 3n/4 per-layer embeddings: one row of each is read per token.
    pub per_layer_embedding: Option<PerLayerEmbedding>,
    /// Hyper-connections, n-gram table and indexer of Qwen 3.8 Flash.
    pub streams: Option<Streams>,
    /// Layers after the last one that only speculation uses (multi-token prediction) and that GGUF files keep.
    pub prediction_layers: u32,
    /// What the reader of this shape had to assume.
    pub note: Option<String>,
}

impl Shape {
    /// Whether some layer has routed experts.
    #[must_use]
    pub fn is_moe(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.ffn, Ffn::Experts(_)))
    }
}

/// A second embedding table that feeds every layer (Gemma 3n and 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLayerEmbedding {
    /// Rows of the table.
    pub vocab: u64,
    /// Elements per layer and row.
    pub width: u64,
    /// Alternating updates and low-rank residuals of Gemma 3n.
    pub altup: Option<AltUp>,
}

/// Qwen 3.8 Flash: copies of the residual stream mixed at low rank, and a table of n-grams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// Copies of the residual stream.
    pub count: u64,
    /// Rank of the mixers between them.
    pub rank: u64,
    /// Picks the attended tokens on full-attention layers.
    pub indexer: Indexer,
    /// Tokens that share one key of the indexer.
    pub pooled: u64,
    /// Longest n-gram that has rows.
    pub ngram: u64,
    /// Rows of the n-gram table; a few are read per token.
    pub rows: u64,
    /// Elements of one row.
    pub row: u64,
    /// Layers that the n-grams feed.
    pub fed: Vec<u64>,
    /// Taps of the convolution over them.
    pub taps: u64,
}

/// Gemma 3n: several copies of the residual stream and a low-rank side path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AltUp {
    /// Copies of the residual stream.
    pub inputs: u64,
    /// Rank of the side path.
    pub laurel_rank: u64,
}

/// One layer: a token mixer and a feed-forward part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// What mixes tokens.
    pub mixer: Mixer,
    /// What follows it.
    pub ffn: Ffn,
}

/// How a layer mixes tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mixer {
    /// Softmax attention with a key-value cache.
    Attention(Attention),
    /// Multi-head latent attention (DeepSeek): one compressed vector per token is cached.
    Latent(Latent),
    /// Compressed sparse attention (DeepSeek V4): a window plus pooled entries of the past.
    Compressed(Compressed),
    /// Gated delta rule or other linear attention: a state of fixed size.
    Linear(Linear),
    /// Mamba 2 state-space mixer: a state of fixed size.
    Mamba(Mamba),
    /// Short convolution (LFM2): the last few inputs are kept.
    Convolution {
        /// Taps of the convolution.
        taps: u64,
    },
    /// No mixer (pure feed-forward layers of hybrid models).
    None,
}

/// Grouped-query attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Elements of one key (and query) head.
    pub key_dim: u64,
    /// Elements of one value head.
    pub value_dim: u64,
    /// Tokens that a sliding window keeps; `None` for full attention.
    pub window: Option<u64>,
    /// The query projection also makes an output gate (doubles its rows).
    pub output_gate: bool,
    /// Projections of query, key and value have biases.
    pub qkv_bias: bool,
    /// The output projection has a bias.
    pub output_bias: bool,
    /// How queries and keys are normalised.
    pub qk_norm: QkNorm,
    /// Learned sinks, one per head (gpt-oss).
    pub sinks: bool,
    /// Keys and values come from an earlier layer: no projections and no cache of its own.
    pub shares_kv: bool,
    /// Values are made from the key projection (Gemma 4 global layers); both are cached.
    pub value_is_key: bool,
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QkNorm {
    /// None.
    None,
    /// One weight per element of a head.
    Head,
    /// One weight per element of the whole projection (OLMo 2, MiniMax M2).
    Row,
    /// One weight per element of each head (Command R+).
    EachHead,
}

/// Multi-head latent attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latent {
    /// Query heads.
    pub heads: u64,
    /// Rank of the query compression; `None` where queries are projected directly.
    pub q_rank: Option<u64>,
    /// Rank of the cached key-value vector.
    pub kv_rank: u64,
    /// Elements of a head without position.
    pub nope_dim: u64,
    /// Elements of a head with rotary position, cached once for all heads.
    pub rope_dim: u64,
    /// Elements of one value head.
    pub value_dim: u64,
    /// Lightning indexer that picks the attended tokens (DeepSeek V3.2, GLM 5).
    pub indexer: Option<Indexer>,
}

/// The small attention that picks which cached tokens a layer attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indexer {
    /// Index heads.
    pub heads: u64,
    /// Elements of one index head.
    pub dim: u64,
    /// Entries picked.
    pub top: u64,
}

/// Compressed sparse attention of DeepSeek V4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compressed {
    /// Query heads.
    pub heads: u64,
    /// Elements of one head; keys and values share one cached head.
    pub head_dim: u64,
    /// Rank of the query compression.
    pub q_rank: u64,
    /// Groups of the low-rank output projection.
    pub out_groups: u64,
    /// Rank of the output projection in each group.
    pub out_rank: u64,
    /// Uncompressed tokens that are attended to.
    pub window: u64,
    /// Tokens pooled into one entry; 0 where the layer has only its window.
    pub ratio: u64,
    /// Picks pooled entries on layers with ratio 4.
    pub indexer: Indexer,
    /// Copies of the residual stream (hyper-connections).
    pub streams: u64,
}

/// Linear attention with a matrix state (gated delta rule).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linear {
    /// Key heads.
    pub key_heads: u64,
    /// Value heads.
    pub value_heads: u64,
    /// Elements of one key head.
    pub key_dim: u64,
    /// Elements of one value head.
    pub value_dim: u64,
    /// Taps of the causal convolution before it.
    pub taps: u64,
}

/// Mamba 2 mixer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mamba {
    /// Heads.
    pub heads: u64,
    /// Elements of one head.
    pub head_dim: u64,
    /// State size per head element.
    pub state: u64,
    /// Groups that share B and C.
    pub groups: u64,
    /// Taps of the causal convolution.
    pub taps: u64,
}

/// The feed-forward part of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ffn {
    /// Absent.
    None,
    /// One network for every token.
    Dense(Dense),
    /// A router picks some experts for every token.
    Experts(Experts),
}

/// A dense feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dense {
    /// Width of the hidden layer.
    pub width: u64,
    /// Three matrices (gate, up, down) instead of two.
    pub gated: bool,
    /// Matrices have biases.
    pub bias: bool,
}

/// A mixture of experts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experts {
    /// Routed experts.
    pub count: u64,
    /// Routed experts used per token.
    pub active: u64,
    /// Width of one routed expert.
    pub width: u64,
    /// Experts work at this width instead of the residual's (latent experts of Nemotron 3 Super).
    pub latent: Option<u64>,
    /// Three matrices per expert instead of two.
    pub gated: bool,
    /// Expert matrices and router have biases (gpt-oss).
    pub bias: bool,
    /// Total width of the experts that every token uses; 0 for none.
    pub shared_width: u64,
    /// The shared expert has a sigmoid gate of its own (Qwen).
    pub shared_gate: bool,
    /// The router has a correction bias (DeepSeek).
    pub score_bias: bool,
    /// The first layers of DeepSeek V4 route by a table of token numbers instead.
    pub hash_routed: bool,
    /// A dense network runs beside the experts (Gemma 4): its width.
    pub beside: Option<u64>,
}
