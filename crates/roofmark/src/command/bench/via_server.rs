//! `roofmark bench --via-server`: one model inside the engine and through its llama-server, and where the
//! difference goes. The embedded engine has no server; the program is found on the PATH or named.

use super::BenchArgs;
use super::request::{self, Request};
use super::weights::Weights;
use crate::exit::Exit;
use anyhow::{Context, Result, bail};
use roofmark_facts::load_record::{Api, ServerEngine, ServerFacts};
use roofmark_facts::reconcile_record::{FORMAT, Reconciliation, Round};
use roofmark_facts::units::Seconds;
use roofmark_measure::engine::{
    DecodeCell, Engine, EngineError, LoadRequest, ModelSource, OpenRequest, PrefillCell, Switch,
};
use roofmark_measure::load::recognise;
use roofmark_measure::load::reconcile::{Question, round};
use roofmark_measure::load::target::Target;
use roofmark_measure::state;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Prompt and output tokens where none are given.
const TOKENS: (u32, u32) = (128, 64);
/// Rounds where none are given.
const ROUNDS: u32 = 7;
/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures both views in turns and prints the balance.
pub fn run(args: &BenchArgs, json: bool) -> Result<Exit> {
    let host = state::host(Path::new("/"));
    let request = request::resolve(args, &host)?;
    let Weights::File { path, .. } = &request.weights else {
        bail!(
            "failed to start a server: synthetic weights have no vocabulary; name a GGUF file with --model"
        );
    };
    let program = find(args.server_binary.as_deref())?;
    let stop = crate::stop::flag(super::STOPPING)?;
    let (prompt, output) = (
        args.prefill.first().copied().unwrap_or(TOKENS.0).max(16),
        args.decode.first().copied().unwrap_or(TOKENS.1).max(8),
    );
    let (target, _server) = start(&program, path, &request, prompt + output + 256)?;
    let facts = recognise::recognise(&target, Some(ServerEngine::LlamaServer), None, Some(Api::Chat))?;
    let ratio = recognise::ratio(&target, &facts, 1)?;
    let mut engine = open(path, &request, prompt + output + 256)?;
    let mut rounds = Vec::new();
    let mut counted = u64::from(prompt);
    let wanted = args.reps.unwrap_or(ROUNDS);
    // The first round warms both up and is not counted.
    for number in 0..=wanted {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let question = Question { prompt, output, ratio, seed: u64::from(number) + 1 };
        let (server_round, tokens) = round(&target, &facts, &question)?;
        counted = tokens;
        let (prefill, decode) = inside(engine.as_mut(), tokens as u32, output - 1)?;
        eprintln!(
            "round {number} of {wanted}: engine {:.1} ms, user {:.1} ms",
            (prefill + decode).get() * 1e3,
            server_round.streamed.get() * 1e3
        );
        if number > 0 {
            rounds.push(Round { prefill, decode, ..server_round });
        }
    }
    drop(engine);
    let record = record(&request, path, facts, host, counted as u32, output, rounds);
    finish(&record, json, args.load.save.as_deref())
}

fn finish(record: &Reconciliation, json: bool, save: Option<&Path>) -> Result<Exit> {
    let balance =
        roofmark_verdict::reconcile::balance(record).context("failed to compare: not one round ended")?;
    let document = serde_json::json!({"reconciliation": record, "balance": balance}).to_string();
    if let Some(path) = save {
        std::fs::write(path, format!("{document}\n"))
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    super::super::print(&if json { document } else { roofmark_report::reconcile::screen(record, &balance) })?;
    Ok(Exit::Success)
}

/// Prefill of the prompt, and the decode steps after the first token, at the depth that the server has then.
fn inside(engine: &mut dyn Engine, prompt: u32, steps: u32) -> Result<(Seconds, Seconds), EngineError> {
    let prefill = engine.prefill(&PrefillCell { tokens: prompt, depth: 0, seed: 1 })?;
    let decode = engine.decode(&DecodeCell { steps, depth: prompt, batch: 1, seed: 1 })?;
    Ok((prefill.total(), decode.total()))
}

fn open(path: &Path, request: &Request, context: u32) -> Result<Box<dyn Engine>> {
    let source = ModelSource::File(path.to_owned());
    let mut engine = roofmark_llama::spawn(&source, roofmark_llama::Descriptors::default())
        .map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let failed = |error: EngineError| anyhow::anyhow!("failed to {error}");
    engine
        .load(&LoadRequest { gpu_layers: request.gpu_layers, ..LoadRequest::new(source) })
        .map_err(failed)?;
    let open = OpenRequest {
        flash_attention: request.flash_attention,
        cache_type: request.cache_type,
        ..OpenRequest::new(request.threads, context, 1)
    };
    engine.open(&open).map_err(failed)?;
    Ok(Box::new(engine))
}

/// The program that was named, or `llama-server` on the PATH.
fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        anyhow::ensure!(path.is_file(), "failed to start the server: {} is no file", path.display());
        return Ok(path.to_owned());
    }
    let name = format!("llama-server{}", std::env::consts::EXE_SUFFIX);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.context("failed to find llama-server on the PATH; name it with --server-binary, or build it with scripts/build-llama-server.sh")
}

/// Starts the server with the settings of the embedded engine and waits until it answers.
fn start(program: &Path, model: &Path, request: &Request, context: u32) -> Result<(Target, Server)> {
    let what = || format!("failed to start {}", program.display());
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).with_context(what)?.port();
    let flash = match request.flash_attention {
        Switch::Auto => "auto",
        Switch::On => "on",
        Switch::Off => "off",
    };
    let cache = request.cache_type.name().to_ascii_lowercase();
    let mut command = Command::new(program);
    command.arg("--model").arg(model).args(["--host", "127.0.0.1", "--parallel", "1"]);
    command.args(["--port", &port.to_string(), "--ctx-size", &context.to_string()]);
    command.args([
        "--threads",
        &request.threads.to_string(),
        "--threads-batch",
        &request.threads.to_string(),
    ]);
    command.args(["--flash-attn", flash, "--cache-type-k", &cache, "--cache-type-v", &cache]);
    if let Some(layers) = request.gpu_layers {
        command.args(["--gpu-layers", &layers.to_string()]);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut server = Server(child.with_context(what)?);
    let target = Target::new(&format!("http://127.0.0.1:{port}"), None, None)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = server.0.try_wait().with_context(what)? {
            bail!("{}: it ended by itself ({status})", what());
        }
        if recognise::is_ready(&target) {
            return Ok((target, server));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{}: it was not ready within {} s", what(), PATIENCE.as_secs())
}

fn record(
    request: &Request,
    path: &Path,
    server: ServerFacts,
    machine: roofmark_facts::records::Host,
    prompt_tokens: u32,
    output_tokens: u32,
    rounds: Vec<Round>,
) -> Reconciliation {
    let model = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Reconciliation {
        format: FORMAT.into(),
        tool: crate::ledger::TOOL.into(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        machine,
        engine: format!("llama.cpp ({})", roofmark_llama::VERSION),
        server: ServerFacts { model: model.clone(), ..server },
        model,
        threads: request.threads,
        prompt_tokens,
        output_tokens,
        rounds,
    }
}
