//! `roofmark advise`: which machine for which workload, and what a target rate would take.

use crate::catalog::catalog;
use crate::day::today;
use crate::exit::Exit;
use crate::ownership::Ownership;
use crate::pick;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use roofmark_facts::advice::{Advice, Order, TargetAnswer, Workload};
use roofmark_facts::catalog::{Answer, Model};
use roofmark_facts::machine::Machine;
use roofmark_facts::quant::Quant;
use roofmark_report::advise as report;
use roofmark_theory::advise::{self, Constraints, Money, Search, Target};
use roofmark_theory::workload::{PRESETS, preset};
use std::collections::BTreeMap;

/// Models that are considered for a quality floor.
const CONSIDERED: usize = 5;

/// What orders machines that meet the targets equally well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Money a month.
    Cost,
    /// Tokens per second.
    Speed,
    /// Money for a million generated tokens.
    PerToken,
}

/// Arguments of `advise`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct AdviseArgs {
    /// What it is for: chat, coding, agents, documents, batch or team.
    #[arg(long, default_value = "chat")]
    pub workload: String,
    /// People of a team who wait for an answer at the same time.
    #[arg(long)]
    pub users: Option<f64>,
    /// Prompt tokens of a request.
    #[arg(long)]
    pub prompt: Option<f64>,
    /// Prompt tokens that are in the cache already.
    #[arg(long)]
    pub cached: Option<f64>,
    /// Generated tokens of a request.
    #[arg(long)]
    pub output: Option<f64>,
    /// Requests in flight.
    #[arg(long)]
    pub streams: Option<f64>,
    /// Least tokens per second of each stream; 0 for none.
    #[arg(long, value_name = "TOK/S")]
    pub least_rate: Option<f64>,
    /// Longest wait for the first token in seconds; 0 for none.
    #[arg(long, value_name = "SECONDS")]
    pub longest_wait: Option<f64>,
    /// A model that is good enough; may be given several times.
    #[arg(long)]
    pub model: Vec<String>,
    /// Any model of at least so many parameters in 10^9, in place of --model.
    #[arg(long, value_name = "BILLIONS", conflicts_with = "model")]
    pub at_least: Option<f64>,
    /// Quantization.
    #[arg(long, default_value = "Q4_K_M")]
    pub quant: String,
    /// Highest price of the machine.
    #[arg(long, value_name = "AMOUNT")]
    pub budget: Option<f64>,
    /// It must make no audible noise.
    #[arg(long)]
    pub silent: bool,
    /// It must have its own battery.
    #[arg(long)]
    pub portable: bool,
    /// Operating system that it must run: linux, macos or windows.
    #[arg(long)]
    pub os: Option<String>,
    /// Engine that must run on it.
    #[arg(long)]
    pub engine: Option<String>,
    /// Its vendor must say itself that an engine runs on it.
    #[arg(long)]
    pub vendor_support: bool,
    /// Most watts that the socket gives.
    #[arg(long, value_name = "WATTS")]
    pub socket: Option<f64>,
    /// Only this machine or family; may be given several times.
    #[arg(long)]
    pub machine: Vec<String>,
    /// What orders machines that meet the targets equally well; by token for batch and team, by cost otherwise.
    #[arg(long, value_enum)]
    pub by: Option<By>,
    /// Say what reaches a rate: "20 tok/s on llama-3.1-70b Q4_K_M".
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Places that are shown.
    #[arg(long, default_value_t = 5)]
    pub top: usize,
    /// List every machine that is left out, with its reasons.
    #[arg(long)]
    pub all: bool,
    /// Money and time.
    #[command(flatten)]
    pub ownership: Ownership,
}

/// Ranks, or works out what a target takes.
pub fn run(args: &AdviseArgs, json: bool) -> Result<Exit> {
    if let Some(text) = &args.target {
        return run_target(args, text, json);
    }
    let advice = advice(args)?;
    let priced = advice.places.iter().any(|place| place.price.is_some());
    let none = advice.places.is_empty() || (args.budget.is_some() && !priced);
    if json {
        super::print(&serde_json::to_string_pretty(&advice)?)?;
    } else if advice.places.is_empty() {
        super::print(&report::nothing_left(&advice))?;
    } else if none {
        let screen = report::screen(&advice, args.top, args.all);
        super::print(&format!("{}\n{screen}", report::nothing_left(&advice)))?;
    } else {
        super::print(&report::screen(&advice, args.top, args.all))?;
    }
    Ok(if none { Exit::Negative } else { Exit::Success })
}

/// The ranking that `args` ask for.
pub fn advice(args: &AdviseArgs) -> Result<Advice> {
    let workload = workload(args)?;
    let money = money(args, &workload)?;
    let catalog = catalog()?;
    let quant = pick::quant(&args.quant)?;
    let (models, mut notes) = models(args, &quant)?;
    let order = match args.by {
        Some(By::Cost) => Order::Cost,
        Some(By::Speed) => Order::Speed,
        Some(By::PerToken) => Order::PerToken,
        None if workload.streams > 1.0 => Order::PerToken,
        None => Order::Cost,
    };
    let constraints = constraints(args)?;
    let search = Search { workload, models, quant, constraints, order, money };
    let (places, excluded) = advise::advise(catalog, &search);
    notes.extend(assumptions(&search));
    let answers = answers(search.constraints.engine.as_deref(), &catalog.answers);
    Ok(Advice {
        models: search.models.iter().map(|model| format!("{} {}", model.slug, search.quant.label)).collect(),
        workload: search.workload,
        currency: args.ownership.currency.clone(),
        order,
        places,
        excluded,
        answers,
        notes,
        seed: args.ownership.seed,
    })
}

/// What the rate of `text` takes.
pub fn target(args: &AdviseArgs, text: &str) -> Result<TargetAnswer> {
    let workload = workload(args)?;
    let money = money(args, &workload)?;
    let target = read_target(text, workload)?;
    let asked = machines(&args.machine)?;
    Ok(advise::target(catalog()?, &target, &asked, &money))
}

fn run_target(args: &AdviseArgs, text: &str, json: bool) -> Result<Exit> {
    let answer = target(args, text)?;
    super::print(&if json {
        serde_json::to_string_pretty(&answer)?
    } else {
        report::target(&answer, args.top)
    })?;
    Ok(if answer.reach.is_empty() { Exit::Negative } else { Exit::Success })
}

/// Reads "20 tok/s on MODEL QUANT"; the quantization may be left out.
fn read_target(text: &str, workload: Workload) -> Result<Target<'static>> {
    let form = || {
        format!("--target is `{}`, expected the form \"20 tok/s on llama-3.1-70b Q4_K_M\"", pick::shown(text))
    };
    let (rate, what) = text.split_once(" on ").with_context(form)?;
    let number =
        rate.trim().trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || "/ ".contains(letter));
    let rate: f64 = number.parse().ok().with_context(form)?;
    ensure!((0.01..=100_000.0).contains(&rate), "--target asks for {rate} tok/s, expected 0.01 to 100,000");
    let what = what.trim();
    let split = what.rsplit_once(' ').and_then(|(model, quant)| Some((model, Quant::parse(quant).ok()?)));
    let (model, quant) = match split {
        Some((model, quant)) => (model, quant),
        None => (what, pick::quant("Q4_K_M")?),
    };
    Ok(Target { rate, model: pick::model(model)?, quant, workload: Workload { streams: 1.0, ..workload } })
}

fn workload(args: &AdviseArgs) -> Result<Workload> {
    let users = args.users.unwrap_or(8.0);
    ensure!((1.0..=100_000.0).contains(&users), "--users is {users}, expected 1 to 100,000");
    ensure!(
        args.users.is_none() || args.workload == "team",
        "--users is for --workload team; give --streams"
    );
    let Some(mut workload) = preset(&args.workload, users) else {
        bail!("--workload is `{}`, expected one of {}", pick::shown(&args.workload), PRESETS.join(", "))
    };
    for (field, value, least, target) in [
        ("--prompt", args.prompt, 1.0, &mut workload.prompt),
        ("--cached", args.cached, 0.0, &mut workload.cached),
        ("--output", args.output, 1.0, &mut workload.output),
        ("--streams", args.streams, 1.0, &mut workload.streams),
    ] {
        if let Some(value) = value {
            ensure!(
                (least..=10_000_000.0).contains(&value),
                "{field} is {value}, expected {least} to 10,000,000"
            );
            *target = value;
        }
    }
    for (field, value, target) in [
        ("--least-rate", args.least_rate, &mut workload.least_rate),
        ("--longest-wait", args.longest_wait, &mut workload.longest_wait),
    ] {
        if let Some(value) = value {
            ensure!((0.0..=1e7).contains(&value), "{field} is {value}, expected 0 to 10,000,000");
            *target = (value > 0.0).then_some(value);
        }
    }
    Ok(workload)
}

fn money(args: &AdviseArgs, workload: &Workload) -> Result<Money> {
    let ownership = &args.ownership;
    if let Some(budget) = args.budget {
        ensure!((1.0..=1e7).contains(&budget), "--budget is {budget}, expected 1 to 10,000,000");
    }
    let day = today(ownership.today.as_deref())?;
    let given = ownership.prices()?;
    let mut prices = BTreeMap::new();
    for machine in &catalog()?.machines {
        if let Some(price) = ownership.price_of(machine, &given, day)? {
            prices.insert(machine.slug.clone(), price);
        }
    }
    let common = ownership.common(day, workload.hours, workload.utilisation)?;
    let money = Money { currency: ownership.currency.clone(), common, prices, seed: ownership.seed };
    check(&money, workload)?;
    Ok(money)
}

/// Refuses hours and money that cannot be.
fn check(money: &Money, workload: &Workload) -> Result<()> {
    use roofmark_theory::cost::{Quantity, Question, Requests};
    let Workload { prompt, output, streams, .. } = *workload;
    for price in money.prices.values() {
        let mut inputs = money.common.clone();
        inputs.insert(Quantity::Price, price.clone());
        let (machine, currency) = (String::new(), String::new());
        let requests = Requests { prompt, output, streams };
        roofmark_theory::cost::check(&Question { machine, currency, requests, inputs })?;
    }
    Ok(())
}

fn models(args: &AdviseArgs, quant: &Quant) -> Result<(Vec<&'static Model>, Vec<String>)> {
    if let Some(floor) = args.at_least {
        ensure!((0.1..=10_000.0).contains(&floor), "--at-least is {floor}, expected 0.1 to 10,000");
        let found = advise::at_least(catalog()?, floor, quant, CONSIDERED);
        ensure!(!found.is_empty(), "no model of the catalog has {floor} billion parameters or more");
        let note = format!(
            "size stands for quality: a mixture of experts counts as the geometric mean of all and active parameters (a \
             rule of thumb); of the models above {floor} B the {} that read least are tried",
            found.len()
        );
        return Ok((found, vec![note]));
    }
    ensure!(!args.model.is_empty(), "no model is asked for: give --model NAME or --at-least BILLIONS");
    let found: Result<Vec<&Model>> = args.model.iter().map(|name| pick::model(name)).collect();
    Ok((found?, Vec::new()))
}

fn machines(names: &[String]) -> Result<Vec<&'static Machine>> {
    let mut found = Vec::new();
    for name in names {
        match catalog()?.find_machine(name) {
            roofmark_facts::names::Lookup::Several(several) => found.extend(several),
            _ => found.push(pick::machine(name)?),
        }
    }
    Ok(found)
}

fn constraints(args: &AdviseArgs) -> Result<Constraints> {
    let catalog = catalog()?;
    let os = args.os.as_ref().map(|os| os.to_lowercase());
    let systems = ["linux", "macos", "windows"];
    if let Some(os) = os.as_ref().filter(|os| !systems.contains(&os.as_str())) {
        bail!("--os is `{}`, expected one of {}", pick::shown(os), systems.join(", "));
    }
    let engine = args.engine.as_ref().map(|engine| engine.to_lowercase());
    let mut engines: Vec<&str> = catalog.support.iter().map(|row| row.engine.as_str()).collect();
    engines.sort_unstable();
    engines.dedup();
    if let Some(engine) = engine.as_ref().filter(|engine| !engines.contains(&engine.as_str())) {
        bail!("--engine is `{}`, expected one of {}", pick::shown(engine), engines.join(", "));
    }
    if let Some(watts) = args.socket {
        ensure!((1.0..=100_000.0).contains(&watts), "--socket is {watts}, expected 1 to 100,000 W");
    }
    Ok(Constraints {
        budget: args.budget,
        silent: args.silent,
        portable: args.portable,
        os,
        engine,
        vendor_support: args.vendor_support,
        watts: args.socket,
        machines: machines(&args.machine)?.into_iter().map(|machine| machine.slug.clone()).collect(),
    })
}

fn assumptions(search: &Search<'_>) -> Vec<String> {
    let mut notes = vec![
        "lengths, hours and targets are assumptions of the preset; each has an argument. Rates are medians with the \
         interval of nine in ten; the wait leaves queueing aside"
            .to_owned(),
    ];
    if search.workload.streams >= 4.0 && search.constraints.engine.is_none() {
        notes.push("vLLM is assumed where it runs natively (with a 4-bit or 8-bit format of its own), llama.cpp elsewhere".into());
    }
    if search.money.common.values().any(|input| input.stale) {
        notes.push("the electricity tariff is STALE (over six months old)".into());
    }
    notes
}

/// Answers that name the engine.
fn answers(engine: Option<&str>, all: &[Answer]) -> Vec<Answer> {
    let Some(engine) = engine else { return Vec::new() };
    all.iter().filter(|answer| answer.question.to_lowercase().contains(engine)).cloned().collect()
}
