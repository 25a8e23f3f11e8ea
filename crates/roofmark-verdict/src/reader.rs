//! The claim reader: text in, claims out.
//!
//! Stages, each linear in the text: decode and find blocks (`document`), split into words (`words`),
//! find mentions of machines, models, rates and so on (`mentions`), and tie the mentions around each rate into a
//! claim (`scope` for prose and lists, `table` for tables).

mod dates;
mod document;
mod frame;
mod html;
mod lexicon;
mod mentions;
mod numbers;
mod patterns;
mod records;
mod scope;
mod sentences;
mod spelled;
mod table;
mod words;

pub use document::{Format, MAX_BYTES, ReadError};
pub use lexicon::Lexicon;

use document::Document;
use roofmark_facts::claim::Claim;

/// A text as read, with the claims found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The text that spans of claims refer to (for HTML: what a reader sees).
    pub text: String,
    /// Claims in the order of the text.
    pub claims: Vec<Claim>,
    /// Quantizations that the text names, each once.
    pub quants: Vec<String>,
    /// Sentences with what they are about.
    pub sentences: Vec<Sentence>,
    /// Month of the text's own statements (`YYYY-MM`), where it names one.
    pub date: Option<String>,
}

/// A machine as a sentence names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    /// First byte of the name in the text.
    pub start: usize,
    /// Catalog machines that it can mean.
    pub slugs: Vec<String>,
    /// It is only what something else is compared with.
    pub compared: bool,
}

/// A sentence, heading or bullet with the machines and the model that it speaks of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sentence {
    /// Its bytes in the text.
    pub range: std::ops::Range<usize>,
    /// Machines named in it.
    pub machines: Vec<Named>,
    /// Machines that the sentence is about, named in it or before.
    pub about: Vec<String>,
    /// Model in force.
    pub model: Option<String>,
    /// Quantization in force.
    pub quant: Option<String>,
}

/// Reads the claims of `bytes`.
///
/// # Errors
/// When the bytes are not text of a known encoding, or more than [`MAX_BYTES`].
pub fn read(bytes: &[u8], format: Format, lexicon: &Lexicon) -> Result<Read, ReadError> {
    let document = Document::parse(bytes, format)?;
    let scope::Found { claims, sentences, quants } = scope::claims(&document, lexicon);
    let date = dates::of_text(&document.text);
    Ok(Read { text: document.text, claims, quants, sentences, date })
}
