//! The claim reader: text in, claims out.
//!
//! Stages, each linear in the text: decode and find blocks ([`document`]), split into words ([`words`]),
//! find mentions of machines, models, rates and so on ([`mentions`]), and tie the mentions around each rate into a
//! claim ([`scope`] for prose and lists, [`table`] for tables).

mod dates;
mod document;
mod frame;
mod html;
mod lexicon;
mod mentions;
mod numbers;
mod patterns;
mod scope;
mod sentences;
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
    /// Month of the text's own statements (`YYYY-MM`), where it names one.
    pub date: Option<String>,
}

/// Reads the claims of `bytes`.
///
/// # Errors
/// When the bytes are not text of a known encoding, or more than [`MAX_BYTES`].
pub fn read(bytes: &[u8], format: Format, lexicon: &Lexicon) -> Result<Read, ReadError> {
    let document = Document::parse(bytes, format)?;
    let claims = scope::claims(&document, lexicon);
    let date = dates::of_text(&document.text);
    Ok(Read { text: document.text, claims, date })
}
