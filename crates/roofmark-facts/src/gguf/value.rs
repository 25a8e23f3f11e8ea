//! Values of GGUF metadata. Arrays stay in the bytes of the file, so that reading one costs no more
//! memory than the file has.

use std::borrow::Cow;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the format's types")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// The type of a metadata value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the format's types")]
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// The type with the format's number `id`.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// Bytes of one value; `None` for strings and arrays.
    #[must_use]
    pub fn fixed_bytes(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }

    /// Fewest bytes that one value takes.
    pub(crate) fn least_bytes(self) -> u64 {
        match self {
            Self::String => 8,
            Self::Array => 12,
            _ => self.fixed_bytes().unwrap_or(1),
        }
    }
}

/// An array: its elements as the file stores them.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    kind: ValueType,
    len: u64,
    raw: Vec<u8>,
}

impl std::fmt::Debug for Array {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "[{:?}; {}]", self.kind, self.len)
    }
}

impl Array {
    /// From elements that were found whole in the file.
    pub(crate) fn from_raw(kind: ValueType, len: u64, raw: Vec<u8>) -> Self {
        Self { kind, len, raw }
    }

    /// An array of `values`; `None` when they differ in type or there are none.
    #[must_use]
    pub fn new(values: &[Value]) -> Option<Self> {
        let kind = values.first()?.kind();
        if values.iter().any(|value| value.kind() != kind) {
            return None;
        }
        let mut raw = Vec::new();
        for value in values {
            value.encode(&mut raw);
        }
        Some(Self { kind, len: values.len() as u64, raw })
    }

    /// Type of the elements.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        self.kind
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements. Strings that are not UTF-8 (some vocabularies hold such) come with replacement characters.
    pub fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        let mut rest = self.raw.as_slice();
        (0..self.len).map_while(move |_| decode(self.kind, &mut rest))
    }
}

impl Value {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// An array of 32-bit numbers, as most per-layer keys are.
    #[must_use]
    pub fn u32s(values: &[u32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::Array(Array::from_raw(ValueType::U32, values.len() as u64, raw))
    }

    /// An array of 64-bit numbers.
    #[must_use]
    pub fn u64s(values: &[u64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::Array(Array::from_raw(ValueType::U64, values.len() as u64, raw))
    }

    /// An array of flags.
    #[must_use]
    pub fn bools(values: &[bool]) -> Self {
        let raw = values.iter().map(|&value| u8::from(value)).collect();
        Self::Array(Array::from_raw(ValueType::Bool, values.len() as u64, raw))
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The number where the value is an integer that is not negative (or a flag: 0 or 1).
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            Self::Bool(value) => Some(value.into()),
            Self::F32(_) | Self::F64(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The text where the value is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Appends the value as the file stores it, its type left out.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(value) => out.push(*value),
            Self::I8(value) => out.extend(value.to_le_bytes()),
            Self::U16(value) => out.extend(value.to_le_bytes()),
            Self::I16(value) => out.extend(value.to_le_bytes()),
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::I32(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::U64(value) => out.extend(value.to_le_bytes()),
            Self::I64(value) => out.extend(value.to_le_bytes()),
            Self::F64(value) => out.extend(value.to_le_bytes()),
            Self::String(text) => encode_text(text, out),
            Self::Array(array) => {
                out.extend((array.kind as u32).to_le_bytes());
                out.extend(array.len.to_le_bytes());
                out.extend_from_slice(&array.raw);
            }
        }
    }
}

/// Appends a string with its length.
pub(crate) fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Takes one value of type `kind` off the front of `rest`; `None` when the bytes do not suffice.
pub(crate) fn decode(kind: ValueType, rest: &mut &[u8]) -> Option<Value> {
    Some(match kind {
        ValueType::U8 => Value::U8(u8::from_le_bytes(take(rest)?)),
        ValueType::I8 => Value::I8(i8::from_le_bytes(take(rest)?)),
        ValueType::U16 => Value::U16(u16::from_le_bytes(take(rest)?)),
        ValueType::I16 => Value::I16(i16::from_le_bytes(take(rest)?)),
        ValueType::U32 => Value::U32(u32::from_le_bytes(take(rest)?)),
        ValueType::I32 => Value::I32(i32::from_le_bytes(take(rest)?)),
        ValueType::F32 => Value::F32(f32::from_le_bytes(take(rest)?)),
        ValueType::Bool => Value::Bool(take::<1>(rest)? != [0]),
        ValueType::U64 => Value::U64(u64::from_le_bytes(take(rest)?)),
        ValueType::I64 => Value::I64(i64::from_le_bytes(take(rest)?)),
        ValueType::F64 => Value::F64(f64::from_le_bytes(take(rest)?)),
        ValueType::String => Value::String(decode_text(rest)?.into_owned()),
        ValueType::Array => Value::Array(decode_array(rest)?),
    })
}

fn decode_text<'a>(rest: &mut &'a [u8]) -> Option<Cow<'a, str>> {
    let length = usize::try_from(u64::from_le_bytes(take(rest)?)).ok()?;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(String::from_utf8_lossy(text))
}

fn decode_array(rest: &mut &[u8]) -> Option<Array> {
    let kind = ValueType::from_id(u32::from_le_bytes(take(rest)?))?;
    let len = u64::from_le_bytes(take(rest)?);
    let start = *rest;
    for _ in 0..len {
        skip(kind, rest)?;
    }
    Some(Array { kind, len, raw: start[..start.len() - rest.len()].to_vec() })
}

fn skip(kind: ValueType, rest: &mut &[u8]) -> Option<()> {
    let bytes = match kind {
        ValueType::String => u64::from_le_bytes(take(rest)?),
        ValueType::Array => {
            let inner = ValueType::from_id(u32::from_le_bytes(take(rest)?))?;
            for _ in 0..u64::from_le_bytes(take(rest)?) {
                skip(inner, rest)?;
            }
            0
        }
        _ => kind.fixed_bytes()?,
    };
    *rest = rest.get(usize::try_from(bytes).ok()?..)?;
    Some(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_arrays_come_back_element_by_element() {
        let inner = Value::u32s(&[1, 2, 3]);
        let outer = Array::new(&[inner.clone(), Value::u32s(&[])]).unwrap();
        assert_eq!(outer.iter().collect::<Vec<_>>(), [inner, Value::u32s(&[])]);
    }

    #[test]
    fn an_array_has_one_type() {
        assert_eq!(Array::new(&[Value::U8(1), Value::U16(1)]), None);
    }

    #[test]
    fn negative_numbers_are_no_counts() {
        assert_eq!(Value::I32(-1).as_u64(), None);
        assert_eq!(Value::I32(7).as_u64(), Some(7));
    }
}
