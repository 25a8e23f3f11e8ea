//! What was measured elsewhere: published rows that answer a claim.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::claim::{Claim, Elsewhere, Phase};
use roofmark_facts::evidence::{MeasuredPhase, Measurement, Speculation, source};
use std::collections::HashMap;

/// Measured rows by model.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    by_model: HashMap<String, Vec<&'a Measurement>>,
    /// The first model of the catalog with the same shape.
    twins: HashMap<String, String>,
}

impl<'a> Evidence<'a> {
    /// Sorts `rows` by the catalog's models; rows of unknown models are left out.
    #[must_use]
    pub fn of(rows: &'a [Measurement], catalog: &Catalog) -> Self {
        let twins = twins(catalog);
        let mut slugs: HashMap<&str, Option<String>> = HashMap::new();
        let mut by_model: HashMap<String, Vec<&Measurement>> = HashMap::new();
        for row in rows {
            let slug = slugs.entry(row.model.as_str()).or_insert_with(|| model_slug(&row.model, catalog));
            if let Some(slug) = slug {
                let slug = twins.get(slug).unwrap_or(slug);
                by_model.entry(slug.clone()).or_default().push(row);
            }
        }
        Self { by_model, twins }
    }

    /// Rows of the claim's model, machine, phase and concurrency, in groups of one quantization: the claim's own where
    /// it was measured, else all.
    #[must_use]
    pub fn elsewhere(&self, claim: &Claim, catalog: &Catalog) -> Vec<Elsewhere> {
        let rows = self.rows(claim, catalog);
        let own: Vec<&Measurement> =
            rows.iter().copied().filter(|row| same_quant(row, claim.quant.as_deref())).collect();
        let rows = if own.is_empty() { rows } else { own };
        let mut groups: Vec<(String, Vec<&Measurement>)> = Vec::new();
        for row in rows {
            let name = row.quant.clone().unwrap_or_else(|| "quantization not stated".into());
            match groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, list)) => list.push(row),
                None => groups.push((name, vec![row])),
            }
        }
        groups.sort_by_key(|(_, list)| std::cmp::Reverse(list.len()));
        groups.iter().take(3).map(|(name, list)| summary(name, list)).collect()
    }

    /// Lowest and highest rate of rows with the claim's own quantization.
    pub(super) fn span(&self, claim: &Claim, label: &str, catalog: &Catalog) -> Option<(f64, f64)> {
        let rows = self.rows(claim, catalog);
        let rates = rows.iter().filter(|row| same_quant(row, Some(label))).map(|row| row.rate.get());
        rates.fold(None, |span, rate| {
            span.map_or(Some((rate, rate)), |(low, high): (f64, f64)| Some((low.min(rate), high.max(rate))))
        })
    }

    /// Best rate that was measured of the claim's configuration.
    pub(super) fn best(&self, claim: &Claim, catalog: &Catalog) -> Option<f64> {
        let rows = self.rows(claim, catalog);
        let own = rows.iter().filter(|row| claim.quant.is_none() || same_quant(row, claim.quant.as_deref()));
        own.map(|row| row.rate.get()).max_by(f64::total_cmp)
    }

    fn rows(&self, claim: &Claim, catalog: &Catalog) -> Vec<&'a Measurement> {
        let model = claim.models.first().cloned().or_else(|| {
            let class = catalog.find_model(claim.model.as_deref()?).all();
            class.first().map(|found| found.model.slug.clone())
        });
        let model = model.map(|slug| self.twins.get(&slug).cloned().unwrap_or(slug));
        let Some(rows) = model.and_then(|slug| self.by_model.get(&slug)) else { return Vec::new() };
        let families: Vec<String> = claim.machines.iter().map(|slug| family(slug)).collect();
        let fits = |row: &&&Measurement| {
            row.flag.is_none()
                && (claim.machines.contains(&row.machine) || families.contains(&family(&row.machine)))
                && same_phase(row, claim)
                && row.devices == claim.devices.max(1)
                && (row.speculation == Speculation::None || claim.speculation)
        };
        rows.iter().filter(fits).copied().collect()
    }
}

/// Models by the first one with the same shape: a fine-tune is as fast as what it was tuned from.
fn twins(catalog: &Catalog) -> HashMap<String, String> {
    let first = |at: usize| catalog.models[..at].iter().find(|other| other.shape == catalog.models[at].shape);
    (0..catalog.models.len())
        .filter_map(|at| Some((catalog.models[at].slug.clone(), first(at)?.slug.clone())))
        .collect()
}

fn model_slug(name: &str, catalog: &Catalog) -> Option<String> {
    let found = catalog.find_model(name).all();
    found.first().map(|found| found.model.slug.clone())
}

/// A machine's slug without core count and memory.
fn family(slug: &str) -> String {
    let attribute = |part: &&str| {
        let number = part.strip_suffix("gb").or_else(|| part.strip_suffix('c'));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    slug.split('-').filter(|part| !attribute(part)).collect::<Vec<_>>().join("-")
}

fn same_phase(row: &Measurement, claim: &Claim) -> bool {
    let phase = match row.phase {
        MeasuredPhase::Prefill => Phase::Prefill,
        MeasuredPhase::Decode => Phase::Decode,
        MeasuredPhase::DecodeBatched => Phase::DecodeBatched,
    };
    phase == claim.phase
        && (claim.phase == Phase::Prefill || claim.concurrency.is_none_or(|n| n == row.concurrency))
}

fn same_quant(row: &Measurement, label: Option<&str>) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    match (row.quant.as_deref(), label) {
        (Some(row), Some(label)) => {
            plain(row) == plain(label) || plain(row).starts_with(&plain(label)) && label.len() <= 4
        }
        _ => false,
    }
}

fn summary(name: &str, rows: &[&Measurement]) -> Elsewhere {
    let low = rows.iter().map(|row| row.rate.get()).fold(f64::INFINITY, f64::min);
    let high = rows.iter().map(|row| row.rate.get()).fold(0.0, f64::max);
    let mut sources: Vec<String> = rows
        .iter()
        .filter_map(|row| source(&row.source))
        .map(|source| if source.url.is_empty() { source.title.clone() } else { source.url.clone() })
        .collect();
    sources.sort();
    sources.dedup();
    let what = format!("{} {name} on {}", rows[0].model, rows[0].machine);
    Elsewhere { what, low, high, rows: rows.len(), sources }
}
