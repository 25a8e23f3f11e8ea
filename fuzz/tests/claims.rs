//! Any text: claims lie within it, on character boundaries.

use roofmark_facts::catalog::Catalog;
use roofmark_fuzz::{Change, changed};
use roofmark_verdict::reader::{self, Format, Lexicon};

const SEED: &str = "| Machine | Model | tok/s |\n|---|---|---|\n| RTX 4090 | Llama 3.1 8B Q4_K_M | 120–130 |\n\n\
On my M3 Max (64 GB) Qwen3-32B 4bit MLX runs at 18,5 tok/s; prompt: 210 t/s, 42 ms/token with 8k of context.\n";

#[test]
fn claims() {
    let lexicon = Lexicon::of(&Catalog::builtin());
    bolero::check!().with_type::<(Change, u8)>().for_each(move |(change, format)| {
        let bytes = changed(SEED.as_bytes(), change);
        let format = [Format::Text, Format::Html, Format::Csv][usize::from(*format) % 3];
        if let Ok(read) = reader::read(&bytes, format, &lexicon) {
            assert!(read.claims.iter().all(|claim| read.text.get(claim.start..claim.end).is_some()));
        }
    });
}
