//! Which software a server is, and what it says of itself.

use super::LoadError;
use super::ask::{Answer, Ask, ask, get};
use super::driver::{Job, Next, Source, drive};
use super::exchange::Nanos;
use super::limits::Timeouts;
use super::plan::{Ratio, request_body, words_after_nonce};
use super::target::Target;
use super::watch::Watch;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use roofmark_facts::load_record::{Api, RequestRecord, ServerCounters, ServerEngine, ServerFacts};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longest wait for a server that loads its model before it answers.
const LOADING: Duration = Duration::from_secs(120);
/// Status of a server that is not ready yet.
const UNAVAILABLE: u16 = 503;

/// Asks a server what it is. `engine`, `model` and `api` override what it says.
pub fn recognise(
    target: &Target,
    engine: Option<ServerEngine>,
    model: Option<&str>,
    api: Option<Api>,
) -> Result<ServerFacts, LoadError> {
    wait_until_loaded(target)?;
    let ask = |path: &str, body: Option<&Value>| ask(target, path, body, LOADING).ok();
    let (tls, loopback) = (target.tls.is_some(), target.address.ip().is_loopback());
    Ok(ServerFacts { tls, loopback, ..facts(&ask, engine, model, api) })
}

/// Waits while the server says that it is unavailable, as llama-server does while it loads its model.
/// An error where there is no answer at all.
fn wait_until_loaded(target: &Target) -> Result<(), LoadError> {
    let begun = Instant::now();
    while get(target, "/v1/models")?.0 == UNAVAILABLE && begun.elapsed() < LOADING {
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}

/// The server answers, and not that it is still loading.
#[must_use]
pub fn is_ready(target: &Target) -> bool {
    get(target, "/v1/models").is_ok_and(|(status, _, _)| status == 200)
}

/// What the answers to a few questions say of a server.
fn facts(ask: &Ask<'_>, engine: Option<ServerEngine>, model: Option<&str>, api: Option<Api>) -> ServerFacts {
    let models = ask("/v1/models", None).unwrap_or_default();
    let (found, by) = match engine {
        Some(engine) => (engine, "--engine".to_owned()),
        None => which(ask, &models),
    };
    let own = own_facts(ask, found, model);
    let listed = models.body.pointer("/data/0");
    let first = listed.and_then(|model| model.get("id")?.as_str()).map(str::to_owned);
    let length = listed.and_then(|model| model.get("max_model_len")?.as_u64());
    let trained = listed.and_then(|model| model.pointer("/meta/n_ctx_train")?.as_u64());
    ServerFacts {
        engine: found,
        recognised_by: by,
        version: own.version.map(|version| version.chars().take(60).collect()),
        model: model.map(str::to_owned).or(own.model).or(first).unwrap_or_else(|| "default".into()),
        context: own.context.or(length).or(trained),
        slots: own.slots,
        api: api.unwrap_or(if found == ServerEngine::Ollama { Api::OllamaChat } else { Api::Chat }),
        tls: false,
        loopback: false,
    }
}

/// Which software answers, and what gave it away.
fn which(ask: &Ask<'_>, models: &Answer) -> (ServerEngine, String) {
    let owner = models.body.pointer("/data/0/owned_by").and_then(Value::as_str).unwrap_or_default();
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
    let has = |path: &str, field: &str| json(ask, path).is_some_and(|answer| answer.pointer(field).is_some());
    if has("/props", "/default_generation_settings") {
        (ServerEngine::LlamaServer, "/props".into())
    } else if has("/api/version", "/version") && has("/api/tags", "/models") {
        (ServerEngine::Ollama, "/api/version and /api/tags".into())
    } else if has("/api/v0/models", "/data/0/compatibility_type") {
        (ServerEngine::LmStudio, "/api/v0/models".into())
    } else if has("/get_model_info", "/is_generation") {
        (ServerEngine::Sglang, "/get_model_info".into())
    } else if models.server.contains("basehttp") && mlx_version(ask).is_some() {
        // Any program on Python's own HTTP server has that header; only MLX-LM signs like this.
        (ServerEngine::MlxLm, "the fingerprint of an answer".into())
    } else {
        (ServerEngine::OpenAi, "nothing more special".into())
    }
}

/// What one engine alone says.
#[derive(Debug, Default)]
struct Own {
    version: Option<String>,
    model: Option<String>,
    context: Option<u64>,
    slots: Option<u32>,
}

fn own_facts(ask: &Ask<'_>, engine: ServerEngine, model: Option<&str>) -> Own {
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let version = |path: &str| json(ask, path).and_then(|answer| text(&answer, "/version"));
    match engine {
        ServerEngine::LlamaServer => {
            let props = json(ask, "/props").unwrap_or_default();
            let slots = props.pointer("/total_slots").and_then(Value::as_u64);
            Own {
                version: text(&props, "/build_info"),
                model: None,
                context: props.pointer("/default_generation_settings/n_ctx").and_then(Value::as_u64),
                slots: slots.and_then(|slots| u32::try_from(slots).ok()),
            }
        }
        ServerEngine::Sglang => {
            let info = json(ask, "/get_server_info").unwrap_or_default();
            let context = info.pointer("/context_length").and_then(Value::as_u64);
            let slots = info.pointer("/max_running_requests").and_then(Value::as_u64);
            let slots = slots.and_then(|slots| u32::try_from(slots).ok());
            Own { version: text(&info, "/version"), model: None, context, slots }
        }
        ServerEngine::Vllm | ServerEngine::TensorrtLlm => {
            Own { version: version("/version"), ..Own::default() }
        }
        ServerEngine::Ollama => ollama(ask, model, version("/api/version")),
        ServerEngine::LmStudio => lm_studio(ask, model),
        // Any other name would make the server look for a model of that name on the hub.
        ServerEngine::MlxLm => {
            Own { version: mlx_version(ask), model: Some("default_model".into()), ..Own::default() }
        }
        ServerEngine::OpenAi => Own::default(),
    }
}

/// Ollama serves what is asked for; the context that it gave the model shows only once that is loaded.
fn ollama(ask: &Ask<'_>, model: Option<&str>, version: Option<String>) -> Own {
    let running = |name: Option<&str>| -> Option<(String, Option<u64>)> {
        let answer = json(ask, "/api/ps")?;
        let models = answer.get("models")?.as_array()?;
        let name_of = |model: &Value| model.get("name").and_then(Value::as_str).map(str::to_owned);
        let found = models.iter().find(|model| name.is_none() || name_of(model).as_deref() == name)?;
        Some((name_of(found)?, found.get("context_length").and_then(Value::as_u64)))
    };
    let known = running(model).or_else(|| {
        let tags = json(ask, "/api/tags")?;
        let first = tags.pointer("/models/0/name").and_then(Value::as_str).map(str::to_owned);
        let name = model.map(str::to_owned).or(first)?;
        // A request without a prompt loads the model.
        ask("/api/generate", Some(&serde_json::json!({"model": name, "stream": false})));
        running(Some(&name)).or(Some((name, None)))
    });
    let (model, context) = known.map_or((None, None), |(name, context)| (Some(name), context));
    Own { version, model, context, slots: None }
}

/// LM Studio lists all models on disk; the one that is loaded is meant, or the first that can write.
fn lm_studio(ask: &Ask<'_>, wanted: Option<&str>) -> Own {
    let answer = json(ask, "/api/v0/models").unwrap_or_default();
    let models = answer.pointer("/data").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is = |model: &Value, field: &str, value: &str| model.get(field).is_some_and(|found| found == value);
    let chosen = models
        .iter()
        .find(|model| wanted.is_some_and(|wanted| is(model, "id", wanted)))
        .or_else(|| {
            models.iter().find(|model| is(model, "state", "loaded") && !is(model, "type", "embeddings"))
        })
        .or_else(|| models.iter().find(|model| !is(model, "type", "embeddings")));
    let Some(chosen) = chosen else { return Own::default() };
    Own {
        model: chosen.get("id").and_then(Value::as_str).map(str::to_owned),
        context: chosen.get("loaded_context_length").and_then(Value::as_u64),
        ..Own::default()
    }
}

/// MLX-LM signs its answers with its version, that of MLX and the platform: `0.32.2-0.32.4-Linux-…`.
fn mlx_version(ask: &Ask<'_>) -> Option<String> {
    json(ask, "/health")?.get("status")?.as_str().filter(|status| *status == "ok")?;
    let body = serde_json::json!({"model": "default_model", "prompt": "1", "max_tokens": 1});
    let answer = ask("/v1/completions", Some(&body)).filter(|answer| answer.status == 200)?;
    let signature = answer.body.get("system_fingerprint")?.as_str()?;
    let mut parts = signature.splitn(3, '-');
    let (own, library, platform) = (parts.next()?, parts.next()?, parts.next()?);
    let is_version =
        |text: &str| text.contains('.') && text.starts_with(|first: char| first.is_ascii_digit());
    (is_version(own) && is_version(library) && !platform.is_empty()).then(|| format!("{own} (mlx {library})"))
}

fn json(ask: &Ask<'_>, path: &str) -> Option<Value> {
    ask(path, None).filter(|answer| answer.status == 200 && !answer.body.is_null()).map(|answer| answer.body)
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

/// Requests one after the other, the last one first.
pub(super) struct Asked(pub(super) Vec<Job>);

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

/// Prompts of the calibration in words: a few of each length, since words differ in their tokens.
const WORDS: [u32; 6] = [32, 160, 32, 160, 32, 160];

/// Sends prompts of known lengths for one token each and reads off how text turns into tokens.
/// The default stands where the server counts no prompt tokens.
pub fn ratio(target: &Target, server: &ServerFacts, seed: u64) -> Result<Ratio, LoadError> {
    let mut random = SmallRng::seed_from_u64(seed ^ 0x5eed);
    let jobs = WORDS.iter().map(|words| {
        let text = words_after_nonce(*words as usize, false, &mut random);
        let (path, body) = request_body(server, &text, 1, true);
        let bytes = target.request(path, Some(body.to_string().as_bytes()));
        Job { due: None, bytes, prompt: *words, output: 1, turn: None, keep_text: false }
    });
    let mut source = Asked(jobs.collect());
    let driven = drive(target, Timeouts::default(), &mut source, &Watch::default(), Instant::now())?;
    let mean = |words: u32| {
        let of = driven.requests.iter().filter(|record| record.prompt_nominal == words);
        let counts: Vec<f64> = of.filter_map(|record| Some(record.prompt_tokens? as f64)).collect();
        (!counts.is_empty()).then(|| counts.iter().sum::<f64>() / counts.len() as f64)
    };
    let (short, long) = (WORDS[0], WORDS[1]);
    let Some((few, many)) = mean(short).zip(mean(long)) else { return Ok(Ratio::default()) };
    let per_word = (many - few) / f64::from(long - short);
    if !(0.2..=10.0).contains(&per_word) {
        return Ok(Ratio::default());
    }
    Ok(Ratio { overhead: few - per_word * f64::from(short), per_word })
}

#[cfg(test)]
#[path = "recognise_tests.rs"]
mod tests;
