//! Writes a GGUF file through `Write`: header first, then each tensor's data from a callback.

use super::error::GgufError;
use super::read::tensor_bytes;
use super::value::{Value, encode_text};
use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, Metadata, aligned};
use crate::tensor_type::TensorType;
use std::io::{self, Read, Write};
use thiserror::Error;

/// Version that is written.
const VERSION: u32 = 3;

/// A tensor to be written. Its offset follows from its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTensor {
    /// Name.
    pub name: String,
    /// Dimensions in elements, the row length first.
    pub dims: Vec<u64>,
    /// Storage type.
    pub kind: TensorType,
}

/// Why a file was not written. Each completes "failed to write GGUF: …".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The target refused (full, gone).
    #[error("writing stopped after {written} bytes")]
    Io {
        /// Bytes written before.
        written: u64,
        /// What the target said.
        source: io::Error,
    },
    /// A tensor that the format cannot hold.
    #[error(transparent)]
    Invalid(#[from] GgufError),
    /// The callback gave another number of bytes than the tensor has.
    #[error("tensor {tensor:?} has {expected} bytes and was given {given}")]
    Length {
        /// Its name.
        tensor: String,
        /// Bytes of its dimensions and type.
        expected: u64,
        /// Bytes that the callback wrote.
        given: u64,
    },
    /// A storage type that GGUF does not have.
    #[error("tensor {tensor:?} is {kind}, which GGUF does not have")]
    Foreign {
        /// Its name.
        tensor: String,
        /// The type.
        kind: &'static str,
    },
}

/// Writes `metadata` and `tensors`; `data(i, sink)` writes the bytes of tensor `i`. Returns the bytes written.
///
/// # Errors
/// When the target refuses, a tensor is malformed, or `data` writes another length than the tensor has.
pub fn write<W: Write>(
    out: &mut W,
    metadata: &Metadata,
    tensors: &[NewTensor],
    mut data: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
) -> Result<u64, WriteError> {
    let alignment = alignment(metadata)?;
    let sizes = sizes(tensors)?;
    let offsets = offsets(tensors, &sizes, alignment)?;
    let mut sink = Counted { out, written: 0 };
    put(&mut sink, &header(metadata, tensors, &offsets))?;
    pad(&mut sink, alignment)?;
    for (index, (tensor, &expected)) in tensors.iter().zip(&sizes).enumerate() {
        let start = sink.written;
        data(index, &mut sink).map_err(|source| WriteError::Io { written: sink.written, source })?;
        let given = sink.written - start;
        if given != expected {
            return Err(WriteError::Length { tensor: tensor.name.clone(), expected, given });
        }
        pad(&mut sink, alignment)?;
    }
    sink.out.flush().map_err(|source| WriteError::Io { written: sink.written, source })?;
    Ok(sink.written)
}

/// Length in bytes of the file that [`write`] makes.
///
/// # Errors
/// When a tensor is malformed.
pub fn file_bytes(metadata: &Metadata, tensors: &[NewTensor]) -> Result<u64, WriteError> {
    let alignment = alignment(metadata)?;
    let sizes = sizes(tensors)?;
    let offsets = offsets(tensors, &sizes, alignment)?;
    let header = header(metadata, tensors, &offsets).len() as u64;
    let data = match (offsets.last(), sizes.last()) {
        (Some(offset), Some(size)) => offset + size.next_multiple_of(alignment),
        _ => 0,
    };
    Ok(header.next_multiple_of(alignment) + data)
}

/// A target that counts.
struct Counted<'a, W> {
    out: &'a mut W,
    written: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn put<W: Write>(sink: &mut Counted<'_, W>, bytes: &[u8]) -> Result<(), WriteError> {
    sink.write_all(bytes).map_err(|source| WriteError::Io { written: sink.written, source })
}

fn pad<W: Write>(sink: &mut Counted<'_, W>, alignment: u64) -> Result<(), WriteError> {
    let padding = aligned(sink.written, alignment).unwrap_or(sink.written) - sink.written;
    io::copy(&mut io::repeat(0).take(padding), sink)
        .map_err(|source| WriteError::Io { written: sink.written, source })?;
    Ok(())
}

fn alignment(metadata: &Metadata) -> Result<u64, WriteError> {
    let alignment = metadata.count(ALIGNMENT_KEY)?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() {
        return Err(GgufError::Alignment { alignment }.into());
    }
    Ok(alignment)
}

fn sizes(tensors: &[NewTensor]) -> Result<Vec<u64>, WriteError> {
    tensors.iter().map(size).collect()
}

/// Where each tensor begins, in bytes after the header.
fn offsets(tensors: &[NewTensor], sizes: &[u64], alignment: u64) -> Result<Vec<u64>, WriteError> {
    let mut next = 0u64;
    let mut offsets = Vec::with_capacity(sizes.len());
    for (tensor, &bytes) in tensors.iter().zip(sizes) {
        offsets.push(next);
        let end = next.checked_add(bytes).and_then(|end| aligned(end, alignment));
        next = end.ok_or_else(|| GgufError::OffsetOverflow {
            tensor: tensor.name.clone(),
            offset: next,
            bytes,
        })?;
    }
    Ok(offsets)
}

fn size(tensor: &NewTensor) -> Result<u64, WriteError> {
    if !tensor.kind.in_gguf() {
        return Err(WriteError::Foreign { tensor: tensor.name.clone(), kind: tensor.kind.name() });
    }
    Ok(tensor_bytes(&tensor.name, &tensor.dims, tensor.kind)?)
}

fn header(metadata: &Metadata, tensors: &[NewTensor], offsets: &[u64]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata.iter() {
        encode_entry(key, value, &mut out);
    }
    for (tensor, &offset) in tensors.iter().zip(offsets) {
        encode_tensor(tensor, offset, &mut out);
    }
    out
}

fn encode_entry(key: &str, value: &Value, out: &mut Vec<u8>) {
    encode_text(key, out);
    out.extend((value.kind() as u32).to_le_bytes());
    value.encode(out);
}

fn encode_tensor(tensor: &NewTensor, offset: u64, out: &mut Vec<u8>) {
    encode_text(&tensor.name, out);
    out.extend((tensor.dims.len() as u32).to_le_bytes());
    for dim in &tensor.dims {
        out.extend(dim.to_le_bytes());
    }
    out.extend(tensor.kind.id().to_le_bytes());
    out.extend(offset.to_le_bytes());
}
