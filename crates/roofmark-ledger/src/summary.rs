//! What a record is searched by: derived from its stored bytes, and derived again to check the store.

use crate::digest::Digest;
use crate::error::Error;
use crate::key::PublicKey;
use crate::observation::{Observation, ObservedCell, Timed};
use crate::record::{ENTRY, Entry, Kind, Measured, Record, Retraction};
use roofmark_facts::load_record::{Arrival, FORMAT as LOAD, LoadRow, LoadRun};
use roofmark_facts::probe_record::{FORMAT as PROBE, ProbeRecord};
use roofmark_facts::records::{FORMAT as BENCH, Host, Origin, Phase, Row, Run};
use roofmark_facts::units::TokensPerSecond;

/// Longest text that is kept in an index, in characters.
const LONGEST: usize = 200;

/// A record at a glance. An empty text is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Identity of the content.
    pub content: Digest,
    /// What it is; of a foreign record, what its inner record is.
    pub kind: Kind,
    /// Who signed the content first.
    pub signer: PublicKey,
    /// It came from another ledger.
    pub foreign: bool,
    /// Content that it corrects or withdraws.
    pub points_at: Option<Digest>,
    /// When it was measured (ISO 8601, so that texts sort as times).
    pub date: String,
    /// Slug or name of the machine.
    pub machine: String,
    /// Backend.
    pub backend: String,
    /// Engine.
    pub engine: String,
    /// Version of the engine.
    pub version: String,
    /// Model.
    pub model: String,
    /// Quantization.
    pub quant: String,
    /// How it came here: `bench`, `probe`, the form of an import.
    pub origin: String,
    /// Its numbers.
    pub cells: Vec<Cell>,
}

/// One rate at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What was timed.
    pub timed: Timed,
    /// Prompt tokens.
    pub prompt: Option<u64>,
    /// Generated tokens.
    pub generated: Option<u64>,
    /// Tokens in the cache before.
    pub depth: Option<u64>,
    /// Sequences together.
    pub batch: Option<u64>,
    /// The rate.
    pub rate: TokensPerSecond,
    /// Bounds of its 95 % interval, where samples were kept.
    pub bounds: Option<(TokensPerSecond, TokensPerSecond)>,
    /// Repetitions behind it; 0 where unknown.
    pub samples: u32,
    /// Not fit for comparisons.
    pub void: bool,
}

impl Summary {
    /// Reads the body of `record` in the form of its kind and checks every number.
    ///
    /// # Errors
    /// A form or version that is not known, a number that cannot be (NaN, negative), a date that cannot be read.
    pub fn of(record: &Record) -> Result<Self, Error> {
        let inner = record.inner()?;
        let source = inner.as_ref().unwrap_or(record);
        let mut summary = match source.header.kind {
            Kind::Bench => of_bench(source)?,
            Kind::Load => of_load(source)?,
            Kind::Probe => of_probe(source)?,
            Kind::Retraction => of_retraction(source)?,
            _ => of_observation(source)?,
        };
        summary.foreign = inner.is_some();
        if let Some(inner) = &inner {
            not_after(record, &inner.header.recorded, &record.header.recorded)?;
        }
        Ok(summary)
    }

    /// Fastest single-stream rate of one phase.
    #[must_use]
    pub fn best(&self, timed: Timed) -> Option<TokensPerSecond> {
        let single = self.cells.iter().filter(|cell| cell.timed == timed && cell.batch.unwrap_or(1) == 1);
        single.map(|cell| cell.rate).max_by(|left, right| left.get().total_cmp(&right.get()))
    }

    /// Number of the configuration that `cell` measures: equal for runs that may stand on one trend.
    #[must_use]
    pub fn configuration(&self, cell: &Cell) -> i64 {
        let names = [&self.machine, &self.backend, &self.engine, &self.model, &self.quant];
        let text = format!(
            "{names:?} {} {:?} {:?} {:?} {:?}",
            cell.timed.name(),
            cell.prompt,
            cell.generated,
            cell.depth,
            cell.batch
        );
        Digest::of(text.as_bytes()).number()
    }

    fn bare(record: &Record) -> Self {
        Self {
            content: record.content,
            kind: record.header.kind,
            signer: record.sealed.signer,
            foreign: false,
            points_at: record.header.points_at,
            date: record.header.recorded.clone(),
            machine: String::new(),
            backend: String::new(),
            engine: String::new(),
            version: String::new(),
            model: String::new(),
            quant: String::new(),
            origin: record.header.kind.name().to_owned(),
            cells: Vec::new(),
        }
    }
}

fn refuse(record: &Record, reason: impl Into<String>) -> Error {
    Error::malformed(format!("record {}", record.content.short()), reason)
}

/// The measurement in `record`, in the form of its kind.
fn entry<R: Measured>(record: &Record) -> Result<Entry<R>, Error> {
    let entry: Entry<R> =
        serde_json::from_str(&record.body).map_err(|error| refuse(record, error.to_string()))?;
    known_form(record, &entry.format, ENTRY)?;
    Ok(entry)
}

fn rows<T: serde::de::DeserializeOwned, R>(record: &Record, entry: &Entry<R>) -> Result<Vec<T>, Error> {
    serde_json::from_str(entry.rows.get()).map_err(|error| refuse(record, format!("rows: {error}")))
}

fn of_bench(record: &Record) -> Result<Summary, Error> {
    let entry: Entry<Run> = entry(record)?;
    let run = &entry.run;
    known_form(record, &run.format, BENCH)?;
    let rows: Vec<Row> = rows(record, &entry)?;
    let cells = rows.iter().map(|row| row_cell(record, row)).collect::<Result<_, _>>()?;
    Ok(Summary {
        date: date(record, &run.date)?,
        machine: machine(&run.machine),
        backend: clean(&run.engine.backend),
        engine: clean(&run.engine.name),
        version: clean(&run.engine.version),
        model: model(run),
        quant: clean(&run.model.profile.quant),
        cells,
        ..Summary::bare(record)
    })
}

/// The machine of a load test is known where client and server share it.
fn of_load(record: &Record) -> Result<Summary, Error> {
    let entry: Entry<LoadRun> = entry(record)?;
    let run = &entry.run;
    known_form(record, &run.format, LOAD)?;
    let asked = [&run.settings.input_tokens, &run.settings.output_tokens].map(|text| text.parse().ok());
    let mut cells = Vec::new();
    for row in rows::<LoadRow, _>(record, &entry)? {
        cells.extend(load_cells(record, &row, asked)?);
    }
    Ok(Summary {
        date: date(record, &run.date)?,
        machine: if run.server.loopback { machine(&run.client) } else { String::new() },
        engine: run.server.engine.slug().to_owned(),
        version: run.server.version.as_deref().map(clean).unwrap_or_default(),
        model: clean(&run.server.model),
        cells,
        ..Summary::bare(record)
    })
}

/// A probe holds no rates of a model.
fn of_probe(record: &Record) -> Result<Summary, Error> {
    let entry: Entry<ProbeRecord> = entry(record)?;
    known_form(record, &entry.run.format, PROBE)?;
    let (date, machine) = (date(record, &entry.run.date)?, machine(&entry.run.machine));
    Ok(Summary { date, machine, ..Summary::bare(record) })
}

/// Rates of a closed loop; in an open one the caller sets the rate, so that it says nothing of the server's speed.
fn load_cells(
    record: &Record,
    row: &LoadRow,
    [prompt, generated]: [Option<u64>; 2],
) -> Result<Vec<Cell>, Error> {
    let Arrival::Closed { concurrency } = row.arrival else { return Ok(Vec::new()) };
    let single = concurrency == 1;
    let found = [
        (Timed::Requests, row.output_throughput),
        (Timed::Prefill, row.prefill_rate.filter(|_| single)),
        (Timed::Decode, row.decode_rate.filter(|_| single)),
    ];
    let cells = found.into_iter().filter_map(|(timed, rate)| Some((timed, rate?)));
    cells
        .map(|(timed, rate)| {
            Ok(Cell {
                timed,
                prompt,
                generated,
                depth: None,
                batch: Some(concurrency.into()),
                rate: possible(record, rate)?,
                bounds: None,
                samples: u32::try_from(row.succeeded).unwrap_or(u32::MAX),
                void: row.void,
            })
        })
        .collect()
}

fn known_form(record: &Record, found: &str, wanted: &str) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    Err(refuse(record, format!("format \"{}\" is not known, wanted \"{wanted}\"", clean(found))))
}

/// The slug, or the processor for a machine that is not catalogued.
fn machine(host: &Host) -> String {
    clean(host.slug.as_deref().unwrap_or(&host.cpu))
}

fn model(run: &Run) -> String {
    match &run.model.origin {
        Origin::Synthetic => clean(&format!("{} (synthetic)", run.model.profile.model)),
        Origin::File(_) => clean(&run.model.profile.model),
    }
}

fn row_cell(record: &Record, row: &Row) -> Result<Cell, Error> {
    let (workload, rate) = (&row.workload, row.rate);
    let (timed, prompt, generated) = match workload.phase {
        Phase::Prefill => (Timed::Prefill, Some(workload.prompt.into()), None),
        Phase::Decode => (Timed::Decode, None, Some(workload.generated.into())),
    };
    Ok(Cell {
        timed,
        prompt,
        generated,
        depth: Some(workload.depth.into()),
        batch: Some(workload.batch.into()),
        rate: possible(record, rate.mid)?,
        bounds: Some((possible(record, rate.low)?, possible(record, rate.high)?)),
        samples: row.samples,
        void: row.void,
    })
}

fn of_retraction(record: &Record) -> Result<Summary, Error> {
    let retraction: Retraction =
        serde_json::from_str(&record.body).map_err(|error| refuse(record, error.to_string()))?;
    if record.header.points_at != Some(retraction.retracts) {
        return Err(refuse(record, "its header points at another record than its body"));
    }
    Ok(Summary::bare(record))
}

fn of_observation(record: &Record) -> Result<Summary, Error> {
    let seen: Observation =
        serde_json::from_str(&record.body).map_err(|error| refuse(record, error.to_string()))?;
    known_form(record, &seen.format, crate::observation::FORMAT)?;
    if let Some(detail) = &seen.detail {
        // Kept as text, so that only this looks at how deep it nests.
        let read: Result<serde_json::Value, _> = serde_json::from_str(detail.get());
        read.map_err(|error| refuse(record, format!("detail: {error}")))?;
    }
    let subject = &seen.subject;
    let text = |value: &Option<String>| value.as_deref().map(clean).unwrap_or_default();
    let cells = seen.cells.iter().filter_map(|cell| observed_cell(record, cell).transpose());
    Ok(Summary {
        date: subject.date.as_deref().map(|text| date(record, text)).transpose()?.unwrap_or_default(),
        machine: text(&subject.machine),
        backend: text(&subject.backend),
        engine: text(&subject.engine),
        version: text(&subject.version),
        model: text(&subject.model),
        quant: text(&subject.quant),
        origin: clean(&seen.origin.form),
        cells: cells.collect::<Result<_, _>>()?,
        ..Summary::bare(record)
    })
}

/// `None` for a line of metrics without a rate.
fn observed_cell(record: &Record, cell: &ObservedCell) -> Result<Option<Cell>, Error> {
    for metric in &cell.metrics {
        if !metric.value.is_finite() {
            return Err(refuse(record, format!("{} is {}, not a number", clean(&metric.name), metric.value)));
        }
    }
    for sample in &cell.samples {
        possible(record, *sample)?;
    }
    let Some(rate) = cell.rate else { return Ok(None) };
    let spread = cell.samples.iter().copied();
    Ok(Some(Cell {
        timed: cell.timed,
        prompt: cell.prompt,
        generated: cell.generated,
        depth: cell.depth,
        batch: cell.batch,
        rate: possible(record, rate)?,
        bounds: spread.clone().reduce(TokensPerSecond::min).zip(spread.reduce(TokensPerSecond::max)),
        samples: u32::try_from(cell.samples.len()).unwrap_or(u32::MAX),
        void: false,
    }))
}

fn possible(record: &Record, rate: TokensPerSecond) -> Result<TokensPerSecond, Error> {
    if rate.get().is_finite() && rate.get() >= 0.0 {
        return Ok(rate);
    }
    Err(refuse(record, format!("a rate of {} tokens/s cannot be", rate.get())))
}

/// A date or time in ISO 8601, not in the future when the record was written.
fn date(record: &Record, text: &str) -> Result<String, Error> {
    not_after(record, text, &record.header.recorded)?;
    Ok(text.to_owned())
}

/// Refuses a time that lies after `written`, when the record was.
fn not_after(record: &Record, text: &str, written: &str) -> Result<(), Error> {
    let read = |text: &str| {
        latest(text).ok_or_else(|| refuse(record, format!("date \"{}\" cannot be read", clean(text))))
    };
    // Clocks and time zones differ by up to a day.
    if read(text)?.duration_since(read(written)?) > jiff::SignedDuration::from_hours(26) {
        return Err(refuse(record, format!("date {} lies in the future of {}", clean(text), clean(written))));
    }
    Ok(())
}

/// Start of the period that `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or an RFC 3339 time names.
pub(crate) fn latest(text: &str) -> Option<jiff::Timestamp> {
    let padded = match text.len() {
        4 => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    padded.parse().ok()
}

/// Without control characters and bounded: what a stranger wrote must not steer a terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().take(LONGEST).map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect()
}
