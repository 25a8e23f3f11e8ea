//! GGUF model files: a bounded reader, a writer, split files and what they say of a model.
//!
//! The file of a stranger is read here, in safe Rust, before any engine sees it. Every count is
//! checked against the bytes that are left before memory is asked for, and no more memory is used
//! than the file is long (or 1 MiB, for very short files). Only the header is read, never the data.
//!
//! Layout (ggml's `docs/gguf.md`): magic, version, tensor count, key count, keys with values, tensor
//! infos, padding to the alignment, tensor data.

mod error;
mod metadata;
mod profile;
mod read;
mod split;
mod value;
mod write;

pub use error::GgufError;
pub use metadata::Metadata;
pub(crate) use profile::file_type_id;
pub use profile::profile;
pub use read::read;
pub use split::{PartName, SplitError, TensorTable, merge};
pub use value::{Array, Value, ValueType};
pub use write::{NewTensor, WriteError, file_bytes, write};

use crate::tensor_type::TensorType;

/// First bytes of every file.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// Key of the alignment of tensor data.
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";

/// Alignment where the file states none.
pub(crate) const DEFAULT_ALIGNMENT: u64 = 32;

/// The header of one GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub struct Gguf {
    /// Version of the format: 2 or 3.
    pub version: u32,
    /// Keys and values in the order of the file.
    pub metadata: Metadata,
    /// Tensors in the order of the file.
    pub tensors: Vec<TensorInfo>,
    /// Alignment of tensor data in bytes; a power of two.
    pub alignment: u64,
    /// Where tensor data begins, in bytes from the start of the file.
    pub data_start: u64,
    /// Length of the file in bytes.
    pub file_bytes: u64,
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Dimensions in elements; the first is the row length, contiguous in memory.
    pub dims: Vec<u64>,
    /// Storage type.
    pub kind: TensorType,
    /// Start of the data in bytes after [`Gguf::data_start`].
    pub offset: u64,
    /// Length of the data in bytes, padding left out.
    pub bytes: u64,
}

/// `position` rounded up to a multiple of `alignment`; `None` on overflow.
pub(crate) fn aligned(position: u64, alignment: u64) -> Option<u64> {
    position.checked_next_multiple_of(alignment)
}
