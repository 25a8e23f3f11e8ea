//! What a person sees while a load test runs: a bar on a terminal, a plain line every two seconds elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use roofmark_measure::load::plan::Plan;
use roofmark_measure::load::watch::Reading;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a bar is drawn anew.
const DRAW: Duration = Duration::from_millis(250);
/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(2);

/// The view of one cell.
pub struct Live {
    bar: Option<ProgressBar>,
    label: String,
    /// Requests planned, or none where time ends the cell.
    requests: Option<u64>,
    duration: Option<Duration>,
    begun: Instant,
    last: (Instant, Reading),
}

impl Live {
    /// A view of the cell that `plan` makes; `number` of `count`.
    pub fn new(plan: &Plan, number: usize, count: usize) -> Self {
        let duration = plan.duration.map(Duration::from_secs_f64);
        let now = Instant::now();
        let label = format!("{number}/{count} load {}", plan.arrival.label());
        Self {
            bar: std::io::stderr().is_terminal().then(|| bar().with_prefix(label.clone())),
            label,
            requests: duration.is_none().then_some(planned(plan)),
            duration,
            begun: now,
            last: (now, Reading::default()),
        }
    }

    /// Shows a reading, if it is time for that.
    pub fn show(&mut self, now: Reading) {
        let since = self.last.0.elapsed();
        if since < if self.bar.is_some() { DRAW } else { LINE } {
            return;
        }
        let line = line(&self.last.1, &now, since);
        let left = self.left(&now).map_or(String::new(), |left| format!("{left:.0} s left, "));
        match &self.bar {
            Some(bar) => {
                bar.set_length(1000);
                bar.set_position((self.share(&now) * 1000.0) as u64);
                bar.set_message(format!("{left}{line}"));
            }
            None => eprintln!("{}: {left}{line}", self.label),
        }
        self.last = (Instant::now(), now);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn share(&self, now: &Reading) -> f64 {
        let by_time = self.duration.map(|whole| self.begun.elapsed().as_secs_f64() / whole.as_secs_f64());
        let by_count = self.requests.map(|requests| now.ended as f64 / requests.max(1) as f64);
        by_time.or(by_count).unwrap_or(0.0).min(1.0)
    }

    fn left(&self, now: &Reading) -> Option<f64> {
        let share = self.share(now);
        (share > 0.02).then(|| self.begun.elapsed().as_secs_f64() * (1.0 / share - 1.0))
    }
}

/// Requests that a cell will send.
fn planned(plan: &Plan) -> u64 {
    let most = u64::from(plan.requests);
    if plan.trace.is_empty() { most } else { most.min(plan.trace.len() as u64) }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:10} {wide_msg}");
    let bar = ProgressBar::new(1000);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

/// Rate, first token, in flight, errors.
fn line(last: &Reading, now: &Reading, since: Duration) -> String {
    let firsts = now.ttft_count - last.ttft_count;
    let ttft = if firsts == 0 {
        "-".to_owned()
    } else {
        format!("{:.0} ms", (now.ttft_micros - last.ttft_micros) as f64 / firsts as f64 / 1e3)
    };
    let rate = (now.chunks - last.chunks) as f64 / since.as_secs_f64().max(1e-3);
    let failed = if now.failed > 0 { format!(", {} failed", now.failed) } else { String::new() };
    format!("{} done{failed}, {} in flight, {rate:.0} chunks/s, ttft {ttft}", now.ended, now.sent - now.ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_from_the_last_one() {
        let last = Reading { sent: 10, ended: 8, chunks: 100, ttft_micros: 8000, ttft_count: 8, failed: 0 };
        let now =
            Reading { sent: 14, ended: 11, chunks: 350, ttft_micros: 38_000, ttft_count: 11, failed: 1 };
        assert_eq!(
            line(&last, &now, Duration::from_secs(2)),
            "11 done, 1 failed, 3 in flight, 125 chunks/s, ttft 10 ms"
        );
        assert_eq!(
            line(&now, &now, Duration::from_secs(2)),
            "11 done, 1 failed, 3 in flight, 0 chunks/s, ttft -"
        );
    }
}
