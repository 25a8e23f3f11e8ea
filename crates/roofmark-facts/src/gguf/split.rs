//! Models in several files (`name-00001-of-00003.gguf`): their names, and one table out of all parts.

use super::error::GgufError;
use super::{Gguf, Metadata, TensorInfo};
use std::collections::BTreeMap;
use thiserror::Error;

/// Digits of a part number in a file name.
const DIGITS: usize = 5;

/// The name of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// What all parts share.
    pub stem: String,
    /// Number of this part, from 1.
    pub part: u32,
    /// Number of parts.
    pub parts: u32,
}

impl PartName {
    /// Reads `stem-00001-of-00003.gguf`; `None` for any other name.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let name = file_name.strip_suffix(".gguf")?;
        let (rest, parts) = name.rsplit_once("-of-")?;
        let (stem, part) = rest.rsplit_once('-')?;
        let (part, parts) = (number(part)?, number(parts)?);
        (1..=parts).contains(&part).then(|| Self { stem: stem.to_owned(), part, parts })
    }

    /// File name of part `part` of the same model.
    #[must_use]
    pub fn sibling(&self, part: u32) -> String {
        format!("{}-{part:0DIGITS$}-of-{:0DIGITS$}.gguf", self.stem, self.parts)
    }

    /// File names of all parts in order.
    pub fn siblings(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.parts).map(|part| self.sibling(part))
    }
}

fn number(digits: &str) -> Option<u32> {
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// The tensors of a whole model, from one file or several.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorTable {
    /// Metadata of the first part.
    pub metadata: Metadata,
    /// Tensors of all parts; offsets count within their own part.
    pub tensors: Vec<TensorInfo>,
    /// Length of all files in bytes.
    pub file_bytes: u64,
    /// Number of files.
    pub parts: u32,
}

impl TensorTable {
    /// Bytes of all tensors, padding left out.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }
}

/// Why parts do not make a model. Each completes "failed to join the parts: …".
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are what the message says they are")]
pub enum SplitError {
    /// A key of the wrong type.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// No file was given.
    #[error("no file was given")]
    Nothing,
    /// A part that was not given.
    #[error("part {part} of {parts} is missing")]
    Missing { part: u64, parts: u64 },
    /// The same part twice.
    #[error("part {part} of {parts} was given twice")]
    Twice { part: u64, parts: u64 },
    /// Parts of different models.
    #[error("part {part} says that there are {found} parts, the others say {parts}")]
    Count { part: u64, found: u64, parts: u64 },
    /// A part number beyond the count.
    #[error("key \"split.no\" is {number}, but there are {parts} parts")]
    Number { number: u64, parts: u64 },
    /// The same tensor in two parts.
    #[error("tensor {tensor:?} appears in two parts")]
    DuplicateTensor { tensor: String },
    /// Tensors are missing.
    #[error("the parts hold {found} tensors, key \"split.tensors.count\" says {expected}")]
    TensorCount { found: u64, expected: u64 },
}

/// Joins the headers of all parts, given in any order. A file that was not split is its own only part.
///
/// # Errors
/// When a part is missing (the error says which) or the parts contradict each other.
pub fn merge(files: Vec<Gguf>) -> Result<TensorTable, SplitError> {
    let parts = match files.first() {
        Some(file) => part_count(file)?,
        None => return Err(SplitError::Nothing),
    };
    let ordered = in_order(files, parts)?;
    let expected = ordered[0].metadata.count("split.tensors.count")?;
    let file_bytes = ordered.iter().map(|file| file.file_bytes).sum();
    let metadata = ordered[0].metadata.clone();
    let tensors: Vec<_> = ordered.into_iter().flat_map(|file| file.tensors).collect();
    check_tensors(&tensors, expected)?;
    Ok(TensorTable { metadata, tensors, file_bytes, parts: u32::try_from(parts).unwrap_or(u32::MAX) })
}

fn part_count(file: &Gguf) -> Result<u64, GgufError> {
    Ok(file.metadata.count("split.count")?.filter(|&count| count > 0).unwrap_or(1))
}

fn in_order(files: Vec<Gguf>, parts: u64) -> Result<Vec<Gguf>, SplitError> {
    let mut ordered = BTreeMap::new();
    for file in files {
        let number = file.metadata.count("split.no")?.unwrap_or(0);
        let (part, found) = (number.saturating_add(1), part_count(&file)?);
        if found != parts {
            return Err(SplitError::Count { part, found, parts });
        }
        if number >= parts {
            return Err(SplitError::Number { number, parts });
        }
        if ordered.insert(number, file).is_some() {
            return Err(SplitError::Twice { part, parts });
        }
    }
    match (0..parts).find(|number| !ordered.contains_key(number)) {
        Some(number) => Err(SplitError::Missing { part: number + 1, parts }),
        None => Ok(ordered.into_values().collect()),
    }
}

fn check_tensors(tensors: &[TensorInfo], expected: Option<u64>) -> Result<(), SplitError> {
    let found = tensors.len() as u64;
    if let Some(expected) = expected.filter(|&expected| expected != found) {
        return Err(SplitError::TensorCount { found, expected });
    }
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(SplitError::DuplicateTensor { tensor: pair[0].to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::Value;
    use crate::tensor_type::TensorType;

    fn part(number: u64, count: u64, tensor: &str) -> Gguf {
        let mut metadata = Metadata::default();
        metadata.set("split.no", Value::U16(number as u16));
        metadata.set("split.count", Value::U16(count as u16));
        metadata.set("split.tensors.count", Value::I32(count as i32));
        let tensors = vec![TensorInfo {
            name: tensor.into(),
            dims: vec![8],
            kind: TensorType::F32,
            offset: 0,
            bytes: 32,
        }];
        Gguf { version: 3, metadata, tensors, alignment: 32, data_start: 64, file_bytes: 96 }
    }

    fn message(files: Vec<Gguf>) -> String {
        merge(files)
            .map_or_else(|error| error.to_string(), |table| format!("{} tensors", table.tensors.len()))
    }

    #[test]
    fn parts_join_in_any_order() {
        let table = merge(vec![part(1, 2, "b"), part(0, 2, "a")]).unwrap();
        assert_eq!(table.tensors.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((table.file_bytes, table.tensor_bytes(), table.parts), (192, 64, 2));
    }

    #[test]
    fn each_contradiction_has_its_message() {
        for (files, expected) in [
            (vec![], "no file was given"),
            (vec![part(0, 3, "a"), part(2, 3, "c")], "part 2 of 3 is missing"),
            (vec![part(0, 2, "a"), part(0, 2, "b")], "part 1 of 2 was given twice"),
            (vec![part(0, 2, "a"), part(1, 3, "b")], "part 2 says that there are 3 parts, the others say 2"),
            (vec![part(0, 2, "a"), part(5, 2, "b")], "key \"split.no\" is 5, but there are 2 parts"),
            (vec![part(0, 2, "a"), part(1, 2, "a")], "tensor \"a\" appears in two parts"),
        ] {
            assert_eq!(message(files), expected);
        }
        let mut short = part(1, 2, "b");
        short.tensors.clear();
        assert_eq!(
            message(vec![part(0, 2, "a"), short]),
            "the parts hold 1 tensors, key \"split.tensors.count\" says 2"
        );
    }

    #[test]
    fn a_file_that_was_not_split_is_a_model() {
        let mut file = part(0, 1, "a");
        file.metadata = Metadata::default();
        assert_eq!(merge(vec![file]).unwrap().parts, 1);
    }

    #[test]
    fn part_names_are_read_and_made() {
        let name = PartName::parse("big-Q4_K_M-00002-of-00003.gguf").unwrap();
        assert_eq!((name.stem.as_str(), name.part, name.parts), ("big-Q4_K_M", 2, 3));
        assert_eq!(name.siblings().last().unwrap(), "big-Q4_K_M-00003-of-00003.gguf");
        for other in ["big.gguf", "big-00004-of-00003.gguf", "big-2-of-3.gguf", "big-00000-of-00003.gguf"] {
            assert_eq!(PartName::parse(other), None, "{other}");
        }
    }
}
