//! A page that is served from a data folder of its own, and a client that says exactly what it is told.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A page that is served from a data folder of its own.
pub struct Page {
    child: Child,
    pub port: u16,
    pub token: String,
    pub data: tempfile::TempDir,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

pub fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.env("ROOFMARK_DATA", data).env_remove("ROOFMARK_LEDGER").env("ROOFMARK_CATALOG", "");
    command
}

impl Page {
    pub fn open(arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self::on(data, arguments)
    }

    pub fn on(data: tempfile::TempDir, arguments: &[&str]) -> Self {
        let mut child = program(data.path())
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (url, token) = line.trim().split_once("/#token=").unwrap_or_else(|| panic!("{line}"));
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port, token: token.to_owned(), data }
    }

    pub fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let host = if headers.iter().any(|header| header.to_lowercase().starts_with("host:")) {
            String::new()
        } else {
            format!("Host: 127.0.0.1:{}\r\n", self.port)
        };
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\n{host}{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.body))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A result of llama-bench, with `model` as its name.
pub fn llama_bench(model: &str, rate: f64, date: &str) -> String {
    serde_json::json!([{
        "build_commit": "abc1234", "build_number": 6000, "cpu_info": "Example 9", "gpu_info": "", "backends": "CPU",
        "model_filename": format!("{model}.gguf"), "model_type": format!("{model} Q4_K - Medium"), "model_size": 4_900_000_000_u64,
        "model_n_params": 8_000_000_000_u64, "n_batch": 2048, "n_ubatch": 512, "n_threads": 2, "type_k": "f16", "type_v": "f16",
        "n_gpu_layers": 0, "split_mode": "layer", "main_gpu": 0, "no_kv_offload": false, "flash_attn": false,
        "n_prompt": 0, "n_gen": 128, "n_depth": 0, "test_time": date, "avg_ns": (128e9 / rate) as u64, "stddev_ns": 1000,
        "avg_ts": rate, "stddev_ts": 0.1, "samples_ns": [], "samples_ts": [rate * 0.99, rate, rate * 1.01],
    }])
    .to_string()
}

pub fn import(data: &Path, name: &str, text: &str) {
    let file = data.join(name);
    std::fs::write(&file, text).unwrap();
    let done = program(data).args(["results", "import"]).arg(&file).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
