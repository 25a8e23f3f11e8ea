//! Precision and recall of the claim reader on labelled texts.

mod common;

use roofmark_facts::claim::Claim;
use roofmark_verdict::reader::{self, Format};
use std::fmt::Write as _;

/// One labelled text.
struct Labelled {
    name: String,
    format: Format,
    text: String,
    expected: Vec<Expected>,
}

/// One expected claim.
#[derive(Debug)]
struct Expected {
    fields: Vec<String>,
    extras: Vec<String>,
}

fn corpus(folder: &str) -> Vec<Labelled> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(path)
        .expect("the corpus is there")
        .map(|file| file.expect("it lists").path())
        .collect();
    files.sort();
    files.iter().flat_map(|file| labelled(&std::fs::read_to_string(file).expect("it reads"))).collect()
}

fn labelled(file: &str) -> Vec<Labelled> {
    let mut texts = Vec::new();
    let sections = format!("\n{file}");
    for section in sections.split("\n=== ").skip(1) {
        let section = format!("{section}\n");
        let (head, rest) = section.split_once('\n').expect("a head line");
        let (name, format) = head.split_once(' ').expect("a name and a format");
        let at = if rest.starts_with("---\n") { 0 } else { rest.rfind("\n---\n").expect("a rule") + 1 };
        let expected = rest[at + 4..].lines().filter(|line| !line.trim().is_empty()).map(expected).collect();
        let format = match format.trim() {
            "html" => Format::Html,
            "csv" => Format::Csv,
            _ => Format::Text,
        };
        texts.push(Labelled { name: name.into(), format, text: rest[..at].into(), expected });
    }
    texts
}

fn expected(line: &str) -> Expected {
    let mut fields: Vec<String> = line.split('|').map(|field| field.trim().to_owned()).collect();
    let extras =
        fields.pop().expect("extras").split(';').filter(|extra| *extra != "-").map(str::to_owned).collect();
    assert_eq!(fields.len(), 5, "{line}");
    Expected { fields, extras }
}

/// Why `claim` is not what is expected; empty when it is.
fn differences(claim: &Claim, expected: &Expected) -> Vec<String> {
    let extra = |key: &str| expected.extras.iter().find_map(|extra| extra.strip_prefix(&format!("{key}=")));
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let mut wrong = Vec::new();
    let mut check = |name: &str, said: String, wanted: String| {
        if said != wanted {
            wrong.push(format!("{name} {said} (wanted {wanted})"));
        }
    };
    let machine = text(&claim.machine);
    let family = expected.fields[0].clone();
    check("machine", if machine.starts_with(&family) { family.clone() } else { machine }, family);
    check("model", text(&claim.model), expected.fields[1].clone());
    check("quant", text(&claim.quant), expected.fields[2].clone());
    check(
        "phase",
        format!("{} x{}", claim.phase.name(), claim.concurrency.map_or("-".into(), |n| n.to_string())),
        expected.fields[3].clone(),
    );
    check("devices", claim.devices.to_string(), extra("dev").unwrap_or("1").into());
    check("context", claim.context.map_or("-".into(), |n| n.to_string()), extra("ctx").unwrap_or("-").into());
    check("engine", text(&claim.engine), extra("engine").unwrap_or("-").into());
    check("due", text(&claim.due), extra("due").unwrap_or("-").into());
    check(
        "speculation",
        claim.speculation.to_string(),
        expected.extras.iter().any(|extra| extra == "spec").to_string(),
    );
    wrong
}

fn same_value(claim: &Claim, expected: &Expected) -> bool {
    let (low, high) =
        expected.fields[4].split_once('-').unwrap_or((&expected.fields[4], &expected.fields[4]));
    let near = |said: f64, wanted: &str| {
        wanted.parse::<f64>().is_ok_and(|wanted| (said / wanted - 1.0).abs() < 0.005)
    };
    near(claim.low, low) && near(claim.high, high)
}

/// Whether all that differs is the engine or the context, which the output's own form leaves out.
fn is_minor(wrong: &[String]) -> bool {
    wrong.iter().all(|field| field.starts_with("engine") || field.starts_with("context"))
}

/// Right, found and expected claims, and a list of what went wrong.
fn score(folder: &str) -> (usize, usize, usize, String) {
    let lexicon = common::lexicon();
    let (mut right, mut found, mut wanted, mut log) = (0, 0, 0, String::new());
    let mut minor = 0;
    for text in corpus(folder) {
        let read = reader::read(text.text.as_bytes(), text.format, &lexicon).expect("it reads");
        let mut left: Vec<&Claim> = read.claims.iter().collect();
        found += left.len();
        wanted += text.expected.len();
        for expected in &text.expected {
            let candidates = left.iter().enumerate().filter(|(_, claim)| same_value(claim, expected));
            let best = candidates
                .map(|(at, claim)| (differences(claim, expected), at))
                .min_by_key(|(wrong, _)| wrong.len());
            match best {
                Some((wrong, at)) => {
                    left.remove(at);
                    if wrong.is_empty() {
                        right += 1;
                    } else {
                        minor += usize::from(is_minor(&wrong));
                        let _ = writeln!(log, "{}: {}: {}", text.name, expected.fields[4], wrong.join("; "));
                    }
                }
                None => {
                    let _ = writeln!(log, "{}: {} not found", text.name, expected.fields.join(" | "));
                }
            }
        }
        for claim in left {
            let _ = writeln!(
                log,
                "{}: extra {}-{} {:?} {:?}",
                text.name, claim.low, claim.high, claim.machine, claim.model
            );
        }
    }
    let _ = writeln!(log, "right but for engine or context: {}", right + minor);
    (right, found, wanted, log)
}

fn check(folder: &str) {
    let (right, found, wanted, log) = score(folder);
    let (precision, recall) = (right as f64 / found as f64, right as f64 / wanted as f64);
    println!(
        "{folder}: {right} right of {found} found and {wanted} expected: precision {precision:.3}, recall {recall:.3}\n{log}"
    );
    assert!(
        precision >= 0.95 && recall >= 0.90,
        "{folder}: precision {precision:.3}, recall {recall:.3}\n{log}"
    );
}

#[test]
fn texts_that_the_reader_was_built_on_are_read() {
    check("train");
}

#[test]
fn texts_that_were_kept_apart_are_read() {
    check("heldout");
}

/// Prints the claims of the file that `ROOFMARK_READ` names; a help for building the reader.
#[test]
#[ignore = "prints; asserts nothing"]
fn print_claims_of_a_file() {
    let path = std::env::var("ROOFMARK_READ").expect("ROOFMARK_READ names a file");
    let bytes = std::fs::read(&path).expect("it reads");
    let read = reader::read(&bytes, Format::guess(&path, &bytes), &common::lexicon()).expect("it is text");
    for claim in read.claims {
        println!(
            "{:?}-{:?} | {:?} | {:?} | {:?} | {} x{:?} | ctx {:?} | {:?} | spec {} dev {} due {:?} {} | {}",
            claim.low,
            claim.high,
            claim.machine,
            claim.model,
            claim.quant,
            claim.phase.name(),
            claim.concurrency,
            claim.context,
            claim.engine,
            claim.speculation,
            claim.devices,
            claim.due,
            claim.forecast,
            claim.text.chars().take(110).collect::<String>()
        );
    }
}

/// Scores the folder that `ROOFMARK_CORPUS` names, for a first reading of a new batch.
#[test]
#[ignore = "prints; asserts nothing"]
fn print_the_score_of_a_folder() {
    let folder = std::env::var("ROOFMARK_CORPUS").expect("ROOFMARK_CORPUS names a folder");
    let (right, found, wanted, log) = score(&folder);
    println!("{folder}: {right} right of {found} found and {wanted} expected\n{log}");
}
