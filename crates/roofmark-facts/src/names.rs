//! Finds machines, models and quantizations by whatever people call them.
//!
//! A name is tried as it stands (case, spaces and dashes do not count), then without the words that
//! say nothing about shape, then as the start or a part of catalog names. An ambiguous name gives
//! all its candidates; an unknown one the nearest names.

mod text;

use crate::catalog::{Catalog, Family, Model};
use crate::machine::Machine;
use std::collections::HashMap;
use text::{machine_words, model_key, plain_key};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<T> {
    /// One thing.
    One(T),
    /// One of these; the name does not say which.
    Several(Vec<T>),
    /// Nothing; these names are near.
    None {
        /// Catalog names, nearest first.
        nearest: Vec<String>,
    },
}

impl<T> Lookup<T> {
    /// The single thing, where there is one.
    #[must_use]
    pub fn one(self) -> Option<T> {
        match self {
            Self::One(found) => Some(found),
            _ => None,
        }
    }

    /// Everything that the name may stand for.
    #[must_use]
    pub fn all(self) -> Vec<T> {
        match self {
            Self::One(found) => vec![found],
            Self::Several(found) => found,
            Self::None { .. } => Vec::new(),
        }
    }
}

/// A model and whether the name meant it or only its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelMatch<'a> {
    /// The model.
    pub model: &'a Model,
    /// The name is a size class ("70B dense"): the model stands for its class.
    pub approximate: bool,
}

impl Catalog {
    /// The machine that `name` means.
    #[must_use]
    pub fn find_machine(&self, name: &str) -> Lookup<&Machine> {
        let key = plain_key(name);
        if let Some(machine) = self.index.machines.get(&key).and_then(|index| self.machines.get(*index)) {
            return Lookup::One(machine);
        }
        if let Some(family) = self.index.families.get(&key).and_then(|index| self.families.get(*index)) {
            return narrow(family.members.iter().filter_map(|slug| self.machine(slug)).collect(), Vec::new);
        }
        narrow(self.machines_by_words(name), || {
            nearest(name, self.machines.iter().map(|machine| (&machine.slug, machine_names(machine))))
        })
    }

    /// Machines whose slug holds every word of `name`; one that holds no other word wins.
    fn machines_by_words(&self, name: &str) -> Vec<&Machine> {
        let known: Vec<(&Machine, Vec<String>)> =
            self.machines.iter().map(|machine| (machine, machine_words(&machine.slug))).collect();
        let is_known = |word: &String| known.iter().any(|(_, theirs)| theirs.contains(word));
        // A number without a unit may be memory ("m4 max 128").
        let with_unit = |word: String| if is_known(&word) { word } else { format!("{word}gb") };
        let words: Vec<String> =
            machine_words(name).into_iter().map(with_unit).filter(|word| is_known(word)).collect();
        let tells =
            |word: &String| word.chars().any(|letter| letter.is_ascii_digit()) && !word.ends_with("gb");
        if words.len() < 2 && !words.iter().any(tells) {
            return Vec::new();
        }
        let holds = |theirs: &[String]| words.iter().all(|word| theirs.contains(word));
        let found: Vec<_> = known.iter().filter(|(_, theirs)| holds(theirs)).collect();
        let exact = found.iter().find(|(_, theirs)| theirs.len() == words.len());
        match exact {
            Some((machine, _)) => vec![machine],
            None => found.into_iter().map(|(machine, _)| *machine).collect(),
        }
    }

    /// The model that `name` means. A size class ("70B dense") gives a representative.
    #[must_use]
    pub fn find_model(&self, name: &str) -> Lookup<ModelMatch<'_>> {
        let bare = model_key(name);
        let known = self.index.models.get(&plain_key(name)).or_else(|| self.index.bare_models.get(&bare));
        if let Some(model) = known.and_then(|index| self.models.get(*index)) {
            return Lookup::One(ModelMatch { model, approximate: false });
        }
        if let Some(model) = self.class_representative(name) {
            return Lookup::One(ModelMatch { model, approximate: true });
        }
        let started = self.models.iter().filter(|model| starts(model, &bare));
        let found = started.map(|model| ModelMatch { model, approximate: false }).collect();
        narrow_models(found, || {
            nearest(name, self.models.iter().map(|model| (&model.slug, model_names(model))))
        })
    }

    /// "70B dense", "Llama 70B class", "8b": the model that stands for dense models of that size.
    fn class_representative(&self, name: &str) -> Option<&Model> {
        let billions = text::class_size(name)?;
        let distance = |slug: &&&str| {
            let model = self.model(slug);
            model.map_or(f64::INFINITY, |model| (model.params_b / billions).ln().abs())
        };
        let slug = REPRESENTATIVES.iter().min_by(|left, right| distance(left).total_cmp(&distance(right)))?;
        self.model(slug).filter(|model| (model.params_b / billions).ln().abs() < 0.2)
    }
}

/// Dense models that stand for their size class.
const REPRESENTATIVES: &[&str] = &[
    "llama-3.2-1b",
    "llama-3.2-3b",
    "qwen3-4b",
    "llama-2-7b",
    "llama-3.1-8b",
    "gemma-3-12b",
    "llama-2-13b",
    "qwen3-14b",
    "mistral-small-24b-2501",
    "gemma-3-27b",
    "qwen3-32b",
    "llama-3.1-70b",
    "mistral-large-2-123b",
    "llama-3.1-405b",
];

/// Where each name leads. Slugs come before other names, earlier entries before later ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    machines: HashMap<String, usize>,
    families: HashMap<String, usize>,
    models: HashMap<String, usize>,
    bare_models: HashMap<String, usize>,
}

impl Index {
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let slugs = |model: &Model| vec![model.slug.clone()];
        let all = |model: &Model| model_names(model).cloned().collect();
        let machine_slugs = |machine: &Machine| vec![machine.slug.clone()];
        let all_machine_names = |machine: &Machine| machine_names(machine).cloned().collect();
        let family_names =
            |family: &Family| [&family.name].into_iter().chain(&family.aliases).cloned().collect();
        let mut index = Self::default();
        fill(&mut index.machines, &catalog.machines, machine_slugs, plain_key);
        fill(&mut index.machines, &catalog.machines, all_machine_names, plain_key);
        fill(&mut index.families, &catalog.families, family_names, plain_key);
        fill(&mut index.models, &catalog.models, slugs, plain_key);
        fill(&mut index.models, &catalog.models, all, plain_key);
        fill(&mut index.bare_models, &catalog.models, slugs, model_key);
        fill(&mut index.bare_models, &catalog.models, all, model_key);
        index.bare_models.remove("");
        index
    }
}

/// Adds the keys of all names; a key that is there already stays.
fn fill<T>(
    index: &mut HashMap<String, usize>,
    entries: &[T],
    names: impl Fn(&T) -> Vec<String>,
    key: impl Fn(&str) -> String,
) {
    for (position, entry) in entries.iter().enumerate() {
        for name in names(entry) {
            index.entry(key(&name)).or_insert(position);
        }
    }
}

fn machine_names(machine: &Machine) -> impl Iterator<Item = &String> {
    [&machine.slug, &machine.name].into_iter().chain(&machine.aliases)
}

fn model_names(model: &Model) -> impl Iterator<Item = &String> {
    [&model.slug, &model.name].into_iter().chain(&model.aliases)
}

/// The name is the start of one of the model's names, and ends where a number does.
fn starts(model: &Model, key: &str) -> bool {
    key.len() > 2
        && model_names(model).any(|other| {
            model_key(other).strip_prefix(key).is_some_and(|rest| {
                let inside_number = rest.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.')
                    && key.ends_with(|letter: char| letter.is_ascii_digit());
                !inside_number
            })
        })
}

fn narrow<T>(mut found: Vec<T>, nearest: impl FnOnce() -> Vec<String>) -> Lookup<T> {
    match found.len() {
        0 => Lookup::None { nearest: nearest() },
        1 => Lookup::One(found.remove(0)),
        _ => Lookup::Several(found),
    }
}

/// Models of one shape are one answer.
fn narrow_models<'a>(
    found: Vec<ModelMatch<'a>>,
    nearest: impl FnOnce() -> Vec<String>,
) -> Lookup<ModelMatch<'a>> {
    match found.first() {
        Some(first) if found.iter().all(|other| other.model.shape == first.model.shape) => {
            Lookup::One(*first)
        }
        _ => narrow(found, nearest),
    }
}

/// The three entries of which some name is most like `name`.
fn nearest<'a, N>(name: &str, entries: impl Iterator<Item = (&'a String, N)>) -> Vec<String>
where
    N: Iterator<Item = &'a String>,
{
    let wanted: String = name.chars().take(80).collect::<String>().to_lowercase();
    let likeness = |other: &String| strsim::jaro_winkler(&wanted, &other.to_lowercase());
    let mut scored: Vec<(f64, &String)> =
        entries.map(|(slug, names)| (names.map(likeness).fold(0.0, f64::max), slug)).collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    scored.into_iter().take(3).map(|(_, slug)| slug.clone()).collect()
}
