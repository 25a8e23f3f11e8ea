//! What runs on a machine, ranked, as a screen.

use roofmark_facts::ranking::{Ranked, Ranking};
use std::fmt::Write;

/// The ranking in 80 columns.
#[must_use]
pub fn screen(found: &Ranking) -> String {
    let target = &found.target;
    let cards = if found.devices > 1 { format!("{} x ", found.devices) } else { String::new() };
    let streams = if target.streams > 1.0 { format!("{} streams, ", target.streams) } else { String::new() };
    let mut text = format!(
        "{cards}{}: predicted for {}, {streams}prompt {} tokens\n",
        found.machine_name, found.purpose, target.prompt
    );
    if found.models.is_empty() {
        let _ = writeln!(text, "no catalogued model fits with a context of {} tokens", target.context);
        return text;
    }
    text += "model                         quant   decode tok/s (90 %)  first  memory  context\n";
    text += &found.models.iter().map(line).collect::<String>();
    let each = if target.streams > 1.0 { " each" } else { "" };
    let wait = target
        .first_token
        .map_or_else(String::new, |longest| format!(", or more than {longest} s to the first token"));
    let _ = writeln!(text, "* slower than {} tok/s{each}{wait}", target.decode);
    text + "ranked by size, age and bits of the weights, not by answers: docs/physics.md\n"
}

fn line(entry: &Ranked) -> String {
    let decode = &entry.answer.decode;
    let slow = if entry.fast_enough { ' ' } else { '*' };
    let model: String = entry.model.chars().take(28).collect();
    format!(
        "{model:<28}{slow} {:<7} {:>6.1} ({:>5.1}-{:>5.1}) {:>6.1}s {:>4.0} GB {:>8.0}\n",
        entry.quant,
        decode.rate.get(),
        decode.interval90.low.get(),
        decode.interval90.high.get(),
        entry.answer.first_token.get(),
        entry.answer.memory.needed().gb(),
        entry.context
    )
}
