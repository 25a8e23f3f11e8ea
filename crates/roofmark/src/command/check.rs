//! `roofmark check`: is that number possible?

use crate::day;
use crate::exit::Exit;
use crate::expect::Memory;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::{Checked, Finding, Judged};
use roofmark_facts::evidence::measurements;
use roofmark_report::check as report;
use roofmark_verdict::check::{Library, check};
use roofmark_verdict::reader::{Format, Lexicon, MAX_BYTES};
use roofmark_verdict::referee::Question;
use roofmark_verdict::referee::measured::Evidence;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::sync::LazyLock;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Text, Markdown, HTML or CSV; `-` reads standard input.
    #[arg(required_unless_present = "claim", conflicts_with = "claim")]
    pub file: Option<String>,
    /// One claim, such as "30-45 tok/s, Llama 3.1 70B Q4_K_M, M5 Max".
    #[arg(long)]
    pub claim: Option<String>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Shape::Screen, conflicts_with = "json")]
    pub format: Shape,
    /// Judge forecasts as of this day (YYYY-MM-DD) instead of today.
    #[arg(long, value_name = "DAY")]
    pub today: Option<String>,
}

/// Forms of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// For a terminal of 80 columns.
    Screen,
    /// Markdown.
    Md,
    /// One self-contained HTML page with the claims marked.
    Html,
}

/// Checks a text; ends with status 3 when it holds something impossible.
pub fn run(args: &CheckArgs, json: bool) -> Result<Exit> {
    let (name, bytes) = input(args)?;
    let checked = checked(&name, &bytes, args.today.as_deref())?;
    if args.claim.is_some() && checked.claims.is_empty() {
        bail!(
            "failed to read the claim `{}`: it names no rate with a unit (such as 30 tok/s) for a known machine or model",
            args.claim.as_deref().unwrap_or_default()
        );
    }
    super::print(&printed(&checked, args.format, json, &name)?)?;
    Ok(if checked.any_impossible() { Exit::Negative } else { Exit::Success })
}

/// The claims of a text, judged as of `today`.
pub fn checked(name: &str, bytes: &[u8], today: Option<&str>) -> Result<Checked> {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::of(Catalog::builtin()));
    static EVIDENCE: LazyLock<Evidence<'static>> =
        LazyLock::new(|| Evidence::of(measurements(), Catalog::builtin()));
    let today = day::today(today)?.to_string();
    let memory = Memory::default();
    let expect = |question: &Question<'_>| memory.expect(question);
    let catalog = Catalog::builtin();
    let library =
        Library { catalog, lexicon: &LEXICON, evidence: &EVIDENCE, expect: Some(&expect), today: &today };
    check(bytes, Format::guess(name, bytes), &library).with_context(|| format!("failed to read {name}"))
}

fn printed(checked: &Checked, shape: Shape, json: bool, name: &str) -> Result<String> {
    if json {
        return Ok(serde_json::to_string_pretty(&document(checked))?);
    }
    Ok(match shape {
        Shape::Screen => report::screen(checked),
        Shape::Md => report::markdown(checked),
        Shape::Html => report::html(checked, &format!("Roofmark check of {name}")),
    })
}

/// Name and bytes of what is to be checked; one byte more than is read, so that a longer input is refused.
fn input(args: &CheckArgs) -> Result<(String, Vec<u8>)> {
    if let Some(claim) = &args.claim {
        return Ok(("the claim".into(), claim.clone().into_bytes()));
    }
    let name = args.file.clone().unwrap_or_else(|| "-".into());
    let limit = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if name == "-" {
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("failed to read standard input")?;
        return Ok(("standard input".into(), bytes));
    }
    let file = File::open(&name).with_context(|| format!("failed to open {name}"))?;
    file.take(limit).read_to_end(&mut bytes).with_context(|| format!("failed to read {name}"))?;
    Ok((name, bytes))
}

/// The result as one JSON document.
pub fn document(checked: &Checked) -> Value {
    json!({
        "claims": checked.claims.iter().map(claim).collect::<Vec<_>>(),
        "findings": checked.findings.iter().map(finding).collect::<Vec<_>>(),
        "impossible": checked.any_impossible(),
    })
}

fn claim(judged: &Judged) -> Value {
    let claim = &judged.claim;
    json!({
        "text": claim.text,
        "machine": claim.machine,
        "model": claim.model,
        "quant": claim.quant,
        "phase": claim.phase.name(),
        "concurrency": claim.concurrency,
        "low": claim.low,
        "high": claim.high,
        "ceiling": judged.ceiling,
        "verdict": judged.verdict.words(),
        "verdict_high": judged.verdict_high.words(),
        "line": judged.line,
        "engine": claim.engine,
        "context": claim.context,
        "speculation": claim.speculation,
        "devices": claim.devices,
        "forecast": claim.forecast,
        "due": claim.due,
        "machines": claim.machines,
        "models": claim.models,
        "start": claim.start,
        "end": claim.end,
        "readings": judged.readings.iter().map(|reading| json!({
            "assumes": reading.assumes,
            "ceiling": reading.ceiling,
            "verdict": reading.verdict.words(),
            "verdict_high": reading.verdict_high.words(),
            "arithmetic": reading.arithmetic,
        })).collect::<Vec<_>>(),
        "exemptions": judged.exemptions,
        "elsewhere": judged.elsewhere,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind,
        "holds": finding.holds,
        "text": finding.text,
        "line": finding.line,
        "start": finding.start,
        "end": finding.end,
    })
}
