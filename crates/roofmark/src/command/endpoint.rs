//! `roofmark bench --endpoint`: what users of a server feel, alone and in a crowd.

mod live;
mod partial;
mod search;

use crate::exit::Exit;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use live::Live;
use roofmark_facts::load_doubt::LoadDoubt;
use roofmark_facts::load_record::{
    Api, Arrival, FORMAT, LoadCell, LoadRow, LoadRun, LoadSettings, ServerEngine, ServerFacts, Slo,
    SloMetric, Stage,
};
use roofmark_facts::units::{BytesPerSecond, RequestsPerSecond, Seconds, Watts};
use roofmark_ledger::record::Context;
use roofmark_measure::load::around::EnergyWatch;
use roofmark_measure::load::limits::Timeouts;
use roofmark_measure::load::plan::{Lengths, Plan, Ratio, run_cell};
use roofmark_measure::load::target::{Secret, Target};
use roofmark_measure::load::watch::Watch;
use roofmark_measure::load::{around, before, recognise, trace};
use roofmark_verdict::load;
use roofmark_verdict::sustain::Claim;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Confidence of the search for a rate.
const CONFIDENCE: f64 = 0.99;
/// Added to the seed of the cell that is run again.
const AGAIN: u64 = 0x5EED;

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
    /// Poisson arrivals whose rate changes: RATE:SECONDS for each stage, such as 1:30,4:60,1:30.
    #[arg(long, value_delimiter = ',', value_name = "RATE:SECONDS", value_parser = parse_stage, conflicts_with_all = ["rate", "trace"], help_heading = "Load test of a server")]
    pub stages: Vec<Stage>,
    /// Search the highest Poisson rate that meets --slo.
    #[arg(long, conflicts_with_all = ["rate", "trace", "stages"], help_heading = "Load test of a server")]
    pub find_rate: bool,
    /// Percentile of requests that must meet the targets in that search.
    #[arg(long, value_name = "PERCENTILE", default_value_t = 99, value_parser = clap::value_parser!(u8).range(50..=99), help_heading = "Load test of a server")]
    pub find_percentile: u8,
    /// Turns of a conversation; each sends the whole conversation so far.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100), conflicts_with_all = ["rate", "trace", "stages", "find_rate"], help_heading = "Load test of a server")]
    pub turns: u32,
    /// Seconds that a user thinks before the next turn.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", value_parser = parse_seconds, help_heading = "Load test of a server")]
    pub think: f64,
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
    /// Go on with the same sweep where it was stopped.
    #[arg(long, help_heading = "Load test of a server")]
    pub resume: bool,
    /// Write the whole record to this file, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Load test of a server")]
    pub save: Option<PathBuf>,
    /// Seed of prompts, lengths and arrivals.
    #[arg(long, default_value_t = 1, help_heading = "Load test of a server")]
    pub seed: u64,
}

fn parse_engine(text: &str) -> Result<ServerEngine, String> {
    let names = ServerEngine::ALL.map(ServerEngine::slug).join(", ");
    let found = ServerEngine::ALL.into_iter().find(|engine| engine.slug() == text);
    found.ok_or_else(|| format!("not one of {names}"))
}

fn parse_stage(text: &str) -> Result<Stage, String> {
    let stage = text.split_once(':').and_then(|(rate, length)| {
        let stage =
            Stage { rate: RequestsPerSecond(rate.parse().ok()?), length: Seconds(length.parse().ok()?) };
        let within = |value: f64, most: f64| value > 0.0 && value <= most;
        (within(stage.rate.get(), 1e5) && within(stage.length.get(), 86_400.0)).then_some(stage)
    });
    stage.ok_or_else(|| "expected requests per second and seconds, such as 4:60".to_owned())
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds from 0 to 3600".to_owned())
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
    let stop = crate::stop::flag("stopping; what was measured is kept (press again to end now)")?;
    let timeouts = Timeouts {
        idle: Duration::from_secs(args.idle_timeout),
        total: Duration::from_secs(args.timeout),
        ..Timeouts::default()
    };
    let mut run = record(args, server, ratio);
    run.settings.self_test = Some(before::self_test()?);
    run.settings.check = before::greedy(&target, &run.server)?;
    run.settings.shared_prefix |= plans.iter().flat_map(|plan| &plan.trace).any(|row| !row.blocks.is_empty());
    let idle = run.server.loopback.then(|| around::idle_power(Path::new("/"))).flatten();
    let cell = |run: &LoadRun, plan: &Plan, live: Live| {
        let plan = Plan { ratio, ..plan.clone() };
        let cell = || watched(&target, &run.server, &plan, timeouts, &stop, live);
        if run.server.loopback { beside(idle, cell) } else { cell() }
    };
    let run = if args.find_rate {
        let mut number = 0;
        let claim = Claim { quantile: f64::from(args.find_percentile) / 100.0, confidence: CONFIDENCE };
        let mut next = |plan: &Plan| {
            number += 1;
            let cell = cell(&run, plan, Live::new(plan, number, number))?;
            Ok((!cell.interrupted).then_some(cell))
        };
        let (found_rate, cells) = search::search(&plans[0], &args.slo, claim, &mut next)?;
        LoadRun { found_rate, cells, ..run }
    } else {
        sweep(run, args, &plans, &stop, &cell)?
    };
    finish(run, args, json, stop.load(Ordering::Relaxed), place)
}

/// Runs the cells one after the other and keeps each as it is finished.
fn sweep(
    mut run: LoadRun,
    args: &EndpointArgs,
    plans: &[Plan],
    stop: &AtomicBool,
    cell: &dyn Fn(&LoadRun, &Plan, Live) -> Result<LoadCell>,
) -> Result<LoadRun> {
    let kept = partial::place(&crate::ledger::folder()?, &asked(args, &run, plans));
    let done = partial::find(&kept)?.filter(|earlier| !earlier.cells.is_empty());
    match done {
        Some(earlier) if args.resume => {
            eprintln!("going on after {} of {} cells", earlier.cells.len(), plans.len());
            run = LoadRun { server: run.server, ..earlier };
        }
        Some(_) => eprintln!("the same sweep was stopped before: --resume would go on with it"),
        None if args.resume => eprintln!("nothing of this sweep is kept: starting anew"),
        None => {}
    }
    let order = around::balanced_order(plans.len(), args.seed);
    let steps = plans.len() + usize::from(plans.len() > 1);
    for (step, index) in order.iter().enumerate().skip(run.cells.len()) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let found = cell(&run, &plans[*index], Live::new(&plans[*index], step + 1, steps))?;
        run.cells.push(LoadCell { ran: step as u32, ..found });
        if plans.len() > 1 {
            partial::keep(&kept, &run)?;
        }
    }
    if plans.len() > 1 && !stop.load(Ordering::Relaxed) {
        // Other prompts, which no cache has from the first time.
        let first = &plans[order[0]];
        let again = Plan { seed: first.seed.wrapping_add(AGAIN), ..first.clone() };
        let found = cell(&run, &again, Live::new(&again, steps, steps))?;
        run.repeat = (!found.interrupted).then_some(found);
    }
    // As asked for; a sweep that was stopped has the first of `order` only.
    run.cells.sort_by_key(|cell| order[cell.ran as usize]);
    let finished = run.cells.iter().filter(|cell| !cell.interrupted).count();
    if finished == plans.len() {
        partial::forget(&kept);
    } else {
        run.doubts.push(LoadDoubt::Interrupted { done: finished as u32, planned: plans.len() as u32 });
        eprintln!("{finished} of {} cells are finished; go on with --resume", plans.len());
    }
    Ok(run)
}

/// What makes a sweep the same: the server, its model, and all that was asked for.
fn asked(args: &EndpointArgs, run: &LoadRun, plans: &[Plan]) -> String {
    // What was measured before the sweep is another time another number.
    let settings = LoadSettings {
        template_tokens: None,
        overhead: None,
        check: None,
        self_test: None,
        ..run.settings.clone()
    };
    format!("{:?} {} {:?} {settings:?} {plans:?}", args.endpoint, run.server.model, run.server.api)
}

fn finish(
    mut run: LoadRun,
    args: &EndpointArgs,
    json: bool,
    stopped: bool,
    place: &crate::ledger::Place,
) -> Result<Exit> {
    let mut rows: Vec<LoadRow> = Vec::new();
    for cell in &mut run.cells {
        let (row, doubts) = load::row(cell, &run.settings, &run.server);
        cell.doubts.extend(doubts);
        rows.push(row);
    }
    run.doubts.extend(load::order_effect(&run));
    let parts = load::part_rows(&run);
    // A record goes to other people, who need not know where the file lay.
    run.server.model = shown_model(&run.server.model).to_owned();
    let document = serde_json::json!({"run": run, "rows": rows, "parts": parts});
    if let Some(path) = &args.save {
        std::fs::write(path, format!("{document}\n"))
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    if json {
        super::print(&document.to_string())?;
    } else {
        super::print(&roofmark_report::load::screen(&run, &rows, &parts, load::knee_of(&rows)))?;
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

/// The last part of a model that is named by its path.
fn shown_model(name: &str) -> &str {
    let is_path = name.starts_with(['/', '~']) || name.get(1..3) == Some(":\\");
    if is_path { name.rsplit(['/', '\\']).next().unwrap_or(name) } else { name }
}

/// A cell whose server is on this machine: the sentinel before and after it, and the energy over it.
fn beside(idle: Option<Watts>, cell: impl FnOnce() -> Result<LoadCell>) -> Result<LoadCell> {
    let before = around::sentinel();
    let energy = EnergyWatch::start(Path::new("/"));
    let mut cell = cell()?;
    cell.energy = energy.finish(idle);
    cell.client.sentinel_before = before.map(BytesPerSecond::get);
    cell.client.sentinel_after = around::sentinel().map(BytesPerSecond::get);
    Ok(cell)
}

/// Runs a cell on a thread of its own, so that talking to the terminal never delays a time stamp.
fn watched(
    target: &Target,
    server: &ServerFacts,
    plan: &Plan,
    timeouts: Timeouts,
    stop: &AtomicBool,
    mut live: Live,
) -> Result<LoadCell> {
    let watch = Watch::default();
    let before = recognise::counters(target, server.engine);
    let mut cell = std::thread::scope(|scope| -> Result<LoadCell> {
        let cell = scope.spawn(|| run_cell(target, server, plan, timeouts, &watch));
        while !cell.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
            if stop.load(Ordering::Relaxed) {
                watch.stop();
            }
            live.show(watch.read());
        }
        live.finish();
        let ended =
            cell.join().map_err(|_| anyhow::anyhow!("failed to run the load: its thread panicked"))?;
        Ok(ended?)
    })?;
    cell.counters = recognise::difference(&before, &recognise::counters(target, server.engine));
    Ok(cell)
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
            Arrival::Stages { .. } | Arrival::Trace { .. } => 1_000_000,
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
            ratio: Ratio::default(),
            turns: args.turns,
            think: Duration::from_secs_f64(args.think),
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
    if !args.stages.is_empty() {
        return Ok((vec![Arrival::Stages { steps: args.stages.clone() }], Vec::new()));
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

fn record(args: &EndpointArgs, server: ServerFacts, ratio: Ratio) -> LoadRun {
    LoadRun {
        format: FORMAT.into(),
        tool: format!("roofmark {}", env!("CARGO_PKG_VERSION")),
        date: crate::day::now(),
        client: roofmark_measure::state::host(Path::new("/")),
        server,
        settings: LoadSettings {
            input_tokens: args.input_tokens.clone(),
            output_tokens: args.output_tokens.clone(),
            turns: args.turns,
            think: Seconds(args.think),
            ignore_eos: true,
            shared_prefix: args.shared_prefix,
            seed: args.seed,
            template_tokens: (ratio != Ratio::default()).then_some(ratio.overhead),
            slos: args.slo.clone(),
            overhead: None,
            check: None,
            self_test: None,
        },
        cells: Vec::new(),
        doubts: Vec::new(),
        found_rate: None,
        repeat: None,
    }
}
