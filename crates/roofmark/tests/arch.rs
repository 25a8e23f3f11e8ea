//! The embedded engine loads a synthetic slice of every architecture of the catalog, decodes, and the
//! numbers stay finite. Run by scripts/test-arch.sh; ROOFMARK_ARCH names one architecture to try alone.
//!
//! Experts and vocabulary are cut so that a slice stays small; widths, heads and windows are the model's own.
#![cfg(feature = "engine")]

use roofmark_facts::catalog::Catalog;
use roofmark_facts::quant::Quant;
use roofmark_facts::shape::{Ffn, Shape};
use roofmark_facts::synth::plan;
use roofmark_measure::engine::child::ChildEngine;
use roofmark_measure::engine::{DecodeCell, Engine, LoadRequest, ModelSource, OpenRequest, PrefillCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_roofmark");
const LAYERS: u32 = 4;
const VOCABULARY: u64 = 4096;
const EXPERTS: u64 = 16;

/// The narrowest model of each architecture.
fn architectures() -> BTreeMap<&'static str, (&'static str, &'static Shape)> {
    let mut found: BTreeMap<&str, (&str, &Shape)> = BTreeMap::new();
    for model in Catalog::builtin().models.iter() {
        let entry = found.entry(&model.shape.arch).or_insert((&model.slug, &model.shape));
        if model.shape.hidden < entry.1.hidden {
            *entry = (&model.slug, &model.shape);
        }
    }
    found
}

fn shrunk(shape: &Shape) -> Shape {
    let mut shape = shape.clone();
    shape.vocab = shape.vocab.min(VOCABULARY);
    if let Some(embedding) = &mut shape.per_layer_embedding {
        embedding.vocab = embedding.vocab.min(VOCABULARY);
    }
    if let Some(streams) = &mut shape.streams {
        streams.rows = streams.rows.min(VOCABULARY);
    }
    for layer in &mut shape.layers {
        if let Ffn::Experts(experts) = &mut layer.ffn {
            experts.count = experts.count.min(EXPERTS.max(experts.active));
        }
    }
    shape
}

fn run(slug: &str, shape: &Shape, folder: &Path) -> Result<(), String> {
    let quant = Quant::parse("Q4_K_M").map_err(|error| error.to_string())?;
    let shape = shrunk(shape);
    let layers = LAYERS.min(shape.layers.len() as u32);
    let plan = plan(slug, &shape, &quant, Some(layers)).map_err(|error| error.to_string())?;
    let path = folder.join("slice.gguf");
    let mut out = BufWriter::new(File::create(&path).map_err(|error| error.to_string())?);
    plan.write(&mut out, 1, |_| {}).map_err(|error| error.to_string())?;
    drop(out);
    decode(&path).map_err(|error| format!("{error:#}"))
}

fn decode(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let source = ModelSource::File(path.to_owned());
    let mut engine = ChildEngine::spawn(roofmark_llama::command(PROGRAM.into(), &source, Vec::new()))?;
    engine.load(&LoadRequest { repack: false, ..LoadRequest::new(source) })?;
    engine.open(&OpenRequest::new(2, 64, 1))?;
    let prefill = engine.prefill(&PrefillCell { tokens: 8, depth: 0, seed: 1 })?;
    let decode = engine.decode(&DecodeCell { steps: 3, depth: 8, batch: 1, seed: 1 })?;
    if prefill.finite && decode.finite { Ok(()) } else { Err("the logits are not finite".into()) }
}

#[test]
#[ignore = "takes minutes: scripts/test-arch.sh"]
fn every_architecture_of_the_catalog_loads_and_decodes() {
    let only = std::env::var("ROOFMARK_ARCH").ok();
    let folder = tempfile::tempdir().expect("a folder");
    let mut failed = Vec::new();
    for (arch, (slug, shape)) in architectures() {
        if only.as_ref().is_some_and(|only| only != arch) {
            continue;
        }
        let outcome = run(slug, shape, folder.path());
        eprintln!("{arch:16} {slug:32} {}", outcome.as_ref().map_or_else(String::as_str, |()| "ok"));
        if outcome.is_err() {
            failed.push(arch);
        }
    }
    assert!(failed.is_empty(), "{} architectures failed: {}", failed.len(), failed.join(", "));
}
