//! Predictions as screens: one in full, several as a table.

use roofmark_facts::answer::{BatchPoint, Case, Curve};
use roofmark_facts::evidence;
use roofmark_facts::prediction::{Neighbour, Prediction};
use roofmark_facts::quant::Quant;
use roofmark_facts::units::{Bytes, significant};
use std::fmt::{Result, Write};

/// One prediction in full.
#[must_use]
pub fn one(case: &Case) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_one(&mut out, case);
    out
}

fn write_one(out: &mut String, case: &Case) -> Result {
    let Case { answer, workload, .. } = case;
    let batch = workload.batch;
    writeln!(out, "{}, {} {}", case.machine_name, case.model, case.quant)?;
    let (engine, backend, prompt) = (&case.engine, &case.backend, workload.prompt);
    writeln!(out, "{engine}, {backend}, {}, batch {batch}, prompt {prompt}\n", depth(case))?;
    rates(out, case)?;
    memory(out, case)?;
    if let Some(curve) = &case.batches {
        batches(out, curve)?;
    }
    breakdown(out, "decode", &answer.decode)?;
    breakdown(out, "prefill", &answer.prefill)?;
    grounds(out, "decode", &answer.decode)?;
    grounds(out, "prefill", &answer.prefill)?;
    for note in answer.decode.notes.iter().chain(&answer.prefill.notes) {
        writeln!(out, "note: {note}")?;
    }
    if case.approximate_bytes {
        writeln!(out, "note: the mix of this quantization is not published; bytes are within 10 %")?;
    }
    Ok(())
}

/// Rates and waiting times.
fn rates(out: &mut String, case: &Case) -> Result {
    let answer = &case.answer;
    let batch = case.workload.batch;
    rate(out, if batch > 1.0 { "decode, all" } else { "decode" }, &answer.decode)?;
    if batch > 1.0 {
        writeln!(out, "{:<13}{:>8} tok/s", "decode, each", significant(answer.decode.rate.get() / batch, 3))?;
    }
    if let Some(streamed) = &answer.streamed {
        rate(out, "  streamed", streamed)?;
    }
    rate(out, "prefill", &answer.prefill)?;
    writeln!(out, "{:<13}{:>8} s", "first token", significant(answer.first_token.get(), 3))?;
    writeln!(
        out,
        "{:<13}{:>8} s for 50 tokens, {} s for 500",
        "answer",
        significant(answer.answer_50.get(), 3),
        significant(answer.answer_500.get(), 3)
    )?;
    Ok(())
}

/// The depth, or the mixture of depths.
fn depth(case: &Case) -> String {
    let work = &case.workload;
    if work.depths.is_empty() {
        return format!("depth {}", work.depth);
    }
    let ends = work
        .depths
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |ends, depth| (ends.0.min(*depth), ends.1.max(*depth)));
    format!("depths {} to {} (as {:.0} each)", ends.0, ends.1, work.depth)
}

/// Decode over the batch, and where it bends.
fn batches(out: &mut String, curve: &Curve) -> Result {
    let mut line = |name: &str, value: &dyn Fn(&BatchPoint) -> String| {
        let cells: String = curve.points.iter().map(|point| format!("{:>8}", value(point))).collect();
        writeln!(out, "{name:<13}{cells}")
    };
    let mark = |point: &BatchPoint| if point.fits { "" } else { "!" };
    line("\nsequences", &|point| format!("{}{}", mark(point), point.batch))?;
    line("all, tok/s", &|point| significant(point.rate.get(), 3))?;
    line("each, tok/s", &|point| significant(point.each.get(), 3))?;
    let from = |found: Option<f64>| found.map_or("more than 4096".to_owned(), |batch| batch.to_string());
    let fitting = curve.fitting.map_or("an unknown number".to_owned(), |most| most.to_string());
    writeln!(out, "arithmetic takes as long as reading the weights from {} sequences", from(curve.knee))?;
    writeln!(out, "half the speed of one from {}; {fitting} fit the memory", from(curve.half_speed))?;
    Ok(())
}

fn rate(out: &mut String, name: &str, found: &Prediction) -> Result {
    let [low, high] = [found.interval90.low, found.interval90.high].map(|end| significant(end.get(), 3));
    let ceiling = found.ceiling.map_or("unknown".to_owned(), |ceiling| significant(ceiling.get(), 3));
    writeln!(
        out,
        "{name:<13}{:>8} tok/s predicted (90 %: {low} to {high}), ceiling {ceiling}",
        significant(found.rate.get(), 3)
    )?;
    Ok(())
}

fn memory(out: &mut String, case: &Case) -> Result {
    let memory = &case.answer.memory;
    let has = memory.usable.map_or("unknown".to_owned(), |usable| format!("{:.1} GB", usable.gb()));
    writeln!(
        out,
        "{:<13}{:>8} GB = weights {:.1} + cache {:.2} + buffers {:.1}; usable {has}",
        "memory",
        significant(memory.needed().gb(), 3),
        memory.weights.gb(),
        memory.cache.gb(),
        memory.buffers.gb()
    )?;
    if memory.fits() {
        return Ok(());
    }
    let spills = if case.answer.streamed.is_some() { "it spills" } else { "it does not run" };
    writeln!(
        out,
        "{:<13}does not fit by {:.1} GB: {spills}; {}",
        "",
        memory.short_by().gb(),
        what_would_fit(case)
    )?;
    Ok(())
}

/// The largest usual quantization of the same model that would fit, by its bits per weight.
fn what_would_fit(case: &Case) -> String {
    let memory = &case.answer.memory;
    let room = memory.usable.map_or(0.0, Bytes::get) - memory.cache.get() - memory.buffers.get();
    let parameters = case.parameters;
    let usual =
        [("Q8_0", 8.5), ("Q6_K", 6.57), ("Q5_K_M", 5.7), ("Q4_K_M", 4.9), ("Q3_K_M", 3.95), ("Q2_K", 3.1)];
    let fitting =
        usual.iter().find(|(label, bits)| Quant::parse(label).is_ok() && parameters * bits / 8.0 <= room);
    match fitting {
        Some((label, _)) => format!("{label} would fit"),
        None => format!("at most {:.0} B parameters at Q4_K_M would fit", room.max(0.0) * 8.0 / 4.9 / 1e9),
    }
}

fn breakdown(out: &mut String, name: &str, found: &Prediction) -> Result {
    let prefill = name == "prefill";
    let unit = if prefill { "ms for the prompt" } else { "ms a step" };
    writeln!(out, "\n{name}: {} {unit}, mostly {}", significant(found.step.get() * 1e3, 3), found.limit)?;
    for part in &found.breakdown {
        let share = part.time.get() / found.step.get();
        writeln!(
            out,
            "  {:<38}{:>9} ms {:>4.0} %",
            part.limit.to_string(),
            significant(part.time.get() * 1e3, 3),
            share * 100.0
        )?;
    }
    Ok(())
}

fn grounds(out: &mut String, phase: &str, found: &Prediction) -> Result {
    writeln!(out, "\n{phase} rests on: {}; nearest measurements:", found.tier)?;
    for neighbour in &found.nearest {
        line(out, neighbour)?;
    }
    Ok(())
}

fn line(out: &mut String, neighbour: &Neighbour) -> Result {
    let title = evidence::source(&neighbour.source).map_or(neighbour.source.as_str(), |source| &source.title);
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    writeln!(
        out,
        "  {:<6} {:>7} tok/s  {}",
        neighbour.id,
        significant(neighbour.rate.get(), 3),
        cut(&neighbour.what, 58)
    )?;
    writeln!(out, "         {}", cut(title, 70))?;
    Ok(())
}

/// Several predictions, one a line.
#[must_use]
pub fn table(cases: &[Case]) -> String {
    let head = "machine              model                quant   depth  b  decode (90 %)    prefill\n";
    let lines: String = cases.iter().map(row).collect();
    format!("{head}{lines}tok/s, decode of all sequences; ! does not fit the memory\n")
}

fn row(case: &Case) -> String {
    let decode = &case.answer.decode;
    let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let fits = if case.answer.memory.fits() { ' ' } else { '!' };
    let [rate, low, high, prefill] =
        [decode.rate, decode.interval90.low, decode.interval90.high, case.answer.prefill.rate]
            .map(|rate| significant(rate.get(), 3));
    format!(
        "{:<20} {:<20} {:<7} {:>5.0} {:>2} {rate:>6} ({low}-{high}){fits} {prefill:>6}\n",
        short(&case.machine, 20),
        short(&case.model, 20),
        short(&case.quant, 7),
        case.workload.depth,
        case.workload.batch
    )
}
