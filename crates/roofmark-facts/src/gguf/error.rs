//! Why a GGUF file was refused: one variant a reason, each with the name and the value at fault.

use std::io;
use thiserror::Error;

/// Reasons to refuse a file. Each completes "failed to read GGUF: …".
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are what the message says they are")]
pub enum GgufError {
    /// The file could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Another kind of file.
    #[error("not a GGUF file: it begins with {found:?} instead of \"GGUF\"")]
    NotGguf { found: String },
    /// Written for a big-endian machine.
    #[error("big-endian GGUF (version field {version:#010x}) is not supported; convert it to little endian")]
    BigEndian { version: u32 },
    /// A version that is not read here.
    #[error("version {version} of GGUF is not supported (2 and 3 are)")]
    Version { version: u32 },
    /// The file ends too soon.
    #[error("file is truncated: {what} needs {needed} bytes and {left} are left")]
    Truncated { what: String, needed: u64, left: u64 },
    /// A count that cannot be true.
    #[error("{what} is {count}, but the {left} bytes left hold at most {most}")]
    Count { what: String, count: u64, left: u64, most: u64 },
    /// More entries than memory is granted for.
    #[error(
        "{what} would need {needed} bytes of memory, more than the {granted} granted for a file of this size"
    )]
    Budget { what: String, needed: u64, granted: u64 },
    /// A key or tensor name that is no text.
    #[error("{what} is not UTF-8: {lossy:?}")]
    NotUtf8 { what: String, lossy: String },
    /// A key without a name.
    #[error("key {index} has an empty name")]
    EmptyKey { index: u64 },
    /// A name beyond the format's limit.
    #[error("{what} has a name of {length} bytes (at most {most})")]
    NameTooLong { what: String, length: u64, most: u64 },
    /// The same key twice.
    #[error("key {key:?} appears twice")]
    DuplicateKey { key: String },
    /// The same tensor twice.
    #[error("tensor {tensor:?} appears twice")]
    DuplicateTensor { tensor: String },
    /// A value type that the format does not have.
    #[error("key {key:?} has unknown value type {id}")]
    ValueType { key: String, id: u32 },
    /// Arrays in arrays, too deep.
    #[error("key {key:?} nests arrays more than {most} deep")]
    Depth { key: String, most: usize },
    /// A key of another type than its meaning asks for.
    #[error("key {key:?} is {found}, not {expected}")]
    WrongType { key: String, expected: &'static str, found: String },
    /// A key that the model needs.
    #[error("key {key:?} is missing")]
    MissingKey { key: String },
    /// A value that makes no sense.
    #[error("key {key:?} is {value}: {reason}")]
    BadValue { key: String, value: String, reason: &'static str },
    /// Alignment 0 or not a power of two.
    #[error("key \"general.alignment\" is {alignment}, not a power of two")]
    Alignment { alignment: u64 },
    /// Number of dimensions out of range.
    #[error("tensor {tensor:?} has {count} dimensions (1 to 4 are allowed)")]
    DimensionCount { tensor: String, count: u32 },
    /// Too many elements.
    #[error("tensor {tensor:?} with dimensions {dims:?} has more elements than can be counted")]
    DimensionOverflow { tensor: String, dims: Vec<u64> },
    /// A storage type that is not known.
    #[error("tensor {tensor:?} has unknown storage type {id}")]
    TensorType { tensor: String, id: u32 },
    /// A row that is not a whole number of blocks.
    #[error("tensor {tensor:?} has rows of {row} elements, no multiple of the {block} of a {kind} block")]
    PartialBlock { tensor: String, row: u64, block: u64, kind: &'static str },
    /// Data that does not begin on an aligned byte.
    #[error("tensor {tensor:?} begins at offset {offset}, not a multiple of the alignment {alignment}")]
    Misaligned { tensor: String, offset: u64, alignment: u64 },
    /// Offset and size overflow.
    #[error("tensor {tensor:?} at offset {offset} with {bytes} bytes ends beyond what can be counted")]
    OffsetOverflow { tensor: String, offset: u64, bytes: u64 },
    /// Data beyond the end of the file.
    #[error("tensor {tensor:?} ends at byte {end}, but the file has {file_bytes} (incomplete download?)")]
    OutsideFile { tensor: String, end: u64, file_bytes: u64 },
    /// Two tensors share bytes.
    #[error("tensors {first:?} and {second:?} overlap at offset {offset}")]
    Overlap { first: String, second: String, offset: u64 },
}
