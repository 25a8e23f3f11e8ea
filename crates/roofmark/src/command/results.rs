//! `roofmark results`: what the ledger keeps.

pub mod history;

use crate::exit::Exit;
use crate::ledger::{self, Measurement, Place, shown};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use roofmark_facts::load_record::{LoadRow, LoadRun};
use roofmark_facts::probe_record::ProbeRecord;
use roofmark_facts::records::Run;
use roofmark_facts::units::{TokensPerSecond, significant};
use roofmark_ledger::bundle;
use roofmark_ledger::export::{self, Format};
use roofmark_ledger::import;
use roofmark_ledger::observation::Observation;
use roofmark_ledger::privacy;
use roofmark_ledger::query::{Filter, Listed, Name, Sort};
use roofmark_ledger::record::{Entry, Record, Retraction};
use roofmark_ledger::summary::clean;
use roofmark_ledger::{Draft, Kind, Ledger};
use roofmark_report::lines::{labelled, table};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// Arguments of `results`.
#[derive(Debug, Args)]
pub struct ResultsArgs {
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with results.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List records, newest first.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Order.
        #[arg(long, value_enum, default_value = "date")]
        sort: SortArg,
        /// Most records to list.
        #[arg(long, default_value_t = 30)]
        limit: i64,
    },
    /// Show one record: a place (#12), the first digits of its identity, or `latest`.
    Show { record: String },
    /// Compare two records, workload by workload.
    Compare { base: String, new: String },
    /// Follow one configuration over dates and engine versions, with its change points.
    Trend {
        /// A record whose configurations to follow.
        record: Option<String>,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Compute the statistics of a record again from its raw samples.
    Recompute { record: String },
    /// Write records into a bundle, or rates into a table.
    Export {
        /// Records; all that the filter lets through when none is named.
        records: Vec<String>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Form.
        #[arg(long, value_enum, default_value = "bundle")]
        format: ExportFormat,
        /// File to write; without it standard output.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Take in a bundle, or a result of another tool. All of it or nothing.
    Import {
        file: PathBuf,
        /// The record that this one corrects.
        #[arg(long, value_name = "RECORD")]
        corrects: Option<String>,
    },
    /// Withdraw a record: it stays, and no longer counts.
    Retract {
        record: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// Which records.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// What the record is.
    #[arg(long, value_enum)]
    pub kind: Option<KindArg>,
    #[arg(long)]
    pub machine: Option<String>,
    #[arg(long)]
    pub backend: Option<String>,
    #[arg(long)]
    pub engine: Option<String>,
    #[arg(long)]
    pub engine_version: Option<String>,
    #[arg(long)]
    pub model: Option<String>,
    #[arg(long)]
    pub quant: Option<String>,
    /// Form it was imported from.
    #[arg(long)]
    pub origin: Option<String>,
    /// Measured on this day or later.
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Measured before this day.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Withdrawn records too.
    #[arg(long)]
    pub withdrawn: bool,
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        Filter {
            kind: self.kind.map(KindArg::kind),
            machine: self.machine.clone(),
            backend: self.backend.clone(),
            engine: self.engine.clone(),
            version: self.engine_version.clone(),
            model: self.model.clone(),
            quant: self.quant.clone(),
            origin: self.origin.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            withdrawn: self.withdrawn,
        }
    }
}

/// Kinds of records.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KindArg {
    Bench,
    Probe,
    Load,
    Import,
    Foreign,
    Retraction,
}

impl KindArg {
    fn kind(self) -> Kind {
        match self {
            Self::Bench => Kind::Bench,
            Self::Probe => Kind::Probe,
            Self::Load => Kind::Load,
            Self::Import => Kind::Import,
            Self::Foreign => Kind::Foreign,
            Self::Retraction => Kind::Retraction,
        }
    }
}

/// Orders of a list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SortArg {
    Date,
    Added,
    Decode,
    Prefill,
    Machine,
    Model,
}

/// Forms of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Bundle,
    Csv,
    Jsonl,
    Markdown,
    Parquet,
}

/// Does what `args` asks for.
pub fn run(args: &ResultsArgs, json: bool, place: &Place) -> Result<Exit> {
    let mut ledger = ledger::open(place)?;
    match &args.action {
        Action::List { filter, sort, limit } => list(&mut ledger, &filter.filter(), *sort, *limit, json),
        Action::Show { record } => show(&mut ledger, record, json),
        Action::Compare { base, new } => history::compare(&mut ledger, base, new, json),
        Action::Trend { record, filter } => {
            history::trend(&mut ledger, record.as_deref(), &filter.filter(), json)
        }
        Action::Recompute { record } => recompute(&mut ledger, record, json),
        Action::Export { records, filter, format, output } => {
            let bytes = match table_format(*format) {
                Some(format) => {
                    let lines = export::lines(&mut ledger, &filter.filter(), i64::MAX).map_err(shown)?;
                    export::write(format, &lines).map_err(shown)?
                }
                None => make_bundle(&mut ledger, records, &filter.filter())?.into_bytes(),
            };
            match output {
                Some(path) => std::fs::write(path, bytes)
                    .with_context(|| format!("failed to write {}", path.display()))?,
                None => super::print_bytes(&bytes)?,
            }
            Ok(Exit::Success)
        }
        Action::Import { file, corrects } => import_file(&mut ledger, file, corrects.as_deref(), json),
        Action::Retract { record, reason } => {
            let line = ledger.find(record).map_err(shown)?;
            let draft = Draft::retraction(line.content, reason).map_err(shown)?;
            let done = ledger.append(&draft).map_err(shown)?;
            report(
                json,
                &json!({ "withdrawn": line.content, "by": done.sequence }),
                &format!("record #{} is withdrawn by #{}", line.sequence, done.sequence),
            )
        }
    }
}

fn table_format(format: ExportFormat) -> Option<Format> {
    match format {
        ExportFormat::Bundle => None,
        ExportFormat::Csv => Some(Format::Csv),
        ExportFormat::Jsonl => Some(Format::Jsonl),
        ExportFormat::Markdown => Some(Format::Markdown),
        ExportFormat::Parquet => Some(Format::Parquet),
    }
}

fn report(json: bool, document: &serde_json::Value, text: &str) -> Result<Exit> {
    let pretty = serde_json::to_string_pretty(document)?;
    super::print(if json { &pretty } else { text })?;
    Ok(Exit::Success)
}

/// A rate, or a dash.
fn rate(rate: Option<TokensPerSecond>) -> String {
    rate.map_or_else(|| "-".into(), |rate| significant(rate.get(), 3))
}

fn list(ledger: &mut Ledger, filter: &Filter, sort: SortArg, limit: i64, json: bool) -> Result<Exit> {
    let sort = match sort {
        SortArg::Date => Sort::Date,
        SortArg::Added => Sort::Added,
        SortArg::Decode => Sort::Decode,
        SortArg::Prefill => Sort::Prefill,
        SortArg::Machine => Sort::Machine,
        SortArg::Model => Sort::Model,
    };
    let found = ledger.list(filter, sort, limit, 0).map_err(shown)?;
    let mut text = format!(
        "{:>7} {:8} {:10} {:6} {:>7} {:>7}  what\n",
        "#", "record", "date", "kind", "prefill", "decode"
    );
    for line in &found {
        let withdrawn = if line.withdrawn > 0 { "withdrawn: " } else { "" };
        let _ = writeln!(
            text,
            "{:>7} {:.8} {:10} {:6} {:>7} {:>7}  {}",
            line.sequence,
            line.content.short(),
            first(&line.date, 10),
            first(&line.kind, 6),
            rate(line.prefill),
            rate(line.decode),
            first(&format!("{withdrawn}{}", export::title(line)), 28),
        );
    }
    if found.is_empty() {
        known_names(ledger, filter)?;
        text = "no record fits; `roofmark bench` makes one\n".into();
    }
    report(json, &json!(found), &text)
}

/// The first letters of a text.
fn first(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Refuses a name that the ledger does not know, with the nearest that it does.
fn known_names(ledger: &mut Ledger, filter: &Filter) -> Result<()> {
    let asked = [
        ("--machine", &filter.machine, Name::Machine),
        ("--backend", &filter.backend, Name::Backend),
        ("--engine", &filter.engine, Name::Engine),
        ("--model", &filter.model, Name::Model),
        ("--quant", &filter.quant, Name::Quant),
    ];
    for (option, wanted, name) in asked {
        let Some(wanted) = wanted else { continue };
        let mut known = ledger.names(name).map_err(shown)?;
        if known.contains(wanted) || known.is_empty() {
            continue;
        }
        let distance = |known: &String| strsim::normalized_damerau_levenshtein(wanted, known);
        known.sort_by(|left, right| distance(right).total_cmp(&distance(left)));
        let nearest: Vec<String> =
            known.iter().filter(|name| !name.is_empty()).take(4).map(|name| clean(name)).collect();
        bail!(
            "failed to filter: {option} `{}` is in no record; nearest: {}",
            clean(wanted),
            nearest.join(", ")
        );
    }
    Ok(())
}

/// The record, or the foreign one that it holds.
pub fn content(ledger: &mut Ledger, wanted: &str) -> Result<(Listed, Record)> {
    let line = ledger.find(wanted).map_err(shown)?;
    let record = ledger.record(line.sequence).map_err(shown)?;
    let inner = record.inner().map_err(shown)?;
    Ok((line, inner.unwrap_or(record)))
}

fn show(ledger: &mut Ledger, wanted: &str, json: bool) -> Result<Exit> {
    let (line, record) = content(ledger, wanted)?;
    let body: serde_json::Value = serde_json::from_str(&record.body)?;
    let document = json!({ "listed": line, "header": record.header, "body": body });
    let mut text = format!(
        "record {} of {}\nidentity {}\nmeasured {}, recorded {}\nsigned   by {}{}\n",
        line.sequence,
        first(&format!("{}: {}", line.origin, export::title(&line)), 60),
        line.content,
        line.date,
        record.header.recorded,
        record.sealed.signer.fingerprint(),
        if line.foreign { ", in another ledger" } else { "" },
    );
    if let Some(target) = record.header.points_at {
        let _ = writeln!(text, "points   at {target}");
    }
    if line.withdrawn > 0 {
        let _ = writeln!(text, "withdrawn by record {}", line.withdrawn);
    }
    text += "\n";
    text += &shown_body(&record)?;
    report(json, &document, &text)
}

fn shown_body(record: &Record) -> Result<String> {
    Ok(match record.header.kind {
        Kind::Bench => {
            let entry: Entry<Run> = serde_json::from_str(&record.body)?;
            roofmark_report::bench::screen(&entry.run, &roofmark_verdict::rows::rows(&entry.run))
        }
        Kind::Load => {
            let entry: Entry<LoadRun> = serde_json::from_str(&record.body)?;
            let rows: Vec<LoadRow> = serde_json::from_str(entry.rows.get())?;
            roofmark_report::load::screen(
                &entry.run,
                &rows,
                &roofmark_verdict::load::part_rows(&entry.run),
                roofmark_verdict::load::knee_of(&rows),
            )
        }
        Kind::Probe => {
            let entry: Entry<ProbeRecord> = serde_json::from_str(&record.body)?;
            roofmark_report::probe::screen(&entry.run)
        }
        Kind::Retraction => {
            let retraction: Retraction = serde_json::from_str(&record.body)?;
            format!("withdraws {}: {}", retraction.retracts, clean(&retraction.reason))
        }
        _ => observed(&serde_json::from_str(&record.body)?),
    })
}

fn observed(seen: &Observation) -> String {
    let count = |value: Option<u64>| value.map_or("-".into(), |value| value.to_string());
    let mut rows = vec![["", "prompt", "generated", "depth", "batch", "tok/s"].map(str::to_owned)];
    rows.extend(seen.cells.iter().map(|cell| {
        [
            cell.timed.name().to_owned(),
            count(cell.prompt),
            count(cell.generated),
            count(cell.depth),
            count(cell.batch),
            rate(cell.rate),
        ]
    }));
    let mut text = table(&rows, &[1, 2, 3, 4, 5]) + "\n";
    let origin = &seen.origin;
    let from = [&origin.form, &origin.title, &origin.url, &origin.locator];
    let from = from.into_iter().filter(|part| !part.is_empty()).map(|part| clean(part));
    let doubts = seen.cells.iter().flat_map(|cell| &cell.doubts).map(|doubt| clean(doubt));
    text += &labelled("from", &from.collect::<Vec<_>>().join(", "), 9);
    for (label, said) in [("missing", seen.missing.join(", ")), ("notes", clean(&seen.notes))] {
        if !said.is_empty() {
            text += &labelled(label, &said, 9);
        }
    }
    doubts.fold(text, |text, doubt| text + &labelled("doubt", &doubt, 9))
}

fn recompute(ledger: &mut Ledger, wanted: &str, json: bool) -> Result<Exit> {
    let (line, record) = content(ledger, wanted)?;
    let (again, same) = match record.header.kind {
        Kind::Bench => again::<Run>(&record)?,
        Kind::Load => again::<LoadRun>(&record)?,
        kind => bail!(
            "failed to recompute #{}: a record of kind {} holds no samples of Roofmark's own",
            line.sequence,
            kind.name()
        ),
    };
    let rows: serde_json::Value = serde_json::from_str(&again)?;
    let verdict =
        if same { "byte-identical to what was published" } else { "DIFFERENT from what was published" };
    let text = format!(
        "{} statistics of #{} recomputed: {verdict}",
        rows.as_array().map_or(0, Vec::len),
        line.sequence
    );
    report(json, &json!({ "identical": same, "rows": rows }), &text)?;
    Ok(if same { Exit::Success } else { Exit::Negative })
}

/// The statistics of a measurement, computed from its samples, and whether they are those that it was stored with.
fn again<R: Measurement>(record: &Record) -> Result<(String, bool)> {
    let entry: Entry<R> = serde_json::from_str(&record.body)?;
    let again = entry.run.statistics()?;
    let same = again == entry.rows.get();
    Ok((again, same))
}

/// The signed text of a bundle of the records that are wanted, or that the filter lets through.
pub fn make_bundle(ledger: &mut Ledger, wanted: &[String], filter: &Filter) -> Result<String> {
    let lines = match wanted {
        [] => ledger.list(filter, Sort::Added, bundle::MOST_RECORDS as i64, 0).map_err(shown)?,
        names => names.iter().map(|name| ledger.find(name).map_err(shown)).collect::<Result<_>>()?,
    };
    let mut places: Vec<i64> = lines.iter().map(|line| line.sequence).collect();
    places.sort_unstable();
    places.dedup();
    let identity = ledger::identity();
    let mut records = Vec::new();
    for place in places {
        let record = ledger.record(place).map_err(shown)?;
        // A foreign record leaves as its own signer wrote it.
        let record = record.inner().map_err(shown)?.unwrap_or(record);
        if let Some(what) = privacy::found(&record.body, &identity) {
            return Err(shown(roofmark_ledger::Error::Private { content: record.content.short(), what }));
        }
        records.push(record);
    }
    bundle::write(&records, ledger::TOOL, &ledger::signer()?).map_err(shown)
}

fn import_file(
    ledger: &mut Ledger,
    path: &std::path::Path,
    corrects: Option<&str>,
    json: bool,
) -> Result<Exit> {
    let bytes = ledger::read_file(path, bundle::LARGEST_FILE)?;
    let name = path.file_name().map_or("input".into(), |name| name.to_string_lossy().into_owned());
    let is_bundle = bytes.starts_with(b"{\"payloadType\"");
    let mut drafts = if is_bundle { from_bundle(&bytes)? } else { from_tool(&name, &bytes)? };
    if let Some(corrected) = corrects {
        let target = ledger.find(corrected).map_err(shown)?.content;
        drafts = drafts.into_iter().map(|draft| draft.correcting(target)).collect();
    }
    let done = ledger.append_all(&drafts).map_err(shown)?;
    let places: Vec<i64> = done.iter().map(|one| one.sequence).collect();
    let text = format!(
        "{} records taken in as #{} to #{}",
        places.len(),
        places.first().unwrap_or(&0),
        places.last().unwrap_or(&0)
    );
    report(json, &json!({ "records": places }), &text)
}

fn from_bundle(bytes: &[u8]) -> Result<Vec<Draft>> {
    let read = bundle::read(bytes).map_err(shown)?;
    Ok(read.records.iter().map(|record| Draft::foreign(&record.sealed)).collect())
}

fn from_tool(name: &str, bytes: &[u8]) -> Result<Vec<Draft>> {
    let seen = import::read(None, name, bytes).map_err(shown)?;
    seen.into_iter()
        .map(|one| Draft::observation(Kind::Import, &ledger::scrubbed(&one)?).map_err(shown))
        .collect()
}
