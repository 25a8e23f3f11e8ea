//! Progress of a probe on standard error: a bar on a terminal, plain lines elsewhere.

use indicatif::ProgressBar;
use roofmark_measure::probe::Event;
use std::io::IsTerminal;

/// Shows events as they come.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar where standard error is a terminal.
    pub fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(bar))
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event) {
        match (&self.0, event) {
            (None, _) => eprintln!("{}", text(event)),
            (Some(bar), Event::Began { done, planned, .. }) => {
                bar.set_length(u64::from(*planned));
                bar.set_position(u64::from(*done));
                bar.set_message(text(event));
            }
            (Some(bar), Event::Failed { .. }) => bar.println(text(event)),
        }
    }

    /// Clears the bar.
    pub fn finish(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    crate::bar::ticking("{elapsed:>4} {wide_bar} {msg:44}")
}

fn text(event: &Event) -> String {
    match event {
        Event::Began { part, done, planned, left } => {
            format!("{}/{planned} {part}, about {:.0} s left", done + 1, left.get().ceil())
        }
        Event::Failed { part, reason } => format!("{part}: failed to {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::units::Seconds;

    #[test]
    fn events_are_lines() {
        let began = Event::Began { part: "caches", done: 1, planned: 6, left: Seconds(24.2) };
        insta::assert_snapshot!(text(&began), @"2/6 caches, about 25 s left");
        let failed = Event::Failed { part: "GPUs", reason: "answer".into() };
        insta::assert_snapshot!(text(&failed), @"GPUs: failed to answer");
    }
}
