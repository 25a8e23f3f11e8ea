//! What stands before the first request: TLS with a certificate, slow clients, and a cap on open connections.

use crate::page::{Page, import, llama_bench, program};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Connections that one client may have open.
const MOST_EACH: usize = 256;

/// A certificate that names `localhost`, signed by itself, and its key.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[test]
fn a_page_with_a_certificate_answers_clients_that_trust_it() {
    let data = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(data.path(), "page");
    import(data.path(), "a.json", &llama_bench("llama 8B", 20.0, "2026-10-01T00:00:00Z"));
    let files = ["--lab", "--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let page = Page::on(data, &files);
    let url = format!("https://localhost:{}", page.port);
    let submit =
        |more: &[&str]| program(page.data.path()).args(["submit", &url]).args(more).output().unwrap();

    let taken = submit(&["--ca", certificate.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&taken.stdout).into_owned();
    assert!(said.contains("1 were there already"), "{said}{}", String::from_utf8_lossy(&taken.stderr));
    let distrusted = submit(&[]);
    let said = String::from_utf8_lossy(&distrusted.stderr).into_owned();
    assert!(!distrusted.status.success() && said.contains("certificate"), "{said}");

    let plain = page.get("/machines");
    assert_eq!(plain.status, 400);
    assert!(plain.body.contains("this port speaks TLS: use https://"), "{}", plain.body);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_before_anything_is_served() {
    let data = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(data.path(), "one");
    let (_, other_key) = self::certificate(data.path(), "two");
    let text = data.path().join("text.pem");
    std::fs::write(&text, "this is no certificate").unwrap();
    let missing = data.path().join("missing.pem");
    for (certificate, key, says) in [
        (&text, &key, "text.pem: it holds no certificate in PEM form"),
        (&missing, &key, "missing.pem"),
        (&certificate, &text, "text.pem"),
        (&certificate, &other_key, "two.key"),
    ] {
        let mut serve = program(data.path());
        serve.arg("serve").arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        let done = serve.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && done.stdout.is_empty(), "{says}: it serves");
        assert!(said.contains("failed to use the certificate or key in") && said.contains(says), "{said}");
    }
}

/// Sends a byte a second until the server closes; how long that took.
fn dribble(mut stream: TcpStream, text: &[u8]) -> Duration {
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    for byte in text.iter().cycle() {
        let sent = stream.write_all(&[*byte]);
        let mut answer = [0; 64];
        let closed = match stream.read(&mut answer) {
            Ok(count) => count == 0,
            Err(error) => {
                !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
            }
        };
        if sent.is_err() || closed || start.elapsed() > Duration::from_secs(100) {
            break;
        }
    }
    start.elapsed()
}

#[test]
fn clients_that_send_slowly_or_nothing_are_not_waited_for() {
    let page = Page::open(&[]);
    let connect = || TcpStream::connect(("127.0.0.1", page.port)).unwrap();
    let (slow, silent) = (connect(), connect());
    let waits = std::thread::scope(|scope| {
        let slow = scope.spawn(|| dribble(slow, b"GET /machines HTTP/1.1 X-Filler: "));
        let silent = scope.spawn(|| {
            let start = Instant::now();
            let mut silent = silent;
            silent.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
            let _ = silent.read(&mut [0; 64]);
            start.elapsed()
        });
        assert_eq!(page.get("/results").status, 200, "others are served meanwhile");
        [slow.join().unwrap(), silent.join().unwrap()]
    });
    for wait in waits {
        assert!((Duration::from_secs(5)..Duration::from_secs(90)).contains(&wait), "closed after {wait:?}");
    }
}

#[test]
fn one_client_cannot_take_all_connections() {
    let page = Page::open(&[]);
    let connect = |_| TcpStream::connect(("127.0.0.1", page.port)).unwrap();
    let open: Vec<TcpStream> = (0..MOST_EACH).map(connect).collect();
    let start = Instant::now();
    let mut refused = page.get("/results");
    // A connection counts from the moment that the server takes it.
    while refused.status != 503 && start.elapsed() < Duration::from_secs(8) {
        refused = page.get("/results");
    }
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("too many connections are open"), "{}", refused.body);
    drop(open);
    while page.get("/results").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(60), "the places are not free again");
    }
}
