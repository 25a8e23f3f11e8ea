//! Machines: what a datasheet or a probe says of one, each number with its source.

use crate::units::{Bytes, BytesPerSecond, FlopPerSecond, Watts};
use serde::{Deserialize, Serialize};

/// How far a number can be trusted. Ordered from weakest to strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Somebody's claim, not checked.
    Claimed,
    /// A projection from a sibling or a roadmap.
    Projected,
    /// Remembered from a vendor page that was not read again. Gives no bound.
    Recalled,
    /// Computed from a published number (a sparse headline halved, a sum of two links).
    Derived,
    /// Measured by somebody who says how.
    Measured,
    /// The vendor's published specification.
    Datasheet,
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Title of the page, post or file.
    pub title: String,
    /// Address; empty for printed matter.
    #[serde(default)]
    pub url: String,
    /// Date of the source, `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub date: String,
}

/// A number with its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// How far to trust it.
    pub basis: Basis,
    /// Where it comes from.
    pub source: Source,
}

impl<T: Copy> Sourced<T> {
    /// The value where it is strong enough to bound a claim (not recalled, projected or claimed).
    #[must_use]
    pub fn bound(&self) -> Option<T> {
        (self.basis > Basis::Recalled).then_some(self.value)
    }
}

/// How memory and processor are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineKind {
    /// One memory for CPU and GPU.
    Unified,
    /// A card with memory of its own behind a host link.
    Discrete,
    /// No GPU is used.
    Cpu,
}

/// A machine, or one accelerator of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Catalog name, lower case.
    pub slug: String,
    /// Maker.
    pub vendor: String,
    /// Name as people know it.
    pub name: String,
    /// Other spellings, lower case.
    pub aliases: Vec<String>,
    /// How memory is joined.
    pub kind: MachineKind,
    /// Class of hardware for calibration, such as `apple-m5` or `geforce-blackwell`.
    pub class: String,
    /// The owner can raise the memory clock (discrete cards, DIMMs).
    pub owner_memory_clock: bool,
    /// Memory that weights and cache can live in.
    pub memory: Option<Sourced<Bytes>>,
    /// Part of the memory that the GPU may use by default.
    pub usable: Option<Sourced<Bytes>>,
    /// Datasheet memory bandwidth.
    pub bandwidth: Option<Sourced<BytesPerSecond>>,
    /// Best read bandwidth that was ever measured.
    pub measured_read: Option<Sourced<BytesPerSecond>>,
    /// Last-level cache.
    pub cache: Option<Sourced<Bytes>>,
    /// Host link, one direction.
    pub link: Option<Sourced<BytesPerSecond>>,
    /// Network link for several machines, one direction.
    pub network: Option<Sourced<BytesPerSecond>>,
    /// Dense arithmetic peaks by type name (`fp32`, `fp16`, `bf16`, `fp8`, `int8`, `fp4`).
    pub peaks: Vec<(String, Sourced<FlopPerSecond>)>,
    /// Rated power.
    pub tdp: Option<Sourced<Watts>>,
    /// Power under decode load, at the wall where the source says so.
    pub load: Option<Sourced<Watts>>,
    /// Power during prefill.
    pub prefill_power: Option<Sourced<Watts>>,
    /// Power at idle.
    pub idle: Option<Sourced<Watts>>,
    /// Noise under load in dB(A).
    pub noise_db: Option<Sourced<f64>>,
    /// Operating systems it runs.
    pub os: Vec<String>,
    /// Month of release.
    pub released: Option<String>,
    /// Can be carried with its own battery.
    pub portable: Option<bool>,
    /// Makes no audible noise under load.
    pub silent: Option<bool>,
    /// CPU cores.
    pub cpu_cores: Option<Sourced<f64>>,
    /// GPU cores, as the vendor counts them (Apple GPU cores, NVIDIA SMs, AMD CUs).
    pub gpu_cores: Option<Sourced<f64>>,
    /// Kind of memory, such as `LPDDR5X`.
    pub memory_type: Option<String>,
    /// Caveats.
    pub notes: Option<String>,
}

impl Machine {
    /// Highest dense peak in any type that may bound a claim.
    #[must_use]
    pub fn highest_peak(&self) -> Option<FlopPerSecond> {
        self.peaks
            .iter()
            .filter_map(|(_, peak)| peak.bound())
            .max_by(|left, right| left.get().total_cmp(&right.get()))
    }

    /// Peak of one type, whatever its basis.
    #[must_use]
    pub fn peak(&self, kind: &str) -> Option<FlopPerSecond> {
        self.peaks.iter().find(|(name, _)| name == kind).map(|(_, peak)| peak.value)
    }
}
