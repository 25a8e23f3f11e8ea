//! Keys and values of a GGUF file, in its order, with typed look-ups.

use super::error::GgufError;
use super::value::Value;

/// Metadata of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(Vec<(String, Value)>);

impl Metadata {
    /// From entries whose keys are distinct.
    pub(crate) fn from_entries(entries: Vec<(String, Value)>) -> Self {
        Self(entries)
    }

    /// Adds `key`, or replaces its value.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A count under `key`, absent or not.
    ///
    /// # Errors
    /// When the value is no integer or negative.
    pub fn count(&self, key: &str) -> Result<Option<u64>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| wrong(key, "a count", value))
    }

    /// A number under `key` for each of `layers` layers: an array of that length, or one number for all.
    ///
    /// # Errors
    /// When the value is of another type or the array is shorter.
    pub fn per_layer(&self, key: &str, layers: usize) -> Result<Option<Vec<u64>>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Value::Array(array) = value else {
            let all = value.as_u64().ok_or_else(|| wrong(key, "a count", value))?;
            return Ok(Some(vec![all; layers]));
        };
        let numbers: Vec<u64> = array.iter().take(layers).map_while(|value| value.as_u64()).collect();
        if numbers.len() < layers {
            return Err(wrong(key, "a count for each layer", value));
        }
        Ok(Some(numbers))
    }

    /// Text under `key`, absent or not.
    ///
    /// # Errors
    /// When the value is no text.
    pub fn text(&self, key: &str) -> Result<Option<&str>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_text().map(Some).ok_or_else(|| wrong(key, "text", value))
    }
}

fn wrong(key: &str, expected: &'static str, found: &Value) -> GgufError {
    GgufError::WrongType { key: key.to_owned(), expected, found: format!("{found:?}") }
}
