//! Bundles that somebody made to do harm: each is refused with its reason, and nothing of it gets into the ledger.

use crate::common::{draft, open, sound};
use roofmark_ledger::digest::Digest;
use roofmark_ledger::envelope::{MANIFEST, RECORD, Sealed};
use roofmark_ledger::key::Signer;
use roofmark_ledger::record::{FORMAT, Header};
use roofmark_ledger::{Draft, Error, Kind, Ledger, bundle, spool};
use serde_json::{Value, json};

fn stranger() -> Signer {
    Signer::from_seed(&[66; 32])
}

fn header(sequence: i64) -> Value {
    let header = Header {
        format: FORMAT.into(),
        ledger: "0f".repeat(16),
        sequence,
        previous: None,
        recorded: "2026-02-01T00:00:00.000Z".into(),
        kind: Kind::Import,
        tool: "mischief 1".into(),
        signer: stranger().public(),
        points_at: None,
    };
    serde_json::to_value(header).expect("JSON")
}

fn body() -> Value {
    serde_json::from_str(&draft(1).body).expect("JSON")
}

/// A bundle of records with these headers and bodies, signed as it should be.
fn signed(records: &[(Value, String)]) -> String {
    let sealed =
        records.iter().map(|(header, body)| Sealed::seal(RECORD, format!("{header}\n{body}"), &stranger()));
    let sealed: Vec<Sealed> = sealed.collect();
    let list = json!({ "format": bundle::FORMAT, "made": "2026-02-01T00:00:00Z", "tool": "mischief 1",
        "records": sealed.iter().map(Sealed::hash).collect::<Vec<_>>() });
    let first = Sealed::seal(MANIFEST, list.to_string(), &stranger()).to_line(MANIFEST);
    let lines = sealed.iter().map(|one| one.to_line(RECORD));
    std::iter::once(first).chain(lines).map(|line| line + "\n").collect()
}

/// Takes in a bundle as the command does.
fn import(ledger: &mut Ledger, text: &[u8]) -> Result<usize, Error> {
    let read = bundle::read(text)?;
    let drafts: Vec<Draft> = read.records.iter().map(|record| Draft::foreign(&record.sealed)).collect();
    ledger.append_all(&drafts).map(|done| done.len())
}

/// A good record and the bad one behind it: both are refused, with `reason`.
fn check(header: Value, body: String, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    ledger.append(&draft(50)).unwrap();
    let good = (self::header(1), self::body().to_string());
    let text = signed(&[good, (header, body)]);
    let error = import(&mut ledger, text.as_bytes()).expect_err(reason).to_string();
    assert!(error.contains(reason), "{error}\nlacks: {reason}");
    assert!(error.len() < 600, "the message itself is no flood: {} bytes", error.len());
    assert_eq!(sound(&mut ledger), 1, "nothing is half-imported");
}

/// The body with the value at `place` changed.
fn with(place: &str, value: Value) -> String {
    let mut body = body();
    *body.pointer_mut(place).expect("the place is there") = value;
    body.to_string()
}

/// The text of the body with `from` replaced, where JSON values cannot say it.
fn spelled(from: &str, to: &str) -> String {
    let body = body().to_string();
    assert!(body.contains(from), "{body}");
    body.replacen(from, to, 1)
}

#[test]
fn a_good_bundle_is_taken_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let text = signed(&[(header(1), body().to_string())]);
    assert_eq!(import(&mut ledger, text.as_bytes()).unwrap(), 1);
    let again = import(&mut ledger, text.as_bytes()).unwrap_err().to_string();
    assert!(again.contains("already in the ledger as record 1"), "{again}");
    let twice = signed(&[(header(7), with("/notes", "b".into())), (header(8), with("/notes", "b".into()))]);
    assert!(import(&mut ledger, twice.as_bytes()).is_err(), "the same content twice in one bundle");
    assert_eq!(sound(&mut ledger), 1);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    check(header(2), with("/cells/0/rate", json!(-5.0)), "a rate of -5 tokens/s cannot be");
    check(header(2), spelled("\"rate\":10.142857142857142", "\"rate\":1e999"), "number out of range");
    check(header(2), spelled("\"rate\":10.142857142857142", "\"rate\":NaN"), "expected value");
    check(
        header(2),
        with("/cells/0/rate", Value::Null).replace("\"samples\":[]", "\"samples\":[null]"),
        "null",
    );
    check(header(2), spelled("\"prompt\":null", "\"prompt\":99999999999999999999999999"), "expected u64");
    check(header(2), spelled("\"prompt\":null", "\"prompt\":-1"), "invalid");
}

#[test]
fn dates_of_the_future_are_refused() {
    check(header(2), with("/subject/date", "2031-01-01".into()), "lies in the future");
    check(header(2), with("/subject/date", "yesterday".into()), "cannot be read");
    let mut late = header(2);
    late["recorded"] = "2999-01-01T00:00:00.000Z".into();
    check(late.clone(), with("/subject/date", "2998-01-01".into()), "lies in the future");
    late["recorded"] = "9999-12-30T22:00:00Z".into();
    check(late, with("/subject/date", "9999-12-30T21:00:00Z".into()), "lies in the future");
}

#[test]
fn forms_that_are_not_known_are_refused() {
    let mut newer = header(2);
    newer["format"] = "roofmark-record/9".into();
    check(newer, body().to_string(), "format \"roofmark-record/9\" is not known");
    check(header(2), with("/format", "roofmark-observation/9".into()), "is not known");
    let mut kind = header(2);
    kind["kind"] = "miracle".into();
    check(kind, body().to_string(), "unknown variant");
    let mut more = header(2);
    more["run_me"] = "sh".into();
    check(more, body().to_string(), "unknown field");
    check(header(2), String::new(), "EOF");
    let mut other = header(2);
    other["signer"] = json!(Signer::from_seed(&[1; 32]).public());
    check(other, body().to_string(), "another signer");
}

#[test]
fn deep_and_endless_texts_are_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(header(2), spelled("\"detail\":null", &format!("\"detail\":{}", deep(100_000))), "recursion limit");
    check(header(2), deep(100_000), "invalid type");
    let mut header = header(2);
    header["tool"] = "x".repeat(70 << 20).into();
    check(header, body().to_string(), "bytes");
}

#[test]
fn archives_and_cut_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let zip_slip = b"PK\x03\x04\x14\x00\x00\x00\x00\x00..\x2f..\x2f..\x2fetc\x2fcron.d\x2fx".as_slice();
    let gzip_bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xed\xc1\x01\x0d".as_slice();
    let good = signed(&[(header(1), body().to_string())]);
    let cut = &good.as_bytes()[..good.len() - 40];
    let more = format!("{good}{good}");
    let other = signed(&[(header(2), with("/notes", "swapped".into()))]);
    let swapped = format!("{}\n{}\n", good.lines().next().unwrap(), other.lines().nth(1).unwrap());
    for (text, reason) in [
        (zip_slip, "the file ends in the middle"),
        (gzip_bomb, "the file ends in the middle"),
        (b"PK\x03\x04\xff\xfe\n".as_slice(), "not UTF-8"),
        (cut, "the file ends in the middle of a line"),
        (good.lines().next().unwrap().as_bytes(), "the file ends in the middle of a line"),
        (more.as_bytes(), "there is more than the list names"),
        (swapped.as_bytes(), "another record than the list names"),
        (b"".as_slice(), "the file is empty"),
        (b"{}\n".as_slice(), "not a signed envelope"),
    ] {
        let error = import(&mut ledger, text).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}\nlacks: {reason}");
    }
    assert_eq!(ledger.head().unwrap().sequence, 0);
}

#[test]
fn a_line_that_never_ends_is_not_kept_in_memory() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            into.fill(b'a');
            self.0 += into.len() as u64;
            Ok(into.len())
        }
    }
    let mut source = Endless(0);
    let error = bundle::read(&mut source).expect_err("it never ends").to_string();
    assert!(error.contains("longer than"), "{error}");
    assert!(source.0 < 128 << 20, "{} bytes were read", source.0);
}

#[test]
fn names_stay_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let evil = "../../../etc/cron.d/x\u{1b}[31m<script>'; DROP TABLE records; --";
    let text = signed(&[(header(1), with("/subject/model", evil.into()))]);
    import(&mut ledger, text.as_bytes()).unwrap();
    let line = ledger.find("latest").unwrap();
    assert_eq!(line.model, evil.replace('\u{1b}', "\u{FFFD}"), "nothing in it steers a terminal");
    assert_eq!(sound(&mut ledger), 1);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.to_string_lossy().starts_with("ledger.db")), "{names:?}");
}

#[test]
fn a_stranger_withdraws_only_what_they_signed() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let own = ledger.append(&draft(3)).unwrap();
    let retraction = |target: Digest| {
        let mut header = header(9);
        header["kind"] = "retraction".into();
        header["points_at"] = json!(target);
        (header, json!({ "retracts": target, "reason": "I do not like it" }).to_string())
    };
    import(&mut ledger, signed(&[retraction(own.content)]).as_bytes()).unwrap();
    assert_eq!(ledger.find(&own.content.to_string()).unwrap().withdrawn, 0);
    let theirs = (header(1), body().to_string());
    import(&mut ledger, signed(&[theirs]).as_bytes()).unwrap();
    let content = ledger.find("latest").unwrap().content;
    let take_back = ledger.append_all(
        &bundle::read(signed(&[retraction(content)]).as_bytes())
            .unwrap()
            .records
            .iter()
            .map(|record| Draft::foreign(&record.sealed))
            .collect::<Vec<_>>(),
    );
    assert_eq!(ledger.find(&content.to_string()).unwrap().withdrawn, take_back.unwrap()[0].sequence);
}

#[cfg(unix)]
#[test]
fn a_spool_that_is_a_link_or_open_to_others_is_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    spool::keep(std::slice::from_ref(&real), &draft(1)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert_eq!(spool::take_in(&[link], &mut ledger).unwrap().kept.len(), 0);
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(spool::take_in(std::slice::from_ref(&real), &mut ledger).unwrap().kept.len(), 0);
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(spool::take_in(&[real], &mut ledger).unwrap().kept.len(), 1);
}
