//! Configurations as the hub has them, whole and broken.

use proptest::prelude::*;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::shape::Shape;
use serde_json::{Value, json};

fn llama() -> Value {
    json!({
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256,
        "tie_word_embeddings": false, "max_position_embeddings": 131_072
    })
}

fn refused(config: &Value) -> String {
    Shape::from_config(config).unwrap_err().to_string()
}

#[test]
fn a_missing_key_is_named() {
    for key in [
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "vocab_size",
        "model_type",
    ] {
        let mut config = llama();
        config.as_object_mut().unwrap().remove(key);
        let error = refused(&config);
        assert!(error.contains(key), "{key}: {error}");
    }
}

#[test]
fn a_value_that_cannot_be_is_named() {
    for (key, value) in [
        ("num_hidden_layers", json!(1_000_000_000)),
        ("hidden_size", json!(-1)),
        ("hidden_size", json!("wide")),
        ("num_key_value_heads", json!(7)),
        ("vocab_size", json!(0)),
    ] {
        let mut config = llama();
        config[key] = value;
        let error = refused(&config);
        assert!(error.contains(key), "{key}: {error}");
    }
    assert_eq!(refused(&json!([1])), "the document is not an object");
}

#[test]
fn the_language_model_of_a_multimodal_one_is_read() {
    let mut inner = llama();
    inner.as_object_mut().unwrap().remove("tie_word_embeddings");
    let outer = json!({ "model_type": "llava", "tie_word_embeddings": false, "text_config": inner });
    assert_eq!(Shape::from_config(&outer), Shape::from_config(&llama()));
}

#[test]
fn an_unknown_type_with_the_usual_keys_is_read_as_llama_like_and_says_so() {
    let mut config = llama();
    config["model_type"] = json!("llama9");
    let shape = Shape::from_config(&config).unwrap();
    assert_eq!(shape.arch, "llama");
    assert!(shape.note.unwrap().contains("llama9"));
}

#[test]
fn windows_follow_the_pattern() {
    let mut config = llama();
    config["model_type"] = json!("gemma3_text");
    config["head_dim"] = json!(256);
    config["sliding_window"] = json!(1024);
    config["sliding_window_pattern"] = json!(6);
    let shape = Shape::from_config(&config).unwrap();
    let profile = Profile::from_shape("test", &shape, &Quant::parse("BF16").unwrap());
    let layers: Vec<(f64, Option<u64>)> =
        profile.caches.iter().map(|group| (group.layers, group.window)).collect();
    assert_eq!(layers, [(27.0, Some(1024)), (5.0, None)]);
}

proptest! {
    /// Whatever stands in a configuration, it is read or refused; sizes stay finite.
    #[test]
    fn no_configuration_panics(
        model_type in "(llama|mixtral|qwen3_moe|qwen3_next|deepseek_v3|gemma3n_text|gemma4_text|gpt_oss|nemotron_h|lfm2|granitemoehybrid|deepseek_v4|nemotron-nas|phi3)",
        keys in proptest::collection::vec((0usize..40, prop_oneof![Just(json!(0)), (0u64..1 << 21).prop_map(|number| json!(number)), (1u64..64).prop_map(|number| json!(number)), Just(json!("M*-E")), Just(json!([1, "full_attention"])), Just(json!(null)), Just(json!(true))]), 0..24),
    ) {
        let names = [
            "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size",
            "head_dim", "num_experts", "n_routed_experts", "num_local_experts", "num_experts_per_tok", "moe_intermediate_size",
            "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "sliding_window", "layer_types",
            "linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim",
            "linear_conv_kernel_dim", "full_attention_interval", "hybrid_override_pattern", "mamba_num_heads", "mamba_head_dim",
            "ssm_state_size", "n_groups", "conv_kernel", "hidden_size_per_layer_input", "vocab_size_per_layer_input",
            "altup_num_inputs", "laurel_rank", "conv_L_cache", "compress_ratios", "hc_mult", "n_shared_experts", "o_groups",
        ];
        let mut config = llama();
        config["model_type"] = json!(model_type);
        for (index, value) in keys {
            config[names[index]] = value;
        }
        if let Ok(shape) = Shape::from_config(&config) {
            prop_assume!(shape.layers.len() < 200);
            let profile = Profile::from_shape("any", &shape, &Quant::parse("Q4_K_M").unwrap());
            prop_assert!(profile.tensor_bytes.get().is_finite() && profile.flop_per_token().get() >= 0.0);
        }
    }
}
