//! The records of a check-up: what is looked at, what each rule says of it, and what it found.
//!
//! A finding holds the numbers that show it. What could not be read is an [`Outcome::Unavailable`], never a finding.

use crate::machine::Machine;
use crate::probe_record::{GpuRoof, ProbeRecord, Reading, StateTrace};
use crate::records::Host;
use crate::units::{Bytes, BytesPerSecond, Hertz};
use serde::{Deserialize, Serialize};

/// Version of the printed form.
pub const FORMAT: &str = "roofmark-doctor/1";

/// What the rules look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkup {
    /// A probe of this machine; `None` where there is none.
    pub probe: Option<ProbeRecord>,
    /// The machine as it is now.
    pub now: Present,
    /// The machine in the catalog, where it is known which one it is.
    pub machine: Option<Machine>,
}

/// The machine as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Present {
    /// What the system says of it.
    pub host: Host,
    /// Settings and state over a moment.
    pub state: StateTrace,
    /// Processors busy with other work, fractional.
    pub busy: Reading<f64>,
    /// Adapters that an interface for GPUs lists, software drivers included.
    pub adapters: Reading<Vec<GpuRoof>>,
    /// Makers of the display and compute hardware on the bus, such as `NVIDIA`.
    pub hardware: Reading<Vec<String>>,
    /// Devices of the engine of this build; unavailable where the build has none.
    pub engine: Reading<Vec<EngineDevice>>,
}

/// A device that the engine can compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineDevice {
    /// The engine's name, such as `CPU` or `CUDA0`.
    pub name: String,
    /// Backend that drives it, such as `CPU`, `CUDA` or `Vulkan`.
    pub backend: String,
    /// `cpu`, `gpu`, `igpu` or `accelerator`.
    pub kind: String,
}

/// What a check-up found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// [`FORMAT`].
    pub format: String,
    /// Date of the probe that was used; `None` where there is none.
    pub probe: Option<String>,
    /// Every rule with its outcome, in the order of the screen.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Everything that was found.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|check| match &check.outcome {
            Outcome::Found(findings) => findings.as_slice(),
            Outcome::Fine | Outcome::Unavailable(_) => &[],
        })
    }
}

/// One rule with its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What it looks at.
    pub subject: Subject,
    /// What it says.
    pub outcome: Outcome,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Looked at, and nothing to mend.
    Fine,
    /// Something to mend; at least one finding.
    Found(Vec<Finding>),
    /// Nothing could be read, and why.
    Unavailable(String),
}

/// What the rules look at, one rule each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Memory channels.
    Channels,
    /// Measured bandwidth against the datasheet.
    Datasheet,
    /// Bandwidth that moves.
    Steadiness,
    /// Huge pages.
    HugePages,
    /// Power mode, energy preference, battery.
    PowerMode,
    /// Frequency governor.
    Governor,
    /// Clock while it computes.
    Clock,
    /// Throttling of processor and GPUs.
    Throttling,
    /// Other programs.
    Background,
    /// The hypervisor's share.
    Hypervisor,
    /// Limits of the container.
    Limits,
    /// The engine's backend.
    Backend,
    /// Drivers of GPUs.
    Adapters,
    /// Parts of the probe that failed.
    Parts,
}

impl Subject {
    /// Name on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Channels => "memory channels",
            Self::Datasheet => "bandwidth against the datasheet",
            Self::Steadiness => "steadiness of the bandwidth",
            Self::HugePages => "huge pages",
            Self::PowerMode => "power mode",
            Self::Governor => "governor",
            Self::Clock => "clock under load",
            Self::Throttling => "throttling",
            Self::Background => "background load",
            Self::Hypervisor => "hypervisor",
            Self::Limits => "limits of the container",
            Self::Backend => "backend of the engine",
            Self::Adapters => "drivers of GPUs",
            Self::Parts => "parts of the probe",
        }
    }
}

/// Something to mend, with the numbers that show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// One memory module: one channel of two or more is used.
    OneModule {
        /// What it reads.
        read: BytesPerSecond,
    },
    /// Far below the datasheet.
    UnderDatasheet {
        /// Catalog name.
        machine: String,
        /// Best that was read.
        read: BytesPerSecond,
        /// What read it: `processor` or the name of a GPU.
        by: String,
        /// The datasheet's bandwidth.
        datasheet: BytesPerSecond,
    },
    /// The median pass stays far below the best.
    Unsteady {
        /// Operation or kernel.
        what: String,
        /// Median over best.
        steadiness: f64,
        /// The machine is virtual.
        guest: bool,
    },
    /// Huge pages are switched off.
    HugePagesOff {
        /// Share of the probe's arrays that lay in them, where known.
        share: Option<f64>,
    },
    /// Huge pages are allowed, and few were given: memory is in pieces.
    FewHugePages {
        /// Share of the probe's arrays that lay in them.
        share: f64,
    },
    /// A power mode that saves power.
    SlowMode {
        /// The mode.
        mode: String,
        /// Highest frequency allowed, where known.
        highest: Option<Hertz>,
        /// The system is macOS.
        mac: bool,
    },
    /// An energy preference that saves power.
    SavingPreference {
        /// The preference.
        preference: String,
        /// Highest frequency allowed, where known.
        highest: Option<Hertz>,
    },
    /// On battery.
    OnBattery,
    /// A governor that keeps clocks low.
    SlowGovernor {
        /// The governor.
        governor: String,
        /// Clock now or while the probe ran, where known.
        clock: Option<Hertz>,
        /// Highest frequency allowed, where known.
        highest: Option<Hertz>,
    },
    /// The clock under load stays far below the highest.
    LowClock {
        /// Median while the probe ran.
        clock: Hertz,
        /// Highest frequency allowed.
        highest: Hertz,
    },
    /// The processor was throttled while the probe ran.
    Throttled {
        /// Times.
        count: u64,
        /// Hottest reading, in degrees Celsius, where known.
        hottest: Option<f64>,
    },
    /// A GPU holds its clocks down.
    GpuThrottled {
        /// The GPU.
        gpu: String,
        /// Reasons that its driver gives.
        reasons: Vec<String>,
        /// Share of the samples that say so.
        share: f64,
    },
    /// Other programs compute.
    Busy {
        /// Processors busy with other work, fractional.
        busy: f64,
        /// Processors there are.
        cpus: u32,
    },
    /// The hypervisor takes processor time away.
    Steal {
        /// Largest share in one sample.
        share: f64,
    },
    /// The container may use fewer processors than there are.
    FewProcessors {
        /// Allowed, fractional.
        allowed: f64,
        /// There are.
        cpus: u32,
    },
    /// The container may use less memory than there is.
    LittleMemory {
        /// Allowed.
        allowed: Bytes,
        /// There is.
        installed: Bytes,
    },
    /// A GPU that the engine of this build does not use.
    UnusedGpu {
        /// The GPU, or its maker where no driver names it.
        gpu: String,
        /// Feature of the build that would use it.
        feature: String,
        /// What the GPU reads, where measured.
        gpu_read: Option<BytesPerSecond>,
        /// What the processor reads, where measured.
        cpu_read: Option<BytesPerSecond>,
    },
    /// Only a software driver is there.
    SoftwareAdapter {
        /// Its name.
        adapter: String,
        /// What it reads, where measured.
        read: Option<BytesPerSecond>,
        /// Makers of real GPUs on the bus; empty where there is none.
        hardware: Vec<String>,
    },
    /// A part of the probe failed.
    PartFailed {
        /// The part.
        part: String,
        /// Its words.
        reason: String,
    },
}

impl Finding {
    /// A remark: it is good to know, and costs no speed by itself.
    #[must_use]
    pub fn is_remark(&self) -> bool {
        matches!(self, Self::SoftwareAdapter { hardware, .. } if hardware.is_empty())
    }
}
