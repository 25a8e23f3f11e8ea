//! The engine interface: what a bench asks of an inference engine, and the plain records that
//! carry question and answer.
//!
//! An engine runs in a child process (`child`), which answers over JSON lines (`serve`). The same
//! trait is implemented by the engine itself inside the child and by its handle in the parent, so
//! a bench does not know which of the two it drives.

pub mod child;
mod error;
pub mod serve;

pub use error::EngineError;

use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::{Bytes, Seconds};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An inference engine that holds at most one model and one context.
///
/// Order of calls: [`load`](Self::load), then [`open`](Self::open), then cells in any order. `open`
/// may be called again to change threads, depth or batch without loading the weights again.
/// Nothing is warmed up behind the caller's back: run a cell once and drop its times first.
pub trait Engine {
    /// Loads a model; the one loaded before is dropped first.
    fn load(&mut self, request: &LoadRequest) -> Result<Loaded, EngineError>;

    /// Makes a context for the loaded model; the one before is dropped first.
    fn open(&mut self, request: &OpenRequest) -> Result<Opened, EngineError>;

    /// Clears the cache, fills it to `depth` (untimed), then times one prefill.
    fn prefill(&mut self, cell: &PrefillCell) -> Result<Timed, EngineError>;

    /// Clears the cache, fills each sequence to `depth` (untimed), then times `steps` decode steps.
    fn decode(&mut self, cell: &DecodeCell) -> Result<Timed, EngineError>;

    /// Times matrix products of quantised weights by the engine's own kernels; needs no model.
    fn multiply(&mut self, cell: &ProductCell) -> Result<Products, EngineError>;

    /// Devices that the engine can compute on; none where it does not say. Needs no model.
    fn devices(&mut self) -> Result<Vec<Device>, EngineError> {
        Ok(Vec::new())
    }

    /// Continues a text, for a check that the engine computes the right thing.
    fn generate(&mut self, request: &GenerateRequest) -> Result<Generated, EngineError>;
}

/// Where the weights are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// A GGUF file (the first one of a split model).
    File(PathBuf),
    /// The file descriptor of this number that the child has inherited, such as a memory file.
    /// It is loaded by the same path as a file, so the kernels are the same.
    Descriptor(i32),
}

/// Which weights to load, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// Where the weights are.
    pub model: ModelSource,
    /// Layers to put on a GPU; `None` for all that the engine has a device for.
    pub gpu_layers: Option<u32>,
    /// Let the CPU backend rearrange weights for its fastest kernels (the engine's default).
    pub repack: bool,
    /// Map the file instead of reading it; left alone, the engine maps where every device can use it.
    pub mmap: Switch,
}

impl LoadRequest {
    /// The engine's defaults for `model`.
    #[must_use]
    pub fn new(model: ModelSource) -> Self {
        Self { model, gpu_layers: None, repack: true, mmap: Switch::Auto }
    }
}

/// A setting that may be left to the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// The engine chooses.
    #[default]
    Auto,
    /// On.
    On,
    /// Off.
    Off,
}

/// The context that cells run in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRequest {
    /// Threads for prefill and decode.
    pub threads: u32,
    /// Tokens that one sequence can hold: the deepest depth plus what is timed on top of it.
    pub context: u32,
    /// Sequences that can be decoded together: the largest batch.
    pub sequences: u32,
    /// Most tokens in one call of the engine.
    pub batch: u32,
    /// Most tokens that are computed together.
    pub micro_batch: u32,
    /// Flash attention.
    pub flash_attention: Switch,
    /// Storage type of the cache, keys and values alike.
    pub cache_type: TensorType,
}

impl OpenRequest {
    /// llama-bench's defaults: batch 2048, micro-batch 512, flash attention left to the engine, f16 cache.
    #[must_use]
    pub fn new(threads: u32, context: u32, sequences: u32) -> Self {
        Self {
            threads,
            context,
            sequences,
            batch: 2048,
            micro_batch: 512,
            flash_attention: Switch::Auto,
            cache_type: TensorType::F16,
        }
    }
}

/// One prefill of `tokens` random tokens, one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefillCell {
    /// Tokens to process.
    pub tokens: u32,
    /// Tokens that are in the cache before.
    pub depth: u32,
    /// Seed of the random tokens.
    pub seed: u64,
}

/// `steps` decode steps of `batch` sequences with random tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeCell {
    /// Steps to time; each gives one token to every sequence.
    pub steps: u32,
    /// Tokens that each sequence has in the cache before the first step.
    pub depth: u32,
    /// Sequences decoded together.
    pub batch: u32,
    /// Seed of the random tokens.
    pub seed: u64,
}

/// Products of random quantised weights with activation vectors, again and again for some time.
///
/// The weights stay loaded until a cell of another size, type or device comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductCell {
    /// The engine's name of the device; `None` for the processor.
    pub device: Option<String>,
    /// Storage type of the weights.
    pub weights: TensorType,
    /// Rows of one matrix of weights.
    pub rows: u32,
    /// Its columns.
    pub columns: u32,
    /// Matrices that one pass goes over, each with weights of its own: more than a cache holds.
    pub matrices: u32,
    /// Activation vectors: 1 as in decode, many as in prefill.
    pub vectors: u32,
    /// Threads of a processor.
    pub threads: u32,
    /// Let the CPU backend rearrange the weights for its fastest kernels.
    pub repack: bool,
    /// How long to go on.
    pub time: Seconds,
}

impl ProductCell {
    /// Operations of one pass, a multiply-add counted as two.
    #[must_use]
    pub fn operations(&self) -> f64 {
        2.0 * [self.rows, self.columns, self.matrices, self.vectors].map(f64::from).iter().product::<f64>()
    }

    /// Bytes of the weights of one pass.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let elements = [self.rows, self.columns, self.matrices].map(f64::from).iter().product::<f64>();
        Bytes(elements * self.weights.bits_per_element() / 8.0)
    }
}

/// Times of products.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Products {
    /// Time of each pass; the first, which warms up, is not among them.
    pub passes: Vec<Seconds>,
    /// Device that computed.
    pub device: String,
    /// The weights were rearranged.
    pub repacked: bool,
    /// The results were finite numbers.
    pub finite: bool,
}

/// Times of one cell, taken inside the engine's process with a monotonic clock around the decode
/// call and its synchronisation, as llama-bench does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Untimed work before: clearing and filling the cache.
    pub setup: Seconds,
    /// One entry for a prefill (the whole of it), one entry per step for a decode.
    pub steps: Vec<Seconds>,
    /// All logits after the last step were finite numbers.
    pub finite: bool,
}

impl Timed {
    /// Sum of the timed steps.
    #[must_use]
    pub fn total(&self) -> Seconds {
        self.steps.iter().copied().sum()
    }
}

/// A text to continue with greedy sampling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// The text, or the user's message where `chat` is set.
    pub prompt: String,
    /// Put the prompt into the model's chat template.
    pub chat: bool,
    /// Most tokens to generate.
    pub tokens: u32,
}

/// What a model said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The continuation.
    pub text: String,
    /// Tokens of the prompt, template included.
    pub prompt_tokens: u32,
    /// Tokens generated, the end token left out.
    pub tokens: u32,
}

/// A loaded model and the engine that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// Engine, such as `llama.cpp`.
    pub engine: String,
    /// Version of the package that the engine was built from.
    pub version: String,
    /// The engine's own account of the instruction sets that it uses, verbatim.
    pub system_info: String,
    /// Devices that the engine can compute on.
    pub devices: Vec<Device>,
    /// The engine's description of the model.
    pub model: String,
    /// Parameters.
    pub parameters: u64,
    /// Bytes of all tensors.
    pub tensor_bytes: Bytes,
    /// Layers.
    pub layers: u32,
    /// Longest context that the model was trained for, in tokens.
    pub train_context: u32,
    /// Entries of the vocabulary.
    pub vocabulary: u32,
    /// The file has a tokenizer, so `generate` works.
    pub tokenizer: bool,
    /// Where the weights lie, by the engine's buffer name; a name such as `CPU_REPACK` tells that
    /// rearranged weights and their kernels are in use.
    pub buffers: Vec<Buffer>,
    /// Rearranging of weights was asked for (`buffers` tells whether any were).
    pub repack: bool,
    /// Time to load.
    pub time: Seconds,
    /// Environment variables that can change what the engine does, as they were set.
    pub environment: Vec<(String, String)>,
    /// How far the engine's process is confined; one line for people.
    pub sandbox: String,
}

/// A device of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// The engine's name, such as `CPU` or `CUDA0`.
    pub name: String,
    /// Name of the hardware.
    pub description: String,
    /// `cpu`, `gpu`, `igpu` or `accelerator`.
    pub kind: String,
    /// Backend that drives it, such as `CPU`, `CUDA`, `Metal`, `ROCm` or `Vulkan`.
    pub backend: String,
    /// Free memory.
    pub free: Bytes,
    /// All memory.
    pub total: Bytes,
}

/// A named piece of memory that the engine has allocated or mapped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    /// The engine's name of the buffer type.
    pub name: String,
    /// Its size.
    pub bytes: Bytes,
}

/// A context that is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Tokens per sequence, as the engine rounded them.
    pub context: u32,
    /// Threads.
    pub threads: u32,
    /// Flash attention is in use; `None` where the engine does not say.
    pub flash_attention: Option<bool>,
    /// Cache and compute buffers.
    pub buffers: Vec<Buffer>,
    /// Resident memory of the engine's process.
    pub resident: Option<Bytes>,
    /// Highest resident memory so far.
    pub resident_peak: Option<Bytes>,
}
