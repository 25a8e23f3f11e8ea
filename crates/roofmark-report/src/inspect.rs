//! What a model costs, as a screen.

use roofmark_facts::inspection::Inspected;
use roofmark_facts::units::grouped;
use std::fmt::Write;

/// Bytes of a cached element: the engine's default is f16.
pub const CACHE_ELEMENT: f64 = 2.0;

/// The costs in 80 columns.
#[must_use]
pub fn screen(found: &Inspected) -> String {
    let profile = &found.profile;
    let mut text = format!(
        "{}\n{}, {}, {} layers, {} parameters{}\n\n",
        clean(&profile.model),
        clean(&profile.arch),
        clean(&profile.quant),
        profile.layers,
        count(profile.params),
        if profile.is_moe() { format!(", {} active", count(profile.active_params)) } else { String::new() },
    );
    for (label, value) in rows(found) {
        let _ = writeln!(text, "  {label:<18}{value}");
    }
    let _ = write!(text, "\n  {:<14}{:>8}{:>18}{:>9}\n", "type", "tensors", "bytes", "share");
    for row in &found.types {
        let share = 100.0 * row.bytes as f64 / profile.tensor_bytes.get();
        let bytes = grouped(row.bytes);
        let _ = writeln!(text, "  {:<14}{:>8}{bytes:>18}{share:>7.1} %", row.kind.name(), row.tensors);
    }
    text
}

fn rows(found: &Inspected) -> Vec<(&'static str, String)> {
    let profile = &found.profile;
    let mut rows = Vec::new();
    if let Some(parts) = found.parts {
        let files = if parts > 1 { format!(" in {parts} files") } else { String::new() };
        rows.push(("file", format!("{} B{files}", grouped(found.file_bytes))));
    }
    let doubt = if found.approximate { " (about: the mix is not published)" } else { "" };
    rows.push(("tensor data", format!("{:.3} GB{doubt}", profile.tensor_bytes.gb())));
    rows.push(("read per token", format!("{:.3} GB at batch 1, depth 0", profile.bytes_per_token().gb())));
    rows.push(("compute per token", format!("{:.2} GFLOP", profile.flop_per_token().get() / 1e9)));
    let growing = profile.growing_cache_bytes(CACHE_ELEMENT).get().round() as u64;
    rows.push(("KV cache (f16)", format!("{} B per token", grouped(growing))));
    let window = found.window_bytes(CACHE_ELEMENT);
    if window > 0.0 {
        rows.push(("", format!("{:.2} MB in sliding windows, when full", window / 1e6)));
    }
    if profile.state_bytes.get() > 0.0 {
        rows.push(("recurrent state", format!("{:.2} MB per sequence", profile.state_bytes.get() / 1e6)));
    }
    for group in &profile.experts {
        let text = format!("{} of {} per token in {} layers", group.active, group.count, group.layers);
        rows.push(("experts", text));
    }
    if let Some(context) = profile.context {
        rows.push(("context", format!("{} tokens", grouped(context))));
    }
    rows
}

/// Names from a file may hold anything; a terminal must not act on it.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).take(70).collect()
}

/// A count in the field's way: 8.03 B, 134.5 M.
fn count(value: f64) -> String {
    if value >= 1e9 { format!("{:.2} B", value / 1e9) } else { format!("{:.1} M", value / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::catalog::Catalog;
    use roofmark_facts::inspection::types;
    use roofmark_facts::quant::Quant;
    use roofmark_facts::table::tensor_table;

    #[test]
    fn names_from_files_cannot_steer_a_terminal() {
        assert_eq!(clean("\u{1b}[31mred\n"), "?[31mred?");
    }

    fn catalogued() -> Inspected {
        let model = Catalog::builtin().model("gpt-oss-20b").unwrap();
        let quant = Quant::parse("MXFP4").unwrap();
        let tensors = tensor_table(&model.shape, &quant);
        let types = types(tensors.iter().map(|tensor| (tensor.kind, tensor.stored().get() as u64)));
        Inspected { profile: model.profile(&quant), file_bytes: 0, parts: None, approximate: false, types }
    }

    #[test]
    fn the_screen_of_a_catalogued_model() {
        insta::assert_snapshot!(screen(&catalogued()), @r"
        gpt-oss-20b
        gpt-oss, MXFP4, 24 layers, 20.91 B parameters, 3.61 B active

          tensor data       12.097 GB
          read per token    2.575 GB at batch 1, depth 0
          compute per token 7.22 GFLOP
          KV cache (f16)    24,576 B per token
                            3.15 MB in sliding windows, when full
          experts           4 of 32 per token in 24 layers
          context           131,072 tokens

          type           tensors             bytes    share
          MXFP4               72    10,152,345,600   83.9 %
          Q8_0                98     1,907,481,600   15.8 %
          F32                289        36,731,136    0.3 %
        ");
    }
}
