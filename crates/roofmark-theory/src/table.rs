//! The calibration table that ships with the program: fleet-wide numbers, deviations, representative rows and the
//! factors that make intervals cover what they say.

use crate::kernel::{Deviations, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const SHIPPED: &str = include_str!("../data/calibration.json");

/// Everything that calibration learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Number of the form of this table.
    pub version: u32,
    /// Rows of evidence that it was fitted to.
    pub rows: usize,
    /// Decoding.
    pub decode: PhaseTable,
    /// Prefill.
    pub prefill: PhaseTable,
}

/// What calibration learns of one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseTable {
    /// Fleet-wide numbers by name (see [`crate::physics`]).
    pub numbers: BTreeMap<String, f64>,
    /// Standard deviations of the kernel.
    pub deviations: Deviations,
    /// Ids of the rows that stand for all.
    pub representatives: Vec<String>,
    /// Interval factors by group of machines and phase.
    pub factors: BTreeMap<String, Factors>,
}

/// How many predicted standard deviations an interval spans, from left-out residuals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// For nine of ten.
    pub nine_of_ten: f64,
    /// For nineteen of twenty.
    pub nineteen_of_twenty: f64,
    /// Rows of the group.
    pub rows: usize,
}

impl Table {
    /// The table of this build.
    ///
    /// # Panics
    /// Never in a build that passed its tests.
    #[must_use]
    pub fn shipped() -> &'static Self {
        static TABLE: LazyLock<Table> =
            LazyLock::new(|| serde_json::from_str(SHIPPED).expect("the shipped table is read by a test"));
        &TABLE
    }

    /// One phase.
    #[must_use]
    pub fn phase(&self, kind: Kind) -> &PhaseTable {
        match kind {
            Kind::Decode => &self.decode,
            Kind::Prefill => &self.prefill,
        }
    }
}

impl PhaseTable {
    /// The fleet-wide numbers in the order of `names`, as logarithms; `None` where one is missing.
    #[must_use]
    pub fn theta(&self, names: &[&str]) -> Option<Vec<f64>> {
        names.iter().map(|name| self.numbers.get(*name).map(|value| value.ln())).collect()
    }
}
