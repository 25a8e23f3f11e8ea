//! The highest rate that a server holds: a test at one rate, and the order in which rates are tried.
//!
//! A rate holds where, at the stated confidence, at most the stated share of requests misses a latency
//! target. Misses are counted, not interpolated: with `n` requests of which `k` missed, the share is
//! below `1 − quantile` at that confidence where a binomial with this share gives `k` or fewer misses
//! with a probability of at most `1 − confidence`.

use crate::load::{is_saturated, meets};
use roofmark_facts::load_record::{LoadCell, RequestRecord, Slo, SloMetric};
use roofmark_facts::units::RequestsPerSecond;

/// Misses that a test should be able to forgive: with none, a server must be far better than asked.
const FORGIVEN: u64 = 2;
/// The search ends where the rate that holds and the one that does not are this close.
const CLOSE: f64 = 1.1;
/// Rates tried at most.
const MOST: usize = 24;

/// How much is to be shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// This share of requests must meet each target.
    pub quantile: f64,
    /// With this confidence.
    pub confidence: f64,
}

impl Claim {
    /// Most misses among `requests` with which the claim is shown; `None` where they are too few.
    #[must_use]
    pub fn allowed(self, requests: u64) -> Option<u64> {
        let miss = 1.0 - self.quantile;
        let count = requests as f64;
        // The terms of the binomial, one from the other, in logarithms against underflow.
        let mut term = count * self.quantile.ln();
        let mut sum = 0.0;
        let mut shown = None;
        for misses in 0..=requests {
            sum += term.exp();
            if sum > 1.0 - self.confidence {
                return shown;
            }
            shown = Some(misses);
            term += ((count - misses as f64) / (misses as f64 + 1.0) * miss / self.quantile).ln();
        }
        shown
    }

    /// Requests that a test takes.
    #[must_use]
    pub fn requests(self) -> u64 {
        (1..1_000_000).find(|count| self.allowed(*count) >= Some(FORGIVEN)).unwrap_or(1_000_000)
    }
}

/// What a cell at one rate showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The claim holds.
    Holds,
    /// Too many missed a target: the metric with most misses, and how many.
    Missed(SloMetric, u64),
    /// Queue and latency grew: with more time it would have missed.
    Grew,
    /// Too few requests.
    TooFew,
}

/// Judges a cell. `planned` is the number of requests of the whole test, of which the cell may be a part.
#[must_use]
pub fn judge(cell: &LoadCell, slos: &[Slo], claim: Claim, planned: u64) -> Shown {
    let Some(allowed) = claim.allowed(planned) else { return Shown::TooFew };
    let misses = |slo: &Slo| {
        let missed =
            |request: &&RequestRecord| !(request.succeeded() && meets(request, std::slice::from_ref(slo)));
        cell.requests.iter().filter(missed).count() as u64
    };
    let worst = slos.iter().map(|slo| (slo.metric, misses(slo))).max_by_key(|(_, misses)| *misses);
    if let Some((metric, misses)) = worst.filter(|(_, misses)| *misses > allowed) {
        return Shown::Missed(metric, misses);
    }
    let good: Vec<&RequestRecord> = cell.requests.iter().filter(|request| request.succeeded()).collect();
    if is_saturated(cell, &good) {
        return Shown::Grew;
    }
    if (cell.requests.len() as u64) < planned { Shown::TooFew } else { Shown::Holds }
}

/// Which rate to try next: doubled or halved until one holds and one does not, then between the two.
#[derive(Clone, Debug)]
pub struct Search {
    next: f64,
    tried: Vec<(RequestsPerSecond, bool)>,
}

impl Search {
    /// Begins at `start`.
    #[must_use]
    pub fn new(start: RequestsPerSecond) -> Self {
        Self { next: start.get(), tried: Vec::new() }
    }

    /// The next rate; `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<RequestsPerSecond> {
        let close = self.holds().zip(self.fails()).is_some_and(|(low, high)| high / low <= CLOSE);
        (!close && self.tried.len() < MOST).then_some(RequestsPerSecond(self.next))
    }

    /// Takes what a rate showed.
    pub fn record(&mut self, rate: RequestsPerSecond, holds: bool) {
        self.tried.push((rate, holds));
        self.next = match (self.holds(), self.fails()) {
            (Some(low), Some(high)) => (low.get() * high.get()).sqrt(),
            (Some(low), None) => low.get() * 2.0,
            (None, Some(high)) => high.get() / 2.0,
            (None, None) => rate.get(),
        };
    }

    /// Highest rate that holds, below all that do not.
    #[must_use]
    pub fn holds(&self) -> Option<RequestsPerSecond> {
        let fails = self.fails();
        let below = |rate: &RequestsPerSecond| fails.is_none_or(|high| *rate < high);
        let held = self.tried.iter().filter(|(_, holds)| *holds).map(|(rate, _)| *rate).filter(below);
        held.max_by(|left, right| left.get().total_cmp(&right.get()))
    }

    /// Lowest rate that was not shown to hold.
    #[must_use]
    pub fn fails(&self) -> Option<RequestsPerSecond> {
        let failed = self.tried.iter().filter(|(_, holds)| !*holds).map(|(rate, _)| *rate);
        failed.min_by(|left, right| left.get().total_cmp(&right.get()))
    }

    /// All rates in the order they were tried.
    #[must_use]
    pub fn tried(&self) -> &[(RequestsPerSecond, bool)] {
        &self.tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::load_record::{Arrival, ClientUse, Failure, ServerCounters, Trouble};
    use roofmark_facts::units::Seconds;

    const P99: Claim = Claim { quantile: 0.99, confidence: 0.99 };

    #[test]
    fn misses_allowed_are_those_of_the_binomial() {
        // 0.99^459 = 0.00992, 0.99^458 = 0.01002.
        assert_eq!((P99.allowed(458), P99.allowed(459)), (None, Some(0)));
        assert_eq!((P99.allowed(661), P99.allowed(662)), (Some(0), Some(1)));
        assert_eq!(P99.requests(), 838);
        assert_eq!(Claim { quantile: 0.9, confidence: 0.99 }.allowed(44), Some(0));
        assert_eq!(Claim { quantile: 0.9, confidence: 0.99 }.allowed(43), None);
    }

    /// A server that serves one request after the other in `service` seconds, under Poisson arrivals.
    fn queue(rate: f64, service: f64, count: usize, seed: u64) -> LoadCell {
        use rand::{Rng, SeedableRng};
        let mut random = rand::rngs::SmallRng::seed_from_u64(seed);
        let (mut at, mut free) = (0.0_f64, 0.0_f64);
        let mut requests = Vec::new();
        for _ in 0..count {
            at += -(1.0 - random.random::<f64>()).ln() / rate;
            free = free.max(at) + service;
            requests.push(RequestRecord {
                scheduled: Seconds(at),
                sent: Seconds(at),
                first: Some(Seconds(free)),
                last: Some(Seconds(free)),
                ended: Seconds(free),
                ..RequestRecord::default()
            });
        }
        LoadCell {
            arrival: Arrival::Poisson { rate: RequestsPerSecond(rate) },
            arrivals_end: Seconds(at),
            ended: Seconds(free),
            requests,
            client: ClientUse::default(),
            counters: ServerCounters::default(),
            interrupted: false,
            doubts: Vec::new(),
            ran: 0,
            energy: None,
        }
    }

    fn slo(limit: f64) -> Vec<Slo> {
        vec![Slo { metric: SloMetric::Ttft, limit: Seconds(limit) }]
    }

    #[test]
    fn the_search_finds_the_rate_of_a_queue() {
        // M/D/1 with 10 ms of service: at load 0.8 the 99th percentile of the sojourn time is near 0.11 s.
        let mut search = Search::new(RequestsPerSecond(7.0));
        while let Some(rate) = search.next() {
            let cell = queue(rate.get(), 0.01, P99.requests() as usize * 4, search.tried().len() as u64);
            search.record(rate, judge(&cell, &slo(0.11), P99, P99.requests() * 4) == Shown::Holds);
        }
        let found = search.holds().unwrap().get();
        assert!((60.0..88.0).contains(&found), "{found}");
        assert!(search.fails().unwrap().get() / found <= CLOSE);
    }

    #[test]
    fn failures_miss_and_few_requests_show_nothing() {
        let mut cell = queue(20.0, 0.01, 838, 1);
        assert_eq!(judge(&cell, &slo(1.0), P99, 838), Shown::Holds);
        assert_eq!(judge(&queue(20.0, 0.01, 200, 1), &slo(1.0), P99, 838), Shown::TooFew);
        for request in &mut cell.requests[..3] {
            request.failure = Some(Failure { kind: Trouble::ServerError, detail: String::new() });
        }
        assert_eq!(judge(&cell, &slo(1.0), P99, 838), Shown::Missed(SloMetric::Ttft, 3));
    }

    #[test]
    fn an_overloaded_server_is_seen_even_where_no_target_is_missed_yet() {
        let shown = judge(&queue(120.0, 0.01, 838, 1), &slo(100.0), P99, 838);
        assert_eq!(shown, Shown::Grew);
    }

    #[test]
    fn a_server_that_never_holds_ends_the_search() {
        let mut search = Search::new(RequestsPerSecond(4.0));
        while let Some(rate) = search.next() {
            search.record(rate, false);
        }
        assert_eq!(search.holds(), None);
    }
}
