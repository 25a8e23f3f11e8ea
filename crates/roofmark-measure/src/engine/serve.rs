//! The child's side of the protocol: one JSON document a line on both pipes.
//!
//! The child says `hello`, then answers each request with one reply. Between them it sends a beat
//! every [`BEAT`], so that the parent can tell a long computation from a dead process.

use super::{
    DecodeCell, Device, Engine, EngineError, GenerateRequest, Generated, LoadRequest, Loaded, OpenRequest,
    Opened, PrefillCell, ProductCell, Products, Timed,
};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Version of the protocol.
pub const PROTOCOL: u32 = 1;

/// Time between two signs of life.
pub const BEAT: Duration = Duration::from_millis(500);

/// What the parent may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// See [`Engine::load`].
    Load(LoadRequest),
    /// See [`Engine::open`].
    Open(OpenRequest),
    /// See [`Engine::prefill`].
    Prefill(PrefillCell),
    /// See [`Engine::decode`].
    Decode(DecodeCell),
    /// See [`Engine::multiply`].
    Multiply(ProductCell),
    /// See [`Engine::devices`].
    Devices,
    /// See [`Engine::generate`].
    Generate(GenerateRequest),
}

impl Request {
    /// What is asked, as words that follow "failed to".
    #[must_use]
    pub fn phrase(&self) -> &'static str {
        match self {
            Self::Load(_) => "load the model",
            Self::Open(_) => "open a context",
            Self::Prefill(_) => "run a prefill",
            Self::Decode(_) => "run decode steps",
            Self::Multiply(_) => "multiply matrices",
            Self::Devices => "list the engine's devices",
            Self::Generate(_) => "generate text",
        }
    }
}

/// What the child may say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// First line.
    Hello {
        /// Version of the protocol.
        protocol: u32,
    },
    /// Sign of life.
    Beat {
        /// Thousandths of the current request that are done.
        permille: u64,
    },
    /// Answer to `load`.
    Loaded(Loaded),
    /// Answer to `open`.
    Opened(Opened),
    /// Answer to `prefill` and `decode`.
    Timed(Timed),
    /// Answer to `multiply`.
    Products(Products),
    /// Answer to `devices`.
    Devices(Vec<Device>),
    /// Answer to `generate`.
    Generated(Generated),
    /// The engine's reason why it cannot.
    Refused(String),
}

/// How far the current request is; shared between the engine and the beat.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Records that `done` of `total` steps are done.
    pub fn set(&self, done: u64, total: u64) {
        self.0.store(done.saturating_mul(1000) / total.max(1), Ordering::Relaxed);
    }

    /// Thousandths done.
    #[must_use]
    pub fn permille(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers requests from `input` on `output` until `input` ends.
///
/// # Errors
/// When a pipe fails, or a line of `input` is no request.
pub fn serve(
    engine: &mut dyn Engine,
    progress: &Progress,
    input: impl BufRead,
    output: impl Write + Send + 'static,
) -> std::io::Result<()> {
    let output = Arc::new(Mutex::new(output));
    say(&output, &Reply::Hello { protocol: PROTOCOL })?;
    start_beat(output.clone(), progress.clone());
    for line in input.lines() {
        let request: Request = serde_json::from_str(&line?)?;
        progress.set(0, 1);
        say(&output, &answer(engine, &request))?;
    }
    Ok(())
}

fn answer(engine: &mut dyn Engine, request: &Request) -> Reply {
    let result = match request {
        Request::Load(request) => engine.load(request).map(Reply::Loaded),
        Request::Open(request) => engine.open(request).map(Reply::Opened),
        Request::Prefill(cell) => engine.prefill(cell).map(Reply::Timed),
        Request::Decode(cell) => engine.decode(cell).map(Reply::Timed),
        Request::Multiply(cell) => engine.multiply(cell).map(Reply::Products),
        Request::Devices => engine.devices().map(Reply::Devices),
        Request::Generate(request) => engine.generate(request).map(Reply::Generated),
    };
    result.unwrap_or_else(|error| Reply::Refused(reason(error)))
}

fn reason(error: EngineError) -> String {
    match error {
        EngineError::Refused { reason, .. } => reason,
        other => other.to_string(),
    }
}

/// Beats until the parent is gone, and then ends the process: nobody is left to answer to. It ends
/// by an abort, because an orderly exit would tear the engine down under the thread that computes.
fn start_beat(output: Arc<Mutex<impl Write + Send + 'static>>, progress: Progress) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(BEAT);
            if say(&output, &Reply::Beat { permille: progress.permille() }).is_err() {
                std::process::abort();
            }
        }
    });
}

fn say(output: &Mutex<impl Write>, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(&line)?;
    output.flush()
}
