//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use roofmark_facts::units::significant;
use roofmark_measure::bench::Event;
use roofmark_report::bench::workload;
use std::io::IsTerminal;

/// Shows events as they come.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar where standard error is a terminal.
    pub fn new() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(bar) }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event) {
        let text = text(event);
        match (&self.bar, event) {
            (None, _) => eprintln!("{text}"),
            (Some(bar), Event::Failed(_)) => bar.println(text),
            (Some(bar), Event::Sampled { done, planned, .. }) => {
                bar.set_length(u64::from(*planned));
                bar.set_position(u64::from(*done));
                bar.set_message(text);
            }
            (Some(bar), _) => bar.set_message(text),
        }
    }

    /// Clears the bar.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len} {msg:40}");
    let bar = ProgressBar::new(0);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

fn text(event: &Event) -> String {
    match event {
        Event::Waiting { busy } => format!("waiting: other programs use {busy:.1} processors"),
        Event::Loading { layers } => format!("making and loading {layers} layers"),
        Event::Sampled { done, planned, layers, workload: cell, rate } => {
            let rate = significant(rate.get(), 3);
            format!("{done}/{planned} {} on {layers} layers: {rate} tok/s", workload(cell))
        }
        Event::Failed(reason) => format!("failed to {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::records::Workload;
    use roofmark_facts::units::TokensPerSecond;

    #[test]
    fn events_are_lines() {
        let sampled = Event::Sampled {
            done: 3,
            planned: 27,
            layers: 8,
            workload: Workload::decode(32, 0, 4),
            rate: TokensPerSecond(46.02),
        };
        insta::assert_snapshot!(text(&sampled), @"3/27 decode 32 x4 on 8 layers: 46.0 tok/s");
        insta::assert_snapshot!(text(&Event::Waiting { busy: 1.24 }), @"waiting: other programs use 1.2 processors");
    }
}
