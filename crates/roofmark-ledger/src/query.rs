//! Questions to the index: lists, identities, configurations and their history.

use crate::digest::Digest;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::record::Kind;
use crate::store::{Failure, Question, column};
use roofmark_facts::units::TokensPerSecond;
use serde::Serialize;
use sqlx::any::AnyRow;

/// Most points of one trend, the newest first.
pub const MOST_POINTS: i64 = 10_000;

/// Entries with a value from which on looking at them all is slower than walking the index of the order.
const FREQUENT: i64 = 20_000;

/// Which records to list. An absent field lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What the record is.
    pub kind: Option<Kind>,
    /// Slug or name of the machine.
    pub machine: Option<String>,
    /// Backend.
    pub backend: Option<String>,
    /// Engine.
    pub engine: Option<String>,
    /// Version of the engine.
    pub version: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Quantization.
    pub quant: Option<String>,
    /// Form it was imported from.
    pub origin: Option<String>,
    /// Measured on this day or later.
    pub since: Option<String>,
    /// Measured before this day.
    pub until: Option<String>,
    /// Withdrawn records too.
    pub withdrawn: bool,
}

/// In which order to list. Every order ends with the newest record first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Date of the measurement, newest first.
    #[default]
    Date,
    /// Order of the chain, newest first.
    Added,
    /// Fastest single-stream decode first.
    Decode,
    /// Fastest prefill first.
    Prefill,
    /// Name of the machine.
    Machine,
    /// Name of the model.
    Model,
}

impl Sort {
    fn clause(self) -> &'static str {
        match self {
            Self::Date => "date DESC, sequence DESC",
            Self::Added => "sequence DESC",
            // Unknown rates last in both databases.
            Self::Decode => "COALESCE(decode, -1) DESC, sequence DESC",
            Self::Prefill => "COALESCE(prefill, -1) DESC, sequence DESC",
            Self::Machine => "machine, model, date DESC, sequence DESC",
            Self::Model => "model, date DESC, sequence DESC",
        }
    }
}

/// A line of a list. An empty text is unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Place in the chain.
    pub sequence: i64,
    /// Identity of the content.
    pub content: Digest,
    /// What it is.
    pub kind: String,
    /// When it was measured.
    pub date: String,
    /// Machine.
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
    /// How it came here.
    pub origin: String,
    /// Rates that it holds.
    pub cells: i64,
    /// Fastest single-stream prefill.
    pub prefill: Option<TokensPerSecond>,
    /// Fastest single-stream decode.
    pub decode: Option<TokensPerSecond>,
    /// Record that withdrew it; 0 for none.
    #[serde(rename = "withdrawn_by")]
    pub withdrawn: i64,
    /// It came in a bundle of another ledger.
    pub foreign: bool,
}

const LISTED: &str = "SELECT sequence, content, kind, date, machine, backend, engine, version, model, quant, origin, \
    cells, prefill, decode, withdrawn, foreign_copy FROM entries WHERE sequence > 0";

fn listed(row: &AnyRow) -> Result<Listed, Failure> {
    let content = Digest::try_from(column::<String>(row, 1)?)
        .map_err(|reason| Error::malformed("the index", reason))?;
    Ok(Listed {
        sequence: column(row, 0)?,
        content,
        kind: column(row, 2)?,
        date: column(row, 3)?,
        machine: column(row, 4)?,
        backend: column(row, 5)?,
        engine: column(row, 6)?,
        version: column(row, 7)?,
        model: column(row, 8)?,
        quant: column(row, 9)?,
        origin: column(row, 10)?,
        cells: column(row, 11)?,
        prefill: column::<Option<f64>>(row, 12)?.map(TokensPerSecond),
        decode: column::<Option<f64>>(row, 13)?.map(TokensPerSecond),
        withdrawn: column(row, 14)?,
        foreign: column::<i64>(row, 15)? != 0,
    })
}

/// A configuration: what has to be equal for two rates to stand on one trend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configuration {
    /// Its number.
    pub number: i64,
    /// Machine.
    pub machine: String,
    /// Backend.
    pub backend: String,
    /// Engine.
    pub engine: String,
    /// Model.
    pub model: String,
    /// Quantization.
    pub quant: String,
    /// `prefill`, `decode`, `both`, `requests` or `machine`.
    pub timed: String,
    /// Prompt tokens.
    pub prompt: Option<i64>,
    /// Generated tokens.
    pub generated: Option<i64>,
    /// Tokens in the cache before.
    pub depth: Option<i64>,
    /// Sequences together.
    pub batch: Option<i64>,
}

impl Configuration {
    /// What is known of it, in one line.
    #[must_use]
    pub fn title(&self) -> String {
        let numbers = [
            ("prompt", self.prompt),
            ("generated", self.generated),
            ("depth", self.depth),
            ("batch", self.batch),
        ];
        let numbers = numbers.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?)));
        let names = [&self.machine, &self.backend, &self.engine, &self.model, &self.quant, &self.timed];
        names
            .into_iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .chain(numbers)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A rate on a trend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Record that it comes from.
    pub sequence: i64,
    /// When it was measured.
    pub date: String,
    /// Version of the engine.
    pub version: String,
    /// The rate.
    pub rate: TokensPerSecond,
    /// Bounds of its interval.
    pub bounds: Option<(TokensPerSecond, TokensPerSecond)>,
    /// Not fit for comparisons.
    pub void: bool,
}

/// A configuration that several keys have measured: what one of them found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reproduction {
    /// The configuration.
    pub configuration: Configuration,
    /// Public key of the signer.
    pub signer: String,
    /// Rates that they measured; void and withdrawn ones left out.
    pub rates: i64,
    /// Lowest rate.
    pub low: TokensPerSecond,
    /// Mean rate.
    pub mean: TokensPerSecond,
    /// Highest rate.
    pub high: TokensPerSecond,
    /// Date of the newest.
    pub newest: String,
}

/// Columns of names that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Machines.
    Machine,
    /// Backends.
    Backend,
    /// Engines.
    Engine,
    /// Models.
    Model,
    /// Quantizations.
    Quant,
}

impl Name {
    fn select(self) -> &'static str {
        match self {
            Self::Machine => "SELECT DISTINCT machine FROM configurations ORDER BY machine",
            Self::Backend => "SELECT DISTINCT backend FROM configurations ORDER BY backend",
            Self::Engine => "SELECT DISTINCT engine FROM configurations ORDER BY engine",
            Self::Model => "SELECT DISTINCT model FROM configurations ORDER BY model",
            Self::Quant => "SELECT DISTINCT quant FROM configurations ORDER BY quant",
        }
    }
}

impl Ledger {
    /// Up to `count` records that `filter` lets through, after the first `skip`.
    ///
    /// # Errors
    /// The store fails.
    pub fn list(&mut self, filter: &Filter, sort: Sort, count: i64, skip: i64) -> Result<Vec<Listed>, Error> {
        let mut query = Question::new(LISTED);
        let walked = match sort {
            // Every name has an index in this order.
            Sort::Date => Vec::new(),
            _ => self.frequent(filter)?,
        };
        filtered(&mut query, filter, &walked);
        // A retraction is no result: it is listed when it is asked for.
        if filter.kind.is_none() {
            query.push(" AND kind <> 'retraction'");
        }
        query.push(" ORDER BY ").push(sort.clause());
        query.push(" LIMIT ").bind(count).push(" OFFSET ").bind(skip);
        self.store().read(async |connection| query.all(connection).await?.iter().map(listed).collect())
    }

    /// Names of the filter that very many entries have.
    fn frequent(&mut self, filter: &Filter) -> Result<Vec<&'static str>, Error> {
        const COUNTS: [(&str, &str); 4] = [
            ("backend", "SELECT COUNT(*) FROM (SELECT 1 FROM entries WHERE backend = $1 LIMIT $2) AS found"),
            ("engine", "SELECT COUNT(*) FROM (SELECT 1 FROM entries WHERE engine = $1 LIMIT $2) AS found"),
            ("quant", "SELECT COUNT(*) FROM (SELECT 1 FROM entries WHERE quant = $1 LIMIT $2) AS found"),
            ("kind", "SELECT COUNT(*) FROM (SELECT 1 FROM entries WHERE kind = $1 LIMIT $2) AS found"),
        ];
        let kind = filter.kind.map(|kind| kind.name().to_owned());
        let values = [&filter.backend, &filter.engine, &filter.quant, &kind];
        let mut found = Vec::new();
        for ((name, count), value) in COUNTS.into_iter().zip(values) {
            let Some(value) = value else { continue };
            let many: i64 = self.store().read(async |connection| {
                let row = sqlx::query(count).bind(value).bind(FREQUENT).fetch_one(connection).await?;
                column(&row, 0)
            })?;
            if many == FREQUENT {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The line of the record that `wanted` names: a place in the chain (`#12` or `12`), an identity or its beginning, `latest`, or `latest~N`.
    ///
    /// # Errors
    /// Nothing or several records have that name, or the store fails.
    pub fn find(&mut self, wanted: &str) -> Result<Listed, Error> {
        if let Some(back) = wanted.strip_prefix("latest") {
            let back = back.strip_prefix('~').unwrap_or("0").parse().unwrap_or(0);
            let found = self.list(&Filter { withdrawn: true, ..Filter::default() }, Sort::Added, 1, back)?;
            return found
                .into_iter()
                .next()
                .ok_or_else(|| unknown(wanted, "the ledger holds no such record"));
        }
        let place =
            wanted.strip_prefix('#').unwrap_or(wanted).parse::<i64>().ok().filter(|_| wanted.len() < 9);
        let found = match place {
            Some(sequence) => self.lines("sequence = ", sequence)?,
            None => self.by_prefix(wanted)?,
        };
        match found.len() {
            1 => found.into_iter().next().ok_or_else(|| unknown(wanted, "")),
            0 => Err(unknown(wanted, "no record has it; see `roofmark results list`")),
            _ => Err(unknown(wanted, "several records begin with it: give more digits")),
        }
    }

    fn lines(&mut self, condition: &'static str, value: i64) -> Result<Vec<Listed>, Error> {
        let mut query = Question::new(LISTED);
        query.push(" AND ").push(condition).bind(value);
        self.store().read(async |connection| query.all(connection).await?.iter().map(listed).collect())
    }

    /// A range instead of LIKE: both databases answer it from the index.
    fn by_prefix(&mut self, prefix: &str) -> Result<Vec<Listed>, Error> {
        if prefix.len() < 4 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown(
                prefix,
                "give a place such as #12, four or more digits of an identity, or `latest`",
            ));
        }
        let prefix = prefix.to_ascii_lowercase();
        let mut query = Question::new(LISTED);
        query.push(" AND content >= ").bind(prefix.clone());
        query.push(" AND content <= ").bind(format!("{prefix}g")).push(" LIMIT 2");
        self.store().read(async |connection| query.all(connection).await?.iter().map(listed).collect())
    }

    /// The configurations of one record's rates, in its order.
    ///
    /// # Errors
    /// The store fails.
    pub fn configurations_of(&mut self, sequence: i64) -> Result<Vec<Configuration>, Error> {
        let mut query = Question::new(CONFIGURATION);
        query.push(
            " JOIN cells ON cells.configuration = configurations.configuration WHERE cells.sequence = ",
        );
        query.bind(sequence).push(" ORDER BY cells.place");
        self.store().read(async |connection| query.all(connection).await?.iter().map(configuration).collect())
    }

    /// The configurations that `filter` lets through, by name (kind, dates and versions do not count).
    ///
    /// # Errors
    /// The store fails.
    pub fn configurations(
        &mut self,
        filter: &Filter,
        timed: Option<&str>,
    ) -> Result<Vec<Configuration>, Error> {
        let mut query = Question::new(CONFIGURATION);
        query.push(" WHERE configurations.configuration IS NOT NULL");
        let names = [
            (" AND machine = ", &filter.machine),
            (" AND backend = ", &filter.backend),
            (" AND engine = ", &filter.engine),
            (" AND model = ", &filter.model),
            (" AND quant = ", &filter.quant),
        ];
        for (condition, value) in names {
            if let Some(value) = value {
                query.push(condition).bind(value.clone());
            }
        }
        if let Some(timed) = timed {
            query.push(" AND timed = ").bind(timed.to_owned());
        }
        query.push(" ORDER BY machine, model, quant, timed, batch, depth, prompt, generated LIMIT 1000");
        self.store().read(async |connection| query.all(connection).await?.iter().map(configuration).collect())
    }

    /// The rates of one configuration by date, withdrawn records left out.
    ///
    /// # Errors
    /// The store fails.
    pub fn trend(&mut self, configuration: i64) -> Result<Vec<Point>, Error> {
        const SELECT: &str = "SELECT cells.sequence, cells.date, cells.version, cells.rate, cells.low, cells.high, \
            cells.void FROM cells JOIN entries ON entries.sequence = cells.sequence \
            WHERE cells.configuration = $1 AND entries.withdrawn = 0 \
            ORDER BY cells.date DESC, cells.sequence DESC LIMIT $2";
        self.store().read(async |connection| {
            let rows =
                sqlx::query(SELECT).bind(configuration).bind(MOST_POINTS).fetch_all(connection).await?;
            rows.iter().rev().map(point).collect()
        })
    }

    /// Configurations that more than one key has measured, at most `count`, with the rates of each key.
    ///
    /// # Errors
    /// The store fails.
    pub fn reproductions(&mut self, count: i64) -> Result<Vec<Reproduction>, Error> {
        const SELECT: &str = "SELECT c.configuration, c.machine, c.backend, c.engine, c.model, c.quant, c.timed, \
            c.prompt, c.generated, c.depth, c.batch, e.signer, COUNT(*), MIN(r.rate), AVG(r.rate), MAX(r.rate), \
            MAX(r.date) FROM cells r JOIN entries e ON e.sequence = r.sequence \
            JOIN configurations c ON c.configuration = r.configuration \
            WHERE e.withdrawn = 0 AND r.void = 0 AND r.configuration IN (SELECT x.configuration FROM cells x \
            JOIN entries y ON y.sequence = x.sequence WHERE y.withdrawn = 0 AND x.void = 0 \
            GROUP BY x.configuration HAVING COUNT(DISTINCT y.signer) > 1 ORDER BY x.configuration LIMIT $1) \
            GROUP BY c.configuration, c.machine, c.backend, c.engine, c.model, c.quant, c.timed, c.prompt, \
            c.generated, c.depth, c.batch, e.signer ORDER BY c.machine, c.model, c.configuration, e.signer";
        self.store().read(async |connection| {
            let rows = sqlx::query(SELECT).bind(count).fetch_all(connection).await?;
            rows.iter().map(reproduction).collect()
        })
    }

    /// All values of one name.
    ///
    /// # Errors
    /// The store fails.
    pub fn names(&mut self, name: Name) -> Result<Vec<String>, Error> {
        self.store().read(async |connection| {
            let rows = sqlx::query(name.select()).fetch_all(connection).await?;
            rows.iter().map(|row| column(row, 0)).collect()
        })
    }
}

const CONFIGURATION: &str = "SELECT configurations.configuration, machine, backend, engine, model, quant, timed, \
    prompt, generated, depth, batch FROM configurations";

fn configuration(row: &AnyRow) -> Result<Configuration, Failure> {
    Ok(Configuration {
        number: column(row, 0)?,
        machine: column(row, 1)?,
        backend: column(row, 2)?,
        engine: column(row, 3)?,
        model: column(row, 4)?,
        quant: column(row, 5)?,
        timed: column(row, 6)?,
        prompt: column(row, 7)?,
        generated: column(row, 8)?,
        depth: column(row, 9)?,
        batch: column(row, 10)?,
    })
}

fn reproduction(row: &AnyRow) -> Result<Reproduction, Failure> {
    Ok(Reproduction {
        configuration: configuration(row)?,
        signer: column(row, 11)?,
        rates: column(row, 12)?,
        low: TokensPerSecond(column(row, 13)?),
        mean: TokensPerSecond(column(row, 14)?),
        high: TokensPerSecond(column(row, 15)?),
        newest: column(row, 16)?,
    })
}

fn point(row: &AnyRow) -> Result<Point, Failure> {
    let bound = |at| column::<Option<f64>>(row, at).map(|value| value.map(TokensPerSecond));
    Ok(Point {
        sequence: column(row, 0)?,
        date: column(row, 1)?,
        version: column(row, 2)?,
        rate: TokensPerSecond(column(row, 3)?),
        bounds: bound(4)?.zip(bound(5)?),
        void: column::<i64>(row, 6)? != 0,
    })
}

/// Adds the conditions of `filter`. Those of names in `walked` are written so that no index answers them.
pub(crate) fn filtered(query: &mut Question, filter: &Filter, walked: &[&str]) {
    let kind = filter.kind.filter(|kind| *kind != Kind::Foreign).map(|kind| kind.name().to_owned());
    let equal = [
        ("kind", " AND kind = ", " AND (kind || '') = ", &kind),
        ("machine", " AND entries.machine = ", "", &filter.machine),
        ("backend", " AND entries.backend = ", " AND (entries.backend || '') = ", &filter.backend),
        ("engine", " AND entries.engine = ", " AND (entries.engine || '') = ", &filter.engine),
        ("version", " AND entries.version = ", "", &filter.version),
        ("model", " AND entries.model = ", "", &filter.model),
        ("quant", " AND entries.quant = ", " AND (entries.quant || '') = ", &filter.quant),
        ("origin", " AND origin = ", "", &filter.origin),
        ("since", " AND entries.date >= ", "", &filter.since),
        ("until", " AND entries.date < ", "", &filter.until),
    ];
    for (name, indexed, unindexed, value) in equal {
        if let Some(value) = value {
            query.push(if walked.contains(&name) { unindexed } else { indexed }).bind(value.clone());
        }
    }
    if filter.kind == Some(Kind::Foreign) {
        query.push(" AND foreign_copy = 1");
    }
    if !filter.withdrawn {
        query.push(" AND withdrawn = 0");
    }
}

fn unknown(wanted: &str, hint: &str) -> Error {
    Error::Unknown { wanted: wanted.to_owned(), hint: hint.to_owned() }
}
