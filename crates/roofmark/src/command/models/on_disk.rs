//! `roofmark models --local`: model files that other programs have put on this disk.

use crate::local::{self, LocalModel, Places};
use crate::model_file;
use anyhow::Result;
use roofmark_facts::gguf::profile;
use roofmark_facts::profile::Profile;
use roofmark_facts::units::Bytes;
use serde_json::{Value, json};
use std::fmt::Write;

/// Most letters of a name on screen; its path, in full, is on the next line.
const NAME_WIDTH: usize = 44;

/// A model file and what it says of itself, or why it cannot be read.
type Read = (LocalModel, Result<(Profile, u64)>);

/// Finds, reads the headers, prints.
pub fn run(json: bool) -> Result<()> {
    let found = local::models(&Places::usual(|name| std::env::var(name).ok()));
    let read: Vec<Read> = found
        .into_iter()
        .map(|model| {
            let cost = cost(&model);
            (model, cost)
        })
        .collect();
    if json {
        let models: Vec<Value> = read.iter().map(document).collect();
        return crate::command::print(&serde_json::to_string_pretty(&json!({ "models": models }))?);
    }
    crate::command::print(&screen(&read))
}

fn cost(model: &LocalModel) -> Result<(Profile, u64)> {
    let table = model_file::open(&model.path)?;
    Ok((profile(&model.name, &table)?, table.file_bytes))
}

fn document((model, cost): &Read) -> Value {
    match cost {
        Ok((profile, file_bytes)) => json!({
            "name": model.name,
            "path": model.path,
            "arch": profile.arch,
            "quant": profile.quant,
            "layers": profile.layers,
            "parameters": profile.params as u64,
            "file_bytes": file_bytes,
            "bytes_per_token": profile.bytes_per_token().get().round() as u64,
        }),
        Err(error) => json!({ "name": model.name, "path": model.path, "error": format!("{error:#}") }),
    }
}

fn screen(models: &[Read]) -> String {
    if models.is_empty() {
        return "No model files in the folders of Ollama, LM Studio, the hub's cache and llama.cpp."
            .to_owned();
    }
    let mut text = format!("{:<NAME_WIDTH$}  {:<8}{:>10}\n", "name", "quant", "size");
    for (model, cost) in models {
        let name: String = plain(&model.name).chars().take(NAME_WIDTH).collect();
        let _ = match cost {
            Ok((profile, bytes)) => {
                let size = format!("{:.2} GB", Bytes(*bytes as f64).gb());
                writeln!(text, "{name:<NAME_WIDTH$}  {:<8}{size:>10}", plain(&profile.quant))
            }
            Err(error) => writeln!(text, "{name:<NAME_WIDTH$}  {}", plain(&format!("{error:#}"))),
        };
        let _ = writeln!(text, "  {}", plain(&model.path.display().to_string()));
    }
    text
}

/// Names from a disk may hold anything; a terminal must not act on it.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_listed_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half-00001-of-00002.gguf");
        std::fs::write(&path, b"GGUF").unwrap();
        let model = LocalModel { name: "half".to_owned(), path };
        let read = cost(&model);
        let text = screen(&[(model, read)]);
        assert!(text.contains("file is truncated: version needs 4 bytes and 0 are left"), "{text}");
    }

    #[test]
    fn no_models_is_said() {
        assert!(screen(&[]).starts_with("No model files"));
    }
}
