//! Replays the corpus of the fuzz target `fuzz/tests/gguf.rs`: whatever is in it, the reader answers.

use roofmark_facts::gguf::{merge, read};
use std::fs::{self, File};
use std::path::Path;

#[test]
fn every_file_of_the_corpus_gets_an_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/gguf");
    let mut accepted = 0;
    let mut refused = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let outcome = read(File::open(&path).unwrap());
        let valid = path.file_name().unwrap().to_string_lossy().starts_with("valid");
        assert_eq!(outcome.is_ok(), valid, "{}: {outcome:?}", path.display());
        match outcome {
            Ok(file) => accepted += usize::from(merge(vec![file]).is_ok()),
            Err(_) => refused += 1,
        }
    }
    assert!(accepted >= 2 && refused >= 10, "{accepted} accepted, {refused} refused");
}
