//! The result of a bench as a screen and as Markdown.

use roofmark_facts::doubt::Doubt;
use roofmark_facts::records::{Check, Interval, Limit, Origin, Phase, Row, Run, Workload};
use roofmark_facts::units::{TokensPerSecond, significant};
use textwrap::{WordSeparator, WordSplitter};

/// Columns of a screen.
const WIDTH: usize = 80;
/// Columns of a label on the left.
const LABEL: usize = 10;
/// Tokens of the answer whose time is told.
const ANSWER: f64 = 50.0;
/// Rates at which people read silently: 240 to 260 English words a minute (Brysbaert 2019) at about
/// three quarters of a word a token, rounded outwards. See docs/measurement.md, "Reading speed".
const READING: (f64, f64) = (5.0, 7.0);

/// The result as a screen.
#[must_use]
pub fn screen(run: &Run, rows: &[Row]) -> String {
    let mut lines: Vec<String> =
        facts(run).into_iter().flat_map(|(label, text)| labelled(label, &text)).collect();
    lines.push(String::new());
    lines.extend(table(rows));
    lines.push(String::new());
    lines.extend(sentences(run, rows).iter().flat_map(|text| indented(text, "")));
    let doubts = doubts(run, rows);
    if !doubts.is_empty() {
        lines.push(String::new());
        lines.push("Doubts".into());
        lines.extend(doubts.iter().flat_map(|doubt| indented(doubt, "- ")));
    }
    lines.push(String::new());
    lines.extend(labelled("next", &next(run, rows)));
    lines.join("\n") + "\n"
}

/// The result as Markdown, to paste.
#[must_use]
pub fn markdown(run: &Run, rows: &[Row]) -> String {
    let mut text = String::new();
    for (label, fact) in facts(run) {
        text += &format!("- **{label}**: {fact}\n");
    }
    text += "\n| workload | tok/s | 95 % interval | min to max | attainable | share of roof | limited by |\n";
    text += "|---|--:|--:|--:|--:|--:|---|\n";
    for row in rows {
        text += &format!("| {} |\n", cells(row).join(" | "));
    }
    text += "\n";
    for sentence in sentences(run, rows) {
        text += &format!("{sentence}\n");
    }
    let doubts = doubts(run, rows);
    if !doubts.is_empty() {
        text += "\nDoubts:\n\n";
        for doubt in doubts {
            text += &format!("- {doubt}\n");
        }
    }
    text
}

/// How far rows from slices are from rows of the whole model.
#[must_use]
pub fn slices(whole: &[Row], sliced: &[Row]) -> String {
    let mut lines = vec![String::new(), "Slices against the whole model".to_owned()];
    lines.push(format!("{:<20}{:>8} {:>8} {:>8}", "", "whole", "slices", "error"));
    for row in whole {
        let Some(other) = sliced.iter().find(|other| other.workload == row.workload) else { continue };
        let error = format!("{:+.1} %", (other.rate.mid / row.rate.mid - 1.0) * 100.0);
        let (name, whole, slices) = (workload(&row.workload), rate(row.rate.mid), rate(other.rate.mid));
        lines.push(format!("{name:<20}{whole:>8} {slices:>8} {error:>8}"));
    }
    lines.join("\n") + "\n"
}

/// A workload in few words.
#[must_use]
pub fn workload(workload: &Workload) -> String {
    let depth = if workload.depth > 0 { format!(" @{}", workload.depth) } else { String::new() };
    match workload.phase {
        Phase::Prefill => format!("prefill {}{depth}", workload.prompt),
        Phase::Decode if workload.batch > 1 => {
            format!("decode {} x{}{depth}", workload.generated, workload.batch)
        }
        Phase::Decode => format!("decode {}{depth}", workload.generated),
    }
}

/// Label and text of each fact above the table.
fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let mut facts =
        vec![("machine", machine(run)), ("roof", roof(run)), ("model", model(run)), ("engine", engine(run))];
    let kernels = kernels(&run.engine.kernels);
    if !kernels.is_empty() {
        facts.push(("kernels", kernels));
    }
    facts.push(("method", method(run)));
    facts.push(("check", check(&run.check)));
    facts
}

fn machine(run: &Run) -> String {
    let host = &run.machine;
    let cores = host.cores.map(|cores| format!(" ({cores} cores)")).unwrap_or_default();
    let memory =
        host.memory.map(|memory| format!(", {} GiB", significant(memory.gib(), 3))).unwrap_or_default();
    let virtual_ = host.hypervisor.as_ref().map(|name| format!(", virtual ({name})")).unwrap_or_default();
    format!("{}, {} CPUs{cores}{memory}{virtual_}; {}", host.cpu, host.cpus, host.os)
}

fn roof(run: &Run) -> String {
    let Some(roofs) = run.roofs else { return "not measured".into() };
    let gb = |roof: roofmark_facts::records::Roof| significant(roof.best.gb(), 3);
    let mut text = format!("{} GB/s read with 1 thread", gb(roofs.single));
    if roofs.all.threads > 1 {
        text += &format!(", {} GB/s with {}", gb(roofs.all), roofs.all.threads);
    }
    text += " (measured)";
    if let Some(fact) = &run.machine.datasheet {
        text += &format!("; datasheet {} GB/s", significant(fact.value.gb(), 3));
    }
    text
}

fn model(run: &Run) -> String {
    let profile = &run.model.profile;
    let origin = match &run.model.origin {
        Origin::Synthetic => "synthetic weights of its exact shapes and types",
        Origin::File(_) => "trained weights from that file",
    };
    format!(
        "{} {}, {} GB, reads {} GB a token; {origin}",
        profile.model,
        profile.quant,
        significant(profile.tensor_bytes.gb(), 4),
        significant(profile.bytes_per_token().gb(), 4)
    )
}

fn engine(run: &Run) -> String {
    let engine = &run.engine;
    let flash = match engine.flash_attention {
        Some(true) => ", flash attention",
        Some(false) => ", no flash attention",
        None => "",
    };
    format!(
        "{} ({}) on {}, {} threads{}{flash}, cache {}",
        engine.name,
        engine.version,
        engine.backend,
        run.settings.threads,
        if engine.repacked { ", weights repacked" } else { "" },
        run.settings.cache_type.name()
    )
}

/// The instruction sets that the engine says are on: `AVX2, AVX512`.
fn kernels(account: &str) -> String {
    let names: Vec<&str> = account
        .split(['|', ':'])
        .filter_map(|part| part.trim().strip_suffix("= 1"))
        .map(str::trim)
        .filter(|name| !matches!(*name, "LLAMAFILE" | "OPENMP" | "REPACK"))
        .collect();
    names.join(", ")
}

fn method(run: &Run) -> String {
    let slices: Vec<String> = run.parts.iter().map(|part| part.layers.to_string()).collect();
    let whole = run.model.profile.layers;
    let parts = match run.parts.as_slice() {
        [part] if part.layers == whole => "the whole model".into(),
        _ => format!("slices of {} of {whole} layers", slices.join(", ")),
    };
    format!(
        "protocol {}, {} repetitions, {parts}; {}",
        run.settings.protocol, run.settings.repetitions, run.date
    )
}

fn check(check: &Check) -> String {
    match check {
        Check::NotApplicable => "not applicable: these weights cannot answer".into(),
        Check::NotRun => "not run".into(),
        Check::Greedy { prompt, right: true, .. } => format!("passed: \"{prompt}\" is answered right"),
        Check::Greedy { prompt, answer, right: false } => {
            format!("FAILED: \"{prompt}\" gave \"{}\"", answer.trim())
        }
    }
}

/// The cells of a row, from workload to limit.
fn cells(row: &Row) -> [String; 7] {
    let Interval { low, mid, high } = row.rate;
    let dash = || "-".to_owned();
    let range = |low: TokensPerSecond, high: TokensPerSecond| format!("{} to {}", rate(low), rate(high));
    [
        workload(&row.workload),
        rate(mid),
        range(low, high),
        row.slowest.zip(row.fastest).map_or_else(dash, |(slowest, fastest)| range(slowest, fastest)),
        row.attainable.map_or_else(dash, rate),
        row.share.map_or_else(dash, percent),
        format!("{}{}", limit(&row.limit), if row.void { "*" } else { "" }),
    ]
}

fn rate(rate: TokensPerSecond) -> String {
    significant(rate.get(), 3)
}

fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0, if share < 1.0 { 2 } else { 3 }))
}

fn limit(limit: &Limit) -> &'static str {
    match limit {
        Limit::Memory => "memory",
        Limit::Compute(_) => "compute",
        Limit::Neither => "engine",
        Limit::Unknown => "unknown",
    }
}

/// The table of the screen, with a line for energy and datasheet below a row that has them.
fn table(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["No row: too few samples were taken.".into()];
    }
    let head = ["", "tok/s", "95 % interval", "min to max", "attain.", "share", "limit"].map(str::to_owned);
    let mut lines = vec![aligned(&head)];
    for row in rows {
        lines.push(aligned(&cells(row)));
        lines.extend(below(row).map(|text| format!("  {text}")));
    }
    if rows.iter().any(|row| row.void) {
        lines.push("* void for comparisons: see the doubts".into());
    }
    lines
}

fn aligned(cells: &[String; 7]) -> String {
    let [workload, rate, interval, range, attainable, share, limit] = cells;
    format!("{workload:<20}{rate:>6} {interval:>14} {range:>14} {attainable:>7} {share:>5} {limit}")
        .trim_end()
        .to_owned()
}

/// Power, energy and the datasheet's ceiling, where they are known.
fn below(row: &Row) -> Option<String> {
    let power = row.power.zip(row.energy_per_token).map(|(power, energy)| {
        format!(
            "{} W, {} J a token (processor packages)",
            significant(power.get(), 3),
            significant(energy.get(), 3)
        )
    });
    let ceiling = row.ceiling.map(|ceiling| format!("datasheet ceiling {} tok/s", rate(ceiling)));
    let parts: Vec<String> = [power, ceiling].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What the numbers mean to a person.
fn sentences(run: &Run, rows: &[Row]) -> Vec<String> {
    let single = rows.iter().find(|row| row.workload.phase == Phase::Decode && row.workload.batch == 1);
    let mut sentences: Vec<String> = single.map(|row| answer_time(row.rate.mid)).into_iter().collect();
    sentences.extend(arithmetic(rows));
    let energy = rows.iter().any(|row| row.power.is_some());
    if !energy && !rows.is_empty() && run.cells.iter().any(|cell| !cell.samples.is_empty()) {
        sentences.push("Power: no energy counter can be read here.".into());
    }
    sentences
}

/// The arithmetic of the first prefill.
fn arithmetic(rows: &[Row]) -> Option<String> {
    rows.iter().find_map(|row| match row.limit {
        Limit::Compute(rate) if row.workload.phase == Phase::Prefill => {
            Some(format!("Prefill does {} TFLOP/s.", significant(rate.tera(), 2)))
        }
        _ => None,
    })
}

fn answer_time(rate: TokensPerSecond) -> String {
    let (low, high) = READING;
    let pace = match rate.get() {
        rate if rate < low => format!("slower than people read ({low} to {high} tok/s)"),
        rate if rate <= high => format!("about as fast as people read ({low} to {high} tok/s)"),
        rate => {
            format!("{} times as fast as people read ({low} to {high} tok/s)", significant(rate / 6.0, 2))
        }
    };
    format!(
        "A {ANSWER}-token answer takes {} s once it has begun, {pace}.",
        significant(rate.time_for(ANSWER).get(), 2)
    )
}

/// Each doubt once, with the rows it is about.
fn doubts(run: &Run, rows: &[Row]) -> Vec<String> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let all = run.doubts.iter().map(|doubt| (doubt, None));
    let all = all.chain(rows.iter().flat_map(|row| row.doubts.iter().map(move |doubt| (doubt, Some(row)))));
    for (doubt, row) in all {
        let name = row.map(|row| workload(&row.workload));
        match found.iter_mut().find(|(text, _)| *text == doubt.text()) {
            Some((_, names)) => names.extend(name),
            None => found.push((doubt.text(), name.into_iter().collect())),
        }
    }
    found
        .into_iter()
        .map(|(text, names)| match names.len() {
            0 => text,
            count if count == rows.len() && count > 1 => format!("all rows: {text}"),
            _ => format!("{}: {text}", names.join(", ")),
        })
        .collect()
}

/// One line on what to do: the advice of the gravest doubt, else the next longer protocol.
fn next(run: &Run, rows: &[Row]) -> String {
    let mut doubts: Vec<&Doubt> = run.doubts.iter().chain(rows.iter().flat_map(|row| &row.doubts)).collect();
    doubts.sort_by_key(|doubt| !doubt.voids());
    let advice = doubts.iter().find_map(|doubt| doubt.advice(&run.settings));
    advice.unwrap_or_else(|| match run.settings.protocol.as_str() {
        "quick" => "roofmark bench --protocol standard measures depths and batches".into(),
        _ => "roofmark bench --format md gives this result to paste".into(),
    })
}

fn labelled(label: &str, text: &str) -> Vec<String> {
    indented(text, &format!("{label:<LABEL$}"))
}

/// `text` behind `first`, wrapped, each further line as far to the right.
fn indented(text: &str, first: &str) -> Vec<String> {
    let rest = " ".repeat(first.len());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(&rest)
        .word_splitter(WordSplitter::NoHyphenation)
        .word_separator(WordSeparator::AsciiSpace);
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::profile::Profile;
    use roofmark_facts::records::{Cell, EngineFacts, Host, ModelFacts, Part, Roofs};
    use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond, Joules, Seconds, Watts};
    use roofmark_testing::sample;

    fn profile() -> Profile {
        Profile {
            model: "llama-3.1-8b".into(),
            tensor_bytes: Bytes::from_gb(4.913),
            fixed_bytes: Bytes::from_gb(4.617),
            caches: vec![],
            ..roofmark_testing::profile(32)
        }
    }

    fn run() -> Run {
        let roof = |threads, gb| roofmark_testing::roof(threads, BytesPerSecond::from_gb(gb));
        let decode = Workload::decode(32, 0, 1);
        let run = roofmark_testing::run();
        Run {
            tool: "roofmark 0.1.0".into(),
            machine: Host {
                os: "Debian GNU/Linux 12 (bookworm), kernel 6.1.0".into(),
                cpu: "AMD EPYC 9R14".into(),
                cores: Some(2),
                memory: Some(Bytes::from_gib(23.4)),
                hypervisor: Some("unnamed".into()),
                ..run.machine
            },
            engine: EngineFacts {
                version: "llama-cpp-sys-2 0.1.161".into(),
                kernels:
                    "CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 1 | AVX512_VNNI = 1 | OPENMP = 1 | REPACK = 1 | "
                        .into(),
                repacked: true,
                flash_attention: Some(true),
                device: "CPU".into(),
                sandbox: "none".into(),
                ..run.engine
            },
            model: ModelFacts { profile: profile(), ..run.model },
            roofs: Some(Roofs { single: roof(1, 32.1), all: roof(2, 36.24) }),
            parts: vec![Part { layers: 32, profile: profile() }],
            cells: vec![Cell { part: 0, workload: decode, samples: vec![sample(&decode, Seconds(4.0))] }],
            ..run
        }
    }

    fn row(workload: Workload, mid: f64, share: Option<f64>, limit: Limit) -> Row {
        let rate = |factor: f64| TokensPerSecond(mid * factor);
        Row {
            rate: Interval { low: rate(0.98), mid: rate(1.0), high: rate(1.01) },
            slowest: Some(rate(0.97)),
            fastest: Some(rate(1.02)),
            attainable: share.map(|share| TokensPerSecond(mid / share)),
            share,
            limit,
            doubts: vec![Doubt::FewSamples { count: 3, coverage: 0.75 }],
            ..roofmark_testing::row(workload, TokensPerSecond(mid))
        }
    }

    fn quick() -> Vec<Row> {
        vec![
            row(Workload::prefill(128, 0), 20.93, None, Limit::Compute(FlopPerSecond::from_tera(0.314))),
            row(Workload::decode(32, 0, 1), 7.41, Some(0.943), Limit::Memory),
            row(Workload::decode(32, 0, 4), 13.4, Some(0.43), Limit::Compute(FlopPerSecond::from_tera(0.2))),
        ]
    }

    #[test]
    fn a_screen_of_eighty_columns() {
        let screen = screen(&run(), &quick());
        insta::assert_snapshot!(screen);
        assert!(screen.lines().all(|line| line.chars().count() <= WIDTH), "{screen}");
        assert!(!screen.contains('\u{1b}'), "no colour");
    }

    #[test]
    fn markdown_to_paste() {
        insta::assert_snapshot!(markdown(&run(), &quick()));
    }

    #[test]
    fn slices_energy_and_moving_roofs_are_told() {
        let mut run = run();
        run.parts = [3, 5, 10].map(|layers| Part { layers, profile: profile() }).to_vec();
        let mut decode = row(Workload::decode(128, 2048, 1), 7.41, Some(1.12), Limit::Memory);
        (decode.slowest, decode.fastest, decode.void) = (None, None, true);
        (decode.power, decode.energy_per_token) = (Some(Watts(52.3)), Some(Joules(7.06)));
        decode.ceiling = Some(TokensPerSecond(8.3));
        let (low, high) = (BytesPerSecond::from_gb(36.0), BytesPerSecond::from_gb(65.0));
        decode.doubts = vec![
            Doubt::Sliced { layers: vec![3, 5, 10], of: 32, method_error: 0.05 },
            Doubt::RoofDrift { drift: 0.446, low, high },
            Doubt::AboveRoof { share: 1.12, bytes: Bytes::from_gb(4.6), cache: None },
        ];
        let screen = screen(&run, &[decode]);
        insta::assert_snapshot!(screen);
        assert!(screen.lines().all(|line| line.chars().count() <= WIDTH), "{screen}");
    }

    #[test]
    fn the_error_of_slices_is_told() {
        let whole = [row(Workload::decode(32, 0, 1), 7.41, Some(0.94), Limit::Memory)];
        let sliced = [row(Workload::decode(32, 0, 1), 7.56, Some(0.96), Limit::Memory)];
        insta::assert_snapshot!(slices(&whole, &sliced), @r"

        Slices against the whole model
                               whole   slices    error
        decode 32               7.41     7.56   +2.0 %
        ");
    }

    #[test]
    fn a_run_without_rows_says_so() {
        let mut empty = run();
        empty.doubts = vec![Doubt::Interrupted { done: 0, planned: 9 }];
        let screen = screen(&empty, &[]);
        assert!(screen.contains("No row: too few samples were taken."), "{screen}");
        assert!(screen.contains("stopped after 0 of 9 samples"), "{screen}");
    }

    #[test]
    fn a_rate_is_told_in_reading_speeds() {
        let told = |rate| answer_time(TokensPerSecond(rate));
        insta::assert_snapshot!(told(2.7), @"A 50-token answer takes 19 s once it has begun, slower than people read (5 to 7 tok/s).");
        insta::assert_snapshot!(told(6.0), @"A 50-token answer takes 8.3 s once it has begun, about as fast as people read (5 to 7 tok/s).");
        insta::assert_snapshot!(told(45.0), @"A 50-token answer takes 1.1 s once it has begun, 7.5 times as fast as people read (5 to 7 tok/s).");
    }
}
