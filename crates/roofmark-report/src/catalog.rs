//! Machines and models of the catalog as screens.

use crate::lines::{grouped, labelled, plain, table};
use roofmark_facts::catalog::{Model, Price};
use roofmark_facts::machine::{Machine, MachineKind, Sourced};
use roofmark_facts::profile::Profile;
use roofmark_facts::units::significant;
use std::fmt::Write;

/// Machines in one table.
#[must_use]
pub fn machines(machines: &[&Machine]) -> String {
    let mut rows = vec![["machine", "memory", "GB/s", "FP16", "kind", "released"].map(str::to_owned)];
    rows.extend(machines.iter().map(|machine| {
        [
            machine.slug.clone(),
            shown(machine.memory.as_ref(), |memory| format!("{} GiB", plain(memory.gib(), 3))),
            shown(machine.bandwidth.as_ref(), |rate| plain(rate.gb(), 3)),
            machine.peak("fp16").map_or_else(|| "-".to_owned(), |peak| plain(peak.tera(), 3)),
            kind(machine.kind).to_owned(),
            machine.released.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    let text = table(&rows, &[1, 2, 3]);
    let count = machines.len();
    format!(
        "{text}\n{count} machines. GB/s: memory bandwidth. FP16: dense TFLOPS. `-`: not known.\n`roofmark machines NAME` gives the facts of one with their sources.\n"
    )
}

/// One machine with the source of each number, and its prices.
#[must_use]
pub fn machine(machine: &Machine, prices: &[&Price]) -> String {
    let title = [labelled("", &machine.name, 0), labelled("", &summary(machine), 0)].concat();
    let mut text = format!("{title}\n");
    for (label, value, source) in facts(machine) {
        text += &labelled(&format!("{label:<22} {value:>12}"), &source, 37);
    }
    if machine.owner_memory_clock {
        text += "\nIts owner can raise the memory clock.\n";
    }
    if let Some(notes) = &machine.notes {
        let _ = write!(text, "\n{}", labelled("note", notes, 6));
    }
    if !prices.is_empty() {
        text += "\nPrices\n";
    }
    for price in prices {
        let claim = if price.claim { "claimed, " } else { "" };
        let label = format!(
            "{:<22} {:>12}",
            price.date,
            format!("{} {}", grouped(price.amount as u64), price.currency)
        );
        text += &labelled(&label, &format!("{}, {claim}{}", price.condition, price.source.title), 37);
    }
    text
}

fn summary(machine: &Machine) -> String {
    format!("{}, {}, {}", machine.slug, kind(machine.kind), machine.class)
}

/// Facts with their values and sources, known ones only.
fn facts(machine: &Machine) -> Vec<(String, String, String)> {
    let mut rows = Vec::new();
    add(&mut rows, "memory", machine.memory.as_ref(), |value| format!("{} GiB", plain(value.gib(), 4)));
    add(&mut rows, "usable by the GPU", machine.usable.as_ref(), |value| {
        format!("{} GiB", plain(value.gib(), 4))
    });
    add(&mut rows, "memory bandwidth", machine.bandwidth.as_ref(), |value| {
        format!("{} GB/s", plain(value.gb(), 4))
    });
    add(&mut rows, "best measured read", machine.measured_read.as_ref(), |value| {
        format!("{} GB/s", plain(value.gb(), 4))
    });
    add(&mut rows, "last-level cache", machine.cache.as_ref(), |value| {
        format!("{} MB", plain(value.get() / 1e6, 3))
    });
    add(&mut rows, "link to the host", machine.link.as_ref(), |value| {
        format!("{} GB/s", plain(value.gb(), 3))
    });
    add(&mut rows, "network", machine.network.as_ref(), |value| format!("{} GB/s", plain(value.gb(), 3)));
    for (name, peak) in &machine.peaks {
        let label = format!("{} dense peak", name.to_uppercase());
        add(&mut rows, &label, Some(peak), |value| format!("{} T/s", plain(value.tera(), 4)));
    }
    add(&mut rows, "CPU cores", machine.cpu_cores.as_ref(), |value| plain(*value, 3));
    add(&mut rows, "GPU cores", machine.gpu_cores.as_ref(), |value| plain(*value, 3));
    add(&mut rows, "rated power", machine.tdp.as_ref(), |value| format!("{} W", plain(value.get(), 3)));
    add(&mut rows, "power under load", machine.load.as_ref(), |value| format!("{} W", plain(value.get(), 3)));
    add(&mut rows, "power in prefill", machine.prefill_power.as_ref(), |value| {
        format!("{} W", plain(value.get(), 3))
    });
    add(&mut rows, "power at idle", machine.idle.as_ref(), |value| format!("{} W", plain(value.get(), 3)));
    add(&mut rows, "noise under load", machine.noise_db.as_ref(), |value| {
        format!("{} dB(A)", plain(*value, 3))
    });
    rows
}

fn add<T>(
    rows: &mut Vec<(String, String, String)>,
    label: &str,
    fact: Option<&Sourced<T>>,
    show: impl Fn(&T) -> String,
) {
    if let Some(fact) = fact {
        rows.push((label.to_owned(), show(&fact.value), provenance(fact)));
    }
}

/// How a number is known, and from where.
#[must_use]
pub fn provenance<T>(fact: &Sourced<T>) -> String {
    let basis = format!("{:?}", fact.basis).to_lowercase();
    format!("{basis}: {} ({})", fact.source.title, fact.source.date)
}

fn shown<T>(fact: Option<&Sourced<T>>, show: impl Fn(&T) -> String) -> String {
    fact.map_or_else(|| "-".to_owned(), |fact| show(&fact.value))
}

fn kind(kind: MachineKind) -> &'static str {
    match kind {
        MachineKind::Unified => "unified",
        MachineKind::Discrete => "discrete",
        MachineKind::Cpu => "CPU",
    }
}

/// Models in one table.
#[must_use]
pub fn models(models: &[(&Model, Profile)]) -> String {
    let mut rows = vec![["model", "params", "active", "Q4_K_M", "KV/token", "released"].map(str::to_owned)];
    rows.extend(models.iter().map(|(model, profile)| {
        let active =
            if profile.is_moe() { significant(profile.active_params / 1e9, 3) } else { String::new() };
        [
            model.slug.clone(),
            significant(profile.params / 1e9, 3),
            active,
            significant(profile.tensor_bytes.gb(), 3),
            grouped(profile.growing_cache_bytes(2.0).get().round() as u64),
            model.released.clone(),
        ]
    }));
    let text = table(&rows, &[1, 2, 3, 4]);
    let legend = format!(
        "{} models. params, active: 10^9, counted from the shapes. Q4_K_M: GB of tensor data in that \
         quantization. KV/token: bytes of cache in f16, full-attention layers.",
        models.len()
    );
    let hint = "`roofmark models NAME` gives the sizes of one in every quantization.\n";
    format!("{text}\n{}{hint}", labelled("", &legend, 0))
}

/// One model in several quantizations.
#[must_use]
pub fn model(model: &Model, profiles: &[(Profile, bool)]) -> String {
    let Some((first, _)) = profiles.first() else { return String::new() };
    let mut text = labelled("", &format!("{} ({})", model.name, model.maker), 0);
    text += &format!("{}, {}, {} layers\n\n", model.slug, first.arch, first.layers);
    text += &labelled(
        &fact("parameters", &format!("{} B", significant(first.params / 1e9, 4))),
        "counted from the shapes below the source",
        37,
    );
    if first.is_moe() {
        let active = format!("{} B", significant(first.active_params / 1e9, 3));
        text += &labelled(&fact("active per token", &active), "embedding rows left out", 37);
    }
    let cache = format!("{} B", grouped(first.growing_cache_bytes(2.0).get().round() as u64));
    text += &labelled(&fact("KV cache per token", &cache), "f16, full-attention layers", 37);
    if let Some(context) = first.context {
        text += &labelled(&fact("longest context", &grouped(context)), "tokens, as the maker states it", 37);
    }
    text += &labelled(&fact("source", ""), &format!("{} ({})", model.source.title, model.source.date), 37);
    if let Some(note) = &model.shape.note {
        text += &labelled(&fact("note", ""), note, 37);
    }
    text.push('\n');
    let mut rows = vec![["quantization", "tensor data", "read per token", "exact"].map(str::to_owned)];
    rows.extend(profiles.iter().map(|(profile, approximate)| {
        let exact = if *approximate { "about" } else { "yes" };
        [
            profile.quant.clone(),
            format!("{:.3} GB", profile.tensor_bytes.gb()),
            format!("{:.3} GB", profile.bytes_per_token().gb()),
            exact.to_owned(),
        ]
    }));
    text + &table(&rows, &[1, 2])
}

fn fact(label: &str, value: &str) -> String {
    format!("{label:<22} {value:>12}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::catalog::Catalog;
    use roofmark_facts::quant::Quant;

    /// The widest line of `text` in columns.
    fn width(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn every_machine_fits_eighty_columns() {
        let catalog = Catalog::builtin();
        assert!(width(&machines(&catalog.machines.iter().collect::<Vec<_>>())) <= 80);
        for known in &catalog.machines {
            let prices: Vec<&Price> =
                catalog.prices.iter().filter(|price| price.machine == known.slug).collect();
            assert!(width(&machine(known, &prices)) <= 80, "{}", known.slug);
        }
    }

    #[test]
    fn every_model_fits_eighty_columns() {
        let quant = Quant::parse("Q4_K_M").unwrap();
        let all: Vec<_> =
            Catalog::builtin().models.iter().map(|model| (model, model.profile(&quant))).collect();
        assert!(width(&models(&all)) <= 80);
        for (known, profile) in all {
            assert!(width(&model(known, &[(profile, false)])) <= 80, "{}", known.slug);
        }
    }

    #[test]
    fn a_machine_with_its_sources() {
        let machine_facts = Catalog::builtin().machine("nvidia-rtx-5090").unwrap();
        insta::assert_snapshot!(machine(machine_facts, &[]));
    }
}
