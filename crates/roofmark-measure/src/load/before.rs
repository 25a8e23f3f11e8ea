//! What is found out before a load test: what this client can take, and whether the server answers rightly.

use super::LoadError;
use super::driver::{Driven, Job, Next, Source, drive};
use super::exchange::Nanos;
use super::limits::Timeouts;
use super::plan::request_body;
use super::recognise::Asked;
use super::target::Target;
use super::watch::Watch;
use roofmark_facts::load_record::{GreedyCheck, RequestRecord, SelfTest, ServerFacts};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

/// Requests of the self-test and tokens of each: a few milliseconds.
const REQUESTS: usize = 32;
const TOKENS: u32 = 256;
/// A question whose answer every model of use knows, and a word that its answer holds.
const QUESTION: &str = "What is the capital of France? Answer in one word.";
const WORD: &str = "paris";

/// Chunks that this client handles per second of its processor time, against a server inside this process
/// that answers at once.
pub fn self_test() -> Result<SelfTest, LoadError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(LoadError::Poll)?;
    let address = listener.local_addr().map_err(LoadError::Poll)?;
    let target = Target::new(&format!("http://{address}"), None, None)?;
    let driven = std::thread::scope(|scope| {
        // The thread ends when the client closes its connection.
        scope.spawn(move || listener.accept().map(|(stream, _)| answer_at_once(stream)));
        let job = || Job {
            due: None,
            bytes: target.request("/v1/completions", Some(b"{}")),
            prompt: 1,
            output: TOKENS,
            turn: None,
            keep_text: false,
        };
        let mut source = Asked((0..REQUESTS).map(|_| job()).collect());
        drive(&target, Timeouts::default(), &mut source, &Watch::default(), Instant::now())
    })?;
    Ok(SelfTest { chunks_per_cpu_second: chunks(&driven) / driven.client.cpu.get().max(1e-6) })
}

fn chunks(driven: &Driven) -> f64 {
    driven.requests.iter().map(|request| f64::from(request.chunks)).sum()
}

/// Requests come whole on the loopback, one at a time.
fn answer_at_once(mut stream: TcpStream) {
    let event = "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1764000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\" token\",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    let body = event.repeat(TOKENS as usize) + "data: [DONE]\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length:";
    let answer = format!("{head} {}\r\n\r\n{body}", body.len());
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Puts a question with a known answer; `None` where no text of an answer came.
pub fn greedy(target: &Target, server: &ServerFacts) -> Result<Option<GreedyCheck>, LoadError> {
    let (path, body) = request_body(server, QUESTION, 32, false);
    let bytes = target.request(path, Some(body.to_string().as_bytes()));
    let job = Job { due: None, bytes, prompt: 0, output: 32, turn: None, keep_text: true };
    let mut question = Question { job: Some(job), answer: None };
    drive(target, Timeouts::default(), &mut question, &Watch::default(), Instant::now())?;
    let answer = question.answer.filter(|answer| !answer.trim().is_empty());
    Ok(answer.map(|answer| GreedyCheck {
        right: answer.to_lowercase().contains(WORD),
        answer: answer.chars().filter(|c| !c.is_control()).take(60).collect(),
    }))
}

struct Question {
    job: Option<Job>,
    answer: Option<String>,
}

impl Source for Question {
    fn next(&mut self, _: Nanos, _: usize) -> Next {
        self.job.take().map_or(Next::Finished, Next::Job)
    }

    fn ended(&mut self, record: &RequestRecord, text: Option<&str>) {
        self.answer = text.filter(|_| record.succeeded()).map(str::to_owned);
    }
}
