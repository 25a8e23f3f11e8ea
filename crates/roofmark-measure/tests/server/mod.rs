//! Servers for tests: one that keeps a timetable and knows the true times, one that does what a test says.

#![expect(dead_code, reason = "each test binary uses a part")]

use roofmark_facts::load_record::{Arrival, LoadCell};
use roofmark_measure::load::limits::Timeouts;
use roofmark_measure::load::plan::{Lengths, Plan, Ratio, run_cell};
use roofmark_measure::load::target::Target;
use roofmark_measure::load::watch::Watch;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Head of a stream that ends with its connection.
pub const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// A request as a server sees it.
pub struct Request {
    /// Path.
    pub path: String,
    /// Lines of the head, lower case.
    pub head: String,
    /// Body, `null` where there is none.
    pub body: serde_json::Value,
}

impl Request {
    /// The prompt.
    pub fn prompt(&self) -> &str {
        self.body.pointer("/messages/0/content").and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}

/// Serves each request by `answer`, on a thread for each connection. The connection ends where it fails.
pub fn serve(answer: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || connection(stream, &*answer));
        }
    });
    Target::new(&format!("http://{address}"), None, None).expect("a target")
}

fn connection(stream: TcpStream, answer: &impl Fn(&Request, &mut TcpStream) -> io::Result<()>) {
    stream.set_nodelay(true).expect("no delay");
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = request(&mut reader) {
        if answer(&request, &mut writer).is_err() {
            // The other half of the handle would keep the connection open.
            let _ = writer.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut head = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        head += &line.to_ascii_lowercase();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { path, head, body: serde_json::from_slice(&body).unwrap_or_default() }))
}

/// The end of an answer that closes its connection.
pub fn close() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// An event of a stream.
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// An event with text of the answer.
pub fn content(text: &str) -> String {
    event(&serde_json::json!({"choices": [{"delta": {"content": text}}]}).to_string())
}

/// The last events: a reason to finish with `usage` (a JSON object), and the end mark.
pub fn end(finish: &str, usage: &str) -> String {
    let last = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{finish}"}}],"usage":{usage}}}"#);
    event(&last) + &event("[DONE]")
}

/// A usage object.
pub fn usage(prompt: u64, output: u64) -> String {
    format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":{output}}}"#)
}

pub use roofmark_testing::server_facts as facts;

/// A plan for prompts of 64 tokens, written as 64 words.
pub fn plan(arrival: Arrival, requests: u32, output: u32) -> Plan {
    Plan {
        arrival,
        requests,
        duration: None,
        input: Lengths::Fixed(64),
        output: Lengths::Fixed(output),
        trace: Vec::new(),
        seed: 1,
        ignore_eos: true,
        shared_prefix: false,
        ratio: Ratio { overhead: 0.0, per_word: 1.0 },
        turns: 1,
        think: Duration::ZERO,
    }
}

/// Timeouts for tests: longer than a busy machine stalls.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(30),
    idle: Duration::from_secs(30),
    total: Duration::from_secs(60),
};

/// Timeouts for tests of silence.
pub const HASTY: Timeouts = Timeouts { idle: Duration::from_millis(200), ..TIMEOUTS };

/// Runs a plan.
pub fn run(target: &Target, plan: &Plan) -> LoadCell {
    run_within(target, plan, TIMEOUTS)
}

/// Runs a plan with other timeouts.
pub fn run_within(target: &Target, plan: &Plan, timeouts: Timeouts) -> LoadCell {
    run_cell(target, &facts(), plan, timeouts, &Watch::default()).expect("a cell")
}

/// A closed loop.
pub fn closed(concurrency: u32) -> Arrival {
    Arrival::Closed { concurrency }
}

/// Writes text and hands it to the network at once.
pub fn send(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())
}
