//! The embedded engine in its own process: bad files, violent ends, and the confinement.
#![cfg(all(feature = "engine", unix))]

use roofmark_measure::engine::child::ChildEngine;
use roofmark_measure::engine::{Engine, EngineError, LoadRequest, ModelSource, OpenRequest, PrefillCell};
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
    rustix::io::write(&memory, b"no model").expect("it is written to memory");
    for descriptor in [file.into(), memory] {
        let source = ModelSource::Descriptor(5);
        let mut engine = engine(&source, vec![(descriptor, 5)]);
        let error = engine.load(&LoadRequest::new(source)).expect_err("no model");
        assert!(error.to_string().contains("invalid magic"), "{error}");
    }
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
