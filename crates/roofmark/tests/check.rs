//! `roofmark check` as a user sees it, and the page docs/check-article-2026-04.md that it makes.
//! `UPDATE_DOCS=1 cargo test --test check` rewrites the page.

use roofmark_facts::evidence::{MeasuredPhase, Speculation, measurements};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn check(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_roofmark"))
        .arg("check")
        .args(arguments)
        .args(["--today", "2026-11-24"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    let bytes = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&bytes));
    let output = child.wait_with_output().expect("it ends");
    // A program that refuses its input early closes the pipe.
    let _ = writer.join().expect("the writer ends");
    output
}

fn json(arguments: &[&str], input: &[u8]) -> Value {
    let output = check(&[arguments, &["--json"]].concat(), input);
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/article-2026-04.md")
}

#[test]
fn one_claim_is_judged_with_its_arithmetic_and_exits_with_3() {
    let output = check(&["--claim", "30-45 tok/s, Llama 3.1 70B Q4_K_M, M5 Max"], b"");
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8(output.stdout).expect("UTF-8"), @r#"
    1 claim found: 1 impossible, 0 underspecified, 0 consistent; 0 other statements
    do not hold.

    30 to 45 tok/s  apple-m5-max, llama-3.1-70b, Q4_K_M, decode
      “30-45 tok/s, Llama 3.1 70B Q4_K_M, M5 Max”
      impossible: 30 to 45 tok/s × 41.9 GB = 1,258 to 1,886 GB/s; this machine has
      614; ceiling 14.6. It would take 2.1 accepted tokens a pass, or 3 streams
      - 45 tok/s would take: 3.1 accepted tokens a pass; 4 streams; 4 machines of
        this kind; 1.6 bits a weight instead of 4.8
    "#);
}

#[test]
fn the_json_has_the_fields_that_are_promised() {
    let document = json(&["-"], b"The DGX Spark does 2.7 tok/s on Llama 3.1 70B FP8.");
    let claim = &document["claims"][0];
    assert_eq!(claim["machine"], "nvidia-dgx-spark");
    assert_eq!(claim["model"], "llama-3.1-70b");
    assert_eq!(claim["quant"], "FP8");
    assert_eq!(claim["phase"], "decode");
    assert_eq!(claim["concurrency"], 1);
    assert_eq!((claim["low"].as_f64(), claim["high"].as_f64()), (Some(2.7), Some(2.7)));
    assert_eq!(claim["ceiling"].as_f64().map(|rate| (rate * 100.0).round()), Some(387.0));
    assert_eq!(
        (&claim["verdict"], &claim["verdict_high"]),
        (&Value::from("consistent"), &Value::from("consistent"))
    );
    assert!(claim["text"].as_str().is_some_and(|text| text.starts_with("The DGX Spark")));
}

#[test]
fn input_that_is_no_text_is_refused_with_a_clear_error() {
    for (input, words) in [(&b"GGUF\0\0"[..], "it is binary"), (b"30 tok/s \xff\xfe", "it is not UTF-8")] {
        let output = check(&["-"], input);
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let missing = check(&["no-such-file.txt"], b"");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file.txt"));
    let empty = check(&["--claim", "fast"], b"");
    assert_eq!(empty.status.code(), Some(1));
}

#[test]
fn more_than_is_read_is_refused_without_reading_it_all() {
    let output = check(&["-"], &vec![b'a'; 17 << 20]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is longer than 16777216 bytes"));
}

#[test]
fn pages_and_screens_escape_what_they_show() {
    let hostile = "<script>alert(1)</script> RTX 4090 does 900 tok/s on Llama 3.1 8B Q8_0 \u{1b}[31m\u{202e}";
    let page = check(&["-", "--format", "html"], hostile.as_bytes());
    let page = String::from_utf8(page.stdout).expect("UTF-8");
    assert!(page.contains("<mark class=\"impossible\">900 tok/s</mark>"), "{page}");
    assert!(!page.contains("<script") && page.contains("default-src 'none'"));
    let screen = String::from_utf8(check(&["-"], hostile.as_bytes()).stdout).expect("UTF-8");
    assert!(!screen.contains('\u{1b}') && !screen.contains('\u{202e}'));
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
}

/// Every measured row as a line of a table: none is impossible, nearly all are consistent.
#[test]
fn measured_rates_pass_the_referee_with_the_predictor_at_its_side() {
    let mut table = String::from("machine,model,quantization,engine,phase,concurrency,context,notes,tok/s\n");
    for row in measurements().iter().filter(|row| row.flag.is_none()) {
        let phase = match row.phase {
            MeasuredPhase::Prefill => "prefill",
            MeasuredPhase::Decode => "decode",
            MeasuredPhase::DecodeBatched => "decode aggregate",
        };
        let prompt = row.prompt.filter(|_| row.phase == MeasuredPhase::Prefill);
        let context = row.depth.filter(|depth| *depth > 0).or(prompt).map(|tokens| tokens.to_string());
        let notes = if row.speculation == Speculation::None { "" } else { "speculative decoding" };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let cells = [
            &text(&row.quant),
            &text(&row.engine),
            phase,
            &row.concurrency.to_string(),
            &context.unwrap_or_default(),
            notes,
        ];
        table += &format!("{},{},{},{}\n", row.machine, row.model, cells.join(","), row.rate.get());
    }
    let path = tempfile::Builder::new().suffix(".csv").tempfile().expect("a temporary file");
    std::fs::write(path.path(), &table).expect("it is written");
    let document = json(&[path.path().to_str().expect("a UTF-8 path")], b"");
    let claims = document["claims"].as_array().expect("claims");
    let count = |verdict: &str| claims.iter().filter(|claim| claim["verdict"] == verdict).count() as f64;
    let all = claims.len() as f64;
    assert_eq!(claims.len(), table.lines().count() - 1);
    assert_eq!(count("impossible"), 0.0);
    assert!(count("consistent") / all >= 0.90 && count("implausible") / all <= 0.03);
}

/// Every statement of the article that the project grew from, by what is found of it.
#[test]
fn the_article_comes_out_as_it_should() {
    let document = json(&[fixture().to_str().expect("a UTF-8 path")], b"");
    expect_verdicts(&document);
    expect_findings(&document);
}

/// The same on the article itself, where a copy is at hand (`ROOFMARK_ARTICLE`).
#[test]
fn the_whole_article_comes_out_as_it_should() {
    let Some(path) = std::env::var_os("ROOFMARK_ARTICLE") else { return };
    let document = json(&[path.to_str().expect("a UTF-8 path")], b"");
    assert!(document["claims"].as_array().is_some_and(|claims| claims.len() >= 25));
    expect_verdicts(&document);
    expect_findings(&document);
}

fn expect_verdicts(document: &Value) {
    for claim in document["claims"].as_array().expect("claims") {
        let text = |key: &str| claim[key].as_str().unwrap_or_default();
        let (low, high) = (text("verdict"), text("verdict_high"));
        let machine = text("machine");
        let forecast = claim["forecast"].as_bool().unwrap_or_default();
        let expected: &[&str] = match machine {
            _ if forecast => &["cannot come true"],
            "nvidia-dgx-spark" => &["consistent"],
            "nvidia-rtx-5090" => &["underspecified"],
            "amd-strix-halo-128gb" => &["consistent", "implausible"],
            "" => &["underspecified"],
            _ => &["impossible"],
        };
        assert!(
            expected.contains(&low) && expected.contains(&high),
            "{machine} {low} {high}: {}",
            text("text")
        );
    }
}

fn expect_findings(document: &Value) {
    let findings = document["findings"].as_array().expect("findings");
    let wrong = |kind: &str, words: &str| {
        let found = findings.iter().any(|finding| {
            finding["kind"] == kind
                && finding["holds"] == false
                && finding["line"].as_str().is_some_and(|line| line.contains(words))
        });
        assert!(found, "no {kind} with `{words}` among {findings:#?}");
    };
    wrong(
        "price_difference",
        "$1,200 against the 32-core variant at $3,499, and $800 against the 40-core variant at $3,899",
    );
    wrong("budget", "$4,699 + $3,499 = $8,198");
    wrong("budget", "$399 above the $3,500");
    wrong("link", "half of it");
    wrong("memory", "32 GB");
    wrong("price", "GeForce RTX 5090");
    wrong("units", "48 streaming multiprocessors");
    wrong("unlike_comparison", "FP8 and Q4_K_M");
}

#[test]
fn the_page_on_the_article_is_what_the_program_says() {
    let output = check(&[fixture().to_str().expect("a UTF-8 path"), "--format", "md"], b"");
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    let page = format!(
        "# The article of April 2026, checked\n\nMade by `roofmark check` from the statements in \
         `crates/roofmark/tests/data/article-2026-04.md`; a test keeps it so.\n\n{report}"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/check-article-2026-04.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let stored = std::fs::read_to_string(&path).expect("docs/check-article-2026-04.md");
    assert!(
        stored == page,
        "docs/check-article-2026-04.md is not what the program says; run with UPDATE_DOCS=1"
    );
}
