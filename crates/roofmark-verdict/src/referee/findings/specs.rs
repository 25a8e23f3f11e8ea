//! Specifications against the catalog: memory, bandwidth, unit counts, links, sizes of model files.

use super::{View, number, short};
use regex::Regex;
use roofmark_facts::claim::Finding;
use roofmark_facts::machine::{Machine, MachineKind};
use roofmark_facts::quant::Quant;
use std::sync::LazyLock;

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("the pattern is valid"));
    };
}

pattern!(BANDWIDTH, r"(?i)(?P<n>\d[\d,]*(?:\.\d+)?)\s*(?P<unit>GB|TB)/s(?:ec)?(?P<rest>[^.;,]{0,40})");
pattern!(
    MEMORY,
    r"(?i)(?P<n>\d{1,4})\s?(?:GB|GiB)\s+(?:of\s+)?(?:discrete\s+)?(?:VRAM|GDDR\w*|video memory|graphics memory|HBM\w*)"
);
pattern!(
    UNITS,
    r"(?i)(?P<n>\d[\d,]*)\s+(?P<unit>streaming multiprocessors|SMs?(?-u:\b)|CUDA cores|compute units|CUs?(?-u:\b)|RDNA [\d.]+\s+(?:GPU\s+)?cores|GPU cores|(?:Apple\s+)?GPU[- ]cores)"
);
pattern!(
    LINK,
    r"(?i)PCIe\s*(?:gen\s*)?(?P<gen>[3-6])(?:\.0)?\s*(?:x(?P<lanes>\d{1,2}))?\s*(?:\(|at\s|,\s|:\s)?\s*[~≈]?(?P<n>\d+(?:\.\d+)?)\s*GB/s"
);
pattern!(
    FILE,
    r"(?i)[~≈]?(?P<n>\d+(?:\.\d+)?)\s?GB\s+(?:model\s+(?:file|size)|file(?:\s+size)?|GGUF|of weights|weights)"
);

/// Findings of one sentence.
pub(super) fn find(view: &View<'_>, found: &mut Vec<Finding>) {
    link(view, found);
    bandwidth(view, found);
    memory(view, found);
    units(view, found);
    file(view, found);
}

fn machines<'a>(view: &View<'a>, place: usize) -> Vec<&'a Machine> {
    view.machines_at(place).iter().filter_map(|slug| view.catalog.machine(slug)).collect()
}

/// GB/s of one PCIe lane and direction, by generation.
fn lane(generation: u32) -> f64 {
    match generation {
        3 => 0.985,
        4 => 1.969,
        5 => 3.938,
        _ => 7.563,
    }
}

fn link(view: &View<'_>, found: &mut Vec<Finding>) {
    for caught in LINK.captures_iter(view.text) {
        let (Some(whole), Some(generation), Some(said)) =
            (caught.get(0), caught["gen"].parse().ok(), number(&caught["n"]))
        else {
            continue;
        };
        let lanes: f64 = caught.name("lanes").and_then(|lanes| lanes.as_str().parse().ok()).unwrap_or(16.0);
        let real = lane(generation) * lanes;
        let holds = (said / real - 1.0).abs() < 0.1 || (said / (real * 2.0) - 1.0).abs() < 0.05;
        let half = (said / real - 0.5).abs() < 0.05;
        let note = if half {
            format!("; {said} GB/s is half of it, the rate of x{}", lanes / 2.0)
        } else {
            String::new()
        };
        found.push(view.finding(
            "link",
            holds,
            whole.range(),
            format!("PCIe {generation}.0 x{lanes} carries {real:.1} GB/s in one direction{note}"),
        ));
    }
}

fn bandwidth(view: &View<'_>, found: &mut Vec<Finding>) {
    for caught in BANDWIDTH.captures_iter(view.text) {
        let (Some(whole), Some(value)) = (caught.name("n"), number(&caught["n"])) else { continue };
        let said = if caught["unit"].eq_ignore_ascii_case("TB") { value * 1000.0 } else { value };
        let around = view.text.to_lowercase();
        if !(around.contains("bandwidth") || around.contains("memory"))
            || around.contains("pcie")
            || said < 20.0
        {
            continue;
        }
        let known: Vec<(&Machine, f64)> = machines(view, whole.start())
            .into_iter()
            .filter_map(|machine| Some((machine, machine.bandwidth.as_ref()?.value.gb())))
            .collect();
        let Some((machine, real)) = known.first() else { continue };
        let holds = known.iter().any(|(_, real)| (said / real - 1.0).abs() < 0.03);
        let end = whole.end() + caught["unit"].len() + 3;
        let line = format!("the datasheet bandwidth of {} is {} GB/s", machine.name, short(*real));
        found.push(view.finding("bandwidth", holds, whole.start()..end.min(view.text.len()), line));
    }
}

fn memory(view: &View<'_>, found: &mut Vec<Finding>) {
    for caught in MEMORY.captures_iter(view.text) {
        let (Some(whole), Some(said)) = (caught.get(0), number(&caught["n"])) else { continue };
        let cards: Vec<&Machine> = machines(view, whole.start())
            .into_iter()
            .filter(|machine| machine.kind == MachineKind::Discrete)
            .collect();
        let sizes: Vec<f64> =
            cards.iter().filter_map(|machine| Some(machine.memory.as_ref()?.value.gib())).collect();
        let Some(real) = sizes.first() else { continue };
        let holds = sizes.iter().any(|real| (said - real).abs() < 0.6);
        found.push(view.finding(
            "memory",
            holds,
            whole.range(),
            format!("{} has {} GB", cards[0].name, short(*real)),
        ));
    }
}

fn units(view: &View<'_>, found: &mut Vec<Finding>) {
    for caught in UNITS.captures_iter(view.text) {
        let (Some(whole), Some(said)) = (caught.get(0), number(&caught["n"])) else { continue };
        let cuda = caught["unit"].to_lowercase().contains("cuda");
        let known: Vec<(&Machine, f64)> = machines(view, whole.start())
            .into_iter()
            .filter_map(|machine| Some((machine, machine.gpu_cores.as_ref()?.value)))
            .collect();
        let Some((machine, cores)) = known.first() else { continue };
        let factor = if cuda { 128.0 } else { 1.0 };
        if cuda && machine.vendor != "NVIDIA" {
            continue;
        }
        let holds = known.iter().any(|(_, cores)| (said - cores * factor).abs() < 0.5);
        let line = format!("{} has {} {}", machine.name, short(cores * factor), unit_name(machine, cuda));
        found.push(view.finding("units", holds, whole.range(), line));
    }
}

fn unit_name(machine: &Machine, cuda: bool) -> &'static str {
    match machine.vendor.as_str() {
        "NVIDIA" if cuda => "CUDA cores",
        "NVIDIA" => "streaming multiprocessors",
        "AMD" => "compute units",
        _ => "GPU cores",
    }
}

fn file(view: &View<'_>, found: &mut Vec<Finding>) {
    let sentence = &view.read.sentences[view.at];
    for caught in FILE.captures_iter(view.text) {
        let (Some(whole), Some(said)) = (caught.get(0), number(&caught["n"])) else { continue };
        let model = sentence.model.as_ref().and_then(|slug| view.catalog.model(slug));
        let (Some(model), Some(label)) = (model, sentence.quant.as_ref()) else { continue };
        let Ok(quant) = Quant::parse(label) else { continue };
        let real = model.profile(&quant).tensor_bytes;
        let holds = (said / real.gb() - 1.0).abs() < 0.03 || (said / real.gib() - 1.0).abs() < 0.03;
        found.push(view.finding(
            "file_size",
            holds,
            whole.range(),
            format!("the tensors of {} in {} take {:.2} GB", model.name, quant.label, real.gb()),
        ));
    }
}
