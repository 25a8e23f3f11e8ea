//! Fills a ledger with generated runs and times appends, lists and trends: `scale PLACE RUNS`.

use roofmark_facts::units::TokensPerSecond;
use roofmark_ledger::key::Signer;
use roofmark_ledger::ledger::Place;
use roofmark_ledger::observation::{Observation, ObservedCell, Origin, Subject, Timed};
use roofmark_ledger::query::{Filter, Sort};
use roofmark_ledger::{Draft, Error, Kind, Ledger, Options};
use std::time::Instant;

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let place = Place::parse(&words.next().unwrap_or_else(|| "scale.db".into()));
    let runs: i64 = words.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let options =
        Options { place, durable: false, patience: std::time::Duration::from_secs(60), tool: "scale".into() };
    let mut ledger = Ledger::open(options, Signer::from_seed(&[5; 32]))?;
    let start = ledger.head()?.sequence;
    let began = Instant::now();
    let single = runs.min(2000);
    for number in start..start + single {
        ledger.append(&draft(number)?)?;
    }
    println!("single appends  {:8.0} /s", single as f64 / began.elapsed().as_secs_f64());
    let began = Instant::now();
    let mut next = start + single;
    while next < start + runs {
        let end = (next + 1000).min(start + runs);
        ledger.append_all(&(next..end).map(draft).collect::<Result<Vec<_>, _>>()?)?;
        next = end;
    }
    println!("in thousands    {:8.0} /s", (runs - single) as f64 / began.elapsed().as_secs_f64());
    println!("records         {:8}", ledger.head()?.sequence);
    questions(&mut ledger)
}

fn questions(ledger: &mut Ledger) -> Result<(), Error> {
    let machine = Filter { machine: Some("machine-7".into()), ..Filter::default() };
    let both = Filter { model: Some("model-3".into()), ..machine.clone() };
    let engine =
        Filter { engine: Some("engine-1".into()), since: Some("2026-06".into()), ..Filter::default() };
    for (name, filter, sort) in [
        ("list, machine", &machine, Sort::Date),
        ("list, machine and model", &both, Sort::Date),
        ("list, machine, by decode", &machine, Sort::Decode),
        ("list, engine since June", &engine, Sort::Date),
        ("list, all", &Filter::default(), Sort::Date),
    ] {
        timed(name, || ledger.list(filter, sort, 30, 0).map(|found| found.len()))?;
    }
    let configuration = ledger.configurations_of(1)?[0].number;
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
