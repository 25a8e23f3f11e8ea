//! Metrics of a load test and its doubts, from the raw record. One name, one formula.

use crate::stats::{
    MANY, has_percentile, median, median_interval, median_interval_of_sorted, quantile_of_sorted, regress,
    sorted,
};
use roofmark_facts::doubt::DRIFT_FLAG;
use roofmark_facts::load_doubt::{
    CLIENT_SHARE_VOID, LoadDoubt, OUTPUT_DRIFT_FLAG, PREFIX_HITS_VOID, PROMPT_DRIFT_VOID,
};
use roofmark_facts::load_record::{
    Arrival, EnergyPerToken, Latency, LoadCell, LoadRow, LoadRun, LoadSettings, RequestRecord, ServerFacts,
    Slo, SloMetric, Stage, SteadyWindow, TokenSource, Trouble,
};
use roofmark_facts::probe_record::{Reading, Why};
use roofmark_facts::units::{Joules, RequestsPerSecond, Seconds, TokensPerSecond};
use std::collections::BTreeMap;

/// Seed of the bootstrap intervals.
const SEED: u64 = 7;
/// The server's counter may differ from the sum of its usage by this share, and one token a request.
const COUNTS_TOLERANCE: f64 = 0.01;
/// Steps of an energy counter that a cell must hold.
const ENERGY_PERIODS: f64 = 20.0;

/// The row of a cell and the doubts that its requests raise.
#[must_use]
pub fn row(cell: &LoadCell, settings: &LoadSettings, server: &ServerFacts) -> (LoadRow, Vec<LoadDoubt>) {
    let good: Vec<&RequestRecord> = cell.requests.iter().filter(|request| request.succeeded()).collect();
    let window = steady_window(cell);
    let length = window.map(|window| window.to - window.from).filter(|length| length.get() > 0.0);
    let saturated = is_saturated(cell, &good);
    let met: Vec<&RequestRecord> =
        good.iter().copied().filter(|request| meets(request, &settings.slos)).collect();
    let per_length = |count: f64| length.map(|length| count / length.get());
    let inside = |request: &&&RequestRecord| {
        window.is_some_and(|window| request.ended >= window.from && request.ended <= window.to)
    };
    let mut row = LoadRow {
        arrival: cell.arrival.clone(),
        succeeded: good.len() as u64,
        failed: (cell.requests.len() - good.len()) as u64,
        window,
        ttfb: latency(good.iter().filter_map(|request| request.ttfb())),
        ttft: latency(good.iter().filter_map(|request| request.ttft())),
        ttfa: latency(good.iter().filter_map(|request| request.ttfa())),
        tpot: latency(good.iter().filter_map(|request| request.tpot())),
        itl: gaps(&good),
        gap_max: latency(good.iter().filter_map(|request| request.gap_max())),
        e2e: latency(good.iter().filter_map(|request| request.e2e())),
        lag: latency(cell.requests.iter().map(RequestRecord::lag)),
        output_throughput: window.and_then(|window| throughput(&good, window)),
        request_rate: per_length(good.iter().filter(inside).count() as f64).map(RequestsPerSecond),
        decode_rate: decode_rate(cell, &good),
        prefill_rate: prefill_rate(&good, settings.overhead),
        overhead_subtracted: settings.overhead.is_some(),
        goodput: per_length(met.iter().filter(inside).count() as f64).map(RequestsPerSecond),
        goodput_tokens: window.and_then(|window| throughput(&met, window)),
        in_flight: window.map(|window| mean_in_flight(cell, window)),
        saturated,
        accepted_length: accepted_length(cell, &good),
        output_tokens: mean(good.iter().filter_map(|request| request.output_tokens)),
        prompt_tokens: mean(
            good.iter().filter_map(|request| request.prompt_tokens.map(|count| count as f64)),
        ),
        cached_tokens: mean(
            good.iter().filter_map(|request| request.cached_tokens.map(|count| count as f64)),
        ),
        estimated: good.iter().any(|request| request.token_source > Some(TokenSource::Listed)),
        energy: energy(cell, &good).unwrap_or_default(),
        void: false,
        troubles: troubles(&cell.requests),
    };
    let doubts = doubts(cell, settings, server, &good, &row);
    row.void = doubts.iter().chain(&cell.doubts).any(LoadDoubt::voids);
    (row, doubts)
}

/// Energy of the cell over its output tokens; `None` where there is no counter that may be read, the reason where there
/// is one that cannot be believed.
fn energy(cell: &LoadCell, good: &[&RequestRecord]) -> Result<Option<EnergyPerToken>, String> {
    let Some(energy) = &cell.energy else { return Ok(None) };
    let mut sum = 0.0;
    for counter in &energy.counters {
        match (&counter.energy, &counter.period) {
            (Reading::Unavailable(Why::Frozen), _) => return Err(format!("{} did not move", counter.scope)),
            (Reading::Unavailable(_), _) => return Ok(None),
            (Reading::Value(_), Reading::Unavailable(_)) => {
                return Err(format!("how often {} moves is not known", counter.scope));
            }
            (Reading::Value(_), Reading::Value(period)) if energy.time < *period * ENERGY_PERIODS => {
                return Err(format!(
                    "{} moves every {:.3} s, and the cell took {:.3} s: fewer than {ENERGY_PERIODS:.0} steps",
                    counter.scope,
                    period.get(),
                    energy.time.get()
                ));
            }
            (Reading::Value(joules), Reading::Value(_)) => sum += joules.get(),
        }
    }
    let tokens: f64 = good.iter().filter_map(|request| request.output_tokens).sum();
    if tokens <= 0.0 {
        return Ok(None);
    }
    let scopes: Vec<&str> = energy.counters.iter().map(|counter| counter.scope.as_str()).collect();
    let above = energy.idle.map(|idle| Joules((sum - (idle * energy.time).get()).max(0.0) / tokens));
    Ok(Some(EnergyPerToken { scope: scopes.join(" + "), all: Joules(sum / tokens), above_idle: above }))
}

/// Whether the cell that ran first, run again after the last, took another time: then the cells between differ by more
/// than their load. Said where the medians are more than 3 % apart and their intervals do not meet.
#[must_use]
pub fn order_effect(run: &LoadRun) -> Option<LoadDoubt> {
    let first = run.cells.iter().find(|cell| cell.ran == 0)?;
    let again = run.repeat.as_ref().filter(|cell| !cell.interrupted && cell.arrival == first.arrival)?;
    let of = |cell: &LoadCell| {
        let good = cell.requests.iter().filter(|request| request.succeeded());
        let found = latency(good.filter_map(RequestRecord::e2e));
        Some((found.p50?, found.p50_interval?))
    };
    let ((before, (low, high)), (after, (again_low, again_high))) = (of(first)?, of(again)?);
    let difference = after.get() / before.get() - 1.0;
    let apart = again_low > high || again_high < low;
    (apart && difference.abs() > DRIFT_FLAG).then_some(LoadDoubt::OrderEffect { difference })
}

/// A row for each part of each cell, with its name.
#[must_use]
pub fn part_rows(run: &LoadRun) -> Vec<(String, LoadRow)> {
    let of = |cell: &LoadCell| {
        let named = |(name, part): (String, LoadCell)| {
            let row = row(&part, &run.settings, &run.server).0;
            (format!("{} {name}", cell.arrival.label()), row)
        };
        parts(cell).into_iter().map(named).collect::<Vec<_>>()
    };
    run.cells.iter().flat_map(of).collect()
}

/// The parts of a cell that are worth a row of their own: the stages of a load that changes, the turns of
/// conversations. Each is a cell with the requests of that part.
fn parts(cell: &LoadCell) -> Vec<(String, LoadCell)> {
    if let Arrival::Stages { steps } = &cell.arrival {
        return stages(cell, steps);
    }
    let last = cell.requests.iter().filter_map(|request| request.turn).map(|(_, turn)| turn).max();
    let turn = |number: u32| {
        let of = |request: &&RequestRecord| request.turn.is_some_and(|(_, turn)| turn == number);
        let requests = cell.requests.iter().filter(of).cloned().collect();
        (format!("turn {number}"), LoadCell { requests, ..cell.clone() })
    };
    (1..=last.unwrap_or(0)).map(turn).collect()
}

fn stages(cell: &LoadCell, steps: &[Stage]) -> Vec<(String, LoadCell)> {
    let mut from = Seconds(0.0);
    let stage = |step: &Stage| {
        let to = from + step.length;
        let within = |request: &&RequestRecord| request.scheduled >= from && request.scheduled < to;
        let requests = cell.requests.iter().filter(within).cloned().collect();
        from = to;
        let arrival = Arrival::Poisson { rate: step.rate };
        (arrival.label(), LoadCell { arrival, arrivals_end: to, requests, ..cell.clone() })
    };
    steps.iter().map(stage).collect()
}

/// Percentiles of a latency.
#[must_use]
pub fn latency(values: impl Iterator<Item = Seconds>) -> Latency {
    let values: Vec<f64> = values.map(Seconds::get).collect();
    let Some(sorted) = sorted(&values) else {
        return Latency { count: values.len() as u64, ..Latency::default() };
    };
    let at = |p: f64| has_percentile(sorted.len(), p).then(|| Seconds(quantile_of_sorted(&sorted, p)));
    let spread = if sorted.len() < MANY {
        median_interval(&values, SEED, 0.95)
    } else {
        median_interval_of_sorted(&sorted, 0.95)
    };
    Latency {
        count: sorted.len() as u64,
        p50: Some(Seconds(quantile_of_sorted(&sorted, 0.5))),
        p50_interval: spread.map(|spread| (Seconds(spread.low), Seconds(spread.high))),
        p90: at(0.9),
        p99: at(0.99),
        max: sorted.last().copied().map(Seconds),
    }
}

/// From when concurrency first reached its target until arrivals stopped.
#[must_use]
pub fn steady_window(cell: &LoadCell) -> Option<SteadyWindow> {
    let from = match cell.arrival {
        Arrival::Closed { concurrency } => {
            let mut starts: Vec<f64> = cell.requests.iter().map(|request| request.sent.get()).collect();
            starts.sort_by(f64::total_cmp);
            // In a closed loop the n-th request is sent when n are in flight for the first time.
            Seconds(*starts.get(concurrency.max(1) as usize - 1)?)
        }
        _ => cell.requests.first()?.scheduled,
    };
    let to = cell.arrivals_end;
    let requests =
        cell.requests.iter().filter(|request| request.ended >= from && request.ended <= to).count() as u64;
    (to > from).then_some(SteadyWindow { from, to, requests })
}

/// Output tokens that arrived inside the window, over its length. Tokens of a request are laid over its
/// arrivals; where only chunks are known, in proportion to them.
fn throughput(requests: &[&RequestRecord], window: SteadyWindow) -> Option<TokensPerSecond> {
    let inside: f64 = requests.iter().map(|request| tokens_inside(request, window)).sum();
    (inside > 0.0).then(|| TokensPerSecond::of(inside, window.to - window.from))
}

fn tokens_inside(request: &RequestRecord, window: SteadyWindow) -> f64 {
    let Some(tokens) = request.output_tokens else { return 0.0 };
    let all: f64 = request.arrivals.iter().map(|arrival| f64::from(arrival.1)).sum();
    let within = request.arrivals.iter().filter(|arrival| {
        let at = request.sent + Seconds(f64::from(arrival.0) / 1e6);
        at >= window.from && at <= window.to
    });
    let part: f64 = within.map(|arrival| f64::from(arrival.1)).sum();
    if all > 0.0 { tokens * part / all } else { 0.0 }
}

/// Gaps over the tokens that they brought, pooled; only where all tokens per arrival are known.
fn gaps(requests: &[&RequestRecord]) -> Option<Latency> {
    if requests.is_empty() || !requests.iter().all(|request| request.arrivals_are_tokens) {
        return None;
    }
    let each = requests.iter().flat_map(|request| request.arrivals.windows(2)).flat_map(|pair| {
        let tokens = pair[1].1.max(1);
        let gap = f64::from(pair[1].0.saturating_sub(pair[0].0)) / 1e6 / f64::from(tokens);
        std::iter::repeat_n(Seconds(gap), tokens as usize)
    });
    Some(latency(each.take(2_000_000)))
}

fn decode_rate(cell: &LoadCell, good: &[&RequestRecord]) -> Option<TokensPerSecond> {
    if cell.arrival != (Arrival::Closed { concurrency: 1 }) {
        return None;
    }
    let long = good.iter().filter(|request| request.output_tokens >= Some(128.0));
    let rates: Vec<f64> = long.filter_map(|request| Some(1.0 / request.tpot()?.get())).collect();
    median(&rates).map(TokensPerSecond)
}

fn prefill_rate(good: &[&RequestRecord], overhead: Option<Seconds>) -> Option<TokensPerSecond> {
    let rates = good.iter().filter_map(|request| {
        let tokens = request.prompt_tokens?.saturating_sub(request.cached_tokens.unwrap_or(0)) as f64;
        let time = request.ttft()? - overhead.unwrap_or_default();
        (time.get() > 0.0).then(|| tokens / time.get())
    });
    median(&rates.collect::<Vec<_>>()).map(TokensPerSecond)
}

fn accepted_length(cell: &LoadCell, good: &[&RequestRecord]) -> Option<f64> {
    let output: f64 = good.iter().filter_map(|request| request.output_tokens).sum();
    let own: u64 = good.iter().filter_map(|request| request.accepted).sum();
    let accepted = if own > 0 { own as f64 } else { cell.counters.accepted.filter(|count| *count > 0.0)? };
    (output > accepted).then(|| output / (output - accepted))
}

pub(crate) fn meets(request: &RequestRecord, slos: &[Slo]) -> bool {
    slos.iter().all(|slo| {
        let found = match slo.metric {
            SloMetric::Ttft => request.ttft(),
            SloMetric::Ttfa => request.ttfa(),
            SloMetric::E2e => request.e2e(),
            // One token has no time per token to miss.
            SloMetric::Tpot => request.tpot().or(Some(Seconds(0.0))),
        };
        found.is_some_and(|found| found <= slo.limit)
    })
}

fn mean_in_flight(cell: &LoadCell, window: SteadyWindow) -> f64 {
    let overlap = |request: &RequestRecord| {
        (request.ended.min(window.to) - request.scheduled.max(window.from)).get().max(0.0)
    };
    cell.requests.iter().map(overlap).sum::<f64>() / (window.to - window.from).get()
}

/// In-flight and ttft slopes both above zero at 95 %, or less than 95 % of the rate achieved.
pub(crate) fn is_saturated(cell: &LoadCell, good: &[&RequestRecord]) -> bool {
    if !cell.arrival.is_open() || cell.requests.len() < 20 {
        return false;
    }
    let latencies: Vec<(f64, f64)> =
        good.iter().filter_map(|request| Some((request.scheduled.get(), request.ttft()?.get()))).collect();
    let flying = flying(&cell.requests);
    let late = cell.ended.get() / cell.arrivals_end.get().max(1e-9);
    let achieved = good.len() as f64 / cell.requests.len() as f64 / late.max(1.0);
    let spill = good.iter().filter(|request| request.ended > cell.arrivals_end).count() as f64;
    (rises(&flying) && rises(&latencies)) || (achieved < 0.95 && spill > 0.2 * good.len() as f64)
}

/// Requests in flight at each due time, itself included.
fn flying(requests: &[RequestRecord]) -> Vec<(f64, f64)> {
    let times = |of: fn(&RequestRecord) -> Seconds| {
        let mut times: Vec<f64> = requests.iter().map(|request| of(request).get()).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let (starts, ends) = (times(|request| request.scheduled), times(|request| request.ended));
    let count = |times: &[f64], at: f64| times.partition_point(|time| *time <= at) as f64;
    starts.iter().map(|at| (*at, count(&starts, *at) - count(&ends, *at))).collect()
}

/// The slope is above zero at 95 %: more than two standard errors.
fn rises(points: &[(f64, f64)]) -> bool {
    let Some(line) = regress(points) else { return false };
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let rest: f64 = points.iter().map(|(x, y)| (y - line.at(*x)).powi(2)).sum();
    let slope = line.at(mean_x + 1.0) - line.at(mean_x);
    count > 2.0 && slope > 2.0 * (rest / (count - 2.0) / spread).sqrt()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn troubles(requests: &[RequestRecord]) -> Vec<(Trouble, u64, u64)> {
    let mut counts: BTreeMap<Trouble, (u64, u64)> = BTreeMap::new();
    for request in requests {
        if let Some(failure) = &request.failure {
            counts.entry(failure.kind).or_default().0 += 1;
        }
        for remark in &request.remarks {
            counts.entry(*remark).or_default().1 += 1;
        }
    }
    counts.into_iter().map(|(kind, (failed, noted))| (kind, failed, noted)).collect()
}

fn doubts(
    cell: &LoadCell,
    settings: &LoadSettings,
    server: &ServerFacts,
    good: &[&RequestRecord],
    row: &LoadRow,
) -> Vec<LoadDoubt> {
    if good.is_empty() {
        return vec![LoadDoubt::NoSuccess];
    }
    let mut found = Vec::new();
    found.extend(client_doubts(cell, settings));
    found.extend(surrounding_doubts(cell, settings, good));
    found.extend(prompt_doubts(cell, settings, server, good));
    found.extend(output_doubts(good, row));
    if row.failed > 0 {
        found.push(LoadDoubt::Failures { failed: row.failed, of: row.failed + row.succeeded });
    }
    let (length, requests) =
        row.window.map_or((Seconds(0.0), 0), |window| (window.to - window.from, window.requests));
    if length.get() < 30.0 || requests < 50 {
        found.push(LoadDoubt::ShortWindow { length, requests });
    }
    if row.saturated {
        found.push(LoadDoubt::Saturated {
            asked: cell.arrival.rate(),
            achieved: row.request_rate.unwrap_or_default(),
        });
    }
    if let (Some(slots), Arrival::Closed { concurrency }) = (server.slots, &cell.arrival)
        && slots < *concurrency
    {
        found.push(LoadDoubt::FewSlots { slots, concurrency: *concurrency });
    }
    if let Some(count) = cell.counters.preemptions.filter(|count| *count > 0.0) {
        found.push(LoadDoubt::Preempted { count });
    }
    found
}

fn client_doubts(cell: &LoadCell, settings: &LoadSettings) -> Vec<LoadDoubt> {
    let mut found = Vec::new();
    let lags: Vec<f64> = cell.requests.iter().map(|request| request.lag().get()).collect();
    let interval = cell.arrivals_end.get() / cell.requests.len().max(1) as f64;
    let allowed = Seconds((interval * 0.01).max(0.005));
    if let Some(p99) =
        crate::stats::quantile(&lags, 0.99).filter(|p99| cell.arrival.is_open() && *p99 > allowed.get())
    {
        found.push(LoadDoubt::ScheduleLag { p99: Seconds(p99), allowed });
    }
    let wall = cell.client.wall.get().max(1e-9);
    let chunks: f64 = cell.requests.iter().map(|request| f64::from(request.chunks)).sum();
    let expected = settings.self_test.map_or(0.0, |test| chunks / wall / test.chunks_per_cpu_second.max(1.0));
    let share = expected.max(cell.client.cpu.get() / wall);
    if share > CLIENT_SHARE_VOID {
        found.push(LoadDoubt::ClientBusy { share });
    }
    found
}

/// What the machine, the server's counters and a known question say beside the requests.
fn surrounding_doubts(cell: &LoadCell, settings: &LoadSettings, good: &[&RequestRecord]) -> Vec<LoadDoubt> {
    let mut found = Vec::new();
    if let Some((before, after)) = cell.client.sentinel_before.zip(cell.client.sentinel_after) {
        let drift = (after / before - 1.0).abs();
        if drift > DRIFT_FLAG {
            found.push(LoadDoubt::SentinelDrift { drift });
        }
    }
    if let Err(reason) = energy(cell, good) {
        found.push(LoadDoubt::EnergyInvalid { reason });
    }
    if let Some(check) = settings.check.as_ref().filter(|check| !check.right) {
        found.push(LoadDoubt::WrongAnswer { answer: check.answer.clone() });
    }
    let usage: f64 = good.iter().filter_map(|request| request.output_tokens).sum();
    // Requests that failed may have been counted by the server.
    if let Some(counter) = cell.counters.output_tokens.filter(|_| good.len() == cell.requests.len())
        && (counter - usage).abs() > COUNTS_TOLERANCE * usage + good.len() as f64
    {
        found.push(LoadDoubt::CountsDisagree { usage, counter });
    }
    found
}

fn prompt_doubts(
    cell: &LoadCell,
    settings: &LoadSettings,
    server: &ServerFacts,
    good: &[&RequestRecord],
) -> Vec<LoadDoubt> {
    let mut found = Vec::new();
    // A later turn is as long as its history: no length was aimed at, and its history is in the cache by right.
    let fresh: Vec<&RequestRecord> = good.iter().copied().filter(|request| !is_later_turn(request)).collect();
    let counted: Vec<(f64, f64)> = fresh
        .iter()
        .filter_map(|request| Some((f64::from(request.prompt_nominal), request.prompt_tokens? as f64)))
        .collect();
    let nominal = mean(counted.iter().map(|(nominal, _)| *nominal)).unwrap_or(0.0);
    let achieved = mean(counted.iter().map(|(_, counted)| *counted)).unwrap_or(0.0);
    if achieved < 0.8 * nominal {
        found.push(LoadDoubt::PromptCut { nominal, counted: achieved, context: server.context });
    } else if let Some((nominal, counted)) = shortened_history(good) {
        found.push(LoadDoubt::PromptCut { nominal, counted, context: server.context });
    } else if (achieved - nominal).abs() > PROMPT_DRIFT_VOID * nominal {
        found.push(LoadDoubt::PromptDrift { nominal, achieved });
    }
    let cached: f64 = fresh.iter().filter_map(|request| request.cached_tokens).sum::<u64>() as f64;
    let prompts: f64 = counted.iter().map(|(_, counted)| counted).sum();
    let by_counter = cell
        .counters
        .prefix_hits
        .zip(cell.counters.prefix_queries)
        .map(|(hits, queries)| hits / queries.max(1.0));
    let share =
        by_counter.filter(|_| fresh.len() == good.len()).unwrap_or(0.0).max(cached / prompts.max(1.0));
    if share > PREFIX_HITS_VOID && !settings.shared_prefix {
        let template = settings.template_tokens.unwrap_or(0.0);
        let is_template =
            |request: &&RequestRecord| request.cached_tokens.is_some_and(|cached| cached as f64 <= template);
        let only_template = by_counter.is_none() && fresh.iter().all(is_template);
        found.push(if only_template {
            LoadDoubt::TemplateCached { share }
        } else {
            LoadDoubt::PrefixHits { share }
        });
    }
    found
}

/// The request continues a conversation.
fn is_later_turn(request: &RequestRecord) -> bool {
    request.turn.is_some_and(|(_, turn)| turn > 1)
}

/// A turn whose prompt had fewer tokens than the prompt of the turn before: its history was cut.
/// Returns the tokens of the turn before and of this one.
fn shortened_history(good: &[&RequestRecord]) -> Option<(f64, f64)> {
    let mut last: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for request in good {
        let (Some((talk, turn)), Some(tokens)) = (request.turn, request.prompt_tokens) else { continue };
        if let Some((_, before)) = last.insert(talk, (turn, tokens)).filter(|(earlier, _)| *earlier < turn)
            && tokens < before
        {
            return Some((before as f64, tokens as f64));
        }
    }
    None
}

fn output_doubts(good: &[&RequestRecord], row: &LoadRow) -> Vec<LoadDoubt> {
    let mut found = Vec::new();
    let outputs: Vec<f64> = good.iter().filter_map(|request| request.output_tokens).collect();
    let target = mean(good.iter().map(|request| f64::from(request.output_asked))).unwrap_or(0.0);
    if let Some(mean) = row.output_tokens.filter(|mean| (mean - target).abs() > OUTPUT_DRIFT_FLAG * target) {
        let least = outputs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = outputs.iter().copied().fold(0.0, f64::max);
        found.push(LoadDoubt::OutputLength { target, mean, least, most });
    }
    if let Some(accepted_length) = row.accepted_length {
        found.push(LoadDoubt::Speculation { accepted_length });
    }
    if let Some(worst) = good
        .iter()
        .filter_map(|request| request.token_source)
        .max()
        .filter(|source| *source > TokenSource::Listed)
    {
        let source = if worst == TokenSource::Retokenised {
            "retokenised"
        } else if worst == TokenSource::Estimated {
            "estimated"
        } else {
            "unknown"
        };
        found.push(LoadDoubt::Estimated { source: source.into() });
    }
    let bad = good.iter().filter(|request| request.remarks.contains(&Trouble::BadUsage)).count() as u64;
    if bad > 0 {
        found.push(LoadDoubt::BadUsage { requests: bad });
    }
    let tokens: f64 = outputs.iter().sum();
    let chunks_per_token =
        good.iter().map(|request| f64::from(request.chunks)).sum::<f64>() / tokens.max(1.0);
    if tokens > 0.0 && row.itl.is_none() {
        let reasons =
            good.iter().any(|request| request.reasoning_tokens > Some(0) && request.reasoning_chunks == 0);
        found.push(if reasons && chunks_per_token < 0.5 {
            LoadDoubt::HiddenReasoning { chunks_per_token }
        } else {
            LoadDoubt::GapsUnknown { chunks_per_token }
        });
    }
    found
}

/// The knee of a sweep's closed loops.
#[must_use]
pub fn knee_of(rows: &[LoadRow]) -> Option<u32> {
    let point = |row: &LoadRow| match row.arrival {
        Arrival::Closed { concurrency } => Some((concurrency, row.output_throughput?)),
        _ => None,
    };
    knee(&rows.iter().filter_map(point).collect::<Vec<_>>())
}

/// The knee of a concurrency curve: the last point from which more concurrency still bought at least
/// half of its share in throughput.
#[must_use]
pub fn knee(points: &[(u32, TokensPerSecond)]) -> Option<u32> {
    let bought = points.windows(2).rposition(|pair| {
        let more = f64::from(pair[1].0) / f64::from(pair[0].0) - 1.0;
        pair[1].1 / pair[0].1 - 1.0 >= 0.5 * more
    });
    (points.len() > 1).then(|| points[bought.map_or(0, |pair| pair + 1)].0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::load_record::{ClientUse, ServerCounters, ServerEngine};

    fn settings(template_tokens: Option<f64>) -> LoadSettings {
        LoadSettings {
            input_tokens: "100".into(),
            output_tokens: "8".into(),
            turns: 1,
            think: Seconds(0.0),
            ignore_eos: true,
            shared_prefix: false,
            seed: 1,
            template_tokens,
            slos: Vec::new(),
            overhead: None,
            check: None,
            self_test: None,
        }
    }

    fn server() -> ServerFacts {
        ServerFacts { engine: ServerEngine::MlxLm, ..roofmark_testing::server_facts() }
    }

    /// Turn of a conversation, tokens of the prompt, and those of them that were cached.
    type Asked = (Option<(u32, u32)>, u64, u64);

    /// Requests of (turn, prompt tokens, cached tokens), one after the other.
    fn cell(requests: &[Asked]) -> LoadCell {
        let request = |(index, (turn, prompt, cached)): (usize, &Asked)| {
            let at = Seconds(index as f64);
            RequestRecord {
                scheduled: at,
                sent: at,
                first: Some(at + Seconds(0.1)),
                last: Some(at + Seconds(0.5)),
                ended: at + Seconds(0.5),
                prompt_nominal: if turn.is_some_and(|(_, turn)| turn > 1) { 0 } else { 100 },
                prompt_tokens: Some(*prompt),
                cached_tokens: Some(*cached),
                output_asked: 8,
                output_tokens: Some(8.0),
                token_source: Some(TokenSource::Server),
                turn: *turn,
                ..RequestRecord::default()
            }
        };
        LoadCell {
            arrival: Arrival::Closed { concurrency: 1 },
            arrivals_end: Seconds(requests.len() as f64),
            ended: Seconds(requests.len() as f64),
            requests: requests.iter().enumerate().map(request).collect(),
            client: ClientUse::default(),
            counters: ServerCounters::default(),
            interrupted: false,
            doubts: Vec::new(),
            ran: 0,
            energy: None,
        }
    }

    /// Whether the row is void, and the doubts about its prompts.
    fn judged(requests: &[Asked], template: Option<f64>) -> (bool, Vec<LoadDoubt>) {
        let (row, doubts) = row(&cell(requests), &settings(template), &server());
        let about_prompts = |doubt: &LoadDoubt| {
            matches!(
                doubt,
                LoadDoubt::PrefixHits { .. } | LoadDoubt::TemplateCached { .. } | LoadDoubt::PromptCut { .. }
            )
        };
        (row.void, doubts.into_iter().filter(about_prompts).collect())
    }

    #[test]
    fn a_cached_template_is_said_and_a_cached_prompt_voids() {
        let requests = [(None, 100, 24), (None, 100, 24)];
        assert_eq!(judged(&requests, Some(37.0)), (false, vec![LoadDoubt::TemplateCached { share: 0.24 }]));
        assert_eq!(judged(&requests, None), (true, vec![LoadDoubt::PrefixHits { share: 0.24 }]));
        assert_eq!(
            judged(&[(None, 100, 24), (None, 100, 80)], Some(37.0)),
            (true, vec![LoadDoubt::PrefixHits { share: 0.52 }])
        );
    }

    #[test]
    fn a_conversation_may_have_its_own_history_cached_and_nothing_else() {
        let first = (Some((1, 1)), 100, 0);
        assert_eq!(judged(&[first, (Some((1, 2)), 220, 108)], None), (false, Vec::new()));
        let (void, doubts) = judged(&[(Some((1, 1)), 100, 90), (Some((1, 2)), 220, 108)], None);
        assert!(void && matches!(doubts[..], [LoadDoubt::PrefixHits { .. }]), "{doubts:?}");
        let (void, doubts) = judged(&[first, (Some((1, 2)), 90, 0)], None);
        assert!(void && matches!(doubts[..], [LoadDoubt::PromptCut { .. }]), "{doubts:?}");
    }

    #[test]
    fn one_noisy_step_is_no_knee() {
        let points = |rates: [f64; 5]| {
            let at = [1, 2, 4, 8, 16].into_iter().zip(rates);
            knee(&at.map(|(count, rate)| (count, TokensPerSecond(rate))).collect::<Vec<_>>())
        };
        assert_eq!(points([38.0, 54.0, 112.0, 177.0, 180.0]), Some(8));
        assert_eq!(points([100.0, 110.0, 115.0, 116.0, 116.0]), Some(1));
        assert_eq!(points([10.0, 20.0, 40.0, 80.0, 160.0]), Some(16));
    }

    #[test]
    fn stages_are_parted_by_when_a_request_was_due() {
        let stage = |rate: f64, length: f64| Stage { rate: RequestsPerSecond(rate), length: Seconds(length) };
        let steps = vec![stage(1.0, 3.0), stage(1.0, 2.0)];
        let cell = LoadCell { arrival: Arrival::Stages { steps }, ..cell(&[(None, 100, 0); 5]) };
        let counts: Vec<usize> = parts(&cell).iter().map(|(_, part)| part.requests.len()).collect();
        assert_eq!(counts, [3, 2]);
    }
}
