//! The result: a table for people, the samples for whoever wants to compute it again.

use crate::{Series, What};
use roofmark_verdict::stats::{median, paired_ratio_interval};
use std::io::Write;
use std::path::Path;

/// The median; NaN of nothing.
pub fn middle(rates: &[f64]) -> f64 {
    median(rates).unwrap_or(f64::NAN)
}

/// Rows of the table, without its head.
pub fn markdown(threads: u32, series: &[Series]) -> String {
    series.iter().map(|one| row(threads, one)).collect()
}

fn row(threads: u32, series: &Series) -> String {
    let (ours, theirs) = (middle(&series.ours), middle(&series.theirs));
    let ratio = match paired_ratio_interval(&series.theirs, &series.ours, 1, 0.95) {
        Some(ratio) => format!("{:.4} | {:.4} to {:.4}", ratio.mid, ratio.low, ratio.high),
        None => "- | -".to_owned(),
    };
    let name = &series.name;
    format!("| {name} | {threads} | {} | {ours:.2} | {theirs:.2} | {ratio} |\n", series.ours.len())
}

/// Appends the samples to `samples.jsonl`.
pub fn keep(out: &Path, what: What, threads: u32, series: &[Series]) -> anyhow::Result<()> {
    let path = out.join("samples.jsonl");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    for one in series {
        let line = serde_json::json!({
            "what": format!("{what:?}").to_lowercase(), "name": one.name, "threads": threads,
            "ours": one.ours, "theirs": one.theirs,
        });
        writeln!(file, "{line}")?;
    }
    Ok(())
}
