//! The embedded engine in its own process: bad files, violent ends, and the confinement.
#![cfg(all(feature = "engine", unix))]

mod common;

use common::small_model;
use roofmark_facts::tensor_type::TensorType;
use roofmark_measure::engine::child::ChildEngine;
use roofmark_measure::engine::{
    DecodeCell, Engine, EngineError, GenerateRequest, LoadRequest, ModelSource, OpenRequest, PrefillCell,
    Switch,
};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_roofmark");

fn engine(model: &ModelSource, descriptors: roofmark_llama::Descriptors) -> ChildEngine {
    ChildEngine::spawn(roofmark_llama::command(PROGRAM.into(), model, descriptors))
        .expect("the engine starts")
}

fn scratch(name: &str, content: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine");
    std::fs::create_dir_all(&folder).expect("a scratch folder");
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a scratch file");
    path
}

/// Loads `path` and gives the reason of the failure; a second request shows that the engine lives.
fn refusal(path: &Path) -> String {
    let source = ModelSource::File(path.to_owned());
    let mut engine = engine(&source, Vec::new());
    let error = engine.load(&LoadRequest::new(source)).expect_err("no model");
    assert!(error.leaves_engine_alive(), "{error}");
    let open = engine.open(&OpenRequest::new(1, 64, 1)).expect_err("no model is there");
    assert_eq!(open.to_string(), "open a context: no model is loaded");
    error.to_string()
}

#[test]
fn a_file_that_is_no_model_is_refused_with_a_reason() {
    for (name, content, reason) in [
        ("text.gguf", b"Once upon a time there was a file that was no model.".as_slice(), "invalid magic"),
        ("empty.gguf", b"".as_slice(), "failed to read magic"),
        ("short.gguf", b"GGUF\x03\0\0\0".as_slice(), "failed to read"),
        (
            "huge.gguf",
            b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0\0".as_slice(),
            "number of tensors is",
        ),
    ] {
        let text = refusal(&scratch(name, content));
        assert!(text.starts_with("load the model: ") && text.contains(name), "{text}");
        assert!(text.contains(reason), "{name}: {text}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let missing = scratch("there.gguf", b"").with_file_name("missing.gguf");
    assert!(refusal(&missing).ends_with("missing.gguf: No such file or directory (os error 2)"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    assert!(refusal(&folder.join("engine")).ends_with("engine is a folder"));
}

#[test]
fn a_killed_engine_leaves_the_parent_with_an_error() {
    let mut engine = engine(&ModelSource::File("none.gguf".into()), Vec::new());
    let killed = Command::new("kill").args(["-KILL", &engine.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let error = engine.prefill(&PrefillCell { tokens: 1, depth: 0, seed: 1 }).expect_err("it is dead");
    assert!(matches!(error, EngineError::Killed { signal: 9, .. }), "{error}");
}

#[test]
fn a_stopped_engine_is_found_silent() {
    let source = ModelSource::File("none.gguf".into());
    let mut command = roofmark_llama::command(PROGRAM.into(), &source, Vec::new());
    command.limits.silence = Duration::from_secs(2);
    let mut engine = ChildEngine::spawn(command).expect("the engine starts");
    let stopped = Command::new("kill").args(["-STOP", &engine.id().to_string()]).status();
    assert!(stopped.is_ok_and(|status| status.success()));
    let error = engine.prefill(&PrefillCell { tokens: 1, depth: 0, seed: 1 }).expect_err("it sleeps");
    assert!(matches!(error, EngineError::Silent { .. }), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_outside_the_models_folder_is_out_of_reach() {
    if !landlock_is_there() {
        return;
    }
    let allowed = ModelSource::File(scratch("allowed.gguf", b"no model"));
    let outside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside.gguf");
    std::fs::write(&outside, b"no model").expect("a scratch file");
    let mut engine = engine(&allowed, Vec::new());
    let error = engine.load(&LoadRequest::new(ModelSource::File(outside))).expect_err("not allowed");
    assert!(error.to_string().ends_with("Permission denied (os error 13)"), "{error}");
    let error = engine.load(&LoadRequest::new(allowed)).expect_err("allowed, but no model");
    assert!(error.to_string().contains("invalid magic"), "{error}");
}

#[cfg(target_os = "linux")]
fn landlock_is_there() -> bool {
    std::fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|list| list.contains("landlock"))
        || std::fs::read_to_string("/proc/kallsyms").is_ok_and(|list| list.contains("landlock_restrict_self"))
}

#[test]
#[cfg(target_os = "linux")]
fn an_inherited_file_and_a_memory_file_are_loaded_like_a_file() {
    let file = std::fs::File::open(scratch("inherited.gguf", b"no model")).expect("it was just written");
    let memory = rustix::fs::memfd_create("model", rustix::fs::MemfdFlags::CLOEXEC).expect("memory");
    let mut memory = std::fs::File::from(memory);
    memory.write_all(&small_model()).expect("it is written to memory");
    let source = ModelSource::Descriptor(5);
    let request = LoadRequest::new(source.clone());
    let error = engine(&source, vec![(file.into(), 5)]).load(&request).expect_err("no model");
    assert!(error.to_string().contains("invalid magic"), "{error}");

    let mut from_memory = engine(&source, vec![(memory.into(), 5)]);
    let in_memory = buffers(&mut from_memory, &request);
    let source = ModelSource::File(scratch("on-disk.gguf", &small_model()));
    let on_disk = buffers(&mut engine(&source, Vec::new()), &LoadRequest::new(source.clone()));
    assert_eq!(in_memory, on_disk, "the kernels are the same");
}

/// The names of the buffers that hold the weights.
fn buffers(engine: &mut ChildEngine, request: &LoadRequest) -> String {
    let loaded = engine.load(request).expect("a model");
    assert_eq!((loaded.layers, loaded.vocabulary, loaded.tokenizer), (2, 1024, false));
    assert!(loaded.system_info.starts_with("CPU : ") && loaded.devices.iter().any(|d| d.kind == "cpu"));
    loaded.buffers.into_iter().map(|buffer| buffer.name).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_synthetic_model_runs_and_says_which_kernels_it_runs_on() {
    let source = ModelSource::File(scratch("small.gguf", &small_model()));
    let mut engine = engine(&source, Vec::new());
    let request = LoadRequest::new(source);
    let plain = buffers(&mut engine, &LoadRequest { repack: false, ..request.clone() });
    assert!(!plain.contains("REPACK"), "{plain}");
    let repacked = buffers(&mut engine, &request);
    assert!(repacked.contains("REPACK") || cfg!(not(target_arch = "x86_64")), "{repacked}");

    for (flash_attention, cache_type) in [(Switch::Off, TensorType::F16), (Switch::On, TensorType::Q8_0)] {
        let open = OpenRequest { flash_attention, cache_type, ..OpenRequest::new(2, 256, 4) };
        let opened = engine.open(&open).expect("a context");
        assert_eq!(opened.flash_attention, Some(flash_attention == Switch::On));
        assert!(opened.buffers.iter().any(|buffer| buffer.name == "CPU KV"), "{:?}", opened.buffers);
        let prefill = engine.prefill(&PrefillCell { tokens: 100, depth: 100, seed: 1 }).expect("a prefill");
        assert!(prefill.finite && prefill.steps.len() == 1);
        let decode =
            engine.decode(&DecodeCell { steps: 4, depth: 100, batch: 4, seed: 1 }).expect("a decode");
        assert!(decode.finite && decode.steps.len() == 4 && decode.total().get() > 0.0);
    }
    let prompt = GenerateRequest { prompt: "Hello".to_owned(), chat: false, tokens: 1 };
    let error = engine.generate(&prompt).expect_err("no words");
    assert_eq!(error.to_string(), "generate text: the file has no tokenizer");
}

#[test]
fn what_does_not_fit_is_refused_and_the_engine_lives() {
    let source = ModelSource::File(scratch("fits.gguf", &small_model()));
    let mut engine = engine(&source, Vec::new());
    engine.load(&LoadRequest::new(source)).expect("a model");
    let cell = DecodeCell { steps: 1, depth: 0, batch: 1, seed: 1 };
    let mut open = OpenRequest::new(1, 256, 1);
    assert_eq!(engine.decode(&cell).expect_err("closed").to_string(), "run decode steps: no context is open");

    if cfg!(target_os = "linux") {
        let large = OpenRequest { cache_type: TensorType::F32, ..OpenRequest::new(1, 40_000_000, 1) };
        let error = engine.open(&large).expect_err("330 GB of cache").to_string();
        assert!(error.starts_with("open a context: insufficient memory"), "{error}");
    }
    open.context = 2_000_000_000;
    open.sequences = 4;
    let error = engine.open(&open).expect_err("too many").to_string();
    assert_eq!(error, "open a context: 4 × 2000000000 tokens are too many");
    let open = OpenRequest { cache_type: TensorType::Q4_K, ..OpenRequest::new(1, 256, 1) };
    let error = engine.open(&open).expect_err("no such cache").to_string();
    assert_eq!(error, "open a context: cache type Q4_K is not supported");

    engine.open(&OpenRequest::new(1, 256, 2)).expect("this fits");
    let error = engine.decode(&DecodeCell { batch: 3, ..cell }).expect_err("three of two").to_string();
    assert_eq!(error, "run decode steps: batch 3 is more than the context's 2 sequences");
    assert!(engine.decode(&cell).is_ok());
}

/// The engine's input stays open here, so only the death of its parent can end it.
#[test]
#[cfg(target_os = "linux")]
fn the_engine_dies_with_its_parent() {
    let mut parent = Command::new("sh")
        .args(["-c", "\"$0\" __engine <&0 & echo $!; wait", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut lines = BufReader::new(parent.stdout.take().expect("piped")).lines();
    let id = lines.next().expect("a line").expect("the engine's id");
    assert_eq!(lines.next().expect("a line").expect("a greeting"), r#"{"hello":{"protocol":1}}"#);
    let mut input = parent.stdin.take().expect("piped");
    parent.kill().expect("it runs");
    parent.wait().expect("it ends");
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_running(&id) {
        assert!(Instant::now() < deadline, "the engine outlives its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Kept until here; fails because nobody reads any more.
    assert!(input.write_all(b"\n").is_err());
}

#[cfg(target_os = "linux")]
fn is_running(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}
