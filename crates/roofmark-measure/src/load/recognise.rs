//! Which software a server is, and what it says of itself.

use super::LoadError;
use super::driver::{Job, Next, Source, drive};
use super::exchange::Nanos;
use super::http::{Body, head};
use super::limits::{BODY_CAP, HEAD_CAP, Timeouts};
use super::plan::{Ratio, request_body, words_after_nonce};
use super::target::Target;
use super::watch::Watch;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use roofmark_facts::load_record::{Api, RequestRecord, ServerCounters, ServerEngine, ServerFacts};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest wait for an answer to a question.
const PATIENCE: Duration = Duration::from_secs(10);

/// A `GET`: status, the `server` header, and the body.
pub fn get(target: &Target, path: &str) -> Result<(u16, String, Vec<u8>), LoadError> {
    let probe = |reason: String| LoadError::Probe { path: path.to_owned(), reason };
    let bytes = ask(target, &target.request(path, None)).map_err(|error| probe(error.to_string()))?;
    let (found, length) =
        head(&bytes).map_err(|kind| probe(kind.text().into()))?.ok_or_else(|| probe("no answer".into()))?;
    let mut body = Vec::new();
    let fed = Body::new(found.body).feed(&bytes[length..], |data| {
        body.extend_from_slice(data);
        Ok(())
    });
    fed.map_err(|kind| probe(kind.text().into()))?;
    Ok((found.status, found.server, body))
}

fn ask(target: &Target, request: &[u8]) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    match &target.tls {
        None => exchange(stream, request),
        Some((config, name)) => {
            let session =
                rustls::ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
            exchange(rustls::StreamOwned::new(session, stream), request)
        }
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let begun = Instant::now();
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    while begun.elapsed() < PATIENCE && bytes.len() < BODY_CAP + HEAD_CAP {
        let count = match stream.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        bytes.extend_from_slice(&part[..count]);
        if count == 0 || is_complete(&bytes) {
            return Ok(bytes);
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "no complete answer in time"))
}

fn is_complete(bytes: &[u8]) -> bool {
    let Ok(Some((found, length))) = head(bytes) else { return false };
    let mut body = Body::new(found.body);
    body.feed(&bytes[length..], |_| Ok(())).is_err() || body.is_done()
}

fn json(target: &Target, path: &str) -> Option<Value> {
    let (status, _, body) = get(target, path).ok()?;
    (status == 200).then(|| serde_json::from_slice(&body).ok()).flatten()
}

/// Asks a server what it is. `engine`, `model` and `api` override what it says.
pub fn recognise(
    target: &Target,
    engine: Option<ServerEngine>,
    model: Option<&str>,
    api: Option<Api>,
) -> Result<ServerFacts, LoadError> {
    // The first question has to be answered by somebody; whether with a success does not matter here.
    let (_, header, body) = get(target, "/v1/models")?;
    let models: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (found, by) =
        engine.map_or_else(|| which(target, &header, &models), |engine| (engine, "--engine".to_owned()));
    let first = models.pointer("/data/0");
    let listed = first.and_then(|model| model.get("id")?.as_str());
    let chosen = model.or(listed).unwrap_or("default").to_owned();
    let props = (found == ServerEngine::LlamaServer).then(|| json(target, "/props")).flatten();
    let api = api.unwrap_or(if found == ServerEngine::Ollama { Api::OllamaChat } else { Api::Chat });
    let context = context(first, props.as_ref());
    Ok(ServerFacts {
        engine: found,
        recognised_by: by,
        version: version(target, found, props.as_ref()),
        model: chosen,
        context,
        slots: props
            .as_ref()
            .and_then(|props| props.get("total_slots")?.as_u64())
            .and_then(|slots| u32::try_from(slots).ok()),
        api,
        tls: target.tls.is_some(),
        loopback: target.address.ip().is_loopback(),
    })
}

fn which(target: &Target, header: &str, models: &Value) -> (ServerEngine, String) {
    let owner = models.pointer("/data/0/owned_by").and_then(Value::as_str).unwrap_or_default();
    let by_owner = match owner {
        "llamacpp" => Some(ServerEngine::LlamaServer),
        "vllm" => Some(ServerEngine::Vllm),
        "sglang" => Some(ServerEngine::Sglang),
        "tensorrt_llm" => Some(ServerEngine::TensorrtLlm),
        _ => None,
    };
    if let Some(engine) = by_owner {
        return (engine, format!("owned_by {owner} in /v1/models"));
    }
    let has = |path: &str, field: &str| json(target, path).is_some_and(|answer| answer.get(field).is_some());
    if has("/props", "default_generation_settings") {
        (ServerEngine::LlamaServer, "/props".into())
    } else if has("/api/version", "version") {
        (ServerEngine::Ollama, "/api/version".into())
    } else if has("/api/v0/models", "data") {
        (ServerEngine::LmStudio, "/api/v0/models".into())
    } else if has("/get_server_info", "model_path") {
        (ServerEngine::Sglang, "/get_server_info".into())
    } else if header.contains("basehttp") {
        (ServerEngine::MlxLm, "its server header".into())
    } else {
        (ServerEngine::OpenAi, "nothing more special".into())
    }
}

fn context(model: Option<&Value>, props: Option<&Value>) -> Option<u64> {
    let slot = props.and_then(|props| props.pointer("/default_generation_settings/n_ctx")?.as_u64());
    slot.or_else(|| model?.get("max_model_len")?.as_u64())
        .or_else(|| model?.pointer("/meta/n_ctx_train")?.as_u64())
}

fn version(target: &Target, engine: ServerEngine, props: Option<&Value>) -> Option<String> {
    let text =
        |value: Value, field: &str| value.get(field)?.as_str().map(|text| text.chars().take(60).collect());
    match engine {
        ServerEngine::LlamaServer => text(props?.clone(), "build_info"),
        ServerEngine::Ollama => text(json(target, "/api/version")?, "version"),
        ServerEngine::Vllm | ServerEngine::TensorrtLlm => text(json(target, "/version")?, "version"),
        ServerEngine::Sglang => text(json(target, "/get_server_info")?, "version"),
        _ => None,
    }
}

/// Reads the counters that vLLM and SGLang export for Prometheus; none where there is no such page.
#[must_use]
pub fn counters(target: &Target, engine: ServerEngine) -> ServerCounters {
    if !matches!(engine, ServerEngine::Vllm | ServerEngine::Sglang) {
        return ServerCounters::default();
    }
    match get(target, "/metrics") {
        Ok((200, _, body)) => parse_counters(&String::from_utf8_lossy(&body)),
        _ => ServerCounters::default(),
    }
}

/// Sums the samples of each counter over its labels.
#[must_use]
pub fn parse_counters(text: &str) -> ServerCounters {
    let sum = |names: &[&str]| {
        let mut found = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some(name) = line.split(['{', ' ']).next() else { continue };
            let after = line.rsplit_once('}').map_or(&line[name.len()..], |(_, after)| after);
            let value = after.split_whitespace().next().and_then(|value| value.parse::<f64>().ok());
            if let Some(value) = value.filter(|value| value.is_finite() && names.contains(&name)) {
                found = Some(found.unwrap_or(0.0) + value);
            }
        }
        found
    };
    ServerCounters {
        prefix_queries: sum(&[
            "vllm:prefix_cache_queries_total",
            "vllm:gpu_prefix_cache_queries_total",
            "sglang:prompt_tokens_total",
        ]),
        prefix_hits: sum(&[
            "vllm:prefix_cache_hits_total",
            "vllm:gpu_prefix_cache_hits_total",
            "sglang:cached_tokens_total",
        ]),
        drafted: sum(&["vllm:spec_decode_num_draft_tokens_total"]),
        accepted: sum(&["vllm:spec_decode_num_accepted_tokens_total"]),
        preemptions: sum(&["vllm:num_preemptions_total", "sglang:num_retracted_requests_total"]),
        cache_use: sum(&["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage"]),
        output_tokens: sum(&["vllm:generation_tokens_total", "sglang:generation_tokens_total"]),
    }
}

/// What the counters moved by.
#[must_use]
pub fn difference(before: &ServerCounters, after: &ServerCounters) -> ServerCounters {
    let moved = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
    ServerCounters {
        prefix_queries: moved(before.prefix_queries, after.prefix_queries),
        prefix_hits: moved(before.prefix_hits, after.prefix_hits),
        drafted: moved(before.drafted, after.drafted),
        accepted: moved(before.accepted, after.accepted),
        preemptions: moved(before.preemptions, after.preemptions),
        cache_use: after.cache_use,
        output_tokens: moved(before.output_tokens, after.output_tokens),
    }
}

struct Asked(Vec<Job>);

impl Source for Asked {
    fn next(&mut self, _: Nanos, in_flight: usize) -> Next {
        match self.0.pop() {
            Some(job) if in_flight == 0 => Next::Job(job),
            Some(job) => {
                self.0.push(job);
                Next::Wait
            }
            None => Next::Finished,
        }
    }

    fn ended(&mut self, _: &RequestRecord, _: Option<&str>) {}
}

/// Sends two prompts of known length for one token each and reads off how text turns into tokens.
/// The default stands where the server counts no prompt tokens.
pub fn ratio(target: &Target, server: &ServerFacts, seed: u64) -> Result<Ratio, LoadError> {
    let mut random = SmallRng::seed_from_u64(seed ^ 0x5eed);
    let lengths = [40_u32, 160];
    let jobs = lengths.iter().rev().map(|words| {
        let text = words_after_nonce(*words as usize, false, &mut random);
        let (path, body) = request_body(server, &text, 1, true);
        let bytes = target.request(path, Some(body.to_string().as_bytes()));
        Job { due: None, bytes, prompt: *words, output: 1, turn: None, keep_text: false }
    });
    let mut source = Asked(jobs.collect());
    let driven = drive(target, Timeouts::default(), &mut source, &Watch::default(), Instant::now())?;
    let counts: Vec<f64> =
        driven.requests.iter().filter_map(|record| record.prompt_tokens.map(|count| count as f64)).collect();
    let [few, many] = counts[..] else { return Ok(Ratio::default()) };
    let per_word = (many - few) / f64::from(lengths[1] - lengths[0]);
    if !(0.2..=10.0).contains(&per_word) {
        return Ok(Ratio::default());
    }
    Ok(Ratio { overhead: few - per_word * f64::from(lengths[0]), per_word })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_labels() {
        let text = "# TYPE vllm:prefix_cache_hits counter\nvllm:prefix_cache_queries_total{engine=\"0\",model_name=\"a b\"} 120.0\nvllm:prefix_cache_queries_total{engine=\"1\"} 30.0\nvllm:prefix_cache_hits_total{engine=\"0\"} 5\nvllm:kv_cache_usage_perc 0.25\nvllm:num_preemptions_total{} NaN\n";
        let found = parse_counters(text);
        assert_eq!(
            (found.prefix_queries, found.prefix_hits, found.cache_use),
            (Some(150.0), Some(5.0), Some(0.25))
        );
        assert_eq!((found.preemptions, found.drafted), (None, None));
    }
}
