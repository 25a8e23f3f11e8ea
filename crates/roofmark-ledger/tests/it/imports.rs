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

#[test]
fn each_form_of_each_tool() {
    for (name, form, expected) in EXPECTED {
        check(name, *form, expected);
    }
}

const EXPECTED: &[(&str, Form, &str)] = &[];

#[test]
#[ignore = "prints"]
fn print_all() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "README.md" {
            continue;
        }
        match read(None, &name, &bytes(&name)) {
            Ok(seen) => println!("== {name}\n{}", text(&seen)),
            Err(error) => println!("== {name}\nERR {error}"),
        }
    }
}
