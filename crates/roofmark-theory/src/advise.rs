//! Ranks machines for a workload: a search over predictions, engine support, prices and constraints.

mod rates;
mod support;
mod target;

pub use rates::{Rates, rates, rates_with};
pub use support::{newest_support, runs, support_class, vendor_support};
pub use target::{Target, target};

use crate::cost::{below, facts, simulate};
use roofmark_facts::advice::{Exclusion, Order, Place, Reason, Standing, Workload};
use roofmark_facts::bounds;
use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::cost::{Input, Metric, Quantity, Question, Requests, Summary, Uncertain};
use roofmark_facts::machine::{Machine, MachineKind};
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::units::{Bytes, significant};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Money of all machines.
#[derive(Clone, Debug)]
pub struct Money {
    /// ISO code.
    pub currency: String,
    /// Inputs that do not depend on the machine.
    pub common: BTreeMap<Quantity, Input>,
    /// Prices by machine; a machine that is absent has no known price.
    pub prices: BTreeMap<String, Input>,
    /// Seed of the draws.
    pub seed: u64,
}

/// What a machine has to be. An absent constraint allows everything.
#[derive(Clone, Debug, Default)]
pub struct Constraints {
    /// Highest price.
    pub budget: Option<f64>,
    /// Makes no audible noise.
    pub silent: bool,
    /// Has its own battery.
    pub portable: bool,
    /// Operating system.
    pub os: Option<String>,
    /// Engine that must run.
    pub engine: Option<String>,
    /// The vendor's own pages say that an engine runs on it.
    pub vendor_support: bool,
    /// Most watts from the socket.
    pub watts: Option<f64>,
    /// Only these machines; all where empty.
    pub machines: Vec<String>,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// What it is for.
    pub workload: Workload,
    /// Models that are good enough.
    pub models: Vec<&'a Model>,
    /// Quantization.
    pub quant: Quant,
    /// What the machine has to be.
    pub constraints: Constraints,
    /// What orders machines of one standing.
    pub order: Order,
    /// Prices and the rest of the cost.
    pub money: Money,
}

/// Places, best first, and exclusions, in the order of the catalog.
#[must_use]
pub fn advise(catalog: &Catalog, search: &Search<'_>) -> (Vec<Place>, Vec<Exclusion>) {
    let (mut places, mut excluded) = (Vec::new(), Vec::new());
    let asked = |machine: &&Machine| {
        let only = &search.constraints.machines;
        only.is_empty() || only.contains(&machine.slug)
    };
    for machine in catalog.machines.iter().filter(asked) {
        match judge(catalog, search, machine) {
            Ok(place) => places.push(place),
            Err(reasons) => excluded.push(Exclusion { machine: machine.slug.clone(), reasons }),
        }
    }
    places.sort_by(|left, right| order(search.order, left, right));
    for index in 1..places.len() {
        let (left, right) = (key(search.order, &places[index - 1]), key(search.order, &places[index]));
        let same = places[index - 1].standing == places[index].standing;
        places[index - 1].before_next = left.zip(right).filter(|_| same).map(|(left, right)| below(&left, &right));
    }
    (places, excluded)
}

/// Priced machines first, then by standing, then by the key.
fn order(by: Order, left: &Place, right: &Place) -> Ordering {
    let middle = |place: &Place| key(by, place).map_or(f64::INFINITY, |key| key.middle());
    let priced = |place: &Place| place.price.is_none();
    priced(left)
        .cmp(&priced(right))
        .then(left.standing.cmp(&right.standing))
        .then(middle(left).total_cmp(&middle(right)))
        .then(right.throughput.middle().total_cmp(&left.throughput.middle()))
        .then(left.machine.cmp(&right.machine))
}

/// What the ranking minimises; seconds a token for speed.
fn key(by: Order, place: &Place) -> Option<Uncertain> {
    match by {
        Order::Cost => place.monthly,
        Order::PerToken => place.per_million,
        Order::Speed => Some(inverse(&place.throughput, 1.0)),
    }
}

/// `amount` over a rate.
fn inverse(rate: &Uncertain, amount: f64) -> Uncertain {
    let (low, high) = rate.ends();
    Uncertain::Estimated { low: amount / high, middle: amount / rate.middle(), high: amount / low }
}

/// How a rate stands to the least that is wanted.
#[must_use]
pub fn standing(rate: &Uncertain, wanted: f64) -> Standing {
    let (low, high) = rate.ends();
    match () {
        () if low >= wanted => Standing::Meets,
        () if rate.middle() >= wanted => Standing::Likely,
        () if high >= wanted => Standing::Doubtful,
        () => Standing::Misses,
    }
}

/// Whether the workload fits the memory that the GPU may use.
///
/// # Errors
/// What is needed and what there is.
pub fn holds(machine: &Machine, profile: &Profile, workload: &Workload) -> Result<(), String> {
    let asked = bounds::Workload {
        batch: workload.streams,
        ..bounds::Workload::decode(workload.cached + workload.prompt + workload.output)
    };
    let needed = bounds::bound(machine, profile, &asked, Bytes(0.0)).capacity.needed;
    let Some(memory) = machine.usable.as_ref().or(machine.memory.as_ref()) else {
        return Err("its memory is not known".into());
    };
    if needed > memory.value {
        return Err(format!(
            "{} needs {} GB, it has {} GB",
            profile.model,
            significant(needed.gb(), 3),
            significant(memory.value.gb(), 3)
        ));
    }
    Ok(())
}

fn judge(catalog: &Catalog, search: &Search<'_>, machine: &Machine) -> Result<Place, Vec<Reason>> {
    let (mut reasons, unknown) = constrained(catalog, search, machine);
    let mut best: Option<Place> = None;
    let mut misfits = Vec::new();
    for model in &search.models {
        match placed(catalog, search, machine, model, &unknown) {
            Err(reason) => misfits.push(reason),
            Ok(place) if best.as_ref().is_none_or(|best| order(search.order, &place, best).is_lt()) => {
                best = Some(place);
            }
            Ok(_) => {}
        }
    }
    match best {
        Some(place) if reasons.is_empty() => Ok(place),
        Some(_) => Err(reasons),
        None => {
            reasons.extend(misfits.into_iter().take(1));
            Err(reasons)
        }
    }
}

fn reason(constraint: &str, text: impl Into<String>) -> Reason {
    Reason { constraint: constraint.into(), text: text.into() }
}

/// Reasons against the machine whatever the model, and what is not known of it.
fn constrained(catalog: &Catalog, search: &Search<'_>, machine: &Machine) -> (Vec<Reason>, Vec<String>) {
    let Constraints { budget, silent, portable, os, engine, vendor_support: by_vendor, watts, .. } =
        &search.constraints;
    let (mut against, mut unknown) = (Vec::new(), Vec::new());
    let mut flag = |name: &str, asked: bool, known: Option<bool>, text: &str| match known {
        Some(false) if asked => against.push(reason(name, text)),
        None if asked => unknown.push(format!("not known whether {name}")),
        _ => {}
    };
    flag("silent", *silent, machine.silent, "it is audible under load");
    flag("portable", *portable, machine.portable, "it has no battery of its own");
    if let (Some(budget), Some(price)) = (budget, search.money.prices.get(&machine.slug)) {
        let least = price.value.ends().0;
        if least > *budget {
            against.push(reason("budget", format!("costs at least {least}, above {budget}")));
        }
    }
    if let Some(os) = os.as_ref().filter(|os| !machine.os.contains(os)) {
        against.push(reason("os", format!("runs {}, not {os}", machine.os.join(", "))));
    }
    if let Some(watts) = watts {
        match machine.load.as_ref().or(machine.tdp.as_ref()).map(|power| power.value.get()) {
            Some(power) if power > *watts => against.push(reason("watts", format!("draws {power} W"))),
            Some(_) => {}
            None => unknown.push("its power is not known".into()),
        }
    }
    if let Some(engine) = engine {
        match newest_support(catalog, engine, machine) {
            Some(found) if runs(found) => {}
            Some(found) => against.push(reason("engine", format!("no {engine} ({}): {}", found.since, found.source.title))),
            None => against.push(reason("engine", format!("nothing is known of {engine} on it"))),
        }
    }
    if *by_vendor && vendor_support(catalog, machine).is_none() {
        against.push(reason("vendor-support", "no page of its vendor in the catalog names an engine for it"));
    }
    (against, unknown)
}

fn placed(
    catalog: &Catalog,
    search: &Search<'_>,
    machine: &Machine,
    model: &Model,
    unknown: &[String],
) -> Result<Place, Reason> {
    let Search { workload, quant, constraints, .. } = search;
    holds(machine, &model.profile(quant), workload).map_err(|text| reason("fit", text))?;
    let found = match &constraints.engine {
        Some(engine) => rates_with(machine, model, quant, workload, engine),
        None => rates(machine, model, quant, workload),
    };
    let rates = found.ok_or_else(|| reason("fit", "its memory bandwidth is not known"))?;
    let throughput = rates.throughput();
    let each = throughput.scaled(1.0 / workload.streams);
    let wait = inverse(&Uncertain::rate(&rates.prefill), workload.prompt);
    let standing = slo(workload, &each, &wait)?;
    let name = rates.engine.split(" on ").next().unwrap_or_default();
    let support = newest_support(catalog, name, machine).cloned();
    let results = costed(search, machine, &rates);
    let metric = |wanted: &[Metric]| {
        let found = wanted.iter().find_map(|wanted| results.iter().find(|result| result.metric == *wanted));
        found.map(Summary::uncertain)
    };
    Ok(Place {
        machine: machine.slug.clone(),
        model: model.slug.clone(),
        quant: rates.quant.clone(),
        engine: rates.engine.clone(),
        decode: Uncertain::rate(&rates.decode),
        throughput,
        each,
        wait,
        tier: rates.tier(),
        standing,
        price: search.money.prices.get(&machine.slug).cloned(),
        monthly: metric(&[Metric::Monthly]),
        per_million: metric(&[Metric::BatchOutputPerMillion, Metric::OutputPerMillion]),
        before_next: None,
        unknown: [unknown, &left_out(search, machine)].concat(),
        support,
    })
}

/// The worse of both targets.
fn slo(workload: &Workload, each: &Uncertain, wait: &Uncertain) -> Result<Standing, Reason> {
    let rate = workload.least_rate.map_or(Standing::Meets, |least| standing(each, least));
    let patience = workload.longest_wait.map_or(Standing::Meets, |longest| standing(&inverse(wait, 1.0), 1.0 / longest));
    let (low, high) = each.ends();
    let short = |value: f64| significant(value, 3);
    if rate == Standing::Misses {
        let text = format!("{} to {} tok/s for each stream", short(low), short(high));
        return Err(reason("rate", format!("{text}, below {}", workload.least_rate.unwrap_or_default())));
    }
    if patience == Standing::Misses {
        let (low, high) = wait.ends();
        let text = format!("{} to {} s until the first token", short(low), short(high));
        return Err(reason("wait", format!("{text}, above {}", workload.longest_wait.unwrap_or_default())));
    }
    Ok(rate.max(patience))
}

fn left_out(search: &Search<'_>, machine: &Machine) -> Vec<String> {
    let mut notes = Vec::new();
    if machine.load.is_none() && machine.tdp.is_none() {
        notes.push("power not known: without electricity".into());
    }
    if machine.kind == MachineKind::Discrete && !search.money.common.contains_key(&Quantity::Extra) {
        notes.push("card only: without its computer".into());
    }
    notes
}

/// Results of the cost; empty where the price is unknown.
fn costed(search: &Search<'_>, machine: &Machine, rates: &Rates) -> Vec<Summary> {
    let Some(price) = search.money.prices.get(&machine.slug) else { return Vec::new() };
    let mut inputs = search.money.common.clone();
    inputs.insert(Quantity::Price, price.clone());
    if machine.kind != MachineKind::Discrete {
        inputs.remove(&Quantity::Extra);
    }
    inputs.extend(facts::power(machine));
    inputs.extend(rates.inputs());
    let Workload { prompt, output, streams, .. } = search.workload;
    let requests = Requests { prompt, output, streams };
    let question =
        Question { machine: machine.slug.clone(), currency: search.money.currency.clone(), requests, inputs };
    simulate(&question, search.money.seed)
}

/// Models of at least `billions` parameters, a mixture of experts counted as the geometric mean of all and active
/// ones (a rule of thumb): the `count` that read least for a token.
#[must_use]
pub fn at_least<'a>(catalog: &'a Catalog, billions: f64, quant: &Quant, count: usize) -> Vec<&'a Model> {
    let size = |model: &Model| model.active_b.map_or(model.params_b, |active| (active * model.params_b).sqrt());
    let mut found: Vec<(f64, &Model)> = catalog
        .models
        .iter()
        .filter(|model| size(model) >= billions)
        .map(|model| (model.profile(quant).bytes_per_token().get(), model))
        .collect();
    found.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.slug.cmp(&right.1.slug)));
    found.into_iter().take(count).map(|(_, model)| model).collect()
}
