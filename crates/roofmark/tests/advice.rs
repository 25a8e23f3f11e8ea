//! Sessions with `advise` and `cost`, and the sessions of docs/advice.md, which this test runs.
//! `UPDATE_DOCS=1 cargo test --test advice` rewrites their output.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const DAY: &str = "2026-11-24";
const ARTICLE: [&str; 8] = [
    "--machine",
    "apple-m5-max-40c-128gb",
    "--machine",
    "nvidia-dgx-spark",
    "--machine",
    "amd-strix-halo-128gb",
    "--machine",
    "nvidia-rtx-5090",
];

fn roofmark(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.args(words).env("ROOFMARK_CATALOG", "").output().expect("the program runs")
}

fn json(words: &[&str]) -> Value {
    let output = roofmark(&[words, &["--json", "--today", DAY]].concat());
    assert!(!output.stdout.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn machines(document: &Value, list: &str) -> Vec<String> {
    let rows = document[list].as_array().expect("a list");
    rows.iter().map(|row| row["machine"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for words in [
        &["cost", "nvidia-dgx-spark", "--model", "gpt-oss-120b", "--quant", "MXFP4", "--today", DAY][..],
        &["advise", "--model", "gpt-oss-20b", "--quant", "MXFP4", "--budget", "2000", "--today", DAY][..],
    ] {
        assert_eq!(roofmark(words).stdout, roofmark(words).stdout, "{words:?}");
    }
}

#[test]
fn every_machine_is_placed_or_left_out_with_a_reason() {
    let document = json(&["advise", "--model", "llama-3.1-70b", "--budget", "5200"]);
    let (places, excluded) = (machines(&document, "places"), machines(&document, "excluded"));
    let list: Value = serde_json::from_slice(&roofmark(&["machines", "--json"]).stdout).expect("a document");
    let all = list["machines"].as_array().map_or(0, Vec::len);
    assert_eq!(places.len() + excluded.len(), all);
    for left in document["excluded"].as_array().expect("a list") {
        assert!(!left["reasons"].as_array().expect("reasons").is_empty(), "{left}");
    }
    for place in document["places"].as_array().expect("a list") {
        assert_eq!(place["price"].is_null(), place["monthly"].is_null(), "{place}");
    }
}

#[test]
fn the_users_price_wins() {
    let words = ["advise", "--model", "gpt-oss-120b", "--quant", "MXFP4", "--machine", "nvidia-dgx-spark"];
    let price = |more: &[&str]| json(&[&words[..], more].concat())["places"][0]["price"].clone();
    assert_eq!(price(&[])["value"]["known"], 4699.0);
    let given = price(&["--price", "DGX Spark=4299"]);
    assert_eq!((&given["value"]["known"], &given["basis"]), (&Value::from(4299.0), &Value::from("given")));
}

#[test]
fn a_price_is_stale_after_six_months() {
    let stale = |day: &str| {
        let words = ["cost", "nvidia-dgx-spark", "--json", "--today", day];
        let document: Value = serde_json::from_slice(&roofmark(&words).stdout).expect("a document");
        document["question"]["inputs"]["price"]["stale"].clone()
    };
    assert_eq!((stale("2026-11-24"), stale("2027-06-01")), (Value::Bool(false), Value::Bool(true)));
}

#[test]
fn vllm_on_apple_gets_its_dated_answer() {
    let words =
        ["advise", "--model", "llama-3.1-8b", "--engine", "vllm", "--machine", "apple-m5-max-40c-128gb"];
    let document = json(&words);
    assert_eq!(machines(&document, "places"), ["apple-m5-max-40c-128gb"]);
    let answer = document["answers"][0]["answer"].as_str().expect("an answer");
    assert!(answer.starts_with("yes") && answer.contains("since 2025-12-17"), "{answer}");
}

#[test]
fn an_impossible_set_names_what_excludes_all() {
    let words =
        ["advise", "--model", "llama-3.1-405b", "--os", "macos", "--least-rate", "900", "--today", DAY];
    let output = roofmark(&words);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.starts_with("no machine of 294 is left") && text.contains("excludes"), "{text}");
    let output =
        roofmark(&[&["advise", "--model", "llama-3.1-70b", "--budget", "300"][..], &ARTICLE].concat());
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_article_can_reach_its_rate_only_with_help() {
    let words =
        ["advise", "--target", "30 tok/s on llama-3.1-70b Q4_K_M", "--machine", "apple-m5-max-40c-128gb"];
    let document = json(&words);
    assert!(!machines(&document, "reach").contains(&"apple-m5-max-40c-128gb".to_owned()));
    assert!(document["ways"][0]["accepted"].as_f64().expect("a number") > 2.0);
    assert!(document["least_bandwidth_gb_s"].as_f64().expect("a number") > 1258.0);
}

#[test]
fn bad_input_names_the_field_and_the_value() {
    for (words, hint) in [
        (&["cost", "dgx sprak"][..], "nvidia-dgx-spark"),
        (&["cost", "nvidia-dgx-spark", "--price", "nvidia-dgx-spark=-3"][..], "--price is -3"),
        (&["cost", "nvidia-dgx-spark", "--hours", "30"][..], "hours on a day is 30"),
        (&["cost", "nvidia-dgx-spark", "--utilisation", "150"][..], "share working is 1.5"),
        (&["cost", "nvidia-dgx-spark", "--tariff", "Atlantis"][..], "United States"),
        (&["cost", "nvidia-dgx-spark", "--tariff", "0.4..0.2"][..], "from 0.4 down to 0.2"),
        (&["cost", "nvidia-dgx-spark", "--years", "NaN"][..], "--years is NaN"),
        (&["cost", "nvidia-dgx-spark", "--today", "2026-13-01"][..], "--today is `2026-13-01`"),
        (&["advise", "--model", "llama-3.1-70b", "--budget", "-5"][..], "--budget is -5"),
        (&["advise", "--model", "lama-3.1-70b"][..], "llama-3.1-70b"),
        (&["advise", "--model", "llama-3.1-70b", "--engine", "vlm"][..], "vllm"),
        (&["advise", "--model", "llama-3.1-70b", "--workload", "caht"][..], "chat"),
        (&["advise", "--model", "llama-3.1-70b", "--machine", "nvidia-dgx-sparkle"][..], "nvidia-dgx-spark"),
        (&["advise", "--target", "fast on llama"][..], "expected the form"),
        (&["advise"][..], "--at-least"),
    ] {
        let output = roofmark(words);
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{words:?}");
        assert!(error.contains(hint), "{words:?}: {error}");
    }
}

/// Words of a command line; double quotes keep blanks.
fn words(line: &str) -> Vec<String> {
    let pieces = line.split('"').enumerate();
    pieces
        .flat_map(|(index, piece)| match index % 2 {
            1 => vec![piece.to_owned()],
            _ => piece.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}

/// The page with the output of every session replaced by today's.
fn rerun(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(command) = line.strip_prefix("$ roofmark ") {
            let words = words(command);
            let output = roofmark(&words.iter().map(String::as_str).collect::<Vec<_>>());
            let shown = String::from_utf8(output.stdout).expect("UTF-8");
            assert!(shown.lines().all(|line| line.chars().count() <= 100), "{command}: wide");
            text += &format!("{line}\n{shown}");
            inside = true;
            continue;
        }
        inside &= line != "```";
        if !inside {
            text += &format!("{line}\n");
        }
    }
    text
}

#[test]
fn the_sessions_of_the_documentation_are_real() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/advice.md");
    let page = std::fs::read_to_string(&path).expect("docs/advice.md");
    let real = rerun(&page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &real).expect("docs/advice.md is written");
        return;
    }
    assert!(page == real, "docs/advice.md is stale: run UPDATE_DOCS=1 cargo test -p roofmark --test advice");
}
