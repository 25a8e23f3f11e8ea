//! A synthetic file of a shape has the cost of the shape: the way through metadata and tensor names
//! gives what the way through the catalog gives, for every kind of mixer and window.

use roofmark_facts::gguf::{merge, profile, read};
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::shape::Shape;
use roofmark_facts::synth::plan;
use serde_json::json;
use std::io::Cursor;

fn check(config: &serde_json::Value) {
    let shape = Shape { context: Some(512), ..Shape::from_config(config).unwrap() };
    let quant = Quant::parse("Q8_0").unwrap();
    let plan = plan("small", &shape, &quant, None).unwrap();
    let mut bytes = Vec::new();
    plan.write(&mut bytes, 1, |_| {}).unwrap();
    let table = merge(vec![read(Cursor::new(&bytes)).unwrap()]).unwrap();
    let expected = Profile::from_shape("small", &shape, &quant);
    assert_eq!(profile("small", &table).unwrap(), expected, "{}", shape.arch);
    assert_eq!(table.tensor_bytes() as f64, expected.tensor_bytes.get());
}

#[test]
fn grouped_query_attention() {
    check(
        &json!({ "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "tie_word_embeddings": false,
        "max_position_embeddings": 512 }),
    );
}

#[test]
fn windows_and_experts() {
    check(
        &json!({ "model_type": "gpt_oss", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 96, "sliding_window": 16,
        "num_local_experts": 4, "num_experts_per_tok": 2, "tie_word_embeddings": false }),
    );
}

#[test]
fn latent_attention_with_leading_dense_layers() {
    check(
        &json!({ "model_type": "deepseek_v3", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 96, "q_lora_rank": 32, "kv_lora_rank": 32,
        "qk_nope_head_dim": 32, "qk_rope_head_dim": 32, "v_head_dim": 32, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 1, "first_k_dense_replace": 1 }),
    );
}

#[test]
fn linear_attention_hybrids() {
    check(
        &json!({ "model_type": "qwen3_next", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 96,
        "full_attention_interval": 4, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 32,
        "linear_value_head_dim": 32, "linear_conv_kernel_dim": 4, "num_experts": 4, "num_experts_per_tok": 2,
        "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "decoder_sparse_step": 1 }),
    );
}

#[test]
fn state_space_hybrids() {
    check(
        &json!({ "model_type": "nemotron_h", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 4,
        "hybrid_override_pattern": "M-*-", "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
        "vocab_size": 96, "mamba_num_heads": 4, "mamba_head_dim": 32, "ssm_state_size": 32, "n_groups": 2,
        "conv_kernel": 4 }),
    );
}

#[test]
fn short_convolutions() {
    check(&json!({ "model_type": "lfm2", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2,
        "layer_types": ["conv", "full_attention"], "conv_L_cache": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96 }));
}

#[test]
fn a_file_that_lacks_what_the_cost_needs_says_so() {
    let table = |keys: &[(&str, u64)]| {
        let mut metadata = roofmark_facts::gguf::Metadata::default();
        metadata.set("general.architecture", roofmark_facts::gguf::Value::text("llama"));
        for (key, value) in keys {
            metadata.set(*key, roofmark_facts::gguf::Value::U64(*value));
        }
        roofmark_facts::gguf::TensorTable { metadata, tensors: vec![], file_bytes: 0, parts: 1 }
    };
    let message = |keys: &[(&str, u64)]| profile("x", &table(keys)).unwrap_err().to_string();
    assert_eq!(message(&[]), "key \"llama.block_count\" is missing");
    assert_eq!(
        message(&[("llama.block_count", 1 << 40)]),
        "key \"llama.block_count\" is 1099511627776: no dimension is as large"
    );
    assert_eq!(
        message(&[("llama.block_count", 5000)]),
        "key \"llama.block_count\" is 5000: no model has as many layers"
    );
}
