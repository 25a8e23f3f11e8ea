//! `roofmark report`: results, a checked text, a ranking or a cost as one HTML file.

use super::results::content;
use super::{advise, check, cost, verify};
use crate::args::Command;
use crate::exit::Exit;
use crate::ledger::{self, Place};
use anyhow::{Context, Result, ensure};
use clap::{Args, Parser};
use roofmark_ledger::envelope::RECORD;
use roofmark_ledger::record::Record;
use roofmark_web::{Piece, report};
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Records of the ledger: a place (#12), digits of an identity, or `latest`.
    #[arg(value_name = "RUN")]
    pub records: Vec<String>,
    /// A text to check.
    #[arg(long, value_name = "FILE")]
    pub check: Option<String>,
    /// A ranking: all that follows, up to a `;`, are options of `roofmark advise`.
    #[arg(long, value_name = "OPTION", num_args = 1.., allow_hyphen_values = true, value_terminator = ";")]
    pub advise: Vec<String>,
    /// A cost: all that follows, up to a `;`, are arguments of `roofmark cost`.
    #[arg(long, value_name = "ARGUMENT", num_args = 1.., allow_hyphen_values = true, value_terminator = ";")]
    pub cost: Vec<String>,
    /// Title.
    #[arg(long, default_value = "Roofmark report")]
    pub title: String,
    /// Judge by this day (YYYY-MM-DD) instead of today.
    #[arg(long, value_name = "DAY")]
    pub today: Option<String>,
    /// File to write; without it standard output.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// Writes the file.
pub fn run(args: &ReportArgs, json: bool, place: &Place) -> Result<Exit> {
    let mut pieces = records(args, place)?;
    if let Some(file) = &args.check {
        let bytes = ledger::read_file(file.as_ref(), roofmark_verdict::reader::MAX_BYTES as u64)?;
        let checked = check::checked(file, &bytes, args.today.as_deref())?;
        let name = std::path::Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        pieces.push(Piece::check(&format!("Check of {name}"), &checked));
    }
    if let Some(Command::Advise(asked)) = command("advise", &args.advise)? {
        let advice = advise::advice(&asked)?;
        pieces.push(Piece::advice("Which machine?", crate::catalog::catalog()?, &advice));
    }
    if let Some(Command::Cost(asked)) = command("cost", &args.cost)? {
        pieces.push(Piece::cost("What it costs", &cost::costed(&asked)?));
    }
    ensure!(
        !pieces.is_empty(),
        "nothing to report: name a record, --check FILE, --advise OPTIONS or --cost OPTIONS"
    );
    let day = crate::day::today(args.today.as_deref())?;
    let page = report(&args.title, &format!("Made by {} on {day}.", ledger::TOOL), &pieces);
    match &args.output {
        Some(path) => {
            std::fs::write(path, &page).with_context(|| format!("failed to write {}", path.display()))?;
            let done = serde_json::json!({ "file": path, "bytes": page.len(), "parts": pieces.len() });
            super::print(&if json {
                done.to_string()
            } else {
                format!("{} bytes in {}", page.len(), path.display())
            })?;
        }
        None => super::print(&page)?,
    }
    Ok(Exit::Success)
}

/// The command `name` with `words`; `None` without words.
fn command(name: &str, words: &[String]) -> Result<Option<Command>> {
    if words.is_empty() {
        return Ok(None);
    }
    let all = ["roofmark", name].into_iter().chain(words.iter().map(String::as_str));
    let parsed = crate::args::Args::try_parse_from(all)
        .with_context(|| format!("failed to read the options of --{name}"))?;
    Ok(Some(parsed.command))
}

fn records(args: &ReportArgs, place: &Place) -> Result<Vec<Piece>> {
    if args.records.is_empty() {
        return Ok(Vec::new());
    }
    let mut ledger = ledger::open(place)?;
    let known = ledger::known_keys()?;
    let mut pieces = Vec::new();
    for wanted in &args.records {
        let (line, record) = content(&mut ledger, wanted)?;
        let heading = format!("Record #{}: {}", line.sequence, roofmark_ledger::export::title(&line));
        let name = known.name(&record.sealed.signer).unwrap_or("a key that is not known here");
        pieces.push(Piece::record(&heading, &record, &state(&record, name)));
    }
    drop(ledger);
    Ok(pieces)
}

fn state(record: &Record, name: &str) -> String {
    if !record.sealed.is_genuine(RECORD) {
        return "the signature does NOT fit the stored bytes".into();
    }
    let problems = verify::problems(record);
    if problems.is_empty() {
        return format!("genuine ({name}); its statistics follow from its samples");
    }
    format!("genuine ({name}); NOT SOUND: {}", problems.join("; "))
}
