//! Reads the header of a GGUF file and refuses what does not hold together.

use super::error::GgufError as Error;
use super::value::{Array, Value, ValueType, decode};
use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, Gguf, MAGIC, Metadata, TensorInfo, aligned};
use crate::tensor_type::TensorType;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// Longest key or tensor name in bytes (the format's limit for keys).
const MAX_NAME: u64 = 65_535;
/// Most dimensions of a tensor.
const MAX_DIMS: u32 = 4;
/// Deepest nesting of arrays.
const MAX_DEPTH: usize = 4;
/// Fewest bytes of a key with its value: length, one letter, type, one byte.
const LEAST_KEY: u64 = 8 + 1 + 4 + 1;
/// Fewest bytes of a tensor info: name length, dimension count, one dimension, type, offset.
const LEAST_TENSOR: u64 = 8 + 4 + 8 + 4 + 8;
/// Memory that even the shortest file is granted.
const LEAST_BUDGET: u64 = 1 << 20;

/// Reads the header; tensor data is left alone.
///
/// # Errors
/// When the file is not GGUF, is truncated, or contradicts itself; the error names key or tensor and value.
pub fn read(reader: impl Read + Seek) -> Result<Gguf, Error> {
    let mut source = Source::new(reader)?;
    let version = read_version(&mut source)?;
    let tensor_count = u64::from_le_bytes(source.array("tensor count")?);
    let key_count = u64::from_le_bytes(source.array("key count")?);
    let metadata = read_metadata(&mut source, key_count)?;
    let alignment = alignment(&metadata)?;
    let tensors = read_tensors(&mut source, tensor_count)?;
    let data_start = aligned(source.position, alignment).ok_or(Error::Alignment { alignment })?;
    let file = Gguf { version, metadata, tensors, alignment, data_start, file_bytes: source.end };
    check_regions(&file)?;
    Ok(file)
}

/// The file with the bytes and the memory that are left.
struct Source<R> {
    reader: BufReader<R>,
    position: u64,
    end: u64,
    granted: u64,
    spent: u64,
}

impl<R: Read + Seek> Source<R> {
    fn new(mut reader: R) -> Result<Self, Error> {
        let end = reader.seek(SeekFrom::End(0))?;
        if end == 0 {
            return Err(Error::Empty);
        }
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self {
            reader: BufReader::new(reader),
            position: 0,
            end,
            granted: end.max(LEAST_BUDGET),
            spent: 0,
        })
    }

    fn left(&self) -> u64 {
        self.end - self.position
    }

    /// Checks that `needed` bytes are left.
    fn need(&self, needed: u64, what: &str) -> Result<(), Error> {
        let left = self.left();
        if needed > left {
            return Err(Error::Truncated { what: what.to_owned(), needed, left });
        }
        Ok(())
    }

    /// Checks a count of things that take at least `least` bytes each.
    fn check_count(&self, count: u64, least: u64, what: &str) -> Result<(), Error> {
        let left = self.left();
        let most = left / least;
        if count > most {
            return Err(Error::Count { what: what.to_owned(), count, left, most });
        }
        Ok(())
    }

    /// Takes `needed` bytes of memory from what this file is granted.
    fn spend(&mut self, needed: u64, what: &str) -> Result<(), Error> {
        self.spent = self.spent.saturating_add(needed);
        if self.spent > self.granted {
            return Err(Error::Budget { what: what.to_owned(), needed: self.spent, granted: self.granted });
        }
        Ok(())
    }

    /// A list for `count` entries, paid for twice over: the list and the check for duplicates.
    fn list<T>(&mut self, count: u64, what: &str) -> Result<Vec<T>, Error> {
        let each = (size_of::<T>() + size_of::<&str>()) as u64;
        self.spend(count.saturating_mul(each), what)?;
        Ok(Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX)))
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        self.need(N as u64, what)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32, Error> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, Error> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn bytes(&mut self, length: u64, what: &str) -> Result<Vec<u8>, Error> {
        self.need(length, what)?;
        self.spend(length, what)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.reader.read_exact(&mut bytes)?;
        self.position += length;
        Ok(bytes)
    }

    fn skip(&mut self, length: u64, what: &str) -> Result<(), Error> {
        self.need(length, what)?;
        self.reader.seek_relative(i64::try_from(length).unwrap_or(i64::MAX))?;
        self.position += length;
        Ok(())
    }

    fn rewind_to(&mut self, position: u64) -> Result<(), Error> {
        let back = i64::try_from(self.position - position).unwrap_or(i64::MAX);
        self.reader.seek_relative(-back)?;
        self.position = position;
        Ok(())
    }

    fn text(&mut self, length: u64, what: &str) -> Result<String, Error> {
        let bytes = self.bytes(length, what)?;
        String::from_utf8(bytes).map_err(|error| Error::NotUtf8 {
            what: what.to_owned(),
            lossy: String::from_utf8_lossy(&error.as_bytes()[..error.as_bytes().len().min(64)]).into_owned(),
        })
    }

    /// The name of a key or tensor.
    fn name(&mut self, what: &str) -> Result<String, Error> {
        let length = self.u64(what)?;
        if length > MAX_NAME {
            return Err(Error::NameTooLong { what: what.to_owned(), length, most: MAX_NAME });
        }
        self.text(length, what)
    }
}

fn read_version<R: Read + Seek>(source: &mut Source<R>) -> Result<u32, Error> {
    let mut start = [0; 4];
    let length = usize::try_from(source.left().min(4)).unwrap_or(4);
    source.reader.read_exact(&mut start[..length])?;
    source.position += length as u64;
    if start != MAGIC {
        return Err(Error::NotGguf { found: String::from_utf8_lossy(&start[..length]).into_owned() });
    }
    match source.u32("version")? {
        version @ (2 | 3) => Ok(version),
        version if version & 0xffff == 0 && version != 0 => Err(Error::BigEndian { version }),
        version => Err(Error::Version { version }),
    }
}

fn read_metadata<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Result<Metadata, Error> {
    source.check_count(count, LEAST_KEY, "key count")?;
    let mut entries: Vec<(String, Value)> = source.list(count, "metadata")?;
    for index in 0..count {
        let key = source.name(&format!("name of key {index}"))?;
        if key.is_empty() {
            return Err(Error::EmptyKey { index });
        }
        let value = read_value(source, &key)?;
        entries.push((key, value));
    }
    match duplicate(entries.iter().map(|(key, _)| key.as_str())) {
        Some(key) => Err(Error::DuplicateKey { key: key.to_owned() }),
        None => Ok(Metadata::from_entries(entries)),
    }
}

fn read_value<R: Read + Seek>(source: &mut Source<R>, key: &str) -> Result<Value, Error> {
    let what = format!("value of key {key:?}");
    let kind = value_type(source, key, &what)?;
    match kind {
        ValueType::Array => read_array(source, key, &what).map(Value::Array),
        ValueType::String => {
            let length = source.u64(&what)?;
            source.text(length, &what).map(Value::String)
        }
        _ => {
            let bytes = source.bytes(kind.least_bytes(), &what)?;
            decode(kind, &mut bytes.as_slice())
                .ok_or(Error::ValueType { key: key.to_owned(), id: kind as u32 })
        }
    }
}

fn value_type<R: Read + Seek>(source: &mut Source<R>, key: &str, what: &str) -> Result<ValueType, Error> {
    let id = source.u32(what)?;
    ValueType::from_id(id).ok_or_else(|| Error::ValueType { key: key.to_owned(), id })
}

/// Walks the array to its end first, then takes its bytes in one piece of the right size.
fn read_array<R: Read + Seek>(source: &mut Source<R>, key: &str, what: &str) -> Result<Array, Error> {
    let kind = value_type(source, key, what)?;
    let len = source.u64(what)?;
    let start = source.position;
    skip_elements(source, (kind, len), key, what, 1)?;
    let bytes = source.position - start;
    source.rewind_to(start)?;
    Ok(Array::from_raw(kind, len, source.bytes(bytes, what)?))
}

fn skip_elements<R: Read + Seek>(
    source: &mut Source<R>,
    (kind, len): (ValueType, u64),
    key: &str,
    what: &str,
    depth: usize,
) -> Result<(), Error> {
    source.check_count(len, kind.least_bytes(), what)?;
    if let Some(each) = kind.fixed_bytes() {
        return source.skip(len.saturating_mul(each), what);
    }
    if kind == ValueType::Array && depth >= MAX_DEPTH {
        return Err(Error::Depth { key: key.to_owned(), most: MAX_DEPTH });
    }
    for _ in 0..len {
        if kind == ValueType::String {
            let length = source.u64(what)?;
            source.skip(length, what)?;
        } else {
            let inner = (value_type(source, key, what)?, source.u64(what)?);
            skip_elements(source, inner, key, what, depth + 1)?;
        }
    }
    Ok(())
}

fn alignment(metadata: &Metadata) -> Result<u64, Error> {
    let alignment = match metadata.get(ALIGNMENT_KEY) {
        None => DEFAULT_ALIGNMENT,
        Some(&Value::U32(alignment)) => alignment.into(),
        Some(other) => {
            let found = format!("{other:?}");
            return Err(Error::WrongType {
                key: ALIGNMENT_KEY.to_owned(),
                expected: "a 32-bit count",
                found,
            });
        }
    };
    if !alignment.is_power_of_two() {
        return Err(Error::Alignment { alignment });
    }
    Ok(alignment)
}

fn read_tensors<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Result<Vec<TensorInfo>, Error> {
    source.check_count(count, LEAST_TENSOR, "tensor count")?;
    let mut tensors: Vec<TensorInfo> = source.list(count, "the tensor table")?;
    for index in 0..count {
        tensors.push(read_tensor(source, index)?);
    }
    match duplicate(tensors.iter().map(|tensor| tensor.name.as_str())) {
        Some(name) => Err(Error::DuplicateTensor { tensor: name.to_owned() }),
        None => Ok(tensors),
    }
}

fn read_tensor<R: Read + Seek>(source: &mut Source<R>, index: u64) -> Result<TensorInfo, Error> {
    let name = source.name(&format!("name of tensor {index}"))?;
    let what = format!("tensor {name:?}");
    let count = source.u32(&what)?;
    if !(1..=MAX_DIMS).contains(&count) {
        return Err(Error::DimensionCount { tensor: name, count });
    }
    source.spend(u64::from(count) * 8, &what)?;
    let mut dims = Vec::with_capacity(count as usize);
    for _ in 0..count {
        dims.push(source.u64(&what)?);
    }
    let id = source.u32(&what)?;
    let offset = source.u64(&what)?;
    let Some(kind) = TensorType::from_id(id).filter(|kind| kind.in_gguf()) else {
        return Err(Error::TensorType { tensor: name, id });
    };
    let bytes = tensor_bytes(&name, &dims, kind)?;
    Ok(TensorInfo { name, dims, kind, offset, bytes })
}

/// Bytes of a tensor with dimensions `dims`.
///
/// # Errors
/// When the elements overflow or a row is not a whole number of blocks.
pub(super) fn tensor_bytes(name: &str, dims: &[u64], kind: TensorType) -> Result<u64, Error> {
    let overflow = || Error::DimensionOverflow { tensor: name.to_owned(), dims: dims.to_vec() };
    let row = *dims.first().ok_or(Error::DimensionCount { tensor: name.to_owned(), count: 0 })?;
    let block = kind.block_elements();
    if !row.is_multiple_of(block) {
        return Err(Error::PartialBlock { tensor: name.to_owned(), row, block, kind: kind.name() });
    }
    let product = |all: u64, &dim: &u64| all.checked_mul(dim).filter(|&all| i64::try_from(all).is_ok());
    let elements = dims.iter().try_fold(1, product).ok_or_else(overflow)?;
    kind.bytes_for(elements, row).ok_or_else(overflow)
}

fn check_regions(file: &Gguf) -> Result<(), Error> {
    let mut order = Vec::with_capacity(file.tensors.len());
    for tensor in &file.tensors {
        check_region(file, tensor)?;
        if tensor.bytes > 0 {
            order.push(tensor);
        }
    }
    order.sort_unstable_by_key(|tensor| tensor.offset);
    match order.windows(2).find(|pair| pair[0].offset + pair[0].bytes > pair[1].offset) {
        Some(pair) => Err(Error::Overlap {
            first: pair[0].name.clone(),
            second: pair[1].name.clone(),
            offset: pair[1].offset,
        }),
        None => Ok(()),
    }
}

fn check_region(file: &Gguf, tensor: &TensorInfo) -> Result<(), Error> {
    let (offset, bytes, alignment) = (tensor.offset, tensor.bytes, file.alignment);
    let name = || tensor.name.clone();
    if !offset.is_multiple_of(alignment) {
        return Err(Error::Misaligned { tensor: name(), offset, alignment });
    }
    let end = offset.checked_add(bytes).and_then(|end| end.checked_add(file.data_start));
    match end {
        None => Err(Error::OffsetOverflow { tensor: name(), offset, bytes }),
        Some(end) if end > file.file_bytes => {
            Err(Error::OutsideFile { tensor: name(), end, file_bytes: file.file_bytes })
        }
        Some(_) => Ok(()),
    }
}

/// A name that appears more than once.
fn duplicate<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Option<&'a str> {
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
