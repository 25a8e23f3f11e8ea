//! docs/commands.md is what the program's own help says. `UPDATE_DOCS=1 cargo test --test reference` rewrites it.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

fn help(words: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_roofmark")).args(words).arg("--help").env("COLUMNS", "80").output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{words:?} --help failed");
    let text = String::from_utf8(output.stdout).expect("UTF-8 help");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn commands(top: &str) -> Vec<String> {
    let listed = top.split("Commands:").nth(1).expect("a list of commands");
    listed
        .lines()
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_command_reference_is_the_help() {
    let top = help(&[]);
    let mut page = format!("# Commands\n\nGenerated from `roofmark --help`.\n\n```text\n{top}\n```\n");
    for name in commands(&top) {
        write!(page, "\n## roofmark {name}\n\n```text\n{}\n```\n", help(&[&name])).expect("a string");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/commands.md is written");
    }
    let stored = std::fs::read_to_string(&path).expect("docs/commands.md");
    assert!(
        stored == page,
        "docs/commands.md is stale: run UPDATE_DOCS=1 cargo test -p roofmark --test reference"
    );
}
