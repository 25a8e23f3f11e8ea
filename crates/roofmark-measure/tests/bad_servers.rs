//! What a bad server does to a run: each fault is counted by its kind, and none takes the client down.

mod server;

use roofmark_facts::load_record::{LoadCell, RequestRecord, Trouble};
use roofmark_facts::units::Seconds;
use roofmark_measure::load::LoadError;
use roofmark_measure::load::limits::Timeouts;
use roofmark_measure::load::target::Target;
use server::{HEAD, Request, close, closed, content, end, event, plan, run, run_within, send, serve, usage};
use std::io;
use std::net::TcpStream;
use std::time::Duration;

fn outcome(target: &Target) -> LoadCell {
    run(target, &plan(closed(2), 4, 8))
}

/// Every request fails by this kind.
#[track_caller]
fn check(kind: Trouble, answer: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) {
    check_target(kind, &serve(answer));
}

#[track_caller]
fn check_target(kind: Trouble, target: &Target) {
    all_fail(kind, &outcome(target));
}

/// Every request fails by silence, for which nobody waits long here.
#[track_caller]
fn check_silence(answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) {
    let target = serve(move |_, stream| answer(stream));
    all_fail(Trouble::IdleTimeout, &run_within(&target, &plan(closed(2), 4, 8), server::HASTY));
}

#[track_caller]
fn all_fail(kind: Trouble, cell: &LoadCell) {
    assert_eq!(cell.requests.len(), 4);
    for request in &cell.requests {
        let found = request.failure.as_ref().map(|failure| failure.kind);
        assert_eq!(found, Some(kind), "{:?}", request.failure);
        assert!(!request.succeeded());
    }
}

/// Every request succeeds, and this is noted.
#[track_caller]
fn check_noted(
    kind: Trouble,
    answer: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Vec<RequestRecord> {
    let cell = outcome(&serve(answer));
    for request in &cell.requests {
        assert_eq!(request.failure, None);
        assert!(request.remarks.contains(&kind), "{:?}", request.remarks);
    }
    cell.requests
}

/// Answers with these bytes and closes.
fn raw(text: String) -> impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync {
    move |_, stream| {
        send(stream, &text)?;
        close()
    }
}

#[test]
fn a_port_where_nobody_listens() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    check_target(Trouble::Refused, &Target::new(&format!("http://{gone}"), None, None).expect("a target"));
}

#[test]
fn a_name_that_nobody_has() {
    let error = Target::new("http://no-such-host.invalid:8080", None, None).expect_err("no host");
    assert!(matches!(error, LoadError::Resolve { .. }), "{error}");
}

#[test]
fn encryption_that_is_none_or_not_trusted() {
    // Plain HTTP where TLS is expected.
    let plain = serve(raw("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".into()));
    let url = format!("https://{}", plain.address);
    check_target(Trouble::Tls, &Target::new(&url, None, None).expect("a target"));
    let (address, _) = tls_server();
    check_target(
        Trouble::Tls,
        &Target::new(&format!("https://localhost:{}", address.port()), None, None).expect("a target"),
    );
}

#[test]
fn encryption_that_is_trusted_works() {
    let (address, certificate) = tls_server();
    let url = format!("https://localhost:{}", address.port());
    let cell = outcome(&Target::new(&url, None, Some(certificate.as_bytes())).expect("a target"));
    assert!(cell.requests.iter().all(RequestRecord::succeeded), "{:?}", cell.requests[0].failure);
    assert!(cell.requests.iter().all(|request| request.output_tokens == Some(8.0)));
}

/// A server with a certificate of its own making; returns it as PEM.
fn tls_server() -> (std::net::SocketAddr, String) {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::io::{Read, Write};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(config.clone()).expect("a session");
            let mut stream = rustls::StreamOwned::new(session, stream);
            std::thread::spawn(move || {
                if stream.read(&mut [0; 16 << 10]).is_ok() {
                    let _ = stream.write_all(answer(8).as_bytes()).and_then(|()| stream.flush());
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            });
        }
    });
    (address, made.cert.pem())
}

/// A good answer that ends with its connection.
fn answer(tokens: u64) -> String {
    HEAD.to_owned() + &content(" x").repeat(tokens as usize) + &end("length", &usage(64, tokens))
}

#[test]
fn statuses() {
    for (status, kind) in [
        ("401 Unauthorized", Trouble::Unauthorized),
        ("403 Forbidden", Trouble::Unauthorized),
        ("404 Not Found", Trouble::NotFound),
        ("429 Too Many Requests", Trouble::RateLimited),
        ("400 Bad Request", Trouble::Rejected),
        ("500 Internal Server Error", Trouble::ServerError),
        ("503 Service Unavailable", Trouble::ServerError),
        ("307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/", Trouble::Redirect),
    ] {
        let body = r#"{"error":{"message":"no\u001b[31m such model"}}"#;
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let target = serve(move |_, stream| send(stream, &format!("{head}{body}")));
        check_target(kind, &target);
        let detail = outcome(&target).requests[0].failure.clone().expect("a failure").detail;
        assert!(detail.contains("such model") && !detail.contains('\u{1b}'), "{detail}");
    }
}

#[test]
fn an_error_inside_a_success() {
    let text =
        HEAD.to_owned() + &content("a") + &event(r#"{"error":{"message":"out of memory","code":500}}"#);
    check(Trouble::ErrorInStream, raw(text));
}

#[test]
fn silence() {
    check_silence(|stream| {
        send(stream, &(HEAD.to_owned() + &content("a")))?;
        std::thread::sleep(Duration::from_secs(30));
        close()
    });
}

#[test]
fn an_answer_that_never_comes() {
    let target = serve(|_, _| {
        std::thread::sleep(Duration::from_secs(30));
        close()
    });
    let timeouts = Timeouts { total: Duration::from_millis(300), ..server::TIMEOUTS };
    for request in run_within(&target, &plan(closed(2), 4, 8), timeouts).requests {
        assert_eq!(request.failure.map(|failure| failure.kind), Some(Trouble::Deadline));
        assert!(request.ended - request.sent < Seconds(10.0));
    }
}

#[test]
fn one_byte_at_a_time() {
    // A byte is no progress: only whole events are.
    check_silence(|stream| {
        send(stream, HEAD)?;
        for byte in content("slow").chars() {
            send(stream, &byte.to_string())?;
            std::thread::sleep(Duration::from_millis(100));
        }
        close()
    });
}

#[test]
fn a_stream_without_end() {
    check(Trouble::Endless, |_, stream| {
        send(stream, HEAD)?;
        for _ in 0..2_000_000 {
            send(stream, &content("more"))?;
        }
        close()
    });
}

#[test]
fn comments_are_no_progress() {
    check_silence(|stream| {
        send(stream, HEAD)?;
        for _ in 0..100 {
            send(stream, ": ping\n\n")?;
            std::thread::sleep(Duration::from_millis(50));
        }
        close()
    });
}

#[test]
fn no_end_mark() {
    let whole = HEAD.to_owned()
        + &content("a")
        + r#"data: {"choices":[{"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":64,"completion_tokens":1}}"#
        + "\n\n";
    let requests = check_noted(Trouble::NoDone, raw(whole));
    assert!(requests.iter().all(|request| request.output_tokens == Some(1.0)));
    check(Trouble::Truncated, raw(HEAD.to_owned() + &content("a")));
}

#[test]
fn not_a_stream() {
    let body = r#"{"choices":[{"message":{"content":"all at once"}}]}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    check(Trouble::ContentType, raw(head + body));
    check(Trouble::BadHttp, raw("220 mail.example ESMTP ready\r\n\r\n".into()));
    check(Trouble::BadJson, raw(HEAD.to_owned() + "data: {\"choices\": oops}}\n\n"));
    check(Trouble::NoTokens, raw(HEAD.to_owned() + &end("stop", &usage(64, 0))));
    check(Trouble::Unreachable, raw(String::new()));
}

#[test]
fn text_cut_inside_a_character() {
    // Cut by the network, the text is whole.
    let target = serve(|_, stream| {
        use std::io::Write;
        let text = HEAD.to_owned() + &content("é漢字🦀") + &end("stop", &usage(64, 4));
        for part in text.as_bytes().chunks(1) {
            stream.write_all(part)?;
        }
        close()
    });
    assert!(
        outcome(&target).requests.iter().all(|request| request.succeeded() && request.remarks.is_empty())
    );
    // Cut by the server, each event holds half a character.
    let requests = check_noted(Trouble::InvalidUtf8, |_, stream| {
        use std::io::Write;
        let (head, tail) = (r#"data: {"choices":[{"delta":{"content":""#, "\"}}]}\n\n");
        stream.write_all(HEAD.as_bytes())?;
        for half in [b"\xc3".as_slice(), b"\xa9"] {
            stream.write_all(&[head.as_bytes(), half, tail.as_bytes()].concat())?;
        }
        send(stream, &end("stop", &usage(64, 1)))?;
        close()
    });
    assert!(requests.iter().all(|request| request.output_tokens == Some(1.0)));
}

#[test]
fn lines_and_events_over_their_caps() {
    check(Trouble::LineTooLong, |_, stream| {
        send(stream, HEAD)?;
        send(stream, &format!("data: {}", "x".repeat(2 << 20)))?;
        close()
    });
    let line = format!("data: {}\n", "x".repeat(1 << 19));
    check(Trouble::EventTooLong, move |_, stream| {
        send(stream, HEAD)?;
        send(stream, &line.repeat(9))?;
        close()
    });
    let head = "HTTP/1.1 500 No\r\ncontent-type: text/plain\r\n\r\n";
    check(Trouble::BodyTooLong, raw(head.to_owned() + &"x".repeat(5 << 20)));
}

#[test]
fn a_compressed_body_is_not_opened() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n";
    check(Trouble::Compressed, raw(head.into()));
    let target = serve(|request, stream| {
        assert!(request.head.contains("accept-encoding: identity"));
        send(stream, &answer(8))?;
        close()
    });
    assert!(outcome(&target).requests.iter().all(RequestRecord::succeeded));
}

#[test]
fn usage_that_cannot_be() {
    for count in ["-1", "9223372036854775808", "1e300", "2.5", "\"8\""] {
        let usage = format!(r#"{{"prompt_tokens":64,"completion_tokens":{count}}}"#);
        let requests =
            check_noted(Trouble::BadUsage, raw(HEAD.to_owned() + &content("a") + &end("stop", &usage)));
        assert!(requests.iter().all(|request| request.output_tokens.is_none()), "{count}");
    }
    // Not a number is not JSON; some servers write it all the same.
    let usage = r#"{"prompt_tokens":64,"completion_tokens":NaN}"#;
    check_noted(Trouble::BadUsage, raw(HEAD.to_owned() + &content("a") + &end("stop", usage)));
    // A count that shrinks is no count.
    let first = event(r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":9}}"#);
    check_noted(Trouble::BadUsage, raw(HEAD.to_owned() + &first + &end("stop", &server::usage(64, 2))));
}

#[test]
fn usage_that_comes_twice_counts_once() {
    let twice = HEAD.to_owned()
        + &content("a").repeat(3)
        + &end("stop", &usage(64, 3)).replace("data: [DONE]\n\n", "")
        + &end("stop", &usage(64, 3));
    let cell = outcome(&serve(raw(twice)));
    assert!(cell.requests.iter().all(|request| request.output_tokens == Some(3.0)));
}

#[test]
fn one_fault_does_not_hide_the_successes() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let target = serve(move |_, stream| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if number.is_multiple_of(2) {
            return send(stream, "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
        }
        send(stream, &answer(8))?;
        close()
    });
    let cell = outcome(&target);
    assert_eq!(cell.requests.iter().filter(|request| request.succeeded()).count(), 2);
    assert_eq!(cell.requests.iter().filter(|request| request.failure.is_some()).count(), 2);
}
