//! What a model costs, from its file or from the catalog, as a plain record.

use crate::profile::Profile;
use crate::tensor_type::TensorType;
use std::collections::BTreeMap;

/// What is shown of a model.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Its costs.
    pub profile: Profile,
    /// Length of the files; for a catalogued model the tensor data alone.
    pub file_bytes: u64,
    /// Number of files; `None` for a catalogued model.
    pub parts: Option<u32>,
    /// The quantization's mix is not published.
    pub approximate: bool,
    /// Tensors by storage type, most bytes first.
    pub types: Vec<TypeRow>,
}

/// Tensors of one storage type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeRow {
    /// The type.
    pub kind: TensorType,
    /// How many.
    pub tensors: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Tensors and bytes by type, most bytes first.
#[must_use]
pub fn types(tensors: impl Iterator<Item = (TensorType, u64)>) -> Vec<TypeRow> {
    let mut sums: BTreeMap<TensorType, (u64, u64)> = BTreeMap::new();
    for (kind, bytes) in tensors {
        let sum = sums.entry(kind).or_default();
        *sum = (sum.0 + 1, sum.1 + bytes);
    }
    let mut rows: Vec<TypeRow> =
        sums.into_iter().map(|(kind, (tensors, bytes))| TypeRow { kind, tensors, bytes }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows
}

impl Inspected {
    /// What windows hold when they are full, with cached elements of `element` bytes.
    #[must_use]
    pub fn window_bytes(&self, element: f64) -> f64 {
        let held = |group: &crate::profile::CacheLayers| {
            group.window.map_or(0.0, |window| group.layers * group.elements * window as f64 * element)
        };
        self.profile.caches.iter().map(held).sum()
    }
}
