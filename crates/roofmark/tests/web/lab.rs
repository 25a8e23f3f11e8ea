//! A lab's page, on SQLite and on a real PostgreSQL: bundles of known keys only, and who reproduced what.

use crate::page::{Page, import, llama_bench, program};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn a_lab_takes_bundles_of_known_keys_only_and_shows_who_reproduced_what() {
    lab_with(&[]);
}

#[test]
fn a_lab_on_postgresql_takes_bundles_of_known_keys_only_and_shows_who_reproduced_what() {
    let Some(address) = database() else { return };
    lab_with(&["--ledger", &address]);
}

/// An empty database of the server that the tests were given; in CI it has to be there.
fn database() -> Option<String> {
    let Ok(server) = std::env::var("ROOFMARK_TEST_POSTGRES") else {
        let why = "ROOFMARK_TEST_POSTGRES is not set: source scripts/start-postgres.sh";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("skipped: {why}");
        return None;
    };
    let name = format!("roofmark_lab_{}", std::process::id());
    let made = Command::new("psql").args(["-q", &server, "-c", &format!("CREATE DATABASE {name}")]).output();
    let made = made.expect("psql is installed with PostgreSQL");
    assert!(made.status.success(), "{}", said(&made));
    let (server, _) = server.rsplit_once('/').expect("an address with a database");
    Some(format!("{server}/{name}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A data folder whose ledger holds one result of `rate`.
fn measured(rate: f64, day: &str) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    import(data.path(), "a.json", &llama_bench("llama 8B", rate, &format!("{day}T00:00:00Z")));
    data
}

fn submit(data: &Path, url: &str) -> Output {
    program(data).args(["submit", url]).output().unwrap()
}

fn trust(lab: &Path, known: &Path, name: &str) {
    let key = program(known).args(["key", "--json"]).output().unwrap();
    let key: Value = serde_json::from_slice(&key.stdout).unwrap();
    let trust = ["key", "--trust", key["key"].as_str().unwrap(), "--name", name];
    assert!(program(lab).args(trust).output().unwrap().status.success());
}

fn lab_with(ledger: &[&str]) {
    let (theirs, stranger) = (measured(20.0, "2026-10-01"), measured(21.0, "2026-10-03"));
    let lab = tempfile::tempdir().unwrap();
    let own = lab.path().join("own.json");
    std::fs::write(&own, llama_bench("llama 8B", 20.5, "2026-10-02T00:00:00Z")).unwrap();
    let taken = program(lab.path()).args(ledger).args(["results", "import"]).arg(&own).output().unwrap();
    assert!(taken.status.success(), "{}", said(&taken));

    let page = Page::on(lab, &[ledger, &["--lab"]].concat());
    let url = format!("http://127.0.0.1:{}", page.port);
    let refused = submit(theirs.path(), &url);
    assert!(!refused.status.success() && said(&refused).contains("is not known here"), "{}", said(&refused));
    assert_eq!(page.json("/api/results").as_array().unwrap().len(), 1, "a refused bundle leaves nothing");

    trust(page.data.path(), theirs.path(), "bench two");
    let taken = submit(theirs.path(), &url);
    assert!(taken.status.success(), "{}", said(&taken));
    assert!(String::from_utf8_lossy(&taken.stdout).contains("1 records taken in"));
    let again = submit(theirs.path(), &url);
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 were there already"));
    let refused = submit(stranger.path(), &url);
    assert!(!refused.status.success() && said(&refused).contains("is not known here"), "{}", said(&refused));

    let view = page.get("/lab").body;
    assert!(view.contains("bench two") && view.contains("your own"), "{view}");
    assert_eq!(page.json("/api/reproductions").as_array().unwrap().len(), 2);
    assert_eq!(page.json("/api/results").as_array().unwrap().len(), 2);
    assert!(page.get("/results/2").body.contains("genuine"));
}
