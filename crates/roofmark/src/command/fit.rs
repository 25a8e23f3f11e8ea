//! `roofmark fit`: what runs on a machine, ranked for a use.

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::pick;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use roofmark_facts::machine::Machine;
use roofmark_theory::predict::Predictor;
use roofmark_theory::rank::{Entry, USUAL, Use, rank};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write;

/// Arguments of `fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// A machine of the catalog; `this` is the one at hand, by its measured memory roof.
    #[arg(long, default_value = "this")]
    pub machine: String,
    /// What the model is wanted for.
    #[arg(long = "for", value_enum, default_value = "chat")]
    pub purpose: Purpose,
    /// Quantizations to consider, comma-separated.
    #[arg(long, value_delimiter = ',')]
    pub quant: Vec<String>,
    /// Cards of this kind in the machine; layers are split between them.
    #[arg(long, default_value_t = 1)]
    pub gpus: u32,
    /// How many to show.
    #[arg(long, default_value_t = 15)]
    pub top: usize,
    /// Show every quantization of a model, not only its best.
    #[arg(long)]
    pub all: bool,
}

/// A use, as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Purpose {
    /// Short questions.
    Chat,
    /// Long prompts with tools.
    Coding,
    /// Whole documents in the prompt.
    Documents,
}

impl From<Purpose> for Use {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Chat => Self::Chat,
            Purpose::Coding => Self::Coding,
            Purpose::Documents => Self::Documents,
        }
    }
}

/// Ranks and prints.
pub fn run(args: &FitArgs, json: bool) -> Result<Exit> {
    let (machine, entries) = ranked(args)?;
    if json {
        super::print(&serde_json::to_string_pretty(&document(machine, &entries))?)?;
    } else {
        super::print(&screen(&machine.name, args, &entries)?)?;
    }
    Ok(if entries.is_empty() { Exit::Negative } else { Exit::Success })
}

/// The ranking as a record.
pub fn document(machine: &Machine, entries: &[Entry]) -> Value {
    json!({"machine": machine.slug, "models": entries})
}

/// What runs on the machine, best first.
pub fn ranked(args: &FitArgs) -> Result<(&'static Machine, Vec<Entry>)> {
    ensure!((1..=16).contains(&args.gpus), "--gpus is {}, expected 1 to 16", args.gpus);
    let machine = pick::machine(&args.machine)?;
    ensure!(machine.bandwidth.is_some(), "the memory bandwidth of `{}` is not known", machine.slug);
    let usual = || USUAL.iter().map(|label| (*label).to_owned()).collect();
    let labels: Vec<String> = if args.quant.is_empty() { usual() } else { args.quant.clone() };
    let quants = labels.iter().map(|label| pick::quant(label)).collect::<Result<Vec<_>>>()?;
    let mut entries =
        rank(Predictor::builtin(), catalog()?, machine, args.purpose.into(), args.gpus, &quants);
    if !args.all {
        let mut seen = HashSet::new();
        entries.retain(|entry| seen.insert(entry.model.clone()));
    }
    entries.truncate(args.top);
    Ok((machine, entries))
}

fn screen(machine: &str, args: &FitArgs, entries: &[Entry]) -> Result<String> {
    let target = Use::from(args.purpose).target();
    let mut out = String::new();
    let purpose =
        args.purpose.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    writeln!(out, "{machine}: predicted for {purpose}, prompt {} tokens", target.prompt)?;
    if entries.is_empty() {
        writeln!(out, "no catalogued model fits with a context of {} tokens", target.context)?;
        return Ok(out);
    }
    writeln!(out, "model                         quant   decode tok/s (90 %)  first  memory  context")?;
    for entry in entries {
        let decode = &entry.answer.decode;
        let slow = if entry.fast_enough { ' ' } else { '*' };
        let model: String = entry.model.chars().take(28).collect();
        writeln!(
            out,
            "{model:<28}{slow} {:<7} {:>6.1} ({:>5.1}-{:>5.1}) {:>6.1}s {:>4.0} GB {:>8.0}",
            entry.quant,
            decode.rate.get(),
            decode.interval90.low.get(),
            decode.interval90.high.get(),
            entry.answer.first_token.get(),
            entry.answer.memory.needed().gb(),
            entry.context
        )?;
    }
    writeln!(
        out,
        "* slower than {} tok/s, or more than {} s to the first token",
        target.decode, target.first_token
    )?;
    Ok(out)
}
