//! What a probe found, as one screen of 80 columns with a chart of the caches.

use crate::lines::{labelled, table};
use roofmark_facts::probe_record::{
    Arithmetic, Contention, CurvePoint, Form, GpuKind, Number, Operation, ProbeDoubt, ProbeRecord, Reading,
    Shape, StateSample,
};
use roofmark_facts::units::{Bytes, FlopPerSecond, significant};

/// Columns of a label on the left.
const LABEL: usize = 10;
/// Columns of the longest bar.
const BAR: f64 = 36.0;

/// The record as a screen.
#[must_use]
pub fn screen(record: &ProbeRecord) -> String {
    let mut text = labelled("machine", &machine(record), LABEL);
    for part in [bandwidth(record), chart(&record.curve), arithmetic(record), kernels(record), gpus(record)] {
        if !part.is_empty() {
            text += "\n";
            text += &part;
        }
    }
    text += "\n";
    text += &labelled("state", &state(record), LABEL);
    if !record.doubts.is_empty() {
        text += "\nDoubts\n";
        for doubt in &record.doubts {
            text += &labelled("-", &words(doubt), 2);
        }
    }
    text
}

fn machine(record: &ProbeRecord) -> String {
    let host = &record.machine;
    let memory =
        host.memory.map_or_else(String::new, |memory| format!(", {} GiB", significant(memory.gib(), 3)));
    let virtual_in = host.hypervisor.as_ref().map_or_else(String::new, |name| format!(", virtual ({name})"));
    let caches: Vec<String> = record
        .caches
        .iter()
        .filter(|cache| cache.kind != "Instruction")
        .map(|cache| format!("L{} {}", cache.level, size(cache.size)))
        .collect();
    let caches = if caches.is_empty() { String::new() } else { format!("; {}", caches.join(", ")) };
    format!("{}, {} CPUs{memory}{virtual_in}{caches}", host.cpu, host.cpus)
}

fn bandwidth(record: &ProbeRecord) -> String {
    if record.memory.rows.is_empty() {
        return String::new();
    }
    let head = ["memory", "threads", "best GB/s", "median", "by"].map(str::to_owned);
    let row = |operation: Operation| {
        record.memory.rows.iter().filter(move |row| row.operation == operation).map(move |row| {
            [
                operation.name().to_owned(),
                row.threads.to_string(),
                significant(row.best.gb(), 3),
                significant(row.median.gb(), 3),
                row.variant.clone(),
            ]
        })
    };
    let rows: Vec<[String; 5]> =
        std::iter::once(head).chain(Operation::ALL.into_iter().flat_map(row)).collect();
    table(&rows, &[1, 2, 3])
}

/// Bandwidth by working set as bars, with the latency beside.
fn chart(curve: &[CurvePoint]) -> String {
    let most = curve.iter().map(|point| point.read.get()).fold(0.0, f64::max);
    let mut text = String::new();
    // Every second size: a screen is short.
    for point in curve.iter().step_by(2) {
        let bar = "#".repeat((point.read.get() / most * BAR).round().max(1.0) as usize);
        let (read, wait) = (significant(point.read.gb(), 3), significant(point.latency.get() * 1e9, 3));
        text += format!("{:>9} {read:>6} GB/s {wait:>6} ns  {bar}", size(point.working_set)).trim_end();
        text.push('\n');
    }
    text
}

fn size(bytes: Bytes) -> String {
    let mib = bytes.get() / 1_048_576.0;
    if mib < 1.0 { format!("{} KiB", (bytes.get() / 1024.0).round()) } else { format!("{} MiB", mib.round()) }
}

fn arithmetic(record: &ProbeRecord) -> String {
    if record.arithmetic.is_empty() {
        return String::new();
    }
    let head = ["arithmetic", "threads", "best TFLOP/s", "median", "by"].map(str::to_owned);
    let row = |row: &Arithmetic| {
        let untested = if row.untested { ", untested" } else { "" };
        [
            match row.form {
                Form::Peak => row.number.name().to_owned(),
                Form::Gemm => {
                    format!("{} GEMM", if row.number == Number::F32 { "f32" } else { row.number.name() })
                }
            },
            row.threads.to_string(),
            significant(row.best.tera(), 3),
            significant(row.median.tera(), 3),
            format!("{}{untested}", row.instructions),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(record.arithmetic.iter().map(row)).collect();
    table(&rows, &[1, 2, 3])
}

fn kernels(record: &ProbeRecord) -> String {
    if record.kernels.is_empty() {
        return String::new();
    }
    let head = ["quantised", "shape", "weights GB/s", "TFLOP/s", "weights"].map(str::to_owned);
    let rows = record.kernels.iter().map(|row| {
        [
            row.weights.clone(),
            match row.shape {
                Shape::Gemv => "decode".to_owned(),
                Shape::Gemm => "prefill".to_owned(),
            },
            significant(row.read.gb(), 3),
            significant(row.arithmetic.tera(), 3),
            if row.repacked { "rearranged".to_owned() } else { "as in the file".to_owned() },
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), &[2, 3])
}

fn gpus(record: &ProbeRecord) -> String {
    let lines = record.gpus.iter().map(|gpu| {
        let read = gpu
            .read
            .map_or_else(|| "not read".into(), |read| format!("{} GB/s read", significant(read.gb(), 3)));
        let rate = |rate: Option<FlopPerSecond>, name: &str| {
            rate.map_or(String::new(), |rate| format!(", {name} {} TFLOP/s", significant(rate.tera(), 3)))
        };
        let software = if gpu.kind == GpuKind::Software {
            "; a software driver: it computes on the processor, and no rate of it stands for a GPU"
        } else {
            ""
        };
        let rates = rate(gpu.f32, "f32") + &rate(gpu.f16, "f16");
        let together = gpu.contention.as_ref().map_or_else(String::new, contention);
        labelled(
            "GPU",
            &format!("{} ({}): {read}{rates}{together}{software}", gpu.name, gpu.interface),
            LABEL,
        )
    });
    lines.collect()
}

fn contention(both: &Contention) -> String {
    let [cpu, gpu] = both.shares().map(|share| significant(share * 100.0, 2));
    let (cpu_gb, gpu_gb) = (significant(both.cpu.gb(), 3), significant(both.gpu.gb(), 3));
    format!(
        "; both at once: processor {cpu_gb} GB/s ({cpu} % of alone), GPU {gpu_gb} GB/s ({gpu} % of alone)"
    )
}

fn state(record: &ProbeRecord) -> String {
    let samples = || record.state.during.iter().chain([&record.state.after]);
    let clock = range(samples(), |sample| sample.frequency.value().map(|clock| clock.get() / 1e9), "GHz");
    let heat = range(samples(), |sample| sample.temperature.value().map(|heat| heat.get()), "°C");
    let power = range(samples(), |sample| sample.power.value().map(|power| power.get()), "W");
    format!(
        "clock {}, temperature {}, power {}, governor {}, huge pages {}; {} samples in {} s",
        clock.unwrap_or_else(|| unavailable(&record.state.after.frequency)),
        heat.unwrap_or_else(|| unavailable(&record.state.after.temperature)),
        power.unwrap_or_else(|| unavailable(&record.state.after.power)),
        shown(&record.state.settings.governor),
        shown(&record.state.settings.huge_pages),
        record.state.during.len(),
        significant(record.took.get(), 2)
    )
}

fn range<'a>(
    samples: impl Iterator<Item = &'a StateSample>,
    value: impl Fn(&StateSample) -> Option<f64>,
    unit: &str,
) -> Option<String> {
    let values: Vec<f64> = samples.filter_map(value).collect();
    let (low, high) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
    let (low, high) = (significant(low, 3), significant(high, 3));
    Some(if low == high { format!("{low} {unit}") } else { format!("{low} to {high} {unit}") })
}

fn unavailable<T>(reading: &Reading<T>) -> String {
    match reading {
        Reading::Value(_) => "unavailable".into(),
        Reading::Unavailable(why) => format!("unavailable ({})", why.words()),
    }
}

fn shown(reading: &Reading<String>) -> String {
    reading.value().cloned().unwrap_or_else(|| unavailable(reading))
}

/// A doubt in one line.
#[must_use]
pub fn words(doubt: &ProbeDoubt) -> String {
    let percent = |share: f64| format!("{} %", significant(share * 100.0, 2));
    match doubt {
        ProbeDoubt::Failed { part, reason } => format!("{part} failed to {reason}"),
        ProbeDoubt::LeftOut { part, reason } => format!("{part} left out: {reason}"),
        ProbeDoubt::Interrupted { part } => format!("stopped during {part}: what came before is kept"),
        ProbeDoubt::Busy { busy, cpus } => format!("other programs used {busy:.1} of {cpus} processors"),
        ProbeDoubt::Unsteady { what, steadiness } => {
            format!(
                "{what} moved while it was measured: the median pass reached {} of the best",
                percent(*steadiness)
            )
        }
        ProbeDoubt::Steal { share } => {
            format!("the hypervisor took up to {} of the processor time", percent(*share))
        }
        ProbeDoubt::Limited { what, allowed, installed } => {
            format!(
                "this container allows {} {what} of {}",
                significant(*allowed, 3),
                significant(*installed, 3)
            )
        }
        ProbeDoubt::SmallArrays { array, cache } => {
            format!("arrays of {} do not outgrow the cache of {}", size(*array), size(*cache))
        }
        ProbeDoubt::Drift { drift, before, after } => format!(
            "memory bandwidth moved by {} during the probe ({} to {} GB/s)",
            percent(*drift),
            significant(before.gb(), 3),
            significant(after.gb(), 3)
        ),
        ProbeDoubt::SmallPages { share } => {
            format!("huge pages were asked for; {} of the memory lies in them", percent(*share))
        }
        ProbeDoubt::Throttled { count } => format!("the processor was throttled {count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_has_80_columns_and_says_what_is_unavailable() {
        let record: ProbeRecord =
            serde_json::from_str(include_str!("../../roofmark/tests/data/probe.json")).unwrap();
        let text = screen(&record);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("power unavailable (not offered by this"), "{text}");
        assert!(text.contains("Q4_K       prefill"), "{text}");
    }
}
