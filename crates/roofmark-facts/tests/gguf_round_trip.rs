//! What is written is read back: metadata, tensor table, and data where the table says it is.

use proptest::prelude::*;
use roofmark_facts::gguf::{Array, Metadata, NewTensor, Value, WriteError, file_bytes, merge, read, write};
use roofmark_facts::tensor_type::TensorType;
use std::io::{self, Cursor, Write};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        (-1e9f32..1e9).prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        ".{0,12}".prop_map(Value::String),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        (-1e9f64..1e9).prop_map(Value::F64),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        (inner, 1usize..4).prop_map(|(value, len)| Value::Array(Array::new(&vec![value; len]).unwrap()))
    })
}

fn tensors() -> impl Strategy<Value = Vec<NewTensor>> {
    let kinds: Vec<_> = TensorType::ALL.iter().copied().filter(|kind| kind.in_gguf()).collect();
    let tensor = (prop::sample::select(kinds), 1u64..3, prop::collection::vec(1u64..4, 0..3));
    prop::collection::vec(tensor, 0..6).prop_map(|list| {
        let name = |index| format!("blk.{index}.weight");
        list.into_iter()
            .enumerate()
            .map(|(index, (kind, blocks, rest))| NewTensor {
                name: name(index),
                dims: [vec![blocks * kind.block_elements()], rest].concat(),
                kind,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_is_read(
        values in prop::collection::vec(value(), 0..8),
        tensors in tensors(),
        shift in 0u32..8,
    ) {
        let mut metadata = Metadata::default();
        metadata.set("general.alignment", Value::U32(1 << shift));
        for (index, value) in values.into_iter().enumerate() {
            metadata.set(format!("key.{index}"), value);
        }
        let mut bytes = Vec::new();
        let sizes: Vec<u64> = tensors.iter().map(size).collect();
        let fill = |index: usize, sink: &mut dyn Write| sink.write_all(&vec![index as u8; sizes[index] as usize]);
        let written = write(&mut bytes, &metadata, &tensors, fill).unwrap();
        prop_assert_eq!(written, file_bytes(&metadata, &tensors).unwrap());
        prop_assert_eq!(written, bytes.len() as u64);

        let file = read(Cursor::new(&bytes)).unwrap();
        prop_assert_eq!(&file.metadata, &metadata);
        for (index, (tensor, info)) in tensors.iter().zip(&file.tensors).enumerate() {
            prop_assert_eq!((&tensor.name, &tensor.dims, tensor.kind), (&info.name, &info.dims, info.kind));
            let start = (file.data_start + info.offset) as usize;
            let data = &bytes[start..start + info.bytes as usize];
            prop_assert!(data.iter().all(|&byte| byte == index as u8));
        }
        prop_assert_eq!(merge(vec![file]).unwrap().tensor_bytes(), sizes.iter().sum::<u64>());
    }
}

fn size(tensor: &NewTensor) -> u64 {
    let elements = tensor.dims.iter().product();
    tensor.kind.bytes_for(elements, tensor.dims[0]).unwrap()
}

fn one() -> Vec<NewTensor> {
    vec![NewTensor { name: "w".into(), dims: vec![64], kind: TensorType::F32 }]
}

#[test]
fn data_of_the_wrong_length_is_refused() {
    let outcome = write(&mut Vec::new(), &Metadata::default(), &one(), |_, sink| sink.write_all(&[0; 255]));
    assert_eq!(outcome.unwrap_err().to_string(), "tensor \"w\" has 256 bytes and was given 255");
}

#[test]
fn a_format_that_gguf_lacks_is_refused() {
    let tensors = [NewTensor { name: "w".into(), dims: vec![64], kind: TensorType::FP8 }];
    let outcome = write(&mut Vec::new(), &Metadata::default(), &tensors, |_, _| Ok(()));
    assert_eq!(outcome.unwrap_err().to_string(), "tensor \"w\" is FP8, which GGUF does not have");
}

/// A disk that is full after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_says_how_far_it_came() {
    let outcome = write(&mut Full(100), &Metadata::default(), &one(), |_, sink| sink.write_all(&[0; 256]));
    let Err(WriteError::Io { written, source }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((written, source.kind()), (100, io::ErrorKind::StorageFull));
}
