//! Recognition on answers in each server's own form. Those of llama-server, vLLM and MLX-LM were taken
//! from the running programs (`scripts/test-engines.sh` runs them again); the others follow their makers'
//! documents and are as good as those.

use super::*;

/// A server that knows some paths; answers to a body stand under `POST path`.
fn server<'a>(
    header: &'a str,
    answers: &'a [(&'a str, &'a str)],
) -> impl Fn(&str, Option<&Value>) -> Option<Answer> + 'a {
    move |path, body| {
        let key = if body.is_some() { format!("POST {path}") } else { path.to_owned() };
        let found = answers.iter().find(|(known, _)| *known == key);
        let (status, text) = found.map_or((404, "{\"error\":\"not found\"}"), |(_, text)| (200, text));
        Some(Answer {
            status,
            server: header.to_owned(),
            body: serde_json::from_str(text).unwrap_or_default(),
        })
    }
}

#[track_caller]
fn check(header: &str, answers: &[(&str, &str)], expected: &str) {
    let found = facts(&server(header, answers), None, None, None);
    let said = format!(
        "{} {} | {} | context {:?} slots {:?} | {:?} | by {}",
        found.engine.slug(),
        found.version.as_deref().unwrap_or("-"),
        found.model,
        found.context,
        found.slots,
        found.api,
        found.recognised_by
    );
    assert_eq!(said, expected);
}

const LLAMA_PROPS: &str = r#"{"default_generation_settings":{"id":0,"n_ctx":4096,"speculative":false,"is_processing":false,"params":{"seed":4294967295,"temperature":0.8}},"total_slots":4,"model_alias":"m","model_path":"m.gguf","chat_template":"x","build_info":"b1-unknown"}"#;

#[test]
fn llama_server() {
    let models = r#"{"models":[{"name":"m.gguf","model":"m.gguf"}],"object":"list","data":[{"id":"m.gguf","object":"model","created":1795541777,"owned_by":"llamacpp","meta":{"vocab_type":2,"n_vocab":49152,"n_ctx_train":8192,"n_embd":576,"n_params":134515008,"size":97000000}}]}"#;
    let expected = "llama-server b1-unknown | m.gguf | context Some(4096) slots Some(4) | Chat | by owned_by llamacpp in /v1/models";
    check("llama.cpp", &[("/v1/models", models), ("/props", LLAMA_PROPS)], expected);
    // Behind a proxy that rewrites the list.
    let models = r#"{"object":"list","data":[{"id":"m","owned_by":"me"}]}"#;
    let expected = "llama-server b1-unknown | m | context Some(4096) slots Some(4) | Chat | by /props";
    check("nginx", &[("/v1/models", models), ("/props", LLAMA_PROPS)], expected);
}

#[test]
fn vllm() {
    let models = r#"{"object":"list","data":[{"id":"smollm2","object":"model","created":1795541777,"owned_by":"vllm","root":"/models/smollm2","parent":null,"max_model_len":2048,"permission":[]}]}"#;
    check(
        "uvicorn",
        &[("/v1/models", models), ("/version", r#"{"version":"0.32.0"}"#)],
        "vllm 0.32.0 | smollm2 | context Some(2048) slots None | Chat | by owned_by vllm in /v1/models",
    );
}

#[test]
fn sglang() {
    let models = r#"{"object":"list","data":[{"id":"qwen/qwen2.5-0.5b-instruct","object":"model","created":1770629383,"owned_by":"sglang","root":"qwen/qwen2.5-0.5b-instruct","parent":null,"max_model_len":32768}]}"#;
    let info = r#"{"model_path":"qwen/qwen2.5-0.5b-instruct","tokenizer_path":"qwen/qwen2.5-0.5b-instruct","context_length":null,"max_running_requests":128,"version":"0.5.8","internal_states":[{}]}"#;
    let expected =
        "sglang 0.5.8 | qwen/qwen2.5-0.5b-instruct | context Some(32768) slots Some(128) | Chat | by ";
    check(
        "uvicorn",
        &[("/v1/models", models), ("/get_server_info", info)],
        &format!("{expected}owned_by sglang in /v1/models"),
    );
    let renamed = models.replace("\"sglang\"", "\"us\"");
    let model =
        r#"{"model_path":"qwen/qwen2.5-0.5b-instruct","is_generation":true,"weight_version":"default"}"#;
    check(
        "uvicorn",
        &[("/v1/models", &renamed), ("/get_server_info", info), ("/get_model_info", model)],
        &format!("{expected}/get_model_info"),
    );
}

#[test]
fn tensorrt_llm() {
    let models = r#"{"object":"list","data":[{"id":"TinyLlama-1.1B-Chat-v1.0","object":"model","created":1746000000,"owned_by":"tensorrt_llm"}]}"#;
    check(
        "uvicorn",
        &[("/v1/models", models), ("/version", r#"{"version":"1.0.0"}"#)],
        "tensorrt-llm 1.0.0 | TinyLlama-1.1B-Chat-v1.0 | context None slots None | Chat | by owned_by tensorrt_llm in /v1/models",
    );
}

const TAGS: &str = r#"{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":2019393189,"digest":"a80c","details":{"format":"gguf","family":"llama","parameter_size":"3.2B","quantization_level":"Q4_K_M"}}]}"#;

#[test]
fn ollama_says_the_context_of_the_loaded_model() {
    let models = r#"{"object":"list","data":[{"id":"llama3.2:latest","object":"model","created":1,"owned_by":"library"}]}"#;
    let running = r#"{"models":[{"name":"qwen3:8b","context_length":4096,"size_vram":0},{"name":"llama3.2:latest","context_length":8192}]}"#;
    let version = ("/api/version", r#"{"version":"0.24.1"}"#);
    let all = [("/v1/models", models), version, ("/api/tags", TAGS), ("/api/ps", running)];
    let by = "by /api/version and /api/tags";
    check("", &all, &format!("ollama 0.24.1 | qwen3:8b | context Some(4096) slots None | OllamaChat | {by}"));
    let none = [("/v1/models", models), version, ("/api/tags", TAGS), ("/api/ps", r#"{"models":[]}"#)];
    check(
        "",
        &none,
        &format!("ollama 0.24.1 | llama3.2:latest | context None slots None | OllamaChat | {by}"),
    );
    let found = facts(&server("", &all), None, Some("llama3.2:latest"), Some(Api::Chat));
    assert_eq!((found.context, found.api), (Some(8192), Api::Chat));
}

#[test]
fn lm_studio_means_the_loaded_model() {
    let list = r#"{"object":"list","data":[
        {"id":"text-embedding-nomic-embed-text-v1.5","type":"embeddings","compatibility_type":"gguf","state":"loaded","max_context_length":2048},
        {"id":"qwen2-vl-7b-instruct","type":"vlm","compatibility_type":"mlx","state":"not-loaded","max_context_length":32768},
        {"id":"meta-llama-3.1-8b-instruct","type":"llm","compatibility_type":"gguf","state":"loaded","max_context_length":131072,"loaded_context_length":4096}]}"#;
    let models = r#"{"object":"list","data":[{"id":"qwen2-vl-7b-instruct","object":"model","owned_by":"organization_owner"}]}"#;
    check(
        "",
        &[("/v1/models", models), ("/api/v0/models", list)],
        "lm-studio - | meta-llama-3.1-8b-instruct | context Some(4096) slots None | Chat | by /api/v0/models",
    );
}

const SIGNED: &str = r#"{"id":"cmpl-1","system_fingerprint":"0.32.2-0.32.4-Linux-6.18.44-x86_64-with-glibc2.36-x86_64","object":"text_completion","model":"default_model","choices":[{"index":0,"finish_reason":"length","text":"2"}]}"#;

#[test]
fn mlx_lm_is_known_by_its_signature_alone() {
    let header = "basehttp/0.6 python/3.11.7";
    let health = ("/health", r#"{"status": "ok"}"#);
    let expected = "mlx-lm 0.32.2 (mlx 0.32.4) | default_model | context None slots None | Chat | by the fingerprint of an answer";
    // Its list of models is empty bytes where the hub's folder does not exist.
    check(header, &[("/v1/models", ""), health, ("POST /v1/completions", SIGNED)], expected);
}

#[test]
fn another_program_on_pythons_http_server_is_not_mlx_lm() {
    let header = "basehttp/0.6 python/3.11.7";
    let models = ("/v1/models", r#"{"object":"list","data":[{"id":"m"}]}"#);
    let expected = "openai - | m | context None slots None | Chat | by nothing more special";
    check(header, &[models], expected);
    let health = ("/health", r#"{"status":"ok"}"#);
    check(header, &[models, health], expected);
    let unsigned =
        SIGNED.replace("0.32.2-0.32.4-Linux-6.18.44-x86_64-with-glibc2.36-x86_64", "fp_44709d6fcb");
    check(header, &[models, health, ("POST /v1/completions", &unsigned)], expected);
}

#[test]
fn what_the_caller_says_stands() {
    let found = facts(&server("", &[]), Some(ServerEngine::Vllm), Some("mine"), Some(Api::Completions));
    assert_eq!((found.engine, found.model.as_str()), (ServerEngine::Vllm, "mine"));
    assert_eq!(found.recognised_by, "--engine");
}

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
