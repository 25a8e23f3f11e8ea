//! `roofmark predict`: rates with intervals, what limits them and what they rest on.

mod workload;

use crate::exit::Exit;
use crate::ledger::Place;
use crate::{model_file, own, pick};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use roofmark_facts::answer::{Asked, Case};
use roofmark_facts::gguf;
use roofmark_facts::machine::Machine;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::shape::Shape;
use roofmark_facts::units::BytesPerSecond;
use roofmark_report::predict as screen;
use roofmark_theory::answer::{Ask, Split, answer};
use roofmark_theory::curve::curve;
use roofmark_theory::job::Job;
use roofmark_theory::predict::{Predictor, place};
use roofmark_theory::software::{Backend, Engine};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use workload::Workload;

/// Arguments of `predict`. Options with several comma-separated values give a table.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Machines of the catalog; `this` is the one at hand, by its measured memory roof.
    #[arg(long, value_delimiter = ',', default_value = "this")]
    pub machine: Vec<String>,
    /// Models: of the catalog, a .gguf file, or a config.json of Hugging Face.
    #[arg(long, value_delimiter = ',', required = true)]
    pub model: Vec<String>,
    /// Quantizations.
    #[arg(long, value_delimiter = ',', default_value = "Q4_K_M")]
    pub quant: Vec<String>,
    /// Engine: llama.cpp, ollama, mlx, vllm, lm-studio, sglang, tensorrt-llm.
    #[arg(long)]
    pub engine: Option<String>,
    /// Backend: cuda, rocm, vulkan, metal, mlx, sycl, cpu.
    #[arg(long)]
    pub backend: Option<String>,
    /// Tokens already in the cache: 4096, or 4k.
    #[arg(long, value_delimiter = ',', default_value = "0", value_parser = workload::tokens)]
    pub depth: Vec<u32>,
    /// Sequences decoded together.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub batch: Vec<u32>,
    /// One batch of sequences of these depths: 1k,4k,32k, or 6x1k,2x32k for eight.
    #[arg(long, value_delimiter = ',', value_name = "[COUNTx]DEPTH", conflicts_with = "depth", value_parser = workload::depths)]
    pub depths: Vec<workload::Depths>,
    /// Prompt tokens.
    #[arg(long, value_delimiter = ',', default_value = "512", value_parser = workload::tokens)]
    pub prompt: Vec<u32>,
    /// Mean accepted length of speculative decoding, the bonus token included.
    #[arg(long, value_name = "TOKENS")]
    pub speculation: Option<f64>,
    /// Machines, or cards in one machine, that share the work.
    #[arg(long, default_value_t = 1)]
    pub machines: u32,
    /// Link between them: 10gbe, 200gbe, thunderbolt5, or GB/s in one direction.
    #[arg(long)]
    pub link: Option<String>,
    /// How they share it.
    #[arg(long, value_enum, default_value = "tensor")]
    pub split: SplitArg,
    /// Storage type of the cache: f16, q8_0, q4_0, fp8 …
    #[arg(long, default_value = "f16")]
    pub kv_type: String,
    /// Memory bandwidth in GB/s of the host that computes what a card cannot hold.
    #[arg(long, value_name = "GB/S")]
    pub host_bandwidth: Option<f64>,
}

/// How devices share a model, as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SplitArg {
    /// A slice of every layer each.
    Tensor,
    /// Some of the layers each.
    Pipeline,
}

/// A model to predict, wherever it came from.
#[derive(Clone)]
struct Subject {
    profile: Arc<Profile>,
    hidden: Option<f64>,
    approximate: bool,
    note: Option<String>,
}

/// Predicts and prints.
pub fn run(args: &PredictArgs, json: bool, place: &Place) -> Result<Exit> {
    let cases = cases(args, place)?;
    let text = match (json, cases.as_slice()) {
        (true, cases) => serde_json::to_string_pretty(&documents(cases))?,
        (false, [case]) => screen::one(case),
        (false, cases) => screen::table(cases),
    };
    super::print(&text)?;
    let unfit = |case: &Case| !case.answer.memory.fits() && case.answer.streamed.is_none();
    Ok(if cases.iter().all(unfit) { Exit::Negative } else { Exit::Success })
}

/// Every combination of what `args` name, answered.
pub fn cases(args: &PredictArgs, place: &Place) -> Result<Vec<Case>> {
    let workloads = workload::all(args)?;
    let machines = args.machine.iter().map(|name| pick::machine(name)).collect::<Result<Vec<_>>>()?;
    // Everything that can be refused without the predictors comes before them: they take a moment to build.
    let mut asks = Vec::new();
    for &machine in &machines {
        let mut of_machine = Vec::new();
        for model in &args.model {
            for subject in subjects(model, &args.quant)? {
                for workload in &workloads {
                    of_machine.push((ask(args, machine, &subject, workload)?, subject.clone()));
                }
            }
        }
        asks.push(of_machine);
    }
    let predictors = own::predictors(place, &machines)?;
    let pairs = predictors.into_iter().zip(asks);
    pairs
        .flat_map(|(predictor, asks)| {
            asks.into_iter().map(move |(ask, subject)| case(predictor, &ask, &subject))
        })
        .collect()
}

fn case(predictor: &Predictor<'_>, ask: &Ask<'static>, subject: &Subject) -> Result<Case> {
    let failed = || format!("failed to predict {} on {}", ask.job.profile.model, ask.job.machine.slug);
    let mut answer = answer(predictor, ask).with_context(failed)?;
    answer.decode.notes.extend(subject.note.clone());
    let job = &ask.job;
    Ok(Case {
        machine: job.machine.slug.clone(),
        machine_name: job.machine.name.clone(),
        model: job.profile.model.clone(),
        quant: job.profile.quant.clone(),
        parameters: job.profile.params,
        approximate_bytes: subject.approximate,
        engine: job.engine.name().to_owned(),
        backend: job.backend.name().to_owned(),
        workload: Asked {
            depth: job.depth,
            depths: job.depths.to_vec(),
            batch: job.batch,
            prompt: ask.prompt,
            accepted: ask.accepted,
            machines: ask.devices,
        },
        context: job.profile.context,
        place: place(job),
        prefill_place: place(&job.clone().prefill(ask.prompt, job.depth)),
        answer,
        batches: curve(predictor, ask),
    })
}

/// The model in each quantization; a file has its own and takes no other.
fn subjects(model: &str, quants: &[String]) -> Result<Vec<Subject>> {
    let path = Path::new(model);
    let ends = |end: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(end));
    if ends("gguf") {
        let table = model_file::open(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let profile =
            gguf::profile(&name, &table).with_context(|| format!("failed to read {}", path.display()))?;
        return Ok(vec![Subject {
            profile: Arc::new(profile),
            hidden: None,
            approximate: false,
            note: None,
        }]);
    }
    if ends("json") {
        let shape = config(path)?;
        let name = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let of = |quant: &Quant| Profile::from_shape(&name, &shape, quant);
        return subjects_of(quants, &shape, of);
    }
    let model = pick::model(model)?;
    subjects_of(quants, &model.shape, |quant| model.profile(quant))
}

fn subjects_of(
    quants: &[String],
    shape: &Shape,
    profile: impl Fn(&Quant) -> Profile,
) -> Result<Vec<Subject>> {
    let subject = |text: &String| {
        let quant = pick::quant(text)?;
        let profile = Arc::new(profile(&quant));
        Ok(Subject {
            profile,
            hidden: Some(shape.hidden as f64),
            approximate: quant.approximate,
            note: shape.note.clone(),
        })
    };
    quants.iter().map(subject).collect()
}

fn config(path: &Path) -> Result<Shape> {
    let failed = || format!("failed to read {}", path.display());
    let text = std::fs::read_to_string(path).with_context(failed)?;
    let document: Value = serde_json::from_str(&text).with_context(failed)?;
    Shape::from_config(&document).with_context(failed)
}

fn ask(
    args: &PredictArgs,
    machine: &'static Machine,
    subject: &Subject,
    workload: &Workload,
) -> Result<Ask<'static>> {
    ensure!((1..=16).contains(&args.machines), "--machines is {}, expected 1 to 16", args.machines);
    let (engine, backend) = software(args, machine)?;
    let mut job = Job::decode(machine, Arc::clone(&subject.profile), engine, backend, 0.0);
    job.cache_element = pick::cache_element(&args.kv_type)?;
    Ok(Ask {
        job: job.mixed(&workload.depths),
        prompt: workload.prompt,
        accepted: args.speculation,
        devices: args.machines,
        link: args.link.as_deref().map(link).transpose()?,
        split: match args.split {
            SplitArg::Tensor => Split::Tensor,
            SplitArg::Pipeline => Split::Pipeline,
        },
        host: args.host_bandwidth.map(host).transpose()?,
        hidden: subject.hidden,
    })
}

fn software(args: &PredictArgs, machine: &Machine) -> Result<(Engine, Backend)> {
    let on_mlx = args.backend.as_deref().and_then(Backend::parse) == Some(Backend::Mlx);
    let usual = if on_mlx { Engine::Mlx } else { Engine::LlamaCpp };
    let engine = args.engine.as_deref().map_or(usual, Engine::parse);
    if let Some(name) = args.engine.as_deref().filter(|_| engine == Engine::Other) {
        bail!(
            "--engine is `{name}`, expected llama.cpp, ollama, lm-studio, mlx, vllm, sglang or tensorrt-llm"
        );
    }
    let backend = match args.backend.as_deref() {
        None => Backend::usual(machine, engine),
        Some(name) => match Backend::parse(name) {
            Some(backend) => backend,
            None => bail!("--backend is `{name}`, expected cuda, rocm, vulkan, metal, mlx, sycl or cpu"),
        },
    };
    ensure!(backend.runs_on(machine), "{} does not run on {}", backend.name(), machine.slug);
    let (name, with) = (engine.name(), backend.name());
    ensure!(engine.has(backend), "{name} has no {with} backend that was measured");
    Ok((engine, backend))
}

fn host(gb_per_s: f64) -> Result<BytesPerSecond> {
    ensure!(gb_per_s > 0.0 && gb_per_s.is_finite(), "--host-bandwidth is {gb_per_s}, expected GB/s above 0");
    Ok(BytesPerSecond::from_gb(gb_per_s))
}

/// Bandwidth of a link in one direction: `200gbe` (gigabits), `thunderbolt5`, or a number of GB/s.
fn link(text: &str) -> Result<BytesPerSecond> {
    let lower = text.to_lowercase();
    let gigabits = lower.strip_suffix("gbe").and_then(|number| number.parse::<f64>().ok());
    let gb_per_s = match lower.as_str() {
        "thunderbolt5" | "tb5" => Some(10.0),
        "thunderbolt4" | "tb4" => Some(5.0),
        _ => gigabits.map(|bits| bits / 8.0).or_else(|| lower.parse().ok()),
    };
    match gb_per_s.filter(|rate| *rate > 0.0 && rate.is_finite()) {
        Some(rate) => Ok(BytesPerSecond::from_gb(rate)),
        None => bail!("--link is `{text}`, expected 10gbe, 200gbe, thunderbolt5 or GB/s"),
    }
}

/// One answer, or all under `cases`.
pub fn documents(cases: &[Case]) -> Value {
    match cases {
        [case] => document(case),
        cases => json!({"cases": cases.iter().map(document).collect::<Vec<_>>()}),
    }
}

fn document(case: &Case) -> Value {
    let Case { answer, .. } = case;
    let memory = &answer.memory;
    json!({
        "machine": case.machine,
        "model": case.model,
        "quant": case.quant,
        "approximate_bytes": case.approximate_bytes,
        "engine": case.engine,
        "backend": case.backend,
        "workload": case.workload,
        "decode": answer.decode,
        "decode_streamed": answer.streamed,
        "prefill": answer.prefill,
        "roofline": case.place,
        "batches": case.batches,
        "memory": memory,
        "memory_needed": memory.needed(),
        "fits": memory.fits(),
        "short_by": memory.short_by(),
        "first_token_s": answer.first_token,
        "answer_50_tokens_s": answer.answer_50,
        "answer_500_tokens_s": answer.answer_500,
    })
}
