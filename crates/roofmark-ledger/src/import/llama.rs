//! llama-bench in its five forms, and llama-batched-bench in its two.

use super::{Source, count, file_name, number, text};
use crate::error::Error;
use crate::observation::{Observation, ObservedCell, Subject, Timed};
use roofmark_facts::units::{Bytes, TokensPerSecond};
use serde_json::{Map, Value};

/// Settings that are kept, as llama-bench names them.
const SETTINGS: &[&str] = &[
    "n_batch",
    "n_ubatch",
    "n_threads",
    "type_k",
    "type_v",
    "n_gpu_layers",
    "n_cpu_moe",
    "split_mode",
    "main_gpu",
    "no_kv_offload",
    "flash_attn",
    "tensor_split",
    "use_mmap",
    "poll",
    "embeddings",
    "n_kv_max",
    "is_pp_shared",
    "n_threads_batch",
];

pub fn json(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let rows = match source.json("", whole)? {
        Value::Array(rows) => rows,
        row => vec![row],
    };
    grouped(source, &rows, "entry")
}

pub fn jsonl(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    grouped(source, &lines(source, whole)?, "line")
}

/// JSON documents, one a line.
fn lines(source: &Source, whole: &str) -> Result<Vec<Value>, Error> {
    let lines = (1..).zip(whole.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| source.json(&format!("line {at}"), line)).collect()
}

pub fn csv(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let mut reader = ::csv::Reader::from_reader(whole.as_bytes());
    let head = reader.headers().map_err(|error| source.refuse("line 1", error))?.clone();
    let rows = reader.records().map(|row| {
        let row = row.map_err(|error| source.refuse("", error))?;
        Ok(object(head.iter().zip(row.iter())))
    });
    grouped(source, &rows.collect::<Result<Vec<_>, Error>>()?, "row")
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Object(fields.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

pub fn sql(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let mut rows = Vec::new();
    for (at, line) in
        (1..).zip(whole.lines()).filter(|(_, line)| line.trim_start().starts_with("INSERT INTO"))
    {
        let place = format!("line {at}");
        let parts = line.split_once('(').and_then(|(_, rest)| rest.split_once(") VALUES ("));
        let (names, values) =
            parts.ok_or_else(|| source.refuse(&place, "it is not an INSERT of llama_bench"))?;
        let values = values.trim_end().trim_end_matches(';').trim_end_matches(')');
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        let values = quoted(values);
        if names.len() != values.len() {
            let what = format!("{} columns but {} values", names.len(), values.len());
            return Err(source.refuse(&place, what));
        }
        rows.push(object(names.iter().copied().zip(values.iter().map(String::as_str))));
    }
    grouped(source, &rows, "row")
}

/// Values between single quotes, a doubled quote standing for one.
fn quoted(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut letters = text.chars().peekable();
    while letters.by_ref().any(|letter| letter == '\'') {
        let mut value = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' if letters.peek() == Some(&'\'') => {
                    letters.next();
                    value.push('\'');
                }
                '\'' => break,
                letter => value.push(letter),
            }
        }
        values.push(value);
    }
    values
}

/// One observation for each run of rows that share engine, machine, model and settings.
fn grouped(source: &Source, rows: &[Value], unit: &str) -> Result<Vec<Observation>, Error> {
    let mut seen: Vec<Observation> = Vec::new();
    for (at, row) in (1..).zip(rows) {
        let place = format!("{unit} {at}");
        let mut subject = subject(row);
        let settings: std::collections::BTreeMap<String, String> =
            SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), text(row, name)?))).collect();
        let cell = cell(source, &place, row)?;
        match seen.last_mut() {
            Some(last) if last.settings == settings && same(&last.subject, &subject) => last.cells.push(cell),
            _ => {
                subject.date = text(row, "test_time");
                let mut one = source.observation(&place, subject);
                one.settings = settings;
                one.cells.push(cell);
                seen.push(one);
            }
        }
    }
    Ok(seen)
}

fn same(left: &Subject, right: &Subject) -> bool {
    Subject { date: None, ..left.clone() } == *right
}

fn subject(row: &Value) -> Subject {
    let file = text(row, "model_filename").map(|path| file_name(&path));
    let kind = text(row, "model_type");
    let gpu = text(row, "gpu_info");
    Subject {
        machine: gpu.or_else(|| text(row, "cpu_info")),
        backend: text(row, "backends"),
        engine: Some("llama.cpp".to_owned()),
        // A build outside its repository calls itself number 0.
        version: text(row, "build_number").filter(|number| number != "0").map(|number| format!("b{number}")),
        commit: text(row, "build_commit"),
        quant: file.as_deref().and_then(quant_of_file).or_else(|| kind.as_deref().and_then(quant_of_type)),
        model: file.map(|name| model_of_file(&name)).or_else(|| kind.map(|kind| model_of_type(&kind))),
        size: number(row, "model_size").map(Bytes),
        ..Subject::default()
    }
}

/// The last part of a file name that looks like a quantization label.
fn quant_of_file(name: &str) -> Option<String> {
    let stem = name.trim_end_matches(".gguf");
    let part = stem.rsplit(['-', '.']).find(|part| is_quant(part))?;
    Some(part.to_ascii_uppercase())
}

fn is_quant(part: &str) -> bool {
    let upper = part.to_ascii_uppercase();
    matches!(upper.as_str(), "F16" | "BF16" | "F32" | "MXFP4" | "NVFP4" | "FP8")
        || (upper.starts_with('Q') || upper.starts_with("IQ") || upper.starts_with("TQ"))
            && upper.bytes().any(|byte| byte.is_ascii_digit())
            && upper.contains('_')
}

/// llama.cpp's description, such as `llama 8B Q4_K - Medium`, spelled as a label.
pub fn quant_of_type(kind: &str) -> Option<String> {
    let (stem, size) = kind.split_once(" - ").unwrap_or((kind, ""));
    let part = stem.split_whitespace().rev().find(|part| is_quant(part) || part.starts_with('Q'))?;
    Some(match size.chars().next() {
        Some(letter) => format!("{part}_{letter}"),
        None => part.to_owned(),
    })
}

/// The same without its quantization.
fn model_of_type(kind: &str) -> String {
    let stem = kind.split(" - ").next().unwrap_or(kind);
    let words = stem.split_whitespace().take_while(|part| !is_quant(part) && !part.starts_with('Q'));
    words.collect::<Vec<_>>().join(" ")
}

fn model_of_file(name: &str) -> String {
    let stem = name.trim_end_matches(".gguf");
    let quant = stem.rsplit(['-', '.']).find(|part| is_quant(part)).unwrap_or("");
    let cut = stem.trim_end_matches(quant).trim_end_matches(['-', '.']);
    if cut.is_empty() { stem.to_owned() } else { cut.to_owned() }
}

fn cell(source: &Source, place: &str, row: &Value) -> Result<ObservedCell, Error> {
    let need = |field: &str| {
        count(row, field).ok_or_else(|| source.refuse(place, format!("{field} is missing or no count")))
    };
    let (prompt, generated) = (need("n_prompt")?, need("n_gen")?);
    let rate = number(row, "avg_ts").ok_or_else(|| source.refuse(place, "avg_ts is missing or no number"))?;
    let samples = row.get("samples_ts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let samples: Result<Vec<TokensPerSecond>, Error> =
        samples.iter().map(|value| source.rate(place, value.as_f64().unwrap_or(f64::NAN))).collect();
    let timed = match (prompt, generated) {
        (_, 0) => Timed::Prefill,
        (0, _) => Timed::Decode,
        _ => Timed::Both,
    };
    Ok(ObservedCell {
        prompt: (prompt > 0).then_some(prompt),
        generated: (generated > 0).then_some(generated),
        depth: count(row, "n_depth"),
        batch: Some(1),
        rate: Some(source.rate(place, rate)?),
        deviation: number(row, "stddev_ts").map(|value| source.rate(place, value)).transpose()?,
        samples: samples?,
        ..ObservedCell::new(timed)
    })
}

/// Rows of a Markdown table: each as header name and value.
fn table(whole: &str, marker: &str) -> Vec<(usize, Vec<(String, String)>)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut head: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for (at, line) in (1..).zip(whole.lines()).filter(|(_, line)| line.trim_start().starts_with('|')) {
        let values = cells(line);
        if values.iter().any(|name| name == marker) {
            head = values;
        } else if !line.contains("--") && values.len() == head.len() {
            rows.push((at, head.iter().cloned().zip(values).collect()));
        }
    }
    rows
}

fn field<'a>(row: &'a [(String, String)], name: &str) -> Option<&'a str> {
    row.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

pub fn markdown(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let build = whole.lines().find_map(|line| line.trim().strip_prefix("build: "));
    let (commit, number) = build.and_then(|build| build.split_once(" (")).unwrap_or(("", ""));
    let rows: Result<Vec<Value>, Error> = table(whole, "t/s")
        .iter()
        .map(|(at, row)| markdown_row(source, *at, row, commit, number.trim_end_matches(')')))
        .collect();
    grouped(source, &rows?, "row")
}

/// A row of the table in the names of the other forms.
fn markdown_row(
    source: &Source,
    at: usize,
    row: &[(String, String)],
    commit: &str,
    number: &str,
) -> Result<Value, Error> {
    let place = format!("line {at}");
    let test = field(row, "test").ok_or_else(|| source.refuse(&place, "it has no column \"test\""))?;
    let rate = field(row, "t/s").unwrap_or_default();
    let (mean, deviation) = rate.split_once('±').unwrap_or((rate, ""));
    let (work, depth) = test.split_once("@ d").unwrap_or((test, "0"));
    let part = |name: &str| {
        let found = work.split('+').find_map(|part| part.trim().strip_prefix(name));
        found.unwrap_or("0").trim().to_owned()
    };
    let mut fields = vec![
        ("build_commit", commit.to_owned()),
        ("build_number", number.to_owned()),
        ("model_type", field(row, "model").unwrap_or_default().to_owned()),
        ("backends", field(row, "backend").unwrap_or_default().to_owned()),
        ("n_prompt", part("pp")),
        ("n_gen", part("tg")),
        ("n_depth", depth.trim().to_owned()),
        ("avg_ts", mean.trim().to_owned()),
    ];
    if !deviation.trim().is_empty() {
        fields.push(("stddev_ts", deviation.trim().to_owned()));
    }
    for (short, long) in
        [("threads", "n_threads"), ("ngl", "n_gpu_layers"), ("fa", "flash_attn"), ("n_ubatch", "n_ubatch")]
    {
        fields.extend(field(row, short).map(|value| (long, value.to_owned())));
    }
    Ok(object(fields.iter().map(|(name, value)| (*name, value.as_str()))))
}

pub fn batched_jsonl(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    batched(source, &lines(source, whole)?)
}

pub fn batched_markdown(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    const NAMES: [(&str, &str); 5] =
        [("PP", "pp"), ("TG", "tg"), ("B", "pl"), ("S_PP t/s", "speed_pp"), ("S_TG t/s", "speed_tg")];
    let rows: Vec<Value> = table(whole, "N_KV")
        .iter()
        .map(|(_, row)| object(NAMES.iter().filter_map(|(from, to)| Some((*to, field(row, from)?)))))
        .collect();
    batched(source, &rows)
}

fn batched(source: &Source, rows: &[Value]) -> Result<Vec<Observation>, Error> {
    let subject = Subject { engine: Some("llama.cpp".to_owned()), ..Subject::default() };
    let mut one = source.observation("", subject);
    for (at, row) in (1..).zip(rows) {
        let place = format!("row {at}");
        let need = |name: &str| {
            count(row, name).ok_or_else(|| source.refuse(&place, format!("{name} is missing or no count")))
        };
        let (prompt, generated, batch) = (need("pp")?, need("tg")?, need("pl")?);
        for (timed, name) in [(Timed::Prefill, "speed_pp"), (Timed::Decode, "speed_tg")] {
            let Some(rate) = number(row, name).filter(|rate| *rate > 0.0) else { continue };
            one.cells.push(ObservedCell {
                prompt: (timed == Timed::Prefill).then_some(prompt),
                generated: (timed == Timed::Decode).then_some(generated),
                depth: Some(if timed == Timed::Decode { prompt } else { 0 }),
                batch: Some(batch),
                rate: Some(source.rate(&place, rate)?),
                ..ObservedCell::new(timed)
            });
        }
    }
    if let Some(row) = rows.first() {
        one.settings =
            SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), text(row, name)?))).collect();
    }
    Ok(vec![one])
}
