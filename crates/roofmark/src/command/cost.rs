//! `roofmark cost`: what owning a machine costs.

use crate::catalog::catalog;
use crate::day::today;
use crate::exit::Exit;
use crate::ownership::{Ownership, range};
use crate::pick;
use anyhow::{Result, bail, ensure};
use clap::Args;
use jiff::civil::Date;
use roofmark_facts::advice::Workload;
use roofmark_facts::catalog::Model;
use roofmark_facts::cost::{Input, Metric, Quantity, Question, Requests};
use roofmark_facts::machine::{Machine, MachineKind};
use roofmark_facts::quant::Quant;
use roofmark_report::cost::{Costed, article, screen};
use roofmark_theory::advise::rates;
use roofmark_theory::cost::article::figures;
use roofmark_theory::cost::{check, compare, facts, simulate, tornado};
use roofmark_theory::workload::{PRESETS, preset};
use serde_json::json;
use std::collections::BTreeMap;

/// Arguments of `cost`. A range `A..B` stands for anything in between.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct CostArgs {
    /// A machine of the catalog.
    #[arg(required_unless_present = "article")]
    pub machine: Option<String>,
    /// Do the arithmetic of the article that Roofmark grew from again.
    #[arg(long, exclusive = true)]
    pub article: bool,
    /// Model whose rates are predicted; without it and without rates, no price per token.
    #[arg(long)]
    pub model: Option<String>,
    /// Quantization.
    #[arg(long, default_value = "Q4_K_M")]
    pub quant: String,
    /// Workload: chat, coding, agents, documents, batch or team.
    #[arg(long, default_value = "chat")]
    pub workload: String,
    /// Prompt tokens of a request.
    #[arg(long)]
    pub prompt: Option<f64>,
    /// Generated tokens of a request.
    #[arg(long)]
    pub output: Option<f64>,
    /// Requests in flight.
    #[arg(long)]
    pub streams: Option<f64>,
    /// Generated tokens per second at one stream, in place of the prediction.
    #[arg(long, value_name = "TOK/S")]
    pub decode_rate: Option<String>,
    /// Generated tokens per second of all streams, in place of the prediction.
    #[arg(long, value_name = "TOK/S")]
    pub batch_rate: Option<String>,
    /// Prompt tokens per second, in place of the prediction.
    #[arg(long, value_name = "TOK/S")]
    pub prefill_rate: Option<String>,
    /// Watts while it generates.
    #[arg(long)]
    pub watts: Option<String>,
    /// Watts while it reads a prompt; as in generation where left out.
    #[arg(long)]
    pub prefill_watts: Option<String>,
    /// Watts while it idles.
    #[arg(long)]
    pub idle_watts: Option<String>,
    /// Amount that it is sold for at the end, in place of depreciation.
    #[arg(long, value_name = "AMOUNT")]
    pub resale: Option<String>,
    /// Price of a million input and output tokens elsewhere; the catalog's for the model where left out.
    #[arg(long, value_name = "INPUT/OUTPUT")]
    pub api: Option<String>,
    /// Machine to compare with at the same work; may be given several times.
    #[arg(long, value_name = "MACHINE")]
    pub against: Vec<String>,
    /// Money and time.
    #[command(flatten)]
    pub ownership: Ownership,
}

/// What holds for all machines of one command.
struct Asked<'a> {
    args: &'a CostArgs,
    day: Date,
    workload: Workload,
    model: Option<(&'static Model, Quant)>,
    prices: BTreeMap<String, Input>,
}

/// Works out and prints.
pub fn run(args: &CostArgs, json: bool) -> Result<Exit> {
    if args.article {
        let figures = figures();
        let text = if json {
            serde_json::to_string_pretty(&json!({ "figures": figures }))?
        } else {
            article(&figures)
        };
        super::print(&text)?;
        return Ok(Exit::Success);
    }
    let costed = costed(args)?;
    super::print(&if json { serde_json::to_string_pretty(&costed)? } else { screen(&costed) })?;
    Ok(Exit::Success)
}

/// The cost that `args` ask for.
pub fn costed(args: &CostArgs) -> Result<Costed> {
    let machine = pick::machine(args.machine.as_deref().unwrap_or_default())?;
    asked(args)?.costed(machine)
}

fn asked(args: &CostArgs) -> Result<Asked<'_>> {
    let Some(mut workload) = preset(&args.workload, args.streams.unwrap_or(8.0)) else {
        bail!("--workload is `{}`, expected one of {}", pick::shown(&args.workload), PRESETS.join(", "))
    };
    for (field, value, target) in [
        ("--prompt", args.prompt, &mut workload.prompt),
        ("--output", args.output, &mut workload.output),
        ("--streams", args.streams, &mut workload.streams),
    ] {
        if let Some(value) = value {
            ensure!((1.0..=10_000_000.0).contains(&value), "{field} is {value}, expected 1 to 10,000,000");
            *target = value;
        }
    }
    let model = match &args.model {
        Some(name) => Some((pick::model(name)?, pick::quant(&args.quant)?)),
        None => None,
    };
    let prices = args.ownership.prices()?;
    Ok(Asked { args, day: today(args.ownership.today.as_deref())?, workload, model, prices })
}

impl Asked<'_> {
    fn costed(&self, machine: &Machine) -> Result<Costed> {
        let seed = self.args.ownership.seed;
        let question = self.question(machine, true)?;
        let results = simulate(&question, seed);
        let has = |metric| results.iter().any(|result| result.metric == metric);
        let moved = [Metric::BatchOutputPerMillion, Metric::OutputPerMillion, Metric::Total]
            .into_iter()
            .find(|metric| has(*metric))
            .unwrap_or(Metric::ElectricityPerMillion);
        let others: Result<Vec<Question>> =
            self.args.against.iter().map(|name| self.question(pick::machine(name)?, false)).collect();
        let others = others?;
        let mut notes = notes(machine, &question);
        for other in &others {
            if !other.inputs.contains_key(&Quantity::Price) {
                notes.push(format!(
                    "{} has no price in {}; it is not compared",
                    other.machine, other.currency
                ));
            }
        }
        Ok(Costed {
            moved,
            tornado: tornado(&question, moved),
            comparisons: others.iter().filter_map(|other| compare(&question, other, seed)).collect(),
            notes,
            results,
            question,
            seed,
        })
    }

    /// Rates and watts of the arguments are the `first` machine's.
    fn question(&self, machine: &Machine, first: bool) -> Result<Question> {
        let ownership = &self.args.ownership;
        let mut inputs = ownership.common(self.day, self.workload.hours, self.workload.utilisation)?;
        inputs.extend(
            ownership.price_of(machine, &self.prices, self.day)?.map(|price| (Quantity::Price, price)),
        );
        inputs.extend(facts::power(machine));
        self.predicted(machine, &mut inputs)?;
        self.api(&mut inputs)?;
        if first {
            self.given(&mut inputs)?;
        }
        let Workload { prompt, output, streams, .. } = self.workload;
        let requests = Requests { prompt, output, streams };
        let currency = ownership.currency.clone();
        let question = Question { machine: machine.slug.clone(), currency, requests, inputs };
        check(&question)?;
        Ok(question)
    }

    fn predicted(&self, machine: &Machine, inputs: &mut BTreeMap<Quantity, Input>) -> Result<()> {
        let Some((model, quant)) = &self.model else { return Ok(()) };
        let all_given = self.args.decode_rate.is_some() && self.args.prefill_rate.is_some();
        if all_given && self.workload.streams <= 1.0 {
            return Ok(());
        }
        if let Some(rates) = rates(machine, model, quant, &self.workload) {
            inputs.extend(rates.inputs());
        }
        Ok(())
    }

    fn api(&self, inputs: &mut BTreeMap<Quantity, Input>) -> Result<()> {
        if let Some(text) = &self.args.api {
            let (input, output) = text.split_once('/').unwrap_or((text, text));
            inputs.insert(Quantity::ApiInput, Input::given(range("--api", input, 1.0)?));
            inputs.insert(Quantity::ApiOutput, Input::given(range("--api", output, 1.0)?));
        } else if let (Some((model, _)), "USD") = (&self.model, self.args.ownership.currency.as_str())
            && let Some((input, output)) = facts::api(catalog()?, &model.slug, self.day)
        {
            inputs.insert(Quantity::ApiInput, input);
            inputs.insert(Quantity::ApiOutput, output);
        }
        Ok(())
    }

    fn given(&self, inputs: &mut BTreeMap<Quantity, Input>) -> Result<()> {
        let args = self.args;
        for (field, text, quantity) in [
            ("--decode-rate", &args.decode_rate, Quantity::DecodeRate),
            ("--batch-rate", &args.batch_rate, Quantity::BatchRate),
            ("--prefill-rate", &args.prefill_rate, Quantity::PrefillRate),
            ("--watts", &args.watts, Quantity::DecodePower),
            ("--prefill-watts", &args.prefill_watts, Quantity::PrefillPower),
            ("--idle-watts", &args.idle_watts, Quantity::IdlePower),
            ("--resale", &args.resale, Quantity::Resale),
        ] {
            if let Some(text) = text {
                inputs.insert(quantity, Input::given(range(field, text, 1.0)?));
            }
        }
        Ok(())
    }
}

/// What is left out, and what to give to have it counted.
fn notes(machine: &Machine, question: &Question) -> Vec<String> {
    let has = |quantity| question.inputs.contains_key(&quantity);
    let mut notes = Vec::new();
    let mut note = |missing: bool, text: String| notes.extend(missing.then_some(text));
    let slug = &machine.slug;
    note(
        !has(Quantity::Price),
        format!("no price of {slug} in {} is known: give --price {slug}=AMOUNT", question.currency),
    );
    note(
        !has(Quantity::DecodePower),
        "its power under load is not known: electricity is left out; give --watts".into(),
    );
    note(
        has(Quantity::DecodePower) && !has(Quantity::IdlePower),
        "its idle power is not known: idle hours cost nothing here; give --idle-watts".into(),
    );
    note(
        !has(Quantity::Tariff),
        format!("no tariff in {}: electricity is left out; give --tariff", question.currency),
    );
    note(
        machine.kind == MachineKind::Discrete && !has(Quantity::Extra),
        "a card: the computer around it is not counted; give --extra and the watts of the whole".into(),
    );
    note(!has(Quantity::DecodeRate), "no rates: give --model, or --decode-rate and --prefill-rate".into());
    note(
        question.inputs.values().any(|input| input.stale),
        "STALE: the source is more than six months old; look again before you buy".into(),
    );
    notes
}
