//! The server's side of the two views: one prompt, asked for in the ways whose differences show the parts.

use super::LoadError;
use super::ask::ask;
use super::driver::{Job, drive};
use super::limits::Timeouts;
use super::plan::{Ratio, request_body, words_after_nonce};
use super::recognise::Asked;
use super::target::Target;
use super::watch::Watch;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use roofmark_facts::load_record::{RequestRecord, ServerFacts};
use roofmark_facts::reconcile_record::{Answered, Round};
use roofmark_facts::units::Seconds;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is asked in each round.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Prompt tokens aimed at.
    pub prompt: u32,
    /// Output tokens.
    pub output: u32,
    /// How text turns into tokens.
    pub ratio: Ratio,
    /// Seed of the prompt, another one in each round.
    pub seed: u64,
}

/// The server's half of a round, and the prompt tokens that it counted. A llama-server is meant.
pub fn round(target: &Target, server: &ServerFacts, question: &Question) -> Result<(Round, u64), LoadError> {
    let mut random = SmallRng::seed_from_u64(question.seed);
    let words = (f64::from(question.prompt) - question.ratio.overhead) / question.ratio.per_word;
    let mut text = || words_after_nonce(words.round().max(1.0) as usize, false, &mut random);
    let (path, body) = request_body(server, &text(), question.output, true);
    let record = streamed(target, path, &body, question)?;
    let prompt = record.prompt_tokens.ok_or_else(|| probe(path, "it counts no prompt tokens"))?;
    let end = record.last.ok_or_else(|| probe(path, "it sent no token"))?;
    let (_, mut body) = request_body(server, &text(), question.output, true);
    body["stream"] = false.into();
    body["stream_options"] = Value::Null;
    let whole = answered(target, path, &body)?;
    let (_, mut body) = request_body(server, &text(), question.output, true);
    body["stream"] = false.into();
    body["stream_options"] = Value::Null;
    body["samplers"] = json!(["top_k"]);
    let least = answered(target, path, &body)?;
    let text = text();
    let round = Round {
        streamed: end - record.sent,
        whole,
        least,
        empty: timed(target, "/tokenize", &json!({"content": ""}))?.0,
        tokenise: timed(target, "/tokenize", &json!({"content": text}))?.0,
        template: timed(
            target,
            "/apply-template",
            &json!({"messages": [{"role": "user", "content": text}]}),
        )?
        .0,
        ..Round::default()
    };
    Ok((round, prompt))
}

fn streamed(
    target: &Target,
    path: &str,
    body: &Value,
    question: &Question,
) -> Result<RequestRecord, LoadError> {
    let job = Job {
        due: None,
        bytes: target.request(path, Some(body.to_string().as_bytes())),
        prompt: question.prompt,
        output: question.output,
        turn: None,
        keep_text: false,
    };
    let timeouts = Timeouts { total: PATIENCE, ..Timeouts::default() };
    let driven = drive(target, timeouts, &mut Asked(vec![job]), &Watch::default(), Instant::now())?;
    let record = driven.requests.into_iter().next().ok_or_else(|| probe(path, "nothing was sent"))?;
    match &record.failure {
        Some(failure) => Err(probe(path, &format!("{} {}", failure.kind.text(), failure.detail))),
        None => Ok(record),
    }
}

fn answered(target: &Target, path: &str, body: &Value) -> Result<Answered, LoadError> {
    let (total, answer) = timed(target, path, body)?;
    let millis = |name: &str| {
        let value = answer.get("timings").and_then(|timings| timings.get(name)?.as_f64());
        let value = value.filter(|value| value.is_finite() && *value >= 0.0);
        value.map(|value| Seconds(value / 1e3)).ok_or_else(|| probe(path, "it sent no timings"))
    };
    Ok(Answered { total, prefill: millis("prompt_ms")?, decode: millis("predicted_ms")? })
}

fn timed(target: &Target, path: &str, body: &Value) -> Result<(Seconds, Value), LoadError> {
    let begun = Instant::now();
    let answer = ask(target, path, Some(body), PATIENCE)?;
    let time = Seconds(begun.elapsed().as_secs_f64());
    if answer.status == 200 {
        Ok((time, answer.body))
    } else {
        Err(probe(path, &format!("status {}", answer.status)))
    }
}

fn probe(path: &str, reason: &str) -> LoadError {
    LoadError::Probe { path: path.to_owned(), reason: reason.to_owned() }
}
