//! What several tests of the program need: a model that the engine loads in no time.

use roofmark_facts::quant::Quant;
use roofmark_facts::shape::Shape;
use roofmark_facts::synth;

/// A llama of two small layers with random weights.
pub fn small_model() -> Vec<u8> {
    let config = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512,
        "intermediate_size": 1024, "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 8,
        "head_dim": 64, "vocab_size": 1024, "max_position_embeddings": 2048, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}"#;
    let shape = Shape::from_config(&serde_json::from_str(config).expect("JSON")).expect("a shape");
    let quant = Quant::parse("Q4_K_M").expect("a quantization");
    let plan = synth::plan("small", &shape, &quant, None).expect("a plan");
    let mut bytes = Vec::new();
    plan.write(&mut bytes, 1, |_| ()).expect("a vector takes it");
    bytes
}
