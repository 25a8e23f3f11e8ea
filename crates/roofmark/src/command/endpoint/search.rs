//! `--find-rate`: the highest Poisson rate that a server holds within its latency targets.

use anyhow::{Result, bail};
use roofmark_facts::load_record::{Arrival, FoundRate, LoadCell, Slo};
use roofmark_facts::units::{RequestsPerSecond, plain};
use roofmark_measure::load::plan::Plan;
use roofmark_verdict::sustain::{Claim, Search, Shown, judge};

/// Requests of the first look, whose latency says where to begin.
const LOOK: u32 = 4;

/// Searches with `run`, which runs a plan and returns `None` when it was stopped. Returns what was found
/// and the cells that were run.
pub fn search(
    base: &Plan,
    slos: &[Slo],
    claim: Claim,
    run: &mut dyn FnMut(&Plan) -> Result<Option<LoadCell>>,
) -> Result<(Option<FoundRate>, Vec<LoadCell>)> {
    if slos.is_empty() {
        bail!("failed to search a rate: --find-rate needs --slo, such as --slo ttft=1s,tpot=50ms");
    }
    let mut cells = Vec::new();
    let Some(start) = start(base, run)? else { return Ok((None, cells)) };
    let mut search = Search::new(start);
    let whole = claim.requests();
    while let Some(rate) = search.next() {
        let mut holds = false;
        // A rate that is far too high shows it in a part of the requests.
        for requests in [whole / 4, whole] {
            let seed = base.seed.wrapping_add(cells.len() as u64 * 7919);
            let arrival = Arrival::Poisson { rate };
            let plan = Plan { arrival, requests: requests as u32, duration: None, seed, ..base.clone() };
            let Some(cell) = run(&plan)? else { return Ok((found(&search, claim), cells)) };
            let shown = judge(&cell, slos, claim, whole);
            eprintln!("{}/s: {}", plain(rate.get(), 3), said(&shown, requests));
            holds = shown == Shown::Holds;
            cells.push(cell);
            if !holds && shown != Shown::TooFew {
                break;
            }
        }
        search.record(rate, holds);
    }
    Ok((found(&search, claim), cells))
}

/// One request after the other: a server that does one at a time holds no more than this.
fn start(
    base: &Plan,
    run: &mut dyn FnMut(&Plan) -> Result<Option<LoadCell>>,
) -> Result<Option<RequestsPerSecond>> {
    let arrival = Arrival::Closed { concurrency: 1 };
    let Some(cell) = run(&Plan { arrival, requests: LOOK, duration: None, ..base.clone() })? else {
        return Ok(None);
    };
    let served = cell.requests.iter().filter(|request| request.succeeded()).count();
    if served == 0 {
        bail!("failed to search a rate: not one request succeeded at one in flight");
    }
    Ok(Some(RequestsPerSecond(served as f64 / cell.ended.get())))
}

fn found(search: &Search, claim: Claim) -> Option<FoundRate> {
    (!search.tried().is_empty()).then(|| FoundRate {
        holds: search.holds(),
        fails: search.fails(),
        quantile: claim.quantile,
        confidence: claim.confidence,
        requests: claim.requests(),
        tried: search.tried().to_vec(),
    })
}

fn said(shown: &Shown, requests: u64) -> String {
    match shown {
        Shown::Holds => "holds".into(),
        Shown::Missed(metric, misses) => {
            format!("{misses} of {requests} requests missed the target of {}", metric.slug())
        }
        Shown::Grew => "queue and latency grew".into(),
        Shown::TooFew => format!("{requests} requests were well; going on"),
    }
}
