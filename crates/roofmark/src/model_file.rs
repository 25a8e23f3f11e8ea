//! Opens a model file, all parts of it where it was split, and reads its tensor table.

use anyhow::{Context, Result, anyhow};
use roofmark_facts::gguf::{Gguf, PartName, TensorTable, merge, read};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The tensor table of the model at `path`; any part of a split model stands for all of it.
pub fn open(path: &Path) -> Result<TensorTable> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let files = match PartName::parse(&name) {
        Some(part) => part.siblings().map(|sibling| header_of_part(path, &sibling)).collect::<Result<_>>()?,
        None => vec![header(path)?],
    };
    merge(files).with_context(|| format!("failed to join the parts of {}", path.display()))
}

/// The part of a split model that an engine loads it by; any other file is its own.
pub fn first_part(path: &Path) -> PathBuf {
    let part = path.file_name().and_then(|name| PartName::parse(&name.to_string_lossy()));
    part.map_or_else(|| path.to_owned(), |part| path.with_file_name(part.sibling(1)))
}

fn header_of_part(path: &Path, name: &str) -> Result<Gguf> {
    let sibling = path.with_file_name(name);
    if !sibling.exists() {
        return Err(anyhow!("{} is missing beside {}", sibling.display(), path.display()));
    }
    header(&sibling)
}

fn header(path: &Path) -> Result<Gguf> {
    let failed = || format!("failed to read {}", path.display());
    let file = File::open(path).with_context(failed)?;
    if file.metadata().with_context(failed)?.is_dir() {
        return Err(anyhow!("failed to read {}: it is a folder; name a .gguf file", path.display()));
    }
    read(file).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_leads_to_the_first() {
        let first = |name: &str| first_part(Path::new(name));
        assert_eq!(first("/m/a-00002-of-00003.gguf"), Path::new("/m/a-00001-of-00003.gguf"));
        assert_eq!(first("/m/a.gguf"), Path::new("/m/a.gguf"));
    }
}
