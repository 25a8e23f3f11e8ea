//! The record of a probe: what this machine's memory, arithmetic and links really give, and the state it was in.
//!
//! Everything is an observation. What could not be read is a [`Reading`] that says why; a part that was
//! not run is an empty list or `None`.

use crate::records::Host;
use crate::units::{Bytes, BytesPerSecond, Celsius, FlopPerSecond, Hertz, Joules, Seconds, Watts};
use serde::{Deserialize, Serialize};

/// Version of the stored form.
pub const FORMAT: &str = "roofmark-probe/1";

/// Everything that one probe observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// [`FORMAT`].
    pub format: String,
    /// Name and version of the tool.
    pub tool: String,
    /// When it began: UTC, RFC 3339. Passed in by the caller.
    pub date: String,
    /// Wall time of the whole probe.
    pub took: Seconds,
    /// The machine, as far as it shows itself.
    pub machine: Host,
    /// Instruction sets that the kernels could choose from, such as `avx512vnni`.
    pub features: Vec<String>,
    /// Main memory.
    pub memory: MemoryRoof,
    /// Cache levels as the system lists them.
    pub caches: Vec<CacheLevel>,
    /// Read bandwidth and latency by working set, one thread, from the smallest up.
    pub curve: Vec<CurvePoint>,
    /// Memory nodes, each read by the processors of one node; one entry where memory is uniform.
    pub nodes: Vec<NodeRoof>,
    /// Arithmetic peaks of this processor.
    pub arithmetic: Vec<Arithmetic>,
    /// Matrix products of quantised weights as inference does them, by the engine's own kernels.
    pub kernels: Vec<KernelRate>,
    /// GPUs, one entry an adapter; empty where none was found or looked for.
    pub gpus: Vec<GpuRoof>,
    /// The state before, during and after.
    pub state: StateTrace,
    /// What makes a number doubtful, and the parts that failed.
    pub doubts: Vec<ProbeDoubt>,
}

/// A value, or the reason why there is none. Never zero for "unknown".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// What was read.
    Value(T),
    /// Why nothing could be read.
    Unavailable(Why),
}

/// Why a value is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The system has no such counter or file.
    Absent,
    /// There is one, and this user may not read it.
    Denied,
    /// There is one, and it did not move while it must have.
    Frozen,
    /// There is one, and what it says makes no sense.
    Malformed,
    /// This build has no reader for this system.
    Unsupported,
    /// It was not asked for.
    NotRun,
}

impl<T> Reading<T> {
    /// The value, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unavailable(_) => None,
        }
    }

    /// The same reading in another form.
    #[must_use]
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(form(value)),
            Self::Unavailable(why) => Reading::Unavailable(why),
        }
    }
}

impl Why {
    /// The reason as words that follow "unavailable".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Absent => "not offered by this system",
            Self::Denied => "not readable by this user",
            Self::Frozen => "the counter does not move",
            Self::Malformed => "the system's answer makes no sense",
            Self::Unsupported => "no reader for this system",
            Self::NotRun => "not asked for",
        }
    }
}

/// Bandwidth of main memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryRoof {
    /// Size of each array; past the last cache.
    pub array: Bytes,
    /// Share of the arrays that lies in huge pages.
    pub huge_pages: Reading<f64>,
    /// What was measured.
    pub rows: Vec<Bandwidth>,
}

impl MemoryRoof {
    /// The best row of `operation` with `threads`, or with the most threads.
    #[must_use]
    pub fn best(&self, operation: Operation, threads: Option<u32>) -> Option<&Bandwidth> {
        let fits =
            |row: &&Bandwidth| row.operation == operation && threads.is_none_or(|count| row.threads == count);
        self.rows.iter().filter(fits).max_by(|left, right| left.best.get().total_cmp(&right.best.get()))
    }
}

/// What is done with the arrays. Bytes are counted as STREAM counts them: each array once, no
/// reading of a line for its ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Sum of one array: 1 × its size.
    Read,
    /// Fill one array: 1 × its size.
    Write,
    /// `a = b`: 2 × the size of one.
    Copy,
    /// `a = b + s · c`: 3 × the size of one.
    Triad,
}

impl Operation {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Copy, Self::Triad];

    /// Name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Copy => "copy",
            Self::Triad => "triad",
        }
    }

    /// Arrays that one pass goes over.
    #[must_use]
    pub fn arrays(self) -> u32 {
        match self {
            Self::Read | Self::Write => 1,
            Self::Copy => 2,
            Self::Triad => 3,
        }
    }
}

/// One row of the bandwidth table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// What was done.
    pub operation: Operation,
    /// Threads that did it.
    pub threads: u32,
    /// The loop that was fastest, such as `avx512, streaming stores`.
    pub variant: String,
    /// Best pass.
    pub best: BytesPerSecond,
    /// Median pass.
    pub median: BytesPerSecond,
    /// Passes of that loop.
    pub passes: u32,
}

/// A cache level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheLevel {
    /// 1, 2, 3 or more.
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Size of one instance.
    pub size: Bytes,
    /// Size of a line, where known.
    pub line: Option<Bytes>,
    /// Processors that share an instance, where known.
    pub shared_by: Option<u32>,
    /// Read bandwidth of one thread over half of it, where the curve has such a point.
    pub read: Option<BytesPerSecond>,
}

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Bytes gone over again and again.
    pub working_set: Bytes,
    /// Read bandwidth of one thread.
    pub read: BytesPerSecond,
    /// Time of one dependent load.
    pub latency: Seconds,
}

/// A memory node seen from the processors of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRoof {
    /// Node whose processors read.
    pub from: u32,
    /// Node whose memory is read.
    pub to: u32,
    /// Processors of `from`.
    pub cpus: u32,
    /// Memory of `to`.
    pub memory: Reading<Bytes>,
    /// Read bandwidth; unavailable where the system does not let a thread choose its processors.
    pub read: Reading<BytesPerSecond>,
    /// Time of one dependent load.
    pub latency: Reading<Seconds>,
}

/// A kind of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point (IEEE).
    F16,
    /// 16-bit brain floating point, summed in 32 bits.
    Bf16,
    /// 8-bit integers, summed in 32 bits.
    Int8,
}

impl Number {
    /// Name in the catalog: `fp32`, `fp16`, `bf16`, `int8`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "fp32",
            Self::F16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

/// How an arithmetic rate was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Independent dot products on registers: what the units can do.
    Peak,
    /// A large matrix product from memory: what a program gets.
    Gemm,
}

/// An arithmetic rate; a multiply-add counts as two operations, of integers too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// Kind of number.
    pub number: Number,
    /// How it was measured.
    pub form: Form,
    /// Instructions that were chosen at run time, such as `avx512vnni`.
    pub instructions: String,
    /// Threads.
    pub threads: u32,
    /// Best burst.
    pub best: FlopPerSecond,
    /// Median burst.
    pub median: FlopPerSecond,
    /// The instructions were run on no machine by the authors.
    pub untested: bool,
}

/// Shape of a matrix product of weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One activation vector: decode. Bound by memory.
    Gemv,
    /// Many activation vectors: prefill. Bound by arithmetic.
    Gemm,
}

/// Rate of a quantised matrix product by the engine's own kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelRate {
    /// Device of the engine, such as `CPU` or `CUDA0`.
    pub device: String,
    /// Storage type of the weights, such as `Q4_K`.
    pub weights: String,
    /// Decode or prefill.
    pub shape: Shape,
    /// Rows of the weights, their columns, and activation vectors.
    pub size: [u32; 3],
    /// Bytes of all weights that one pass reads.
    pub bytes: Bytes,
    /// Weights are rearranged for the fastest kernels.
    pub repacked: bool,
    /// Threads.
    pub threads: u32,
    /// Weights read per second, best pass.
    pub read: BytesPerSecond,
    /// Operations per second, best pass.
    pub arithmetic: FlopPerSecond,
    /// Median pass over best pass, as a rate: 1 is steady.
    pub steadiness: f64,
    /// Passes.
    pub passes: u32,
}

/// What kind of adapter a GPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuKind {
    /// A card with memory of its own.
    Discrete,
    /// Shares the processor's memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// Software on the processor: never ranked.
    Software,
    /// The driver does not say.
    Unknown,
}

/// One GPU by one interface. Rates that were not measured are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuRoof {
    /// Name of the adapter.
    pub name: String,
    /// Interface: `vulkan`, `metal`, `dx12`, or a backend of the engine such as `cuda`.
    pub interface: String,
    /// Driver and its version.
    pub driver: String,
    /// What kind of adapter it is.
    pub kind: GpuKind,
    /// Memory that it may use: wired limit, GTT or dedicated.
    pub memory: Reading<Bytes>,
    /// One memory for processor and GPU, as found out.
    pub unified: Reading<bool>,
    /// Read bandwidth.
    pub read: Option<BytesPerSecond>,
    /// Copy bandwidth, both directions counted.
    pub copy: Option<BytesPerSecond>,
    /// 32-bit floating point.
    pub f32: Option<FlopPerSecond>,
    /// 16-bit floating point.
    pub f16: Option<FlopPerSecond>,
    /// Time to launch an empty kernel and see its end.
    pub launch: Option<Seconds>,
    /// Host to device.
    pub upload: Option<BytesPerSecond>,
    /// Device to host.
    pub download: Option<BytesPerSecond>,
    /// Processor and GPU reading at once.
    pub contention: Option<Contention>,
}

/// Processor and GPU reading memory at once: median passes, and the same alone right before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    /// What the processor gets.
    pub cpu: BytesPerSecond,
    /// What the GPU gets.
    pub gpu: BytesPerSecond,
    /// What the processor gets alone.
    pub cpu_alone: BytesPerSecond,
    /// What the GPU gets alone.
    pub gpu_alone: BytesPerSecond,
}

impl Contention {
    /// Both together.
    #[must_use]
    pub fn together(&self) -> BytesPerSecond {
        self.cpu + self.gpu
    }

    /// Share of its own alone that the processor and the GPU keep.
    #[must_use]
    pub fn shares(&self) -> [f64; 2] {
        [self.cpu.get() / self.cpu_alone.get(), self.gpu.get() / self.gpu_alone.get()]
    }
}

/// The state of the machine over the probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateTrace {
    /// What does not change while it runs.
    pub settings: PowerSettings,
    /// Before anything ran.
    pub before: StateSample,
    /// While it ran, one sample a [`SAMPLE_PERIOD`].
    pub during: Vec<StateSample>,
    /// After everything.
    pub after: StateSample,
    /// Energy counters over the whole probe.
    pub energy: Vec<EnergyCounter>,
    /// Times that a processor was throttled while the probe ran.
    pub throttled: Reading<u64>,
}

/// Time between two samples of the state.
pub const SAMPLE_PERIOD: Seconds = Seconds(0.25);

/// Settings of power and memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerSettings {
    /// Frequency governor.
    pub governor: Reading<String>,
    /// Driver of the frequencies.
    pub driver: Reading<String>,
    /// Energy preference of the processor, such as `balance_power`.
    pub preference: Reading<String>,
    /// Power mode of the system, such as `low-power` or `performance`.
    pub mode: Reading<String>,
    /// The machine runs on its battery.
    pub on_battery: Reading<bool>,
    /// Highest frequency that is allowed.
    pub highest: Reading<Hertz>,
    /// Rule of huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Reading<String>,
    /// Memory channels or modules that are fitted.
    pub modules: Reading<u32>,
}

/// The state at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateSample {
    /// Since the probe began.
    pub at: Seconds,
    /// Part that was running, such as `read, 2 threads`; empty before and after.
    pub part: String,
    /// Mean processor frequency.
    pub frequency: Reading<Hertz>,
    /// Hottest sensor.
    pub temperature: Reading<Celsius>,
    /// Power of the processor since the sample before.
    pub power: Reading<Watts>,
    /// Share of processor time that the hypervisor took away since the sample before.
    pub steal: Reading<f64>,
    /// Share of the time since the sample before in which some task waited for a processor.
    pub pressure: Reading<f64>,
    /// Processes that wanted a processor in the last minute.
    pub load: Reading<f64>,
    /// GPUs that report a state.
    pub gpus: Vec<GpuState>,
}

/// State of one GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuState {
    /// Name.
    pub name: String,
    /// Clock of the shaders.
    pub clock: Reading<Hertz>,
    /// Clock of the memory.
    pub memory_clock: Reading<Hertz>,
    /// Temperature.
    pub temperature: Reading<Celsius>,
    /// Power of the board.
    pub power: Reading<Watts>,
    /// Reasons why clocks are held down, such as `power cap`; empty for none.
    pub throttled: Reading<Vec<String>>,
    /// Memory that the GPU may use.
    #[serde(default = "not_run")]
    pub memory: Reading<Bytes>,
    /// Memory in use.
    #[serde(default = "not_run")]
    pub memory_used: Reading<Bytes>,
}

/// Older records say nothing of it.
fn not_run<T>() -> Reading<T> {
    Reading::Unavailable(Why::NotRun)
}

/// An energy counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnergyCounter {
    /// What it counts, such as `package-0`.
    pub scope: String,
    /// Energy over the probe.
    pub energy: Reading<Joules>,
    /// Time between two changes of the counter, as inferred from its changes.
    pub period: Reading<Seconds>,
}

/// What makes a number doubtful.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProbeDoubt {
    /// A part gave nothing.
    Failed {
        /// The part, such as `quantised kernels`.
        part: String,
        /// Its own words.
        reason: String,
    },
    /// A part was left out.
    LeftOut {
        /// The part.
        part: String,
        /// Why.
        reason: String,
    },
    /// Ctrl-C: the parts after this one were not run.
    Interrupted {
        /// The part that was running.
        part: String,
    },
    /// Other programs were using the processor.
    Busy {
        /// Processors busy with other work, fractional.
        busy: f64,
        /// Processors there are.
        cpus: u32,
    },
    /// Bandwidth moved while it was measured.
    Unsteady {
        /// Operation or kernel.
        what: String,
        /// Median over best.
        steadiness: f64,
    },
    /// The hypervisor took processor time away.
    Steal {
        /// Largest share in one sample.
        share: f64,
    },
    /// The container allows less than the machine has.
    Limited {
        /// `processors` or `memory`.
        what: String,
        /// What is allowed.
        allowed: f64,
        /// What there is.
        installed: f64,
    },
    /// Arrays do not outgrow the last cache: bandwidth is the cache's in part.
    SmallArrays {
        /// Size of one array.
        array: Bytes,
        /// Last-level cache.
        cache: Bytes,
    },
    /// Memory bandwidth at the end differs from that at the start.
    Drift {
        /// Relative difference.
        drift: f64,
        /// Read roof at the start.
        before: BytesPerSecond,
        /// Read roof at the end.
        after: BytesPerSecond,
    },
    /// Huge pages were asked for and not given.
    SmallPages {
        /// Share that lies in huge pages.
        share: f64,
    },
    /// A processor was throttled.
    Throttled {
        /// Times.
        count: u64,
    },
}

impl ProbeRecord {
    /// Best read bandwidth of main memory.
    #[must_use]
    pub fn read_roof(&self) -> Option<BytesPerSecond> {
        self.memory.best(Operation::Read, None).map(|row| row.best)
    }

    /// Best peak of `number` in any form and with any number of threads.
    #[must_use]
    pub fn peak(&self, number: Number) -> Option<FlopPerSecond> {
        self.arithmetic
            .iter()
            .filter(|row| row.number == number)
            .map(|row| row.best)
            .reduce(FlopPerSecond::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_stored_with_its_reason() {
        let stored = |reading: Reading<Watts>| serde_json::to_string(&reading).unwrap();
        assert_eq!(stored(Reading::Value(Watts(12.5))), r#"{"value":12.5}"#);
        assert_eq!(stored(Reading::Unavailable(Why::Frozen)), r#"{"unavailable":"frozen"}"#);
        assert!(serde_json::from_str::<Reading<Watts>>("null").is_err(), "nothing is not a reading");
    }
}
