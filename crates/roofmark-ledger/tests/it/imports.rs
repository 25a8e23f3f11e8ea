//! Results of other tools, read from what the tools wrote (see foreign/README.md).

use roofmark_facts::units::TokensPerSecond;
use roofmark_ledger::import::{Form, read};
use roofmark_ledger::observation::{Observation, ObservedCell};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect("the fixture is there")
}

/// What was read, one line an observation and one a cell.
fn text(seen: &[Observation]) -> String {
    let mut text = String::new();
    for one in seen {
        let subject = &one.subject;
        let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".into());
        let _ = writeln!(
            text,
            "{}: {} {} on {} {}, {} {}, {}",
            one.origin.form,
            or(&subject.model),
            or(&subject.quant),
            or(&subject.machine),
            or(&subject.backend),
            or(&subject.engine),
            or(&subject.version),
            or(&subject.date)
        );
        one.cells.iter().for_each(|cell| line(&mut text, cell));
        let _ = writeln!(text, "missing: {}", one.missing.join(", "));
    }
    text
}

fn line(text: &mut String, cell: &ObservedCell) {
    let count =
        |name: &str, value: Option<u64>| value.map_or(String::new(), |value| format!(" {name}{value}"));
    let _ = write!(
        text,
        "  {}{}{}{}{} = {:.2}",
        cell.timed.name(),
        count("p", cell.prompt),
        count("g", cell.generated),
        count("d", cell.depth),
        count("x", cell.batch),
        cell.rate.map_or(f64::NAN, TokensPerSecond::get)
    );
    if let Some(deviation) = cell.deviation {
        let _ = write!(text, " ± {:.2}", deviation.get());
    }
    let _ = write!(text, ", {} samples, {} metrics", cell.samples.len(), cell.metrics.len());
    for doubt in &cell.doubts {
        let _ = write!(text, ", {doubt}");
    }
    text.push('\n');
}

fn check(name: &str, form: Form, expected: &str) {
    let seen = read(None, name, &bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        seen.iter().all(|one| one.origin.form == form.name() && one.origin.file_sha256.is_some()),
        "{name}"
    );
    let found = text(&seen);
    assert_eq!(found.trim(), expected.trim(), "{name}:\n{found}");
}

/// What each file says, file by file.
const EXPECTED: &str = include_str!("foreign/expected.txt");

#[test]
fn each_form_of_each_tool() {
    let forms = [
        ("llama-bench.json", Form::LlamaBenchJson),
        ("llama-bench.jsonl", Form::LlamaBenchJsonl),
        ("llama-bench.csv", Form::LlamaBenchCsv),
        ("llama-bench.md", Form::LlamaBenchMarkdown),
        ("llama-bench.sql", Form::LlamaBenchSql),
        ("llama-batched-bench.jsonl", Form::BatchedBenchJsonl),
        ("llama-batched-bench.md", Form::BatchedBenchMarkdown),
        ("vllm-bench.json", Form::VllmServe),
        ("guidellm.json", Form::Guidellm),
        ("aiperf.json", Form::AiperfJson),
        ("aiperf.csv", Form::AiperfCsv),
        ("llama-benchy.json", Form::LlamaBenchy),
        ("localscore.json", Form::LocalScore),
    ];
    let expected: Vec<(&str, &str)> =
        EXPECTED.split("== ").skip(1).filter_map(|part| part.split_once('\n')).collect();
    assert_eq!(expected.len(), forms.len());
    for ((name, form), (expected_name, expected)) in forms.into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        check(name, form, expected);
    }
}

#[test]
fn nothing_private_of_a_foreign_file_is_taken_over() {
    for (name, secret) in
        [("llama-bench.json", "/home/ann"), ("guidellm.json", "127.0.0.1"), ("aiperf.json", "/home/ann")]
    {
        let bytes = bytes(name);
        assert!(String::from_utf8_lossy(&bytes).contains(secret), "{name} holds it");
        let seen = read(None, name, &bytes).expect("it reads");
        let all = serde_json::to_string(&seen).expect("JSON");
        for secret in [secret, "/home/", "messages", "http://"] {
            assert!(!all.contains(secret), "{name}: {secret} in {all}");
        }
    }
}

#[test]
fn a_file_that_lies_is_refused_whole() {
    for (name, from, to, reason) in [
        ("llama-bench.json", "\"avg_ts\": 462.172911", "\"avg_ts\": -1", "cannot be"),
        ("llama-bench.json", "\"avg_ts\": 462.172911", "\"avg_ts\": \"many\"", "no number"),
        ("llama-bench.jsonl", "\"n_gen\": 0", "\"n_gen\": -3", "no count"),
        ("llama-bench.csv", "\"462.634850\"", "\"inf\"", "cannot be"),
        ("llama-bench.sql", "VALUES (", "VALUES ('one more', ", "columns but"),
        ("llama-benchy.json", "52.58518181584318", "null", "mean"),
        ("vllm-bench.json", "67.024787632542", "1e999", "out of range"),
        ("guidellm.json", "\"metrics\"", "\"nothing\"", "metrics is missing"),
        ("localscore.json", "10012.5", "-10012.5", "cannot be"),
    ] {
        let text = String::from_utf8(bytes(name)).expect("UTF-8");
        assert!(text.contains(from), "{name} has no {from}");
        let error = read(None, name, text.replace(from, to).as_bytes()).expect_err(name).to_string();
        assert!(error.contains(reason) && error.contains(name), "{name}: {error}\nlacks: {reason}");
    }
    let error = read(None, "a.txt", b"dear diary").expect_err("no form").to_string();
    assert!(error.contains("its form is not known; known forms: bundle, llama-bench json"), "{error}");
    assert!(read(None, "a.bin", b"\xff\xfe").expect_err("no text").to_string().contains("not UTF-8"));
}

#[test]
fn a_damaged_file_never_ends_the_program() {
    let mut state = 1_u64;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides
    };
    let (mut refused, mut read_all) = (0, 0);
    for entry in std::fs::read_dir(folder()).expect("the folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        let whole = bytes(&name);
        for _ in 0..100 {
            let mut bad = whole.clone();
            for _ in 0..=dice(4) {
                let at = dice(bad.len());
                match dice(4) {
                    0 => bad[at] = b"{}[],:\"|'-9e\n\\"[dice(14)],
                    1 => bad.truncate(at + 1),
                    2 => drop(bad.drain(at..(at + dice(40)).min(whole.len()).min(bad.len()).max(at))),
                    _ => {
                        bad.splice(at..at, whole[..dice(60).min(whole.len())].iter().copied()).for_each(drop);
                    }
                }
            }
            match read(None, &name, &bad) {
                Ok(_) => read_all += 1,
                Err(error) => {
                    assert!(error.to_string().len() < 2_000, "{name}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 300 && read_all > 50, "{refused} refused, {read_all} read");
}
