//! Screens of `predict`.

use super::Case;
use anyhow::Result;
use roofmark_facts::evidence;
use roofmark_facts::prediction::{Neighbour, Prediction};
use roofmark_facts::quant::Quant;
use roofmark_facts::units::significant;
use std::fmt::Write;

/// One prediction in full.
pub fn one(case: &Case<'_>) -> Result<String> {
    let job = &case.ask.job;
    let answer = &case.answer;
    let mut out = String::new();
    writeln!(out, "{}, {} {}", job.machine.name, job.profile.model, job.profile.quant)?;
    let (depth, batch) = (job.depth, job.batch);
    writeln!(out, "{} ({:?}), depth {depth}, batch {batch}, prompt {}\n", job.backend.name(), job.engine, case.ask.prompt)?;
    rate(&mut out, if batch > 1.0 { "decode, all" } else { "decode" }, &answer.decode)?;
    if batch > 1.0 {
        writeln!(out, "{:<13}{:>8} tok/s", "decode, each", significant(answer.decode.rate.get() / batch, 3))?;
    }
    if let Some(streamed) = &answer.streamed {
        rate(&mut out, "  streamed", streamed)?;
    }
    rate(&mut out, "prefill", &answer.prefill)?;
    writeln!(out, "{:<13}{:>8} s", "first token", significant(answer.first_token.get(), 3))?;
    writeln!(out, "{:<13}{:>8} s for 50 tokens, {} s for 500", "answer", significant(answer.answer_50.get(), 3), significant(answer.answer_500.get(), 3))?;
    memory(&mut out, case)?;
    breakdown(&mut out, "decode", &answer.decode)?;
    breakdown(&mut out, "prefill", &answer.prefill)?;
    grounds(&mut out, &answer.decode)?;
    for note in answer.decode.notes.iter().chain(&answer.prefill.notes) {
        writeln!(out, "note: {note}")?;
    }
    if case.approximate {
        writeln!(out, "note: the mix of this quantization is not published; bytes are within 10 %")?;
    }
    Ok(out)
}

fn rate(out: &mut String, name: &str, found: &Prediction) -> Result<()> {
    let [low, high] = [found.interval90.low, found.interval90.high].map(|end| significant(end.get(), 3));
    let ceiling = found.ceiling.map_or("unknown".to_owned(), |ceiling| significant(ceiling.get(), 3));
    writeln!(out, "{name:<13}{:>8} tok/s predicted (90 %: {low} to {high}), ceiling {ceiling}", significant(found.rate.get(), 3))?;
    Ok(())
}

fn memory(out: &mut String, case: &Case<'_>) -> Result<()> {
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
    writeln!(out, "{:<13}does not fit by {:.1} GB: {spills}; {}", "", memory.short_by().gb(), what_would_fit(case))?;
    Ok(())
}

/// The largest usual quantization of the same model that would fit, by its bits per weight.
fn what_would_fit(case: &Case<'_>) -> String {
    let memory = &case.answer.memory;
    let room = memory.usable.map_or(0.0, |usable| usable.get()) - memory.cache.get() - memory.buffers.get();
    let parameters = case.ask.job.profile.params;
    let usual = [("Q8_0", 8.5), ("Q6_K", 6.57), ("Q5_K_M", 5.7), ("Q4_K_M", 4.9), ("Q3_K_M", 3.95), ("Q2_K", 3.1)];
    let fitting = usual.iter().find(|(label, bits)| Quant::parse(label).is_ok() && parameters * bits / 8.0 <= room);
    match fitting {
        Some((label, _)) => format!("{label} would fit"),
        None => format!("at most {:.0} B parameters at Q4_K_M would fit", room.max(0.0) * 8.0 / 4.9 / 1e9),
    }
}

fn breakdown(out: &mut String, name: &str, found: &Prediction) -> Result<()> {
    let prefill = name == "prefill";
    let unit = if prefill { "ms for the prompt" } else { "ms a step" };
    writeln!(out, "\n{name}: {} {unit}, mostly {}", significant(found.step.get() * 1e3, 3), found.limit)?;
    for part in &found.breakdown {
        let share = part.time.get() / found.step.get();
        writeln!(out, "  {:<38}{:>9} ms {:>4.0} %", part.limit.to_string(), significant(part.time.get() * 1e3, 3), share * 100.0)?;
    }
    Ok(())
}

fn grounds(out: &mut String, found: &Prediction) -> Result<()> {
    writeln!(out, "\nrests on: {}; nearest measurements of decode:", found.tier)?;
    for neighbour in &found.nearest {
        line(out, neighbour)?;
    }
    Ok(())
}

fn line(out: &mut String, neighbour: &Neighbour) -> Result<()> {
    let title = evidence::source(&neighbour.source).map_or(neighbour.source.as_str(), |source| &source.title);
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    writeln!(out, "  {:<6} {:>7} tok/s  {}", neighbour.id, significant(neighbour.rate.get(), 3), cut(&neighbour.what, 58))?;
    writeln!(out, "         {}", cut(title, 70))?;
    Ok(())
}

/// Several predictions, one a line.
pub fn table(cases: &[Case<'_>]) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "machine              model                quant   depth  b  decode (90 %)    prefill")?;
    for case in cases {
        let job = &case.ask.job;
        let decode = &case.answer.decode;
        let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        let fits = if case.answer.memory.fits() { ' ' } else { '!' };
        let [rate, low, high, prefill] =
            [decode.rate, decode.interval90.low, decode.interval90.high, case.answer.prefill.rate].map(|rate| significant(rate.get(), 3));
        writeln!(
            out,
            "{:<20} {:<20} {:<7} {:>5} {:>2} {rate:>6} ({low}-{high}){fits} {prefill:>6}",
            short(&job.machine.slug, 20),
            short(&job.profile.model, 20),
            short(&job.profile.quant, 7),
            job.depth,
            job.batch
        )?;
    }
    writeln!(out, "tok/s, decode of all sequences; ! does not fit the memory")?;
    Ok(out)
}
