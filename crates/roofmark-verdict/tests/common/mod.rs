//! What several tests need.

use roofmark_facts::catalog::Catalog;
use roofmark_verdict::reader::Lexicon;

/// Names of the built-in catalog.
pub fn lexicon() -> Lexicon {
    Lexicon::of(Catalog::builtin())
}
