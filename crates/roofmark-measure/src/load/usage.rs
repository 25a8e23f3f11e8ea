//! Counts that a server reports in its stream: OpenAI's usage, llama.cpp's timings, Ollama's last line.

use super::limits::COUNT_CAP;
use roofmark_facts::units::Seconds;
use serde::Deserialize;
use serde_json::Number;

/// Counts and times of one request, as far as the server gave them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Prompt tokens, cached ones included.
    pub prompt: Option<u64>,
    /// Prompt tokens from the cache.
    pub cached: Option<u64>,
    /// Output tokens so far.
    pub output: Option<u64>,
    /// Reasoning tokens among them.
    pub reasoning: Option<u64>,
    /// Draft tokens proposed.
    pub drafted: Option<u64>,
    /// Draft tokens accepted.
    pub accepted: Option<u64>,
    /// Time for the prompt.
    pub prefill: Option<Seconds>,
    /// Time for the output.
    pub decode: Option<Seconds>,
}

impl Counts {
    /// Takes over what `newer` knows.
    pub fn update(&mut self, newer: &Self) {
        self.prompt = newer.prompt.or(self.prompt);
        self.cached = newer.cached.or(self.cached);
        self.output = newer.output.or(self.output);
        self.reasoning = newer.reasoning.or(self.reasoning);
        self.drafted = newer.drafted.or(self.drafted);
        self.accepted = newer.accepted.or(self.accepted);
        self.prefill = newer.prefill.or(self.prefill);
        self.decode = newer.decode.or(self.decode);
    }
}

/// A count that cannot be: negative, not a whole number, absurdly large, or not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCount;

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<Number>,
    completion_tokens: Option<Number>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<OutputDetails>,
    reasoning_tokens: Option<Number>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<Number>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<Number>,
}

/// Reads OpenAI's usage object.
pub fn usage(json: &[u8]) -> Result<Counts, BadCount> {
    let usage: Usage = serde_json::from_slice(json).map_err(|_| BadCount)?;
    let reasoning = usage.completion_tokens_details.and_then(|details| details.reasoning_tokens);
    Ok(Counts {
        prompt: count(usage.prompt_tokens)?,
        cached: count(usage.prompt_tokens_details.and_then(|details| details.cached_tokens))?,
        output: count(usage.completion_tokens)?,
        reasoning: count(reasoning.or(usage.reasoning_tokens))?,
        ..Counts::default()
    })
}

#[derive(Deserialize)]
struct Timings {
    cache_n: Option<Number>,
    prompt_n: Option<Number>,
    prompt_ms: Option<f64>,
    predicted_n: Option<Number>,
    predicted_ms: Option<f64>,
    draft_n: Option<Number>,
    draft_n_accepted: Option<Number>,
}

/// Reads llama.cpp's timings object.
pub fn timings(json: &[u8]) -> Result<Counts, BadCount> {
    let timings: Timings = serde_json::from_slice(json).map_err(|_| BadCount)?;
    let (cached, computed) = (count(timings.cache_n)?, count(timings.prompt_n)?);
    Ok(Counts {
        prompt: cached.zip(computed).map(|(cached, computed)| cached + computed),
        cached,
        output: count(timings.predicted_n)?,
        reasoning: None,
        drafted: count(timings.draft_n)?,
        accepted: count(timings.draft_n_accepted)?,
        prefill: seconds(timings.prompt_ms, 1e3)?,
        decode: seconds(timings.predicted_ms, 1e3)?,
    })
}

#[derive(Deserialize)]
struct OllamaLast {
    prompt_eval_count: Option<Number>,
    prompt_eval_duration: Option<f64>,
    eval_count: Option<Number>,
    eval_duration: Option<f64>,
}

/// Reads the last line of an Ollama stream; durations are in nanoseconds.
pub fn ollama(json: &[u8]) -> Result<Counts, BadCount> {
    let last: OllamaLast = serde_json::from_slice(json).map_err(|_| BadCount)?;
    Ok(Counts {
        prompt: count(last.prompt_eval_count)?,
        output: count(last.eval_count)?,
        prefill: seconds(last.prompt_eval_duration, 1e9)?,
        decode: seconds(last.eval_duration, 1e9)?,
        ..Counts::default()
    })
}

fn count(number: Option<Number>) -> Result<Option<u64>, BadCount> {
    match number.map(|number| number.as_u64()) {
        None => Ok(None),
        Some(Some(count)) if count <= COUNT_CAP => Ok(Some(count)),
        Some(_) => Err(BadCount),
    }
}

fn seconds(value: Option<f64>, per_second: f64) -> Result<Option<Seconds>, BadCount> {
    match value {
        Some(value) if !(value.is_finite() && value >= 0.0) => Err(BadCount),
        value => Ok(value.map(|value| Seconds(value / per_second))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_with_details() {
        let counts = usage(br#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":2}}"#).unwrap();
        assert_eq!(
            (counts.prompt, counts.cached, counts.output, counts.reasoning),
            (Some(9), Some(8), Some(4), Some(2))
        );
        assert_eq!(usage(br#"{"prompt_tokens_details":null}"#).unwrap(), Counts::default());
    }

    #[test]
    fn impossible_counts_are_refused() {
        for text in ["-1", "1.5", "NaN", "9223372036854775808", "1e400", "\"7\"", "1000000001"] {
            let json = format!("{{\"completion_tokens\":{text}}}");
            assert_eq!(usage(json.as_bytes()), Err(BadCount), "{text}");
        }
    }

    #[test]
    fn timings_and_ollama() {
        let counts = timings(br#"{"cache_n":1,"prompt_n":31,"prompt_ms":30.958,"predicted_n":66,"predicted_ms":619.9,"draft_n":10,"draft_n_accepted":7}"#).unwrap();
        assert_eq!((counts.prompt, counts.output, counts.accepted), (Some(32), Some(66), Some(7)));
        assert!((counts.decode.unwrap().get() - 0.6199).abs() < 1e-12);
        let counts = ollama(br#"{"done":true,"prompt_eval_count":26,"prompt_eval_duration":130079000,"eval_count":259,"eval_duration":4232710000}"#).unwrap();
        assert_eq!((counts.prompt, counts.output), (Some(26), Some(259)));
        assert!((counts.decode.unwrap().get() - 4.23271).abs() < 1e-9);
        assert_eq!(timings(br#"{"prompt_ms":-1}"#), Err(BadCount));
    }
}
