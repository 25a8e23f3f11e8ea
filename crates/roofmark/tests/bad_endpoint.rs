//! `roofmark bench --endpoint` as a user runs it against servers that fail.

#[path = "../../roofmark-measure/tests/server/mod.rs"]
mod server;

use server::{HEAD, close, content, end, send, serve, usage};
use std::io;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

fn bench(url: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roofmark"))
        .args(["bench", "--endpoint", url, "--concurrency", "2", "--requests", "6", "--output-tokens", "1"])
        .env_remove("OPENAI_API_KEY")
        .output()
        .expect("it runs")
}

/// Lists a model and answers the prompts by `answer`.
fn listed(answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> String {
    let target = serve(move |request, stream| {
        if request.path.ends_with("completions") {
            return answer(stream);
        }
        if request.path != "/v1/models" {
            return send(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        }
        let body = r#"{"data":[{"id":"m"}]}"#;
        send(
            stream,
            &format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    });
    format!("http://{}", target.address)
}

#[test]
fn a_run_without_one_success_fails_and_says_why() {
    let url = listed(|stream| send(stream, "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"));
    let output = bench(&url);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("server error (5xx)"), "{text}");
    assert!(text.contains("no request succeeded"), "{text}");
}

#[test]
fn troubles_of_several_kinds_stand_in_one_table() {
    let count = AtomicU32::new(0);
    let url = listed(move |stream| match count.fetch_add(1, Ordering::Relaxed) % 4 {
        0 => send(stream, "HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n"),
        1 => {
            send(stream, &(HEAD.to_owned() + "data: {\"error\":\"boom\"}\n\n"))?;
            close()
        }
        _ => {
            send(stream, &(HEAD.to_owned() + &content("a") + &end("length", &usage(128, 1))))?;
            close()
        }
    });
    let output = bench(&url);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("trouble ").count(), 1, "{text}");
    assert!(text.contains("rate limited (429)") && text.contains("error inside the stream"), "{text}");
}

#[test]
fn what_cannot_be_reached_is_an_error() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    for url in [format!("http://{gone}"), "http://no-such-host.invalid:1".to_owned()] {
        let output = bench(&url);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
        assert!(text.contains("failed to"), "{text}");
    }
}
