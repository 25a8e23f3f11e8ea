//! The metrics of a load test on cells whose numbers are known beforehand, and what must hold for any cell.

use proptest::prelude::*;
use roofmark_facts::load_doubt::LoadDoubt;
use roofmark_facts::load_record::{
    Arrival, ClientUse, Failure, LoadCell, LoadRow, LoadSettings, RequestRecord, ServerCounters, Slo,
    SloMetric, TokenArrival, TokenSource, Trouble,
};
use roofmark_facts::units::{RequestsPerSecond, Seconds, TokensPerSecond};
use roofmark_verdict::load::{knee, row};

/// A request due at `at` whose first token comes after `ttft` and whose tokens come every `gap` seconds.
fn request(at: f64, ttft: f64, gap: f64, tokens: u32) -> RequestRecord {
    let micros = |seconds: f64| (seconds * 1e6).round() as u32;
    let last = ttft + gap * f64::from(tokens - 1);
    RequestRecord {
        scheduled: Seconds(at),
        sent: Seconds(at),
        first_byte: Some(Seconds(at + ttft)),
        first: Some(Seconds(at + ttft)),
        first_answer: Some(Seconds(at + ttft)),
        last: Some(Seconds(at + last)),
        ended: Seconds(at + last),
        prompt_nominal: 100,
        prompt_tokens: Some(100),
        output_asked: tokens,
        output_tokens: Some(f64::from(tokens)),
        token_source: Some(TokenSource::Server),
        chunks: tokens,
        arrivals: (0..tokens).map(|index| TokenArrival(micros(ttft + gap * f64::from(index)), 1)).collect(),
        arrivals_are_tokens: true,
        ..RequestRecord::default()
    }
}

fn failed(at: f64) -> RequestRecord {
    let failure = Some(Failure { kind: Trouble::ServerError, detail: String::new() });
    RequestRecord {
        scheduled: Seconds(at),
        sent: Seconds(at),
        ended: Seconds(at + 0.01),
        failure,
        ..RequestRecord::default()
    }
}

fn cell(arrival: Arrival, arrivals_end: f64, requests: Vec<RequestRecord>) -> LoadCell {
    let ended = requests.iter().map(|request| request.ended).fold(Seconds(arrivals_end), Seconds::max);
    LoadCell {
        arrival,
        arrivals_end: Seconds(arrivals_end),
        ended,
        requests,
        client: ClientUse { wall: ended, ..ClientUse::default() },
        counters: ServerCounters::default(),
        interrupted: false,
        doubts: Vec::new(),
        ran: 0,
        energy: None,
    }
}

fn judged(cell: &LoadCell, slos: Vec<Slo>, overhead: Option<Seconds>) -> (LoadRow, Vec<LoadDoubt>) {
    let settings = LoadSettings {
        input_tokens: "100".into(),
        output_tokens: "11".into(),
        turns: 1,
        think: Seconds(0.0),
        ignore_eos: true,
        shared_prefix: false,
        seed: 1,
        slos,
        template_tokens: None,
        overhead,
        check: None,
        self_test: None,
    };
    row(cell, &settings, &roofmark_testing::server_facts())
}

fn constant(rate: f64) -> Arrival {
    Arrival::Constant { rate: RequestsPerSecond(rate) }
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-3), "{found} instead of {expected}");
}

#[test]
fn latencies_count_from_the_due_time() {
    let mut late = request(1.0, 0.5, 0.1, 11);
    late.sent = Seconds(1.2);
    late.first_byte = Some(Seconds(1.3));
    late.first_answer = Some(Seconds(2.0));
    let (row, _) = judged(&cell(constant(1.0), 1.0, vec![late]), Vec::new(), None);
    let p50 = |latency: roofmark_facts::load_record::Latency| latency.p50.expect("a median").get();
    near(p50(row.ttfb), 0.1);
    near(p50(row.ttft), 0.5);
    near(p50(row.ttfa), 1.0);
    near(p50(row.e2e), 1.5);
    near(p50(row.tpot), 0.1);
    near(p50(row.gap_max), 0.1);
    near(p50(row.lag), 0.2);
    near(p50(row.itl.expect("gaps")), 0.1);
}

#[test]
fn the_window_opens_when_concurrency_is_reached_and_closes_with_the_arrivals() {
    // Two streams, the second one second late; each request has a token each 0.2 s from 0.1 s to 1.9 s.
    let at = [0.0, 1.0, 2.0, 3.0, 4.0];
    let requests: Vec<_> = at.iter().map(|at| request(*at, 0.1, 0.2, 10)).collect();
    let (row, doubts) = judged(&cell(Arrival::Closed { concurrency: 2 }, 4.0, requests), Vec::new(), None);
    let window = row.window.expect("a window");
    assert_eq!((window.from, window.to, window.requests), (Seconds(1.0), Seconds(4.0), 3));
    // Two streams of five tokens a second each.
    near(row.output_throughput.expect("a rate").get(), 10.0);
    near(row.in_flight.expect("a mean"), 1.9);
    near(row.request_rate.expect("a rate").get(), 1.0);
    assert!(doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::ShortWindow { .. })));
}

#[test]
fn failures_and_missed_targets_count_against_goodput() {
    let mut requests: Vec<_> = (0..6).map(|index| request(f64::from(index), 0.1, 0.01, 11)).collect();
    requests.push(request(6.0, 0.5, 0.01, 11));
    requests.push(request(7.0, 0.1, 0.05, 11));
    requests.extend([failed(8.0), failed(9.0)]);
    let slos = vec![
        Slo { metric: SloMetric::Ttft, limit: Seconds(0.2) },
        Slo { metric: SloMetric::Tpot, limit: Seconds(0.02) },
    ];
    let cell = cell(constant(1.0), 10.0, requests);
    let (row, doubts) = judged(&cell, slos, None);
    near(row.request_rate.expect("a rate").get(), 0.8);
    near(row.goodput.expect("a rate").get(), 0.6);
    near(row.goodput_tokens.expect("a rate").get(), 6.6);
    near(row.output_throughput.expect("a rate").get(), 8.8);
    assert_eq!((row.succeeded, row.failed), (8, 2));
    assert!(doubts.contains(&LoadDoubt::Failures { failed: 2, of: 10 }));
    assert_eq!(row.troubles, [(Trouble::ServerError, 2, 0)]);
}

#[test]
fn rates_of_a_single_stream() {
    let long: Vec<_> = (0..3).map(|index| request(f64::from(index) * 10.0, 0.3, 0.02, 200)).collect();
    let single = cell(Arrival::Closed { concurrency: 1 }, 20.0, long.clone());
    let (row, _) = judged(&single, Vec::new(), Some(Seconds(0.1)));
    near(row.decode_rate.expect("a rate").get(), 50.0);
    near(row.prefill_rate.expect("a rate").get(), 100.0 / 0.2);
    assert!(row.overhead_subtracted);
    // Not where several share the server, nor where an answer is short.
    assert_eq!(
        judged(&cell(Arrival::Closed { concurrency: 2 }, 20.0, long), Vec::new(), None).0.decode_rate,
        None
    );
    let short = vec![request(0.0, 0.3, 0.02, 127)];
    assert_eq!(
        judged(&cell(Arrival::Closed { concurrency: 1 }, 20.0, short), Vec::new(), None).0.decode_rate,
        None
    );
}

#[test]
fn accepted_length_is_weighted_by_tokens() {
    let mut one = request(0.0, 0.1, 0.01, 90);
    one.accepted = Some(60);
    let mut other = request(1.0, 0.1, 0.01, 10);
    other.accepted = Some(0);
    let (row, _) = judged(&cell(constant(1.0), 2.0, vec![one, other]), Vec::new(), None);
    near(row.accepted_length.expect("a length"), 100.0 / 40.0);
}

#[test]
fn the_knee_is_where_more_stops_to_pay() {
    let curve = |points: &[(u32, f64)]| {
        knee(&points.iter().map(|(at, rate)| (*at, TokensPerSecond(*rate))).collect::<Vec<_>>())
    };
    assert_eq!(curve(&[(1, 100.0), (2, 190.0), (4, 350.0), (8, 400.0), (16, 410.0)]), Some(4));
    assert_eq!(curve(&[(1, 100.0), (2, 200.0), (4, 400.0)]), Some(4));
    // One bad step does not end the curve.
    assert_eq!(curve(&[(1, 100.0), (2, 90.0), (4, 300.0)]), Some(4));
    assert_eq!(curve(&[(1, 100.0)]), None);
}

#[test]
fn a_percentile_needs_ten_requests_beyond_it() {
    for (count, p90, p99) in [(99, false, false), (100, true, false), (1000, true, true)] {
        let (row, _) = judged(&queue(5.0, 0.1, 1, count), Vec::new(), None);
        assert_eq!((row.ttft.p90.is_some(), row.ttft.p99.is_some()), (p90, p99), "{count}");
    }
}

/// A queue with one server of `service` seconds a request under even arrivals that are jittered by `seed`.
fn queue(rate: f64, service: f64, seed: u64, requests: u32) -> LoadCell {
    let mut state = seed | 1;
    let mut free = 0.0_f64;
    let of = |index: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (f64::from(index) + (state >> 40) as f64 / f64::from(1 << 24)) / rate;
        let begin = free.max(at);
        free = begin + service;
        request(at, begin - at + service / 2.0, service / 20.0, 11)
    };
    cell(constant(rate), f64::from(requests) / rate, (0..requests).map(of).collect())
}

fn jumbled(cell: &LoadCell, seed: usize) -> LoadCell {
    let mut requests = cell.requests.clone();
    let count = requests.len();
    (1..count).for_each(|index| requests.swap(index, (index * 7919 + seed) % (index + 1)));
    // The first stays first: an open loop's window begins with it.
    let first = requests.iter().position(|request| request.scheduled == cell.requests[0].scheduled);
    requests.swap(0, first.unwrap_or(0));
    LoadCell { requests, ..cell.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_queue_saturates_where_more_comes_than_goes(seed in any::<u64>(), load in 1.25_f64..3.0) {
        prop_assert!(judged(&queue(10.0 * load, 0.1, seed, 80), Vec::new(), None).0.saturated);
    }

    #[test]
    fn a_queue_with_room_does_not(seed in any::<u64>(), load in 0.1_f64..0.5) {
        prop_assert!(!judged(&queue(10.0 * load, 0.1, seed, 80), Vec::new(), None).0.saturated);
    }

    #[test]
    fn goodput_is_never_above_throughput(seed in any::<u64>(), load in 0.3_f64..2.0, limit in 0.01_f64..1.0) {
        let slo = Slo { metric: SloMetric::E2e, limit: Seconds(limit) };
        let (row, _) = judged(&queue(10.0 * load, 0.1, seed, 40), vec![slo], None);
        prop_assert!(row.goodput.unwrap_or_default() <= row.request_rate.unwrap_or_default());
        prop_assert!(row.goodput_tokens.unwrap_or_default() <= row.output_throughput.unwrap_or_default());
    }

    #[test]
    fn the_order_of_the_records_does_not_matter(seed in any::<u64>(), turn in 0_usize..1000) {
        let cell = queue(8.0, 0.1, seed, 40);
        let (row, other) = (judged(&cell, Vec::new(), None).0, judged(&jumbled(&cell, turn), Vec::new(), None).0);
        prop_assert_eq!(row.ttft.p50, other.ttft.p50);
        prop_assert_eq!((row.window, row.saturated), (other.window, other.saturated));
        prop_assert!((row.output_throughput.unwrap().get() - other.output_throughput.unwrap().get()).abs() < 1e-9);
    }

    #[test]
    fn a_longer_gap_never_makes_a_faster_row(gap in 0.001_f64..0.1, more in 1.01_f64..3.0) {
        let rate = |gap: f64| {
            let requests = (0..4).map(|index| request(f64::from(index) * 40.0, 0.1, gap, 130)).collect();
            judged(&cell(Arrival::Closed { concurrency: 1 }, 160.0, requests), Vec::new(), None).0.decode_rate
        };
        prop_assert!(rate(gap * more) < rate(gap));
    }
}
