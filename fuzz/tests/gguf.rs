//! Any bytes: the GGUF reader answers, and a table that it accepts fits the bytes.

use roofmark_facts::gguf::read;
use std::io::Cursor;

#[test]
fn gguf() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(file) = read(Cursor::new(bytes)) {
            let total: u64 = file.tensors.iter().map(|tensor| tensor.bytes).sum();
            assert!(total <= bytes.len() as u64);
        }
    });
}
