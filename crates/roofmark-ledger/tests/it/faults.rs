//! What may happen to a ledger while it is written: the program is killed, the disk fills up or fails, a file is locked,
//! the server goes away. No acknowledged record is lost, the ledger opens again, and the error says what happened.

use crate::common::{database, draft, open, open_place, sound};
use roofmark_ledger::ledger::Place;
use roofmark_ledger::{Error, Ledger, Options, spool};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Names the file that a child appends to.
const CHILD: &str = "ROOFMARK_FAULT_LEDGER";
/// Records that a child appends.
const APPENDS: u64 = 3;

/// Not a test: the process that is killed. Says each record that was acknowledged, or the error.
#[test]
#[ignore = "a child of the tests in this file"]
fn child() {
    let path = PathBuf::from(std::env::var_os(CHILD).expect("the ledger is named"));
    let mut ledger = match open_place(Place::File(path)) {
        Ok(ledger) => ledger,
        Err(error) => return println!("\nERROR {} {error}", error.is_store()),
    };
    for number in 0..APPENDS {
        match ledger.append(&draft(100 + number)) {
            Ok(appended) => println!("\nKEPT {}", appended.content),
            Err(error) => println!("\nERROR {} {error}", error.is_store()),
        }
    }
    println!("\nDONE");
}

/// The library that makes the k-th write fail, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/shim.c");
        let library = folder.join(format!("shim-{}.so", std::process::id()));
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compile.status().expect("a C compiler").success(), "the shim compiles");
        library
    })
}

/// Runs the child on the ledger at `path` with a fault at its k-th write.
fn run_child(path: &Path, kind: &str, at: usize) -> Output {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "faults::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .env("LD_PRELOAD", shim())
        .env("FAULT_FOLDER", path.parent().expect("a folder"))
        .env("FAULT_AT", at.to_string())
        .env("FAULT_KIND", kind)
        .output()
        .expect("the child runs")
}

/// Lines of the child that begin with `word`.
fn said(output: &Output, word: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.strip_prefix(word)).map(|line| line.trim().to_owned()).collect()
}

/// A ledger with two records, in a folder of its own.
fn old_ledger(folder: &Path) -> PathBuf {
    let path = folder.join("ledger.db");
    open(&path).append_all(&[draft(1), draft(2)]).expect("two records");
    path
}

/// The ledger opens, is sound, holds what was acknowledged and at most one record more, and takes more records in.
fn survives(path: &Path, output: &Output, before: i64, what: &str) {
    let kept = said(output, "KEPT ");
    let mut ledger = open(path);
    let records = sound(&mut ledger);
    for content in &kept {
        assert!(ledger.find(content).is_ok(), "{what}: {content} was acknowledged and is lost");
    }
    let found = usize::try_from(records - before).expect("earlier records are there");
    assert!((kept.len()..=kept.len() + 1).contains(&found), "{what}: {found} of {} acknowledged", kept.len());
    ledger.append(&draft(7)).expect("it takes in more");
}

/// Every k-th write until a run completes; the number of writes.
fn at_every_write(
    kind: &str,
    step: usize,
    make: impl Fn(&Path) -> PathBuf,
    check: impl Fn(&Path, &Output, usize),
) -> usize {
    let mut at = 1;
    loop {
        let folder = tempfile::tempdir().expect("a folder");
        let path = make(folder.path());
        let output = run_child(&path, kind, at);
        let complete = said(&output, "DONE").len() == 1 && said(&output, "KEPT ").len() as u64 == APPENDS;
        check(&path, &output, at);
        if complete {
            return at;
        }
        at += step;
    }
}

#[test]
fn killed_at_every_write_of_an_append() {
    let writes = at_every_write("kill", 1, old_ledger, |path, output, at| {
        survives(path, output, 2, &format!("killed at write {at}"));
    });
    assert!(writes > 20, "only {writes} writes were counted: the shim does not see them");
}

#[test]
fn killed_at_every_fifth_write_of_a_new_ledger() {
    at_every_write(
        "kill",
        5,
        |folder| folder.join("new.db"),
        |path, output, at| {
            survives(path, output, 0, &format!("killed at write {at}"));
        },
    );
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    at_every_write("full", 2, old_ledger, |path, output, at| {
        for error in said(output, "ERROR ") {
            assert!(error.starts_with("true reach the ledger"), "write {at}: {error}");
            assert!(error.contains("full") || error.contains("disk I/O error"), "write {at}: {error}");
        }
        survives(path, output, 2, &format!("full at write {at}"));
    });
}

#[test]
fn a_failing_disk_is_named_and_loses_nothing() {
    at_every_write("eio", 2, old_ledger, |path, output, at| {
        for error in said(output, "ERROR ") {
            assert!(error.starts_with("true reach the ledger"), "write {at}: {error}");
        }
        let kept = said(output, "KEPT ").len();
        let mut ledger = open(path);
        let records = sound(&mut ledger);
        assert!(records >= 2 + kept as i64, "write {at}: {records} records, {kept} acknowledged");
    });
}

/// The error of opening or writing, which has to be the store's.
fn refused(result: Result<Ledger, Error>) -> String {
    let error = result.err().expect("it is refused");
    assert!(error.is_store(), "{error}");
    error.to_string()
}

#[test]
fn a_read_only_folder_is_named() {
    // Root may write in any folder; nobody may in this one.
    let error = refused(open_place(Place::File("/proc/ledger.db".into())));
    assert!(error.contains("/proc/ledger.db") && error.contains("may be written"), "{error}");
    let error = refused(open_place(Place::File("/nowhere/at/all/ledger.db".into())));
    assert!(error.contains("check that its folder exists"), "{error}");
}

#[test]
fn a_file_that_is_no_ledger_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, "this is my diary, not a database ".repeat(100)).unwrap();
    let error = refused(open_place(Place::File(path.clone())));
    assert!(error.contains("not a database") && error.contains("restore it"), "{error}");
    assert!(std::fs::read_to_string(path).unwrap().starts_with("this is my diary"), "it is left as it was");
}

#[test]
fn a_locked_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = old_ledger(folder.path());
    let patience = Duration::from_millis(300);
    let options =
        Options { place: Place::File(path.clone()), durable: false, patience, tool: "test 1".into() };
    let key = roofmark_ledger::key::Signer::from_seed(&[3; 32]);
    let mut ledger = Ledger::open(options, key).unwrap();
    let holder = Holder::of(&path);
    let start = Instant::now();
    let error = ledger.append(&draft(5)).expect_err("somebody else writes");
    assert!(error.is_store() && error.to_string().contains("another program holds it"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(holder);
    ledger.append(&draft(5)).expect("it is free again");
    assert_eq!(sound(&mut ledger), 3);
}

/// Holds the write lock of a file until it is dropped.
struct Holder {
    release: std::sync::mpsc::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Holder {
    fn of(path: &Path) -> Self {
        use sqlx::Connection;
        let (release, released) = std::sync::mpsc::channel();
        let (held, holding) = std::sync::mpsc::channel();
        let address = format!("sqlite://{}", path.display());
        let hold = async move {
            let mut connection = sqlx::AnyConnection::connect(&address).await.expect("it connects");
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("the lock");
            held.send(()).expect("somebody waits");
            let _ = released.recv();
            sqlx::query("ROLLBACK").execute(&mut connection).await.expect("the end");
        };
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(hold);
        });
        holding.recv().expect("the lock is held");
        Self { release, thread: Some(thread) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.release.send(());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Passes on what a client sends to `server`, and cuts the connection at the `at`-th piece.
fn cutting_proxy(server: String, at: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let pieces = Arc::new(AtomicUsize::new(0));
    let counter = pieces.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let upstream = TcpStream::connect(&server).expect("the server listens");
            let (mut from_server, mut to_client) =
                (upstream.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
            let counter = counter.clone();
            std::thread::spawn(move || pass_on(client, upstream, &counter, at));
        }
    });
    (port, pieces)
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, pieces: &AtomicUsize, at: usize) {
    let mut piece = [0; 1 << 16];
    loop {
        let count = client.read(&mut piece).unwrap_or(0);
        let now = pieces.fetch_add(1, Ordering::SeqCst) + 1;
        // An even number is cut before the server has it, an odd one after: its answer is lost.
        if count == 0 || now == at && at.is_multiple_of(2) {
            break;
        }
        if server.write_all(&piece[..count]).is_err() {
            break;
        }
        if now == at {
            std::thread::sleep(Duration::from_millis(20));
            break;
        }
    }
    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
}

#[test]
fn a_server_that_goes_away_at_every_message_loses_nothing() {
    let Some(address) = database() else { return };
    let (start, database_name) = address.rsplit_once('/').expect("an address");
    let (user, host) = start.split_once('@').expect("a user");
    let mut ledger = open_place(Place::Server(address.clone())).expect("the ledger opens");
    ledger.append_all(&[draft(1), draft(2)]).expect("two records");
    let folder = tempfile::tempdir().unwrap();
    let spools = [folder.path().join("spool")];
    let (mut cut, mut tried) = (0, 0);
    for at in 1.. {
        tried += 1;
        let (port, pieces) = cutting_proxy(host.to_owned(), at);
        let place = Place::Server(format!("{user}@127.0.0.1:{port}/{database_name}"));
        let draft = draft(1_000 + at as u64);
        let appended = open_place(place).and_then(|mut ledger| ledger.append(&draft));
        match appended {
            Ok(_) if pieces.load(Ordering::SeqCst) < at => break,
            Ok(_) => {}
            Err(error) => {
                cut += 1;
                assert!(error.is_store(), "cut at {at}: {error}");
                spool::keep(&spools, &draft).expect("the spool takes it");
            }
        }
        spool::take_in(&spools, &mut ledger).expect("the next start takes it in");
        ledger.append(&draft).expect_err("it is there, once");
    }
    assert!(cut > 8, "only {cut} connections were cut");
    assert_eq!(sound(&mut ledger), 2 + tried);
}
