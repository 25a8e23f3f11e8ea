//! Each stored rate against what the machine can do: exactly where the record holds the model's costs, by the referee's
//! rules where it only has names.

use crate::catalog::catalog;
use crate::here;
use roofmark_facts::bounds::{Workload, bound};
use roofmark_facts::claim::{Claim, Phase};
use roofmark_facts::machine::Machine;
use roofmark_facts::names::Lookup;
use roofmark_facts::records::{Phase as RunPhase, Row, Run};
use roofmark_facts::units::{Bytes, BytesPerSecond};
use roofmark_ledger::observation::{Observation, ObservedCell, Timed};
use roofmark_verdict::referee::cases::Profiles;
use roofmark_verdict::referee::measured::Evidence;
use roofmark_verdict::referee::{Court, judge};

/// A cache that holds part of the weights, where the machine's is not known.
const CACHE: Bytes = Bytes(512e6);
/// A memory clock above the datasheet's, where an owner may set it, and where not.
const OWN_CLOCK: f64 = 1.15;
const CLOCK: f64 = 1.02;

/// What came of one record.
#[derive(Default)]
pub struct Judged {
    /// Rates that were held against a ceiling.
    pub judged: usize,
    /// Rates that no ceiling is known for.
    pub unbounded: usize,
    /// Rates above the datasheet's ceiling.
    pub impossible: Vec<String>,
    /// Rates above the memory that was measured beside them: caches, or a roof that was read too low.
    pub remarks: Vec<String>,
}

/// Rates of a bench against the datasheet of a catalogued machine, else against the memory measured beside them.
pub fn of_run(run: &Run, rows: &[Row]) -> Judged {
    let mut found = Judged::default();
    let slug = run.machine.slug.as_deref();
    let listed = slug.and_then(|slug| catalog().ok()?.machine(slug));
    let listed =
        listed.filter(|machine| machine.bandwidth.as_ref().is_some_and(|known| known.bound().is_some()));
    let probed =
        run.roofs.map(|roofs| here::described(&run.machine, best_roof(run, roofs.all.best), &run.date));
    for row in rows {
        match (listed, &probed) {
            (Some(machine), _) => {
                found.judged += 1;
                found.impossible.extend(above(machine, run, row));
            }
            (None, Some(machine)) => {
                found.judged += 1;
                found.remarks.extend(above(machine, run, row));
            }
            (None, None) => found.unbounded += 1,
        }
    }
    found
}

/// The best read bandwidth that was seen in the whole run.
fn best_roof(run: &Run, first: BytesPerSecond) -> BytesPerSecond {
    let pairs = run.cells.iter().flat_map(|cell| &cell.samples).filter_map(|sample| sample.roof);
    pairs.flat_map(|pair| [pair.before.best, pair.after.best]).fold(first, BytesPerSecond::max)
}

fn above(machine: &Machine, run: &Run, row: &Row) -> Option<String> {
    let work = &row.workload;
    let depth = f64::from(work.depth);
    let shape = match work.phase {
        RunPhase::Prefill => Workload::prefill(work.prompt.into(), depth),
        RunPhase::Decode => Workload::decode(depth),
    };
    let element = run.settings.cache_type.bits_per_element() / 8.0;
    let workload = Workload { batch: work.batch.into(), cache_element_bytes: element, ..shape };
    let resident = machine.cache.as_ref().map_or(CACHE, |cache| cache.value);
    let ceiling = bound(machine, &run.model.profile, &workload, resident).rate?;
    let margin = if machine.owner_memory_clock { OWN_CLOCK } else { CLOCK };
    (row.rate.mid.get() > ceiling.get() * margin).then(|| {
        format!(
            "{} of {:?} lies above the ceiling of {ceiling} on {}",
            row.rate.mid, work.phase, machine.name
        )
    })
}

/// Rates of an observation, judged as the referee judges a published claim.
pub fn of_observation(seen: &Observation, profiles: &Profiles) -> Judged {
    let mut found = Judged::default();
    let Ok(catalog) = catalog() else { return found };
    let evidence = Evidence::default();
    let court = Court {
        catalog,
        profiles,
        evidence: &evidence,
        expect: None,
        today: "9999-12-31",
        other_quants: &[],
    };
    for cell in &seen.cells {
        let Some(claim) = claim(seen, cell) else {
            found.unbounded += 1;
            continue;
        };
        let judged = judge(&claim, &court);
        if judged.ceiling.is_none() && judged.readings.iter().all(|reading| reading.ceiling.is_none()) {
            found.unbounded += 1;
            continue;
        }
        found.judged += 1;
        if judged.verdict.is_impossible() {
            found.impossible.push(judged.line);
        }
    }
    found
}

/// The claim that a cell makes, where machine and model are catalogued.
fn claim(seen: &Observation, cell: &ObservedCell) -> Option<Claim> {
    let catalog = catalog().ok()?;
    let subject = &seen.subject;
    let name = subject.machine.as_deref()?;
    let found = catalog.find_machine(name).all();
    let machines: Vec<String> = found.iter().map(|machine| machine.slug.clone()).collect();
    let model = match catalog.find_model(subject.model.as_deref()?) {
        Lookup::One(found) => found.model.slug.clone(),
        _ => return None,
    };
    let batch = cell.batch.unwrap_or(1);
    let phase = match cell.timed {
        Timed::Prefill => Phase::Prefill,
        Timed::Decode if batch == 1 => Phase::Decode,
        Timed::Decode | Timed::Requests => Phase::DecodeBatched,
        Timed::Both | Timed::Machine => return None,
    };
    let rate = cell.rate?.get();
    let notes = seen.notes.to_ascii_lowercase();
    let speculates = ["speculat", "mtp", "dflash", "dspark", "eagle", "draft"];
    Some(Claim {
        text: String::new(),
        start: 0,
        end: 0,
        machine: (!machines.is_empty()).then(|| Some(name.to_owned()))?,
        machines,
        models: vec![model.clone()],
        model: Some(model),
        quant: subject.quant.clone(),
        phase,
        concurrency: if phase == Phase::DecodeBatched { cell.batch } else { Some(1) },
        low: rate,
        high: rate,
        context: cell.depth.filter(|depth| *depth > 0).or(cell.prompt.filter(|_| phase == Phase::Prefill)),
        engine: subject.engine.clone(),
        speculation: speculates.iter().any(|word| notes.contains(word)),
        accepted: None,
        devices: 1,
        offloaded: false,
        forecast: false,
        due: None,
    })
}
