//! `roofmark fit`: what runs on a machine, ranked for a use.

use crate::catalog::catalog;
use crate::exit::Exit;
use crate::ledger::Place;
use crate::{own, pick};
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use roofmark_facts::ranking::Ranking;
use roofmark_report::fit::screen;
use roofmark_theory::rank::{Use, rank};
use std::collections::HashSet;

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
    /// Sixteen requests at once, nobody waiting.
    Batch,
}

impl From<Purpose> for Use {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Chat => Self::Chat,
            Purpose::Coding => Self::Coding,
            Purpose::Documents => Self::Documents,
            Purpose::Batch => Self::Batch,
        }
    }
}

/// Ranks and prints.
pub fn run(args: &FitArgs, json: bool, place: &Place) -> Result<Exit> {
    let ranking = ranked(args, place)?;
    if json {
        super::print(&serde_json::to_string_pretty(&ranking)?)?;
    } else {
        super::print(&screen(&ranking))?;
    }
    Ok(if ranking.models.is_empty() { Exit::Negative } else { Exit::Success })
}

/// What runs on the machine, best first.
pub fn ranked(args: &FitArgs, place: &Place) -> Result<Ranking> {
    ensure!((1..=16).contains(&args.gpus), "--gpus is {}, expected 1 to 16", args.gpus);
    let machine = pick::machine(&args.machine)?;
    ensure!(machine.bandwidth.is_some(), "the memory bandwidth of `{}` is not known", machine.slug);
    let quants = args.quant.iter().map(|label| pick::quant(label)).collect::<Result<Vec<_>>>()?;
    let quants = Some(quants.as_slice()).filter(|quants| !quants.is_empty());
    let predictor = own::predictor(place, machine)?;
    let mut entries = rank(predictor, catalog()?, machine, args.purpose.into(), args.gpus, quants);
    if !args.all {
        let mut seen = HashSet::new();
        entries.retain(|entry| seen.insert(entry.model.clone()));
    }
    entries.truncate(args.top);
    Ok(Ranking {
        machine: machine.slug.clone(),
        machine_name: machine.name.clone(),
        devices: args.gpus,
        purpose: args
            .purpose
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned()),
        target: Use::from(args.purpose).target(),
        models: entries,
    })
}
