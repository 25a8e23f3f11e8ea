//! Sessions with model files: what is written is what is read, and what is wrong is named.

use std::path::Path;
use std::process::{Command, Output};

fn roofmark(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.args(words).env_remove("ROOFMARK_CATALOG");
    command.output().expect("the program runs")
}

fn json(words: &[&str]) -> serde_json::Value {
    let output = roofmark(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn error(words: &[&str]) -> String {
    let output = roofmark(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}

#[test]
fn a_synthetic_slice_costs_what_it_was_planned_to_cost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slice.gguf");
    let words =
        ["synth", "smollm2-135m", "--quant", "Q8_0", "--layers", "2", "--output", text(&path), "--json"];
    let written = json(&words);
    let found = json(&["inspect", text(&path), "--json"]);
    assert_eq!(found["file_bytes"], written["file_bytes"]);
    assert_eq!(found["tensor_bytes"], written["tensor_bytes"]);
    assert_eq!(found["layers"], 2);
    assert_eq!(found["quant"], "Q8_0");
    assert_eq!(found["file_bytes"], std::fs::metadata(&path).unwrap().len());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left");
}

#[test]
fn the_physics_table_comes_out_of_inspect() {
    let found = json(&["inspect", "llama-3.1-70b", "--quant", "Q4_K_M", "--json"]);
    let gb = |key: &str| (found[key].as_f64().unwrap() / 1e6).round() / 1e3;
    assert_eq!((gb("file_bytes"), gb("bytes_per_token"), gb("flops_per_token")), (42.513, 41.922, 139.006));
    assert_eq!(found["kv_bytes_per_token"], 327_680.0);
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    std::fs::write(&path, b"PK\x03\x04").unwrap();
    assert!(error(&["inspect", text(&path)]).contains("x.gguf: not a GGUF file: it begins with \"PK"));
    std::fs::write(&path, b"").unwrap();
    assert!(error(&["inspect", text(&path)]).contains("x.gguf: the file is empty"));
    let part = folder.path().join("big-00001-of-00002.gguf");
    std::fs::write(&part, b"").unwrap();
    assert!(error(&["inspect", text(&part)]).contains("failed to read"));
    assert!(error(&["inspect", "lama-3.1-8b", "--quant", "Q4_K_M"]).contains("llama-3.1-8b"));
    assert!(error(&["inspect", "llama-3.1-8b", "--quant", "Q4_KX"]).contains("Q4_K_M"));
    let too_many = error(&["synth", "smollm2-135m", "--layers", "99", "--output", text(&path)]);
    assert!(too_many.contains("99 layers were asked for, the model has 30"), "{too_many}");
}

#[test]
fn models_of_other_programs_are_listed() {
    let home = tempfile::tempdir().unwrap();
    let blobs = home.path().join(".ollama/models/blobs");
    let manifests = home.path().join(".ollama/models/manifests/host/library/smol");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::create_dir_all(&manifests).unwrap();
    let digest = "ab".repeat(32);
    let blob = blobs.join(format!("sha256-{digest}"));
    json(&["synth", "smollm2-135m", "--quant", "Q8_0", "--layers", "1", "--output", text(&blob), "--json"]);
    let manifest = serde_json::json!({ "layers": [
        { "mediaType": "application/vnd.ollama.image.model", "digest": format!("sha256:{digest}") }] });
    std::fs::write(manifests.join("135m"), manifest.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.args(["models", "--local", "--json"]).env("HOME", home.path());
    for variable in ["OLLAMA_MODELS", "HF_HOME", "LLAMA_CACHE", "XDG_CACHE_HOME"] {
        command.env_remove(variable);
    }
    let found: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let models = found["models"].as_array().unwrap();
    let ours = models.iter().find(|model| model["name"] == "smol:135m").expect("the Ollama model");
    assert_eq!((&ours["quant"], &ours["layers"]), (&"Q8_0".into(), &1.into()));
}

#[test]
fn a_missing_part_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big-00002-of-00003.gguf");
    json(&["synth", "smollm2-135m", "--quant", "Q8_0", "--layers", "1", "--output", text(&path), "--json"]);
    assert!(error(&["inspect", text(&path)]).contains("big-00001-of-00003.gguf is missing"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    std::os::unix::fs::symlink("/dev/full", path.with_extension("gguf.partial")).unwrap();
    let found = error(&["synth", "smollm2-135m", "--layers", "1", "--output", text(&path)]);
    assert!(found.contains("x.gguf: the model needs "), "{found}");
    assert!(found.contains("No space left on device"), "{found}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The whole real file is accounted for, to the byte.
#[test]
#[ignore = "needs the model: scripts/test-real-model.sh"]
fn smollm2_is_read_to_the_byte() {
    let path = std::env::var("ROOFMARK_SMOLLM2").expect("the variable names the file");
    let found = json(&["inspect", &path, "--json"]);
    assert_eq!(found["file_bytes"], 98_362_432);
    assert_eq!(found["tensor_bytes"], 96_576_768);
    assert_eq!(found["bytes_per_token"], 96_576_768, "tied embeddings: the table is read as the head");
    assert_eq!(found["parameters"], 134_515_008);
    assert_eq!(found["kv_bytes_per_token"], 23_040.0);
    let file = roofmark_facts::gguf::read(std::fs::File::open(&path).unwrap()).unwrap();
    let end =
        file.tensors.iter().map(|tensor| tensor.offset + tensor.bytes.next_multiple_of(file.alignment)).max();
    assert_eq!(file.data_start + end.unwrap(), file.file_bytes);
}
