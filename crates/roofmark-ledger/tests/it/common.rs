//! What the tests of the ledger share: drafts, places, a real PostgreSQL.

use roofmark_facts::units::TokensPerSecond;
use roofmark_ledger::key::Signer;
use roofmark_ledger::ledger::Place;
use roofmark_ledger::observation::{Observation, ObservedCell, Origin, Subject, Timed};
use roofmark_ledger::{Draft, Error, Kind, Ledger, Options, verify};
use sqlx::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Opens the ledger at `place` with the key of all tests.
pub fn open_place(place: Place) -> Result<Ledger, Error> {
    let options = Options { place, durable: false, patience: Duration::from_secs(20), tool: "test 1".into() };
    Ledger::open(options, Signer::from_seed(&[3; 32]))
}

/// Opens the ledger in the file at `path`.
pub fn open(path: &Path) -> Ledger {
    open_place(Place::File(path.to_owned())).expect("the ledger opens")
}

/// A small import; equal numbers make equal drafts.
pub fn draft(number: u64) -> Draft {
    let subject = Subject {
        date: Some(format!("2026-01-{:02}", 1 + number % 28)),
        machine: Some("box".into()),
        model: Some(format!("model-{}", number % 3)),
        engine: Some("llama.cpp".into()),
        version: Some(format!("b{}", 7000 + number)),
        ..Subject::default()
    };
    let mut seen = Observation::new(Origin { form: "test".into(), ..Origin::default() }, subject);
    let mut cell = ObservedCell::new(Timed::Decode);
    cell.rate = Some(TokensPerSecond(10.0 + number as f64 / 7.0));
    seen.cells.push(cell);
    Draft::observation(Kind::Import, &seen).expect("JSON")
}

/// Everything in `ledger` verifies; its number of records.
pub fn sound(ledger: &mut Ledger) -> i64 {
    let report = verify::ledger(ledger, |_| Vec::new()).expect("the ledger can be read");
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.linked, report.records);
    report.records
}

/// Runs `statement` behind the ledger's back.
pub fn change(address: &str, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    sqlx::any::install_default_drivers();
    runtime.block_on(async {
        let mut connection = sqlx::AnyConnection::connect(address).await.expect("it connects");
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&mut connection).await.expect("the statement runs");
        connection.close().await.expect("it closes");
    });
}

/// The same in the file at `path`.
pub fn change_file(path: &Path, statement: &str) {
    change(&format!("sqlite://{}", path.display()), statement);
}

/// Address of the server that the tests were given; in CI it has to be there.
pub fn server() -> Option<String> {
    let address = std::env::var("ROOFMARK_TEST_POSTGRES").ok();
    if address.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "ROOFMARK_TEST_POSTGRES is not set: source scripts/start-postgres.sh"
        );
        eprintln!("skipped: ROOFMARK_TEST_POSTGRES is not set (source scripts/start-postgres.sh)");
    }
    address
}

/// Address of an empty database of that server.
pub fn database() -> Option<String> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let address = server()?;
    let name = format!("roofmark_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    change(&address, &format!("CREATE DATABASE {name}"));
    let (server, _) = address.rsplit_once('/').expect("an address with a database");
    Some(format!("{server}/{name}"))
}
