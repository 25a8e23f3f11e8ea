//! Each way in which a GGUF file can be wrong has its own message with the name and value at fault.

mod common;

use common::{Raw, array, key, tensor, text};
use roofmark_facts::gguf::read;
use std::io::Cursor;

fn message(bytes: Vec<u8>) -> String {
    read(Cursor::new(bytes)).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

fn with_key(entry: Vec<u8>) -> Raw {
    let mut raw = Raw::valid();
    raw.keys.push(entry);
    raw
}

fn with_tensor(entry: Vec<u8>) -> Raw {
    let mut raw = Raw { data: 8192, ..Raw::valid() };
    raw.tensors.push(entry);
    raw
}

fn check(raw: &Raw, expected: &str) {
    let found = message(raw.bytes());
    assert!(found.contains(expected), "{found}\ndoes not say\n{expected}");
}

#[test]
fn a_valid_file_is_accepted_in_both_versions() {
    for version in [2u32, 3] {
        let raw = Raw { version: version.to_le_bytes(), ..Raw::valid() };
        let file = read(Cursor::new(raw.bytes())).unwrap();
        assert_eq!((file.version, file.metadata.len(), file.tensors.len()), (version, 8, 3));
        assert_eq!(file.tensors[0].bytes, 4 * 34);
        assert_eq!(file.metadata.text("general.architecture").unwrap(), Some("llama"));
    }
}

#[test]
fn other_files_are_not_gguf() {
    assert_eq!(message(vec![]), "the file is empty");
    assert!(message(b"PK\x03\x04zip".to_vec()).starts_with("not a GGUF file: it begins with \"PK"));
    assert!(message(b"GG".to_vec()).starts_with("not a GGUF file"));
    assert_eq!(message(b"GGUF".to_vec()), "file is truncated: version needs 4 bytes and 0 are left");
}

#[test]
fn versions_and_byte_order() {
    let version = |bytes| Raw { version: bytes, ..Raw::valid() };
    check(&version(3u32.to_be_bytes()), "big-endian GGUF");
    check(&version(1u32.to_le_bytes()), "version 1 of GGUF is not supported");
    check(&version(4u32.to_le_bytes()), "version 4 of GGUF is not supported");
    check(&version([0; 4]), "version 0 of GGUF is not supported");
}

#[test]
fn absurd_counts_are_refused_before_memory_is_asked_for() {
    let huge = u64::MAX;
    check(&Raw { tensor_count: Some(huge), ..Raw::valid() }, "tensor count is 18446744073709551615, but the");
    check(&Raw { key_count: Some(huge), ..Raw::valid() }, "key count is 18446744073709551615, but the");
    check(&with_key(key("a", 9, &array(4, huge, &[]))), "value of key \"a\" is 18446744073709551615");
    check(&with_key(key("a", 9, &array(8, 1 << 40, &[]))), "value of key \"a\" is 1099511627776");
    check(&with_key(key("a", 8, &huge.to_le_bytes())), "value of key \"a\" needs 18446744073709551615 bytes");
    let long = [&(1u64 << 20).to_le_bytes()[..], &[b'k'; 64]].concat();
    check(&with_key(long), "name of key 8 has a name of 1048576 bytes (at most 65535)");
}

#[test]
fn tables_of_many_small_entries_run_out_of_the_memory_granted() {
    let keys = (0..40_000).map(|index| key(&format!("{index}"), 0, &[0])).collect();
    check(&Raw { keys, ..Raw::default() }, "metadata would need");
}

#[test]
fn every_truncation_is_an_error() {
    let whole = Raw::valid().bytes();
    for length in 0..whole.len() {
        let found = message(whole[..length].to_vec());
        assert_ne!(found, "accepted", "cut at {length}");
    }
    assert!(
        message(whole[..whole.len() - 1].to_vec()).contains("tensor \"output_norm.weight\" ends at byte")
    );
}

#[test]
fn keys() {
    check(&with_key(key("u8", 0, &[2])), "key \"u8\" appears twice");
    check(&with_key(key("", 0, &[2])), "key 8 has an empty name");
    check(&with_key(key("a", 13, &[2])), "key \"a\" has unknown value type 13");
    check(&with_key(key("a", 9, &array(99, 0, &[]))), "key \"a\" has unknown value type 99");
    let bad_name = [&text(b"k\xff")[..], &0u32.to_le_bytes(), &[1]].concat();
    check(&with_key(bad_name), "name of key 8 is not UTF-8");
    check(&with_key(key("a", 8, &text(b"\xff"))), "value of key \"a\" is not UTF-8");
}

#[test]
fn arrays_nest_four_deep_and_no_deeper() {
    let nest = |depth| (1..depth).fold(array(0, 1, &[1]), |inner, _| array(9, 1, &inner));
    check(&with_key(key("deep", 9, &nest(4))), "accepted");
    check(&with_key(key("deep", 9, &nest(5))), "key \"deep\" nests arrays more than 4 deep");
}

#[test]
fn alignment() {
    let with = |entry| {
        let mut raw = Raw::valid();
        raw.keys[1] = entry;
        raw
    };
    check(
        &with(key("general.alignment", 4, &0u32.to_le_bytes())),
        "\"general.alignment\" is 0, not a power of two",
    );
    check(
        &with(key("general.alignment", 4, &24u32.to_le_bytes())),
        "\"general.alignment\" is 24, not a power of two",
    );
    check(&with(key("general.alignment", 8, &text(b"32"))), "key \"general.alignment\" is String(\"32\")");
    check(&with(key("general.alignment", 4, &64u32.to_le_bytes())), "begins at offset 160, not a multiple");
}

#[test]
fn tensors() {
    check(&with_tensor(tensor("x", &[], 0, 544)), "tensor \"x\" has 0 dimensions");
    check(&with_tensor(tensor("x", &[1; 5], 0, 544)), "tensor \"x\" has 5 dimensions");
    check(
        &with_tensor(tensor("x", &[1 << 32, 1 << 32], 0, 544)),
        "tensor \"x\" with dimensions [4294967296, 4294967296]",
    );
    check(&with_tensor(tensor("x", &[1 << 62], 0, 544)), "has more elements than can be counted");
    check(&with_tensor(tensor("x", &[32], 4, 544)), "tensor \"x\" has unknown storage type 4");
    check(&with_tensor(tensor("x", &[32], 1001, 544)), "tensor \"x\" has unknown storage type 1001");
    check(
        &with_tensor(tensor("x", &[100, 8], 12, 544)),
        "rows of 100 elements, no multiple of the 256 of a Q4_K block",
    );
    check(
        &with_tensor(tensor("x", &[8], 0, 545)),
        "tensor \"x\" begins at offset 545, not a multiple of the alignment 32",
    );
    check(
        &with_tensor(tensor("x", &[8], 0, u64::MAX - 31)),
        "tensor \"x\" at offset 18446744073709551584 with 32 bytes ends",
    );
    check(&with_tensor(tensor("x", &[8], 0, 1 << 20)), "tensor \"x\" ends at byte");
    check(
        &with_tensor(tensor("x", &[8], 0, 416)),
        "tensors \"output_norm.weight\" and \"x\" overlap at offset 416",
    );
    check(
        &with_tensor(tensor("output_norm.weight", &[8], 0, 544)),
        "tensor \"output_norm.weight\" appears twice",
    );
    check(&with_tensor(tensor("x", &[8], 0, 544)), "accepted");
    check(&with_tensor(tensor("x", &[0], 0, 416)), "accepted");
}
