//! Results of load generators: vLLM, `GuideLLM`, `AIPerf`, llama-benchy and `LocalScore`.

use super::{Source, count, metrics, number, text};
use crate::error::Error;
use crate::observation::{Metric, Observation, ObservedCell, Subject, Timed};
use roofmark_facts::units::TokensPerSecond;
use serde_json::Value;

const VLLM: &[(&str, &str)] = &[
    ("duration", "s"),
    ("completed", "requests"),
    ("failed", "requests"),
    ("total_input_tokens", "tokens"),
    ("total_output_tokens", "tokens"),
    ("request_throughput", "requests/s"),
    ("request_goodput", "requests/s"),
    ("total_token_throughput", "tok/s"),
    ("mean_ttft_ms", "ms"),
    ("median_ttft_ms", "ms"),
    ("p99_ttft_ms", "ms"),
    ("mean_tpot_ms", "ms"),
    ("median_tpot_ms", "ms"),
    ("p99_tpot_ms", "ms"),
    ("mean_itl_ms", "ms"),
    ("median_itl_ms", "ms"),
    ("p99_itl_ms", "ms"),
    ("mean_e2el_ms", "ms"),
    ("p99_e2el_ms", "ms"),
];

pub fn vllm(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let value = source.json("", whole)?;
    let rate = number(&value, "output_throughput")
        .ok_or_else(|| source.refuse("", "output_throughput is missing or no number"))?;
    let subject = Subject {
        date: text(&value, "date").and_then(|date| compact_date(&date)),
        // The client's name for the interface, which is the engine's only where it is not the common one.
        engine: text(&value, "backend").filter(|name| !name.starts_with("openai")),
        model: text(&value, "model_id"),
        ..Subject::default()
    };
    let completed = count(&value, "completed").filter(|count| *count > 0);
    let mean = |name: &str| Some(count(&value, name)? / completed?);
    let mut one = source.observation("", subject);
    one.settings.extend(
        ["request_rate", "burstiness", "max_concurrency", "num_prompts"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), text(&value, name)?))),
    );
    one.cells.push(ObservedCell {
        prompt: mean("total_input_tokens"),
        generated: mean("total_output_tokens"),
        batch: count(&value, "max_concurrency"),
        rate: Some(source.rate("output_throughput", rate)?),
        metrics: metrics(&value, VLLM),
        ..ObservedCell::new(Timed::Requests)
    });
    Ok(vec![one])
}

/// `20260712-153000` as RFC 3339; the zone is not said, UTC is taken.
fn compact_date(text: &str) -> Option<String> {
    let (day, time) = text.split_once('-')?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(day, 0, 4)?,
        part(day, 4, 6)?,
        part(day, 6, 8)?,
        part(time, 0, 2)?,
        part(time, 2, 4)?,
        part(time, 4, 6)?
    ))
}

pub fn guidellm(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    const DISTRIBUTIONS: &[(&str, &str)] = &[
        ("requests_per_second", "requests/s"),
        ("request_concurrency", "requests"),
        ("request_latency", "s"),
        ("time_to_first_token_ms", "ms"),
        ("time_per_output_token_ms", "ms"),
        ("inter_token_latency_ms", "ms"),
        ("prompt_token_count", "tokens"),
        ("output_token_count", "tokens"),
        ("tokens_per_second", "tok/s"),
    ];
    let value = source.json("", whole)?;
    let list = value.get("benchmarks").and_then(Value::as_array);
    let list = list.ok_or_else(|| source.refuse("", "benchmarks is missing or no list"))?;
    let began = list.first().and_then(|first| number(first, "start_time"));
    let subject =
        Subject { date: began.and_then(unix_date), model: find_text(&value, "model"), ..Subject::default() };
    let mut one = source.observation("", subject);
    for (at, benchmark) in (1..).zip(list) {
        let place = format!("benchmark {at}");
        let found = benchmark.get("metrics").ok_or_else(|| source.refuse(&place, "metrics is missing"))?;
        let successful = |name: &str| found.get(name).and_then(|metric| metric.get("successful"));
        let rate = successful("output_tokens_per_second").and_then(|metric| number(metric, "mean"));
        let rate = rate.ok_or_else(|| source.refuse(&place, "output_tokens_per_second is missing"))?;
        let mut cell = ObservedCell::new(Timed::Requests);
        cell.rate = Some(source.rate(&place, rate)?);
        let mean = |name: &str| Some(number(successful(name)?, "mean")?.round() as u64);
        cell.prompt = mean("prompt_token_count");
        cell.generated = mean("output_token_count");
        let asked =
            benchmark.pointer("/config/strategy").and_then(|strategy| count(strategy, "max_concurrency"));
        cell.batch = asked.or_else(|| mean("request_concurrency").filter(|count| *count > 0));
        for (name, unit) in DISTRIBUTIONS {
            cell.metrics
                .extend(successful(name).into_iter().flat_map(|metric| distribution(name, unit, metric)));
        }
        one.cells.push(cell);
    }
    Ok(vec![one])
}

/// Seconds since 1970 as RFC 3339.
fn unix_date(seconds: f64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds as i64).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Mean, median and 99th percentile of a distribution.
fn distribution(name: &str, unit: &str, value: &Value) -> Vec<Metric> {
    let p99 = value.get("percentiles").and_then(|percentiles| number(percentiles, "p99"));
    [("mean", number(value, "mean")), ("median", number(value, "median")), ("p99", p99)]
        .into_iter()
        .filter_map(|(part, value)| Some((part, value.filter(|value| value.is_finite())?)))
        .map(|(part, value)| Metric { name: format!("{name} {part}"), value, unit: unit.to_owned() })
        .collect()
}

/// The first text of this name anywhere in `value`, outermost first.
fn find_text(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(super::file_name)
            .or_else(|| fields.values().find_map(|inner| find_text(inner, name))),
        Value::Array(items) => items.iter().take(3).find_map(|inner| find_text(inner, name)),
        _ => None,
    }
}

const AIPERF: &[(&str, &str)] = &[
    ("time_to_first_token", "ms"),
    ("inter_token_latency", "ms"),
    ("request_latency", "ms"),
    ("request_throughput", "requests/s"),
    ("output_sequence_length", "tokens"),
    ("input_sequence_length", "tokens"),
    ("output_token_throughput_per_user", "tok/s"),
    ("request_count", "requests"),
];

pub fn aiperf_json(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let value = source.json("", whole)?;
    // Older files keep the metrics one level down.
    let records = value.get("records").filter(|records| records.is_object()).unwrap_or(&value);
    let average = |name: &str| records.get(name).and_then(|metric| number(metric, "avg"));
    let rate = average("output_token_throughput")
        .ok_or_else(|| source.refuse("", "output_token_throughput is missing"))?;
    let config = value.get("input_config").unwrap_or(&Value::Null);
    // The second place of each is that of files before version 1.4 of the form.
    let at = |places: [&str; 2]| places.iter().find_map(|place| config.pointer(place));
    let model = at(["/models/items/0/name", "/endpoint/model_names/0"]).and_then(Value::as_str);
    let subject = Subject {
        model: model.map(super::file_name),
        date: text(&value, "end_time").or_else(|| text(&value, "start_time")).map(zoned),
        ..Subject::default()
    };
    let mut cell = ObservedCell::new(Timed::Requests);
    cell.rate = Some(source.rate("output_token_throughput", rate)?);
    cell.prompt = average("input_sequence_length").map(|count| count.round() as u64);
    cell.generated = average("output_sequence_length").map(|count| count.round() as u64);
    cell.batch = at(["/phases/0/concurrency", "/loadgen/concurrency"]).and_then(Value::as_u64);
    cell.doubts.extend(miscounted(average("output_sequence_length"), average("usage_completion_tokens")));
    for (name, unit) in AIPERF {
        let Some(metric) = records.get(name) else { continue };
        let unit = text(metric, "unit").unwrap_or_else(|| (*unit).to_owned());
        let parts = ["avg", "p50", "p90", "p99"].iter();
        cell.metrics.extend(parts.filter_map(|part| {
            let value = number(metric, part).filter(|value| value.is_finite())?;
            Some(Metric { name: format!("{name} {part}"), value, unit: unit.clone() })
        }));
    }
    let mut one = source.observation("", subject);
    one.cells.push(cell);
    Ok(vec![one])
}

/// Tokens that the client counted against those that the server did: more than 2 % apart is a doubt.
fn miscounted(counted: Option<f64>, served: Option<f64>) -> Option<String> {
    let (counted, served) = (counted?, served?);
    let apart = served > 0.0 && (counted / served - 1.0).abs() > 0.02;
    apart.then(|| format!("the client counted {counted:.1} output tokens a request, the server {served:.1}"))
}

/// A time without a zone, taken as UTC.
fn zoned(text: String) -> String {
    let has_zone = text.ends_with('Z') || text.get(19..).is_some_and(|end| end.contains(['+', '-']));
    if text.contains('T') && !has_zone { text + "Z" } else { text }
}

pub fn aiperf_csv(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(whole.as_bytes());
    let mut head: Vec<String> = Vec::new();
    let mut cell = ObservedCell::new(Timed::Requests);
    for row in reader.records() {
        let row = row.map_err(|error| source.refuse("", error))?;
        let first = row.get(0).unwrap_or_default().trim();
        if first == "Metric" {
            head = row.iter().map(str::to_owned).collect();
            continue;
        }
        // The table of GPUs, with their addresses and identities.
        if first == "Endpoint" {
            break;
        }
        let (name, unit) =
            first.split_once(" (").map_or((first, ""), |(name, unit)| (name, unit.trim_end_matches(')')));
        for (column, value) in head.iter().zip(&row).skip(1) {
            let Ok(value) = value.trim().parse::<f64>() else { continue };
            match (name, column.as_str()) {
                _ if !["avg", "p50", "p90", "p99", "Value"].contains(&column.as_str()) => continue,
                ("Output Token Throughput", _) => cell.rate = Some(source.rate(name, value)?),
                ("Input Sequence Length", "avg") => cell.prompt = Some(value.round() as u64),
                ("Output Sequence Length", "avg") => cell.generated = Some(value.round() as u64),
                _ => {}
            }
            cell.metrics.push(Metric { name: format!("{name} {column}"), value, unit: unit.to_owned() });
        }
    }
    if cell.rate.is_none() {
        return Err(source.refuse("", "Output Token Throughput is missing"));
    }
    let mut one = source.observation("", Subject::default());
    one.cells.push(cell);
    Ok(vec![one])
}

pub fn benchy(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let value = source.json("", whole)?;
    let date = text(&value, "timestamp").map(|date| zoned(date.trim().replace(' ', "T").replace("TZ", "Z")));
    let date = date.filter(|date| crate::summary::latest(date).is_some());
    let subject = Subject {
        date,
        model: text(&value, "model").map(|name| super::file_name(&name)),
        ..Subject::default()
    };
    let mut one = source.observation("", subject);
    one.settings.extend(
        ["latency_mode", "latency_ms", "prefix_caching_enabled", "version"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), text(&value, name)?))),
    );
    let runs = value.get("benchmarks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, run) in (1..).zip(runs) {
        let place = format!("benchmark {at}");
        for (timed, name) in [(Timed::Prefill, "pp_throughput"), (Timed::Decode, "tg_throughput")] {
            let Some(metric) = run.get(name).filter(|metric| metric.is_object()) else { continue };
            let values =
                metric.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let samples: Result<Vec<TokensPerSecond>, Error> =
                values.iter().map(|value| source.rate(&place, value.as_f64().unwrap_or(f64::NAN))).collect();
            let rate =
                number(metric, "mean").ok_or_else(|| source.refuse(&place, format!("{name} has no mean")))?;
            one.cells.push(ObservedCell {
                prompt: count(run, "prompt_size").filter(|_| timed == Timed::Prefill),
                generated: count(run, "response_size").filter(|_| timed == Timed::Decode),
                depth: count(run, "context_size"),
                batch: count(run, "concurrency"),
                rate: Some(source.rate(&place, rate)?),
                deviation: number(metric, "std").map(|value| source.rate(&place, value)).transpose()?,
                samples: samples?,
                metrics: ["ttfr", "est_ppt", "e2e_ttft"]
                    .iter()
                    .flat_map(|name| distribution(name, "ms", run.get(name).unwrap_or(&Value::Null)))
                    .collect(),
                ..ObservedCell::new(timed)
            });
        }
    }
    Ok(vec![one])
}

pub fn localscore(source: &Source, whole: &str) -> Result<Vec<Observation>, Error> {
    let value = source.json("", whole)?;
    let part = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)).unwrap_or(&Value::Null);
    let (system, accelerator) = (part(["system_info", "system"]), part(["accelerator_info", "accelerator"]));
    let info = value.get("test_info").unwrap_or(&value);
    let runtime = info.get("runtime").or_else(|| value.get("runtime_info")).unwrap_or(&Value::Null);
    let results = part(["results", "benchmark_results"]).as_array().map(Vec::as_slice).unwrap_or_default();
    // Three versions of the form: the model stands in each result, in the run, or as an object in the results.
    let first = results.first().unwrap_or(&Value::Null);
    let model = info.get("model").or_else(|| first.get("model")).unwrap_or(&Value::Null);
    let name = text(first, "model_name").or_else(|| text(model, "name"));
    let subject = Subject {
        machine: text(accelerator, "name"),
        os: text(system, "kernel_type"),
        engine: text(runtime, "name"),
        version: text(runtime, "version"),
        commit: text(runtime, "commit").or_else(|| text(runtime, "commit_hash")),
        model: name.map(|name| super::file_name(&name)),
        quant: text(first, "model_quant_str")
            .and_then(|kind| super::llama::quant_of_type(&kind).or(Some(kind)))
            .or_else(|| text(model, "quant"))
            .or_else(|| text(model, "quantization")),
        ..Subject::default()
    };
    let mut one = source.observation("", subject);
    for (at, test) in (1..).zip(results) {
        let place = format!("result {at}");
        let (prompt, generated) = (
            count(test, "n_prompt").or_else(|| count(test, "prompt_length")),
            count(test, "n_gen").or_else(|| count(test, "generation_length")),
        );
        for (timed, names) in [
            (Timed::Prefill, ["prompt_tps", "prompt_tokens_per_second"]),
            (Timed::Decode, ["gen_tps", "generated_tokens_per_second"]),
        ] {
            let Some(rate) = names.iter().find_map(|name| number(test, name)).filter(|rate| *rate != 0.0)
            else {
                continue;
            };
            one.cells.push(ObservedCell {
                prompt: prompt.filter(|_| timed == Timed::Prefill),
                generated: generated.filter(|_| timed == Timed::Decode),
                depth: if timed == Timed::Decode { prompt } else { Some(0) },
                batch: Some(1),
                rate: Some(source.rate(&place, rate)?),
                metrics: metrics(
                    test,
                    &[
                        ("ttft_ms", "ms"),
                        ("time_to_first_token_ms", "ms"),
                        ("power_watts", "W"),
                        ("avg_time_ms", "ms"),
                    ],
                ),
                ..ObservedCell::new(timed)
            });
        }
    }
    Ok(vec![one])
}
