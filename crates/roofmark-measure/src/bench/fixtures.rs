//! Test data: an engine that follows a script, a quiet machine.

use super::Probe;
use crate::engine::{
    DecodeCell, Engine, EngineError, GenerateRequest, Generated, LoadRequest, Loaded, OpenRequest, Opened,
    PrefillCell, ProductCell, Products, Timed,
};
use roofmark_facts::records::{Roof, State};
use roofmark_facts::units::{Bytes, BytesPerSecond, Joules, Seconds};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// An engine whose decode steps take 10 ms and whose prefill takes 1 ms a token; logs what it is asked.
pub(crate) struct Scripted {
    pub(crate) log: Rc<RefCell<Vec<String>>>,
    pub(crate) name: &'static str,
    /// Fails from this decode on, counting from 0.
    pub(crate) dies_at: Option<usize>,
    pub(crate) decodes: usize,
}

impl Scripted {
    pub(crate) fn new(name: &'static str, log: &Rc<RefCell<Vec<String>>>) -> Self {
        Self { log: log.clone(), name, dies_at: None, decodes: 0 }
    }

    fn note(&self, text: &str) {
        self.log.borrow_mut().push(format!("{} {text}", self.name));
    }
}

impl Engine for Scripted {
    fn load(&mut self, _: &LoadRequest) -> Result<Loaded, EngineError> {
        self.note("load");
        Ok(Loaded {
            engine: "scripted".into(),
            version: "1".into(),
            system_info: "AVX512 = 1".into(),
            devices: vec![],
            model: String::new(),
            parameters: 0,
            tensor_bytes: Bytes(0.0),
            layers: 0,
            train_context: 0,
            vocabulary: 0,
            tokenizer: false,
            buffers: vec![],
            repack: true,
            time: Seconds(0.0),
            environment: vec![],
            sandbox: "none".into(),
        })
    }

    fn open(&mut self, request: &OpenRequest) -> Result<Opened, EngineError> {
        self.note(&format!("open {}x{}", request.context, request.sequences));
        Ok(Opened {
            context: request.context,
            threads: request.threads,
            flash_attention: Some(true),
            buffers: vec![],
            resident: None,
            resident_peak: None,
        })
    }

    fn prefill(&mut self, cell: &PrefillCell) -> Result<Timed, EngineError> {
        self.note(&format!("pp{}", cell.tokens));
        let time = Seconds(f64::from(cell.tokens) * 1e-3);
        Ok(Timed { setup: Seconds(0.0), steps: vec![time], finite: true })
    }

    fn decode(&mut self, cell: &DecodeCell) -> Result<Timed, EngineError> {
        self.note(&format!("tg{}x{}", cell.steps, cell.batch));
        self.decodes += 1;
        if self.dies_at.is_some_and(|at| self.decodes > at) {
            return Err(EngineError::Killed { request: "decode", signal: 9 });
        }
        Ok(Timed { setup: Seconds(0.0), steps: vec![Seconds(0.01); cell.steps as usize], finite: true })
    }

    fn multiply(&mut self, cell: &ProductCell) -> Result<Products, EngineError> {
        let pass = cell.bytes() / BytesPerSecond::from_gb(40.0);
        Ok(Products { passes: vec![pass; 3], device: "CPU".into(), repacked: cell.repack, finite: true })
    }

    fn generate(&mut self, _: &GenerateRequest) -> Result<Generated, EngineError> {
        Ok(Generated { text: "Paris".into(), prompt_tokens: 1, tokens: 1 })
    }
}

/// Surroundings that give scripted roofs and loads, then repeat the last.
pub(crate) struct Surroundings {
    pub(crate) roofs: Vec<f64>,
    pub(crate) busy: Vec<f64>,
}

fn next(values: &mut Vec<f64>) -> f64 {
    if values.len() > 1 { values.remove(0) } else { values[0] }
}

impl Probe for Surroundings {
    fn roof(&mut self, threads: u32) -> Roof {
        let bandwidth = BytesPerSecond::from_gb(next(&mut self.roofs));
        Roof { threads, best: bandwidth, median: bandwidth }
    }

    fn busy(&mut self) -> Option<f64> {
        Some(next(&mut self.busy))
    }

    fn begin(&mut self) {}

    fn end(&mut self) -> (State, Option<Joules>) {
        (State::default(), None)
    }

    fn rest(&mut self, _: Duration) {}
}
