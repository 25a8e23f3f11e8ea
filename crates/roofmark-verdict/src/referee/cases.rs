//! The plausible readings of a claim: every machine, model and quantization that its words can mean.

use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::claim::Claim;
use roofmark_facts::machine::Machine;
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;
use roofmark_facts::units::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Readings kept of each part.
const MOST: usize = 5;

/// One reading.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Slug of the model.
    pub model: String,
    /// The quantization, where it is one of the catalog's.
    pub quant: Option<Quant>,
    /// Its label.
    pub label: String,
    /// What the model costs in it.
    pub profile: Rc<Profile>,
    /// Factor on the ceiling for bytes that are not known exactly.
    pub doubt: f64,
    /// The text does not name the quantization.
    pub quant_open: bool,
}

/// What models cost, computed once for each model and quantization.
#[derive(Debug, Default)]
pub struct Profiles(RefCell<HashMap<(String, String), Rc<Profile>>>);

impl Profiles {
    fn of(&self, model: &Model, label: &str, make: impl FnOnce() -> Profile) -> Rc<Profile> {
        let key = (model.slug.clone(), label.to_owned());
        Rc::clone(self.0.borrow_mut().entry(key).or_insert_with(|| Rc::new(make())))
    }
}

/// Readings of `claim`, none where machine or model is unknown.
#[must_use]
pub fn of<'a>(claim: &Claim, catalog: &'a Catalog, profiles: &Profiles) -> Vec<Case<'a>> {
    let machines = machines(claim, catalog);
    let mut cases = Vec::new();
    for machine in &machines {
        for (model, class) in models(claim, catalog) {
            for stored in storages(claim, model) {
                cases.push(stored.case(machine, model, class, profiles));
            }
        }
    }
    cases
}

/// Machines that differ in what bounds a rate.
fn machines<'a>(claim: &Claim, catalog: &'a Catalog) -> Vec<&'a Machine> {
    let mut found: Vec<&Machine> = Vec::new();
    for machine in claim.machines.iter().filter_map(|slug| catalog.machine(slug)) {
        let bandwidth =
            |machine: &Machine| machine.bandwidth.as_ref().map(|known| known.value.get().to_bits());
        let memory = |machine: &Machine| machine.memory.as_ref().map(|known| known.value.get().to_bits());
        let same = |other: &&Machine| {
            bandwidth(other) == bandwidth(machine)
                && (memory(other) == memory(machine) || memory(machine).is_none())
        };
        if !found.iter().any(same) && found.len() < MOST {
            found.push(machine);
        }
    }
    roomiest(&found)
}

/// Of machines with the same bandwidth the one with most memory: the doubt is decided for the claim.
fn roomiest<'a>(found: &[&'a Machine]) -> Vec<&'a Machine> {
    let bandwidth =
        |machine: &Machine| machine.bandwidth.as_ref().map_or(0, |known| known.value.get().to_bits());
    let memory = |machine: &Machine| machine.memory.as_ref().map_or(f64::INFINITY, |known| known.value.get());
    let best = |machine: &&Machine| {
        let larger =
            |other: &&Machine| bandwidth(other) == bandwidth(machine) && memory(other) > memory(machine);
        !found.iter().any(larger)
    };
    found.iter().copied().filter(best).collect()
}

/// Models, and whether they only stand for a size class.
fn models<'a>(claim: &Claim, catalog: &'a Catalog) -> Vec<(&'a Model, bool)> {
    let named: Vec<_> = claim
        .models
        .iter()
        .filter_map(|slug| catalog.model(slug))
        .take(MOST)
        .map(|model| (model, false))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let class = claim.model.as_ref().map(|class| catalog.find_model(class).all()).unwrap_or_default();
    class.into_iter().take(1).map(|found| (found.model, true)).collect()
}

/// How the weights may be stored.
struct Storage {
    label: String,
    quant: Option<Quant>,
    /// Bits per weight where the label is no known quantization.
    bits: Option<f64>,
    open: bool,
}

impl Storage {
    fn known(label: &str, open: bool) -> Option<Self> {
        let quant = Quant::parse(label).ok()?;
        Some(Self { label: quant.label.to_owned(), quant: Some(quant), bits: None, open })
    }

    fn case<'a>(self, machine: &'a Machine, model: &Model, class: bool, profiles: &Profiles) -> Case<'a> {
        let profile = profiles.of(model, &self.label, || match (&self.quant, self.bits) {
            (Some(quant), _) => model.profile(quant),
            (None, bits) => scaled(model, bits.unwrap_or(16.0)),
        });
        let approximate = self.quant.as_ref().is_none_or(|quant| quant.approximate);
        let doubt = if approximate || class { 1.15 } else { 1.0 };
        Case {
            machine,
            model: model.slug.clone(),
            quant: self.quant,
            label: self.label,
            profile,
            doubt,
            quant_open: self.open,
        }
    }
}

/// The model at `bits` per weight throughout.
fn scaled(model: &Model, bits: f64) -> Profile {
    let mut profile = Quant::parse("F16")
        .map_or_else(|_| unreachable!("F16 is a quantization"), |half| model.profile(&half));
    let factor = bits / 16.0;
    for bytes in [&mut profile.tensor_bytes, &mut profile.fixed_bytes, &mut profile.head_bytes] {
        *bytes = Bytes(bytes.get() * factor);
    }
    for group in &mut profile.experts {
        group.bytes = group.bytes * factor;
    }
    profile.quant = format!("{bits} bits");
    profile
}

/// Labels of classes of quantizations: what people write for any of several formats.
const CLASSES: &[(&str, &[&str])] = &[
    ("Q2", &["Q2_K", "IQ2_XXS"]),
    ("2-bit", &["Q2_K", "IQ2_XXS"]),
    ("Q3", &["Q3_K_M", "Q3_K_S", "IQ3_XXS"]),
    ("3-bit", &["Q3_K_M", "MLX-3bit", "IQ3_XXS"]),
    ("Q4", &["Q4_K_M", "Q4_0", "IQ4_XS"]),
    ("Q4_K", &["Q4_K_M", "Q4_K_S"]),
    ("4-bit", &["Q4_K_M", "MLX-4bit", "INT4", "IQ4_XS"]),
    ("FP4", &["NVFP4", "MXFP4-ALL"]),
    ("Q5", &["Q5_K_M", "Q5_K_S"]),
    ("Q5_K", &["Q5_K_M", "Q5_K_S"]),
    ("5-bit", &["Q5_K_M", "MLX-5bit"]),
    ("Q6", &["Q6_K"]),
    ("6-bit", &["Q6_K", "MLX-6bit"]),
    ("Q8", &["Q8_0"]),
    ("8-bit", &["Q8_0", "MLX-8bit", "FP8", "INT8"]),
    ("MLX", &["MLX-4bit"]),
];

/// Readings where the text names no quantization, heaviest first.
const ANY: &[&str] = &["F16", "Q8_0", "Q4_K_M", "IQ2_XXS", "IQ1_S"];

fn storages(claim: &Claim, model: &Model) -> Vec<Storage> {
    let engine = claim.engine.as_deref().unwrap_or_default();
    if model.shape.arch == "gpt-oss" {
        return gpt_oss(claim.quant.as_deref(), engine);
    }
    let Some(label) = claim.quant.as_deref() else { return unstated(engine) };
    if let Some((_, members)) = CLASSES.iter().find(|(class, _)| class.eq_ignore_ascii_case(label)) {
        return members.iter().filter_map(|member| Storage::known(member, false)).collect();
    }
    if let Some(bits) = bits_of(label) {
        return vec![Storage { label: label.to_owned(), quant: None, bits: Some(bits), open: false }];
    }
    match Storage::known(label, false) {
        Some(known) => vec![known],
        None => unstated(engine),
    }
}

/// Ollama's library serves four bits unless the tag says otherwise.
fn unstated(engine: &str) -> Vec<Storage> {
    if engine == "ollama" {
        let usual = ["Q4_K_M", "NVFP4", "MXFP4-ALL"].iter().filter_map(|label| Storage::known(label, false));
        return usual.chain(Storage::known("IQ1_S", true)).collect();
    }
    ANY.iter().filter_map(|label| Storage::known(label, true)).collect()
}

/// gpt-oss keeps its experts in MXFP4 whatever the label; the rest depends on who packed it: the stock checkpoint has
/// attention and head in BF16, and servers also run requantised ones without saying so.
fn gpt_oss(label: Option<&str>, engine: &str) -> Vec<Storage> {
    let stated = label.map(str::to_uppercase).unwrap_or_default();
    let labels: &[&str] = match engine {
        "vllm" | "sglang" | "tensorrt-llm" | "transformers" if !stated.contains("BF16") => {
            return ["MXFP4-BF16", "MXFP4-ALL"]
                .iter()
                .filter_map(|label| Storage::known(label, true))
                .collect();
        }
        _ if stated.starts_with("MLX") || engine.contains("mlx") => {
            &["MLX-MXFP4-Q8", "MLX-MXFP4", "MXFP4-ALL"]
        }
        "llama.cpp" | "llama-server" | "ollama" | "lm-studio"
            if stated.is_empty() || stated.starts_with("MXFP4") =>
        {
            &["MXFP4"]
        }
        _ if stated.is_empty() || stated == "MXFP4" || stated == "FP4" => &["MXFP4", "MXFP4-BF16"],
        _ => &[],
    };
    if labels.is_empty() {
        let own = label.and_then(|label| Storage::known(label, false));
        return own.or_else(|| Storage::known("MXFP4", false)).into_iter().collect();
    }
    labels.iter().filter_map(|label| Storage::known(label, false)).collect()
}

/// Bits per weight of labels such as `EXL2-4.0bpw`.
fn bits_of(label: &str) -> Option<f64> {
    label
        .to_lowercase()
        .strip_suffix("bpw")?
        .trim_start_matches("exl2-")
        .trim_start_matches("exl3-")
        .parse()
        .ok()
        .filter(|bits| (1.0..=16.0).contains(bits))
}
