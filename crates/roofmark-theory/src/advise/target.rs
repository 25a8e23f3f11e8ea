//! "What would it take": bandwidth, machines, quantizations, speculation or models that reach a rate.

use super::rates::{Rates, rates};
use super::{Money, holds, standing};
use roofmark_facts::advice::{Reach, Standing, TargetAnswer, Ways, Workload};
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::cost::Uncertain;
use roofmark_facts::machine::Machine;
use roofmark_facts::quant::Quant;

/// A rate of one stream that somebody wants.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Tokens per second.
    pub rate: f64,
    /// Model.
    pub model: &'a Model,
    /// Quantization.
    pub quant: Quant,
    /// Lengths; the streams are taken as one.
    pub workload: Workload,
}

/// Quantizations that are tried, largest first.
const LADDER: [&str; 8] = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K", "IQ2_XXS"];

/// Works out what reaches `target`; `asked` machines get their ways there.
#[must_use]
pub fn target(catalog: &Catalog, target: &Target<'_>, asked: &[&Machine], money: &Money) -> TargetAnswer {
    let profile = target.model.profile(&target.quant);
    let depth = target.workload.cached + target.workload.prompt;
    let bytes = profile.bytes_per_token() + profile.cache_bytes(depth, 2.0);
    let predicted: Vec<(&Machine, Rates)> = catalog
        .machines
        .iter()
        .filter(|machine| holds(machine, &profile, &target.workload).is_ok())
        .filter_map(|machine| Some((machine, rates(machine, target.model, &target.quant, &target.workload)?)))
        .collect();
    let mut shares: Vec<f64> =
        predicted.iter().filter_map(|(_, rates)| Some(rates.decode.rate / rates.decode.ceiling?)).collect();
    shares.sort_by(f64::total_cmp);
    let mut reach: Vec<Reach> =
        predicted.iter().map(|(machine, rates)| reached(machine, rates, target.rate, money)).collect();
    reach.retain(|reach| reach.standing != Standing::Misses);
    let price = |reach: &Reach| reach.price.as_ref().map_or(f64::INFINITY, |price| price.value.middle());
    reach.sort_by(|left, right| {
        let by_price = price(left).total_cmp(&price(right));
        by_price.then(right.rate.middle().total_cmp(&left.rate.middle())).then(left.machine.cmp(&right.machine))
    });
    TargetAnswer {
        rate: target.rate,
        model: target.model.slug.clone(),
        quant: target.quant.label.to_owned(),
        depth,
        gb_per_token: bytes.gb(),
        least_bandwidth_gb_s: bytes.gb() * target.rate,
        efficiency: shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN),
        reach,
        ways: asked.iter().filter_map(|machine| ways(catalog, machine, target, money)).collect(),
        currency: money.currency.clone(),
    }
}

fn reached(machine: &Machine, rates: &Rates, wanted: f64, money: &Money) -> Reach {
    let rate = Uncertain::rate(&rates.decode);
    Reach {
        machine: machine.slug.clone(),
        standing: standing(&rate, wanted),
        rate,
        ceiling: rates.decode.ceiling.map(roofmark_facts::units::TokensPerSecond::get),
        price: money.prices.get(&machine.slug).cloned(),
    }
}

fn ways(catalog: &Catalog, machine: &Machine, target: &Target<'_>, money: &Money) -> Option<Ways> {
    let workload = &target.workload;
    let now = rates(machine, target.model, &target.quant, workload)?;
    let fast_enough = |model: &Model, quant: &Quant| {
        holds(machine, &model.profile(quant), workload).ok()?;
        let rate = rates(machine, model, quant, workload)?.decode.rate.get();
        (rate >= target.rate).then_some(rate)
    };
    let quant = LADDER.iter().filter_map(|label| Quant::parse(label).ok()).find_map(|quant| {
        Some((quant.label.to_owned(), fast_enough(target.model, &quant)?))
    });
    let held = holds(machine, &now.profile, workload).is_ok();
    let accepted = held.then(|| target.rate / now.decode.rate.get());
    let mut smaller: Vec<&Model> =
        catalog.models.iter().filter(|model| model.params_b < target.model.params_b).collect();
    smaller.sort_by(|left, right| right.params_b.total_cmp(&left.params_b).then(left.slug.cmp(&right.slug)));
    let models = smaller.into_iter().filter_map(|model| {
        Some((model.slug.clone(), fast_enough(model, &target.quant)?))
    });
    Some(Ways { now: reached(machine, &now, target.rate, money), quant, accepted, models: models.take(3).collect() })
}
