//! What the load generator sends and counts, against a scripted server. How right its times are is asked in `truth.rs`,
//! what a bad server does to it in `bad_servers.rs`.

mod server;

use roofmark_facts::load_record::{Arrival, LoadCell, RequestRecord, TokenSource};
use roofmark_facts::units::{RequestsPerSecond, Seconds};
use roofmark_measure::load::limits::Timeouts;
use roofmark_measure::load::plan::{Lengths, Plan, Ratio, run_cell};
use roofmark_measure::load::target::Target;
use roofmark_measure::load::watch::Watch;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

#[derive(Clone, Debug)]
struct Script {
    before_first: Duration,
    gap: Duration,
    chunks: u32,
    tokens_per_chunk: u32,
    usage: Usage,
    crlf: bool,
    /// Answers each request with these bytes instead, then closes.
    raw: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Usage {
    Each,
    Last,
    None,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            before_first: Duration::from_millis(20),
            gap: Duration::from_millis(5),
            chunks: 8,
            tokens_per_chunk: 1,
            usage: Usage::Last,
            crlf: false,
            raw: None,
        }
    }
}

fn serve(script: Script) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = script.clone();
            std::thread::spawn(move || connection(stream, &script));
        }
    });
    Target::new(&url, None, None).expect("a target")
}

fn connection(mut stream: TcpStream, script: &Script) {
    stream.set_nodelay(true).expect("no delay");
    while read_request(&mut stream).is_some() {
        if let Some(raw) = &script.raw {
            let _ = stream.write_all(raw);
            return;
        }
        if answer(&mut stream, script).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(());
            }
        }
    }
}

fn answer(stream: &mut TcpStream, script: &Script) -> std::io::Result<()> {
    let end = if script.crlf { "\r\n\r\n" } else { "\n\n" };
    let event = |data: &str| {
        let event = format!(": comment{end}data: {data}{end}");
        format!("{:x}\r\n{event}\r\n", event.len())
    };
    let role = event(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#);
    stream.write_all(format!("{HEAD}{role}").as_bytes())?;
    std::thread::sleep(script.before_first);
    for index in 0..script.chunks {
        let usage = usage_text(script.usage == Usage::Each, (index + 1) * script.tokens_per_chunk);
        let data = event(&format!(r#"{{"choices":[{{"delta":{{"content":" x"}}}}]{usage}}}"#));
        stream.write_all(data.as_bytes())?;
        std::thread::sleep(script.gap);
    }
    let usage = usage_text(script.usage != Usage::None, script.chunks * script.tokens_per_chunk);
    let last = event(&format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"length"}}]{usage}}}"#));
    stream.write_all(format!("{last}{}0\r\n\r\n", event("[DONE]")).as_bytes())
}

fn usage_text(shown: bool, tokens: u32) -> String {
    if shown {
        format!(r#","usage":{{"prompt_tokens":64,"completion_tokens":{tokens}}}"#)
    } else {
        String::new()
    }
}

fn run(target: &Target, arrival: Arrival, requests: u32, output: u32) -> LoadCell {
    let plan = Plan { ratio: Ratio::default(), ..server::plan(arrival, requests, output) };
    run_cell(target, &server::facts(), &plan, Timeouts::default(), &Watch::default()).expect("a cell")
}

fn closed(concurrency: u32) -> Arrival {
    Arrival::Closed { concurrency }
}

#[test]
fn no_token_is_miscounted_where_there_is_usage() {
    for tokens_per_chunk in [1, 2, 3, 7] {
        for usage in [Usage::Each, Usage::Last, Usage::None] {
            for crlf in [false, true] {
                let script = Script {
                    tokens_per_chunk,
                    usage,
                    crlf,
                    gap: Duration::from_micros(300),
                    before_first: Duration::from_millis(1),
                    ..Script::default()
                };
                let target = serve(script);
                let cell = run(&target, closed(2), 4, 200);
                for request in &cell.requests {
                    check_count(request, tokens_per_chunk, usage);
                }
            }
        }
    }
}

fn check_count(request: &RequestRecord, tokens_per_chunk: u32, usage: Usage) {
    assert_eq!(request.failure, None);
    assert_eq!(request.chunks, 8, "the naive count");
    if usage == Usage::None {
        assert_eq!((request.output_tokens, request.token_source), (None, Some(TokenSource::Unknown)));
        return;
    }
    assert_eq!(request.output_tokens, Some(f64::from(8 * tokens_per_chunk)));
    assert_eq!(request.arrivals_are_tokens, usage == Usage::Each || tokens_per_chunk == 1);
}

#[test]
fn latency_counts_from_the_due_time() {
    // One connection at a time would hide a freeze: all requests after it would simply not be sent.
    let target = serve(Script { before_first: Duration::from_millis(5), ..Script::default() });
    let cell = run(&target, Arrival::Constant { rate: RequestsPerSecond(100.0) }, 50, 8);
    let due: Vec<f64> = cell.requests.iter().map(|request| request.scheduled.get()).collect();
    assert!(due.windows(2).all(|pair| ((pair[1] - pair[0]) - 0.01).abs() < 1e-6));
    assert!(cell.requests.iter().all(|request| request.ttft().expect("a token") >= request.first.expect("a token") - request.sent));
}

#[test]
fn a_stop_keeps_what_was_measured() {
    let target = serve(Script {
        before_first: Duration::from_millis(1),
        gap: Duration::from_millis(1),
        ..Script::default()
    });
    let plan = Plan {
        arrival: closed(1),
        requests: 1_000_000,
        duration: None,
        input: Lengths::Fixed(64),
        output: Lengths::Fixed(8),
        trace: Vec::new(),
        seed: 1,
        ignore_eos: true,
        shared_prefix: false,
        ratio: Ratio::default(),
        turns: 1,
        think: Duration::ZERO,
    };
    let watch = Watch::default();
    let cell = std::thread::scope(|scope| {
        let cell = scope.spawn(|| run_cell(&target, &server::facts(), &plan, Timeouts::default(), &watch));
        while watch.read().ended < 3 {
            std::thread::sleep(Duration::from_millis(1));
        }
        watch.stop();
        cell.join().expect("no panic").expect("a cell")
    });
    assert!(cell.interrupted && cell.requests.iter().filter(|request| request.succeeded()).count() >= 3);
}

/// A complete response that would allow another request on its connection.
fn whole_response() -> Vec<u8> {
    let event = |data: &str| {
        let event = format!("data: {data}\n\n");
        format!("{:x}\r\n{event}\r\n", event.len())
    };
    let first = event(
        r#"{"choices":[{"delta":{"content":" x"},"finish_reason":"length"}],"usage":{"prompt_tokens":64,"completion_tokens":1}}"#,
    );
    format!("{HEAD}{first}{}0\r\n\r\n", event("[DONE]")).into_bytes()
}

#[test]
fn a_connection_that_closed_with_its_last_byte_is_not_used_again() {
    let target = serve(Script { raw: Some(whole_response()), ..Script::default() });
    let cell = run(&target, closed(1), 40, 1);
    assert!(cell.requests.iter().all(RequestRecord::succeeded));
    assert!(cell.ended < Seconds(5.0), "{:?}", cell.ended);
}

fn talk(concurrency: u32, requests: u32, turns: u32, think: Duration) -> Plan {
    Plan {
        arrival: closed(concurrency),
        requests,
        duration: None,
        input: Lengths::Fixed(20),
        output: Lengths::Fixed(4),
        trace: Vec::new(),
        seed: 1,
        ignore_eos: true,
        shared_prefix: false,
        ratio: Ratio::default(),
        turns,
        think,
    }
}

#[test]
fn a_conversation_sends_its_history_and_waits_for_its_user() {
    let target = serve(Script { chunks: 4, gap: Duration::from_millis(1), ..Script::default() });
    let think = Duration::from_millis(30);
    let plan = talk(2, 12, 3, think);
    let cell =
        run_cell(&target, &server::facts(), &plan, Timeouts::default(), &Watch::default()).expect("a cell");
    assert!(cell.requests.iter().all(RequestRecord::succeeded) && cell.requests.len() == 12);
    for number in 1..=4 {
        let turns: Vec<&RequestRecord> = cell
            .requests
            .iter()
            .filter(|request| request.turn.is_some_and(|(talk, _)| talk == number))
            .collect();
        assert_eq!(turns.iter().map(|turn| turn.turn.expect("a turn").1).collect::<Vec<_>>(), [1, 2, 3]);
        for pair in turns.windows(2) {
            let pause = pair[1].scheduled - pair[0].ended;
            assert!((pause.get() - 0.03).abs() < 1e-6, "{pause:?}");
            assert!(pair[1].sent >= pair[1].scheduled);
            assert_eq!(pair[1].prompt_nominal, 0);
        }
    }
    let together = |at: Seconds| cell.requests.iter().filter(|r| r.sent <= at && r.ended > at).count();
    assert!(cell.requests.iter().all(|request| together(request.sent) <= 2));
}
