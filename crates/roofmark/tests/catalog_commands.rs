//! Sessions with `machines`, `models` and `ceiling`.

use serde_json::Value;
use std::process::{Command, Output};

fn roofmark(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
    command.args(words).env("ROOFMARK_CATALOG", "").output().expect("the program runs")
}

fn json(words: &[&str]) -> Value {
    let output = roofmark(&[words, &["--json"]].concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn refused(words: &[&str]) -> String {
    let output = roofmark(words);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{words:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn ceilings_of_the_worked_cases() {
    for (machine, quant, depth, rate, limit) in [
        ("M5 Max 40-core 128GB", "Q4_K_M", "0", 14.6, "bandwidth"),
        ("DGX Spark", "fp8", "0", 3.87, "bandwidth"),
        ("DGX Spark", "q4km", "0", 6.5, "bandwidth"),
        ("RTX 5090", "Q4_K_M", "2048", 6.0, "link"),
    ] {
        let words =
            ["ceiling", "--machine", machine, "--model", "llama3.1:70b", "--quant", quant, "--depth", depth];
        let document = json(&words);
        let ceiling = document["ceiling_tokens_per_s"].as_f64().expect("a number");
        assert!((ceiling / rate - 1.0).abs() < 0.01, "{machine} {quant}: {ceiling}");
        assert_eq!(document["limited_by"], limit, "{machine}");
    }
}

#[test]
fn a_host_that_computes_what_spills_lifts_the_ceiling() {
    let words = ["ceiling", "--machine", "rtx 5090", "--model", "llama-3.1-70b", "--depth", "2048"];
    let rate = |host: &str| {
        json(&[&words[..], &["--host-bandwidth", host]].concat())["ceiling_tokens_per_s"]
            .as_f64()
            .expect("a number")
    };
    assert!((7.0..8.0).contains(&rate("80")) && (26.0..28.0).contains(&rate("500")));
}

#[test]
fn what_does_not_fit_has_no_ceiling() {
    let document = json(&["ceiling", "--machine", "apple-m4-max-32c-36gb", "--model", "llama-3.1-70b"]);
    assert_eq!(
        (&document["ceiling_tokens_per_s"], &document["limited_by"]),
        (&Value::Null, &Value::from("capacity"))
    );
}

#[test]
fn unknown_and_ambiguous_names_are_refused_with_what_is_near() {
    for (words, hint) in [
        (&["ceiling", "--machine", "dgx sprak", "--model", "gpt-oss-20b"][..], "nvidia-dgx-spark"),
        (&["ceiling", "--machine", "m5 max", "--model", "gpt-oss-20b"][..], "apple-m5-max-40c-128gb"),
        (&["ceiling", "--machine", "dgx spark", "--model", "gtp-oss-20b"][..], "gpt-oss-20b"),
        (&["ceiling", "--machine", "dgx spark", "--model", "gpt-oss-20b", "--quant", "Q4_K_N"][..], "Q4_K_M"),
        (&["ceiling", "--machine", "dgx spark", "--model", "gpt-oss-20b", "--kv-type", "q9"][..], "q8_0"),
        (
            &["ceiling", "--machine", "dgx spark", "--model", "gpt-oss-20b", "--batch", "0"][..],
            "--batch is 0",
        ),
        (&["machines", "rtx 5099"][..], "nvidia-rtx-5090"),
        (&["models", "lama-3.1-8b"][..], "llama-3.1-8b"),
    ] {
        let error = refused(words);
        assert!(error.contains(hint), "{words:?}: {error}");
    }
}

#[test]
fn lists_hold_the_whole_catalog() {
    let machines = json(&["machines"])["machines"].as_array().map_or(0, Vec::len);
    let models = json(&["models"])["models"].as_array().map_or(0, Vec::len);
    assert!(machines >= 50 && models >= 40, "{machines} machines, {models} models");
    assert_eq!(json(&["models", "Llama 3.1 70B"])["kv_bytes_per_token"], 327_680.0);
}

#[test]
fn an_owners_catalog_is_laid_over_the_built_in_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.toml");
    let text = "[source.s]\ntitle = \"probe\"\ndate = \"2026\"\n[[machine]]\nslug = \"my-box\"\nvendor = \"me\"\n\
                name = \"My box\"\nkind = \"cpu\"\nclass = \"cpu-x86\"\n[machine.facts]\n\
                bandwidth_gb_s = { value = 64, source = \"s\", basis = \"measured\" }\n";
    std::fs::write(&path, text).expect("written");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roofmark"));
        command.args(words).env("ROOFMARK_CATALOG", &path).output().expect("the program runs")
    };
    let output = run(&["ceiling", "--machine", "my box", "--model", "llama-3.1-8b", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!((document["ceiling_tokens_per_s"].as_f64().expect("a number") - 64.0 / 4.617).abs() < 0.01);
    std::fs::write(&path, text.replace("\"s\"", "\"t\"")).expect("written");
    let error = String::from_utf8(run(&["machines"]).stderr).expect("UTF-8");
    assert!(error.contains("mine.toml") && error.contains("`my-box`"), "{error}");
}
