//! `roofmark bench --endpoint` as a person uses it, against a small server in this process.

#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// A server that works on one request at a time, so long on each.
struct Server {
    address: String,
    /// Heads of the requests that came.
    heads: Arc<Mutex<Vec<String>>>,
}

fn serve(service: Duration, unavailable: usize) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (heads, one_at_a_time) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(())));
    let kept = heads.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let (heads, turn) = (kept.clone(), one_at_a_time.clone());
            std::thread::spawn(move || answer(stream, service, number < unavailable, &heads, &turn));
        }
    });
    Server { address, heads }
}

fn answer(
    mut stream: TcpStream,
    service: Duration,
    loading: bool,
    heads: &Mutex<Vec<String>>,
    turn: &Mutex<()>,
) {
    let mut bytes = [0; 1 << 16];
    let Ok(count) = stream.read(&mut bytes) else { return };
    let head = String::from_utf8_lossy(&bytes[..count]).into_owned();
    heads.lock().unwrap().push(head.clone());
    let json = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let text = if loading {
        json("503 Service Unavailable", "{\"error\":\"loading\"}")
    } else if head.starts_with("POST") {
        let _turn = turn.lock().unwrap();
        std::thread::sleep(service);
        let event = r#"{"choices":[{"delta":{"content":" x"},"finish_reason":null}]}"#;
        let last = r#"{"choices":[{"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":32,"completion_tokens":4}}"#;
        format!("{STREAM}{}data: {last}\n\ndata: [DONE]\n\n", format!("data: {event}\n\n").repeat(4))
    } else if head.starts_with("GET /v1/models") {
        json("200 OK", r#"{"data":[{"id":"/home/somebody/models/tiny.gguf"}]}"#)
    } else {
        json("404 Not Found", "{}")
    };
    let _ = stream.write_all(text.as_bytes());
}

fn bench(server: &Server, data: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.args([
        "bench",
        "--json",
        "--endpoint",
        &server.address,
        "--input-tokens",
        "32",
        "--output-tokens",
        "4",
    ]);
    command
        .args(options)
        .env("ROOFMARK_DATA", data)
        .env("OPENAI_API_KEY", "sk-secret-1")
        .stdin(Stdio::null());
    command
}

fn document(output: &Output) -> serde_json::Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn a_key_and_a_folder_stay_out_of_the_record_and_a_loading_server_is_waited_for() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(Duration::from_millis(1), 2);
    let saved = data.path().join("record.json");
    let options = ["--concurrency", "2", "--requests", "8", "--save", saved.to_str().unwrap()];
    let output = bench(&server, data.path(), &options).output().unwrap();
    let found = document(&output);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(found["rows"][0]["succeeded"], 8);
    assert_eq!(found["run"]["server"]["model"], "tiny.gguf");
    let sent = server.heads.lock().unwrap().join("");
    assert!(sent.contains("authorization: Bearer sk-secret-1"));
    let kept = std::fs::read_to_string(&saved).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(!kept.contains("sk-secret-1") && !kept.contains("somebody"));
}

#[test]
fn a_sweep_that_was_stopped_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(Duration::from_millis(20), 0);
    let options = ["--concurrency", "1,2,4", "--requests", "30"];
    let child =
        bench(&server, data.path(), &options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let unfinished = data.path().join("unfinished");
    let begun = Instant::now();
    while !std::fs::read_dir(&unfinished).is_ok_and(|files| files.count() > 0)
        && begun.elapsed() < Duration::from_secs(120)
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(20));
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let cells = document(&output)["run"]["cells"].as_array().unwrap().len();
    assert!((1..=3).contains(&cells), "{cells} cells");
    let output = bench(&server, data.path(), &[&options[..], &["--resume"]].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("going on after") && said.contains("of 3 cells"), "{said}");
    let rows = document(&output)["rows"].as_array().unwrap().clone();
    assert!(rows.len() == 3 && rows.iter().all(|row| row["succeeded"] == 30), "{rows:?}");
    assert_eq!(std::fs::read_dir(&unfinished).unwrap().count(), 0);
}

#[test]
fn the_search_ends_below_what_the_server_can_serve() {
    let data = tempfile::tempdir().unwrap();
    // One at a time in 10 ms: 100 requests a second at most.
    let server = serve(Duration::from_millis(10), 0);
    let options = ["--find-rate", "--find-percentile", "80", "--slo", "ttft=60ms"];
    let output = bench(&server, data.path(), &options).output().unwrap();
    let found = document(&output);
    let rate = found["run"]["found_rate"]["holds"].as_f64().unwrap_or(0.0);
    assert!((2.0..100.0).contains(&rate), "{rate}: {}", String::from_utf8_lossy(&output.stderr));
    let output = bench(&server, data.path(), &["--find-rate"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("--find-rate needs --slo"));
}

#[test]
fn stages_and_turns_have_rows_of_their_own() {
    let data = tempfile::tempdir().unwrap();
    let server = serve(Duration::from_millis(1), 0);
    let output = bench(&server, data.path(), &["--stages", "20:1,60:1"]).output().unwrap();
    let names = |output: &Output| -> Vec<String> {
        let parts = document(output)["parts"].as_array().unwrap().clone();
        parts.iter().map(|part| part[0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&output), ["2 stages 20/s poisson", "2 stages 60/s poisson"]);
    let options = ["--turns", "2", "--concurrency", "2", "--requests", "8"];
    let output = bench(&server, data.path(), &options).output().unwrap();
    assert_eq!(names(&output), ["2 turn 1", "2 turn 2"]);
}
