//! Sessions with the predictor: models from files, mixed depths, ambiguous names, what is refused and why.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn roofmark(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-ledger");
    command.args(words).env_remove("ROOFMARK_CATALOG").env_remove("ROOFMARK_LEDGER");
    command.env("ROOFMARK_DATA", nowhere).output().expect("the program runs")
}

fn said(words: &[&str]) -> (String, String) {
    let output = roofmark(words);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

fn json(words: &[&str]) -> Value {
    let output = roofmark(&[words, &["--json"]].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn refused(words: &[&str]) -> String {
    let output = roofmark(words);
    assert!(!output.status.success() && output.stdout.is_empty(), "{words:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn config(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/configs").join(model).join("config.json")
}

/// Configurations as the hub has them, keys that do not matter included.
const CONFIGS: [(&str, &str); 6] = [
    ("Llama-3.1-8B", "llama-3.1-8b"),
    ("Qwen3-30B-A3B", "qwen3-30b-a3b"),
    ("gemma-3-4b-it", "gemma-3-4b"),
    ("DeepSeek-V3", "deepseek-v3"),
    ("Qwen3-Next-80B-A3B", "qwen3-next-80b-a3b"),
    ("Qwen3.5-35B-A3B", "qwen3.5-35b-a3b"),
];

#[test]
fn a_configuration_of_the_hub_costs_what_the_catalog_says() {
    let pairs = CONFIGS.map(|(file, slug)| format!("{},{slug}", config(file).display()));
    let models = pairs.join(",");
    let found = json(&["predict", "--machine", "nvidia-dgx-spark", "--model", &models, "--depth", "4k"]);
    let of = |case: &Value| {
        ["/memory/weights", "/memory/cache", "/decode/bytes", "/decode/rate", "/prefill/rate"]
            .map(|key| case.pointer(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("{key}")))
    };
    let cases = found["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2 * CONFIGS.len());
    for pair in cases.chunks(2) {
        assert_eq!(of(&pair[0]), of(&pair[1]), "{}", pair[1]["model"]);
    }
}

#[test]
fn a_configuration_without_a_needed_key_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    for (file, key) in [
        ("Llama-3.1-8B", "num_hidden_layers"),
        ("Qwen3-30B-A3B", "moe_intermediate_size"),
        ("DeepSeek-V3", "kv_lora_rank"),
        ("Qwen3-Next-80B-A3B", "linear_num_value_heads"),
    ] {
        let text = std::fs::read_to_string(config(file)).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document.as_object_mut().unwrap().remove(key);
        std::fs::write(&path, document.to_string()).unwrap();
        let words = ["predict", "--machine", "nvidia-dgx-spark", "--model", path.to_str().unwrap()];
        let error = refused(&words);
        assert!(error.contains("config.json: ") && error.contains(key), "{file}: {error}");
    }
    std::fs::write(&path, "{").unwrap();
    let error = refused(&["predict", "--machine", "nvidia-dgx-spark", "--model", path.to_str().unwrap()]);
    assert!(error.contains("failed to read") && error.contains("config.json"), "{error}");
}

#[test]
fn a_gguf_file_is_predicted_by_its_own_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smollm2.gguf");
    let path = path.to_str().unwrap();
    assert!(roofmark(&["synth", "smollm2-135m", "--quant", "Q8_0", "--output", path]).status.success());
    let models = format!("{path},smollm2-135m");
    let both = json(&["predict", "--machine", "rtx 4090", "--model", &models, "--quant", "Q8_0"]);
    let [found, catalogued] = [0, 1].map(|index| &both["cases"][index]);
    assert_eq!(found["memory"]["weights"], json(&["inspect", path])["tensor_bytes"].as_f64().unwrap());
    assert_eq!(found["memory"]["weights"], catalogued["memory"]["weights"]);
    assert_eq!(found["decode"]["rate"], catalogued["decode"]["rate"]);
}

#[test]
fn mixed_depths_are_one_batch_whose_caches_add_up() {
    let predict = ["predict", "--machine", "nvidia-rtx-5090", "--model", "llama-3.1-8b", "--prompt", "1"];
    let mixed = json(&[&predict[..], &["--depths", "6x1k,2x32k"]].concat());
    assert_eq!(mixed["workload"]["batch"], 8.0);
    assert_eq!(mixed["workload"]["depths"].as_array().unwrap().len(), 8);
    // 131,072 B a token: 6 × 1,024 + 2 × 32,768 tokens, and 129 more each.
    let cache = mixed["memory"]["cache"].as_f64().unwrap();
    assert_eq!(cache, 131_072.0 * f64::from(6 * 1024 + 2 * 32_768 + 8 * 129));
    let equal = json(&[&predict[..], &["--depth", "8960", "--batch", "8"]].concat());
    assert_eq!(equal["memory"]["cache"].as_f64().unwrap(), cache, "the mean of the depths is 8,960");
    let error = refused(&[&predict[..], &["--depths", "1k,4k", "--batch", "8"]].concat());
    assert!(error.contains("--depths names 2 sequences, but --batch is [8]"), "{error}");
    let error = refused(&[&predict[..], &["--depths", "1k,4k", "--depth", "8"]].concat());
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn the_batch_curve_bends_where_the_arithmetic_catches_up() {
    let models = "llama-3.1-8b,qwen3-30b-a3b";
    let found = json(&["predict", "--machine", "nvidia-rtx-5090", "--model", models]);
    let [dense, mixture] = [0, 1].map(|index| &found["cases"][index]["batches"]);
    for curve in [dense, mixture] {
        let points = curve["points"].as_array().unwrap();
        let rates: Vec<f64> = points.iter().map(|point| point["rate"].as_f64().unwrap()).collect();
        assert!(rates.len() == 8 && rates.windows(2).all(|pair| pair[1] > pair[0]), "{rates:?}");
    }
    let knee = |curve: &Value| curve["knee"].as_f64().unwrap_or(f64::INFINITY);
    assert!((8.0..400.0).contains(&knee(dense)), "{dense}");
    assert!(knee(mixture) > knee(dense), "a mixture touches more experts as it grows");
}

#[test]
fn names_that_fit_several_machines_say_which() {
    let predict = |machine| said(&["predict", "--machine", machine, "--model", "llama-3.1-8b"]);
    let (out, err) = predict("m5 max 40-core");
    assert!(out.starts_with("Apple M5 Max 40-core GPU 128 GB"), "{out}");
    assert!(err.contains("taking apple-m5-max-40c-128gb") && err.contains("apple-m5-max-64gb"), "{err}");
    let (out, err) = predict("m5 max");
    assert!(out.is_empty() && err.contains("name one by its id"), "{err}");
    assert!(err.contains("\n  apple-m5-max-32c ") && err.contains("\n  apple-m5-max-40c-128gb "), "{err}");
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let predict = ["predict", "--machine", "nvidia-rtx-4090", "--model", "llama-3.1-8b"];
    for (words, reason) in [
        (&["--backend", "metal"][..], "Metal does not run on nvidia-rtx-4090"),
        (&["--backend", "steam"], "--backend is `steam`, expected cuda"),
        (&["--engine", "mlx", "--backend", "cuda"], "MLX has no CUDA backend that was measured"),
        (&["--engine", "tensorrt-llm", "--backend", "vulkan"], "TensorRT-LLM has no Vulkan backend"),
        (&["--engine", "abacus"], "--engine is `abacus`, expected llama.cpp"),
        (&["--link", "10gbe"], "a link needs several machines"),
        (&["--machines", "2", "--link", "wet string"], "--link is `wet string`"),
        (&["--depth", "200k"], "more than the context of 131072"),
        (&["--speculation", "0.5"], "the accepted length is outside 1 to 16"),
        (&["--batch", "0"], "--batch is 0, expected at least 1"),
        (&["--prompt", "0"], "--prompt is 0, expected at least 1"),
        (&["--machines", "0"], "--machines is 0, expected 1 to 16"),
        (&["--kv-type", "q9"], "--kv-type is `q9`"),
        (&["--host-bandwidth", "0"], "--host-bandwidth is 0, expected GB/s above 0"),
        (&["--quant", "Q4_KX"], "nearest: Q4_K"),
        (&["--model", "lama-3.1-8b"], "nearest: llama-3.1-8b"),
    ] {
        let words: Vec<&str> = match words {
            ["--model", name] => vec!["predict", "--machine", "nvidia-rtx-4090", "--model", name],
            _ => [&predict[..], words].concat(),
        };
        let error = refused(&words);
        assert!(error.contains(reason), "{words:?}: {error}");
    }
    let error = refused(&["predict", "--machine", "rtx 5990", "--model", "llama-3.1-8b"]);
    assert!(error.contains("is not in the catalog; nearest: nvidia-rtx-5090"), "{error}");
}

#[test]
fn what_does_not_fit_says_by_how_much_and_what_would() {
    let words = ["predict", "--machine", "apple-m4-10c-16gb", "--model", "llama-3.1-70b"];
    let output = roofmark(&words);
    assert_eq!(output.status.code(), Some(3));
    let out = String::from_utf8(output.stdout).expect("text");
    assert!(out.contains("does not fit by ") && out.contains("it does not run"), "{out}");
    assert!(out.contains("B parameters at Q4_K_M would fit"), "{out}");
    let (out, _) = said(&["predict", "--machine", "rtx 5090", "--model", "qwen3-32b", "--quant", "BF16"]);
    assert!(out.contains("it spills; Q6_K would fit"), "{out}");
}
