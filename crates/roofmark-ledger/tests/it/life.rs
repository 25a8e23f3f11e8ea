//! A record's life: kept once, found, withdrawn, handed on in a bundle, checked; and a chain of several writers.

use crate::common::{change_file, database, draft, open, open_place, sound};
use roofmark_ledger::digest::Digest;
use roofmark_ledger::key::Signer;
use roofmark_ledger::ledger::Place;
use roofmark_ledger::query::{Filter, Sort};
use roofmark_ledger::{Draft, Error, Kind, Ledger, bundle, spool, verify};

#[test]
fn a_record_is_kept_once_found_and_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    life_of_a_record(&mut ledger);
}

fn life_of_a_record(ledger: &mut Ledger) {
    let start = ledger.head().unwrap().sequence;
    let first = ledger.append(&draft(1)).unwrap();
    assert!(
        matches!(ledger.append(&draft(1)), Err(Error::Duplicate { sequence, .. }) if sequence == first.sequence)
    );
    let all = ledger.append_all(&(2..9).map(draft).collect::<Vec<_>>()).unwrap();
    assert_eq!(all.last().unwrap().sequence, start + 8);
    // One that is there already: none of the others is kept.
    assert!(ledger.append_all(&[draft(90), draft(5)]).is_err());
    assert_eq!(ledger.head().unwrap().sequence, start + 8);

    let filter = Filter { model: Some("model-1".into()), ..Filter::default() };
    let listed = ledger.list(&filter, Sort::Date, 10, 0).unwrap();
    assert_eq!(
        listed.iter().map(|line| line.version.as_str()).collect::<Vec<_>>(),
        ["b7007", "b7004", "b7001"]
    );
    assert_eq!(ledger.find(&first.content.to_string()[..10]).unwrap().sequence, first.sequence);
    assert_eq!(ledger.find("latest").unwrap().sequence, start + 8);
    assert!(ledger.find("zz").unwrap_err().to_string().contains("four or more digits"));

    let configuration = &ledger.configurations_of(first.sequence).unwrap()[0];
    assert_eq!(ledger.trend(configuration.number).unwrap().len(), 3);
    ledger.append(&Draft::retraction(first.content, "wrong machine").unwrap()).unwrap();
    assert_eq!(ledger.trend(configuration.number).unwrap().len(), 2);
    assert_eq!(ledger.list(&filter, Sort::Decode, 10, 0).unwrap().len(), 2);
    let again = ledger.append(&Draft::retraction(first.content, "once more").unwrap());
    assert!(again.unwrap_err().to_string().contains("withdrawn"));
    let nobody = Digest::of(b"nothing");
    assert!(matches!(ledger.append(&Draft::retraction(nobody, "x").unwrap()), Err(Error::Unknown { .. })));
    let better = ledger.append(&draft(77).correcting(all[1].content)).unwrap();
    assert_eq!(ledger.find(&all[1].content.to_string()).unwrap().withdrawn, better.sequence);
    sound(ledger);
}

fn eight_writers(place: &Place, each: u64) {
    let before = open_place(place.clone()).unwrap().head().unwrap().sequence;
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let mut ledger = open_place(place.clone()).expect("a writer opens");
                for number in 0..each {
                    ledger.append(&draft(1_000 + writer * 10_000 + number)).expect("a writer appends");
                }
            });
        }
    });
    let mut ledger = open_place(place.clone()).unwrap();
    assert_eq!(ledger.head().unwrap().sequence, before + 8 * each as i64);
    sound(&mut ledger);
}

#[test]
fn eight_writers_form_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    eight_writers(&Place::File(folder.path().join("new.db")), 40);
}

#[test]
fn postgres_does_the_same() {
    let Some(place) = database().map(Place::Server) else { return };
    let mut ledger = open_place(place.clone()).unwrap();
    life_of_a_record(&mut ledger);
    eight_writers(&place, 25);
}

#[test]
fn every_changed_byte_of_a_stored_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = open(&path);
    ledger.append_all(&[draft(1), draft(2)]).unwrap();
    let payload = ledger.record(1).unwrap().sealed.payload;
    for at in 0..payload.len() {
        let mut bad = payload.clone().into_bytes();
        bad[at] ^= 1;
        let Ok(bad) = String::from_utf8(bad) else { continue };
        let mut sealed = ledger.record(1).unwrap().sealed;
        sealed.payload = bad;
        assert!(!sealed.is_genuine(roofmark_ledger::envelope::RECORD), "byte {at}");
    }
    drop(ledger);
    // The same in the file itself, past the checks of this program.
    for at in (1..payload.len()).step_by(61) {
        let copy = folder.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        let flipped = format!("substr(payload, 1, {}) || '~' || substr(payload, {})", at - 1, at + 1);
        change_file(&copy, &format!("UPDATE records SET payload = {flipped} WHERE sequence = 1"));
        let report = verify::ledger(&mut open(&copy), |_| Vec::new()).unwrap();
        assert!(!report.problems.is_empty(), "byte {at}");
    }
}

#[test]
fn a_removed_or_swapped_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = open(&path);
    ledger.append_all(&(0..5).map(draft).collect::<Vec<_>>()).unwrap();
    drop(ledger);
    let problems = |statement: &str| {
        let copy = folder.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        change_file(&copy, statement);
        let report = verify::ledger(&mut open(&copy), |_| Vec::new()).unwrap();
        report.problems.join("\n")
    };
    assert!(problems("DELETE FROM records WHERE sequence = 3").contains("record 3: is missing"));
    assert!(problems("DELETE FROM records WHERE sequence = 5").contains("5 records"));
    assert!(problems("UPDATE records SET hash = 'x' WHERE sequence = 2").contains("record 2"));
    assert!(problems("UPDATE entries SET machine = 'other' WHERE sequence = 2").contains("the index"));
    assert!(problems("UPDATE cells SET rate = 999 WHERE sequence = 2").contains("the index"));
    assert!(problems("UPDATE entries SET withdrawn = 1 WHERE sequence = 2").contains("does not say so"));
    assert!(problems("UPDATE records SET sequence = 9 WHERE sequence = 5").contains("another place"));
}

#[test]
fn a_bundle_travels_and_is_taken_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = open(&folder.path().join("from.db"));
    from.append_all(&(0..4).map(draft).collect::<Vec<_>>()).unwrap();
    let records: Vec<_> = [1, 2, 4].into_iter().map(|at| from.record(at).unwrap()).collect();
    let text = bundle::write(&records, "test 1", &Signer::from_seed(&[9; 32])).unwrap();
    let read = bundle::read(text.as_bytes()).unwrap();
    let report = verify::bundle(&read, |_| Vec::new());
    assert_eq!((report.records, report.linked, report.gaps, report.problems.len()), (3, 2, 1, 0));

    let mut to = open(&folder.path().join("to.db"));
    let drafts: Vec<Draft> = read.records.iter().map(|record| Draft::foreign(&record.sealed)).collect();
    to.append_all(&drafts).unwrap();
    let listed =
        to.list(&Filter { kind: Some(Kind::Foreign), ..Filter::default() }, Sort::Added, 9, 0).unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[2].content, records[0].content);
    assert!(matches!(to.append_all(&drafts), Err(Error::Duplicate { .. })), "a replay is refused");
    assert!(
        matches!(from.append_all(&drafts), Err(Error::Duplicate { .. })),
        "so is a record that was never away"
    );
    assert_eq!(sound(&mut to), 3);
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_bundle_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    ledger.append(&draft(1)).unwrap();
    let record = ledger.record(1).unwrap();
    let good = bundle::write(&[record], "test 1", &Signer::from_seed(&[9; 32])).unwrap().into_bytes();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(bundle::read(bad.as_slice()).is_err(), "byte {at}");
        assert!(bundle::read(&good[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_failed_append_waits_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let spools = [folder.path().join("spool")];
    let place = Place::Server("postgres://nobody@127.0.0.1:1/none".into());
    let error = open_place(place).err().expect("nothing listens there");
    assert!(error.is_store() && !error.to_string().contains("nobody"), "{error}");
    spool::keep(&spools, &draft(1)).unwrap();
    let broken = spool::keep(&spools, &draft(2)).unwrap();
    std::fs::write(&broken, std::fs::read_to_string(&broken).unwrap().replace("box", "bux")).unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let taken = spool::take_in(&spools, &mut ledger).unwrap();
    assert_eq!((taken.kept.len(), taken.refused.len()), (1, 1));
    assert!(taken.refused[0].1.contains("changed or cut off"));
    assert_eq!(spool::take_in(&spools, &mut ledger).unwrap().kept.len(), 0, "the spool is empty now");
    assert_eq!(sound(&mut ledger), 1);
}
