//! Names as people, hubs and servers write them.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::names::Lookup;
use roofmark_facts::quant::Quant;

fn model(name: &str) -> String {
    match Catalog::builtin().find_model(name) {
        Lookup::One(found) if found.approximate => format!("about {}", found.model.slug),
        Lookup::One(found) => found.model.slug.clone(),
        Lookup::Several(found) => {
            found.iter().map(|found| found.model.slug.as_str()).collect::<Vec<_>>().join(" | ")
        }
        Lookup::None { nearest } => format!("unknown, near {}", nearest[0]),
    }
}

fn machine(name: &str) -> String {
    match Catalog::builtin().find_machine(name) {
        Lookup::One(found) => found.slug.clone(),
        Lookup::Several(found) => {
            found.iter().map(|found| found.slug.as_str()).collect::<Vec<_>>().join(" | ")
        }
        Lookup::None { nearest } => format!("unknown, near {}", nearest[0]),
    }
}

#[test]
fn models_are_found_by_any_usual_spelling() {
    for (name, slug) in [
        ("Llama 3.1 70B Instruct", "llama-3.1-70b"),
        ("llama3.1:70b", "llama-3.1-70b"),
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "llama-3.1-8b"),
        ("openai/gpt-oss-20b", "gpt-oss-20b"),
        ("gpt-oss-20b-MXFP4-Q4", "gpt-oss-20b"),
        ("qwen3.6:27b-mtp", "qwen3.6-27b"),
        ("glm-4.7-flash:latest", "glm-4.7-flash"),
        ("mistral-small3.2 24B", "mistral-small-3.2-24b"),
        ("gemma-3-4b-it-qat", "gemma-3-4b"),
        ("Qwen3 30B", "qwen3-30b-a3b"),
        ("70B dense", "about llama-3.1-70b"),
        ("7B dense", "about llama-2-7b"),
        ("lama-3.1-8b", "unknown, near llama-3.1-8b"),
        ("", "unknown, near llama-2-7b"),
    ] {
        assert_eq!(model(name), slug, "{name}");
    }
}

#[test]
fn a_name_that_fits_models_of_several_shapes_gives_them_all() {
    let found = model("DeepSeek R1 Distill Qwen");
    assert!(found.contains("-qwen-1.5b | ") && found.contains("-qwen-32b"), "{found}");
}

#[test]
fn machines_are_found_by_any_usual_spelling() {
    for (name, slug) in [
        ("M4 Max 40-core 128GB", "apple-m4-max-40c-128gb"),
        ("MacBook Pro M5 Max 128 GB (40-core GPU)", "apple-m5-max-40c-128gb"),
        ("RTX 5090", "nvidia-rtx-5090"),
        ("DGX Spark", "nvidia-dgx-spark"),
        ("amd strix halo 128", "amd-strix-halo-128gb"),
        ("m4 max 40c 64", "apple-m4-max-40c-64gb"),
        ("M2 Ultra 192GB", "apple-m2-ultra-60c-192gb | apple-m2-ultra-76c-192gb"),
        ("toaster", "unknown, near "),
    ] {
        assert!(machine(name).starts_with(slug), "{name}: {}", machine(name));
    }
}

#[test]
fn quantizations_are_found_by_any_usual_spelling() {
    for (name, label) in [
        ("q4km", "Q4_K_M"),
        ("Q4_K - Medium", "Q4_K_M"),
        ("q4_K_M", "Q4_K_M"),
        ("fp16", "F16"),
        ("4-bit", "MLX-4bit"),
        ("int4", "INT4"),
        ("mlx MXFP4-Q8", "MLX-MXFP4-Q8"),
        ("MXFP4(F16 gguf)", "MXFP4-F16"),
        ("ud-q4_k_xl", "UD-Q4_K_XL"),
    ] {
        assert_eq!(Quant::parse(name).map(|quant| quant.label), Ok(label), "{name}");
    }
    let error = Quant::parse("Q9_K").unwrap_err();
    assert!(error.to_string().contains("Q6_K"), "{error}");
}
