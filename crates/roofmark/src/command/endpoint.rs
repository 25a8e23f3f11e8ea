//! `roofmark bench --endpoint`: what users of a server feel, alone and in a crowd.

use crate::exit::Exit;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use roofmark_facts::load_doubt::LoadDoubt;
use roofmark_facts::load_record::{
    Api, Arrival, FORMAT, LoadCell, LoadRow, LoadRun, LoadSettings, ServerEngine, ServerFacts, Slo, SloMetric,
};
use roofmark_facts::units::{RequestsPerSecond, Seconds};
use roofmark_ledger::record::Context;
use roofmark_measure::load::limits::Timeouts;
use roofmark_measure::load::plan::{Lengths, Plan, run_cell};
use roofmark_measure::load::target::{Secret, Target};
use roofmark_measure::load::watch::Watch;
use roofmark_measure::load::{recognise, trace};
use roofmark_verdict::load;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Arguments of a load test.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    /// Load-test an OpenAI-compatible server instead: http://host:port.
    #[arg(long, value_name = "URL", help_heading = "Load test of a server")]
    pub endpoint: Option<String>,
    /// Requests in flight, a closed loop at each.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16", help_heading = "Load test of a server", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub concurrency: Vec<u32>,
    /// Requests per second: an open loop at each rate, instead of a closed one.
    #[arg(long, value_delimiter = ',', value_name = "RATE", help_heading = "Load test of a server")]
    pub rate: Vec<f64>,
    /// Arrivals of the open loop: constant, poisson, or gamma:SHAPE.
    #[arg(long, default_value = "poisson", help_heading = "Load test of a server")]
    pub arrivals: String,
    /// Replay a trace in the form of Mooncake, BurstGPT or Azure.
    #[arg(long, value_name = "FILE", help_heading = "Load test of a server")]
    pub trace: Option<PathBuf>,
    /// Divide the times of the trace by this.
    #[arg(long, default_value_t = 1.0, help_heading = "Load test of a server")]
    pub trace_speed: f64,
    /// Requests per cell (default: 10 for each one in flight, at least 32).
    #[arg(long, help_heading = "Load test of a server")]
    pub requests: Option<u32>,
    /// Seconds of arrivals per cell.
    #[arg(long, value_name = "SECONDS", help_heading = "Load test of a server")]
    pub duration: Option<f64>,
    /// Prompt length: 512, normal:512,64, uniform:64,1024 or empirical:12,80,300.
    #[arg(long, default_value = "128", help_heading = "Load test of a server")]
    pub input_tokens: String,
    /// Output length, in the same forms.
    #[arg(long, default_value = "128", help_heading = "Load test of a server")]
    pub output_tokens: String,
    /// Latency targets, such as ttft=1s,tpot=50ms.
    #[arg(long, value_delimiter = ',', value_parser = parse_slo, help_heading = "Load test of a server")]
    pub slo: Vec<Slo>,
    /// The server's software, where it is not recognised rightly.
    #[arg(long, value_parser = parse_engine, help_heading = "Load test of a server")]
    pub engine: Option<ServerEngine>,
    /// Name of the model on the server (default: the first that it lists).
    #[arg(long, value_name = "NAME", help_heading = "Load test of a server")]
    pub served_model: Option<String>,
    /// Use /v1/completions instead of chat.
    #[arg(long, help_heading = "Load test of a server")]
    pub completions: bool,
    /// Environment variable that holds the API key.
    #[arg(
        long,
        default_value = "OPENAI_API_KEY",
        value_name = "NAME",
        help_heading = "Load test of a server"
    )]
    pub key_env: String,
    /// File that holds the API key.
    #[arg(long, value_name = "FILE", help_heading = "Load test of a server")]
    pub key_file: Option<PathBuf>,
    /// Certificates to trust besides the system's, PEM.
    #[arg(long, value_name = "FILE", help_heading = "Load test of a server")]
    pub ca_file: Option<PathBuf>,
    /// Let all prompts begin alike: prefix caching is the subject.
    #[arg(long, help_heading = "Load test of a server")]
    pub shared_prefix: bool,
    /// Give up a request after this many seconds.
    #[arg(long, default_value_t = 600, help_heading = "Load test of a server", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// Give up a response that is silent for this many seconds.
    #[arg(long, default_value_t = 60, help_heading = "Load test of a server", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub idle_timeout: u64,
    /// Seed of prompts, lengths and arrivals.
    #[arg(long, default_value_t = 1, help_heading = "Load test of a server")]
    pub seed: u64,
}

fn parse_engine(text: &str) -> Result<ServerEngine, String> {
    let names = ServerEngine::ALL.map(ServerEngine::slug).join(", ");
    let found = ServerEngine::ALL.into_iter().find(|engine| engine.slug() == text);
    found.ok_or_else(|| format!("not one of {names}"))
}

fn parse_slo(text: &str) -> Result<Slo, String> {
    let form = || "expected a target such as ttft=1s or tpot=50ms".to_owned();
    let (metric, limit) = text.split_once('=').ok_or_else(form)?;
    let metric = match metric {
        "ttft" => SloMetric::Ttft,
        "ttfa" => SloMetric::Ttfa,
        "tpot" => SloMetric::Tpot,
        "e2e" => SloMetric::E2e,
        _ => return Err(form()),
    };
    let (number, scale) = match limit.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (limit.strip_suffix('s').ok_or_else(form)?, 1.0),
    };
    let value: f64 = number.parse().map_err(|_| form())?;
    if value > 0.0 && value.is_finite() {
        Ok(Slo { metric, limit: Seconds(value * scale) })
    } else {
        Err(form())
    }
}

/// Runs the load test and prints it.
pub fn run(args: &EndpointArgs, json: bool, place: &crate::ledger::Place) -> Result<Exit> {
    let url = args.endpoint.as_deref().context("failed to find a server: --endpoint is missing")?;
    let roots = args.ca_file.as_ref().map(read).transpose()?;
    let target = Target::new(url, key(args)?, roots.as_deref())?;
    let plans = plans(args)?;
    let api = args.completions.then_some(Api::Completions);
    let server = recognise::recognise(&target, args.engine, args.served_model.as_deref(), api)?;
    let ratio = recognise::ratio(&target, &server, args.seed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("failed to catch Ctrl-C")?;
    let timeouts = Timeouts {
        idle: Duration::from_secs(args.idle_timeout),
        total: Duration::from_secs(args.timeout),
        ..Timeouts::default()
    };
    let mut run = record(args, server);
    let planned = plans.len();
    for plan in plans {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        run.cells.push(watched(&target, &run.server, &Plan { ratio, ..plan }, timeouts, &stop)?);
    }
    if stop.load(Ordering::Relaxed) {
        let done = run.cells.iter().filter(|cell| !cell.interrupted).count() as u32;
        run.doubts.push(LoadDoubt::Interrupted { done, planned: planned as u32 });
    }
    finish(run, json, stop.load(Ordering::Relaxed), place)
}

fn finish(mut run: LoadRun, json: bool, stopped: bool, place: &crate::ledger::Place) -> Result<Exit> {
    let mut rows: Vec<LoadRow> = Vec::new();
    for cell in &mut run.cells {
        let (row, doubts) = load::row(cell, &run.settings, &run.server);
        cell.doubts.extend(doubts);
        rows.push(row);
    }
    if json {
        let document = serde_json::json!({"run": run, "rows": rows});
        super::print(&document.to_string())?;
    } else {
        super::print(&roofmark_report::load::screen(&run, &rows))?;
        let points: Vec<_> = rows
            .iter()
            .filter_map(|row| match row.arrival {
                Arrival::Closed { concurrency } => Some((concurrency, row.output_throughput?)),
                _ => None,
            })
            .collect();
        if let Some(knee) = load::knee(&points) {
            super::print(&format!("knee of the curve: {knee} in flight"))?;
        }
    }
    crate::ledger::keep_run(place, &run, Context::default());
    Ok(if rows.iter().all(|row| row.succeeded == 0) {
        Exit::Failure
    } else if stopped {
        Exit::Interrupted
    } else {
        Exit::Success
    })
}

/// Runs a cell on a thread of its own, so that talking to the terminal never delays a time stamp.
fn watched(
    target: &Target,
    server: &ServerFacts,
    plan: &Plan,
    timeouts: Timeouts,
    stop: &AtomicBool,
) -> Result<LoadCell> {
    let watch = Watch::default();
    let before = recognise::counters(target, server.engine);
    let mut cell = std::thread::scope(|scope| -> Result<LoadCell> {
        let cell = scope.spawn(|| run_cell(target, server, plan, timeouts, &watch));
        let mut last = watch.read();
        let mut ticks = 0_u32;
        while !cell.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
            if stop.load(Ordering::Relaxed) {
                watch.stop();
            }
            ticks += 1;
            if ticks.is_multiple_of(20) {
                last = progress_line(plan, &last, watch.read());
            }
        }
        let ended =
            cell.join().map_err(|_| anyhow::anyhow!("failed to run the load: its thread panicked"))?;
        Ok(ended?)
    })?;
    cell.counters = recognise::difference(&before, &recognise::counters(target, server.engine));
    Ok(cell)
}

fn progress_line(
    plan: &Plan,
    last: &roofmark_measure::load::watch::Reading,
    now: roofmark_measure::load::watch::Reading,
) -> roofmark_measure::load::watch::Reading {
    let ttft =
        (now.ttft_micros - last.ttft_micros) as f64 / (now.ttft_count - last.ttft_count).max(1) as f64 / 1e3;
    let text = format!(
        "load {}: {}/{} done, {} in flight, {} failed, {:.0} chunks/s, ttft {ttft:.1} ms",
        plan.arrival.label(),
        now.ended,
        plan.requests,
        now.sent - now.ended,
        now.failed,
        (now.chunks - last.chunks) as f64 / 2.0
    );
    use std::io::IsTerminal;
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    } else {
        eprintln!("{text}");
    }
    now
}

fn key(args: &EndpointArgs) -> Result<Option<Secret>> {
    let text = match &args.key_file {
        Some(path) => Some(
            String::from_utf8(read(path)?).with_context(|| format!("failed to read {}", path.display()))?,
        ),
        None => std::env::var(&args.key_env).ok(),
    };
    Ok(text.filter(|text| !text.trim().is_empty()).map(|text| Secret::new(&text)).transpose()?)
}

fn read(path: &PathBuf) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

fn plans(args: &EndpointArgs) -> Result<Vec<Plan>> {
    let lengths = |text: &str, name: &str| {
        text.parse::<Lengths>().map_err(|error| anyhow::anyhow!("failed to use `{text}` as {name}: {error}"))
    };
    let (input, output) =
        (lengths(&args.input_tokens, "--input-tokens")?, lengths(&args.output_tokens, "--output-tokens")?);
    let (arrivals, rows) = arrivals(args)?;
    let plan = |(index, arrival): (usize, Arrival)| {
        let requests = match &arrival {
            Arrival::Closed { concurrency } => (concurrency * 10).max(32),
            _ if args.duration.is_some() => 1_000_000,
            _ => 200,
        };
        Plan {
            arrival,
            requests: args
                .requests
                .unwrap_or(if args.duration.is_some() { 1_000_000 } else { requests })
                .max(1),
            duration: args.duration,
            input: input.clone(),
            output: output.clone(),
            trace: rows.clone(),
            seed: args.seed.wrapping_add(index as u64 * 7919),
            ignore_eos: true,
            shared_prefix: args.shared_prefix,
            ratio: roofmark_measure::load::plan::Ratio::default(),
        }
    };
    Ok(arrivals.into_iter().enumerate().map(plan).collect())
}

fn arrivals(args: &EndpointArgs) -> Result<(Vec<Arrival>, Vec<trace::TraceRow>)> {
    if let Some(path) = &args.trace {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let (form, rows) = trace::read(&text)?;
        if rows.is_empty() || args.trace_speed.is_nan() || args.trace_speed <= 0.0 {
            bail!("failed to replay {}: no requests, or a speed that is not positive", path.display());
        }
        return Ok((vec![Arrival::Trace { form: form.into(), speed: args.trace_speed }], rows));
    }
    if args.rate.is_empty() {
        return Ok((
            args.concurrency.iter().map(|n| Arrival::Closed { concurrency: *n }).collect(),
            Vec::new(),
        ));
    }
    let of = |rate: &f64| {
        if !(*rate > 0.0 && *rate <= 100_000.0) {
            bail!("failed to use `{rate}` as --rate: it must be above 0 and at most 100000");
        }
        let rate = RequestsPerSecond(*rate);
        match args.arrivals.split_once(':') {
            None if args.arrivals == "constant" => Ok(Arrival::Constant { rate }),
            None if args.arrivals == "poisson" => Ok(Arrival::Poisson { rate }),
            Some(("gamma", shape))
                if shape.parse::<f64>().is_ok_and(|shape| shape > 0.0 && shape.is_finite()) =>
            {
                Ok(Arrival::Gamma { rate, shape: shape.parse()? })
            }
            _ => bail!(
                "failed to use `{}` as --arrivals: expected constant, poisson or gamma:SHAPE",
                args.arrivals
            ),
        }
    };
    Ok((args.rate.iter().map(of).collect::<Result<_>>()?, Vec::new()))
}

fn record(args: &EndpointArgs, server: ServerFacts) -> LoadRun {
    LoadRun {
        format: FORMAT.into(),
        tool: format!("roofmark {}", env!("CARGO_PKG_VERSION")),
        date: crate::day::now(),
        client: roofmark_measure::state::host(std::path::Path::new("/")),
        server,
        settings: LoadSettings {
            input_tokens: args.input_tokens.clone(),
            output_tokens: args.output_tokens.clone(),
            turns: 1,
            ignore_eos: true,
            shared_prefix: args.shared_prefix,
            seed: args.seed,
            slos: args.slo.clone(),
            overhead: None,
            check: None,
            self_test: None,
        },
        cells: Vec::new(),
        doubts: Vec::new(),
    }
}
