//! Finds machines, models and quantizations by whatever people call them.
//!
//! A name is tried as it stands (case, spaces and dashes do not count), then without the words that
//! say nothing about shape, then as the start or a part of catalog names. An ambiguous name gives
//! all its candidates; an unknown one the nearest names.

mod text;

use crate::catalog::{Catalog, Model};
use crate::machine::Machine;
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
        if let Some(machine) =
            self.machines.iter().find(|machine| machine_keys(machine).any(|other| other == key))
        {
            return Lookup::One(machine);
        }
        let family = self.families.iter().find(|family| {
            [&family.name].into_iter().chain(&family.aliases).any(|other| plain_key(other) == key)
        });
        if let Some(family) = family {
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
        let mut words = machine_words(name);
        words.retain(|word| known.iter().any(|(_, theirs)| theirs.contains(word)));
        if !words
            .iter()
            .any(|word| word.chars().any(|letter| letter.is_ascii_digit()) && !word.ends_with("gb"))
        {
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
        let exact = |model: &'_ Model| ModelMatch {
            model: self.model(&model.slug).unwrap_or(&self.models[0]),
            approximate: false,
        };
        let key = plain_key(name);
        if let Some(model) = self.models.iter().find(|model| model_keys(model).any(|other| other == key)) {
            return Lookup::One(exact(model));
        }
        let key = model_key(name);
        if !key.is_empty() {
            let bare = |model: &&Model| model_names(model).any(|other| model_key(other) == key);
            if let Some(model) = self.models.iter().find(bare) {
                return Lookup::One(exact(model));
            }
        }
        if let Some(model) = self.class_representative(name) {
            return Lookup::One(ModelMatch { model, approximate: true });
        }
        let started: Vec<_> = self.models.iter().filter(|model| starts(model, &key)).collect();
        let found = started.into_iter().map(exact).collect();
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

fn machine_names(machine: &Machine) -> impl Iterator<Item = &String> {
    [&machine.slug, &machine.name].into_iter().chain(&machine.aliases)
}

fn machine_keys(machine: &Machine) -> impl Iterator<Item = String> {
    machine_names(machine).map(|name| plain_key(name))
}

fn model_names(model: &Model) -> impl Iterator<Item = &String> {
    [&model.slug, &model.name].into_iter().chain(&model.aliases)
}

fn model_keys(model: &Model) -> impl Iterator<Item = String> {
    model_names(model).map(|name| plain_key(name))
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
