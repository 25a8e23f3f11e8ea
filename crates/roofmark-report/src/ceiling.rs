//! A physical ceiling as a screen: the arithmetic, each number with its source.

use crate::catalog::provenance;
use crate::lines::labelled;
use roofmark_facts::bounds::{Bound, CLOCK_MARGIN, Ceiling, Limit, Workload, spilled_rate};
use roofmark_facts::machine::Machine;
use roofmark_facts::profile::Profile;
use roofmark_facts::units::{Bytes, BytesPerSecond, TokensPerSecond, grouped, plain, significant};

/// Bandwidths of hosts that a spilling card is shown with: two DIMMs, a server.
const HOSTS_GB: [f64; 2] = [80.0, 500.0];

/// A ceiling and what it was computed from.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The model.
    pub profile: &'a Profile,
    /// The bytes of the quantization are an approximation.
    pub approximate: bool,
    /// What is asked.
    pub workload: Workload,
    /// The bounds.
    pub bound: &'a Bound,
    /// The number.
    pub ceiling: Ceiling,
}

/// The ceiling of a decode, then of a prefill.
#[must_use]
pub fn screen(decode: &Explained, prefill: &Explained) -> String {
    let mut text = format!(
        "{} in {}\non {}\n{}\n\n",
        decode.profile.model,
        decode.profile.quant,
        decode.machine.name,
        conditions(&decode.workload)
    );
    for (label, value, source) in decode_rows(decode) {
        text += &row(label, &value, &source);
    }
    if let (Some(rate), Some(read)) = (attainable(decode), &decode.machine.measured_read) {
        let source = format!("at {} GB/s read, {}", significant(read.value.gb(), 3), provenance(read));
        text += &row("attainable", &format!("{} tok/s", significant(rate.get(), 3)), &source);
    }
    text.push('\n');
    for (label, value, source) in prefill_rows(prefill) {
        text += &row(label, &value, &source);
    }
    text + "\nA ceiling is what physics allows at datasheet peak; engines reach less.\n"
}

/// Rate of a decode at the best read bandwidth that was measured on the machine, not the datasheet's.
#[must_use]
pub fn attainable(decode: &Explained) -> Option<TokensPerSecond> {
    let read = decode.machine.measured_read.as_ref()?;
    let step = decode.bound.step.traffic() / read.value;
    let rate = TokensPerSecond(decode.workload.batch * decode.workload.accepted / step.get());
    // Where another bound is lower, memory is not what can be attained.
    Some(decode.ceiling.rate.map_or(rate, |ceiling| ceiling.min(rate)))
}

fn row(label: &str, value: &str, source: &str) -> String {
    labelled(&format!("{label:<17} {value:>12}"), source, 32)
}

fn conditions(workload: &Workload) -> String {
    let sequences = if workload.batch > 1.0 { "sequences" } else { "sequence" };
    let mut text = format!("{} {sequences} at depth {}", workload.batch, grouped(workload.depth as u64));
    if workload.accepted > 1.0 {
        text += &format!(", {} tokens accepted a pass", workload.accepted);
    }
    text
}

type Line = (&'static str, String, String);

fn decode_rows(explained: &Explained) -> Vec<Line> {
    let Explained { profile, bound, .. } = explained;
    let step = &bound.step;
    let exact = if explained.approximate {
        "about: the mix is not published"
    } else {
        "exact: sum over the tensor table"
    };
    let mut rows = vec![("weights per step", gb(step.weights), exact.to_owned())];
    if step.cache.get() > 0.0 {
        let each = profile.growing_cache_bytes(explained.workload.cache_element_bytes).get();
        rows.push((
            "KV cache",
            gb(step.cache),
            format!("{} B per token and sequence, windows apart", grouped(each as u64)),
        ));
    }
    if step.state.get() > 0.0 {
        rows.push(("recurrent state", gb(step.state), "F32, read once a step".to_owned()));
    }
    let Some(bandwidth) = &bound.bandwidth else {
        rows.push((
            "memory bandwidth",
            "unknown".to_owned(),
            "no source is strong enough to bound a rate".to_owned(),
        ));
        return rows;
    };
    rows.push((
        "memory bandwidth",
        format!("{} GB/s", plain(bandwidth.value.gb(), 4)),
        provenance(bandwidth),
    ));
    rows.extend(capacity_rows(explained));
    rows.push(("decode ceiling", rate(&explained.ceiling), decode_reason(explained)));
    rows
}

fn capacity_rows(explained: &Explained) -> Vec<Line> {
    let capacity = &explained.bound.capacity;
    let Some(memory) = &explained.machine.memory else { return Vec::new() };
    let of = format!(
        "of {} GB ({} GiB), {}",
        plain(memory.value.gb(), 4),
        plain(memory.value.gib(), 4),
        provenance(memory)
    );
    let mut rows = vec![("memory needed", gb(capacity.needed), of)];
    if capacity.spill.get() > 0.0 {
        rows.push((
            "does not fit",
            gb(capacity.spill),
            "beyond the memory; buffers of 0.5 GB counted".to_owned(),
        ));
    }
    if explained.ceiling.limited_by == Limit::Link {
        for host in HOSTS_GB {
            if let Some(rate) = spilled_rate(explained.bound, BytesPerSecond::from_gb(host)) {
                let value = format!("{} tok/s", significant(rate.get(), 3));
                rows.push((
                    "host computes",
                    value,
                    format!("the rest, from {host} GB/s memory (--host-bandwidth)"),
                ));
            }
        }
    }
    rows
}

fn decode_reason(explained: &Explained) -> String {
    let Explained { bound, workload, ceiling, .. } = explained;
    let traffic = significant(bound.step.traffic().gb(), 4);
    let tokens = bound.step.tokens;
    let share = if tokens > 1.0 { format!(" x {tokens} tokens a step") } else { String::new() };
    let each = ceiling.rate.filter(|_| workload.batch > 1.0).map_or_else(String::new, |rate| {
        format!("; {} for each sequence", significant(rate.get() / workload.batch, 3))
    });
    match ceiling.limited_by {
        Limit::Bandwidth => format!("bandwidth / {traffic} GB{share}{each}"),
        Limit::Compute => {
            format!("compute bound of {} GFLOP a step{each}", significant(bound.step.flop.get() / 1e9, 4))
        }
        Limit::Link => {
            format!("what does not fit crosses the link or is computed by the host{each}")
        }
        Limit::Capacity => "the model does not fit this machine".to_owned(),
        Limit::Unknown => "nothing bounds it".to_owned(),
    }
}

fn prefill_rows(explained: &Explained) -> Vec<Line> {
    let Explained { bound, workload, .. } = explained;
    let per_token = bound.step.flop.get() / bound.step.tokens / 1e9;
    let work = format!("{} GFLOP", significant(per_token, 4));
    let prompt = format!("mean of a prompt of {} tokens, head left out", grouped(workload.prompt as u64));
    let mut rows = vec![("prefill per token", work, prompt)];
    if let Some((name, peak)) = &bound.peak {
        let value = format!("{} T/s", plain(peak.value.tera(), 4));
        rows.push(("compute peak", value, format!("{} dense, {}", name.to_uppercase(), provenance(peak))));
    }
    let reason = match explained.ceiling.limited_by {
        Limit::Compute => format!("peak x {CLOCK_MARGIN} for clocks above the rated boost"),
        Limit::Bandwidth if bound.peak.is_some() => "the weights are read once for the prompt".to_owned(),
        Limit::Bandwidth => {
            "the weights are read once; no compute peak has a source that can bound it".to_owned()
        }
        Limit::Link | Limit::Capacity => "the model does not fit this machine".to_owned(),
        Limit::Unknown => "no source is strong enough to bound it".to_owned(),
    };
    rows.push(("prefill ceiling", rate(&explained.ceiling), reason));
    rows
}

fn gb(bytes: Bytes) -> String {
    format!("{:.3} GB", bytes.gb())
}

fn rate(ceiling: &Ceiling) -> String {
    ceiling.rate.map_or_else(|| "none".to_owned(), |rate| format!("{} tok/s", significant(rate.get(), 3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::bounds::{bound, ceiling};
    use roofmark_facts::catalog::Catalog;
    use roofmark_facts::quant::Quant;

    fn shown(machine: &str, model: &str, quant: &str, depth: f64) -> String {
        let catalog = Catalog::builtin();
        let (machine, quant) = (catalog.machine(machine).unwrap(), Quant::parse(quant).unwrap());
        let profile = catalog.model(model).unwrap().profile(&quant);
        let workloads = [Workload::decode(depth), Workload::prefill(512.0, depth)];
        let bounds = workloads.map(|workload| bound(machine, &profile, &workload, Bytes(0.0)));
        let [decode, prefill] = [0, 1].map(|index| Explained {
            machine,
            profile: &profile,
            approximate: quant.approximate,
            workload: workloads[index],
            bound: &bounds[index],
            ceiling: ceiling(machine, &bounds[index], workloads[index].phase, None),
        });
        screen(&decode, &prefill)
    }

    #[test]
    fn a_model_that_fits() {
        insta::assert_snapshot!(shown("nvidia-dgx-spark", "gpt-oss-120b", "MXFP4", 2048.0));
    }

    #[test]
    fn a_card_that_spills() {
        insta::assert_snapshot!(shown("nvidia-rtx-5090", "llama-3.1-70b", "Q4_K_M", 2048.0));
    }

    #[test]
    fn a_peak_without_a_source_that_bounds() {
        insta::assert_snapshot!(shown("apple-m5-max-40c-128gb", "llama-3.1-70b", "Q4_K_M", 0.0));
    }
}
