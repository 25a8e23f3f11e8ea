//! Every catalogued model: its synthetic file has the bytes and the cost of
//! the catalog's own table, and its slices keep the full model's bytes per layer.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::gguf::{TensorInfo, profile};
use roofmark_facts::quant::Quant;
use roofmark_facts::synth::{Plan, plan, slice_context};

#[test]
fn the_cost_read_from_a_synthetic_file_is_that_of_the_catalog() {
    for (model, label) in Catalog::builtin().models.iter().zip(["Q4_K_M", "Q8_0", "MXFP4"].iter().cycle()) {
        let quant = Quant::parse(label).unwrap();
        let plan = plan(&model.slug, &model.shape, &quant, None).unwrap();
        let mut expected = model.profile(&quant);
        expected.context = expected.context.or(Some(4096));
        let found = profile(&model.slug, &plan.table()).unwrap();
        assert_eq!(found, expected, "{} {label}", model.slug);
    }
}

#[test]
fn slices_keep_the_bytes_of_an_average_layer() {
    let quant = Quant::parse("Q4_K_M").unwrap();
    for (slug, layers, tolerance) in [
        ("llama-3.1-8b", 4, 0.03),
        ("llama-3.1-70b", 8, 0.03),
        ("llama-3.1-8b", 8, 0.01),
        ("qwen3-30b-a3b", 8, 0.02),
    ] {
        let shape = &Catalog::builtin().model(slug).unwrap().shape;
        let layer_bytes = |plan: &Plan| {
            let inside = |tensor: &&TensorInfo| tensor.name.starts_with("blk.");
            plan.table().tensors.iter().filter(inside).map(|tensor| tensor.bytes).sum::<u64>() as f64
                / plan.shape.layers.len() as f64
        };
        let full = layer_bytes(&plan(slug, shape, &quant, None).unwrap());
        let slice = layer_bytes(&plan(slug, shape, &quant, Some(layers)).unwrap());
        assert!((slice / full - 1.0).abs() < tolerance, "{slug} {layers}: {slice} against {full}");
    }
}

#[test]
fn the_full_8b_file_has_the_tensor_bytes_of_the_published_mix() {
    let shape = &Catalog::builtin().model("llama-3.1-8b").unwrap().shape;
    let plan = plan("llama-3.1-8b", shape, &Quant::parse("Q4_K_M").unwrap(), None).unwrap();
    assert_eq!(plan.tensor_bytes(), 4_912_898_048);
    assert_eq!(plan.file_bytes().unwrap(), 4_912_916_128);
}

#[test]
fn impossible_slices_and_foreign_formats_are_refused() {
    let shape = &Catalog::builtin().model("llama-3.1-8b").unwrap().shape;
    let message =
        |label: &str, keep| plan("x", shape, &Quant::parse(label).unwrap(), keep).unwrap_err().to_string();
    assert_eq!(message("Q8_0", Some(0)), "0 layers were asked for, the model has 32 (at least 1 is needed)");
    assert_eq!(
        message("Q8_0", Some(33)),
        "33 layers were asked for, the model has 32 (at least 1 is needed)"
    );
    let windowed = &Catalog::builtin().model("gpt-oss-20b").unwrap().shape;
    let error = plan("x", windowed, &Quant::parse("MXFP4").unwrap(), Some(1)).unwrap_err().to_string();
    assert_eq!(error, "1 layers were asked for, the model needs 2 to keep each of its kinds of layer");
    assert!(message("FP8", None).contains("which GGUF does not have"));
}

#[test]
fn a_slice_of_qwen_flash_keeps_the_layer_that_n_grams_feed_or_loses_their_table() {
    let shape = &Catalog::builtin().model("qwen3.8-flash-next").unwrap().shape;
    let quant = Quant::parse("Q4_K_M").unwrap();
    for (keep, fed) in [(None, true), (Some(4), false)] {
        let plan = plan("x", shape, &quant, keep).unwrap();
        let has = |name: &str| plan.tensors.iter().any(|tensor| tensor.name.ends_with(name));
        let layer = plan.shape.streams.as_ref().unwrap().fed.first().copied();
        assert_eq!(layer, fed.then_some(2));
        assert_eq!((has("per_layer_token_embd.weight"), has("ple_key.weight")), (fed, fed), "{keep:?}");
        assert_eq!(plan.metadata.get("qwen4exp.ple.layers").is_some(), fed);
    }
}

#[test]
fn a_slice_without_its_windows_says_how_far_it_holds() {
    let limit = |slug: &str| slice_context(&Catalog::builtin().model(slug).unwrap().shape);
    assert_eq!(limit("exaone-4.0-32b"), Some(4096));
    assert_eq!((limit("gpt-oss-20b"), limit("llama-3.1-8b")), (None, None));
}
