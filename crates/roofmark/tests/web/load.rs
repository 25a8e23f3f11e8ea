//! 200 requests a second for a minute, without an error.

use crate::page::{Page, import, llama_bench};
use std::time::{Duration, Instant};

const THREADS: u32 = 8;
const PER_SECOND: u32 = 200;
const SECONDS: u32 = 60;

/// What readers ask for, the frequent views more often.
const PATHS: [&str; 8] = [
    "/results",
    "/explorer?machine=nvidia-dgx-spark&model=llama-3.1-8b&quant=Q4_K_M",
    "/results/1",
    "/api/results?sort=decode",
    "/live",
    "/api/predict?machine=nvidia-dgx-spark&model=llama-3.1-8b&quant=Q4_K_M",
    "/lab",
    "/api/machines?machine=dgx-spark",
];

fn reader(page: &Page, thread: u32, start: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    for turn in 0..PER_SECOND * SECONDS / THREADS {
        let due = start + Duration::from_secs(1) * (turn * THREADS + thread) / PER_SECOND;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let path = PATHS[(turn + thread) as usize % PATHS.len()];
        let status = page.get(path).status;
        assert_eq!(status, 200, "{path}");
        waits.push(due.elapsed());
    }
    waits
}

#[test]
#[ignore = "takes a minute of the whole machine: make test-web-load"]
fn two_hundred_requests_a_second_for_a_minute() {
    let data = tempfile::tempdir().unwrap();
    import(data.path(), "a.json", &llama_bench("llama 8B", 20.0, "2026-10-01T00:00:00Z"));
    let page = Page::on(data, &[]);
    assert_eq!(page.get("/machines").status, 200);
    let start = Instant::now();
    let mut waits: Vec<Duration> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let page = &page;
                    move || reader(page, thread, start)
                })
            })
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    waits.sort_unstable();
    let rate = waits.len() as f64 / start.elapsed().as_secs_f64();
    let at = |share: usize| waits[(waits.len() - 1) * share / 100];
    println!(
        "{} answers, {rate:.0} a second; p50 {:?}, p99 {:?}, longest {:?}",
        waits.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(rate > 0.95 * f64::from(PER_SECOND), "only {rate:.0} answers a second");
}
