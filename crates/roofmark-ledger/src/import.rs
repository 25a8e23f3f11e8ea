//! Results of other tools, read into observations: each with its origin, and with what the source does not say.
//!
//! Only named fields are taken over: prompts, answers and folders of a foreign file never get into a record.

mod llama;
mod servers;
mod table;

use crate::digest::Digest;
use crate::error::Error;
use crate::observation::{Metric, Observation, Origin, Subject};
use roofmark_facts::units::TokensPerSecond;
use serde_json::Value;

/// Largest file that is read, in bytes.
pub const LARGEST_FILE: u64 = 256 << 20;

/// A form that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `llama-bench -o json`.
    LlamaBenchJson,
    /// `llama-bench -o jsonl`.
    LlamaBenchJsonl,
    /// `llama-bench -o csv`.
    LlamaBenchCsv,
    /// `llama-bench -o md`.
    LlamaBenchMarkdown,
    /// `llama-bench -o sql`.
    LlamaBenchSql,
    /// `llama-batched-bench --output-format jsonl`.
    BatchedBenchJsonl,
    /// `llama-batched-bench --output-format md`.
    BatchedBenchMarkdown,
    /// `vllm bench serve --save-result`.
    VllmServe,
    /// `guidellm benchmark run --output-path`.
    Guidellm,
    /// AIPerf's `profile_export_aiperf.json`.
    AiperfJson,
    /// AIPerf's `profile_export_aiperf.csv`.
    AiperfCsv,
    /// `llama-benchy --format json`.
    LlamaBenchy,
    /// A `LocalScore` submission.
    LocalScore,
    /// A table of published rates, one row each, with its source.
    Evidence,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 14] = [
        Self::LlamaBenchJson,
        Self::LlamaBenchJsonl,
        Self::LlamaBenchCsv,
        Self::LlamaBenchMarkdown,
        Self::LlamaBenchSql,
        Self::BatchedBenchJsonl,
        Self::BatchedBenchMarkdown,
        Self::VllmServe,
        Self::Guidellm,
        Self::AiperfJson,
        Self::AiperfCsv,
        Self::LlamaBenchy,
        Self::LocalScore,
        Self::Evidence,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LlamaBenchJson => "llama-bench json",
            Self::LlamaBenchJsonl => "llama-bench jsonl",
            Self::LlamaBenchCsv => "llama-bench csv",
            Self::LlamaBenchMarkdown => "llama-bench markdown",
            Self::LlamaBenchSql => "llama-bench sql",
            Self::BatchedBenchJsonl => "llama-batched-bench jsonl",
            Self::BatchedBenchMarkdown => "llama-batched-bench markdown",
            Self::VllmServe => "vllm bench json",
            Self::Guidellm => "guidellm json",
            Self::AiperfJson => "aiperf json",
            Self::AiperfCsv => "aiperf csv",
            Self::LlamaBenchy => "llama-benchy json",
            Self::LocalScore => "localscore json",
            Self::Evidence => "evidence csv",
        }
    }

    /// Tells the form from the text itself.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if text.trim_start().starts_with(['{', '[']) {
            return of_json(text);
        }
        let table = |word: &str| text.lines().any(|line| line.starts_with('|') && line.contains(word));
        match text {
            _ if text.contains("INSERT INTO llama_bench") => Some(Self::LlamaBenchSql),
            _ if text.starts_with("build_commit,") => Some(Self::LlamaBenchCsv),
            _ if text.starts_with("id,machine,") => Some(Self::Evidence),
            _ if text.contains("Metric,") && text.contains("Request") => Some(Self::AiperfCsv),
            _ if table("S_TG") => Some(Self::BatchedBenchMarkdown),
            _ if table("t/s") => Some(Self::LlamaBenchMarkdown),
            _ => None,
        }
    }
}

fn of_json(text: &str) -> Option<Form> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let Ok(whole) = serde_json::from_str::<Value>(text) else {
        let first: Value = serde_json::from_str(lines.clone().next()?).ok()?;
        return of_object(&first, true);
    };
    match &whole {
        Value::Array(items) => of_object(items.first()?, false),
        object => of_object(object, lines.count() == 1),
    }
}

fn of_object(object: &Value, one_line: bool) -> Option<Form> {
    let has = |field: &str| object.get(field).is_some();
    Some(match object {
        _ if has("avg_ts") && one_line => Form::LlamaBenchJsonl,
        _ if has("avg_ts") => Form::LlamaBenchJson,
        _ if has("speed_tg") => Form::BatchedBenchJsonl,
        _ if has("aiperf_version") || has("time_to_first_token") => Form::AiperfJson,
        _ if has("total_token_throughput") || has("request_throughput") && has("completed") => {
            Form::VllmServe
        }
        _ if has("latency_mode") && has("benchmarks") => Form::LlamaBenchy,
        _ if has("benchmarks") => Form::Guidellm,
        _ if has("accelerator") || has("accelerator_info") => Form::LocalScore,
        _ if has("records") || has("request_latency") => Form::AiperfJson,
        _ => return None,
    })
}

/// Reads `bytes` in `form`, or in the form that they show.
///
/// # Errors
/// The form is not known, or a line or field of it cannot be read: nothing is taken in then.
pub fn read(form: Option<Form>, name: &str, bytes: &[u8]) -> Result<Vec<Observation>, Error> {
    let refuse = |reason: &str| Error::malformed(name, reason);
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text"))?;
    let text = text.trim_start_matches('\u{FEFF}');
    let form = form.or_else(|| Form::of(text)).ok_or_else(|| refuse(&unknown_form(text)))?;
    let source = Source { name, form, sha256: Digest::of(bytes) };
    let mut seen = match form {
        Form::LlamaBenchJson => llama::json(&source, text),
        Form::LlamaBenchJsonl => llama::jsonl(&source, text),
        Form::LlamaBenchCsv => llama::csv(&source, text),
        Form::LlamaBenchMarkdown => llama::markdown(&source, text),
        Form::LlamaBenchSql => llama::sql(&source, text),
        Form::BatchedBenchJsonl => llama::batched_jsonl(&source, text),
        Form::BatchedBenchMarkdown => llama::batched_markdown(&source, text),
        Form::VllmServe => servers::vllm(&source, text),
        Form::Guidellm => servers::guidellm(&source, text),
        Form::AiperfJson => servers::aiperf_json(&source, text),
        Form::AiperfCsv => servers::aiperf_csv(&source, text),
        Form::LlamaBenchy => servers::benchy(&source, text),
        Form::LocalScore => servers::localscore(&source, text),
        Form::Evidence => table::evidence(&source, text),
    }?;
    if seen.iter().all(|one| one.cells.is_empty()) {
        return Err(refuse("there is no measurement in it"));
    }
    seen.iter_mut().for_each(say_what_is_missing);
    Ok(seen)
}

/// Why no form fits: the error of the JSON where it looks like JSON.
fn unknown_form(text: &str) -> String {
    let json = text.trim_start().starts_with(['{', '[']);
    if let Some(error) = serde_json::from_str::<Value>(text).err().filter(|_| json) {
        return format!("it is neither one JSON document nor one a line: {error}");
    }
    let known = Form::ALL.map(Form::name).join(", ");
    format!("its form is not known; known forms: bundle, {known}")
}

/// The file that is being read.
struct Source<'a> {
    name: &'a str,
    form: Form,
    sha256: Digest,
}

impl Source<'_> {
    fn refuse(&self, place: &str, reason: impl std::fmt::Display) -> Error {
        let place = if place.is_empty() { self.name.to_owned() } else { format!("{}, {place}", self.name) };
        Error::malformed(place, reason.to_string())
    }

    fn observation(&self, locator: &str, subject: Subject) -> Observation {
        let origin = Origin {
            form: self.form.name().to_owned(),
            file_sha256: Some(self.sha256),
            locator: locator.to_owned(),
            ..Origin::default()
        };
        Observation::new(origin, subject)
    }

    fn json(&self, place: &str, text: &str) -> Result<Value, Error> {
        serde_json::from_str(text).map_err(|error| self.refuse(place, error))
    }

    /// A rate that can be: finite and not negative.
    fn rate(&self, place: &str, value: f64) -> Result<TokensPerSecond, Error> {
        if value.is_finite() && value >= 0.0 {
            return Ok(TokensPerSecond(value));
        }
        Err(self.refuse(place, format!("a rate of {value} tokens/s cannot be")))
    }
}

fn say_what_is_missing(seen: &mut Observation) {
    let subject = &seen.subject;
    let single_samples = seen.cells.iter().any(|cell| cell.samples.len() > 1);
    let absent = [
        ("model", subject.model.is_none()),
        ("machine", subject.machine.is_none()),
        ("operating system", subject.os.is_none()),
        ("driver", subject.driver.is_none()),
        ("backend", subject.backend.is_none()),
        ("engine", subject.engine.is_none()),
        ("engine version", subject.version.is_none() && subject.commit.is_none()),
        ("quantization", subject.quant.is_none()),
        ("date", subject.date.is_none()),
        ("tensor table of the model file", true),
        ("SHA-256 of the model file", subject.model_sha256.is_none()),
        ("raw samples", !single_samples),
        ("memory bandwidth measured beside it", true),
    ];
    seen.missing = absent.iter().filter(|(_, absent)| *absent).map(|(what, _)| (*what).to_owned()).collect();
}

/// A text field that says something.
fn text(value: &Value, field: &str) -> Option<String> {
    let found = value.get(field)?;
    let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    (!found.trim().is_empty() && found != "null" && found != "unknown").then(|| found.trim().to_owned())
}

fn number(value: &Value, field: &str) -> Option<f64> {
    let found = value.get(field)?;
    found.as_f64().or_else(|| found.as_str()?.trim().parse().ok())
}

fn count(value: &Value, field: &str) -> Option<u64> {
    let found = value.get(field)?;
    found.as_u64().or_else(|| found.as_str()?.trim().parse().ok())
}

/// A metric for each of `fields` that `value` has.
fn metrics(value: &Value, fields: &[(&str, &str)]) -> Vec<Metric> {
    let metric = |(name, unit): &(&str, &str)| {
        let value = number(value, name)?;
        Some(Metric { name: (*name).to_owned(), value, unit: (*unit).to_owned() })
    };
    fields.iter().filter_map(metric).filter(|metric| metric.value.is_finite()).collect()
}

/// The name of a file without its folders, whatever system wrote it.
fn file_name(path: &str) -> String {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}
