//! Claims of prose, headings and lists: which mentions belong to which rate.

use super::document::{Block, Document, Kind};
use super::frame::{Around, Frame, MachineSeen, ModelSeen, Whole};
use super::lexicon::Lexicon;
use super::mentions::{self, Mention, What};
use super::numbers::{self, Decimal};
use super::patterns::*;
use super::sentences::sentences;
use super::{Named, Sentence};
use super::{dates, table};
use roofmark_facts::claim::{Claim, Phase};
use std::ops::Range;

/// Sentences longer than this are cut at white space, so that work stays linear.
const LONGEST_SENTENCE: usize = 2000;

/// Bytes from which a text is read by several threads.
const LONG_TEXT: usize = 100_000;

/// Groups of rates above this one are numbers without a unit.
const BARE_GROUP: usize = usize::MAX / 4 * 3;

/// What a document says.
pub(super) struct Found {
    pub claims: Vec<Claim>,
    pub sentences: Vec<Sentence>,
    pub quants: Vec<String>,
}

/// All claims of `document`.
pub(super) fn claims(document: &Document, lexicon: &Lexicon) -> Found {
    let decimal = numbers::decimal_of(&document.text);
    let parts = all_parts(document, lexicon, decimal);
    let whole = whole(document, &parts, lexicon);
    let mut reader = Scope {
        whole: &whole,
        decimal,
        year: dates::of_text(&document.text)
            .and_then(|month| month[..4].parse().ok())
            .or_else(|| common_year(&parts)),
        carry: Frame::default(),
        swap: None,
        headings: Vec::new(),
        items: Vec::new(),
        rebuffed: rebuffed(&document.text, &parts),
        pair: None,
        claims: Vec::new(),
        sentences: Vec::new(),
    };
    for (block, parts) in document.blocks.iter().zip(&parts) {
        reader.block(block, parts);
    }
    for part in parts.iter().flatten() {
        reader.echoes(part);
    }
    let retracted = retracted(&document.text, decimal);
    reader.claims.retain(|claim| {
        !retracted.iter().any(|(at, value)| claim.end <= *at && claim.low == *value && claim.high == *value)
    });
    reader.claims.sort_by_key(|claim| (claim.start, claim.end));
    let (claims, sentences) = (reader.claims, reader.sentences);
    Found { quants: quants(&parts, &claims), claims, sentences }
}

/// Figures that the text takes back, and where it does so.
fn retracted(text: &str, decimal: Decimal) -> Vec<(usize, f64)> {
    let found = RETRACTED.captures_iter(text).take(100);
    found
        .filter_map(|found| {
            let number = found.name("n")?;
            Some((number.start(), numbers::value(number.as_str(), decimal)?))
        })
        .collect()
}

/// The sentences of all blocks. Blocks do not depend on each other: those of a long text are read side by side.
fn all_parts(document: &Document, lexicon: &Lexicon, decimal: Decimal) -> Vec<Vec<Part>> {
    let read = |blocks: &[Block]| -> Vec<Vec<Part>> {
        blocks.iter().map(|block| parts(&document.text, block, lexicon, decimal)).collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    if threads == 1 || document.text.len() < LONG_TEXT {
        return read(&document.blocks);
    }
    let share = document.blocks.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> =
            document.blocks.chunks(share).map(|blocks| scope.spawn(|| read(blocks))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Vec<Part>>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().flat_map(join).collect()
    })
}

/// Quantizations that a text names in sentences or in claims, each once.
fn quants(parts: &[Vec<Part>], claims: &[Claim]) -> Vec<String> {
    let named =
        parts.iter().flatten().flat_map(|part| &part.mentions).filter_map(|mention| match &mention.what {
            What::Quant(name) => Some(name.clone()),
            _ => None,
        });
    let mut all: Vec<String> = named.chain(claims.iter().filter_map(|claim| claim.quant.clone())).collect();
    all.sort();
    all.dedup();
    all.truncate(12);
    all
}

/// A sentence with its mentions.
struct Part {
    range: Range<usize>,
    mentions: Vec<Mention>,
}

fn parts(text: &str, block: &Block, lexicon: &Lexicon, decimal: Decimal) -> Vec<Part> {
    if matches!(block.kind, Kind::Table(_) | Kind::Records(_)) {
        return Vec::new();
    }
    let mut parts: Vec<Part> = sentences(text, block.range.clone())
        .into_iter()
        .flat_map(|range| chunks(text, range))
        .map(|range| Part { mentions: mentions::find(text, range.clone(), lexicon, decimal), range })
        .collect();
    settle_bare(&mut parts);
    parts
}

/// Numbers without a unit are rates where the sentence or the one before it tells rates, else nothing.
fn settle_bare(parts: &mut [Part]) {
    let mut told = 0usize;
    for part in parts {
        if has_rate(&part.mentions) {
            told = 3;
        }
        for (at, mention) in part.mentions.iter_mut().enumerate() {
            if let What::Bare(rate) = mention.what
                && told > 0
            {
                mention.what = What::Rate { low: rate, high: rate, group: usize::MAX - at };
            }
        }
        part.mentions.retain(|mention| !matches!(mention.what, What::Bare(_)));
        told = if has_rate(&part.mentions) { 2 } else { told.saturating_sub(1) };
    }
}

/// The sentence with the numbers behind its names as rates, where the text above has named their unit.
fn plain_rates(text: &str, part: &Part, decimal: Decimal) -> Option<Part> {
    if has_rate(&part.mentions) || part.range.len() > LONGEST_SENTENCE {
        return None;
    }
    let mut mentions = part.mentions.clone();
    let is_named =
        mentions.iter().any(|mention| matches!(mention.what, What::Machine { .. } | What::Model { .. }));
    for (at, found) in PLAIN.captures_iter(&text[part.range.clone()]).enumerate() {
        let value =
            |name: &str| numbers::value(found.name(name)?.as_str(), decimal).filter(|value| *value > 0.0);
        let (Some(a), Some(low)) = (found.name("a"), value("a")) else { continue };
        let own = part.range.start + a.start()..part.range.start + a.end();
        let named_by = |mention: &Mention| mention.start < own.end && mention.end > own.start;
        let second = found.name("b").zip(value("b")).filter(|_| part.mentions.iter().any(named_by));
        let ((a, low), b) = match second {
            Some(second) => (second, None),
            None => ((a, low), found.name("b")),
        };
        let range = part.range.start + a.start()..part.range.start + b.unwrap_or(a).end();
        let before = text[part.range.start..range.start].trim_end_matches([' ', '~', '≈', '*']);
        let behind = part.range.start + before.len();
        let label = before.ends_with([':', '=', '–', '—', '：', '→', '>'])
            && (is_named || !OTHER_LABEL.is_match(before));
        let named = mentions.iter().any(|mention| mention.end == behind) || label;
        let free = !mentions.iter().any(|mention| mention.start < range.end && mention.end > range.start);
        if let (true, true, Some(second)) = (named, free, value("c")) {
            let c = found.name("c").map_or(range.end, |c| part.range.start + c.end());
            mentions.push(Mention {
                start: range.start,
                end: range.end,
                what: What::Rate { low, high: low, group: at },
            });
            let what = What::Rate { low: second, high: second, group: at };
            mentions.push(Mention { start: range.end + 1, end: c, what });
        } else if named && free {
            let low = if found.name("ak").is_some() { low * 1000.0 } else { low };
            let high = value("b").filter(|high| *high >= low).unwrap_or(low);
            mentions.push(Mention {
                start: range.start,
                end: range.end,
                what: What::Rate { low, high, group: at },
            });
        }
    }
    mentions.sort_by_key(|mention| mention.start);
    has_rate(&mentions).then(|| Part { range: part.range.clone(), mentions })
}

/// Starts of quoted lines that the next words rebuff.
fn rebuffed(text: &str, parts: &[Vec<Part>]) -> Vec<usize> {
    let flat: Vec<&Part> = parts.iter().flatten().collect();
    let quoted = |part: &Part| text[part.range.clone()].trim_start().starts_with('>');
    let pairs = flat.windows(2).filter(|pair| {
        let reply = &text[pair[1].range.clone()];
        quoted(pair[0]) && !quoted(pair[1]) && REBUFF.is_match(reply) || SLIP.is_match(reply)
    });
    pairs.map(|pair| pair[0].range.start).collect()
}

fn chunks(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let mut start = range.start;
    while range.end - start > LONGEST_SENTENCE {
        let mut end = start + LONGEST_SENTENCE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let end =
            text[start..end].rfind([' ', ',', ';', '\t']).filter(|at| *at > 0).map_or(end, |at| start + at);
        chunks.push(start..end);
        start = end;
    }
    chunks.push(start..range.end);
    chunks
}

fn has_rate(mentions: &[Mention]) -> bool {
    mentions.iter().any(|mention| matches!(mention.what, What::Rate { .. }))
}

fn whole<'a>(document: &'a Document, parts: &[Vec<Part>], lexicon: &'a Lexicon) -> Whole<'a> {
    let text = document.text.as_str();
    let mut models = Vec::new();
    let mut universal = Frame::default();
    let mut statements: Vec<Mention> = Vec::new();
    for part in parts.iter().flatten() {
        for mention in &part.mentions {
            if let What::Model { models: list, loose: false } = &mention.what {
                models.push((mention.start, list[0]));
            }
        }
        if !has_rate(&part.mentions) {
            let asks = text[part.range.clone()].trim_end().ends_with(['?', '？']);
            let told = |mention: &&Mention| !(asks && matches!(mention.what, What::Engine(_)));
            statements.extend(part.mentions.iter().filter(told).cloned());
            if UNIVERSAL.is_match(&text[part.range.clone()]) {
                let said = Frame::of_statement(&part.mentions, lexicon);
                universal = universal.or(&Frame {
                    machine: said.machine,
                    quant: said.quant,
                    engine: said.engine,
                    model: said.model,
                    ..Frame::default()
                });
                universal.context = universal.context.or(said.context);
            }
        }
    }
    for block in &document.blocks {
        match &block.kind {
            Kind::Table(rows) => models.extend(table::models(text, rows.iter().flatten(), lexicon)),
            Kind::Records(records) => {
                let values = records.iter().flat_map(|record| &record.pairs).map(|(_, value)| value);
                models.extend(table::models(text, values, lexicon));
            }
            _ => {}
        }
    }
    models.sort_unstable();
    let unique = Frame::of_statement(&statements, lexicon);
    let unique = Frame {
        machine: unique.machine,
        quant: unique.quant,
        engine: unique.engine,
        model: unique.model,
        context: context_behind(text, parts),
        ..Frame::default()
    };
    let mut engines: Vec<&str> = parts
        .iter()
        .flatten()
        .flat_map(|part| &part.mentions)
        .filter_map(|mention| if let What::Engine(name) = mention.what { Some(name) } else { None })
        .collect();
    engines.sort_unstable();
    engines.dedup();
    let machines = machines(parts);
    Whole {
        lexicon,
        text,
        universal,
        unique,
        models,
        engines: engines.len(),
        machines,
        named: named(parts),
        host: host(parts),
    }
}

/// The only context that the text names, where a sentence behind all rates states it of them.
fn context_behind(text: &str, parts: &[Vec<Part>]) -> Option<u64> {
    let mut contexts =
        parts.iter().flatten().flat_map(|part| &part.mentions).filter_map(|mention| match mention.what {
            What::Context(tokens) => Some(tokens),
            _ => None,
        });
    let only = contexts.next().filter(|first| contexts.all(|other| other == *first))?;
    let last = parts.iter().flatten().enumerate().filter(|(_, part)| has_rate(&part.mentions)).last()?.0;
    let behind = parts.iter().flatten().skip(last + 1).take(2);
    let states = |part: &Part| {
        part.mentions.iter().any(|mention| matches!(mention.what, What::Context(_)))
            && BACKWARD.is_match(&text[part.range.clone()])
    };
    behind.into_iter().any(states).then_some(only)
}

/// Machines as sentences name them, in order, with the cores that the sentence gives the only one in it.
fn named(parts: &[Vec<Part>]) -> Vec<(usize, MachineSeen)> {
    let mut found = Vec::new();
    for part in parts.iter().flatten() {
        for (at, mention) in part.mentions.iter().enumerate() {
            if let Some(mut seen) = super::frame::machine_of(mention) {
                seen.cores = part.mentions[at..]
                    .iter()
                    .skip(1)
                    .map_while(|next| match next.what {
                        What::Machine { .. } | What::Rate { .. } => None,
                        What::Cores(cores) => Some(Some(cores)),
                        _ => Some(None),
                    })
                    .flatten()
                    .next();
                found.push((mention.start, seen));
            }
        }
    }
    found
}

/// Machines that sentences name, each family once.
fn machines(parts: &[Vec<Part>]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    for mention in parts.iter().flatten().flat_map(|part| &part.mentions) {
        if let What::Machine { machines, .. } = &mention.what
            && found.len() < 64
            && !found.contains(machines)
        {
            found.push(machines.clone());
        }
    }
    found
}

/// The memory modules that the text names beside an accelerator.
fn host(parts: &[Vec<Part>]) -> Vec<usize> {
    let hosts =
        parts.iter().flatten().flat_map(|part| &part.mentions).find_map(|mention| match &mention.what {
            What::Host(machines) => Some(machines.clone()),
            _ => None,
        });
    hosts.unwrap_or_default()
}

fn common_year(parts: &[Vec<Part>]) -> Option<u32> {
    let years =
        parts.iter().flatten().flat_map(|part| &part.mentions).filter_map(|mention| match &mention.what {
            What::Date(date) => date.year,
            _ => None,
        });
    let mut counts = std::collections::BTreeMap::new();
    for year in years {
        *counts.entry(year).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(year, _)| year)
}

struct Scope<'a> {
    whole: &'a Whole<'a>,
    decimal: Decimal,
    year: Option<u32>,
    /// Conditions that hold where the reader stands.
    carry: Frame,
    /// A machine that was replaced, and the one in its place.
    swap: Option<(MachineSeen, MachineSeen)>,
    /// Open headings with the conditions that hold below each.
    headings: Vec<(usize, Frame)>,
    /// Open list items with the conditions that hold beside each.
    items: Vec<(usize, Frame)>,
    /// Starts of statements that the text rebuffs.
    rebuffed: Vec<usize>,
    /// The larger of two rates that are one of the prompt and one of generation.
    pair: Option<f64>,
    claims: Vec<Claim>,
    sentences: Vec<Sentence>,
}

impl Scope<'_> {
    fn block(&mut self, block: &Block, parts: &[Part]) {
        match &block.kind {
            Kind::Item(depth) => self.item(*depth, parts),
            Kind::Heading(level) => self.heading(*level, parts),
            Kind::Paragraph if !parts.is_empty() => {
                self.end_list();
                let mut frame = std::mem::take(&mut self.carry);
                let engine = frame.engine;
                for part in parts {
                    self.read(part, &mut frame, false);
                }
                if self.whole.engines > 1 && parts.iter().any(|part| has_rate(&part.mentions)) {
                    frame.engine = engine;
                }
                self.carry = frame;
            }
            Kind::Paragraph => {}
            Kind::Records(records) => {
                self.end_list();
                let mut found = table::record_claims(self.whole, records, &self.carry, self.decimal);
                self.claims.append(&mut found);
            }
            Kind::Table(rows) => {
                self.end_list();
                let mut found = table::claims(self.whole, rows, &mut self.carry, self.decimal);
                self.claims.append(&mut found);
            }
        }
    }

    fn end_list(&mut self) {
        if let Some((_, frame)) = self.items.drain(..).next() {
            self.carry = frame;
        }
    }

    fn heading(&mut self, level: usize, parts: &[Part]) {
        self.end_list();
        let above = self.headings.iter().rposition(|(other, _)| *other < level);
        self.headings.truncate(above.map_or(0, |at| at + 1));
        let mut frame = self.headings.last().map(|(_, frame)| frame.clone()).unwrap_or_default();
        if self.headings.len() <= 1 && level > 1 {
            frame = frame.or(&Frame {
                engine: self.carry.engine,
                quant: self.carry.quant.clone(),
                ..Frame::default()
            });
        }
        let named: Vec<&Mention> = parts.iter().flat_map(|part| &part.mentions).collect();
        if !named.iter().any(|mention| {
            matches!(mention.what, What::Machine { .. } | What::Model { .. } | What::Family(_))
        }) {
            frame = frame.or(&self.carry);
            frame.context = frame.context.or(self.carry.context);
            frame.streams = frame.streams.or(self.carry.streams);
        }
        for part in parts {
            self.read(part, &mut frame, true);
        }
        self.carry = frame.clone();
        self.headings.push((level, frame));
    }

    fn item(&mut self, depth: usize, parts: &[Part]) {
        while self.items.last().is_some_and(|(other, _)| *other > depth) {
            self.items.pop();
        }
        if self.items.last().is_none_or(|(other, _)| *other < depth) {
            let outer = self.items.last().map_or(&self.carry, |(_, frame)| frame).clone();
            self.items.push((depth, outer));
        }
        let mut frame = self.items.last().map(|(_, frame)| frame.clone()).unwrap_or_default();
        let silent = !parts.iter().any(|part| has_rate(&part.mentions));
        for part in parts {
            self.read(part, &mut frame, true);
        }
        if silent && let Some((_, beside)) = self.items.last_mut() {
            *beside = frame;
        }
    }

    /// Reads one sentence and notes what it is about.
    fn read(&mut self, part: &Part, frame: &mut Frame, hints: bool) {
        let plain = if frame.unit { plain_rates(self.whole.text, part, self.decimal) } else { None };
        self.sentence(plain.as_ref().unwrap_or(part), frame, hints);
        let slugs = |machines: &[usize]| {
            machines.iter().map(|&index| self.whole.lexicon.machines[index].slug.clone()).collect::<Vec<_>>()
        };
        let machines = part.mentions.iter().filter_map(|mention| match &mention.what {
            What::Machine { machines, .. } => {
                Some(Named { start: mention.start, slugs: slugs(machines), compared: false })
            }
            What::Compared(machines) => {
                Some(Named { start: mention.start, slugs: slugs(machines), compared: true })
            }
            _ => None,
        });
        let machines: Vec<_> = machines.collect();
        let (about, _) = self.whole.about(frame);
        let (model, _) = self.whole.model(frame.model.as_ref(), part.range.start);
        let quant = frame.quant.clone().or_else(|| self.whole.universal.quant.clone());
        self.sentences.push(Sentence { range: part.range.clone(), machines, about, model, quant });
    }

    /// Reads one sentence: its claims, and what it leaves for the next.
    fn sentence(&mut self, part: &Part, frame: &mut Frame, hints: bool) {
        let text = &self.whole.text[part.range.clone()];
        if !has_rate(&part.mentions) {
            self.statement(part, text, frame, hints);
            return;
        }
        if is_question(text) || self.rebuffed.contains(&part.range.start) {
            let said = Frame::of_statement(&part.mentions, self.whole.lexicon);
            frame.update(Frame { phase: None, ..said }, false);
            return;
        }
        let groups = segments(self.whole.text, part);
        let mut previous: Option<Frame> = None;
        self.pair = self.larger_of_pair(part);
        let locals: Vec<Frame> = groups.iter().map(|group| group.around(part).frame()).collect();
        let later = later_frames(self.whole.text, part, &locals, &groups);
        let framed = framed_streams(text, part);
        let aided = framed_speculation(part);
        let framed_depth = framed_context(text, part);
        let trailing = trailing_context(self.whole.text, part);
        for (at, group) in groups.iter().enumerate() {
            let mut local = locals[at].clone();
            local.speculation = local.speculation.or_else(|| group.speculation_before(part));
            let summed = previous.as_ref().filter(|_| local.aggregate).and_then(|previous| previous.streams);
            local.streams = local.streams.or(framed).or(summed);
            if let Some(previous) = &previous {
                let unaided = UNAIDED.is_match(clause_of(self.whole.text, part, group));
                local.speculation = local.speculation.or(aided.filter(|_| !unaided));
                local = local.or(previous);
            }
            let plural = local.machine.is_none() && PLURAL.is_match(text);
            let mut seen = local.or(frame).or(&later[at]);
            if plural {
                seen.machine = Some(MachineSeen::default());
            }
            if hints && seen.phase.is_none() {
                seen.phase = frame.phase;
            }
            seen.phase = seen.phase.or(frame.asked);
            if locals[at].model.is_none() {
                self.stand_in_model(clause_of(self.whole.text, part, group), &mut seen);
            }
            if locals[at].machine.is_none() {
                self.stand_in(part, group, &mut seen);
            }
            seen.context = seen.context.or(trailing).or(framed_depth).or(frame.context);
            seen.streams = seen.streams.or(if seen.batched { None } else { frame.streams });
            if let Some(cores) = group.around(part).cores() {
                self.whole.with_cores(&mut seen, cores);
            }
            if let (Some(cards), Some(machine)) = (group.around(part).cards(), &mut seen.machine) {
                machine.devices = Some(cards);
            }
            if group.is_bare(part) {
                seen.phase = seen.phase.or(previous.as_ref().and_then(|previous| previous.phase));
            }
            if SAME_CONTEXT.is_match(text) {
                seen.context = seen.context.or(self.claims.last().and_then(|claim| claim.context));
            }
            seen.pair = frame.pair.or_else(|| pair_of(text));
            seen.forecast = self.forecast(part, group);
            self.emit(part, group, &seen);
            previous = Some(seen);
        }
        if let Some(last) = previous {
            frame.follow(last);
        }
    }

    /// The machine that a stretch means without naming it: the old or the new one of two, or the host alone.
    fn stand_in(&self, part: &Part, group: &Segment, seen: &mut Frame) {
        let around = group.around(part);
        let text = &self.whole.text[group.range.start..around.end];
        if let Some((old, new)) = &self.swap {
            if OLD_ONE.is_match(text) {
                seen.machine = Some(old.clone());
            } else if NEW_ONE.is_match(text) {
                seen.machine = Some(new.clone());
            }
        }
        if seen.machine.is_none() && SAME_MACHINE.is_match(text) {
            let named = self.whole.named.iter().rev().find(|(place, _)| *place < part.range.start);
            seen.machine = named.map(|(_, machine)| machine.clone());
        }
        let maker = MAKER.captures_iter(text).last();
        if let Some(found) = maker.and_then(|found| found.name("name"))
            && let Some(machine) = self.whole.of_maker(&found.as_str().to_lowercase(), part.range.start)
        {
            seen.machine = Some(machine);
        }
        if let Some(machine) = around.cards().and_then(|cards| self.whole.counted(cards, part.range.start)) {
            seen.machine = Some(machine);
        }
        if around.mentions.iter().any(|mention| mention.what == What::HostOnly)
            && seen.machine.as_ref().is_some_and(|machine| self.whole.is_card(machine))
        {
            seen.machine = Some(MachineSeen { machines: self.whole.host.clone(), ..MachineSeen::default() });
        }
    }

    /// The model that a stretch means by "the same model" or "the smaller one", with the quantization of its own rate.
    fn stand_in_model(&self, text: &str, seen: &mut Frame) {
        let size = |claim: &Claim| {
            let model = claim.model.as_deref()?;
            let at = self.whole.lexicon.models.iter().find(|known| known.slug == model)?;
            at.size.as_ref()?.trim_end_matches('b').parse::<f64>().ok()
        };
        let told = self.claims.iter().rev().take(6).filter_map(|claim| Some((size(claim)?, claim)));
        let chosen = if SMALL_MODEL.is_match(text) {
            told.min_by(|a, b| a.0.total_cmp(&b.0))
        } else if BIG_MODEL.is_match(text) {
            told.max_by(|a, b| a.0.total_cmp(&b.0))
        } else if seen.model.is_none() && SAME_MODEL.is_match(text) {
            told.into_iter().next()
        } else {
            None
        };
        let Some((_, claim)) = chosen else { return };
        let index =
            self.whole.lexicon.models.iter().position(|known| Some(&known.slug) == claim.model.as_ref());
        seen.model = index.map(|index| ModelSeen { models: vec![index], ..ModelSeen::default() });
        seen.quant.clone_from(&claim.quant);
    }

    /// Of two rates that lead from one to the other, the first is the replaced machine's.
    fn swapped(&self, part: &Part, group: &Segment, at: usize, frame: &mut Frame) {
        let own =
            group.around(part).mentions.iter().any(|mention| matches!(mention.what, What::Machine { .. }));
        if let (Some((old, new)), true, false) = (&self.swap, group.from_to && group.rates.len() == 2, own) {
            frame.machine = Some(if at == 0 { old.clone() } else { new.clone() });
        }
    }

    /// The larger of the two rates of a sentence that names no phase, where the text has just told a rate of the prompt
    /// and one of generation: "890 and 71 tok/s". Prompts are read several times faster than tokens are generated.
    fn larger_of_pair(&self, part: &Part) -> Option<f64> {
        let rates: Vec<f64> = part
            .mentions
            .iter()
            .filter_map(|mention| if let What::Rate { low, .. } = mention.what { Some(low) } else { None })
            .collect();
        let [first, second] = rates.as_slice() else { return None };
        let named =
            part.mentions.iter().any(|mention| matches!(mention.what, What::Phase(..) | What::Streams(_)));
        let told = self.claims.last_chunk::<2>().is_some_and(|[one, other]| {
            [one, other].iter().filter(|claim| claim.phase == Phase::Prefill).count() == 1
        });
        let (low, high) = (first.min(*second), first.max(*second));
        (told && !named && high > 3.0 * low).then_some(high)
    }

    fn paired(&self, rate: &Mention) -> Option<(Phase, Option<u64>)> {
        let (What::Rate { low, .. }, Some(larger)) = (&rate.what, self.pair) else { return None };
        Some((if *low >= larger { Phase::Prefill } else { Phase::Decode }, None))
    }

    /// Notes which machine of two replaces the other; whether there are such.
    fn note_swap(&mut self, part: &Part, text: &str) -> bool {
        let machines: Vec<MachineSeen> = part.mentions.iter().filter_map(super::frame::machine_of).collect();
        let replaced = machines.len() == 2 && REPLACED.is_match(text);
        if let ([old, new], true) = (machines.as_slice(), replaced) {
            self.swap = Some((old.clone(), new.clone()));
        }
        replaced
    }

    /// Rates that a flattened table repeats without unit or machine: "4–6 (today)". They mean the machine of which the
    /// text states the same rate elsewhere.
    fn echoes(&mut self, part: &Part) {
        let echoes: Vec<(&Mention, f64, f64)> = part
            .mentions
            .iter()
            .filter_map(|mention| match mention.what {
                What::Echo { low, high } => Some((mention, low, high)),
                _ => None,
            })
            .collect();
        let twin = |low: f64, high: f64| {
            self.claims.iter().find(|claim| (claim.low, claim.high) == (low, high) && claim.machine.is_some())
        };
        let Some(model) = echoes.iter().find_map(|&(_, low, high)| twin(low, high)).cloned() else { return };
        for (at, &(mention, low, high)) in echoes.iter().enumerate() {
            let end = echoes.get(at + 1).map_or(part.range.end, |next| next.0.start);
            let own: Vec<Mention> = part
                .mentions
                .iter()
                .filter(|other| other.start >= mention.start && other.end <= end)
                .cloned()
                .collect();
            let said = Frame::of_statement(&own, self.whole.lexicon);
            let (phase, concurrency) = super::frame::streams(Phase::Decode, &said);
            let due = own.iter().find_map(|other| {
                if let What::Date(date) = &other.what { date.due(self.year) } else { None }
            });
            let claim = Claim {
                low,
                high,
                phase,
                concurrency,
                forecast: due.is_some(),
                due,
                start: mention.start,
                end: mention.end,
                ..model.clone()
            };
            self.claims.push(Claim { text: self.whole.text[part.range.clone()].to_owned(), ..claim });
        }
    }

    fn statement(&mut self, part: &Part, text: &str, frame: &mut Frame, lasting: bool) {
        let mut said = Frame::of_statement(&part.mentions, self.whole.lexicon);
        if self.note_swap(part, text) {
            said.machine = self.swap.as_ref().map(|(_, new)| new.clone());
        }
        let label = starts_with_quantity(part, text) || is_engine_alone(part, text);
        if self.whole.engines > 1 && !lasting && !label && !TESTED.is_match(text) {
            said.engine = None;
        }
        said.unit = UNIT_ONLY.is_match(text);
        said.pair = pair_of(text);
        if self.whole.universal.quant.is_some() {
            said.quant = None;
        }
        if let (Some(machine), Some(found), None) = (&mut frame.machine, MEMORY.captures(text), &said.machine)
        {
            machine.memory = machine.memory.or_else(|| found["n"].parse().ok());
        }
        let unit = frame.unit;
        let phase = frame.phase;
        frame.update(said, label);
        frame.unit |= unit;
        frame.phase = frame.phase.or(phase.filter(|_| part.mentions.is_empty()));
        frame.asked = frame.phase.filter(|_| ASKS.is_match(text));
    }

    fn emit(&mut self, part: &Part, group: &Segment, seen: &Frame) {
        let count = group.rates.len();
        for (at, &index) in group.rates.iter().enumerate() {
            let rate = &part.mentions[index];
            if self.is_no_claim(part, group, rate) {
                continue;
            }
            let machine = |mention: &Mention| matches!(mention.what, What::Machine { .. });
            let hosted = HOSTED.is_match(&self.whole.text[part.range.clone()]);
            let clause = &self.whole.text[group.range.start..group.range.end.min(part.range.end)];
            if hosted && !part.mentions.iter().any(machine) || OTHER_WORK.is_match(clause) {
                continue;
            }
            let mut frame = seen.clone();
            if count > 1 {
                group.align(part, at, &mut frame);
                frame.forecast = frame.forecast.filter(|_| !group.from_to || at + 1 == count);
                self.swapped(part, group, at, &mut frame);
            }
            frame.phase = frame.phase.or_else(|| self.paired(rate));
            if let (2, Some(pair)) = (count, frame.pair) {
                frame.phase = Some((pair[at], None));
            }
            if let Some(claim) = self.whole.claim(rate, frame, &part.range)
                && !(claim.machine.is_none() && claim.model.is_none() && claim.models.is_empty())
            {
                self.claims.push(claim);
            }
        }
    }

    /// Whether the words before the rate deny it, wish for it or suppose it.
    fn is_no_claim(&self, part: &Part, group: &Segment, rate: &Mention) -> bool {
        let text = self.whole.text;
        let start = part.range.start.max(group.range.start);
        let before = &text[start..rate.start.max(start)];
        let clause = before.rsplit([',', ';', ':', '，', '(', '—']).next().unwrap_or(before);
        let excused = ["not bad", "not only", "not just", "nicht nur", "doesn't fit", "no problem"]
            .iter()
            .any(|words| clause.to_lowercase().contains(words));
        let denied = DENIAL.find_iter(clause).last().is_some_and(|found| {
            let after = &clause[found.end()..];
            after.split_whitespace().count() <= 9 && !after.contains(" but ") && !INSTEAD.is_match(after)
        });
        let wish = before.rsplit([',', ';', '，', '(', '—']).next().unwrap_or(before);
        denied && !excused || HYPOTHETICAL.is_match(before) || WISH.is_match(wish)
    }

    /// The due date of a rate that is expected: `Some(None)` where the text names none.
    fn forecast(&self, part: &Part, group: &Segment) -> Option<Option<String>> {
        let within = |mention: &&Mention| mention.start < group.range.end && mention.end <= group.range.end;
        let own = self.whole.text[group.range.start..group.range.end.min(part.range.end)].to_lowercase();
        let apart = own.starts_with([';', '；'])
            || ["today", "currently", "right now", "heute", "aujourd"].iter().any(|word| own.contains(word));
        let expected =
            |mention: &Mention| mention.what == What::Modal && (!apart || mention.start >= group.range.start);
        let modal = part.mentions.iter().filter(within).any(expected);
        let stated = ["as of", "since", "verified", "released", "launched", "bought", "stand "];
        let date =
            part.mentions.iter().filter(|mention| mention.start >= group.range.start || modal).find_map(
                |mention| match &mention.what {
                    What::Date(date) => {
                        let from = floor(self.whole.text, mention.start.saturating_sub(12));
                        let before = self.whole.text[from..mention.start].to_lowercase();
                        let due = ["by ", "until ", "bis ", "before ", "expect"]
                            .iter()
                            .any(|word| before.contains(word));
                        (!stated.iter().any(|word| before.contains(word)) && (modal || due))
                            .then(|| date.due(self.year))
                    }
                    _ => None,
                },
            );
        date.filter(|_| modal || group.names_due(part, self.whole.text))
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether a statement heads what follows, or is a label with a number of streams or of context: `Concurrency: 16`.
fn starts_with_quantity(part: &Part, text: &str) -> bool {
    let heads = text.trim_end().trim_end_matches(['*', '_']).ends_with([':', '：']);
    let begin = part.range.start + text.len() - text.trim_start_matches(['-', '*', '#', ' ', '`']).len();
    let caption = text.len() < 80 && !text.trim_end().ends_with(['.', '!', '?', '。', '！', '？']);
    let quantity = |mention: &Mention| {
        matches!(mention.what, What::Streams(_) | What::Context(_))
            && (mention.start <= begin + 2 || mention.end + 2 >= part.range.end)
    };
    ENGINE_LABEL.is_match(text)
        || heads
        || caption && text.contains([',', '(', '|', '/']) && !part.mentions.is_empty()
        || text.len() < 80 && text.contains([':', '=', '：']) && part.mentions.iter().any(quantity)
}

/// Whether a sentence asks for its rates, rather than states them and asks what to think of them.
fn is_question(text: &str) -> bool {
    text.trim_end().ends_with(['?', '？'])
        && !DECLARED.is_match(text)
        && (QUESTION.is_match(text)
            || TAG_QUESTION
                .find(text)
                .is_none_or(|tail| tail.as_str().contains(|sign: char| sign.is_ascii_digit())))
}

/// Whether a line is the name of an engine and nothing more, as headings are.
fn is_engine_alone(part: &Part, text: &str) -> bool {
    let [mention] = part.mentions.as_slice() else { return false };
    let rest = text.len() - (mention.end - mention.start);
    matches!(mention.what, What::Engine(_)) && rest <= 24 && !text.trim_end().ends_with(['.', '?', '!'])
}

/// The order of phases in pairs of rates, where the text names it: "pp/tg".
fn pair_of(text: &str) -> Option<[Phase; 2]> {
    if PAIR_CAPTION.is_match(text) {
        return Some([Phase::Prefill, Phase::Decode]);
    }
    PAIR_REVERSED.is_match(text).then_some([Phase::Decode, Phase::Prefill])
}

/// Streams that a sentence names before its first rate as the circumstance of all: "At 100 concurrent users …".
fn framed_streams(text: &str, part: &Part) -> Option<u64> {
    let first = part.mentions.iter().find(|mention| matches!(mention.what, What::Rate { .. }))?.start;
    let streams = part.mentions.iter().take_while(|mention| mention.start < first).find_map(|mention| {
        match mention.what {
            What::Streams(count) if mention.start < part.range.start + 24 => Some(count),
            _ => None,
        }
    });
    streams.filter(|_| FRAMED.is_match(text))
}

/// The only context that a sentence names, where it begins with it: "At 32k context …".
fn framed_context(text: &str, part: &Part) -> Option<u64> {
    let mut contexts = part.mentions.iter().filter_map(|mention| match mention.what {
        What::Context(tokens) => Some((mention.start, tokens)),
        _ => None,
    });
    let (start, tokens) = contexts.next()?;
    let only = contexts.next().is_none() && start < part.range.start + 24;
    (only && FRAMED.is_match(text)).then_some(tokens)
}

/// Speculation that a sentence names before its first rate.
fn framed_speculation(part: &Part) -> Option<bool> {
    let first = part.mentions.iter().find(|mention| matches!(mention.what, What::Rate { .. }))?.start;
    let before = part.mentions.iter().take_while(|mention| mention.start < first);
    before.into_iter().find_map(|mention| match mention.what {
        What::Speculation(on) if mention.start < part.range.start + 24 => Some(on),
        _ => None,
    })
}

/// A context that ends the sentence as a remark of its own is that of all its rates: "42 t/s gen and 1100 pp, 8k ctx".
fn trailing_context(text: &str, part: &Part) -> Option<u64> {
    let rate = part.mentions.iter().rev().find(|mention| matches!(mention.what, What::Rate { .. }))?.end;
    let mut contexts = part.mentions.iter().filter_map(|mention| match mention.what {
        What::Context(tokens) => Some((mention, tokens)),
        _ => None,
    });
    let (mention, tokens) = contexts.next().filter(|(mention, _)| mention.start > rate)?;
    let rest = text.get(mention.end..part.range.end)?.trim();
    let remark =
        text.get(rate..mention.start)?.trim_end().ends_with([',', '(', ';', '，', '（', '/', '|', '•', '·']);
    (contexts.next().is_none() && remark && rest.len() <= 2).then_some(tokens)
}

/// For each segment, what later segments of the sentence say (used where nothing earlier says it). A contrast ends that;
/// quantization and engine reach back only to a rate that stands bare.
fn later_frames(text: &str, part: &Part, locals: &[Frame], groups: &[Segment]) -> Vec<Frame> {
    let shared = ends_in_remark(text, part);
    let mut later = vec![Frame::default(); locals.len()];
    for at in (1..locals.len()).rev() {
        let joint: String =
            text[groups[at].range.clone()].trim_start().chars().take(12).collect::<String>().to_lowercase();
        if ["; ", "；", "while", "but", "whereas", "my own", "aber", "mientras"]
            .iter()
            .any(|word| joint.starts_with(word))
        {
            continue;
        }
        let mut said = Frame::default().or(&locals[at]).or(&later[at]);
        let own = &locals[at - 1];
        let bare =
            own.machine.is_none() && own.model.is_none() && own.quant.is_none() && own.engine.is_none();
        if !bare && !shared {
            (said.quant, said.engine) = (None, None);
        }
        later[at - 1] = said;
    }
    later
}

/// Whether the sentence ends in a remark in parentheses right behind its last rate; such a remark is of all its rates.
fn ends_in_remark(text: &str, part: &Part) -> bool {
    let rates = part.mentions.iter().filter(|mention| matches!(mention.what, What::Rate { .. }));
    let Some(tail) = rates.map(|mention| mention.end).max().and_then(|end| text.get(end..part.range.end))
    else {
        return false;
    };
    let tail = tail.trim().trim_end_matches(['.', '!', ' ']);
    let before = tail.split('(').next().unwrap_or_default();
    !before.contains([',', ';', ':']) && tail.ends_with(')') && tail.matches('(').count() == 1
}

/// A stretch of a sentence with the rates that stand in it together.
struct Segment {
    range: Range<usize>,
    /// Indices of its rates among the sentence's mentions.
    rates: Vec<usize>,
    /// The rates lead from one to the other.
    from_to: bool,
}

impl Segment {
    fn around<'a>(&self, part: &'a Part) -> Around<'a> {
        let from = part.mentions.partition_point(|mention| mention.start < self.range.start);
        let to = part.mentions.partition_point(|mention| mention.start < self.range.end);
        let (first, last) = (self.rates[0], self.rates[self.rates.len() - 1]);
        Around {
            mentions: &part.mentions[from..to],
            start: part.mentions[first].start,
            end: part.mentions[last].end,
        }
    }

    /// For a rate that leads to another, the speculation that the sentence names before it.
    fn speculation_before(&self, part: &Part) -> Option<bool> {
        let start = part.mentions[self.rates[0]].start;
        let before = part.mentions.iter().rev().filter(|mention| self.from_to && mention.end <= start);
        before.into_iter().find_map(
            |mention| {
                if let What::Speculation(on) = mention.what { Some(on) } else { None }
            },
        )
    }

    /// Whether its rate has no unit of its own, so that it is of the same kind as the one before.
    fn is_bare(&self, part: &Part) -> bool {
        let bare =
            |&at: &usize| matches!(part.mentions[at].what, What::Rate { group, .. } if group > BARE_GROUP);
        self.rates.iter().all(bare)
    }

    fn names_due(&self, part: &Part, text: &str) -> bool {
        let end = self.range.end.min(part.range.end);
        let clause = text[self.range.start..end].to_lowercase();
        ["by ", "until ", "bis "].iter().any(|word| clause.contains(word)) && !clause.contains("as of")
    }

    /// Pairs the `at`-th of several rates with the `at`-th of as many machines, models or quantizations before them.
    fn align(&self, part: &Part, at: usize, frame: &mut Frame) {
        let around = self.around(part);
        let (before, after): (Vec<Mention>, Vec<Mention>) = around
            .mentions
            .iter()
            .filter(|mention| mention.end <= around.start || mention.start >= around.end)
            .cloned()
            .partition(|mention| mention.end <= around.start);
        let nth = |same: fn(&What) -> bool| {
            [&before, &after].into_iter().find_map(|side| {
                let list: Vec<&Mention> = side.iter().filter(|mention| same(&mention.what)).collect();
                (list.len() == self.rates.len()).then(|| list[at].clone())
            })
        };
        let one = |mention: Option<Mention>| {
            mention.map(|mention| Around { mentions: &[mention], start: usize::MAX, end: usize::MAX }.frame())
        };
        if let Some(own) = one(nth(|what| matches!(what, What::Machine { .. }))) {
            frame.machine = own.machine;
        }
        if let Some(own) = one(nth(|what| matches!(what, What::Model { .. }))) {
            frame.model = own.model;
        }
        if let Some(own) = one(nth(|what| matches!(what, What::Quant(_)))) {
            frame.quant = own.quant;
        }
        if self.from_to && at + 1 < self.rates.len() {
            frame.speculation = None;
            frame.streams = frame.streams.filter(|streams| *streams == 1);
        }
    }
}

/// Divides a sentence so that each stretch holds one rate, or several that belong together.
fn segments(text: &str, part: &Part) -> Vec<Segment> {
    let rates: Vec<usize> =
        (0..part.mentions.len()).filter(|&at| matches!(part.mentions[at].what, What::Rate { .. })).collect();
    let mut segments: Vec<Segment> = Vec::new();
    let mut start = part.range.start;
    for &index in &rates {
        let rate = &part.mentions[index];
        let Some(last) = segments.last_mut() else {
            segments.push(Segment { range: start..part.range.end, rates: vec![index], from_to: false });
            continue;
        };
        let before = &part.mentions[last.rates[last.rates.len() - 1]];
        let gap = before.end.min(rate.start)..rate.start;
        let same = matches!((&before.what, &rate.what), (What::Rate { group: a, .. }, What::Rate { group: b, .. }) if a == b);
        let leads = is_lead(&text[gap.clone()]);
        if same || leads || is_parallel(&text[gap.clone()]) {
            last.rates.push(index);
            last.from_to |= leads || is_lead(&text[gap]);
            continue;
        }
        start = boundary(text, gap);
        last.range.end = start;
        segments.push(Segment { range: start..part.range.end, rates: vec![index], from_to: false });
    }
    segments
}

/// The words of a stretch up to its last rate.
fn clause_of<'a>(text: &'a str, part: &Part, group: &Segment) -> &'a str {
    &text[group.range.start..group.around(part).end]
}

/// Whether the words between two rates lead from one to the other.
fn is_lead(gap: &str) -> bool {
    matches!(
        gap.trim().trim_end_matches(['~', '≈', ' ']).to_lowercase().as_str(),
        "to" | "→" | "->" | "=>" | "auf" | "a" | "à" | "up to" | "⇒"
    )
}

/// Whether the words between two rates only set them side by side.
fn is_parallel(gap: &str) -> bool {
    matches!(gap.trim().to_lowercase().as_str(), "vs" | "vs." | "versus" | "against" | "/")
}

/// Where the stretch of the first of two rates ends.
fn boundary(text: &str, gap: Range<usize>) -> usize {
    let words = &text[gap.clone()];
    let mut depth = 0i32;
    let mut best: Option<(u8, usize)> = None;
    for (at, sign) in words.char_indices() {
        let rest = &words[at..];
        let strength = match sign {
            '(' | '[' => {
                depth += 1;
                0
            }
            ')' | ']' => {
                depth = (depth - 1).max(0);
                0
            }
            ';' | '；' | '|' => 3,
            ',' | '，' | '、' | '—' | '。' => 1,
            ' ' if connective(rest) => 2,
            _ => 0,
        };
        if strength > 0 && depth == 0 && best.is_none_or(|(other, _)| strength > other) {
            best = Some((strength, gap.start + at));
        }
    }
    best.map_or(gap.start, |(_, at)| at)
}

fn connective(rest: &str) -> bool {
    const WORDS: &[&str] = &[
        " and ",
        " und ",
        " et ",
        " y ",
        " while ",
        " but ",
        " vs ",
        " vs. ",
        " against ",
        " versus ",
        " compared ",
        " whereas ",
        " während ",
        " mientras ",
        " tandis ",
        " aber ",
        " gegen ",
        " e o ",
        " e il ",
        " e a ",
        " / ",
        " – ",
        " - ",
        " than ",
        " instead ",
    ];
    WORDS.iter().any(|word| rest.starts_with(word))
}
