//! The parent lives and says what happened, whatever the engine's process does.
//!
//! The process is a shell script that plays one part: it speaks the protocol until it dies, hangs or raves.
#![cfg(unix)]

use roofmark_measure::engine::child::{ChildCommand, ChildEngine, Limits};
use roofmark_measure::engine::{Engine, EngineError, PrefillCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const HELLO: &str = r#"echo '{"hello":{"protocol":1}}'; read request;"#;
const CELL: PrefillCell = PrefillCell { tokens: 1, depth: 0, seed: 1 };

/// Starts a shell script as an engine.
fn engine(script: &str) -> Result<ChildEngine, EngineError> {
    ChildEngine::spawn(ChildCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        descriptors: Vec::new(),
        limits: Limits { answer: Duration::from_millis(2500), silence: Duration::from_millis(1500) },
    })
}

/// What a prefill on the engine `HELLO + script` fails with.
fn failure(script: &str) -> String {
    let mut engine = engine(&format!("{HELLO} {script}")).expect("the script says hello");
    let error = engine.prefill(&CELL).expect_err("the script gives no time");
    let again = engine.prefill(&CELL).expect_err("the script is gone");
    assert!(!again.to_string().is_empty());
    format!("failed to {error}")
}

fn check(script: &str, expected: &str) {
    assert_eq!(failure(script), expected, "{script}");
}

#[test]
fn an_abort_is_told_with_the_last_words() {
    check(
        "echo 'GGML_ASSERT(ne == 4) failed' >&2; kill -ABRT $$",
        "failed to run a prefill: the engine's process aborted: GGML_ASSERT(ne == 4) failed",
    );
}

#[test]
fn a_kill_is_told_with_its_likely_cause() {
    check(
        "kill -KILL $$",
        "failed to run a prefill: the engine's process was killed (signal 9, as the system does when memory runs out)",
    );
    check(
        "kill -SEGV $$",
        "failed to run a prefill: the engine's process was killed (signal 11, a memory fault)",
    );
}

#[test]
fn an_early_end_is_told_with_its_status() {
    check(
        "echo out of cheese >&2; exit 3",
        "failed to run a prefill: the engine's process ended with exit status 3: out of cheese",
    );
}

#[test]
fn silence_and_slowness_are_two_things() {
    check(
        "exec sleep 20",
        "failed to run a prefill: no sign of life for 1.5 s; the engine's process was stopped",
    );
    check(
        r#"while sleep 0.05; do echo '{"beat":{"permille":1}}'; done"#,
        "failed to run a prefill: no answer within 2.5 s; the engine's process was stopped",
    );
}

#[test]
fn nonsense_is_quoted_without_its_control_characters() {
    check(
        r"printf 'Segmentation \033[31mfault\n'; exec sleep 20",
        "failed to run a prefill: the engine's process answered `Segmentation [31mfault`, which is not its protocol",
    );
    check(
        r#"echo '{"generated":{"text":"","prompt_tokens":0,"tokens":0}}'; exec sleep 20"#,
        "failed to run a prefill: the engine's process answered `Generated(Generated { text: \"\", \
         prompt_tokens: 0, tokens: 0 })`, which is not its protocol",
    );
}

#[test]
fn a_line_without_end_takes_bounded_memory() {
    let text = failure("exec head -c 20000000 /dev/zero");
    assert!(text.contains("is not its protocol"), "{text}");
}

#[test]
fn a_refusal_leaves_the_engine_alive() {
    let timed = r#"{"timed":{"setup":0.0,"steps":[0.25],"finite":true}}"#;
    let script =
        format!("{HELLO} echo '{{\"refused\":\"no room\"}}'; read request; echo '{timed}'; read end");
    let mut engine = engine(&script).expect("the script says hello");
    let error = engine.prefill(&CELL).expect_err("the script refuses first");
    assert_eq!(error.to_string(), "run a prefill: no room");
    assert!(error.leaves_engine_alive());
    assert_eq!(engine.prefill(&CELL).expect("the script answers then").total().get(), 0.25);
}

#[test]
fn a_program_that_is_no_engine_is_found_out_at_once() {
    let error = engine("echo hello; exec sleep 20").err().expect("not the protocol");
    assert_eq!(
        error.to_string(),
        "start the engine's process: the engine's process answered `hello`, which is not its protocol"
    );
    let missing = ChildCommand {
        program: "/nonexistent/engine".into(),
        arguments: Vec::new(),
        descriptors: Vec::new(),
        limits: Limits::default(),
    };
    let error = ChildEngine::spawn(missing).err().expect("no such program");
    assert!(error.to_string().starts_with("start the engine's process /nonexistent/engine: "), "{error}");
}

#[test]
fn the_watch_sees_the_progress_and_can_stop_it() {
    let script = format!(r#"{HELLO} while sleep 0.05; do echo '{{"beat":{{"permille":250}}}}'; done"#);
    let mut engine = engine(&script).expect("the script says hello");
    let seen = Arc::new(AtomicU64::new(0));
    let sink = seen.clone();
    engine.watch(Box::new(move |permille| {
        sink.store(permille, Ordering::Relaxed);
        ControlFlow::Break(())
    }));
    let error = engine.prefill(&CELL).expect_err("the watch stops it");
    assert_eq!(error.to_string(), "run a prefill: interrupted");
    assert_eq!(seen.load(Ordering::Relaxed), 250);
}

#[test]
fn the_log_keeps_its_last_lines() {
    let script = "i=0; while [ $i -lt 300 ]; do echo line $i >&2; i=$((i+1)); done";
    let mut engine = engine(&format!("{script}; {HELLO} exit 1")).expect("the script says hello");
    engine.prefill(&CELL).expect_err("the script ends");
    let log = engine.log();
    assert_eq!((log.len(), log[199].as_str()), (200, "line 299"));
}

#[test]
fn an_open_file_is_passed_on() {
    let file = std::fs::File::open("/proc/version").or_else(|_| std::fs::File::open("/etc/passwd"));
    let engine = ChildEngine::spawn(ChildCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), format!("read -r line <&7 && {HELLO}").into()],
        descriptors: vec![(file.expect("a file that every system has").into(), 7)],
        limits: Limits::default(),
    });
    assert!(engine.is_ok(), "the script reads descriptor 7");
}
