//! From names and published rows to jobs; refusals where there is no ground for a prediction.

use crate::job::{Job, SOFTWARE_OF_TODAY};
use crate::software::{Backend, Engine};
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::evidence::{MeasuredPhase, Measurement, Speculation};
use roofmark_facts::machine::Machine;
use roofmark_facts::names::Lookup;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::{Quant, UnknownQuant};
use roofmark_facts::units::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Why a configuration is not predicted. Completes "failed to predict: …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The catalog has no such machine.
    #[error("`{name}` is not a known machine; nearest: {}", nearest.join(", "))]
    Machine {
        /// What was asked for.
        name: String,
        /// Names that look like it.
        nearest: Vec<String>,
    },
    /// The catalog has no such model.
    #[error("`{name}` is not a known model; nearest: {}", nearest.join(", "))]
    Model {
        /// What was asked for.
        name: String,
        /// Names that look like it.
        nearest: Vec<String>,
    },
    /// No such quantization.
    #[error("`{name}` is not a known quantization; nearest: {}", nearest.join(", "))]
    Quant {
        /// What was asked for.
        name: String,
        /// Labels that look like it.
        nearest: Vec<String>,
    },
    /// The row does not say how the weights are stored.
    #[error("the quantization is not stated, and no file size either")]
    NoQuant,
    /// The machine's memory bandwidth is not known.
    #[error("the memory bandwidth of `{0}` is not known")]
    NoBandwidth(String),
    /// Speculative decoding without its accepted length.
    #[error("speculative decoding, accepted length not stated")]
    Speculation,
    /// Two options cannot hold together.
    #[error("{0}")]
    Contradiction(String),
}

/// Profiles that were built before, by model, quantization and file size.
#[derive(Default)]
pub struct Profiles {
    known: HashMap<(String, String, u64), Arc<Profile>>,
}

impl Profiles {
    /// The profile of `model` in the quantization `label`, its bytes scaled to `file` where that is stated.
    ///
    /// # Errors
    /// [`Refusal::NoQuant`] and [`Refusal::Quant`].
    pub fn get(
        &mut self,
        model: &Model,
        label: Option<&str>,
        file: Option<Bytes>,
    ) -> Result<Arc<Profile>, Refusal> {
        let key =
            (model.slug.clone(), label.unwrap_or("").to_owned(), file.map_or(0, |bytes| bytes.get() as u64));
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let profile = Arc::new(build(model, label, file)?);
        self.known.insert(key, Arc::clone(&profile));
        Ok(profile)
    }
}

fn build(model: &Model, label: Option<&str>, file: Option<Bytes>) -> Result<Profile, Refusal> {
    let parsed = label.map(parse_quant);
    let profile = match (parsed, file) {
        (Some(Ok(quant)), _) => model.profile(&quant),
        (Some(Err(_)) | None, Some(bytes)) => by_size(model, bytes),
        (Some(Err(unknown)), None) => {
            let nearest = unknown.nearest.into_iter().map(str::to_owned).collect();
            return Err(Refusal::Quant { name: unknown.text, nearest });
        }
        (None, None) => return Err(Refusal::NoQuant),
    };
    Ok(match file {
        Some(bytes) => scaled(profile, bytes),
        None => profile,
    })
}

/// Reads a label in the spellings of the catalog and of published rows.
fn parse_quant(label: &str) -> Result<Quant, UnknownQuant> {
    let lower = label.to_lowercase();
    let stand_in = match () {
        () if lower.contains("iq2_xxs") && lower.contains("mix") => "IQ2_XXS-DS4",
        () if lower.contains("autoround") => "GPTQ-INT4",
        () => label,
    };
    Quant::parse(stand_in).or_else(|_| Quant::parse(label))
}

/// The standard quantization whose size comes nearest to `file`.
fn by_size(model: &Model, file: Bytes) -> Profile {
    let labels = ["BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"];
    let profiles =
        labels.iter().filter_map(|label| Quant::parse(label).ok()).map(|quant| model.profile(&quant));
    let distance = |profile: &Profile| (profile.tensor_bytes / file).ln().abs();
    profiles
        .min_by(|left, right| distance(left).total_cmp(&distance(right)))
        .unwrap_or_else(|| Profile::from_shape(&model.slug, &model.shape, &Quant::all()[0]))
}

/// How far a stated file size may be from the computed one and still be believed.
const BELIEVABLE: std::ops::Range<f64> = 0.6..1.7;

/// The profile with its weights scaled so that they fill a file of `file` bytes. A size that is far from the computed
/// one (several parts, another quantization) is not believed, and the profile stays as it is.
#[must_use]
pub fn scaled(mut profile: Profile, file: Bytes) -> Profile {
    let factor = file / profile.tensor_bytes;
    if !BELIEVABLE.contains(&factor) {
        return profile;
    }
    profile.tensor_bytes = profile.tensor_bytes * factor;
    profile.fixed_bytes = profile.fixed_bytes * factor;
    profile.head_bytes = profile.head_bytes * factor;
    for group in &mut profile.experts {
        group.bytes = group.bytes * factor;
    }
    profile
}

/// The machine that `name` means.
///
/// # Errors
/// [`Refusal::Machine`] with the nearest names.
pub fn machine<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Machine, Refusal> {
    if let Some(machine) = catalog.machine(name) {
        return Ok(machine);
    }
    match catalog.find_machine(name) {
        Lookup::One(machine) => Ok(machine),
        Lookup::Several(found) => Err(Refusal::Machine {
            name: name.to_owned(),
            nearest: found.iter().take(6).map(|machine| machine.slug.clone()).collect(),
        }),
        Lookup::None { nearest } => Err(Refusal::Machine { name: name.to_owned(), nearest }),
    }
}

/// The model that `name` means: slug, alias, hub name with or without its owner.
///
/// # Errors
/// [`Refusal::Model`] with the nearest names.
pub fn model<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Model, Refusal> {
    match catalog.find_model(name) {
        Lookup::One(found) => Ok(found.model),
        Lookup::Several(found) => Err(Refusal::Model {
            name: name.to_owned(),
            nearest: found.iter().take(6).map(|entry| entry.model.slug.clone()).collect(),
        }),
        Lookup::None { nearest } => Err(Refusal::Model { name: name.to_owned(), nearest }),
    }
}

/// The job that a published row measured.
///
/// # Errors
/// A [`Refusal`] where the row leaves out what decides it.
pub fn job<'a>(catalog: &'a Catalog, profiles: &mut Profiles, row: &Measurement) -> Result<Job<'a>, Refusal> {
    let machine = machine(catalog, &row.machine)?;
    let model = model(catalog, &row.model)?;
    let profile = profiles.get(model, row.quant.as_deref(), row.file)?;
    if machine.bandwidth.is_none() {
        return Err(Refusal::NoBandwidth(machine.slug.clone()));
    }
    if row.speculation != Speculation::None && row.phase != MeasuredPhase::Prefill {
        return Err(Refusal::Speculation);
    }
    let engine = Engine::parse(row.engine.as_deref().unwrap_or(""));
    let notes = row.notes.to_lowercase();
    let mlx = notes.split(';').next().is_some_and(|first| first.contains("mlx")) || row.model.contains("mlx");
    let stated = row.backend.as_deref().and_then(Backend::parse).filter(|backend| backend.runs_on(machine));
    let backend = match stated {
        Some(backend) if !(mlx && backend == Backend::Metal) => backend,
        _ if mlx && Backend::Mlx.runs_on(machine) => Backend::Mlx,
        _ => Backend::usual(machine, engine),
    };
    Ok(workload(Job::decode(machine, profile, engine, backend, 0.0), row, &notes))
}

/// Fills in what the row says of its workload.
fn workload<'a>(mut job: Job<'a>, row: &Measurement, notes: &str) -> Job<'a> {
    let count = |value: Option<u64>| value.map(|tokens| tokens as f64);
    job.phase = row.phase;
    job.batch = row.concurrency.max(1) as f64;
    job.generated = count(row.generated).filter(|tokens| *tokens >= 1.0).unwrap_or(128.0).max(16.0);
    job.prompt = count(row.prompt).filter(|tokens| *tokens >= 1.0).unwrap_or(512.0);
    job.depth = count(row.depth).unwrap_or(0.0);
    let prompt_is_cached = row.depth.is_none_or(|depth| depth == 0) && job.engine.is_server();
    if !job.is_prefill() && prompt_is_cached {
        job.depth += count(row.prompt).unwrap_or(0.0);
    }
    job.chunk = number_after(notes, "n_ubatch=");
    job.no_flash = number_after(notes, "fa=") == Some(0.0) || notes.contains("no flash");
    job.eager = notes.contains("enforce-eager");
    job.cache_element = cache_element(notes);
    job.year = row.date.as_deref().and_then(years).unwrap_or(SOFTWARE_OF_TODAY / 2.0);
    job
}

/// Bytes of one cached element that the notes disclose; f16 where they say nothing.
fn cache_element(notes: &str) -> f64 {
    let says = |what: &str| notes.contains(&format!("kv cache {what}")) || notes.contains(&format!("kv {what}"));
    match () {
        () if says("fp8") => 1.0,
        () if says("q8_0") => 1.0625,
        () if says("q4_0") || notes.contains("q4_0 kv") => 0.5625,
        () => 2.0,
    }
}

/// The number that follows `key` in `text`.
fn number_after(text: &str, key: &str) -> Option<f64> {
    let rest = &text[text.find(key)? + key.len()..];
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Years from 2026-01-01 of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
#[must_use]
pub fn years(date: &str) -> Option<f64> {
    let mut parts = date.split('-').map(|part| part.trim().parse::<f64>().ok());
    let year = parts.next()??;
    let month = parts.next().flatten().unwrap_or(6.0);
    let day = parts.next().flatten().unwrap_or(1.0);
    Some(year - 2026.0 + (month - 1.0) / 12.0 + (day - 1.0) / 365.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::evidence::measurements;

    #[test]
    fn nearly_every_row_with_a_quantization_is_a_job() {
        let mut profiles = Profiles::default();
        let catalog = Catalog::builtin();
        let mut refused: HashMap<String, usize> = HashMap::new();
        let rows =
            measurements().iter().filter(|row| row.quant.is_some() && row.speculation == Speculation::None);
        let mut all = 0;
        for row in rows {
            all += 1;
            if let Err(refusal) = job(catalog, &mut profiles, row) {
                *refused.entry(refusal.to_string()).or_default() += 1;
            }
        }
        let count: usize = refused.values().sum();
        assert!(count * 50 < all, "{count} of {all} refused: {refused:?}");
    }

    #[test]
    fn dates_of_any_precision_become_years() {
        for (text, expected) in [("2026", 0.417), ("2026-01-01", 0.0), ("2025-07-13", -0.467)] {
            assert!((years(text).unwrap_or(9.0) - expected).abs() < 0.01, "{text}");
        }
        assert_eq!(years("soon"), None);
    }
}
