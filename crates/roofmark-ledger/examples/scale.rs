//! Fills a ledger with generated runs and times appends, lists and trends: `scale PLACE RUNS`, or `scale PLACE ask` for
//! the questions alone. See benches/scale.sh.

use roofmark_facts::units::TokensPerSecond;
use roofmark_ledger::key::Signer;
use roofmark_ledger::ledger::Place;
use roofmark_ledger::observation::{Observation, ObservedCell, Origin, Subject, Timed};
use roofmark_ledger::privacy::{self, Identity};
use roofmark_ledger::query::{Filter, Sort};
use roofmark_ledger::{Draft, Error, Kind, Ledger, Options, import, verify};
use std::time::{Duration, Instant};

/// Body of a real bench of 10 KB, raw samples included.
const BENCH: &str = include_str!("../tests/it/bench.json");
/// Full runs appended one by one.
const FULL: i64 = 3_000;
/// The same with a sync each.
const DURABLE: i64 = 500;
/// Appends of each of the eight writers.
const EACH: i64 = 1_000;

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let place = words.next().unwrap_or_else(|| "scale.db".into());
    let runs = words.next().unwrap_or_else(|| "20000".into());
    if runs == "ask" {
        return questions(&mut open(&place, false)?);
    }
    let runs: i64 = runs.parse().unwrap_or(0);
    // A ledger that a stopped run left is filled further.
    if open(&place, false)?.head()?.sequence > FULL {
        let mut ledger = open(&place, false)?;
        fill(&mut ledger, runs)?;
        return questions(&mut ledger);
    }
    singles("full runs, one by one", &mut open(&place, false)?, 0..FULL)?;
    singles("full runs, --durable", &mut open(&place, true)?, FULL..FULL + DURABLE)?;
    eight_writers(&place)?;
    let mut ledger = open(&place, false)?;
    evidence(&mut ledger)?;
    let report = verify::ledger(&mut ledger, |_| Vec::new())?;
    println!(
        "chain            {} of {} linked, {} problems",
        report.linked,
        report.records,
        report.problems.len()
    );
    fill(&mut ledger, runs)?;
    questions(&mut ledger)
}

/// Small imports until there are `runs` records.
fn fill(ledger: &mut Ledger, runs: i64) -> Result<(), Error> {
    let first = ledger.head()?.sequence + 1;
    let began = Instant::now();
    let mut next = first;
    while next <= runs {
        let end = (next + 1000).min(runs + 1);
        ledger.append_all(&(next..end).map(draft).collect::<Result<Vec<_>, _>>()?)?;
        next = end;
    }
    println!("imports, in thousands   {:8.0} /s", (runs + 1 - first) as f64 / began.elapsed().as_secs_f64());
    println!("records                 {:8}", ledger.head()?.sequence);
    Ok(())
}

/// What `results import` does with a table of 2,107 published rates.
fn evidence(ledger: &mut Ledger) -> Result<(), Error> {
    const TABLE: &[u8] = include_bytes!("../../roofmark-facts/data/evidence.csv");
    let began = Instant::now();
    let mut drafts = Vec::new();
    for one in import::read(None, "evidence.csv", TABLE)? {
        let unreadable = |error: serde_json::Error| Error::Malformed {
            what: "evidence.csv".into(),
            reason: error.to_string(),
        };
        let mut value = serde_json::to_value(&one).map_err(unreadable)?;
        privacy::scrub(&mut value, &Identity::default());
        let one: Observation = serde_json::from_value(value).map_err(unreadable)?;
        drafts.push(Draft::observation(Kind::Import, &one)?);
    }
    ledger.append_all(&drafts)?;
    println!("evidence, {} rows     {:8.2} s", drafts.len(), began.elapsed().as_secs_f64());
    Ok(())
}

fn open(place: &str, durable: bool) -> Result<Ledger, Error> {
    let patience = Duration::from_secs(120);
    let options = Options { place: Place::parse(place), durable, patience, tool: "scale".into() };
    Ledger::open(options, Signer::from_seed(&[5; 32]))
}

fn singles(name: &str, ledger: &mut Ledger, numbers: std::ops::Range<i64>) -> Result<(), Error> {
    let drafts: Vec<Draft> = numbers.map(full).collect();
    let began = Instant::now();
    for draft in &drafts {
        ledger.append(draft)?;
    }
    println!("{name:22}  {:8.0} /s", drafts.len() as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

/// A full run that differs from all others.
fn full(number: i64) -> Draft {
    let body = BENCH.replacen("\"tool\":\"roofmark", &format!("\"tool\":\"{number} roofmark"), 1);
    Draft { kind: Kind::Bench, body, points_at: None }
}

fn eight_writers(place: &str) -> Result<(), Error> {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                scope.spawn(move || {
                    let mut ledger = open(place, false)?;
                    let mut numbers = (0..EACH).map(|number| 1_000_000 * (writer + 1) + number);
                    numbers.try_for_each(|number| ledger.append(&full(number)).map(drop))
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap_or(Ok(())))
    })?;
    println!("full runs, 8 writers    {:8.0} /s", (8 * EACH) as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

fn questions(ledger: &mut Ledger) -> Result<(), Error> {
    let machine = Filter { machine: Some("machine-7".into()), ..Filter::default() };
    let both = Filter { model: Some("model-3".into()), ..machine.clone() };
    let engine =
        Filter { engine: Some("engine-1".into()), since: Some("2025-06".into()), ..Filter::default() };
    for (name, filter, sort) in [
        ("list, machine", &machine, Sort::Date),
        ("list, machine and model", &both, Sort::Date),
        ("list, machine, by decode", &machine, Sort::Decode),
        ("list, engine since June", &engine, Sort::Date),
        ("list, all", &Filter::default(), Sort::Date),
    ] {
        timed(name, || ledger.list(filter, sort, 30, 0).map(|found| found.len()))?;
    }
    let last = ledger.head()?.sequence;
    let configuration = ledger.configurations_of(last)?[0].number;
    timed("trend", || ledger.trend(configuration).map(|found| found.len()))
}

fn timed(name: &str, mut ask: impl FnMut() -> Result<usize, Error>) -> Result<(), Error> {
    let mut times: Vec<f64> = Vec::new();
    let mut rows = 0;
    for _ in 0..7 {
        let began = Instant::now();
        rows = ask()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:26} median {:7.1} ms, worst {:7.1} ms, {rows} rows", times[3], times[6]);
    Ok(())
}

/// A run of one of 2,400 configurations on one of 50 machines, with five samples of two rates.
fn draft(number: i64) -> Result<Draft, Error> {
    let mut state = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut pick = |most: u64| {
        state ^= state >> 31;
        state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (state >> 33) % most
    };
    let (machine, model, engine) = (pick(50), pick(12), pick(4));
    let subject = Subject {
        date: Some(format!(
            "20{}-{:02}-{:02}T{:02}:{:02}:00Z",
            24 + pick(2),
            1 + pick(12),
            1 + pick(28),
            pick(24),
            pick(60)
        )),
        machine: Some(format!("machine-{machine}")),
        model: Some(format!("model-{model}")),
        engine: Some(format!("engine-{engine}")),
        version: Some(format!("b{}", 6000 + pick(1500))),
        quant: Some("Q4_K_M".into()),
        ..Subject::default()
    };
    let mut seen = Observation::new(
        Origin { form: "generated".into(), locator: number.to_string(), ..Origin::default() },
        subject,
    );
    for timed in [Timed::Prefill, Timed::Decode] {
        let mut cell = ObservedCell::new(timed);
        let samples: Vec<TokensPerSecond> = (0..5)
            .map(|_| TokensPerSecond(20.0 + (machine * 7 + model) as f64 + pick(1000) as f64 / 1000.0))
            .collect();
        cell.rate = Some(samples.iter().copied().sum::<TokensPerSecond>() / 5.0);
        cell.samples = samples;
        cell.batch = Some(1);
        seen.cells.push(cell);
    }
    Draft::observation(Kind::Import, &seen)
}
