//! What to send and when: arrival processes, lengths, prompts, request bodies.

use super::LoadError;
use super::conversation::Conversations;
use super::driver::{Driven, Job, Next, Source, drive};
use super::exchange::Nanos;
use super::limits::Timeouts;
use super::target::Target;
use super::trace::{BLOCK_TOKENS, TraceRow};
use super::watch::Watch;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp, Gamma, Normal};
use roofmark_facts::load_record::{
    Api, Arrival, LoadCell, RequestRecord, ServerCounters, ServerEngine, ServerFacts, Stage,
};
use serde_json::{Value, json};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Sentences that prompts are put together from: natural text, so that a server that speculates finds
/// in it what it would find in use.
const SENTENCES: &[&str] = &[
    "The ferry was late again, and nobody on the pier seemed to mind.",
    "She kept the receipts in a tin box under the stairs, sorted by year.",
    "A good bridge is a promise that two banks make to each other.",
    "When the frost came early, the farmers covered the young trees with straw.",
    "He measured the table twice and still cut the board too short.",
    "The library closes at six, but the reading room stays warm until eight.",
    "Most of the letters were never sent; they were written to be kept.",
    "In the harbour the cranes turned slowly, like large birds that cannot decide.",
    "My grandmother baked bread on Fridays and sold what we could not eat.",
    "The engineers argued about the valve for an hour before anyone drew it.",
    "Rain ran down the window of the train, and the fields went by in stripes.",
    "If you walk north from the station, you reach the mill in twenty minutes.",
    "The choir sang without an organ that winter, because the pipes had frozen.",
    "A clock in the hall was always wrong by the same four minutes.",
    "They planted beans between the rows, so that nothing was left bare.",
    "The map was old, but the river had not moved since it was drawn.",
];

/// Lengths in tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Lengths {
    /// All the same.
    Fixed(u32),
    /// Normal, with mean and standard deviation, at least one.
    Normal(f64, f64),
    /// Uniform, both ends included.
    Uniform(u32, u32),
    /// Drawn from a list.
    Empirical(Vec<u32>),
}

impl FromStr for Lengths {
    type Err = String;

    /// `128`, `normal:128,32`, `uniform:64,256` or `empirical:12,80,300`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, numbers) = text.split_once(':').unwrap_or(("fixed", text));
        let numbers: Option<Vec<u32>> = numbers.split(',').map(|number| number.trim().parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.iter().all(|number| *number <= 10_000_000));
        match (kind, numbers.as_deref()) {
            ("fixed", Some([length])) if *length > 0 => Ok(Self::Fixed(*length)),
            ("normal", Some([mean, deviation])) if *mean > 0 => {
                Ok(Self::Normal(f64::from(*mean), f64::from(*deviation)))
            }
            ("uniform", Some([low, high])) if *low > 0 && low <= high => Ok(Self::Uniform(*low, *high)),
            ("empirical", Some(list)) if !list.contains(&0) => Ok(Self::Empirical(list.to_vec())),
            _ => Err("expected 128, normal:128,32, uniform:64,256 or empirical:12,80,300".into()),
        }
    }
}

impl Lengths {
    /// Draws a length.
    pub fn draw(&self, random: &mut SmallRng) -> u32 {
        match self {
            Self::Fixed(length) => *length,
            Self::Normal(mean, deviation) => {
                Normal::new(*mean, *deviation).map_or(*mean, |normal| normal.sample(random)).round().max(1.0)
                    as u32
            }
            Self::Uniform(low, high) => random.random_range(*low..=*high),
            Self::Empirical(list) => list[random.random_range(0..list.len())],
        }
    }
}

/// How text turns into the server's tokens: `tokens = overhead + words · per_word`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Tokens of the template and the nonce.
    pub overhead: f64,
    /// Tokens per word.
    pub per_word: f64,
}

impl Default for Ratio {
    fn default() -> Self {
        Self { overhead: 12.0, per_word: 1.25 }
    }
}

/// One cell to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Arrival process.
    pub arrival: Arrival,
    /// Requests; with a duration, the most of them.
    pub requests: u32,
    /// Arrivals stop after this many seconds.
    pub duration: Option<f64>,
    /// Prompt lengths.
    pub input: Lengths,
    /// Output lengths.
    pub output: Lengths,
    /// Rows of a trace, for [`Arrival::Trace`].
    pub trace: Vec<TraceRow>,
    /// Seed.
    pub seed: u64,
    /// Ask the server to go on after its end token.
    pub ignore_eos: bool,
    /// All prompts begin alike: prefix caching is the subject.
    pub shared_prefix: bool,
    /// Tokens of text.
    pub ratio: Ratio,
    /// Turns of a conversation; with more than one, each turn sends the whole conversation so far.
    pub turns: u32,
    /// Pause between an answer and the next turn.
    pub think: Duration,
}

/// Runs one cell.
pub fn run_cell(
    target: &Target,
    server: &ServerFacts,
    plan: &Plan,
    timeouts: Timeouts,
    watch: &Watch,
) -> Result<LoadCell, LoadError> {
    let start = Instant::now();
    let driven = if plan.turns > 1 {
        drive(target, timeouts, &mut Conversations::new(target, server, plan)?, watch, start)?
    } else {
        drive(target, timeouts, &mut Planned::new(target, server, plan), watch, start)?
    };
    Ok(cell_of(plan.arrival.clone(), driven))
}

/// The record of a cell.
#[must_use]
pub fn cell_of(arrival: Arrival, driven: Driven) -> LoadCell {
    LoadCell {
        arrival,
        arrivals_end: driven.arrivals_end,
        ended: driven.ended,
        requests: driven.requests,
        client: driven.client,
        counters: ServerCounters::default(),
        interrupted: driven.interrupted,
        doubts: Vec::new(),
        ran: 0,
        energy: None,
    }
}

struct Planned<'a> {
    target: &'a Target,
    server: &'a ServerFacts,
    plan: &'a Plan,
    due: Vec<Nanos>,
    given: u32,
    random: SmallRng,
}

impl<'a> Planned<'a> {
    fn new(target: &'a Target, server: &'a ServerFacts, plan: &'a Plan) -> Self {
        let mut random = SmallRng::seed_from_u64(plan.seed);
        let due = schedule(plan, &mut random);
        Self { target, server, plan, due, given: 0, random }
    }
}

impl Source for Planned<'_> {
    fn next(&mut self, now: Nanos, in_flight: usize) -> Next {
        let (due, more) = match &self.plan.arrival {
            Arrival::Closed { concurrency } => {
                let timed_out = self.plan.duration.is_some_and(|limit| now as f64 / 1e9 >= limit);
                if !timed_out && in_flight >= *concurrency as usize {
                    return Next::Wait;
                }
                (None, self.given < self.plan.requests && !timed_out)
            }
            _ => {
                let due = self.due.get(self.given as usize).copied();
                (due, due.is_some())
            }
        };
        if !more {
            return Next::Finished;
        }
        let row = self.plan.trace.get(self.given as usize);
        let prompt = row.map_or_else(|| self.plan.input.draw(&mut self.random), |row| row.input);
        let output = row.map_or_else(|| self.plan.output.draw(&mut self.random), |row| row.output);
        self.given += 1;
        let blocks = row.map_or(&[][..], |row| &row.blocks);
        let text = if blocks.is_empty() {
            prompt_text(prompt, self.plan, &mut self.random)
        } else {
            block_text(prompt, blocks, self.plan)
        };
        let (path, body) = if self.plan.shared_prefix || !blocks.is_empty() {
            conversation_body(self.server, &[&text], output, self.plan.ignore_eos)
        } else {
            request_body(self.server, &text, output, self.plan.ignore_eos)
        };
        let bytes = self.target.request(path, Some(body.to_string().as_bytes()));
        Next::Job(Job { due, bytes, prompt, output, turn: None, keep_text: false })
    }

    fn ended(&mut self, _: &RequestRecord, _: Option<&str>) {}
}

/// Due times of an open loop, in nanoseconds.
fn schedule(plan: &Plan, random: &mut SmallRng) -> Vec<Nanos> {
    if let Arrival::Trace { speed, .. } = plan.arrival {
        let times = plan.trace.iter().map(|row| row.at / speed).take(plan.requests as usize);
        let times = times.take_while(|at| plan.duration.is_none_or(|limit| *at < limit));
        return times.map(|at| (at * 1e9) as Nanos).collect();
    }
    if let Arrival::Stages { steps } = &plan.arrival {
        return stage_schedule(steps, random);
    }
    let Some(rate) = plan.arrival.rate().map(roofmark_facts::units::RequestsPerSecond::get) else {
        return Vec::new();
    };
    let mut at = 0.0;
    let mut due = Vec::new();
    while due.len() < plan.requests as usize && plan.duration.is_none_or(|limit| at < limit) {
        due.push((at * 1e9) as Nanos);
        at += interval(&plan.arrival, rate, random);
    }
    due
}

fn stage_schedule(steps: &[Stage], random: &mut SmallRng) -> Vec<Nanos> {
    let mut due = Vec::new();
    let mut from = 0.0;
    for step in steps {
        let arrival = Arrival::Poisson { rate: step.rate };
        // A fresh start in each stage is right: Poisson arrivals have no memory.
        let mut at = from + interval(&arrival, step.rate.get(), random);
        from += step.length.get();
        while at < from {
            due.push((at * 1e9) as Nanos);
            at += interval(&arrival, step.rate.get(), random);
        }
    }
    due
}

fn interval(arrival: &Arrival, rate: f64, random: &mut SmallRng) -> f64 {
    match arrival {
        Arrival::Poisson { .. } => Exp::new(rate).map_or(1.0 / rate, |exp| exp.sample(random)),
        Arrival::Gamma { shape, .. } => {
            Gamma::new(*shape, 1.0 / (rate * shape)).map_or(1.0 / rate, |gamma| gamma.sample(random))
        }
        _ => 1.0 / rate,
    }
}

/// A prompt of about `tokens` tokens: a nonce first, so that no cache has its beginning, then sentences.
fn prompt_text(tokens: u32, plan: &Plan, random: &mut SmallRng) -> String {
    let words = ((f64::from(tokens) - plan.ratio.overhead) / plan.ratio.per_word).round().max(1.0) as usize;
    words_after_nonce(words, plan.shared_prefix, random)
}

/// A prompt of about `tokens` tokens from the blocks of a trace: prompts whose first blocks have the same numbers begin
/// alike, and no further. Another seed makes other blocks, which no cache has of an earlier run.
fn block_text(tokens: u32, blocks: &[u64], plan: &Plan) -> String {
    let words = ((f64::from(tokens) - plan.ratio.overhead) / plan.ratio.per_word).round().max(1.0) as usize;
    let block = (f64::from(BLOCK_TOKENS) / plan.ratio.per_word).round().max(1.0) as usize;
    let of = |number: u64| SmallRng::seed_from_u64(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ plan.seed);
    let first = blocks.first().copied().unwrap_or_default();
    let mut text = format!("{} ", of(first).random_range(100_000..1_000_000));
    let mut left = words;
    // A length beyond the last block goes on with blocks of its own.
    for number in blocks.iter().copied().chain((1..).map(|more| !more)) {
        append_words(&mut text, left.min(block), &mut of(number));
        left = left.saturating_sub(block);
        if left == 0 {
            break;
        }
    }
    text.trim_end().to_owned()
}

/// `words` words of shuffled sentences after a nonce of one word.
pub(super) fn words_after_nonce(words: usize, shared: bool, random: &mut SmallRng) -> String {
    let nonce: u32 = random.random_range(100_000..1_000_000);
    let mut text = if shared { String::new() } else { format!("{nonce} ") };
    let mut order = SmallRng::seed_from_u64(if shared { 0 } else { u64::from(nonce) });
    append_words(&mut text, words, &mut order);
    if shared {
        text.push_str(&nonce.to_string());
    }
    text.trim_end().to_owned()
}

/// Words of shuffled sentences, each with a space after it.
fn append_words(text: &mut String, words: usize, order: &mut SmallRng) {
    let mut left = words;
    while left > 0 {
        // Without putting back, so that prompts of one length differ little in their tokens.
        let mut sentences: Vec<&str> = SENTENCES.to_vec();
        sentences.shuffle(order);
        for word in sentences.iter().flat_map(|sentence| sentence.split(' ')).take(left) {
            text.push_str(word);
            text.push(' ');
            left -= 1;
        }
    }
}

/// Path and body of a request for one prompt that nothing is cached of, as the server's software understands it.
pub(super) fn request_body(
    server: &ServerFacts,
    prompt: &str,
    output: u32,
    ignore_eos: bool,
) -> (&'static str, Value) {
    let (path, mut body) = conversation_body(server, &[prompt], output, ignore_eos);
    // What comes before the nonce in the chat template is the same in all requests: it must not be cached.
    match server.engine {
        ServerEngine::LlamaServer => body["cache_prompt"] = false.into(),
        ServerEngine::Vllm | ServerEngine::Sglang => {
            body["cache_salt"] = prompt.split(' ').next().unwrap_or_default().into();
        }
        _ => {}
    }
    (path, body)
}

/// Path and body of a turn; `said` is what user and assistant have said by turns, the user first and last.
pub(super) fn conversation_body(
    server: &ServerFacts,
    said: &[&str],
    output: u32,
    ignore_eos: bool,
) -> (&'static str, Value) {
    let message = |(index, text): (usize, &&str)| json!({"role": if index % 2 == 0 { "user" } else { "assistant" }, "content": text});
    let messages: Value = said.iter().enumerate().map(message).collect();
    let prompt = said.join("\n\n");
    if matches!(server.api, Api::OllamaChat | Api::OllamaGenerate) {
        let options = json!({"num_predict": output, "temperature": 0});
        return if server.api == Api::OllamaChat {
            (
                "/api/chat",
                json!({"model": server.model, "messages": messages, "stream": true, "options": options}),
            )
        } else {
            (
                "/api/generate",
                json!({"model": server.model, "prompt": prompt, "stream": true, "options": options}),
            )
        };
    }
    let mut body = json!({
        "model": server.model, "stream": true, "max_tokens": output, "temperature": 0,
        "stream_options": {"include_usage": true},
    });
    let path = if server.api == Api::Completions {
        body["prompt"] = prompt.into();
        "/v1/completions"
    } else {
        body["messages"] = messages;
        "/v1/chat/completions"
    };
    match server.engine {
        ServerEngine::Vllm | ServerEngine::Sglang => {
            body["stream_options"]["continuous_usage_stats"] = true.into();
        }
        ServerEngine::LlamaServer => body["timings_per_token"] = true.into(),
        _ => {}
    }
    let can_ignore =
        [ServerEngine::LlamaServer, ServerEngine::Vllm, ServerEngine::Sglang, ServerEngine::TensorrtLlm];
    if ignore_eos && can_ignore.contains(&server.engine) {
        body["ignore_eos"] = true.into();
    }
    (path, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::units::{RequestsPerSecond, Seconds};

    fn plan(arrival: Arrival) -> Plan {
        Plan {
            arrival,
            requests: 20_000,
            duration: None,
            input: Lengths::Fixed(64),
            output: Lengths::Fixed(8),
            trace: Vec::new(),
            seed: 7,
            ignore_eos: true,
            shared_prefix: false,
            ratio: Ratio::default(),
            turns: 1,
            think: Duration::ZERO,
        }
    }

    #[test]
    fn each_stage_has_its_rate() {
        let stage = |rate: f64, length: f64| Stage { rate: RequestsPerSecond(rate), length: Seconds(length) };
        let steps = vec![stage(100.0, 20.0), stage(10.0, 50.0), stage(200.0, 10.0)];
        let due = schedule(&plan(Arrival::Stages { steps }), &mut SmallRng::seed_from_u64(7));
        let within =
            |from: f64, to: f64| due.iter().filter(|at| (from..to).contains(&(**at as f64 / 1e9))).count();
        let counts = [within(0.0, 20.0), within(20.0, 70.0), within(70.0, 80.0)];
        // Four standard deviations of a Poisson count.
        for (count, expected) in counts.into_iter().zip([2000.0_f64, 500.0, 2000.0]) {
            assert!((count as f64 - expected).abs() < 4.0 * expected.sqrt(), "{counts:?}");
        }
        assert_eq!(counts.iter().sum::<usize>(), due.len());
    }

    fn mean_and_cv(arrival: Arrival) -> (f64, f64) {
        let due = schedule(&plan(arrival), &mut SmallRng::seed_from_u64(7));
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn arrivals_have_their_rate_and_spread() {
        let rate = RequestsPerSecond(50.0);
        let near = |found: f64, expected: f64| (found - expected).abs() < 0.05 * expected.max(0.02);
        let (mean, cv) = mean_and_cv(Arrival::Constant { rate });
        assert!(near(mean, 0.02) && cv < 1e-6);
        let (mean, cv) = mean_and_cv(Arrival::Poisson { rate });
        assert!(near(mean, 0.02) && near(cv, 1.0), "{mean} {cv}");
        let (mean, cv) = mean_and_cv(Arrival::Gamma { rate, shape: 0.25 });
        assert!(near(mean, 0.02) && near(cv, 2.0), "{mean} {cv}");
    }

    #[test]
    fn lengths_parse_and_draw() {
        for text in ["0", "normal:1", "uniform:9,3", "empirical:", "x", "-3"] {
            assert!(text.parse::<Lengths>().is_err(), "{text}");
        }
        let mut random = SmallRng::seed_from_u64(1);
        let uniform: Lengths = "uniform:3,5".parse().unwrap();
        assert!((0..100).all(|_| (3..=5).contains(&uniform.draw(&mut random))));
        let normal: Lengths = "normal:100,10".parse().unwrap();
        let mean = (0..1000).map(|_| f64::from(normal.draw(&mut random))).sum::<f64>() / 1000.0;
        assert!((mean - 100.0).abs() < 2.0);
    }

    fn facts_of(engine: ServerEngine) -> ServerFacts {
        let api = if engine == ServerEngine::Ollama { Api::OllamaChat } else { Api::Chat };
        ServerFacts { engine, api, ..roofmark_testing::server_facts() }
    }

    fn body(engine: ServerEngine) -> Value {
        request_body(&facts_of(engine), "123456 The ferry", 8, true).1
    }

    #[test]
    fn what_comes_before_the_nonce_is_not_served_from_a_cache() {
        assert_eq!(body(ServerEngine::LlamaServer)["cache_prompt"], false);
        for engine in [ServerEngine::Vllm, ServerEngine::Sglang] {
            assert_eq!(body(engine)["cache_salt"], "123456");
        }
        // Unknown fields make some servers refuse a request.
        for engine in [ServerEngine::OpenAi, ServerEngine::MlxLm, ServerEngine::LmStudio] {
            let body = body(engine);
            assert!(["cache_prompt", "cache_salt", "ignore_eos"].iter().all(|name| body.get(name).is_none()));
        }
    }

    #[test]
    fn a_conversation_alternates() {
        let (_, body) = conversation_body(&facts_of(ServerEngine::OpenAi), &["a", "b", "c"], 8, false);
        let roles: Vec<&str> = body["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|message| message["role"].as_str())
            .collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
    }

    #[test]
    fn blocks_of_a_trace_are_shared_as_it_says() {
        let plan = plan(Arrival::Trace { form: "mooncake".into(), speed: 1.0 });
        let common =
            |one: &str, other: &str| one.split(' ').zip(other.split(' ')).take_while(|(a, b)| a == b).count();
        let [one, other] = [[7, 8, 9], [7, 8, 10]].map(|blocks| block_text(1400, &blocks, &plan));
        let block = (f64::from(BLOCK_TOKENS) / plan.ratio.per_word).round() as usize;
        // The nonce and two blocks; the third may begin with the same word by chance.
        assert!((2 * block + 1..2 * block + 4).contains(&common(&one, &other)), "{}", common(&one, &other));
        let words = (1400.0 - plan.ratio.overhead) / plan.ratio.per_word;
        assert_eq!(one.split(' ').count(), words.round() as usize + 1);
        // Prompts of lengths alone share nothing, and neither does another seed.
        let mut random = SmallRng::seed_from_u64(1);
        let naive = [0, 1].map(|_| prompt_text(1400, &plan, &mut random));
        assert_eq!(common(&naive[0], &naive[1]), 0);
        assert_eq!(common(&one, &block_text(1400, &[7, 8, 9], &Plan { seed: 8, ..plan.clone() })), 0);
    }

    #[test]
    fn no_two_prompts_share_their_first_word_unless_asked() {
        let mut random = SmallRng::seed_from_u64(1);
        let first = |text: String| text.split(' ').next().map(str::to_owned);
        let one = first(words_after_nonce(20, false, &mut random));
        assert_ne!(one, first(words_after_nonce(20, false, &mut random)));
        let shared = first(words_after_nonce(20, true, &mut random));
        assert_eq!(shared, first(words_after_nonce(20, true, &mut random)));
    }
}
