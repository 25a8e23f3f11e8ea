//! Keys that the hub's files leave out because the library that reads them has them as defaults.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The keys that files of this `model_type` may leave out, with the values they then have.
///
/// Gemma 3: `Gemma3TextConfig` of Hugging Face's transformers.
pub(super) fn defaults(model_type: &str) -> Option<&'static Map<String, Value>> {
    static GEMMA3: LazyLock<Value> = LazyLock::new(|| {
        json!({
            "vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
            "sliding_window": 4096, "sliding_window_pattern": 6, "max_position_embeddings": 131_072,
        })
    });
    matches!(model_type, "gemma3" | "gemma3_text").then(|| GEMMA3.as_object()).flatten()
}
