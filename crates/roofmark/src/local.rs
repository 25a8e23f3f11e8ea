//! Models that are already on disk: Ollama, LM Studio, the hub's cache, llama.cpp's cache.
//!
//! Folders are walked to a bounded depth and entry count; nothing is opened but Ollama's manifests.

use std::path::{Path, PathBuf};

/// Most folder entries that are looked at.
const MOST_ENTRIES: usize = 20_000;
/// Largest manifest that is read.
const MOST_MANIFEST: u64 = 1 << 20;

/// A model file that some program has put on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// As its program calls it: an Ollama tag, or the file name without `.gguf`.
    pub name: String,
    /// The file; the first part of a split model.
    pub path: PathBuf,
}

/// Folders of the programs, from the environment.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Ollama's `models` folder.
    pub ollama: Vec<PathBuf>,
    /// Folders that hold `.gguf` files at some depth.
    pub files: Vec<PathBuf>,
}

impl Places {
    /// The usual places. `variable` reads an environment variable.
    pub fn usual(variable: impl Fn(&str) -> Option<String>) -> Self {
        let Some(home) = variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from) else {
            return Self::default();
        };
        let or_home =
            |name: &str, below: &str| variable(name).map_or_else(|| home.join(below), PathBuf::from);
        Self {
            ollama: vec![
                or_home("OLLAMA_MODELS", ".ollama/models"),
                "/usr/share/ollama/.ollama/models".into(),
            ],
            files: vec![
                home.join(".lmstudio/models"),
                home.join(".cache/lm-studio/models"),
                or_home("HF_HOME", ".cache/huggingface").join("hub"),
                or_home("LLAMA_CACHE", ".cache/llama.cpp"),
                home.join("Library/Caches/llama.cpp"),
            ],
        }
    }
}

/// All models in `places`, by name.
pub fn models(places: &Places) -> Vec<LocalModel> {
    let mut budget = MOST_ENTRIES;
    let mut found = Vec::new();
    for folder in &places.ollama {
        for manifest in walk(&folder.join("manifests"), 4, &mut budget) {
            found.extend(ollama_model(folder, &manifest));
        }
    }
    for folder in &places.files {
        found.extend(walk(folder, 5, &mut budget).into_iter().filter_map(gguf_model));
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found.dedup();
    found
}

/// The model that `name` means: its full name in any case, or an Ollama name without `:latest`.
pub fn find<'a>(models: &'a [LocalModel], name: &str) -> Option<&'a LocalModel> {
    let same = |model: &&LocalModel| {
        model.name.eq_ignore_ascii_case(name)
            || model.name.strip_suffix(":latest").is_some_and(|short| short.eq_ignore_ascii_case(name))
    };
    models.iter().find(same)
}

/// Files below `folder`, at most `depth` folders down. Links to folders are not followed.
fn walk(folder: &Path, depth: usize, budget: &mut usize) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => files.extend(walk(&entry.path(), depth - 1, budget)),
            Ok(kind) if !kind.is_dir() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

/// A `.gguf` file that is a model by itself or the first part of one; projectors of images are not.
fn gguf_model(path: PathBuf) -> Option<LocalModel> {
    let file = path.file_name()?.to_str()?;
    let name = file.strip_suffix(".gguf")?.to_owned();
    let part = roofmark_facts::gguf::PartName::parse(file);
    let first = part.as_ref().is_none_or(|part| part.part == 1);
    let projector = name.to_ascii_lowercase().starts_with("mmproj");
    (first && !projector && path.is_file())
        .then(|| LocalModel { name: part.map_or(name, |part| part.stem), path })
}

/// The weights that a manifest `…/manifests/HOST/NAMESPACE/MODEL/TAG` names.
fn ollama_model(folder: &Path, manifest: &Path) -> Option<LocalModel> {
    if std::fs::metadata(manifest).ok()?.len() > MOST_MANIFEST {
        return None;
    }
    let document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(manifest).ok()?).ok()?;
    let layers = document.get("layers")?.as_array()?;
    let is_model = |layer: &&serde_json::Value| {
        layer
            .get("mediaType")
            .and_then(|kind| kind.as_str())
            .is_some_and(|kind| kind.ends_with(".image.model"))
    };
    let digest = layers.iter().find(is_model)?.get("digest")?.as_str()?.strip_prefix("sha256:")?;
    if !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let path = folder.join("blobs").join(format!("sha256-{digest}"));
    let tag = manifest.file_name()?.to_str()?;
    let model = manifest.parent()?.file_name()?.to_str()?;
    path.is_file().then(|| LocalModel { name: format!("{model}:{tag}"), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn places(root: &Path) -> Places {
        let home = root.to_str().unwrap().to_owned();
        Places::usual(|name| (name == "HOME").then(|| home.clone()))
    }

    #[test]
    fn models_of_every_program_are_found() {
        let home = tempfile::tempdir().unwrap();
        let manifest =
            r#"{"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:0a1b"}]}"#;
        put(home.path(), ".ollama/models/manifests/example.org/library/llama3.1/latest", manifest);
        put(home.path(), ".ollama/models/blobs/sha256-0a1b", "GGUF");
        put(home.path(), ".lmstudio/models/maker/repo/Phi-4-Q4_K_M.gguf", "GGUF");
        put(home.path(), ".lmstudio/models/maker/repo/mmproj-Phi-4.gguf", "GGUF");
        let hub = ".cache/huggingface/hub/models--a--b/snapshots/12ab";
        put(home.path(), &format!("{hub}/Big-00001-of-00002.gguf"), "GGUF");
        put(home.path(), &format!("{hub}/Big-00002-of-00002.gguf"), "GGUF");
        put(home.path(), &format!("{hub}/README.md"), "text");
        let found = models(&places(home.path()));
        let names: Vec<&str> = found.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["Big", "Phi-4-Q4_K_M", "llama3.1:latest"]);
        assert!(find(&found, "big").unwrap().path.ends_with("Big-00001-of-00002.gguf"));
        assert!(find(&found, "llama3.1").unwrap().path.ends_with("blobs/sha256-0a1b"));
        assert_eq!(find(&found, "llama3.2"), None);
    }

    #[test]
    fn a_manifest_cannot_point_outside_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let manifest = r#"{"layers":[{"mediaType":"x.image.model","digest":"sha256:../../../secret"}]}"#;
        put(home.path(), ".ollama/models/manifests/h/library/evil/latest", manifest);
        put(home.path(), ".ollama/models/manifests/h/library/broken/latest", "{");
        put(
            home.path(),
            ".ollama/models/manifests/h/library/gone/latest",
            &manifest.replace("../../../secret", "ff"),
        );
        assert_eq!(models(&places(home.path())), []);
    }

    #[test]
    fn no_home_no_models() {
        assert_eq!(models(&Places::usual(|_| None)), []);
    }
}
