//! The screen of a load test.

use crate::lines::{labelled, table};
use roofmark_facts::catalog::{Answer, Support};
use roofmark_facts::load_doubt::LoadDoubt;
use roofmark_facts::load_record::{Arrival, FoundRate, Latency, LoadRow, LoadRun, Slo, Trouble};
use roofmark_facts::units::plain;
use roofmark_facts::units::{RequestsPerSecond, Seconds};
use std::collections::BTreeMap;

/// The screen: server, rows, their parts (stages or turns), the knee of the concurrency curve, the rate that
/// was searched, troubles, doubts.
#[must_use]
pub fn screen(run: &LoadRun, rows: &[LoadRow], parts: &[(String, LoadRow)], knee: Option<u32>) -> String {
    let server = &run.server;
    let version = server.version.as_deref().map_or(String::new(), |version| format!(" {}", clean(version)));
    let mut text = labelled(
        "server",
        &format!("{}{version} (by {})", server.engine.slug(), clean(&server.recognised_by)),
        10,
    );
    text += &labelled("model", &clean(&server.model), 10);
    let context = server.context.map_or("unknown".into(), |context| context.to_string());
    text += &labelled("context", &format!("{context} tokens"), 10);
    let length = format!("{} in, {} out", run.settings.input_tokens, run.settings.output_tokens);
    text += &labelled("tokens", &length, 10);
    text.push('\n');
    text += &row_table(rows);
    text += &energy_lines(rows);
    text += &part_table(parts);
    text += &knee_line(knee, rows);
    text += &run.found_rate.as_ref().map_or(String::new(), |found| found_lines(found, &run.settings.slos));
    text += &trouble_table(rows);
    text += &doubt_lines(run);
    text
}

fn row_table(rows: &[LoadRow]) -> String {
    let mut lines = vec![
        ["load", "ok", "ttft p50", "p99", "tpot p50", "p99", "e2e p50", "tok/s", "good/s", ""]
            .map(str::to_owned),
    ];
    for row in rows {
        lines.push([
            row.arrival.label(),
            row.succeeded.to_string(),
            millis(row.ttft.p50),
            millis(row.ttft.p99),
            millis(row.tpot.p50),
            millis(row.tpot.p99),
            millis(row.e2e.p50),
            row.output_throughput.map_or("-".into(), |rate| plain(rate.get(), 3)),
            row.goodput.map_or("-".into(), |rate| plain(rate.get(), 3)),
            marks(row).into(),
        ]);
    }
    table(&lines, &[1, 2, 3, 4, 5, 6, 7, 8])
        + "times in ms; - is unknown, or too few requests for the percentile\n"
}

/// Energy per output token, with what its counters cover.
fn energy_lines(rows: &[LoadRow]) -> String {
    let line = |row: &LoadRow| {
        let energy = row.energy.as_ref()?;
        let above = energy
            .above_idle
            .map_or(String::new(), |above| format!(", {} above idle", plain(above.get(), 3)));
        let text = format!(
            "{} J per output token{above} ({} only), {} in flight",
            plain(energy.all.get(), 3),
            clean(&energy.scope),
            row.arrival.label()
        );
        Some(labelled("energy", &text, 10))
    };
    rows.iter().filter_map(line).collect()
}

/// Stages of a load that changes, turns of conversations.
fn part_table(parts: &[(String, LoadRow)]) -> String {
    if parts.is_empty() {
        return String::new();
    }
    let mut lines = vec![
        ["part", "ok", "failed", "prompt", "cached", "ttft p50", "p99", "tpot p50", "tok/s"]
            .map(str::to_owned),
    ];
    for (name, row) in parts {
        let cached = row.cached_tokens.zip(row.prompt_tokens);
        lines.push([
            name.clone(),
            row.succeeded.to_string(),
            row.failed.to_string(),
            row.prompt_tokens.map_or("-".into(), |count| format!("{count:.0}")),
            cached.map_or("-".into(), |(cached, all)| format!("{:.0} %", cached / all.max(1.0) * 100.0)),
            millis(row.ttft.p50),
            millis(row.ttft.p99),
            millis(row.tpot.p50),
            row.output_throughput.map_or("-".into(), |rate| plain(rate.get(), 3)),
        ]);
    }
    format!("\n{}", table(&lines, &[1, 2, 3, 4, 5, 6, 7, 8]))
}

fn knee_line(knee: Option<u32>, rows: &[LoadRow]) -> String {
    let Some(knee) = knee else { return String::new() };
    let most = rows.iter().filter_map(|row| match row.arrival {
        Arrival::Closed { concurrency } => Some(concurrency),
        _ => None,
    });
    let text = if most.max() == Some(knee) {
        format!("not reached: {knee} in flight still bought at least half of their share of throughput")
    } else {
        format!("{knee} in flight; more buys less than half of its share of throughput")
    };
    format!("\n{}", labelled("knee", &text, 10))
}

fn found_lines(found: &FoundRate, slos: &[Slo]) -> String {
    let rate = |rate: RequestsPerSecond| format!("{}/s", plain(rate.get(), 3));
    let targets: Vec<String> =
        slos.iter().map(|slo| format!("{} {} ms", slo.metric.slug(), millis(Some(slo.limit)))).collect();
    let share = format!("{:.0} % of requests within {}", found.quantile * 100.0, targets.join(" and "));
    let confidence =
        format!("at {:.0} % confidence by {} requests", found.confidence * 100.0, found.requests);
    let text = match (found.holds, found.fails) {
        (Some(holds), Some(fails)) => {
            format!("{} holds: {share}, shown {confidence}; not shown at {}", rate(holds), rate(fails))
        }
        (Some(holds), None) => {
            format!("{} holds: {share}, shown {confidence}; no limit was found", rate(holds))
        }
        (None, _) => format!("none was found: {share} was not shown at any rate tried"),
    };
    let mut lines = format!("\n{}", labelled("max rate", &text, 10));
    lines += &labelled(
        "tried",
        &format!("{} rates, Poisson arrivals; the confidence is that of one rate", found.tried.len()),
        10,
    );
    lines
}

fn marks(row: &LoadRow) -> &'static str {
    match (row.void, row.saturated) {
        (true, _) => "void",
        (false, true) => "saturated",
        (false, false) => "",
    }
}

fn trouble_table(rows: &[LoadRow]) -> String {
    let mut sums: BTreeMap<Trouble, (u64, u64)> = BTreeMap::new();
    for (kind, failed, noted) in rows.iter().flat_map(|row| &row.troubles) {
        let sum = sums.entry(*kind).or_default();
        *sum = (sum.0 + failed, sum.1 + noted);
    }
    if sums.is_empty() {
        return String::new();
    }
    let mut lines = vec![["trouble", "failed", "noted"].map(str::to_owned)];
    lines.extend(
        sums.iter()
            .map(|(kind, (failed, noted))| [kind.text().to_owned(), failed.to_string(), noted.to_string()]),
    );
    format!("\n{}", table(&lines, &[1, 2]))
}

fn doubt_lines(run: &LoadRun) -> String {
    let mut text = String::new();
    let cells =
        run.cells.iter().flat_map(|cell| cell.doubts.iter().map(|doubt| (cell.arrival.label(), doubt)));
    for (label, doubt) in cells.chain(run.doubts.iter().map(|doubt| ("run".to_owned(), doubt))) {
        text += &labelled(&format!("{label}:"), &said(doubt), 4.max(label.chars().count() + 2));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn said(doubt: &LoadDoubt) -> String {
    doubt
        .advice()
        .map_or_else(|| clean(&doubt.text()), |advice| format!("{}; {advice}", clean(&doubt.text())))
}

fn millis(time: Option<Seconds>) -> String {
    time.map_or("-".into(), |time| plain(time.get() * 1e3, 3))
}

/// A server's words without what could steer a terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// One latency in a few words, for progress lines.
#[must_use]
pub fn brief(latency: &Latency) -> String {
    format!("p50 {} ms, p99 {} ms", millis(latency.p50), millis(latency.p99))
}

/// Engines beside each other in one block of the support table.
const ENGINES_IN_BLOCK: usize = 4;

/// The support table: classes of machines down, engines across, how and since when in each cell.
#[must_use]
pub fn engine_table(rows: &[&Support]) -> String {
    let mut engines: Vec<&str> = Vec::new();
    let mut classes: Vec<&str> = Vec::new();
    for row in rows {
        if !engines.contains(&row.engine.as_str()) {
            engines.push(&row.engine);
        }
        if !classes.contains(&row.machine_class.as_str()) {
            classes.push(&row.machine_class);
        }
    }
    let cell = |class: &str, engine: &str| {
        let found = rows.iter().find(|row| row.machine_class == class && row.engine == engine);
        found.map_or("-".to_owned(), |row| support_cell(row))
    };
    let block = |engines: &[&str]| {
        let mut text = format!("{:<18}", "");
        engines.iter().for_each(|engine| text += &format!("{engine:<15}"));
        for class in &classes {
            text += &format!("\n{class:<18}");
            engines.iter().for_each(|engine| text += &format!("{:<15}", cell(class, engine)));
        }
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    };
    let blocks: Vec<String> = engines.chunks(ENGINES_IN_BLOCK).map(block).collect();
    let newest = rows.iter().map(|row| row.source.date.as_str()).max().unwrap_or_default();
    let legend = format!(
        "How an engine runs there and the date or build from which that is on record; `none`: on record that it \
         does not; `-`: nothing on record. Newest evidence {newest}. `roofmark engines NAME` shows the evidence of \
         an engine or a class of machines."
    );
    format!("{}\n{}", blocks.join("\n"), labelled("", &legend, 0))
}

fn support_cell(row: &Support) -> String {
    match row.status.as_str() {
        "none" => "none".to_owned(),
        "experimental" => format!("trial {}", row.since.get(..7).unwrap_or(&row.since)),
        status => format!("{status} {}", row.since.get(..7).unwrap_or(&row.since)),
    }
}

/// The evidence: engine, machines, since when, the source with its date, and answers to common questions.
#[must_use]
pub fn engine_evidence(rows: &[&Support], answers: &[&Answer]) -> String {
    let mut text = String::new();
    for row in rows {
        let backend = row.backend.as_deref().map_or(String::new(), |backend| format!(", {backend}"));
        let head = format!("{} since {}{backend}", row.status, row.since);
        text += &labelled(&format!("{} on {}", row.engine, row.machine_class), &head, 36);
        text += &labelled("", &format!("{} ({})", row.source.title, row.source.date), 4);
        if let Some(note) = &row.note {
            text += &labelled("", note, 4);
        }
    }
    for answer in answers {
        text += &format!(
            "\n{}",
            labelled("", &format!("{}? {} ({})", answer.question, answer.answer, answer.date), 0)
        );
        for source in &answer.sources {
            text += &labelled("", &format!("{} ({})", source.title, source.date), 4);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::catalog::Catalog;

    #[test]
    fn the_support_table_fits_a_terminal_and_holds_every_engine() {
        let catalog = Catalog::builtin();
        let rows: Vec<&Support> = catalog.support.iter().collect();
        let text = engine_table(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(rows.iter().all(|row| text.contains(&row.engine) && text.contains(&row.machine_class)));
        let one: Vec<&Support> =
            rows.iter().copied().filter(|row| row.machine_class == "apple").take(2).collect();
        insta::assert_snapshot!(engine_table(&one), @r"
                          llama.cpp      ollama
        apple             native 2023-06 native 2026-06

        How an engine runs there and the date or build from which that is on record;
        `none`: on record that it does not; `-`: nothing on record. Newest evidence
        2026-06-11. `roofmark engines NAME` shows the evidence of an engine or a class
        of machines.
        ");
    }
}
