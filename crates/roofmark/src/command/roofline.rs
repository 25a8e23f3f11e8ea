//! `roofmark roofline`: the ceilings of a machine, its knee, and where each model stands.

use super::predict::{self, PredictArgs};
use crate::exit::Exit;
use crate::ledger::Place;
use crate::{catalog, pick};
use anyhow::{Context, Result};
use clap::Args;
use clap::Parser;
use roofmark_facts::roofline::roofline;
use roofmark_report::roofline::screen;

/// Arguments of `roofline`.
#[derive(Debug, Args)]
pub struct RooflineArgs {
    /// A machine of the catalog; `this` is the one at hand, by its last probe.
    #[arg(long, default_value = "this")]
    pub machine: String,
    /// Models [default: all of the catalog that fit the machine].
    #[arg(long, value_delimiter = ',')]
    pub model: Vec<String>,
    /// Quantization.
    #[arg(long, default_value = "Q4_K_M")]
    pub quant: String,
    /// Sequences of the batch.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub batch: u32,
    /// Prompt tokens.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt: u32,
}

/// Draws the roofline.
pub fn run(args: &RooflineArgs, json: bool, place: &Place) -> Result<Exit> {
    let machine = pick::machine(&args.machine)?;
    let named = !args.model.is_empty();
    let models = if named {
        args.model.clone()
    } else {
        catalog::catalog()?.models.iter().map(|model| model.slug.clone()).collect()
    };
    let mut cases = predict::cases(&question(args, &models)?, place)?;
    if !named {
        cases.retain(|case| case.answer.memory.fits());
    }
    let context = || format!("failed to draw the roofline of {}: its bandwidth is not known", machine.slug);
    let roofline = roofline(machine, &cases).with_context(context)?;
    let text = if json { serde_json::to_string_pretty(&roofline)? } else { screen(&roofline) };
    super::print(&text)?;
    Ok(Exit::Success)
}

/// What `predict` is asked.
fn question(args: &RooflineArgs, models: &[String]) -> Result<PredictArgs> {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PredictArgs,
    }
    let batch = format!("1,{}", args.batch);
    let prompt = args.prompt.to_string();
    let models = models.join(",");
    let line = [
        "predict",
        "--machine",
        &args.machine,
        "--model",
        &models,
        "--quant",
        &args.quant,
        "--batch",
        &batch,
        "--prompt",
        &prompt,
    ];
    Ok(Line::try_parse_from(line)?.args)
}
