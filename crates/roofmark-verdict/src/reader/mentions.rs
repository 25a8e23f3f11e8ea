//! Mentions: what the reader recognises in a text, each with its place.

use super::dates::{self, Date};
use super::lexicon::{Lexicon, Named, is_size};
use super::numbers::{self, Decimal};
use super::patterns::*;
use super::spelled;
use super::words::{Word, words};
use regex::Captures;
use roofmark_facts::claim::Phase;
use std::ops::Range;

/// What is mentioned.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A machine: indices into the lexicon, and how many of them.
    Machine { machines: Vec<usize>, devices: Option<u32>, memory: Option<u32> },
    /// A machine that something else is compared with.
    Compared(Vec<usize>),
    /// A model; `loose` where the words leave the version out (`Llama 70B`).
    Model { models: Vec<usize>, loose: bool },
    /// A family of models without a size.
    Family(Vec<usize>),
    /// A size without a family, such as `70b`.
    Size(String),
    /// A quantization.
    Quant(String),
    /// An engine.
    Engine(&'static str),
    /// A rate in tokens per second; `group` numbers rates that share one unit or lead from one to the other.
    Rate { low: f64, high: f64, group: usize },
    /// A number behind a verb that rates stand behind, without its unit: "the other one does 5.3".
    Bare(f64),
    /// A number that stands where a rate does, without its unit: `4–6 (today)`.
    Echo { low: f64, high: f64 },
    /// A phase, with the prompt's tokens where the words say so (`pp512`).
    Phase(Phase, Option<u64>),
    /// Streams in flight.
    Streams(u64),
    /// Batches without a number.
    Batched,
    /// The rate is of all streams.
    Aggregate,
    /// The rate is of each stream.
    PerStream,
    /// Speculative decoding, on or off.
    Speculation(bool),
    /// Mean accepted length.
    Accepted(f64),
    /// Tokens of context.
    Context(u64),
    /// GPU cores.
    Cores(u32),
    /// How many of a machine named elsewhere: `both cards`.
    Cards(u32),
    /// Weights in host memory.
    Offload,
    /// Memory modules beside an accelerator that is named.
    Host(Vec<usize>),
    /// The host computes alone.
    HostOnly,
    /// A date.
    Date(Date),
    /// A word of expectation.
    Modal,
    /// A test's name in llama.cpp's own benchmark (`pp512`, `tg128`, `S_TG`).
    BenchName,
}

/// A mention and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mention {
    pub start: usize,
    pub end: usize,
    pub what: What,
}

/// All mentions in `text[range]`, in order.
pub(super) fn find(text: &str, range: Range<usize>, lexicon: &Lexicon, decimal: Decimal) -> Vec<Mention> {
    let part = &text[range.clone()];
    let words = words(part, range.start);
    let mut found = Finder { part, base: range.start, decimal, taken: Vec::new(), mentions: Vec::new() };
    for url in URL.find_iter(part) {
        found.taken.push(range.start + url.start()..range.start + url.end());
    }
    found.names(lexicon, &words);
    if part.bytes().any(|byte| byte.is_ascii_digit()) || !part.is_ascii() {
        found.rates();
    }
    found.spelled();
    found.quantities();
    found.circumstances();
    found.sizes(&words);
    found.mentions.sort_by_key(|mention| (mention.start, std::cmp::Reverse(mention.end)));
    found.compare();
    found.drop_drafts();
    found.drop_formats();
    found.mentions
}

struct Finder<'a> {
    part: &'a str,
    base: usize,
    decimal: Decimal,
    /// Stretches that names and rates occupy, in order of `start` within each kind.
    taken: Vec<Range<usize>>,
    mentions: Vec<Mention>,
}

impl Finder<'_> {
    fn is_free(&self, range: &Range<usize>) -> bool {
        let near = self.taken.partition_point(|taken| taken.end <= range.start);
        self.taken.get(near).is_none_or(|taken| taken.start >= range.end)
    }

    fn take(&mut self, range: Range<usize>) {
        let at = self.taken.partition_point(|taken| taken.start < range.start);
        self.taken.insert(at, range);
    }

    fn push(&mut self, range: Range<usize>, what: What) {
        self.mentions.push(Mention { start: range.start, end: range.end, what });
    }

    /// The text before `at`, at most `length` bytes of it.
    fn before(&self, at: usize, length: usize) -> &str {
        let end = at - self.base;
        let mut start = end.saturating_sub(length);
        while !self.part.is_char_boundary(start) {
            start += 1;
        }
        &self.part[start..end]
    }

    /// The text from `at`, at most `length` bytes of it.
    fn after(&self, at: usize, length: usize) -> &str {
        let start = at - self.base;
        let mut end = (start + length).min(self.part.len());
        while !self.part.is_char_boundary(end) {
            end -= 1;
        }
        &self.part[start..end]
    }

    fn names(&mut self, lexicon: &Lexicon, words: &[Word]) {
        let mut taken = Vec::new();
        for (range, named) in lexicon.scan(self.part, self.base, words) {
            if self.is_free(&range)
                && let Some(what) = self.named(&range, named, lexicon)
            {
                self.push(range.clone(), what);
                taken.push(range);
            }
        }
        self.taken.append(&mut taken);
        self.taken.sort_by_key(|range| range.start);
        self.drop_hosts(lexicon);
    }

    /// Memory modules name a machine only where no accelerator and no server processor is named beside them.
    fn drop_hosts(&mut self, lexicon: &Lexicon) {
        let module = |mention: &Mention| matches!(&mention.what, What::Machine { machines, .. } if machines.iter().all(|&index| lexicon.machines[index].slug.starts_with("ddr")));
        let machine = |mention: &Mention| matches!(mention.what, What::Machine { .. });
        let better = self.mentions.iter().any(|mention| machine(mention) && !module(mention))
            || SERVER.is_match(self.part);
        for mention in self.mentions.iter_mut().filter(|mention| better && module(mention)) {
            if let What::Machine { machines, .. } = &mention.what {
                mention.what = What::Host(machines.clone());
            }
        }
    }

    fn named(&self, range: &Range<usize>, named: &Named, lexicon: &Lexicon) -> Option<What> {
        let written = &self.part[range.start - self.base..range.end - self.base];
        if !named.machines.is_empty() {
            return self.machine(range, written, named);
        }
        if !named.family.is_empty() {
            let tag = !written.contains(' ') && written.chars().all(|sign| !sign.is_uppercase());
            if tag && !named.models.is_empty() && !self.size_follows(range.end) {
                return Some(What::Model { models: named.models.clone(), loose: false });
            }
            return Some(What::Family(named.family.clone()));
        }
        if let Some(&first) = named.models.first() {
            let version = super::lexicon::split(&lexicon.models[first].slug);
            let said = super::lexicon::split(written);
            let loose = said.len() == 2
                && version.len() > 2
                && is_size(&said[1])
                && !version[1].starts_with(&said[1]);
            return Some(What::Model { models: named.models.clone(), loose });
        }
        named.engine.map(What::Engine)
    }

    /// Whether a size in parameters follows a family's name: `qwen3moe 30B.A3B`.
    fn size_follows(&self, at: usize) -> bool {
        let next = self.after(at, 12).trim_start_matches([' ', '-', '_', ':']);
        let digits = next.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        digits > 0 && next[digits..].starts_with(['b', 'B'])
    }

    fn machine(&self, range: &Range<usize>, written: &str, named: &Named) -> Option<What> {
        if written.bytes().all(|byte| byte.is_ascii_digit() || byte == b's') && !self.is_card_number(range) {
            return None;
        }
        if written.len() <= 5
            && !written.contains(|sign: char| sign.is_uppercase() || sign.is_ascii_digit())
            && written != "spark"
        {
            return None;
        }
        let article = matches!(written.as_bytes(), [b'a'..=b'z', b' ', ..]);
        let decimal = matches!(self.after(range.end, 2).as_bytes(), [b'.' | b',', b'0'..=b'9']);
        if article && written.len() <= 5 || decimal && written.ends_with(|sign: char| sign.is_ascii_digit()) {
            return None;
        }
        let joined = self.before(range.start, 2);
        let inside = joined.ends_with('-') && joined.starts_with(char::is_alphabetic);
        if written.len() <= 2 && inside {
            return None;
        }
        if written == "spark" && !self.is_spark(range) {
            return None;
        }
        Some(What::Machine {
            machines: named.machines.clone(),
            devices: self.devices(range),
            memory: self.memory(range),
        })
    }

    /// Whether the bare word "spark" is the machine: behind its maker's word, or a label of its own.
    fn is_spark(&self, range: &Range<usize>) -> bool {
        let line = self.before(range.start, 40).rsplit('\n').next().unwrap_or_default().to_lowercase();
        let label = self.after(range.end, 4).trim_start().starts_with([':', '→', '=', '-', '–']);
        line.ends_with("dgx ") || line.trim_matches([' ', '-', '*', '•']).is_empty() && label
    }

    /// Whether a bare number is the name of a card: no price, no unit behind it.
    fn is_card_number(&self, range: &Range<usize>) -> bool {
        let before = self.before(range.start, 4);
        let after = self.after(range.end, 12).trim_start().to_lowercase();
        let priced = before.trim_end().ends_with(['$', '€', '£', '¥']) || before.ends_with(['.', ',']);
        let units = [
            "tok", "t/s", "tk", "mb", "gb", "ms", "w ", "mhz", "mt/s", "usd", "eur", "€", "dollar", "euro",
            "x ",
        ];
        let decimal =
            after.strip_prefix('.').is_some_and(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()));
        let counted = decimal || units.iter().any(|unit| after.starts_with(unit));
        !priced && !counted
    }

    /// A machine behind "than", "vs" and the like is no subject, unless a rate of its own follows it.
    fn compare(&mut self) {
        let machine = |what: &What| matches!(what, What::Machine { .. });
        let followed = |mentions: &[Mention]| {
            mentions
                .iter()
                .find(|mention| machine(&mention.what) || matches!(mention.what, What::Rate { .. }))
                .is_some_and(|mention| !machine(&mention.what))
        };
        for at in 0..self.mentions.len() {
            let start = self.mentions[at].start;
            if let What::Machine { machines, .. } = &self.mentions[at].what
                && COMPARED.is_match(self.before(start, 40))
                && !followed(&self.mentions[at + 1..])
            {
                self.mentions[at].what = What::Compared(machines.clone());
            }
        }
    }

    /// A model that only drafts for another is not the one whose rate is told.
    fn drop_drafts(&mut self) {
        let model = |what: &What| matches!(what, What::Model { .. } | What::Family(_) | What::Size(_));
        let drafts: Vec<bool> = self
            .mentions
            .iter()
            .map(|mention| {
                model(&mention.what)
                    && (DRAFT_AFTER.is_match(self.after(mention.end, 32))
                        || DRAFT_BEFORE.is_match(self.before(mention.start, 32)))
            })
            .collect();
        let mut at = drafts.into_iter();
        self.mentions.retain(|_| !at.next().unwrap_or(false));
    }

    /// MLX is a format or a part of another program where the sentence names the program that runs it; an engine that is
    /// switched off is none.
    fn drop_formats(&mut self) {
        let engine = |mention: &Mention| matches!(mention.what, What::Engine(name) if name != "mlx-lm");
        let format =
            |mention: &Mention| matches!(&mention.what, What::Quant(name) if name.starts_with("MLX-"));
        let runs = self.mentions.iter().any(engine);
        let formatted = self.mentions.iter().any(format);
        let keep: Vec<bool> = self
            .mentions
            .iter()
            .map(|mention| {
                let What::Engine(name) = mention.what else { return true };
                let after = self.after(mention.end, 24).to_lowercase();
                let off = ENGINE_OFF.is_match(&after);
                let written = &self.part[mention.start - self.base..mention.end - self.base];
                let inner = name == "mlx-lm" && written.eq_ignore_ascii_case("mlx") && runs;
                !off && !(inner && (formatted || ENGINE_PART.is_match(&after)))
            })
            .collect();
        let mut at = keep.into_iter();
        self.mentions.retain(|_| at.next().unwrap_or(true));
    }

    fn devices(&self, range: &Range<usize>) -> Option<u32> {
        let before = self.before(range.start, 28).to_lowercase();
        if let Some(count) = counted_in_chinese(&before) {
            return Some(count);
        }
        let before = ["nvidia ", "geforce ", "linked ", "apple ", "amd ", "radeon ", "used "]
            .iter()
            .fold(before.trim_end().to_owned() + " ", |text, word| {
                text.strip_suffix(word).map_or(text.clone(), |rest| format!("{} ", rest.trim_end()))
            });
        let before = before.trim_end();
        let digits: String = before
            .trim_end_matches(['x', '×', ' ', '*'])
            .chars()
            .rev()
            .take_while(char::is_ascii_digit)
            .collect();
        if before.ends_with(['x', '×']) && (1..=2).contains(&digits.len()) {
            return digits.chars().rev().collect::<String>().parse().ok().filter(|n| (1..=64).contains(n));
        }
        let after = self.after(range.end, 14).to_lowercase();
        let after = after.trim_start_matches([' ', '(', 's']);
        if after.starts_with("pair") || after.starts_with("duo") {
            return Some(2);
        }
        if let Some(rest) = after.strip_prefix(['x', '×'])
            && let Some(count) =
                rest.trim_start().chars().next().and_then(|sign| sign.to_digit(10)).filter(|count| *count > 0)
        {
            return Some(count);
        }
        if let [count @ b'2'..=b'8', b'x', b'0'..=b'9', ..] = after.as_bytes() {
            return Some(u32::from(count - b'0'));
        }
        let mut words = before.trim_end_matches('-').rsplit(|sign: char| !sign.is_alphanumeric());
        let last = words.next()?;
        let adjective =
            !["on", "with", "of", "and", "the", "a", "per", "for", "my", "x", "in", "at", "to", ""]
                .contains(&last);
        let counted = count_word(last)
            .or_else(|| before.ends_with("pair of").then_some(2))
            .or_else(|| words.next().filter(|_| adjective).and_then(count_word));
        counted.map(|n| n as u32)
    }

    /// Memory written next to the name: `M5 Max 128GB`, `96 GB M2 Max`, `M4 Max (40-core GPU, 128 GB)`.
    fn memory(&self, range: &Range<usize>) -> Option<u32> {
        let after = self.after(range.end, 72);
        let window = if after.trim_start().starts_with(['(', '（']) {
            after.split([')', '）']).next().unwrap_or(after)
        } else {
            after.split(['(', ';', '\n', ':']).next().map_or(after, |part| &part[..floor(part, 22)])
        };
        let behind_cores = || {
            let line = after.split(['\n', ';']).next().unwrap_or(after);
            let cores = CORES.find(line)?;
            gigabytes(&line[floor(line, cores.start().saturating_sub(12))..floor(line, cores.end() + 22)])
        };
        gigabytes(window).or_else(behind_cores).or_else(|| {
            let before = self.before(range.start, 10);
            before.trim_end().to_lowercase().ends_with("gb").then(|| gigabytes(before)).flatten()
        })
    }

    fn rates(&mut self) {
        let part = self.part;
        let mut groups = 0;
        for found in RATE.captures_iter(part) {
            groups += 1;
            self.rate(&found, groups);
        }
        for pattern in [&*RATE_AFTER, &*RATE_EAST] {
            for found in pattern.captures_iter(part) {
                groups += 1;
                self.rate_after(&found, groups);
            }
        }
        for found in TESTED_RATE.captures_iter(part) {
            groups += 1;
            self.tested_rate(&found, groups);
        }
        for found in ECHO.captures_iter(part) {
            self.echo(&found);
        }
        for pattern in [&*TIME_PER_TOKEN, &*TOKEN_TIME] {
            for found in pattern.captures_iter(part) {
                groups += 1;
                self.time_per_token(&found, groups);
            }
        }
        for found in BARE.captures_iter(part) {
            self.bare(&found);
        }
        if groups > 0 {
            for found in BARE_AND.captures_iter(part) {
                self.bare_and(&found);
            }
        }
        if groups == 0 {
            for (at, found) in TOKENS_TIME.captures_iter(part).enumerate() {
                self.tokens_in_time(&found, at);
            }
        }
    }

    fn number(&self, text: &str, thousand: bool) -> Option<f64> {
        let value = numbers::value(text, self.decimal)?;
        let value = if thousand { value * 1000.0 } else { value };
        (value > 0.0 && value < 1e7).then_some(value)
    }

    /// Whether the number at `range` stands on its own: no part of a name, a price or a longer number.
    fn stands_alone(&self, range: &Range<usize>) -> bool {
        let last = self.before(range.start, 4).chars().next_back();
        let glued = last.is_some_and(|sign| {
            sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | ',' | '$' | '€' | '£' | '±')
        });
        !glued && self.is_free(range)
    }

    fn rate(&mut self, found: &Captures<'_>, group: usize) -> Option<()> {
        let place =
            |name: &str| found.name(name).map(|part| self.base + part.start()..self.base + part.end());
        let (a, unit) = (self.ungrouped(place("a")?), place("unit")?);
        let seconds = if found.name("minute").is_some() { 60.0 } else { 1.0 };
        let first = self
            .number(&self.part[a.start - self.base..a.end - self.base], found.name("ak").is_some())
            .filter(|_| self.stands_alone(&a))
            .map(|value| value / seconds);
        let second = place("b").and_then(|b| {
            let value = self.number(found.name("b")?.as_str(), found.name("bk").is_some())?;
            Some((value / seconds, b))
        });
        let Some((second, b)) = second else {
            let low = first?;
            self.list_before(&a, group);
            self.take(a.start..unit.end);
            self.push(a.start..unit.end, What::Rate { low, high: low, group });
            return Some(());
        };
        let separator = found.name("sep")?.as_str().to_lowercase();
        match first {
            Some(low) if self.is_range(&a, &separator, low, second) => {
                self.take(a.start..unit.end);
                self.push(a.start..unit.end, What::Rate { low, high: second, group });
            }
            Some(low)
                if self.is_moved(&a, &separator)
                    || !matches!(
                        separator.as_str(),
                        "-" | "–" | "—" | "‑" | "−" | "~" | "～" | "〜" | "a" | "e" | "y"
                    ) =>
            {
                self.list_before(&a, group);
                self.take(a.start..unit.end);
                self.push(a.clone(), What::Rate { low, high: low, group });
                self.push(b.start..unit.end, What::Rate { low: second, high: second, group });
            }
            _ => {
                self.take(b.start..unit.end);
                self.push(b.start..unit.end, What::Rate { low: second, high: second, group });
            }
        }
        Some(())
    }

    /// The last group of `range` where a space in it parts two numbers rather than the thousands of one.
    fn ungrouped(&self, range: Range<usize>) -> Range<usize> {
        let written = &self.part[range.start - self.base..range.end - self.base];
        let grouped = self.decimal == Decimal::Comma && self.is_free(&range);
        match written.rfind(' ').filter(|_| !grouped) {
            Some(at) => range.start + at + 1..range.end,
            None => range,
        }
    }

    /// Whether two numbers are where a rate came from and where it went: "went from 28 to 62".
    fn is_moved(&self, a: &Range<usize>, separator: &str) -> bool {
        let before = self.before(a.start, 60).to_lowercase();
        let start = before.trim_end().rsplit(' ').next().unwrap_or_default();
        let own = usize::from(start == "from");
        matches!(separator, "to" | "a" | "à" | "auf")
            && matches!(start, "from" | "de" | "von" | "da")
            && MOTION.find_iter(&before).count() > own
    }

    /// Whether two numbers before one unit are the ends of a range rather than two rates.
    fn is_range(&self, a: &Range<usize>, separator: &str, low: f64, high: f64) -> bool {
        let before = self.before(a.start, 60).to_lowercase();
        let between = ["between", "zwischen", "entre", "tra", "von", "de", "from", "desde", "des"]
            .iter()
            .any(|word| before.trim_end().trim_end_matches(['~', '≈', ' ']).ends_with(word));
        let moved = self.is_moved(a, separator);
        let joined = is_lead(separator)
            || matches!(separator, "and" | "und" | "et" | "y" | "e" | "or" | "oder" | "vs" | "vs." | "/");
        let near = separator == "or" && high <= low * 1.15;
        low <= high
            && !moved
            && (!joined || near || between && !matches!(separator, "or" | "/" | "vs" | "vs."))
            && high <= low * 12.0
            && !(is_year(low) && low * 2.0 < high)
    }

    /// Earlier members of a list that shares the unit: `41, 76 and 128 tok/s`.
    fn list_before(&mut self, first: &Range<usize>, group: usize) {
        let mut start = first.start;
        for _ in 0..8 {
            let before = self.before(start, 24).to_owned();
            let Some(found) = LIST_TAIL.captures(&before) else { return };
            let (Some(number), Some(separator)) = (found.name("n"), found.name("sep")) else { return };
            if start == first.start && separator.as_str() == "," {
                return;
            }
            let at = start - before.len() + number.start()..start - before.len() + number.end();
            let Some(low) = self.number(number.as_str(), false).filter(|low| !is_year(*low)) else { return };
            if !self.stands_alone(&at) {
                return;
            }
            start = at.start;
            self.take(at.clone());
            self.push(at, What::Rate { low, high: low, group });
        }
    }

    fn rate_after(&mut self, found: &Captures<'_>, group: usize) -> Option<()> {
        let a = found.name("a")?;
        let range = self.base + a.start()..self.base + found.get(0)?.end();
        let low = self.number(a.as_str(), false)?;
        let unit_follows = self.after(range.end, 10).trim_start().to_lowercase();
        let other = ["ms", "s ", "w", "gb", "%", "x", "×", "tok", "t/s", "k "]
            .iter()
            .any(|unit| unit_follows.starts_with(unit));
        let label = self.before(self.base + found.get(0)?.start(), 40);
        if !self.is_free(&range) || other || NO_RATE_LABEL.is_match(label) {
            return None;
        }
        let high = found
            .name("b")
            .and_then(|b| self.number(b.as_str(), false))
            .filter(|high| *high >= low)
            .unwrap_or(low);
        self.take(range.clone());
        self.push(range, What::Rate { low, high, group });
        Some(())
    }

    /// Rates in words.
    fn spelled(&mut self) {
        let part = self.part;
        for (at, found) in SPELLED.captures_iter(part).enumerate() {
            let (Some(words), Some(unit)) = (found.name("words"), found.name("unit")) else { continue };
            let range = self.base + words.start()..self.base + unit.end();
            if let Some(low) = spelled::value(words.as_str()).filter(|low| *low > 0.0)
                && self.is_free(&range)
            {
                self.take(range.clone());
                self.push(range, What::Rate { low, high: low, group: usize::MAX / 2 + at });
            }
        }
    }

    /// The rate behind a test's name. A short name with a power of two behind it is such a name itself: `pp 512`.
    fn tested_rate(&mut self, found: &Captures<'_>, group: usize) -> Option<()> {
        let a = found.name("a")?;
        let range = self.base + a.start()..self.base + found.name("k").unwrap_or(a).end();
        let low = self.number(a.as_str(), found.name("k").is_some())?;
        let length = low >= 16.0 && low.fract() == 0.0 && (low as u64).is_power_of_two();
        let after = self.after(range.end, 10).trim_start().to_lowercase();
        let other = ["ms", "s ", "w", "gb", "%", "x", "×", "token", "tok", "+", "/tg", "/pp", "@"];
        if found.name("short").is_some() && length
            || other.iter().any(|unit| after.starts_with(unit))
            || !self.is_free(&range)
        {
            return None;
        }
        self.take(range.clone());
        self.push(range, What::Rate { low, high: low, group });
        Some(())
    }

    fn echo(&mut self, found: &Captures<'_>) -> Option<()> {
        let a = found.name("a")?;
        let end = found.name("b").unwrap_or(a).end();
        let range = self.base + a.start()..self.base + end;
        let low = self.number(a.as_str(), false)?;
        let high = found.name("b").and_then(|b| self.number(b.as_str(), false)).unwrap_or(low);
        if self.stands_alone(&range) && low <= high {
            self.push(range, What::Echo { low, high });
        }
        Some(())
    }

    fn bare(&mut self, found: &Captures<'_>) -> Option<()> {
        let a = found.name("a")?;
        let range = self.base + a.start()..self.base + a.end();
        let value = self.number(a.as_str(), false).filter(|value| !is_year(*value))?;
        let ends = BARE_END.is_match(self.after(range.end, 12));
        if ends && self.stands_alone(&range) {
            self.push(range, What::Bare(value));
        }
        Some(())
    }

    fn bare_and(&mut self, found: &Captures<'_>) -> Option<()> {
        let a = found.name("a")?;
        let range = self.base + a.start()..self.base + a.end();
        let value = self.number(a.as_str(), false).filter(|value| !is_year(*value))?;
        let told = self
            .mentions
            .iter()
            .any(|mention| matches!(mention.what, What::Rate { .. }) && mention.end <= range.start);
        if told && self.stands_alone(&range) {
            self.push(range, What::Bare(value));
        }
        Some(())
    }

    fn time_per_token(&mut self, found: &Captures<'_>, group: usize) -> Option<()> {
        let whole = found.get(0)?;
        let range = self.base + found.name("a")?.start()..self.base + whole.end();
        let time = self.number(found.name("a")?.as_str(), false)?;
        let seconds =
            if found.name("unit")?.as_str().to_lowercase().starts_with('m') { time / 1000.0 } else { time };
        let rate_follows = self.after(range.end, 40).to_lowercase();
        let doubled = rate_follows.contains("tokens per second")
            || rate_follows.contains("t/s")
            || rate_follows.contains("tok/s");
        if !self.stands_alone(&range) || doubled {
            return None;
        }
        let low = 1.0 / seconds;
        self.take(range.clone());
        self.push(range, What::Rate { low, high: low, group });
        Some(())
    }

    /// The rate of a number of tokens in a number of seconds.
    fn tokens_in_time(&mut self, found: &Captures<'_>, group: usize) -> Option<()> {
        let whole = found.get(0)?;
        let range = self.base + whole.start()..self.base + whole.end();
        let value = |a: &str, b: &str| self.number(found.name(a).or_else(|| found.name(b))?.as_str(), false);
        let low = value("n", "m")? / value("s", "t")?;
        if !self.stands_alone(&range) {
            return None;
        }
        self.take(range.clone());
        self.push(range, What::Rate { low, high: low, group });
        Some(())
    }

    fn quantities(&mut self) {
        let part = self.part;
        for found in QUANT_K.captures_iter(part) {
            if let Some((range, name)) = self.quant_k(&found) {
                self.take(range.clone());
                self.push(range, What::Quant(name));
            }
        }
        for found in QUANT_OTHER.captures_iter(part) {
            if let (Some(whole), Some(name)) = (found.get(0), quant_other(&found)) {
                let range = self.base + whole.start()..self.base + whole.end();
                let bus = self.after(range.end, 6).trim_start().starts_with("bus") || self.is_peak(&range);
                let repeated = found.name("bits").is_some() && self.beside_format(&range);
                if !bus && !repeated {
                    let name = self.mlx_bits(&range, &name).unwrap_or(name);
                    self.push(range, What::Quant(name));
                }
            }
        }
        self.contexts();
        self.prompts();
        self.streams();
    }

    /// Whether a number format is that of a device's peak: `1 PFLOP FP4`, `FP8 TOPS`.
    fn is_peak(&self, range: &Range<usize>) -> bool {
        let near = [self.before(range.start, 10), self.after(range.end, 10)].map(str::to_lowercase);
        near.iter().any(|words| words.contains("flop") || words.contains("tops"))
    }

    /// Whether a width in bits only repeats the width of a format named beside it: `4-bit AWQ`, `AWQ (4 bits)`.
    fn beside_format(&self, bits: &Range<usize>) -> bool {
        WIDE_FORMAT_BEFORE.is_match(self.before(bits.start, 24))
            || WIDE_FORMAT_AFTER.is_match(self.after(bits.end, 24))
    }

    /// A width in bits beside MLX's name is MLX's format, whatever program runs it.
    fn mlx_bits(&self, range: &Range<usize>, name: &str) -> Option<String> {
        let before = self.before(range.start, 5).to_lowercase();
        let beside = before.trim_end_matches([' ', '-', '(']).ends_with("mlx")
            || self.after(range.end, 4).to_lowercase().trim_start_matches([' ', '-']).starts_with("mlx");
        name.strip_suffix("-bit").filter(|_| beside).map(|bits| format!("MLX-{bits}bit"))
    }

    fn quant_k(&self, found: &Captures<'_>) -> Option<(Range<usize>, String)> {
        let whole = found.get(0)?;
        let range = self.base + whole.start()..self.base + whole.end();
        let part = |name: &str| found.name(name).map(|part| part.as_str().to_uppercase());
        let mut name = part("q")?;
        let bare = part("k").is_none() && part("n").is_none();
        if bare && self.is_quarter(&range, &name) {
            return None;
        }
        if self.after(range.end, 1).starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_') {
            return None;
        }
        if part("k").is_some() {
            name.push_str("_K");
        }
        let size = part("size").or_else(|| part("long").map(|long| long[..1].to_owned()));
        for tail in [size, part("n")].into_iter().flatten() {
            name.push('_');
            name.push_str(&tail);
        }
        let unsloth = part("ud").is_some() || name.ends_with("_K_XL");
        if name == "Q8" {
            name.push_str("_0");
        }
        Some((range, if unsloth { format!("UD-{name}") } else { name }))
    }

    /// Whether `Q3` is a quarter of a year.
    fn is_quarter(&self, range: &Range<usize>, name: &str) -> bool {
        if !matches!(name, "Q1" | "Q2" | "Q3" | "Q4") {
            return false;
        }
        let after = self.after(range.end, 8);
        let before = self.before(range.start, 14).to_lowercase();
        let before = before.trim_end();
        after.trim_start().starts_with("20")
            || after.trim_start_matches([' ', '–', '-']).starts_with('Q')
            || [
                "in",
                "by",
                "until",
                "of",
                "early",
                "late",
                "during",
                "estimated",
                "for",
                "–",
                "-",
                "im",
                "bis",
            ]
            .iter()
            .any(|word| before.ends_with(word))
    }

    fn contexts(&mut self) {
        let part = self.part;
        for found in CONTEXT.captures_iter(part) {
            let Some(whole) = found.get(0) else { continue };
            let range = self.base + whole.start()..self.base + whole.end();
            let capacity = CAPACITY.is_match(self.before(range.start, 32));
            if let Some(tokens) = self.context(&found).filter(|_| !capacity && self.is_free(&range)) {
                self.push(range, What::Context(tokens));
            }
        }
    }

    /// The length of a prompt: `a prompt of 2,048 tokens`.
    fn prompts(&mut self) {
        let part = self.part;
        for found in PROMPT_OF.captures_iter(part) {
            let Some((whole, number)) = found.get(0).zip(found.name("n").or_else(|| found.name("m"))) else {
                continue;
            };
            let kilo = found.name("k").or_else(|| found.name("mk")).is_some();
            if let Some(value) = numbers::value(number.as_str(), self.decimal) {
                let tokens = if kilo { value * kilo_of(value) } else { value };
                let range = self.base + whole.start()..self.base + whole.end();
                if self.is_free(&range) {
                    self.push(range, What::Context(tokens as u64));
                }
            }
        }
    }

    fn context(&self, found: &Captures<'_>) -> Option<u64> {
        if found.name("zero").or_else(|| found.name("naught")).is_some() {
            return Some(0);
        }
        let (number, kilo) =
            [("n", "k"), ("m", "mk"), ("d", ""), ("at", "atk"), ("c", "ck"), ("deep", "deepk")]
                .iter()
                .find_map(|(number, kilo)| {
                    Some((found.name(number)?, !kilo.is_empty() && found.name(kilo).is_some()))
                })?;
        let value = numbers::value(number.as_str(), self.decimal)?;
        let tokens = if kilo { value * kilo_of(value) } else { value };
        ((16.0..=2e7).contains(&tokens) || kilo || tokens == 0.0).then_some(tokens as u64)
    }

    fn streams(&mut self) {
        let part = self.part;
        for pattern in [&*STREAMS, &*BATCH] {
            for found in pattern.captures_iter(part) {
                let Some(whole) = found.get(0) else { continue };
                let number = ["n", "m", "p", "q", "r", "t"].iter().find_map(|name| found.name(name));
                let count = number
                    .and_then(|n| n.as_str().parse().ok().or_else(|| count_word(&n.as_str().to_lowercase())));
                let range = self.base + whole.start()..self.base + whole.end();
                if let Some(count) =
                    count.filter(|count| (1..=2048).contains(count) && self.stands_alone(&range))
                    && !AVERAGED.is_match(self.before(range.start, 16))
                {
                    self.push(range, What::Streams(count));
                }
            }
        }
        for found in SINGLE.find_iter(part) {
            self.push(self.base + found.start()..self.base + found.end(), What::Streams(1));
        }
    }

    fn circumstances(&mut self) {
        self.phases();
        for (pattern, what) in [
            (&*BATCHED, What::Batched),
            (&*AGGREGATE, What::Aggregate),
            (&*PER_STREAM, What::PerStream),
            (&*OFFLOAD, What::Offload),
            (&*HOST_ONLY, What::HostOnly),
            (&*MODAL, What::Modal),
        ] {
            for found in pattern.find_iter(self.part) {
                self.push(self.base + found.start()..self.base + found.end(), what.clone());
            }
        }
        self.speculation();
        self.counts();
        for date in dates::find(self.part, self.base) {
            self.push(date.start..date.end, What::Date(date));
        }
    }

    fn phases(&mut self) {
        let mut end = 0;
        for (range, what) in self.named_phases() {
            if range.start < end || self.is_length(&range) {
                continue;
            }
            end = range.end;
            if BENCH_NAME.is_match(&self.part[range.start - self.base..range.end - self.base]) {
                self.push(range.clone(), What::BenchName);
            }
            self.push(range, what);
        }
    }

    /// Words for phases in order; a number behind `pp` that is a rate of its own is not part of the word.
    fn named_phases(&self) -> Vec<(Range<usize>, What)> {
        let mut phases: Vec<(Range<usize>, What)> = Vec::new();
        for found in PREFILL.captures_iter(self.part) {
            let free = |n: &regex::Match<'_>| self.is_free(&(self.base + n.start()..self.base + n.end()));
            let number = found.name("n");
            let prompt = number.filter(free).and_then(|n| n.as_str().parse().ok());
            if let Some(whole) = found.name("w").or_else(|| found.name("v")).or_else(|| found.get(0)) {
                let end = number.filter(|n| !free(n)).map_or(whole.end(), |n| n.start());
                let range = self.base + whole.start()..self.base + end;
                phases.push((range, What::Phase(Phase::Prefill, prompt)));
            }
        }
        for found in DECODE.find_iter(self.part) {
            let range = self.base + found.start()..self.base + found.end();
            phases.push((range, What::Phase(Phase::Decode, None)));
        }
        phases.sort_by_key(|(range, _)| range.start);
        phases
    }

    /// Whether a word for the prompt only states its length: `1k prompt:`, `input 1k`.
    fn is_length(&self, word: &Range<usize>) -> bool {
        let context = |mention: &Mention| {
            matches!(mention.what, What::Context(_))
                && mention.start <= word.start
                && word.end <= mention.end + 2
        };
        let input = self.part[word.start - self.base..word.end - self.base].eq_ignore_ascii_case("input");
        let number = self.after(word.end, 3).trim_start().starts_with(|sign: char| sign.is_ascii_digit());
        let same = self.before(word.start, 8).to_lowercase().ends_with("same ");
        self.mentions.iter().any(context) || input && number || same
    }

    /// Cores of a machine and cards without their name.
    fn counts(&mut self) {
        for found in CORES.captures_iter(self.part) {
            let Some(whole) = found.get(0) else { continue };
            let host = self.after(self.base + whole.end(), 5).to_lowercase().trim_start().starts_with("cpu");
            let number = found.name("n").or_else(|| found.name("m"));
            let cores = number.and_then(|number| number.as_str().parse().ok());
            if let (false, Some(cores), None) = (host, cores, found.name("or")) {
                self.push(self.base + whole.start()..self.base + whole.end(), What::Cores(cores));
            }
        }
        for found in CARDS.captures_iter(self.part) {
            let names = ["n", "both", "tp", "alone", "twin"];
            let written = names.iter().find_map(|name| found.name(name));
            let Some((whole, written)) = found.get(0).zip(written) else { continue };
            let written = written.as_str().to_lowercase();
            let count = written.parse().ok().or_else(|| count_word(&written));
            if let Some(count) = count.filter(|count| (1..=16).contains(count)) {
                self.push(self.base + whole.start()..self.base + whole.end(), What::Cards(count as u32));
            }
        }
    }

    fn speculation(&mut self) {
        for found in SPECULATION.find_iter(self.part) {
            let range = self.base + found.start()..self.base + found.end();
            let before = self.before(range.start, 14).to_lowercase();
            let after = self.after(range.end, 24).to_lowercase();
            let own = self.part[found.range()].to_lowercase();
            let off = own.starts_with("no ")
                || own.starts_with("without")
                || ["no", "without", "w/o", "ohne", "sans", "sin", "non"]
                    .iter()
                    .any(|word| before.trim_end().ends_with(word))
                || SPECULATION_OFF.is_match(&after);
            self.push(range, What::Speculation(!off));
        }
        for found in ACCEPTED.captures_iter(self.part) {
            let number = found.name("n").or_else(|| found.name("m")).and_then(|n| n.as_str().parse().ok());
            if let (Some(whole), Some(length)) = (found.get(0), number) {
                self.push(self.base + whole.start()..self.base + whole.end(), What::Accepted(length));
            }
        }
    }

    fn sizes(&mut self, words: &[Word]) {
        for (at, word) in words.iter().enumerate() {
            if !word.text.ends_with('b') || !is_size(&word.text) || !self.is_free(&word.range) {
                continue;
            }
            let active = at > 0 && words[at - 1].text == "a" && words[at - 1].range.end == word.range.start;
            let next: Vec<&str> = words[at + 1..].iter().take(2).map(|word| word.text.as_str()).collect();
            let other = [
                "draft",
                "drafter",
                "param",
                "params",
                "parameter",
                "parameters",
                "active",
                "aktive",
                "total",
            ];
            if !active && !next.iter().take(1).any(|word| other.contains(word)) {
                self.push(word.range.clone(), What::Size(word.text.clone()));
            }
        }
    }
}

/// Whether an arrow leads from one number to the other.
fn is_lead(separator: &str) -> bool {
    matches!(separator, "->" | "=>" | "→" | "➜" | "⇒")
}

fn is_year(value: f64) -> bool {
    value.fract() == 0.0 && (1990.0..=2039.0).contains(&value)
}

/// Context sizes that are powers of two count in 1,024.
fn kilo_of(value: f64) -> f64 {
    if value.fract() == 0.0 && (value as u64).is_power_of_two() { 1024.0 } else { 1000.0 }
}

fn count_word(word: &str) -> Option<u64> {
    Some(match word {
        "two" | "dual" | "twin" | "both" | "beide" | "zwei" | "deux" | "dos" | "due" | "duas" | "dois"
        | "две" | "два" | "двух" | "dwie" | "dwa" | "dwóch" | "twee" | "två" | "双" | "双卡" | "雙卡" => {
            2
        }
        "three" | "triple" | "drei" | "trois" | "tres" | "tre" | "três" | "три" | "трёх" | "trzy"
        | "drie" => 3,
        "four" | "quad" | "vier" | "quatre" | "cuatro" | "quattro" | "quatro" | "четыре" | "четырёх"
        | "cztery" => 4,
        "five" | "fünf" | "cinq" | "cinco" | "cinque" => 5,
        "six" | "sechs" | "seis" | "sei" => 6,
        "eight" | "acht" | "huit" | "ocho" | "otto" | "oito" => 8,
        "ten" | "zehn" | "dix" | "diez" | "dieci" | "dez" => 10,
        "sixteen" | "sechzehn" | "seize" | "dieciséis" | "sedici" | "dezesseis" => 16,
        "twenty" | "zwanzig" | "vingt" | "veinte" | "venti" => 20,
        "thirty" | "dreißig" => 30,
        "single" | "one" | "单卡" | "單卡" => 1,
        _ => return None,
    })
}

/// Two or more cards in Chinese or Japanese: `两张 RTX 3090`, `4台の`.
fn counted_in_chinese(before: &str) -> Option<u32> {
    let before = before.trim_end_matches([' ', 'の']);
    let before = ["普通", "二手", "全新", "中古"]
        .iter()
        .fold(before, |text, word| text.strip_suffix(word).unwrap_or(text).trim_end_matches('の'));
    let stem = before.strip_suffix(['张', '張', '块', '塊', '台', '枚', '卡', '片']).unwrap_or(before);
    let sign = stem.chars().next_back()?;
    let written = [('两', 2), ('兩', 2), ('双', 2), ('二', 2), ('三', 3), ('四', 4), ('八', 8)];
    let counted = stem.len() < before.len() || sign == '双';
    let digit = sign.to_digit(10).filter(|count| *count > 0 && counted);
    digit.or_else(|| written.iter().find(|(word, _)| *word == sign && counted).map(|&(_, count)| count))
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first number of gigabytes in `text`.
fn gigabytes(text: &str) -> Option<u32> {
    let words = words(text, 0);
    let short = |word: &Word| {
        let size = word.text.strip_suffix('g')?.parse().ok()?;
        (size >= 4 && !text[word.range.end..].starts_with("/s")).then_some(size)
    };
    if let Some(size) = words.first().and_then(short) {
        return Some(size);
    }
    words.windows(2).find_map(|pair| {
        let unit = matches!(pair[1].text.as_str(), "gb" | "gib" | "go" | "gbyte" | "гб")
            && pair[1].range.start - pair[0].range.end <= 3;
        let next = &text[pair[1].range.end..];
        let memory =
            unit && !next.trim_start().starts_with("/s") && !text[..pair[0].range.start].ends_with('$');
        memory.then(|| pair[0].text.parse().ok()).flatten()
    })
}

fn quant_other(found: &Captures<'_>) -> Option<String> {
    if found.name("mix").is_some() {
        return Some("MLX-MXFP4-Q8".into());
    }
    if let Some(name) = found.name("fp") {
        let plain: String =
            name.as_str().to_uppercase().chars().filter(|sign| sign.is_alphanumeric()).collect();
        return Some(match plain.as_str() {
            "BFLOAT16" => "BF16".into(),
            "FP16" | "FLOAT16" | "HALFPRECISION" | "FULLPRECISION" => "F16".into(),
            "FP32" => "F32".into(),
            _ => plain,
        });
    }
    if let Some(name) = found.name("int") {
        let plain: String =
            name.as_str().to_uppercase().chars().filter(|sign| sign.is_alphanumeric()).collect();
        return Some(match plain.as_str() {
            "W4A16" | "W4A4" => "INT4".into(),
            "W8A8" => "INT8".into(),
            _ => plain,
        });
    }
    if found.name("awq").is_some() {
        return Some("AWQ-INT4".into());
    }
    if found.name("gptq").is_some() {
        return Some("GPTQ-INT4".into());
    }
    if let Some(bits) = found.name("bpw") {
        return Some(format!("{}bpw", bits.as_str()));
    }
    let bits = found.name("bits")?.as_str().to_lowercase();
    let bits = match bits.as_str() {
        "quatre" | "cuatro" => "4".into(),
        word => count_word(word).map_or(bits.clone(), |count| count.to_string()),
    };
    Some(if bits == "16" { "F16".into() } else { format!("{bits}-bit") })
}
