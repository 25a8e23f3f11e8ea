//! Any JSON: a configuration becomes a shape within its caps, or an error.

use roofmark_facts::shape::Shape;
use roofmark_fuzz::{Change, changed};

const SEED: &str = r#"{"architectures":["Qwen3MoeForCausalLM"],"model_type":"qwen3_moe","hidden_size":2048,
"num_hidden_layers":48,"num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,"intermediate_size":6144,
"moe_intermediate_size":768,"num_experts":128,"num_experts_per_tok":8,"vocab_size":151936,"sliding_window":null,
"max_position_embeddings":40960,"tie_word_embeddings":false,"layer_types":["full_attention"]}"#;

#[test]
fn config() {
    bolero::check!().with_type::<Change>().for_each(|change| {
        let bytes = changed(SEED.as_bytes(), change);
        if let Ok(document) = serde_json::from_slice(&bytes)
            && let Ok(shape) = Shape::from_config(&document)
        {
            assert!(shape.layers.len() <= 4096 && shape.hidden <= 1 << 20);
        }
    });
}
