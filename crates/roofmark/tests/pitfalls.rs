//! The pitfalls of measuring a server: each test first shows the naive number wrong, then ours right.
//!
//! The numbers are those of `docs/measurement.md`.

#[path = "../../roofmark-measure/tests/server/mod.rs"]
mod server;

use roofmark_facts::load_doubt::LoadDoubt;
use roofmark_facts::load_record::{
    Arrival, ClientUse, LoadCell, LoadEnergy, LoadRow, LoadRun, LoadSettings, RequestRecord, ServerEngine,
    ServerFacts,
};
use roofmark_facts::probe_record::{EnergyCounter, Reading, Why};
use roofmark_facts::units::{Joules, RequestsPerSecond, Seconds, Watts};
#[cfg(target_os = "linux")]
use roofmark_measure::load::around::EnergyWatch;
use roofmark_verdict::load::row;
use server::{HEAD, close, closed, content, end, event, facts, plan, run, send, serve, usage};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

fn settings() -> LoadSettings {
    LoadSettings {
        input_tokens: "64".into(),
        output_tokens: "8".into(),
        turns: 1,
        think: Seconds(0.0),
        ignore_eos: true,
        shared_prefix: false,
        seed: 1,
        slos: Vec::new(),
        template_tokens: None,
        overhead: None,
        check: None,
        self_test: None,
    }
}

fn judged(cell: &LoadCell) -> (LoadRow, Vec<LoadDoubt>) {
    row(cell, &settings(), &facts())
}

/// A cell against a server that answers each request with this.
fn answered(text: String, requests: u32, output: u32) -> LoadCell {
    let target = serve(move |_, stream| {
        send(stream, &text)?;
        close()
    });
    let mut cell = run(&target, &plan(closed(1), requests, output));
    // A server that answers at once keeps any client busy, which is the subject of one test only.
    cell.client.cpu = Seconds(0.0);
    cell
}

fn near(found: f64, expected: f64, share: f64) -> bool {
    (found / expected - 1.0).abs() <= share
}

fn quantile(mut values: Vec<f64>, p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * p).ceil() as usize]
}

#[test]
fn pitfall_01_coordinated_omission() {
    // The server stands still from 0.3 s to 1.3 s. Of 300 requests at 100/s, 100 are due in that time.
    let begun = OnceLock::new();
    let (from, to) = (Duration::from_millis(300), Duration::from_millis(1300));
    let target = serve(move |_, stream| {
        let since = begun.get_or_init(Instant::now).elapsed();
        if (from..to).contains(&since) {
            std::thread::sleep(to - since);
        }
        send(stream, &(HEAD.to_owned() + &content("a") + &end("length", &usage(64, 1))))?;
        close()
    });
    let open = run(&target, &plan(Arrival::Constant { rate: RequestsPerSecond(100.0) }, 300, 1));
    let ttft = |request: &RequestRecord| request.ttft().expect("a token").get();
    let p90 = quantile(open.requests.iter().map(ttft).collect(), 0.9);
    // 30 requests lie beyond it, so it is 0.7 s; a busy machine makes it longer.
    assert!((0.5..7.0).contains(&p90), "{p90}");
    // A client that waits for its answers sends one request into the freeze, and 200 outside.
    let mut fast: Vec<f64> = open.requests.iter().map(ttft).collect();
    fast.sort_by(f64::total_cmp);
    let naive = quantile([&fast[..200], &fast[299..]].concat(), 0.9);
    assert!(naive < 0.5 * p90, "the naive 90th percentile is {naive}");
    // A client that is itself late says so.
    let mut late = open;
    late.requests.iter_mut().for_each(|request| request.sent = request.sent + Seconds(0.02));
    assert!(judged(&late).1.iter().any(|doubt| matches!(doubt, LoadDoubt::ScheduleLag { .. })));
    assert!(judged(&late).0.void);
}

#[test]
fn pitfall_02_a_chunk_is_not_a_token() {
    let target = serve(|_, stream| {
        send(stream, HEAD)?;
        for _ in 0..10 {
            send(stream, &content("three tokens here"))?;
            std::thread::sleep(Duration::from_millis(5));
        }
        send(stream, &end("length", &usage(64, 30)))?;
        close()
    });
    let cell = run(&target, &plan(closed(1), 3, 30));
    let request = &cell.requests[0];
    let span = (request.last.expect("last") - request.first.expect("first")).get();
    let naive = span / f64::from(request.chunks - 1);
    let ours = request.tpot().expect("tokens").get();
    assert!(naive > 3.0 * ours && near(ours, span / 29.0, 1e-9));
    let (row, doubts) = judged(&cell);
    assert!(row.itl.is_none() && doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::GapsUnknown { .. })));
}

#[test]
fn pitfall_03_what_is_no_first_token() {
    let target = serve(|_, stream| {
        let role = event(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#);
        send(stream, &(HEAD.to_owned() + ": waiting\n\n" + &role + &content("")))?;
        std::thread::sleep(Duration::from_millis(400));
        send(stream, &(content("a") + &end("length", &usage(64, 1))))?;
        close()
    });
    for request in run(&target, &plan(closed(1), 3, 1)).requests {
        assert!(request.ttfb().expect("a byte").get() < 0.36, "the naive first token");
        assert!(request.ttft().expect("a token").get() >= 0.4);
    }
}

#[test]
fn pitfall_04_reasoning() {
    let target = serve(|_, stream| {
        send(stream, HEAD)?;
        send(stream, &event(r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#))?;
        std::thread::sleep(Duration::from_millis(400));
        send(stream, &(content("a") + &end("stop", &usage(64, 2))))?;
        close()
    });
    for request in run(&target, &plan(closed(1), 3, 2)).requests {
        let naive = request.ttfa().expect("an answer").get();
        assert!(naive >= 0.4 && request.ttft().expect("a token").get() < 0.36);
    }
    // Reasoning that is counted but not shown: a gap between chunks is no gap between tokens.
    let counts =
        r#"{"prompt_tokens":64,"completion_tokens":60,"completion_tokens_details":{"reasoning_tokens":50}}"#;
    let cell = answered(HEAD.to_owned() + &content("a").repeat(10) + &end("stop", counts), 3, 60);
    let (row, doubts) = judged(&cell);
    assert!(
        row.itl.is_none() && doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::HiddenReasoning { .. }))
    );
}

#[test]
fn pitfall_05_prompt_length_drift() {
    let cell = answered(HEAD.to_owned() + &content("a") + &end("length", &usage(72, 1)), 3, 1);
    let (row, doubts) = judged(&cell);
    let ttft =
        quantile(cell.requests.iter().map(|request| request.ttft().expect("a token").get()).collect(), 0.5);
    let (naive, ours) = (64.0 / ttft, row.prefill_rate.expect("a rate").get());
    assert!(ours > 1.1 * naive && row.void);
    assert!(doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::PromptDrift { .. })));
}

#[test]
fn pitfall_06_prefix_cache() {
    let prompts = Arc::new(Mutex::new(Vec::new()));
    let kept = prompts.clone();
    let target = serve(move |request, stream| {
        kept.lock().expect("prompts").push(request.prompt().to_owned());
        let counts =
            r#"{"prompt_tokens":64,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":48}}"#;
        send(stream, &(HEAD.to_owned() + &content("a") + &end("length", counts)))?;
        close()
    });
    let mut cell = run(&target, &plan(closed(1), 20, 1));
    // Nothing is repeated from the first word on, so that a cache has nothing to give.
    let mut first: Vec<String> =
        prompts.lock().expect("prompts").iter().map(|prompt| prompt[..6].to_owned()).collect();
    first.sort();
    first.dedup();
    assert_eq!(first.len(), 20);
    // A server that gave something all the same is believed and the row void.
    let (row, doubts) = judged(&cell);
    assert!(
        row.void
            && doubts
                .iter()
                .any(|doubt| matches!(doubt, LoadDoubt::PrefixHits { share } if near(*share, 0.75, 0.01)))
    );
    let ours = row.prefill_rate.expect("a rate").get();
    cell.requests.iter_mut().for_each(|request| request.cached_tokens = None);
    let naive = judged(&cell).0.prefill_rate.expect("a rate").get();
    assert!(near(naive / ours, 4.0, 0.01), "{naive} {ours}");
}

#[test]
fn pitfall_07_silent_truncation() {
    let cell = answered(HEAD.to_owned() + &content("a") + &end("length", &usage(16, 1)), 3, 1);
    let server = ServerFacts { context: Some(16), ..facts() };
    let (row, doubts) = row(&cell, &settings(), &server);
    assert!(cell.requests.iter().all(RequestRecord::succeeded), "the naive client sees nothing");
    assert!(
        row.void
            && doubts.contains(&LoadDoubt::PromptCut { nominal: 64.0, counted: 16.0, context: Some(16) })
    );
}

#[test]
fn pitfall_08_early_end_of_text() {
    let asked = Arc::new(Mutex::new(false));
    let kept = asked.clone();
    let target = serve(move |request, stream| {
        *kept.lock().expect("asked") = request.body["ignore_eos"] == true;
        send(stream, &(HEAD.to_owned() + &content("a").repeat(12) + &end("stop", &usage(64, 12))))?;
        close()
    });
    let server = ServerFacts { engine: ServerEngine::Vllm, ..facts() };
    let watch = roofmark_measure::load::watch::Watch::default();
    let cell = roofmark_measure::load::plan::run_cell(
        &target,
        &server,
        &plan(closed(1), 3, 128),
        server::TIMEOUTS,
        &watch,
    )
    .expect("a cell");
    assert!(*asked.lock().expect("asked"), "the server is asked to go on");
    let (row, doubts) = row(&cell, &settings(), &server);
    let naive = 128.0;
    assert_eq!((row.output_tokens, naive / 12.0 > 10.0), (Some(12.0), true));
    assert!(doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::OutputLength { .. })));
}

#[test]
fn pitfall_09_speculation() {
    // 12 tokens, of which 8 were drafts: four passes.
    let last = r#"{"choices":[{"delta":{},"finish_reason":"length"}],"timings":{"cache_n":0,"prompt_n":64,"predicted_n":12,"draft_n":10,"draft_n_accepted":8}}"#;
    let cell = answered(HEAD.to_owned() + &content("a").repeat(12) + &event(last) + &event("[DONE]"), 3, 12);
    let (row, doubts) = judged(&cell);
    let naive = 1.0;
    assert!(row.accepted_length.is_some_and(|length| near(length, 3.0, 1e-9) && length > naive));
    assert!(doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::Speculation { .. })));
}

#[test]
fn pitfall_10_the_client_is_the_limit() {
    let cell = answered(HEAD.to_owned() + &content("a").repeat(8) + &end("length", &usage(64, 8)), 3, 8);
    let busy = ClientUse { cpu: Seconds(0.6), wall: Seconds(1.0), ..cell.client };
    let (row, doubts) = judged(&LoadCell { client: busy, ..cell });
    assert!(row.succeeded == 3 && row.failed == 0, "the naive client sees nothing");
    assert!(row.void && doubts.contains(&LoadDoubt::ClientBusy { share: 0.6 }));
}

#[test]
fn pitfall_10_the_self_test_says_what_the_client_can_take() {
    let test = roofmark_measure::load::before::self_test().expect("a self-test");
    assert!(test.chunks_per_cpu_second > 10_000.0, "{test:?}");
    // At half of that rate the client is the limit, whatever its clock said.
    let mut cell = answered(HEAD.to_owned() + &content("a").repeat(8) + &end("length", &usage(64, 8)), 3, 8);
    cell.client = ClientUse { cpu: Seconds(0.0), wall: Seconds(1.0), ..cell.client };
    let slow = roofmark_facts::load_record::SelfTest { chunks_per_cpu_second: 48.0 };
    let (row, doubts) = row(&cell, &LoadSettings { self_test: Some(slow), ..settings() }, &facts());
    assert!(row.void && doubts.contains(&LoadDoubt::ClientBusy { share: 0.5 }));
}

#[test]
fn pitfall_11_a_machine_that_changes() {
    let mut cell = answered(HEAD.to_owned() + &content("a") + &end("length", &usage(64, 1)), 3, 1);
    let mut drifts = |after: f64| {
        cell.client = ClientUse { sentinel_before: Some(100.0), sentinel_after: Some(after), ..cell.client };
        let (row, doubts) = judged(&cell);
        (doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::SentinelDrift { .. })), row.void)
    };
    assert_eq!((drifts(98.0), drifts(95.0), drifts(90.0)), ((false, false), (true, false), (true, true)));
}

#[test]
fn a_counter_that_disagrees_with_the_answers() {
    // Another user of the server: its counter moves by more than this client was answered.
    let mut cell = answered(HEAD.to_owned() + &content("a").repeat(8) + &end("length", &usage(64, 8)), 10, 8);
    cell.counters.output_tokens = Some(80.0);
    assert!(!judged(&cell).0.void);
    cell.counters.output_tokens = Some(240.0);
    let (row, doubts) = judged(&cell);
    assert!(row.void && doubts.contains(&LoadDoubt::CountsDisagree { usage: 80.0, counter: 240.0 }));
}

fn energy_of(joules: Reading<Joules>, period: Reading<Seconds>, time: f64) -> LoadEnergy {
    let counter = EnergyCounter { scope: "package-0".into(), energy: joules, period };
    LoadEnergy { counters: vec![counter], time: Seconds(time), idle: Some(Watts(30.0)) }
}

#[test]
fn pitfall_12_energy_scope() {
    let mut cell = answered(HEAD.to_owned() + &content("a").repeat(8) + &end("length", &usage(64, 8)), 5, 8);
    let mut judge = |energy: LoadEnergy| {
        cell.energy = Some(energy);
        let (row, doubts) = judged(&cell);
        let invalid = doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::EnergyInvalid { .. }));
        (row.energy, invalid)
    };
    // 400 J over 10 s and 40 tokens are 10 J a token; 30 W were drawn before anybody asked.
    let joules = || Reading::Value(Joules(400.0));
    let (energy, invalid) = judge(energy_of(joules(), Reading::Value(Seconds(0.001)), 10.0));
    let energy = energy.expect("energy");
    let naive = energy.all.get();
    assert!(!invalid && energy.scope == "package-0" && near(naive, 10.0, 1e-9));
    assert!(near(energy.above_idle.expect("idle is known").get(), 2.5, 1e-9));
    // A counter that moves once a second has not moved twenty times, so up to a tenth of the number is chance.
    let (energy, invalid) = judge(energy_of(joules(), Reading::Value(Seconds(1.0)), 10.0));
    assert!(energy.is_none() && invalid);
    // How often it moves is not known.
    let (energy, invalid) = judge(energy_of(joules(), Reading::Unavailable(Why::Frozen), 10.0));
    assert!(energy.is_none() && invalid);
    // What may not be read is no fault of the run.
    let (energy, invalid) =
        judge(energy_of(Reading::Unavailable(Why::Denied), Reading::Unavailable(Why::Denied), 10.0));
    assert!(energy.is_none() && !invalid);
}

#[cfg(target_os = "linux")]
#[test]
fn pitfall_12_a_frozen_counter_is_no_energy_saved() {
    let root = tempfile::tempdir().expect("a folder");
    let zone = root.path().join("sys/class/powercap/intel-rapl:0");
    std::fs::create_dir_all(&zone).expect("made");
    for (file, text) in
        [("name", "package-0"), ("energy_uj", "5000000"), ("max_energy_range_uj", "262143328850")]
    {
        std::fs::write(zone.join(file), text).expect("written");
    }
    let read =
        || std::fs::read_to_string(zone.join("energy_uj")).expect("read").parse::<f64>().expect("a number");
    let before = read();
    let watch = EnergyWatch::start(root.path());
    let mut cell = answered(HEAD.to_owned() + &content("a").repeat(8) + &end("length", &usage(64, 8)), 5, 8);
    cell.energy = watch.finish(None);
    let naive = (read() - before) / 1e6 / 40.0;
    assert_eq!(naive, 0.0, "the naive energy of a token");
    let (row, doubts) = judged(&cell);
    let frozen = LoadDoubt::EnergyInvalid { reason: "package-0 did not move".into() };
    assert!(row.energy.is_none() && doubts.contains(&frozen), "{doubts:?}");
}

#[test]
fn pitfall_14_order_effects() {
    // A server that is ten times slower after its twentieth request, whatever the load.
    let count = std::sync::atomic::AtomicU32::new(0);
    let target = serve(move |_, stream| {
        let slow = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 20;
        std::thread::sleep(Duration::from_millis(if slow { 400 } else { 40 }));
        send(stream, &(HEAD.to_owned() + &content("a") + &end("length", &usage(64, 1))))?;
        close()
    });
    let alone = run(&target, &plan(closed(1), 20, 1));
    let crowd = LoadCell { ran: 1, ..run(&target, &plan(closed(2), 12, 1)) };
    let again = run(&target, &plan(closed(1), 8, 1));
    let e2e = |cell: &LoadCell| judged(cell).0.e2e.p50.expect("a median").get();
    assert!(e2e(&crowd) > 2.0 * e2e(&alone), "the naive reading: two streams cost more than one");
    assert!(e2e(&again) > 0.5 * e2e(&crowd), "one stream costs as much by now");
    let of = |repeat: LoadCell| {
        let cells = vec![alone.clone(), crowd.clone()];
        roofmark_verdict::load::order_effect(&load_run(cells, Some(repeat)))
    };
    assert!(matches!(of(again), Some(LoadDoubt::OrderEffect { difference }) if difference > 1.0));
    assert_eq!(of(alone.clone()), None, "the same again is no effect");
}

fn load_run(cells: Vec<LoadCell>, repeat: Option<LoadCell>) -> LoadRun {
    LoadRun {
        format: roofmark_facts::load_record::FORMAT.into(),
        tool: "test".into(),
        date: "2026-01-01T00:00:00Z".into(),
        client: roofmark_facts::records::Host::default(),
        server: facts(),
        settings: settings(),
        cells,
        doubts: Vec::new(),
        found_rate: None,
        repeat,
    }
}

#[test]
fn pitfall_13_too_few_samples() {
    let cell = answered(HEAD.to_owned() + &content("a") + &end("length", &usage(64, 1)), 50, 1);
    let naive =
        quantile(cell.requests.iter().map(|request| request.ttft().expect("a token").get()).collect(), 0.99);
    let (row, doubts) = judged(&cell);
    assert!(naive > 0.0 && row.ttft.p50.is_some() && row.ttft.p90.is_none() && row.ttft.p99.is_none());
    assert!(doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::ShortWindow { .. })));
}

#[test]
fn pitfall_15_fast_because_wrong() {
    for (answer, right) in [("Paris.", true), ("token token", false)] {
        let text = HEAD.to_owned() + &content(answer) + &end("stop", &usage(64, 1));
        let kept = text.clone();
        let target = serve(move |_, stream| {
            send(stream, &kept)?;
            close()
        });
        let check = roofmark_measure::load::before::greedy(&target, &facts()).expect("asked");
        assert_eq!(check.as_ref().map(|check| check.right), Some(right), "{check:?}");
        let cell = answered(text, 3, 1);
        assert!(cell.requests.iter().all(RequestRecord::succeeded), "the naive client sees nothing");
        let (row, doubts) = row(&cell, &LoadSettings { check, ..settings() }, &facts());
        assert_eq!(row.void, !right);
        assert_eq!(doubts.iter().any(|doubt| matches!(doubt, LoadDoubt::WrongAnswer { .. })), !right);
    }
}
