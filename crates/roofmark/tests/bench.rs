//! Sessions of `roofmark bench` with the real engine: models that other programs keep, an engine that is
//! killed, and a model that no memory holds.
#![cfg(all(feature = "engine", target_os = "linux"))]

mod common;

use common::small_model;
use roofmark_facts::gguf::{Metadata, NewTensor, PartName, TensorInfo, Value, read, write};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::process::{Command, Stdio};

const PARTS: usize = 2;

fn bench(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.args(["bench", "--json", "--threads", "1", "--reps", "1", "--batch", "1"]).args(words);
    for variable in ["OLLAMA_MODELS", "HF_HOME", "LLAMA_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
        command.env_remove(variable);
    }
    command.env("HOME", home);
    command
}

/// Splits a model as gguf-split does: the first part has all keys, each says which part it is.
fn split(model: &[u8], folder: &Path, stem: &str) {
    let whole = read(Cursor::new(model)).expect("our own file");
    let per_part = whole.tensors.len().div_ceil(PARTS);
    for (number, tensors) in whole.tensors.chunks(per_part).enumerate() {
        let mut metadata = if number == 0 { whole.metadata.clone() } else { Metadata::default() };
        metadata.set("split.no", Value::U16(number as u16));
        metadata.set("split.count", Value::U16(PARTS as u16));
        metadata.set("split.tensors.count", Value::I32(whole.tensors.len() as i32));
        let name = PartName { stem: stem.into(), part: number as u32 + 1, parts: PARTS as u32 };
        let data = |tensor: &TensorInfo| {
            let begin = (whole.data_start + tensor.offset) as usize;
            &model[begin..begin + tensor.bytes as usize]
        };
        let new = |tensor: &TensorInfo| NewTensor {
            name: tensor.name.clone(),
            dims: tensor.dims.clone(),
            kind: tensor.kind,
        };
        let new: Vec<NewTensor> = tensors.iter().map(new).collect();
        let mut file = Vec::new();
        write(&mut file, &metadata, &new, |index, out| out.write_all(data(&tensors[index]))).expect("a part");
        std::fs::write(folder.join(name.sibling(name.part)), file).expect("a scratch file");
    }
}

/// The hub's cache: links in a snapshot to files named by their content.
fn hub_cache(home: &Path, stem: &str) {
    let repository = home.join(".cache/huggingface/hub/models--maker--tiny");
    let (blobs, snapshot) = (repository.join("blobs"), repository.join("snapshots/12ab"));
    std::fs::create_dir_all(&blobs).expect("a folder");
    std::fs::create_dir_all(&snapshot).expect("a folder");
    split(&small_model(), &blobs, stem);
    for entry in std::fs::read_dir(&blobs).expect("a folder").flatten() {
        let name = entry.file_name();
        let link = Path::new("../../blobs").join(&name);
        std::os::unix::fs::symlink(link, snapshot.join(&name)).expect("a link");
    }
}

#[test]
fn a_split_model_in_the_hubs_cache_is_found_by_name_and_measured() {
    let home = tempfile::tempdir().expect("a folder");
    hub_cache(home.path(), "Tiny-Q4_K_M");
    let words = ["--model", "tiny-q4_k_m", "--prefill", "8", "--decode", "2"];
    let output = bench(home.path(), &words).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(found["run"]["model"]["origin"]["file"], "Tiny-Q4_K_M-00001-of-00002.gguf");
    assert_eq!(found["run"]["parts"][0]["layers"], 2);
    assert_eq!(found["rows"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_engine_that_is_killed_leaves_what_was_measured() {
    let home = tempfile::tempdir().expect("a folder");
    let model = home.path().join("small.gguf");
    std::fs::write(&model, small_model()).expect("a scratch file");
    let words = ["--model", model.to_str().expect("UTF-8"), "--prefill", "8", "--decode", "40000"];
    let mut child =
        bench(home.path(), &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let talk = BufReader::new(child.stderr.take().expect("piped"));
    let mut lines = talk.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("1/2 prefill")), "the first sample is taken");
    let killed = Command::new("kill").args(["-KILL", &engine_of(child.id())]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let said: Vec<String> = lines.collect();
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
    child.wait().expect("it ends");
    let found: serde_json::Value = serde_json::from_str(&text).expect("one JSON document");
    assert_eq!(found["rows"].as_array().map(Vec::len), Some(1), "{text}");
    assert!(found["run"]["doubts"].to_string().contains("signal 9"), "{}", found["run"]["doubts"]);
    assert!(said.iter().any(|line| line.contains("signal 9")), "{said:?}");
}

/// The process that `parent` has started as its engine.
fn engine_of(parent: u32) -> String {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.expect("the kernel lists children");
    let child = children.split_whitespace().next().expect("an engine runs");
    let command = std::fs::read_to_string(format!("/proc/{child}/cmdline")).expect("it runs");
    assert!(command.contains("__engine"), "{command}");
    child.to_owned()
}

#[test]
fn a_model_that_no_memory_holds_says_what_would_fit() {
    let home = tempfile::tempdir().expect("a folder");
    let words = ["--model", "deepseek-v3", "--quant", "F16", "--layers", "61"];
    let output = bench(home.path(), &words).output().expect("it runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(talk.contains("failed to fit deepseek-v3 F16 (61 layers): it needs "), "{talk}");
    assert!(talk.contains("these would fit: ") || talk.contains("free some memory first"), "{talk}");
    assert!(!talk.contains("waiting"), "nothing is waited for: {talk}");
}
