//! The catalog in use: the one in the program, with the owner's own file laid over it.

use anyhow::{Context, Result};
use roofmark_facts::catalog::Catalog;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names the file to lay over the catalog. Without it `roofmark/catalog.toml` in the user's
/// configuration folder is read where it exists.
const VARIABLE: &str = "ROOFMARK_CATALOG";

/// Longest file that is read.
const LONGEST: u64 = 16 << 20;

/// The catalog in use.
pub fn catalog() -> Result<&'static Catalog> {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    if let Some(catalog) = CATALOG.get() {
        return Ok(catalog);
    }
    let Some(path) = user_file() else { return Ok(Catalog::builtin()) };
    let catalog = Catalog::builtin().clone().extended(&path.display().to_string(), &read(&path)?)?;
    Ok(CATALOG.get_or_init(|| catalog))
}

fn user_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
    }
    usual_file().filter(|path| path.is_file())
}

fn usual_file() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("roofmark").join("catalog.toml"))
}

/// The owner's own file, whether it is there or not.
pub fn user_path() -> Result<PathBuf> {
    user_file().or_else(usual_file).with_context(|| format!("failed to find the home folder; set {VARIABLE}"))
}

fn read(path: &Path) -> Result<String> {
    let context = || format!("failed to read the catalog {}", path.display());
    let file = std::fs::File::open(path).with_context(context)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).with_context(context)?;
    Ok(text)
}
