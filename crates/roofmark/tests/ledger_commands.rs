//! Sessions with `results`, `verify` and `key`, each user with a data folder of their own.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Somebody with a data folder.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
        command.args(words).env("ROOFMARK_CATALOG", "").env("ROOFMARK_DATA", self.path("data"));
        command
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("TMPDIR", self.0.path())
            .env_remove("ROOFMARK_LEDGER");
        command.current_dir(self.0.path()).output().expect("the program runs")
    }

    fn screen(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{words:?}: {} columns: {line}", line.chars().count());
        }
        text
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }

    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{words:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }
}

/// An output of llama-bench with `rates` of a decode, as of a `day`, by build `number`.
fn llama_bench(number: u32, day: &str, rates: [f64; 3]) -> String {
    let mean = rates.iter().sum::<f64>() / 3.0;
    serde_json::json!([{ "build_commit": "abc1234", "build_number": number, "cpu_info": "AMD Ryzen", "gpu_info": "RTX 5090",
        "backends": "CUDA", "model_filename": "/home/ann/Llama-3.1-8B-Q4_K_M.gguf", "model_type": "llama 8B Q4_K - Medium",
        "model_size": 4912898048_u64, "n_prompt": 0, "n_gen": 128, "n_depth": 0, "test_time": format!("{day}T10:00:00Z"),
        "avg_ts": mean, "stddev_ts": 0.1, "samples_ts": rates }])
    .to_string()
}

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn a_result_is_taken_in_followed_and_handed_on() {
    let ann = User::new();
    for at in 0..16_u32 {
        let level = if at < 8 { 150.0 } else { 196.5 } + f64::from(at % 3) / 10.0;
        let text =
            llama_bench(7000 + 60 * at, &format!("2026-03-{:02}", at + 1), [level, level + 0.2, level - 0.2]);
        ann.screen(&["results", "import", &write(&ann.path("bench.json"), &text)]);
    }
    let list = ann.json(&["results", "list"]);
    assert_eq!((list.as_array().map(Vec::len), &list[0]["quant"]), (Some(16), &Value::from("Q4_K_M")));
    assert!(ann.screen(&["results", "list", "--sort", "decode"]).contains("Llama-3.1-8B Q4_K_M"));
    assert!(ann.screen(&["results", "show", "latest"]).contains("missing"));
    let error = ann.refused(&["results", "list", "--machine", "RTX 5080"]);
    assert!(error.contains("--machine `RTX 5080` is in no record; nearest: RTX 5090"), "{error}");

    let compared = ann.json(&["results", "compare", "1", "latest"]);
    assert_eq!(compared["rows"][0]["change"], "improved", "{compared}");
    assert_eq!(ann.json(&["results", "compare", "1", "4"])["rows"][0]["change"], "within noise");
    assert!(ann.screen(&["results", "compare", "1", "latest"]).contains("decode 128"));
    let trend = ann.json(&["results", "trend", "latest"]);
    let change = &trend[0]["changes"][0];
    assert_eq!((&change["from"], &change["to"]), (&"b7420".into(), &"b7480".into()), "{trend}");
    assert!((change["ratio"].as_f64().unwrap() - 1.31).abs() < 0.01, "{trend}");
    assert!(ann.screen(&["results", "trend", "latest"]).contains("+31 %"));

    let bundle = ann.path("r.bundle").display().to_string();
    ann.screen(&["results", "export", "3", "latest", "-o", &bundle]);
    let bob = User::new();
    let verified = bob.json(&["verify", &bundle]);
    assert_eq!((&verified["records"], &verified["problems"]), (&2.into(), &Value::Array(Vec::new())));
    assert!(!bob.path("data").join("key").exists(), "who only verifies needs no key");
    bob.screen(&["results", "import", &bundle]);
    assert!(bob.refused(&["results", "import", &bundle]).contains("already in the ledger"));
    assert!(bob.screen(&["verify", "--all"]).contains("sound, 2 records"));

    ann.screen(&["results", "retract", "latest", "--reason", "the fan was off"]);
    assert_eq!(ann.json(&["results", "list"]).as_array().map(Vec::len), Some(15));
    assert!(ann.screen(&["results", "show", "16"]).contains("withdrawn by record 17"));
    assert!(ann.refused(&["results", "recompute", "1"]).contains("holds no samples of Roofmark's own"));
}

#[test]
fn a_fleet_can_be_read_by_other_programs() {
    let ann = User::new();
    let file = write(&ann.path("a.json"), &llama_bench(7000, "2026-03-01", [10.0, 11.0, 12.0]));
    ann.screen(&["results", "import", &file]);
    let csv = String::from_utf8(ann.run(&["results", "export", "--format", "csv"]).stdout).unwrap();
    assert!(csv.starts_with("sequence,content,") && csv.contains(",RTX 5090,CUDA,llama.cpp,b7000,"), "{csv}");
    let jsonl = ann.run(&["results", "export", "--format", "jsonl"]).stdout;
    assert_eq!(serde_json::from_slice::<Value>(&jsonl).unwrap()["tokens_per_s"], 11.0);
    assert!(ann.run(&["results", "export", "--format", "parquet"]).stdout.starts_with(b"PAR1"));
    assert!(ann.run(&["results", "export", "--format", "markdown"]).stdout.starts_with(b"| content"));
}

#[test]
fn an_edited_bundle_is_refused_with_its_line() {
    let ann = User::new();
    let file = write(&ann.path("a.json"), &llama_bench(7000, "2026-03-01", [10.0, 11.0, 12.0]));
    ann.screen(&["results", "import", &file]);
    let text = ann.run(&["results", "export", "latest"]).stdout;
    let text = String::from_utf8(text).unwrap();
    let at = text.rfind("\"payload\":\"").unwrap() + 40;
    let mut bad = text.into_bytes();
    bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
    let path = ann.path("bad.bundle");
    std::fs::write(&path, bad).unwrap();
    let error = ann.refused(&["verify", &path.display().to_string()]);
    assert!(error.contains("bad.bundle") && error.contains("line 2"), "{error}");
    let error = ann.refused(&["results", "import", &path.display().to_string()]);
    assert!(error.contains("line 2"), "{error}");
    assert_eq!(ann.json(&["results", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_rate_above_the_ceiling_does_not_verify() {
    let ann = User::new();
    let file = write(&ann.path("a.json"), &llama_bench(7000, "2026-03-01", [1990.0, 2000.0, 2010.0]));
    ann.screen(&["results", "import", &file]);
    let output = ann.run(&["verify", "--all"]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("NOT SOUND") && text.contains("WRONG"), "{text}");
}

#[test]
fn a_key_is_shown_and_another_is_trusted() {
    let (ann, bob) = (User::new(), User::new());
    let key = ann.json(&["key"])["key"].as_str().unwrap().to_owned();
    assert_eq!(ann.json(&["key"])["key"], key.as_str(), "the key stays");
    bob.screen(&["key", "--trust", &key, "--name", "Ann's lab"]);
    assert_eq!(bob.json(&["key"])["known"][0]["name"], "Ann's lab");
    assert!(bob.refused(&["key", "--trust", "zz"]).contains("64 hexadecimal digits"));
}

/// A server that answers every request with eight tokens.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || while answer(&client).is_some() {});
        }
    });
    port
}

/// Answers one request; `None` when the client has gone.
fn answer(mut client: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(client);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let post = line.starts_with("POST");
    let known = post && line.contains("completions") || line.contains("/v1/models");
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(count) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = count.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let token = "data: {\"choices\":[{\"delta\":{\"content\":\"x \"},\"text\":\"x \"}]}\n\n".repeat(8);
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":8}}\n\ndata: [DONE]\n\n";
    let (status, kind, body) = match (known, post) {
        (false, _) => ("404 Not Found", "application/json", "{}".to_owned()),
        (true, true) => ("200 OK", "text/event-stream", token + usage),
        (true, false) => ("200 OK", "application/json", "{\"data\":[{\"id\":\"mock-1b\"}]}".to_owned()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).ok()
}

#[test]
fn a_load_test_lands_in_the_ledger_and_can_be_recomputed() {
    let ann = User::new();
    let url = format!("http://127.0.0.1:{}", server());
    let words =
        ["bench", "--endpoint", &url, "--concurrency", "1,2", "--requests", "8", "--input-tokens", "16"];
    let output = ann.run(&[&words[..], &["--output-tokens", "8"]].concat());
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && talk.contains("kept as"), "{talk}");
    let list = ann.json(&["results", "list", "--kind", "load"]);
    assert_eq!((&list[0]["model"], &list[0]["kind"]), (&"mock-1b".into(), &"load".into()));
    let again = ann.json(&["results", "recompute", "latest"]);
    assert_eq!((&again["identical"], again["rows"].as_array().map(Vec::len)), (&true.into(), Some(2)));
    assert!(ann.screen(&["verify", "--all"]).contains("1 records recomputed"));
    let shown = ann.json(&["results", "show", "latest"]).to_string();
    assert!(!shown.contains(&url), "the address of the server is not kept");
}

#[test]
fn a_measurement_that_the_ledger_does_not_take_waits_for_the_next_start() {
    let ann = User::new();
    let url = format!("http://127.0.0.1:{}", server());
    for away in ["postgres://ann:hunter2@127.0.0.1:1/fleet", "/proc/ledger.db"] {
        let words = ["bench", "--endpoint", &url, "--concurrency", "1", "--requests", "4", "--ledger", away];
        let output = ann.run(&[&words[..], &["--input-tokens", "16", "--output-tokens", "8"]].concat());
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && talk.contains("failed to reach the ledger"), "{talk}");
        assert!(talk.contains("waits in") && !talk.contains("hunter2"), "{talk}");
    }
    let next = ann.run(&["results", "list", "--json"]);
    let talk = String::from_utf8_lossy(&next.stderr).into_owned();
    assert!(talk.contains("took 2 waiting records from the spool"), "{talk}");
    let list: Value = serde_json::from_slice(&next.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    assert!(ann.run(&["results", "list"]).stderr.is_empty(), "the spool is empty now");
}

#[test]
#[ignore = "needs the model: scripts/test-real-model.sh"]
fn a_bench_lands_in_the_ledger_and_can_be_recomputed() {
    let ann = User::new();
    let model = std::env::var("ROOFMARK_SMOLLM2").expect("the variable names the file");
    let words =
        ["bench", "--model", &model, "--prefill", "16", "--decode", "4", "--batch", "1", "--reps", "3"];
    let output = ann.run(&words);
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && talk.contains("kept as"), "{talk}");
    let shown = ann.json(&["results", "show", "latest"]);
    let context = &shown["body"]["context"];
    assert_eq!(context["model_files"][0]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(context["tensor_types"][0]["kind"], "Q4_1", "{context}");
    assert_eq!(ann.json(&["results", "recompute", "latest"])["identical"], true);
    assert!(ann.screen(&["results", "show", "latest"]).contains("prefill 16"));
    let bundle = ann.path("r.bundle").display().to_string();
    ann.screen(&["results", "export", "latest", "-o", &bundle]);
    assert!(User::new().screen(&["verify", &bundle]).contains("sound, 1 records"));
}
