//! Mutated files never panic the reader, and never make it ask for more memory than granted.
//! One test in a binary of its own, because the allocator counts for the whole process.

mod common;

use common::Raw;
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use roofmark_facts::gguf::read;
use std::io::Cursor;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Memory that a short file is granted, the read buffer and an error's text included.
const GRANTED: usize = (1 << 20) + (1 << 16);

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn mutations(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in 0usize..200) {
        let mut bytes = Raw::valid().bytes();
        for (index, value) in edits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let outcome = read(Cursor::new(&bytes));
        let used = ALLOCATOR.peak_usage() - before;
        prop_assert!(used <= GRANTED, "{used} bytes for a file of {} ({outcome:?})", bytes.len());
    }
}
