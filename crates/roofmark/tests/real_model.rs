//! A real model gives a real answer: a fast engine that computes the wrong thing is worth nothing.
//!
//! Run by scripts/test-real-model.sh, which fetches the model.
#![cfg(all(feature = "engine", unix))]

use roofmark_measure::engine::child::ChildEngine;
use roofmark_measure::engine::{
    DecodeCell, Engine, GenerateRequest, LoadRequest, ModelSource, OpenRequest, PrefillCell,
};
use std::path::PathBuf;

const PROGRAM: &str = env!("CARGO_BIN_EXE_roofmark");

fn model() -> ModelSource {
    let path = std::env::var_os("ROOFMARK_SMOLLM2").expect("the variable names the file");
    ModelSource::File(PathBuf::from(path))
}

fn engine(repack: bool) -> ChildEngine {
    let source = model();
    let command = roofmark_llama::command(PROGRAM.into(), &source, Vec::new());
    let mut engine = ChildEngine::spawn(command).expect("the engine starts");
    let loaded = engine.load(&LoadRequest { repack, ..LoadRequest::new(source) }).expect("it loads");
    assert_eq!((loaded.parameters, loaded.layers, loaded.tokenizer), (134_515_008, 30, true));
    assert!(loaded.system_info.starts_with("CPU : "), "{}", loaded.system_info);
    assert!(loaded.buffers.iter().any(|buffer| buffer.name.ends_with(" model")), "{:?}", loaded.buffers);
    engine
}

fn capital(engine: &mut ChildEngine) -> String {
    let prompt = "What is the capital of France?".to_owned();
    engine.generate(&GenerateRequest { prompt, chat: true, tokens: 24 }).expect("it answers").text
}

#[test]
#[ignore = "needs the model: scripts/test-real-model.sh"]
fn the_capital_of_france_is_paris() {
    for repack in [true, false] {
        let mut engine = engine(repack);
        engine.open(&OpenRequest::new(2, 256, 1)).expect("a context");
        let answer = capital(&mut engine);
        assert!(answer.contains("Paris"), "{answer}");
    }
}

#[test]
#[ignore = "needs the model: scripts/test-real-model.sh"]
fn cells_at_depth_and_in_batches_leave_the_answer_right() {
    let mut engine = engine(true);
    let opened = engine.open(&OpenRequest::new(2, 256, 4)).expect("a context");
    assert_eq!(opened.context, 256);
    let prefill = engine.prefill(&PrefillCell { tokens: 64, depth: 32, seed: 1 }).expect("a prefill");
    assert!(prefill.finite && prefill.steps.len() == 1 && prefill.total().get() > 0.0);
    for _ in 0..2 {
        let cell = DecodeCell { steps: 5, depth: 32, batch: 4, seed: 1 };
        let decode = engine.decode(&cell).expect("a decode, the second time from the saved cache");
        assert!(decode.finite && decode.steps.len() == 5);
    }
    let too_deep = DecodeCell { steps: 5, depth: 252, batch: 1, seed: 1 };
    let error = engine.decode(&too_deep).expect_err("no room");
    assert_eq!(
        error.to_string(),
        "run decode steps: depth 252 and 5 more tokens do not fit into a context of 256"
    );
    assert!(capital(&mut engine).contains("Paris"));
}
