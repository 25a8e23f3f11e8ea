//! Reads catalog files: the stored form of each table, and its conversion.

use super::{Answer, ApiPrice, Catalog, CatalogError, Family, Model, Price, Support, Tariff};
use crate::machine::{Basis, Machine, MachineKind, Source, Sourced};
use crate::shape::Shape;
use crate::units::{Bytes, BytesPerSecond, FlopPerSecond, Watts};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    source: BTreeMap<String, Source>,
    #[serde(default)]
    machine: Vec<StoredMachine>,
    #[serde(default)]
    family: Vec<Family>,
    #[serde(default)]
    model: Vec<StoredModel>,
    #[serde(default)]
    price: Vec<StoredPrice>,
    #[serde(default)]
    api_price: Vec<StoredApiPrice>,
    #[serde(default)]
    tariff: Vec<StoredTariff>,
    #[serde(default)]
    support: Vec<StoredSupport>,
    #[serde(default)]
    answer: Vec<StoredAnswer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMachine {
    slug: String,
    vendor: String,
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    kind: MachineKind,
    class: String,
    #[serde(default)]
    owner_memory_clock: bool,
    memory_type: Option<String>,
    #[serde(default)]
    os: Vec<String>,
    released: Option<String>,
    portable: Option<bool>,
    silent: Option<bool>,
    notes: Option<String>,
    #[serde(default)]
    facts: BTreeMap<String, StoredFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFact {
    value: f64,
    source: String,
    basis: Basis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredModel {
    slug: String,
    name: String,
    maker: String,
    released: String,
    #[serde(default)]
    aliases: Vec<String>,
    params_b: f64,
    active_b: Option<f64>,
    source: String,
    like: Option<String>,
    config: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPrice {
    machine: String,
    amount: f64,
    currency: String,
    condition: String,
    date: String,
    #[serde(default)]
    claim: bool,
    note: Option<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredApiPrice {
    model: String,
    input_usd_per_m: f64,
    output_usd_per_m: f64,
    date: String,
    note: Option<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTariff {
    region: String,
    amount_per_kwh: f64,
    currency: String,
    date: String,
    #[serde(default)]
    claim: bool,
    note: Option<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSupport {
    engine: String,
    machine_class: String,
    status: String,
    since: String,
    backend: Option<String>,
    note: Option<String>,
    evidence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredAnswer {
    question: String,
    answer: String,
    date: String,
    evidence: Vec<String>,
}

/// The sources of one file.
struct Sources<'a> {
    file: &'a str,
    list: BTreeMap<String, Source>,
}

impl Sources<'_> {
    fn get(&self, entry: &str, id: &str) -> Result<Source, CatalogError> {
        self.list.get(id).cloned().ok_or_else(|| CatalogError::Source {
            file: self.file.to_owned(),
            entry: entry.to_owned(),
            source_id: id.to_owned(),
        })
    }
}

pub(super) fn merge(catalog: &mut Catalog, file: &str, text: &str) -> Result<(), CatalogError> {
    let stored: File = toml::from_str(text)
        .map_err(|error| CatalogError::Form { file: file.to_owned(), message: error.to_string() })?;
    let sources = Sources { file, list: stored.source };
    for machine in stored.machine {
        let machine = convert_machine(machine, &sources)?;
        put(&mut catalog.machines, machine, |machine| &machine.slug);
    }
    for family in stored.family {
        put(&mut catalog.families, family, |family| &family.name);
    }
    // A copy may stand before its original: originals first.
    let (originals, copies): (Vec<_>, Vec<_>) =
        stored.model.into_iter().partition(|model| model.config.is_some());
    for model in originals.into_iter().chain(copies) {
        let model = convert_model(model, &sources, &catalog.models)?;
        put(&mut catalog.models, model, |model| &model.slug);
    }
    merge_prices(catalog, stored.price, stored.api_price, stored.tariff, &sources)?;
    merge_engines(catalog, stored.support, stored.answer, &sources)
}

fn put<T>(list: &mut Vec<T>, item: T, name: impl Fn(&T) -> &String) {
    match list.iter_mut().find(|old| name(old) == name(&item)) {
        Some(old) => *old = item,
        None => list.push(item),
    }
}

fn merge_prices(
    catalog: &mut Catalog,
    prices: Vec<StoredPrice>,
    api_prices: Vec<StoredApiPrice>,
    tariffs: Vec<StoredTariff>,
    sources: &Sources,
) -> Result<(), CatalogError> {
    for stored in prices {
        let source = sources.get(&stored.machine, &stored.source)?;
        let StoredPrice { machine, amount, currency, condition, date, claim, note, .. } = stored;
        catalog.prices.push(Price { machine, amount, currency, condition, date, claim, note, source });
    }
    for stored in api_prices {
        let source = sources.get(&stored.model, &stored.source)?;
        let StoredApiPrice { model, input_usd_per_m, output_usd_per_m, date, note, .. } = stored;
        catalog.api_prices.push(ApiPrice { model, input_usd_per_m, output_usd_per_m, date, note, source });
    }
    for stored in tariffs {
        let source = sources.get(&stored.region, &stored.source)?;
        let StoredTariff { region, amount_per_kwh, currency, date, claim, note, .. } = stored;
        catalog.tariffs.push(Tariff { region, amount_per_kwh, currency, date, claim, note, source });
    }
    Ok(())
}

fn merge_engines(
    catalog: &mut Catalog,
    support: Vec<StoredSupport>,
    answers: Vec<StoredAnswer>,
    sources: &Sources,
) -> Result<(), CatalogError> {
    for stored in support {
        let source = sources.get(&stored.engine, &stored.evidence)?;
        let StoredSupport { engine, machine_class, status, since, backend, note, .. } = stored;
        catalog.support.push(Support { engine, machine_class, status, since, backend, note, source });
    }
    for stored in answers {
        let StoredAnswer { question, answer, date, evidence } = stored;
        let sources = evidence.iter().map(|id| sources.get(&question, id)).collect::<Result<_, _>>()?;
        catalog.answers.push(Answer { question, answer, date, sources });
    }
    Ok(())
}

fn convert_model(stored: StoredModel, sources: &Sources, known: &[Model]) -> Result<Model, CatalogError> {
    let source = sources.get(&stored.slug, &stored.source)?;
    let like = stored.like.as_deref().and_then(|slug| known.iter().find(|model| model.slug == slug));
    let shape = match (&stored.config, like) {
        (Some(config), _) => Shape::from_config(config).map_err(|error| CatalogError::Config {
            file: sources.file.to_owned(),
            model: stored.slug.clone(),
            error,
        })?,
        (None, Some(like)) => like.shape.clone(),
        (None, None) => {
            return Err(CatalogError::NoShape { file: sources.file.to_owned(), model: stored.slug });
        }
    };
    let StoredModel { slug, name, maker, released, aliases, params_b, active_b, .. } = stored;
    Ok(Model { slug, name, maker, released, aliases, params_b, active_b, source, shape })
}

/// The facts of one machine, taken out one by one so that a misspelt name is noticed.
struct Facts<'a> {
    machine: &'a str,
    sources: &'a Sources<'a>,
    list: BTreeMap<String, StoredFact>,
}

impl Facts<'_> {
    fn take<T>(&mut self, name: &str, unit: impl Fn(f64) -> T) -> Result<Option<Sourced<T>>, CatalogError> {
        let Some(fact) = self.list.remove(name) else { return Ok(None) };
        if !(fact.value.is_finite() && fact.value >= 0.0) {
            return Err(self.wrong(name, fact.value));
        }
        let source = self.sources.get(self.machine, &fact.source)?;
        Ok(Some(Sourced { value: unit(fact.value), basis: fact.basis, source }))
    }

    fn wrong(&self, name: &str, value: f64) -> CatalogError {
        CatalogError::Fact {
            file: self.sources.file.to_owned(),
            machine: self.machine.to_owned(),
            fact: name.to_owned(),
            value,
        }
    }
}

const PEAKS: &[(&str, &str)] = &[
    ("fp32", "fp32_tflops"),
    ("fp16", "fp16_dense_tflops"),
    ("bf16", "bf16_dense_tflops"),
    ("fp8", "fp8_dense_tflops"),
    ("int8", "int8_dense_tops"),
    ("fp4", "fp4_dense_tflops"),
];

fn convert_machine(stored: StoredMachine, sources: &Sources) -> Result<Machine, CatalogError> {
    let mut facts = Facts { machine: &stored.slug, sources, list: stored.facts };
    let mut peaks = Vec::new();
    for (kind, name) in PEAKS {
        if let Some(peak) = facts.take(name, FlopPerSecond::from_tera)? {
            peaks.push(((*kind).to_owned(), peak));
        }
    }
    let machine = Machine {
        memory: facts.take("memory_gib", Bytes::from_gib)?,
        usable: facts.take("usable_gib", Bytes::from_gib)?,
        bandwidth: facts.take("bandwidth_gb_s", BytesPerSecond::from_gb)?,
        measured_read: facts.take("measured_read_gb_s", BytesPerSecond::from_gb)?,
        cache: facts.take("last_level_cache_mb", |mb| Bytes(mb * 1e6))?,
        link: facts.take("link_gb_s", BytesPerSecond::from_gb)?,
        network: facts.take("network_gb_s", BytesPerSecond::from_gb)?,
        tdp: facts.take("tdp_w", Watts)?,
        load: facts.take("load_w", Watts)?,
        prefill_power: facts.take("prefill_w", Watts)?,
        idle: facts.take("idle_w", Watts)?,
        noise_db: facts.take("noise_db", |value| value)?,
        cpu_cores: facts.take("cpu_cores", |value| value)?,
        gpu_cores: facts.take("gpu_cores", |value| value)?,
        peaks,
        slug: stored.slug.clone(),
        vendor: stored.vendor,
        name: stored.name,
        aliases: stored.aliases,
        kind: stored.kind,
        class: stored.class,
        owner_memory_clock: stored.owner_memory_clock,
        os: stored.os,
        released: stored.released,
        portable: stored.portable,
        silent: stored.silent,
        memory_type: stored.memory_type,
        notes: stored.notes,
    };
    match facts.list.iter().next() {
        Some((name, fact)) => Err(facts.wrong(name, fact.value)),
        None => Ok(machine),
    }
}
