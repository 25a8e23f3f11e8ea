//! Progress on standard error: a bar on a terminal, plain lines elsewhere; and in a file that the page follows.

use indicatif::ProgressBar;
use roofmark_facts::units::significant;
use roofmark_measure::bench::Event;
use roofmark_report::bench::workload;
use roofmark_web::{LIVE_FOLDER, Progress as Line};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Age at which the file of an earlier bench is removed.
const OLD: Duration = Duration::from_secs(3600);

/// Shows events as they come.
pub struct Progress {
    bar: Option<ProgressBar>,
    /// `None` where it cannot be written: a bench does not fail for that.
    file: Option<File>,
}

impl Progress {
    /// A bar where standard error is a terminal, and a file below `data`.
    pub fn new(data: Option<&Path>) -> Self {
        let file = data.and_then(|data| live_file(&data.join(LIVE_FOLDER)).ok());
        Self { bar: std::io::stderr().is_terminal().then(bar), file }
    }

    /// Adds a line for the page.
    pub fn note(&mut self, line: &Line) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_string(line)
            .is_ok_and(|text| file.write_all(format!("{text}\n").as_bytes()).is_ok());
        if !written {
            self.file = None;
        }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event) {
        self.note(&line(event));
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

/// A new file of this process; those of earlier ones are removed.
fn live_file(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let changed = entry.metadata()?.modified()?;
        if SystemTime::now().duration_since(changed).is_ok_and(|age| age > OLD) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    File::create(folder.join(format!("{}.jsonl", std::process::id())))
}

/// An event as a line for the page.
fn line(event: &Event) -> Line {
    match event {
        Event::Sampled { done, planned, layers, workload: cell, rate } => Line::Sampled {
            done: *done,
            planned: *planned,
            workload: workload(cell),
            layers: *layers,
            rate: *rate,
        },
        Event::Failed(reason) => Line::Failed { reason: reason.clone() },
        _ => Line::Doing { text: text(event) },
    }
}

fn bar() -> ProgressBar {
    crate::bar::ticking("{elapsed:>4} {wide_bar} {pos}/{len} {msg:40}")
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

    #[test]
    fn the_page_is_told_line_by_line() {
        let data = tempfile::tempdir().unwrap();
        let mut progress = Progress::new(Some(data.path()));
        progress.show(&Event::Loading { layers: 8 });
        progress.note(&Line::Finished { text: "kept".into() });
        let path = data.path().join(LIVE_FOLDER).join(format!("{}.jsonl", std::process::id()));
        insta::assert_snapshot!(std::fs::read_to_string(path).unwrap(), @r#"
        {"kind":"doing","text":"making and loading 8 layers"}
        {"kind":"finished","text":"kept"}
        "#);
    }
}
