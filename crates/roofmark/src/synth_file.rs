//! Synthetic models as files: in memory where the system has it, or cached on disk under a name that
//! says what is inside.

use anyhow::{Context, Result};
use roofmark_facts::gguf::read;
use roofmark_facts::synth::{Plan, SYNTH_VERSION};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Buffer between the generator and the file.
const BUFFER_BYTES: usize = 1 << 20;

/// File name of a synthetic model: model, quantization, layers, seed and version of the generator.
#[must_use]
pub fn file_name(model: &str, quant: &str, plan: &Plan, seed: u64) -> String {
    let layers = plan.shape.layers.len();
    format!("{model}-{quant}-{layers}of{}-s{seed}-v{SYNTH_VERSION}.gguf", plan.full_layers)
}

/// Folder for synthetic models: `ROOFMARK_CACHE`, else `roofmark` in the user's cache folder.
pub fn cache_folder() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("ROOFMARK_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("roofmark")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache").join("roofmark")))
        .context("failed to find a cache folder: set ROOFMARK_CACHE, or name a file with --output")
}

/// The file `name` in `folder`, written if it is not there whole. `progress` gets tensor bytes written.
pub fn cached(
    folder: &Path,
    name: &str,
    plan: &Plan,
    seed: u64,
    progress: impl FnMut(u64),
) -> Result<PathBuf> {
    let path = folder.join(name);
    if is_whole(&path, plan) {
        return Ok(path);
    }
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    write(&path, plan, seed, progress)?;
    Ok(path)
}

/// Writes `plan` to `path`. On failure (disk full) nothing is left behind.
pub fn write(path: &Path, plan: &Plan, seed: u64, progress: impl FnMut(u64)) -> Result<u64> {
    let partial = path.with_extension("gguf.partial");
    let failed = || format!("failed to write {}", path.display());
    let file = File::create(&partial).with_context(failed)?;
    let outcome = fill(file, plan, seed, progress)
        .and_then(|bytes| fs::rename(&partial, path).map(|()| bytes).map_err(anyhow::Error::from));
    if outcome.is_err() {
        let _ = fs::remove_file(&partial);
    }
    outcome.with_context(failed)
}

fn fill(file: impl Write, plan: &Plan, seed: u64, progress: impl FnMut(u64)) -> Result<u64> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let needed = plan.tensor_bytes();
    plan.write(&mut out, seed, progress).with_context(|| format!("the model needs {needed} bytes"))
}

/// A model in memory: a file without a name, gone when it is closed.
#[cfg(target_os = "linux")]
pub fn in_memory(name: &str, plan: &Plan, seed: u64, progress: impl FnMut(u64)) -> Result<File> {
    let failed = || format!("failed to hold {name} in memory");
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create(name, flags).with_context(failed)?);
    fill(&mut file, plan, seed, progress).with_context(failed)?;
    Ok(file)
}

/// Whether `path` is a whole file of this very plan: same length, same tensors, same metadata.
fn is_whole(path: &Path, plan: &Plan) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(found) = read(file) else { return false };
    let same = |(have, want): (&roofmark_facts::gguf::TensorInfo, &roofmark_facts::gguf::NewTensor)| {
        have.name == want.name && have.dims == want.dims && have.kind == want.kind
    };
    plan.file_bytes().is_ok_and(|bytes| bytes == found.file_bytes)
        && found.metadata == plan.metadata
        && found.tensors.len() == plan.tensors.len()
        && found.tensors.iter().zip(&plan.tensors).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::quant::Quant;
    use roofmark_facts::shape::Shape;
    use roofmark_facts::synth::plan;
    use std::io::{Read, Seek};

    fn small() -> Plan {
        let config = serde_json::json!({ "model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64 });
        plan("small", &Shape::from_config(&config).unwrap(), &Quant::parse("Q4_K_M").unwrap(), None).unwrap()
    }

    #[test]
    fn a_cached_file_is_written_once_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let plan = small();
        let name = file_name("small", "Q4_K_M", &plan, 3);
        assert_eq!(name, format!("small-Q4_K_M-2of2-s3-v{SYNTH_VERSION}.gguf"));
        let mut calls = 0;
        let path = cached(folder.path(), &name, &plan, 3, |_| calls += 1).unwrap();
        assert!(calls > 0);
        assert_eq!(fs::metadata(&path).unwrap().len(), plan.file_bytes().unwrap());
        let mut again = 0;
        cached(folder.path(), &name, &plan, 3, |_| again += 1).unwrap();
        assert_eq!(again, 0);
        fs::write(&path, b"GGUF").unwrap();
        cached(folder.path(), &name, &plan, 3, |_| again += 1).unwrap();
        assert!(again > 0, "a broken file is written anew");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("in the way"), b"").unwrap();
        let error = write(&path, &small(), 1, |_| {}).unwrap_err();
        assert!(format!("{error:#}").starts_with("failed to write "), "{error:#}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_model_in_memory_is_the_model_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        write(&path, &small(), 5, |_| {}).unwrap();
        let mut memory = in_memory("x", &small(), 5, |_| {}).unwrap();
        let mut held = Vec::new();
        memory.rewind().unwrap();
        memory.read_to_end(&mut held).unwrap();
        assert!(held == fs::read(&path).unwrap());
    }
}
