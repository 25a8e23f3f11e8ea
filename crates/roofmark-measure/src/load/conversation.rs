//! Conversations: each turn sends all that was said before, as chat programs do.
//!
//! A conversation begins with its own nonce, so what a prefix cache can have of it is its own history
//! and nothing else. Its next turn is due when its answer has come and its user has thought.

use super::LoadError;
use super::driver::{Job, Next, Source};
use super::exchange::Nanos;
use super::plan::{Plan, conversation_body, words_after_nonce};
use super::target::Target;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use roofmark_facts::load_record::{Api, Arrival, RequestRecord, ServerFacts};
use std::collections::VecDeque;

/// A closed loop over conversations: so many at once, the next one begins when one has ended.
pub(super) struct Conversations<'a> {
    target: &'a Target,
    server: &'a ServerFacts,
    plan: &'a Plan,
    at_once: usize,
    random: SmallRng,
    /// Conversations whose next turn waits for its time, the earliest first.
    ready: VecDeque<(Nanos, Talk)>,
    /// Conversations whose answer is awaited.
    waiting: Vec<Talk>,
    begun: u32,
    given: u32,
}

struct Talk {
    number: u32,
    /// What user and assistant have said by turns.
    said: Vec<String>,
}

impl<'a> Conversations<'a> {
    pub(super) fn new(
        target: &'a Target,
        server: &'a ServerFacts,
        plan: &'a Plan,
    ) -> Result<Self, LoadError> {
        let Arrival::Closed { concurrency } = plan.arrival else {
            return Err(setting(plan, "conversations are held at a fixed concurrency"));
        };
        if server.api == Api::OllamaGenerate || server.api == Api::Completions {
            return Err(setting(plan, "conversations need the chat interface"));
        }
        Ok(Self {
            target,
            server,
            plan,
            at_once: concurrency as usize,
            random: SmallRng::seed_from_u64(plan.seed),
            ready: VecDeque::new(),
            waiting: Vec::new(),
            begun: 0,
            given: 0,
        })
    }

    fn turn(&mut self, mut talk: Talk, due: Option<Nanos>) -> Job {
        let first = talk.said.is_empty();
        let tokens = self.plan.input.draw(&mut self.random);
        let around = if first { self.plan.ratio.overhead } else { 0.0 };
        let words = ((f64::from(tokens) - around) / self.plan.ratio.per_word).round().max(1.0) as usize;
        talk.said.push(words_after_nonce(words, self.plan.shared_prefix, &mut self.random));
        let output = self.plan.output.draw(&mut self.random);
        let said: Vec<&str> = talk.said.iter().map(String::as_str).collect();
        let (path, body) = conversation_body(self.server, &said, output, self.plan.ignore_eos);
        let turn = (talk.number, talk.said.len() as u32 / 2 + 1);
        self.given += 1;
        self.waiting.push(talk);
        Job {
            due,
            bytes: self.target.request(path, Some(body.to_string().as_bytes())),
            prompt: if first { tokens } else { 0 },
            output,
            turn: Some(turn),
            keep_text: turn.1 < self.plan.turns,
        }
    }
}

fn setting(plan: &Plan, reason: &str) -> LoadError {
    LoadError::Setting { field: "--turns", value: plan.turns.to_string(), reason: reason.to_owned() }
}

impl Source for Conversations<'_> {
    fn next(&mut self, now: Nanos, _: usize) -> Next {
        let over = self.plan.duration.is_some_and(|limit| now as f64 / 1e9 >= limit);
        if self.given >= self.plan.requests || over {
            return Next::Finished;
        }
        if let Some((due, talk)) = self.ready.pop_front_if(|(due, _)| *due <= now) {
            return Next::Job(self.turn(talk, Some(due)));
        }
        if self.waiting.len() + self.ready.len() < self.at_once {
            self.begun += 1;
            let talk = Talk { number: self.begun, said: Vec::new() };
            return Next::Job(self.turn(talk, None));
        }
        self.ready.front().map_or(Next::Wait, |(due, _)| Next::Until(*due))
    }

    fn ended(&mut self, record: &RequestRecord, text: Option<&str>) {
        let Some((number, turn)) = record.turn else { return };
        let Some(place) = self.waiting.iter().position(|talk| talk.number == number) else { return };
        let mut talk = self.waiting.swap_remove(place);
        if record.failure.is_some() || turn >= self.plan.turns {
            return;
        }
        talk.said.push(text.unwrap_or_default().to_owned());
        let due = (record.ended.get() * 1e9) as Nanos + self.plan.think.as_nanos() as Nanos;
        self.ready.push_back((due, talk));
    }
}
