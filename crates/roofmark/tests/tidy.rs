//! The project's own rules, read off its sources: crate edges, function length, top comments, words.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Longest function in lines, signature and braces included.
const LONGEST_FUNCTION: usize = 70;

/// Which of our crates each crate may depend on. A crate that is not listed fails the test.
const EDGES: &[(&str, &[&str])] = &[
    ("roofmark-facts", &[]),
    ("roofmark-theory", &["roofmark-facts"]),
    ("roofmark-verdict", &["roofmark-facts"]),
    ("roofmark-measure", &["roofmark-facts"]),
    ("roofmark-gpu", &["roofmark-facts"]),
    ("roofmark-ledger", &["roofmark-facts"]),
    ("roofmark-report", &["roofmark-facts"]),
    ("roofmark-testing", &["roofmark-facts"]),
    ("roofmark-llama", &["roofmark-facts", "roofmark-measure"]),
    (
        "roofmark-web",
        &[
            "roofmark-facts",
            "roofmark-theory",
            "roofmark-verdict",
            "roofmark-measure",
            "roofmark-ledger",
            "roofmark-report",
        ],
    ),
    (
        "roofmark",
        &[
            "roofmark-facts",
            "roofmark-theory",
            "roofmark-verdict",
            "roofmark-measure",
            "roofmark-llama",
            "roofmark-gpu",
            "roofmark-ledger",
            "roofmark-report",
            "roofmark-web",
        ],
    ),
];

/// Crates whose library code may hold `unsafe`.
const MAY_BE_UNSAFE: &[&str] = &["roofmark-gpu", "roofmark-llama", "roofmark-measure"];

/// Crates that do no input or output and read no clock.
const PURE: &[&str] = &["roofmark-facts", "roofmark-theory", "roofmark-verdict", "roofmark-report"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace root")
}

fn crates() -> BTreeMap<String, PathBuf> {
    fs::read_dir(root().join("crates"))
        .expect("crates/")
        .map(|entry| entry.expect("an entry of crates/"))
        .map(|entry| (entry.file_name().into_string().expect("a UTF-8 name"), entry.path()))
        .collect()
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    files(folder, "rs", &mut paths);
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("a source file"))).collect()
}

#[test]
fn crates_depend_only_along_the_star() {
    let edges: BTreeMap<_, _> = EDGES.iter().copied().collect();
    for (name, path) in crates() {
        let allowed = edges.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no row in EDGES"));
        let manifest = fs::read_to_string(path.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        for section in ["dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for dependency in table.keys().filter(|key| key.starts_with("roofmark")) {
                assert!(allowed.contains(&dependency.as_str()), "{name} may not depend on {dependency}");
            }
        }
    }
}

#[test]
fn each_file_says_what_it_is_for() {
    let silent: Vec<_> = sources(&root().join("crates"))
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no top comment in {silent:#?}");
}

struct Functions<'a> {
    path: &'a Path,
    long: Vec<String>,
}

impl Functions<'_> {
    fn note(&mut self, name: &str, span: proc_macro2::Span) {
        let lines = span.end().line - span.start().line + 1;
        if lines > LONGEST_FUNCTION {
            self.long.push(format!("{}:{} {name}: {lines} lines", self.path.display(), span.start().line));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.sig.ident.to_string(), item.block.span());
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.sig.ident.to_string(), item.block.span());
        syn::visit::visit_impl_item_fn(self, item);
    }
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for (path, text) in sources(&root().join("crates")) {
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut functions = Functions { path: &path, long: Vec::new() };
        functions.visit_file(&file);
        long.append(&mut functions.long);
    }
    assert!(long.is_empty(), "functions over {LONGEST_FUNCTION} lines:\n{}", long.join("\n"));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    for (name, path) in crates() {
        let library = path.join("src");
        if MAY_BE_UNSAFE.contains(&name.as_str()) {
            continue;
        }
        let top =
            ["lib.rs", "main.rs"].into_iter().find_map(|file| fs::read_to_string(library.join(file)).ok());
        let top = top.unwrap_or_else(|| panic!("{name} has neither lib.rs nor main.rs"));
        assert!(top.contains("#![forbid(unsafe_code)]"), "{name} does not forbid unsafe code");
    }
}

#[test]
fn unsafe_in_measure_is_one_module() {
    let folder = root().join("crates/roofmark-measure/src");
    let modules: Vec<_> = sources(&folder)
        .into_iter()
        .filter(|(_, text)| {
            text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("unsafe {"))
        })
        .map(|(path, _)| path)
        .collect();
    let room = folder.join("simd");
    let outside: Vec<_> = modules.iter().filter(|path| !path.starts_with(&room)).collect();
    assert!(outside.is_empty(), "unsafe blocks of roofmark-measure outside its module simd: {outside:#?}");
}

#[test]
fn pure_crates_touch_neither_files_nor_clocks() {
    let forbidden =
        ["std::fs", "std::net", "std::process", "SystemTime::now", "Instant::now", "std::env::var"];
    for name in PURE {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in forbidden {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn lints_are_expected_with_a_reason() {
    // Written in two parts so that this file does not find itself.
    let bare = concat!("#[", "allow(");
    for (path, text) in sources(&root().join("crates")) {
        assert!(!text.contains(bare), "{}: use expect with a reason", path.display());
    }
}

#[test]
fn documents_name_no_registry_host_and_no_private_path() {
    let forbidden =
        [concat!("crates", ".io"), concat!("pypi", ".org"), concat!("npmjs", ".com"), concat!("/", "work/")];
    let mut paths = Vec::new();
    for ending in ["md", "rs", "toml", "sh"] {
        for folder in ["crates", "docs", "benches", "scripts", ".ci"] {
            files(&root().join(folder), ending, &mut paths);
        }
    }
    paths.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile"]
            .map(|name| root().join(name)),
    );
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for word in forbidden {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}
