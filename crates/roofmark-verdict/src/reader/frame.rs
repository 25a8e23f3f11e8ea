//! What a stretch of text says about the conditions of its rates, and how that becomes a claim.

use super::lexicon::Lexicon;
use super::mentions::{Mention, What};
use super::patterns::STOCK;
use roofmark_facts::claim::{Claim, Phase};
use std::ops::Range;

/// A machine as mentioned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct MachineSeen {
    pub machines: Vec<usize>,
    pub devices: Option<u32>,
    pub memory: Option<u32>,
    pub cores: Option<u32>,
}

/// A model as mentioned: exactly, by family, by size, or by the last two together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ModelSeen {
    pub models: Vec<usize>,
    pub loose: bool,
    pub family: Vec<usize>,
    pub size: Option<String>,
}

/// Conditions; `None` where nothing is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Frame {
    pub machine: Option<MachineSeen>,
    pub model: Option<ModelSeen>,
    pub quant: Option<String>,
    /// The quantization was stated elsewhere, of another rate or of all.
    pub quant_carried: bool,
    pub engine: Option<&'static str>,
    pub context: Option<u64>,
    pub streams: Option<u64>,
    pub batched: bool,
    pub aggregate: bool,
    pub per_stream: bool,
    pub phase: Option<(Phase, Option<u64>)>,
    pub speculation: Option<bool>,
    pub accepted: Option<f64>,
    pub offload: bool,
    /// A test is named as llama.cpp's benchmarks name it.
    pub bench: bool,
    /// The text around has named the unit of rates without a number (captions of tables).
    pub unit: bool,
    /// The text around has said that pairs of rates are one of the prompt and one of generation, in this order of phases.
    pub pair: Option<[Phase; 2]>,
    /// The phase that the question before asks for.
    pub asked: Option<(Phase, Option<u64>)>,
    /// Due date where the claim is a forecast.
    pub forecast: Option<Option<String>>,
}

impl Frame {
    /// Fills what outlives a sentence (machine, model, quantization, engine) from `outer`.
    pub(super) fn or(mut self, outer: &Self) -> Self {
        self.machine = match (self.machine.take(), &outer.machine) {
            (Some(own), Some(outer)) => Some(own.completed(outer)),
            (own, outer) => own.or_else(|| outer.clone()),
        };
        self.model = match (self.model.take(), &outer.model) {
            (Some(own), Some(outer)) => Some(own.completed(outer)),
            (own, outer) => own.or_else(|| outer.clone()),
        };
        self.quant_carried |= self.quant.is_none();
        self.quant = self.quant.or_else(|| outer.quant.clone());
        self.engine = self.engine.or(outer.engine);
        self
    }

    /// Fills everything from `outer` (a table's row from its header and caption).
    pub(super) fn or_all(self, outer: &Self) -> Self {
        let mut all = self.or(outer);
        all.context = all.context.or(outer.context);
        all.streams = all.streams.or(outer.streams);
        all.batched |= outer.batched && all.streams.is_none();
        all.aggregate |= outer.aggregate;
        all.per_stream |= outer.per_stream;
        all.phase = all.phase.or(outer.phase);
        all.speculation = all.speculation.or(outer.speculation);
        all.accepted = all.accepted.or(outer.accepted);
        all.offload |= outer.offload;
        all.bench |= outer.bench;
        all
    }

    /// Whether it names anything that a column can stand for.
    pub(super) fn names_something(&self) -> bool {
        self.machine.is_some()
            || self.model.is_some()
            || self.quant.is_some()
            || self.streams.is_some()
            || self.engine.is_some()
            || self.phase.is_some()
            || self.context.is_some()
    }

    /// Conditions that `mentions` state without contradiction: an attribute with two values stays open.
    pub(super) fn of_statement(mentions: &[Mention], lexicon: &Lexicon) -> Self {
        let mut frame =
            Self { machine: only_machine(mentions, lexicon), model: only_model(mentions), ..Self::default() };
        frame.quant =
            only(mentions, |what| if let What::Quant(name) = what { Some(name.clone()) } else { None });
        frame.engine = only(mentions, |what| if let What::Engine(name) = what { Some(*name) } else { None });
        frame.phase =
            only(mentions, |what| if let What::Phase(phase, n) = what { Some((*phase, *n)) } else { None });
        frame.streams = only(mentions, |what| if let What::Streams(n) = what { Some(*n) } else { None });
        frame.context = only(mentions, |what| if let What::Context(n) = what { Some(*n) } else { None });
        frame.speculation =
            only(mentions, |what| if let What::Speculation(on) = what { Some(*on) } else { None });
        frame.accepted = only(mentions, |what| if let What::Accepted(n) = what { Some(*n) } else { None });
        frame.aggregate = mentions.iter().any(|mention| mention.what == What::Aggregate);
        frame.per_stream = mentions.iter().any(|mention| mention.what == What::PerStream);
        frame.batched = mentions.iter().any(|mention| mention.what == What::Batched);
        frame.bench = mentions.iter().any(|mention| mention.what == What::BenchName);
        frame.offload = mentions.iter().any(|mention| mention.what == What::Offload);
        frame
    }

    /// What a sentence with rates, the last of which is under `last`, leaves for what follows it.
    pub(super) fn follow(&mut self, last: Self) {
        let machine = last.machine.filter(|seen| !seen.machines.is_empty()).or_else(|| self.machine.take());
        *self = Self {
            machine,
            model: last.model,
            quant: last.quant,
            engine: last.engine,
            context: self.context,
            streams: self.streams,
            phase: self.phase,
            unit: self.unit,
            pair: self.pair,
            ..Self::default()
        };
    }

    /// What a statement without rates leaves for what follows it.
    pub(super) fn update(&mut self, said: Self, lasting: bool) {
        let outer = std::mem::take(self);
        let kept = Self {
            phase: said.phase,
            unit: said.unit,
            pair: said.pair.or(outer.pair),
            context: if lasting { said.context } else { None }.or(outer.context),
            streams: if lasting { said.streams } else { None }.or(outer.streams),
            ..Self::default()
        };
        let merged = said.or(&outer);
        *self = Self {
            machine: merged.machine,
            model: merged.model,
            quant: merged.quant,
            engine: merged.engine,
            ..kept
        };
    }
}

impl MachineSeen {
    /// The same machine named again keeps the memory and the cores that were said of it.
    fn completed(mut self, outer: &Self) -> Self {
        let within = outer.machines.iter().all(|index| self.machines.contains(index));
        let open = self.memory.is_none() && self.cores.is_none();
        if within && open && !outer.machines.is_empty() {
            self.machines.clone_from(&outer.machines);
            self.memory = self.memory.or(outer.memory);
            self.cores = self.cores.or(outer.cores);
        }
        self
    }
}

impl ModelSeen {
    /// A size without a family takes the family around it, and the other way round.
    fn completed(mut self, outer: &Self) -> Self {
        if !self.models.is_empty() {
            return self;
        }
        if self.family.is_empty() && self.size.is_some() {
            self.family.clone_from(&outer.family);
        }
        if self.size.is_none() && outer.models.is_empty() {
            self.size.clone_from(&outer.size);
        }
        self
    }
}

fn only<T: PartialEq>(mentions: &[Mention], read: impl Fn(&What) -> Option<T>) -> Option<T> {
    let mut values = mentions.iter().filter_map(|mention| read(&mention.what));
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn only_machine(mentions: &[Mention], lexicon: &Lexicon) -> Option<MachineSeen> {
    let seen: Vec<MachineSeen> = mentions.iter().filter_map(machine_of).collect();
    let first = seen.first()?;
    let family = &lexicon.machines[*first.machines.first()?].family;
    let same =
        |other: &MachineSeen| other.machines.iter().any(|&index| lexicon.machines[index].family == *family);
    if !seen.iter().all(same) {
        return None;
    }

    let mut chosen = seen.iter().min_by_key(|seen| seen.machines.len())?.clone();
    chosen.memory = seen.iter().find_map(|seen| seen.memory);
    chosen.devices = seen.iter().find_map(|seen| seen.devices);
    chosen.cores = only(mentions, |what| if let What::Cores(n) = what { Some(*n) } else { None });
    Some(chosen)
}

pub(super) fn machine_of(mention: &Mention) -> Option<MachineSeen> {
    match &mention.what {
        What::Machine { machines, devices, memory } => {
            Some(MachineSeen { machines: machines.clone(), devices: *devices, memory: *memory, cores: None })
        }
        _ => None,
    }
}

fn only_model(mentions: &[Mention]) -> Option<ModelSeen> {
    let exact: Vec<&Mention> =
        mentions.iter().filter(|mention| matches!(mention.what, What::Model { .. })).collect();
    if !exact.is_empty() {
        let What::Model { models, loose } = &exact[0].what else { return None };
        let same = exact
            .iter()
            .all(|mention| matches!(&mention.what, What::Model { models: other, .. } if other == models));
        return same.then(|| ModelSeen { models: models.clone(), loose: *loose, ..ModelSeen::default() });
    }
    let family = only(mentions, |what| if let What::Family(list) = what { Some(list.clone()) } else { None });
    let size = only(mentions, |what| if let What::Size(size) = what { Some(size.clone()) } else { None });
    (family.is_some() || size.is_some()).then(|| ModelSeen {
        family: family.unwrap_or_default(),
        size,
        ..ModelSeen::default()
    })
}

/// Where a rate stands among the mentions of its stretch.
pub(super) struct Around<'a> {
    pub mentions: &'a [Mention],
    pub start: usize,
    pub end: usize,
}

impl Around<'_> {
    /// The value nearest before the rate, else the first behind it.
    fn pick<T>(&self, read: impl Fn(&Mention) -> Option<T>) -> Option<T> {
        let before = self.mentions.iter().rev().filter(|mention| mention.end <= self.start).find_map(&read);
        before.or_else(|| self.mentions.iter().filter(|mention| mention.start >= self.end).find_map(&read))
    }

    /// The value nearest to the rate on either side.
    fn nearest<T>(&self, read: impl Fn(&Mention) -> Option<T>) -> Option<T> {
        let distance = |mention: &Mention| {
            if mention.end <= self.start {
                self.start - mention.end
            } else {
                mention.start.saturating_sub(self.end)
            }
        };
        self.mentions
            .iter()
            .filter_map(|mention| Some((distance(mention), read(mention)?)))
            .min_by_key(|(far, _)| *far)
            .map(|(_, value)| value)
    }

    /// The phase that the rate's own unit names, else the one beside it.
    fn phase(&self) -> Option<(Phase, Option<u64>)> {
        let read = |mention: &Mention| {
            if let What::Phase(phase, n) = mention.what { Some((phase, n)) } else { None }
        };
        let inside = |mention: &&Mention| mention.start > self.start && mention.end < self.end;
        self.mentions.iter().filter(inside).find_map(read).or_else(|| self.pick(read))
    }

    fn any(&self, what: &What) -> bool {
        self.mentions.iter().any(|mention| mention.what == *what)
    }

    /// Conditions that this stretch states for the rate.
    pub(super) fn frame(&self) -> Frame {
        let mut machine = self.pick(machine_of);
        if let Some(seen) = &mut machine {
            seen.cores =
                self.nearest(|mention| if let What::Cores(n) = mention.what { Some(n) } else { None });
        }
        Frame {
            machine,
            model: self.model(),
            quant: self.pick(
                |mention| if let What::Quant(name) = &mention.what { Some(name.clone()) } else { None },
            ),
            engine: self
                .pick(|mention| if let What::Engine(name) = mention.what { Some(name) } else { None }),
            context: self.nearest(|mention| if let What::Context(n) = mention.what { Some(n) } else { None }),
            streams: self.nearest(|mention| if let What::Streams(n) = mention.what { Some(n) } else { None }),
            batched: self.any(&What::Batched),
            aggregate: self.any(&What::Aggregate),
            per_stream: self.any(&What::PerStream),
            phase: self.phase(),
            speculation: self
                .nearest(|mention| if let What::Speculation(on) = mention.what { Some(on) } else { None }),
            accepted: self
                .nearest(|mention| if let What::Accepted(n) = mention.what { Some(n) } else { None }),
            offload: self.any(&What::Offload),
            bench: self.any(&What::BenchName),
            quant_carried: false,
            unit: false,
            pair: None,
            asked: None,
            forecast: None,
        }
    }

    /// Cores named in a stretch whose machine is named before it.
    pub(super) fn cores(&self) -> Option<u32> {
        self.nearest(|mention| if let What::Cores(n) = mention.what { Some(n) } else { None })
    }

    /// Devices counted in a stretch whose machine is named before it.
    pub(super) fn cards(&self) -> Option<u32> {
        if self.mentions.iter().any(|mention| matches!(mention.what, What::Machine { devices: Some(_), .. }))
        {
            return None;
        }
        self.pick(|mention| if let What::Cards(n) = mention.what { Some(n) } else { None })
    }

    fn model(&self) -> Option<ModelSeen> {
        let exact = self.pick(|mention| match &mention.what {
            What::Model { models, loose } => Some((models.clone(), *loose)),
            _ => None,
        });
        if let Some((models, loose)) = exact {
            return Some(ModelSeen { models, loose, ..ModelSeen::default() });
        }
        let family = self
            .pick(|mention| if let What::Family(list) = &mention.what { Some(list.clone()) } else { None });
        let size =
            self.pick(|mention| if let What::Size(size) = &mention.what { Some(size.clone()) } else { None });
        (family.is_some() || size.is_some()).then(|| ModelSeen {
            family: family.unwrap_or_default(),
            size,
            ..ModelSeen::default()
        })
    }
}

/// What the whole text says.
pub(super) struct Whole<'a> {
    pub lexicon: &'a Lexicon,
    pub text: &'a str,
    /// Conditions that hold throughout.
    pub universal: Frame,
    /// Conditions that are named only once, in a statement without rates.
    pub unique: Frame,
    /// Models named exactly, in order.
    pub models: Vec<(usize, usize)>,
    /// Machines that the text names.
    pub machines: Vec<Vec<usize>>,
    /// Machines as sentences name them, in order.
    pub named: Vec<(usize, MachineSeen)>,
    /// How many engines the text names.
    pub engines: usize,
    /// Memory modules that the text names beside an accelerator.
    pub host: Vec<usize>,
}

impl Whole<'_> {
    /// The claim that `rate` makes under `frame`, in the sentence or row at `place`.
    pub(super) fn claim(&self, rate: &Mention, frame: Frame, place: &Range<usize>) -> Option<Claim> {
        let What::Rate { low, high, .. } = rate.what else { return None };
        let mut frame = frame.or(&self.universal).or(&self.unique);
        frame.context = frame.context.or(self.universal.context).or(self.unique.context);
        let (machine, machines, devices) = self.machine(frame.machine.as_ref());
        let (model, models) = self.model(frame.model.as_ref(), rate.start);
        let quant = frame
            .quant
            .clone()
            .filter(|label| !frame.quant_carried || !is_native(model.as_deref()) || label.contains("FP4"));
        let stock = is_native(model.as_deref()) && STOCK.is_match(&self.text[place.clone()]);
        let quant = if stock { Some("MXFP4-BF16".to_owned()) } else { quant };
        let apple = machines.iter().any(|slug| slug.starts_with("apple"));
        let engine = frame.engine.filter(|name| machines.is_empty() || apple || !name.contains("mlx"));
        let (phase, prompt) = frame.phase.unwrap_or((Phase::Decode, None));
        let (phase, concurrency) = streams(phase, &frame);
        Some(Claim {
            text: self.text[place.clone()].split_whitespace().collect::<Vec<_>>().join(" "),
            start: rate.start,
            end: rate.end,
            machine,
            machines,
            model,
            models,
            quant: self::quant(quant, engine),
            phase,
            concurrency,
            low: rounded(low),
            high: rounded(high),
            context: frame.context.or(prompt),
            engine: engine.or(frame.bench.then_some("llama.cpp")).map(str::to_owned),
            speculation: frame.speculation == Some(true) && phase != Phase::Prefill,
            accepted: frame.accepted,
            devices: devices.unwrap_or(1),
            offloaded: frame.offload,
            forecast: frame.forecast.is_some(),
            due: frame.forecast.flatten(),
        })
    }

    /// Sets the core count of the machine in `frame`; where that machine has no variants by cores, the text means the
    /// only other one that does.
    pub(super) fn with_cores(&self, frame: &mut Frame, cores: u32) {
        let has = |machines: &[usize]| {
            machines.iter().any(|&index| self.lexicon.machines[index].cores == Some(cores))
        };
        if let Some(machine) = &mut frame.machine
            && has(&machine.machines)
        {
            machine.cores = Some(cores);
            return;
        }
        let mut families: Vec<&String> = Vec::new();
        let mut others = self.machines.iter().filter(|machines| has(machines));
        let Some(first) = others.next() else { return };
        for machines in std::iter::once(first).chain(others) {
            let family = &self.lexicon.machines[machines[0]].family;
            if !families.contains(&family) {
                families.push(family);
            }
        }
        if families.len() == 1 {
            frame.machine =
                Some(MachineSeen { machines: first.clone(), cores: Some(cores), ..MachineSeen::default() });
        }
    }

    /// Whether `seen` is a card in a host that could compute without it.
    pub(super) fn is_card(&self, seen: &MachineSeen) -> bool {
        let cards = ["nvidia-rtx", "nvidia-gtx", "nvidia-titan", "amd-rx", "amd-radeon", "intel-arc"];
        let slug = seen.machines.first().map(|&index| self.lexicon.machines[index].slug.as_str());
        slug.is_some_and(|slug| cards.iter().any(|start| slug.starts_with(start)))
    }

    /// The machine of this maker (`apple`, `nvidia`, …) that the text names last before `at`.
    pub(super) fn of_maker(&self, maker: &str, at: usize) -> Option<MachineSeen> {
        let maker = if maker.starts_with("mac") { "apple" } else { maker };
        let made = |machines: &[usize]| {
            machines.first().is_some_and(|&index| self.lexicon.machines[index].slug.starts_with(maker))
        };
        let named = self.named.iter().rev().filter(|(place, _)| *place < at).take(64);
        named.map(|(_, seen)| seen).find(|seen| made(&seen.machines)).cloned()
    }

    /// The machine that the text counts so many of, last before `at`: "the four cards".
    pub(super) fn counted(&self, cards: u32, at: usize) -> Option<MachineSeen> {
        let before = self.named.iter().rev().filter(|(place, _)| *place < at).take(64);
        before.map(|(_, seen)| seen).find(|seen| cards > 1 && seen.devices == Some(cards)).cloned()
    }

    /// Slugs of the machine that `frame` speaks of.
    pub(super) fn about(&self, frame: &Frame) -> (Vec<String>, Option<u32>) {
        let (_, slugs, devices) = self.machine(frame.machine.as_ref());
        (slugs, devices)
    }

    fn machine(&self, seen: Option<&MachineSeen>) -> (Option<String>, Vec<String>, Option<u32>) {
        let Some(seen) = seen.filter(|seen| !seen.machines.is_empty()) else {
            return (None, Vec::new(), None);
        };
        let all = &self.lexicon.machines;
        let mut left = seen.machines.clone();
        narrow(&mut left, |index| seen.cores.is_some() && all[index].cores == seen.cores);
        narrow(&mut left, |index| seen.memory.is_some() && all[index].memory_gib == seen.memory);
        let slug = self.chosen(&left, seen);
        let cluster = seen.devices.map(|count| format!("{slug}-x{count}"));
        if let Some(cluster) = cluster.filter(|slug| all.iter().any(|machine| machine.slug == *slug)) {
            return (Some(cluster.clone()), vec![cluster], None);
        }
        (Some(slug), left.iter().map(|&index| all[index].slug.clone()).collect(), seen.devices)
    }

    /// The slug that stands for several variants: the one that names none of what is open, or the family.
    fn chosen(&self, left: &[usize], seen: &MachineSeen) -> String {
        let all = &self.lexicon.machines;
        let family = &all[left[0]].family;
        let stated = |index: usize| {
            let slug = &all[index].slug;
            let cores = seen
                .cores
                .filter(|n| all[index].cores == Some(*n))
                .map(|n| format!("-{n}c"))
                .unwrap_or_default();
            let memory = seen.memory.map(|n| format!("-{n}gb")).unwrap_or_default();
            *slug == format!("{family}{cores}") || *slug == format!("{family}{cores}{memory}")
        };
        if let [one] = left {
            let said = format!("{family}-{}gb", seen.memory.unwrap_or_default());
            let open = seen.cores.is_none() && all.iter().any(|machine| machine.slug == said);
            return if open { said } else { all[*one].slug.clone() };
        }
        if let Some(&plain) = left.iter().find(|&&index| stated(index)) {
            return all[plain].slug.clone();
        }
        if all[left[0]].apple {
            let cores = seen.cores.map(|n| format!("-{n}c")).unwrap_or_default();
            return format!("{family}{cores}");
        }
        left.iter()
            .find(|&&index| !all[index].specific)
            .map_or_else(|| all[left[0]].slug.clone(), |&index| all[index].slug.clone())
    }

    /// Slug or class of the model that is seen at `at`, and the catalog models that it can mean.
    pub(super) fn model(&self, seen: Option<&ModelSeen>, at: usize) -> (Option<String>, Vec<String>) {
        let Some(seen) = seen else { return (None, Vec::new()) };
        let all = &self.lexicon.models;
        if let Some(&first) = seen.models.first() {
            let size = all[first].size.as_ref();
            let meant = if seen.loose { self.mentioned(size, at) } else { None };
            let index = meant.unwrap_or(first);
            return (Some(all[index].slug.clone()), vec![all[index].slug.clone()]);
        }
        let sized: Vec<usize> = seen
            .family
            .iter()
            .copied()
            .filter(|&index| seen.size.is_some() && all[index].size == seen.size)
            .collect();
        if let Some(&first) = sized.first() {
            let meant = self.mentioned(seen.size.as_ref(), at).filter(|index| sized.contains(index));
            let first = meant.unwrap_or(first);
            return (Some(all[first].slug.clone()), vec![all[first].slug.clone()]);
        }
        if let Some(index) = seen.size.as_ref().and_then(|size| self.mentioned(Some(size), at)) {
            return (Some(all[index].slug.clone()), vec![all[index].slug.clone()]);
        }
        match &seen.size {
            Some(size) => (Some(size.clone()), Vec::new()),
            None if seen.family.len() == 1 => {
                (Some(all[seen.family[0]].slug.clone()), vec![all[seen.family[0]].slug.clone()])
            }
            None => (None, seen.family.iter().map(|&index| all[index].slug.clone()).collect()),
        }
    }

    /// The model of this size that the text names last before `at`, else first after it.
    fn mentioned(&self, size: Option<&String>, at: usize) -> Option<usize> {
        let same = |&&(_, index): &&(usize, usize)| {
            size.is_some() && self.lexicon.models[index].size.as_ref() == size
        };
        let split = self.models.partition_point(|&(place, _)| place < at);
        let before = self.models[..split].iter().rev().take(64).find(same);
        before.or_else(|| self.models[split..].iter().take(64).find(same)).map(|&(_, index)| index)
    }
}

/// Models that exist in one format only: what a text says of others' weights is not said of theirs.
fn is_native(model: Option<&str>) -> bool {
    model.is_some_and(|slug| slug.starts_with("gpt-oss"))
}

fn narrow(list: &mut Vec<usize>, keep: impl Fn(usize) -> bool) {
    let kept: Vec<usize> = list.iter().copied().filter(|&index| keep(index)).collect();
    if !kept.is_empty() {
        *list = kept;
    }
}

/// Phase and streams of a rate under `frame`.
pub(super) fn streams(phase: Phase, frame: &Frame) -> (Phase, Option<u64>) {
    let many = frame.streams.is_some_and(|n| n > 1);
    if phase == Phase::Prefill || frame.streams == Some(1) {
        return (phase, Some(frame.streams.unwrap_or(1)));
    }
    if many {
        let each = frame.per_stream && !frame.aggregate;
        return (if each { Phase::Decode } else { Phase::DecodeBatched }, frame.streams);
    }
    if frame.batched && !frame.per_stream {
        return (Phase::DecodeBatched, None);
    }
    (phase, Some(1))
}

/// "4-bit" of an MLX run is MLX's own format; bits per weight of an EXL2 run are EXL2's.
fn quant(quant: Option<String>, engine: Option<&str>) -> Option<String> {
    let quant = quant?;
    let mlx = engine.is_some_and(|name| name.contains("mlx"));
    if mlx && let Some(bits) = quant.strip_suffix("-bit") {
        return Some(format!("MLX-{bits}bit"));
    }
    if engine == Some("exllamav2") && quant.ends_with("bpw") {
        return Some(format!("EXL2-{quant}"));
    }
    Some(quant)
}

fn rounded(value: f64) -> f64 {
    let step = 10f64.powi(6 - value.abs().log10().floor() as i32);
    (value * step).round() / step
}
