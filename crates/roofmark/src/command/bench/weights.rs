//! The weights of a bench: a file as it is, or synthetic parts made just before they are loaded.

use super::request::Request;
use crate::{model_hash, synth_file};
use anyhow::{Context as _, Result};
use roofmark_facts::catalog::Model;
use roofmark_facts::gguf::{TensorTable, profile};
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::records::{Origin, Part};
use roofmark_facts::synth::{Plan, plan};
use roofmark_facts::table::tensor_table;
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::Bytes;
use roofmark_ledger::record::{Context, TensorTypes};
use roofmark_measure::bench::Stage;
use roofmark_measure::engine::{Engine, EngineError, LoadRequest, ModelSource};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Number of the inherited file in the engine's process.
#[cfg(target_os = "linux")]
const DESCRIPTOR: i32 = 3;
/// Seed of the random weights.
const SEED: u64 = 1;

/// Where weights come from.
pub enum Weights {
    /// Random blocks in the shapes and types of a catalogued model.
    Synthetic {
        /// The model.
        model: &'static Model,
        /// Its quantization.
        quant: Quant,
    },
    /// A file with trained weights.
    File {
        /// Absolute path.
        path: PathBuf,
        /// Its tensors.
        table: Box<TensorTable>,
    },
}

impl Weights {
    /// Real weights, of which an answer can be expected.
    pub fn is_trained(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// For the record: a file's name without its folder.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Synthetic { .. } => Origin::Synthetic,
            Self::File { path, .. } => {
                Origin::File(path.file_name().unwrap_or_default().to_string_lossy().into())
            }
        }
    }
}

/// What a record keeps of the weights: digests of the files, and how many tensors of each type there are.
pub fn facts(weights: &Weights) -> Context {
    let (tensors, model_files) = match weights {
        Weights::Synthetic { model, quant } => {
            let tensors = tensor_table(&model.shape, quant);
            let sizes = tensors.iter().map(|tensor| (tensor.kind, tensor.stored()));
            (tensor_types(sizes), Vec::new())
        }
        Weights::File { path, table } => {
            let sizes = table.tensors.iter().map(|tensor| (tensor.kind, Bytes(tensor.bytes as f64)));
            let files = model_hash::files(path);
            let files = files.inspect_err(|error| eprintln!("warning: no SHA-256 of the model: {error:#}"));
            (tensor_types(sizes), files.unwrap_or_default())
        }
    };
    Context { model_files, tensor_types: tensors, ..Context::default() }
}

fn tensor_types(tensors: impl Iterator<Item = (TensorType, Bytes)>) -> Vec<TensorTypes> {
    let mut sums: BTreeMap<TensorType, (u64, Bytes)> = BTreeMap::new();
    for (kind, size) in tensors {
        let sum = sums.entry(kind).or_default();
        *sum = (sum.0 + 1, sum.1 + size);
    }
    let of = |(kind, (tensors, size)): (TensorType, (u64, Bytes))| TensorTypes {
        kind: kind.name().to_owned(),
        tensors,
        size,
    };
    let mut types: Vec<TensorTypes> = sums.into_iter().map(of).collect();
    types.sort_by(|left, right| right.size.get().total_cmp(&left.size.get()));
    types
}

/// Costs of a slice of `layers` layers.
pub fn slice_profile(model: &Model, quant: &Quant, layers: u32) -> Result<Profile> {
    let plan = plan(&model.slug, &model.shape, quant, Some(layers))?;
    let profile = profile(&model.slug, &plan.table())?;
    Ok(Profile { quant: quant.label.to_owned(), ..profile })
}

/// One stage a part, each with an engine that starts when its turn comes.
pub fn stages(request: &Request, parts: Vec<Part>) -> Vec<Stage<'_>> {
    parts.into_iter().map(|part| stage(request, part)).collect()
}

fn stage(request: &Request, part: Part) -> Stage<'_> {
    let layers = part.layers;
    match &request.weights {
        Weights::File { path, .. } => {
            let source = ModelSource::File(path.clone());
            let start =
                move || start(&ModelSource::File(path.clone()), roofmark_llama::Descriptors::default());
            Stage { part, load: load(request, source), start: Box::new(start) }
        }
        Weights::Synthetic { model, quant } => {
            let source = synthetic_source(model, quant, layers);
            Stage {
                part,
                load: load(request, source),
                start: Box::new(move || synthesise(model, quant, layers)),
            }
        }
    }
}

fn load(request: &Request, source: ModelSource) -> LoadRequest {
    LoadRequest { gpu_layers: request.gpu_layers, ..LoadRequest::new(source) }
}

fn start(
    source: &ModelSource,
    descriptors: roofmark_llama::Descriptors,
) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(roofmark_llama::spawn(source, descriptors)?))
}

/// Where the synthetic part will be: in memory on Linux, else in the cache folder.
#[cfg(target_os = "linux")]
fn synthetic_source(_: &Model, _: &Quant, _: u32) -> ModelSource {
    ModelSource::Descriptor(DESCRIPTOR)
}

#[cfg(not(target_os = "linux"))]
fn synthetic_source(model: &Model, quant: &Quant, layers: u32) -> ModelSource {
    ModelSource::File(cache_folder().join(format!("{}-{}-{layers}-s{SEED}.gguf", model.slug, quant.label)))
}

/// Makes the part and starts an engine that may read it. The memory is the engine's once it is loaded.
fn synthesise(model: &Model, quant: &Quant, layers: u32) -> Result<Box<dyn Engine>, EngineError> {
    let made = plan(&model.slug, &model.shape, quant, Some(layers)).context("failed to plan the model");
    made.and_then(|plan| write(model, quant, layers, &plan)).map_err(|error| EngineError::Refused {
        request: "make a synthetic model",
        reason: format!("{error:#}"),
    })?
}

#[cfg(target_os = "linux")]
fn write(model: &Model, _: &Quant, _: u32, plan: &Plan) -> Result<Result<Box<dyn Engine>, EngineError>> {
    let file = synth_file::in_memory(&model.slug, plan, SEED, |_| {})?;
    Ok(start(&ModelSource::Descriptor(DESCRIPTOR), vec![(file.into(), DESCRIPTOR)]))
}

#[cfg(not(target_os = "linux"))]
fn write(
    model: &Model,
    quant: &Quant,
    layers: u32,
    plan: &Plan,
) -> Result<Result<Box<dyn Engine>, EngineError>> {
    let source = synthetic_source(model, quant, layers);
    let ModelSource::File(path) = &source else { anyhow::bail!("no file") };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    synth_file::cached(&cache_folder(), &name, plan, SEED, |_| {})?;
    Ok(start(&source, roofmark_llama::Descriptors::default()))
}

#[cfg(not(target_os = "linux"))]
fn cache_folder() -> PathBuf {
    std::env::temp_dir().join("roofmark")
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::catalog::Catalog;

    #[test]
    fn a_slice_of_all_layers_costs_what_the_model_costs() {
        let model = Catalog::builtin().model("llama-3.1-8b").unwrap();
        let quant = Quant::parse("Q4_K_M").unwrap();
        let (slice, whole) = (slice_profile(model, &quant, 32).unwrap(), model.profile(&quant));
        assert_eq!(slice.tensor_bytes, whole.tensor_bytes);
        assert_eq!(slice.fixed_bytes, whole.fixed_bytes);
        assert_eq!(slice.flop_per_token(), whole.flop_per_token());
        assert_eq!(slice.cache_bytes(100.0, 2.0), whole.cache_bytes(100.0, 2.0));
    }

    #[test]
    fn a_slice_has_fewer_bytes() {
        let model = Catalog::builtin().model("llama-3.1-70b").unwrap();
        let quant = Quant::parse("Q4_K_M").unwrap();
        let bytes = |layers| slice_profile(model, &quant, layers).unwrap().fixed_bytes.gb();
        assert!(bytes(4) < bytes(8) && bytes(8) < 10.0);
    }
}
