//! Ledgers of earlier schema versions open, keep their records byte for byte, and get the newest index.

use crate::common::{change, database, draft, open_place, sound};
use roofmark_ledger::ledger::Place;
use roofmark_ledger::query::{Filter, Sort};
use roofmark_ledger::{Draft, Error, Kind};

/// The dump of each earlier version, with its number of records.
const EARLIER: &[(&str, i64)] = &[(include_str!("v1.sql"), 3)];

fn opens(address: &str, place: &Place, dump: &str, records: i64) {
    change(address, dump);
    let mut ledger = open_place(place.clone()).expect("an earlier ledger opens");
    assert_eq!(sound(&mut ledger), records);
    let listed = ledger.list(&Filter::default(), Sort::Added, 9, 0).expect("it can be listed");
    assert_eq!(listed.len() as i64, records);
    assert!(listed.iter().all(|line| line.cells > 0 && !line.engine.is_empty()), "{listed:?}");
    for line in &listed {
        let payload = ledger.record(line.sequence).expect("it can be read").sealed.payload;
        assert!(dump.contains(&payload.replace('\'', "''")), "record {} was changed", line.sequence);
    }
    ledger.append(&draft(1)).expect("it takes in more");
    drop(ledger);
    let mut again = open_place(place.clone()).expect("it opens a second time");
    assert_eq!(sound(&mut again), records + 1);
}

#[test]
fn every_earlier_version_in_sqlite() {
    for (dump, records) in EARLIER {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        opens(&format!("sqlite://{}?mode=rwc", path.display()), &Place::File(path), dump, *records);
    }
}

#[test]
fn every_earlier_version_in_postgres() {
    for (dump, records) in EARLIER {
        let Some(address) = database() else { return };
        opens(&address, &Place::Server(address.clone()), dump, *records);
    }
}

/// Bodies as earlier versions stored them: they have to read for ever.
#[test]
fn a_stored_bench_still_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open_place(Place::File(folder.path().join("ledger.db"))).unwrap();
    let body = include_str!("bench.json").to_owned();
    ledger.append(&Draft { kind: Kind::Bench, body, points_at: None }).expect("it reads");
    let line = ledger.find("latest").unwrap();
    assert_eq!((line.kind.as_str(), line.quant.as_str(), line.cells), ("bench", "Q4_1", 3));
    let timed: Vec<String> =
        ledger.configurations_of(1).unwrap().into_iter().map(|configuration| configuration.timed).collect();
    assert_eq!(timed, ["prefill", "decode", "decode"]);
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let place = Place::File(path.clone());
    open_place(place.clone()).unwrap().append(&draft(1)).unwrap();
    let address = format!("sqlite://{}", path.display());
    change(&address, "UPDATE schema_version SET version = 99");
    let error = open_place(place.clone()).err().expect("it is refused");
    assert!(matches!(error, Error::NewerSchema { found: 99, .. }) && error.is_store(), "{error}");
    change(&address, "UPDATE schema_version SET version = 3");
    assert_eq!(sound(&mut open_place(place).unwrap()), 1);
}
