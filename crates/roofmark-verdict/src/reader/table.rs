//! Claims of tables: conditions come from the column's header, the row, and the text around the table.

use super::frame::{Around, Frame, Whole};
use super::lexicon::Lexicon;
use super::mentions::{self, Mention, What};
use super::numbers::{self, Decimal};
use super::patterns::*;
use super::records::Record;
use regex::Regex;
use roofmark_facts::claim::{Claim, Phase};
use std::collections::HashMap;
use std::ops::Range;

type Row = Vec<Range<usize>>;

/// Models named exactly in the table's cells, with their places.
pub(super) fn models<'a>(
    text: &str,
    cells: impl Iterator<Item = &'a Range<usize>>,
    lexicon: &Lexicon,
) -> Vec<(usize, usize)> {
    let cells = cells.filter(|cell| cell.len() < 200);
    let found = cells.flat_map(|cell| {
        let words = super::words::words(&text[cell.clone()], cell.start);
        lexicon
            .scan(&text[cell.clone()], cell.start, &words)
            .into_iter()
            .filter_map(|(range, named)| Some((range.start, *named.models.first()?)))
            .collect::<Vec<_>>()
    });
    found.collect()
}

/// Claims of the table `rows` under `carry`, which is left with what a table of labels and values says.
pub(super) fn claims(whole: &Whole<'_>, rows: &[Row], carry: &mut Frame, decimal: Decimal) -> Vec<Claim> {
    // Lines of rules alone make a table without a row.
    if rows.is_empty() {
        return Vec::new();
    }
    let reader = Cells { whole, decimal };
    let table = Table::of(reader, rows);
    if table.is_labels() {
        return table.label_claims(carry);
    }
    let columns = table.columns(carry);
    let mut claims = Vec::new();
    let corner = columns.first().map(|column| column.frame.clone()).unwrap_or_default();
    let mut above = Frame { unit: carry.unit, ..corner.or_all(carry) };
    let mut last: Row = Row::new();
    for row in &rows[table.headers..] {
        if let Some(said) = table.section(row) {
            above = said.or_all(&above);
            last.clear();
            continue;
        }
        let row = table.filled(row, &last, &columns);
        table.row(&row, &columns, &above, &mut claims);
        last = row;
    }
    carry.unit = false;
    claims
}

/// Claims of records (JSON and the like) under `carry`.
pub(super) fn record_claims(
    whole: &Whole<'_>,
    records: &[Record],
    carry: &Frame,
    decimal: Decimal,
) -> Vec<Claim> {
    let reader = Cells { whole, decimal };
    let mut known: HashMap<&str, Column> = HashMap::new();
    let mut claims = Vec::new();
    for record in records {
        let columns: Vec<Column> = record
            .pairs
            .iter()
            .map(|(name, _)| known.entry(name).or_insert_with(|| reader.named_column(name)).clone())
            .collect();
        let row: Row = record.pairs.iter().map(|(_, value)| value.clone()).collect();
        let frame = reader.row_frame(&row, &columns).or_all(carry);
        let told = reader.tells_unit(&row);
        for ((column, cell), (_, value)) in columns.iter().zip(&row).zip(&record.pairs) {
            let plain = column.role == Role::Rate || told && column.role == Role::Value;
            let short = record.range.len() < 400;
            let place = if short { record.range.clone() } else { value.clone() };
            if plain || column.role == Role::Open {
                reader.rate_cell(cell, plain, column, &frame, &place, &mut claims);
            }
        }
    }
    claims
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Rate,
    Streams,
    Context,
    Other,
    /// Remarks: they disclose speculation and offloading, and their numbers are of anything.
    Notes,
    /// Tokens of the prompt, or tokens generated, of a benchmark's export.
    Prompt,
    Generated,
    /// GPU cores of the row's machine.
    Cores,
    /// Its memory.
    Memory,
    /// How many of it, or its name.
    Devices,
    /// Whether, or by which model, tokens are drafted.
    Draft,
    /// Width of the weights in bits.
    Bits,
    /// A number whose meaning another cell of the row names.
    Value,
    /// Names of conditions, or rates where the text around says so.
    Open,
}

#[derive(Clone, Debug)]
struct Column {
    role: Role,
    frame: Frame,
}

/// Reads cells.
#[derive(Clone, Copy)]
struct Cells<'a> {
    whole: &'a Whole<'a>,
    decimal: Decimal,
}

struct Table<'a> {
    cells: Cells<'a>,
    rows: &'a [Row],
    /// Rows of its head.
    headers: usize,
    /// Names of its columns.
    names: Vec<String>,
}

impl<'a> Table<'a> {
    fn of(cells: Cells<'a>, rows: &'a [Row]) -> Self {
        let headers = if !cells.is_header(rows) {
            0
        } else if rows.len() > 2 && cells.is_second_header(&rows[1]) {
            2
        } else {
            1
        };
        Self { cells, rows, headers, names: cells.names(&rows[..headers]) }
    }

    fn cell(&self, range: &Range<usize>) -> &str {
        self.cells.cell(range)
    }

    /// What a row says that has one cell only, and so stands over the rows below it.
    fn section(&self, row: &Row) -> Option<Frame> {
        let mut full = row.iter().filter(|cell| !cell.is_empty());
        let cell = full.next().filter(|_| row.len() > 2)?;
        let alone = full.all(|other| self.cell(other) == self.cell(cell));
        let mentions = self.cells.mentions(cell);
        let rates = mentions.iter().any(|mention| matches!(mention.what, What::Rate { .. }));
        let said = Frame::of_statement(&mentions, self.cells.whole.lexicon);
        (alone && !rates && said.names_something()).then_some(said)
    }

    /// The row with what its empty cells repeat from the row above.
    fn filled(&self, row: &Row, last: &Row, columns: &[Column]) -> Row {
        let repeated =
            |cell: &Range<usize>| matches!(self.cell(cell), "" | "\"" | "″" | "〃" | "ditto" | "''" | "do.");
        let held = |at: usize| {
            columns
                .get(at)
                .is_some_and(|column| !matches!(column.role, Role::Rate | Role::Other | Role::Notes))
        };
        let first = row.first().is_some_and(repeated);
        let fill = |(at, cell): (usize, &Range<usize>)| match last.get(at) {
            Some(above) if repeated(cell) && held(at) && (at == 0 || first || !cell.is_empty()) => {
                above.clone()
            }
            _ => cell.clone(),
        };
        row.iter().enumerate().map(fill).collect()
    }

    /// A table of two columns, labels and values.
    fn is_labels(&self) -> bool {
        let labels = [
            "model",
            "gpu",
            "machine",
            "engine",
            "quant",
            "quantization",
            "backend",
            "hardware",
            "context",
            "device",
            "system",
            "runtime",
        ];
        let plain = |row: &Row| self.cell(&row[0]).trim_matches(['*', ':', ' ']).to_lowercase();
        let pairs = self.rows.iter().all(|row| row.len() == 2);
        pairs && self.rows.iter().filter(|row| labels.contains(&plain(row).as_str())).count() >= 2
    }

    fn label_claims(&self, carry: &mut Frame) -> Vec<Claim> {
        let mut claims = Vec::new();
        for row in self.rows {
            let range = row[0].start..row[1].end;
            let mentions = self.cells.mentions(&range);
            let rates: Vec<&Mention> =
                mentions.iter().filter(|mention| matches!(mention.what, What::Rate { .. })).collect();
            if rates.is_empty() {
                let said = Frame::of_statement(&mentions, self.cells.whole.lexicon);
                carry.update(said, true);
            }
            for rate in rates {
                let around = Around { mentions: &mentions, start: rate.start, end: rate.end };
                claims.extend(self.cells.whole.claim(rate, around.frame().or_all(carry), &range));
            }
        }
        claims
    }

    fn columns(&self, carry: &Frame) -> Vec<Column> {
        let width = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let corner = self.names.first().is_some_and(|name| UNIT_ONLY.is_match(name));
        let open = || Column { role: Role::Open, frame: Frame::default() };
        let name = |at: usize| self.names.get(at).map(String::as_str);
        let mut columns: Vec<Column> =
            (0..width).map(|at| name(at).map_or_else(open, |name| self.cells.column(name))).collect();
        let any_rate = columns.iter().any(|column| column.role == Role::Rate);
        let batched_bench = columns.iter().any(|column| {
            column.role == Role::Rate && column.frame.phase.is_some_and(|(phase, _)| phase == Phase::Prefill)
        }) && self.names.iter().any(|name| name.contains("S_TG"));
        for (at, column) in columns.iter_mut().enumerate() {
            let entity = column.frame.names_something();
            if column.role == Role::Open && entity && !any_rate && (corner || carry.unit) {
                column.role = Role::Rate;
            }
            if batched_bench && name(at).is_some_and(|name| name.starts_with("S t/s")) {
                column.role = Role::Other;
            }
        }
        columns
    }

    fn row(&self, row: &Row, columns: &[Column], above: &Frame, claims: &mut Vec<Claim>) {
        let Some(first) = row.first() else { return };
        let label = self.cell(first);
        let condition = columns
            .first()
            .is_some_and(|column| matches!(column.role, Role::Other | Role::Memory | Role::Cores));
        let priced = OTHER_LABEL.is_match(label) && !UNIT_ONLY.is_match(label) && !condition;
        let own = self.cells.row_frame(row, columns);
        let named =
            own.machine.is_some() || own.model.is_some() || own.quant.is_some() || own.phase.is_some();
        if priced && !named {
            return;
        }
        let frame = own.or_all(above);
        let told = self.cells.tells_unit(row)
            || UNIT_ONLY.is_match(label)
            || RATE_LABEL.is_match(label) && !OTHER_LABEL.is_match(label);
        let place = first.start..row.iter().map(|cell| cell.end).max().unwrap_or(first.end).max(first.start);
        for (at, cell) in row.iter().enumerate() {
            let Some(column) =
                columns.get(at).filter(|column| matches!(column.role, Role::Rate | Role::Open | Role::Value))
            else {
                continue;
            };
            let entity = column.frame.names_something() || column.role == Role::Value;
            let plain = column.role == Role::Rate || told && at > 0 && entity;
            self.cells.rate_cell(cell, plain && (at > 0 || entity), column, &frame, &place, claims);
        }
    }
}

impl Cells<'_> {
    fn cell(&self, range: &Range<usize>) -> &str {
        &self.whole.text[range.clone()]
    }

    fn mentions(&self, range: &Range<usize>) -> Vec<Mention> {
        if range.len() > 400 {
            return Vec::new();
        }
        mentions::find(self.whole.text, range.clone(), self.whole.lexicon, self.decimal)
    }

    fn has_rate(&self, cell: &Range<usize>) -> bool {
        self.mentions(cell).iter().any(|mention| matches!(mention.what, What::Rate { .. }))
    }

    fn is_number(&self, cell: &Range<usize>) -> bool {
        CELL.is_match(self.cell(cell)) && !self.cell(cell).is_empty()
    }

    fn is_header(&self, rows: &[Row]) -> bool {
        let Some(row) = rows.first() else { return false };
        let numbers = row.iter().filter(|cell| self.is_number(cell)).count();
        numbers * 2 < row.len().max(1) && !row.iter().any(|cell| self.has_rate(cell))
    }

    /// Whether a row below the first names columns too: units, phases or quantizations without a number.
    fn is_second_header(&self, row: &Row) -> bool {
        let full: Vec<&Range<usize>> = row.iter().filter(|cell| !cell.is_empty()).collect();
        let names = |cell: &&&Range<usize>| {
            let role = self.column(self.cell(cell)).role;
            role == Role::Rate || QUANT_K.is_match(self.cell(cell)) && self.cell(cell).len() < 12
        };
        let digits = |cell: &&Range<usize>| self.is_number(cell) || self.has_rate(cell);
        full.iter().filter(names).count() >= 2 && !full.iter().any(digits)
    }

    /// Names of the columns under the rows of a head: in the upper one, an empty cell belongs to the one left of it.
    fn names(&self, headers: &[Row]) -> Vec<String> {
        let [upper, lower] = headers else {
            let Some(only) = headers.first() else { return Vec::new() };
            return only.iter().map(|cell| self.cell(cell).to_owned()).collect();
        };
        let mut above = "";
        let mut names = Vec::new();
        for at in 0..upper.len().max(lower.len()) {
            let own = upper.get(at).map_or("", |cell| self.cell(cell));
            above = if own.is_empty() { above } else { own };
            let below = lower.get(at).map_or("", |cell| self.cell(cell));
            names.push(if above == below {
                below.to_owned()
            } else {
                format!("{above} {below}").trim().to_owned()
            });
        }
        names
    }

    /// Whether a cell of the row names a unit of rates alone.
    fn tells_unit(&self, row: &Row) -> bool {
        row.iter().any(|cell| {
            let cell = self.cell(cell);
            cell.len() < 60
                && UNIT_ONLY.is_match(&cell.replace('_', " "))
                && !cell.contains(|sign: char| sign.is_ascii_digit())
        })
    }

    /// The column of records under `name`, a path of keys.
    fn named_column(&self, name: &str) -> Column {
        let last = name.rsplit(' ').next().unwrap_or(name);
        let own = self.column(last);
        if last == name {
            return own;
        }
        let whole = self.column(name);
        let role = if own.role == Role::Open { whole.role } else { own.role };
        Column { role, frame: own.frame.or_all(&whole.frame) }
    }

    fn column(&self, name: &str) -> Column {
        let text = name.trim_matches(['*', '`', ' ']);
        let mentions = if name.len() > 400 {
            Vec::new()
        } else {
            mentions::find(name, 0..name.len(), self.whole.lexicon, self.decimal)
        };
        let frame = Frame::of_statement(&mentions, self.whole.lexicon);
        let words = text.replace('_', " ");
        let role = role_of(text, &words, &frame);
        let phase = frame.phase.or_else(|| self.phase_of(&words));
        let prompt = role == Role::Rate && phase.is_none() && PROMPT_LABEL.is_match(&words);
        let phase = if prompt { Some((Phase::Prefill, None)) } else { phase };
        Column { role, frame: Frame { phase, ..frame } }
    }

    /// The phase that a header in the spelling of exports names: `decode_tokens_per_s`.
    fn phase_of(&self, words: &str) -> Option<(Phase, Option<u64>)> {
        if PREFILL.is_match(words) {
            return Some((Phase::Prefill, None));
        }
        DECODE.is_match(words).then_some((Phase::Decode, None))
    }

    fn rate_cell(
        &self,
        cell: &Range<usize>,
        plain: bool,
        column: &Column,
        row: &Frame,
        place: &Range<usize>,
        claims: &mut Vec<Claim>,
    ) {
        let mentions = self.mentions(cell);
        let rates: Vec<&Mention> =
            mentions.iter().filter(|mention| matches!(mention.what, What::Rate { .. })).collect();
        if rates.is_empty() {
            if plain && let Some(rate) = self.plain_rate(cell) {
                claims.extend(self.whole.claim(&rate, column.frame.clone().or_all(row), place));
            }
            return;
        }
        for rate in rates {
            let around = Around { mentions: &mentions, start: rate.start, end: rate.end };
            claims.extend(self.whole.claim(rate, around.frame().or_all(&column.frame).or_all(row), place));
        }
    }

    /// A cell that is one number or range.
    fn plain_rate(&self, cell: &Range<usize>) -> Option<Mention> {
        let found = CELL.captures(self.cell(cell))?;
        let value = |name: &str, kilo: bool| {
            let value = numbers::value(found.name(name)?.as_str(), self.decimal)?;
            Some(if kilo { value * 1000.0 } else { value }).filter(|value| *value > 0.0 && *value < 1e7)
        };
        let low = value("a", found.name("ak").is_some())?;
        let high = value("b", false).filter(|high| *high >= low).unwrap_or(low);
        Some(Mention { start: cell.start, end: cell.end, what: What::Rate { low, high, group: 0 } })
    }

    /// Conditions that the cells of a row state.
    fn row_frame(&self, row: &Row, columns: &[Column]) -> Frame {
        let mut frame = self.said_by_cells(row, columns);
        let number = |role: Role| {
            let at = columns.iter().position(|column| column.role == role)?;
            let cell = self.cell(row.get(at)?).to_lowercase();
            cell.trim_end_matches(['g', 'i', 'o', 'b', ' ', 'x']).parse::<u32>().ok()
        };
        if let Some(machine) = &mut frame.machine {
            machine.cores = machine.cores.or_else(|| number(Role::Cores));
            machine.memory = machine.memory.or_else(|| number(Role::Memory));
            machine.devices =
                machine.devices.or_else(|| number(Role::Devices).filter(|n| (1..=64).contains(n)));
        }
        frame.quant = frame.quant.or_else(|| number(Role::Bits).map(|bits| format!("{bits}-bit")));
        frame
    }

    fn said_by_cells(&self, row: &Row, columns: &[Column]) -> Frame {
        let mut frame = self.exported(row, columns);
        for (at, cell) in row.iter().enumerate() {
            let Some(column) = columns.get(at) else { continue };
            match column.role {
                Role::Streams => frame.streams = frame.streams.or_else(|| self.count(cell)),
                Role::Context => {
                    let said = self.count(cell).filter(|tokens| *tokens > 0 || !frame.bench);
                    frame.context = frame.context.or(said);
                }
                Role::Draft => frame.speculation = frame.speculation.or_else(|| self.drafted(cell)),
                Role::Notes => {
                    let said = Frame::of_statement(&self.mentions(cell), self.whole.lexicon);
                    frame.speculation = frame.speculation.or(said.speculation);
                    frame.offload |= said.offload;
                }
                Role::Open | Role::Devices => {
                    let mentions = self.mentions(cell);
                    let said = mentions.first().map(|_| {
                        let start = cell.end;
                        Around { mentions: &mentions, start, end: start }.frame()
                    });
                    frame = said.map_or(frame.clone(), |said| join(frame, said));
                    if let Some(note) = self.footnote(cell) {
                        frame = frame.or_all(&note);
                    }
                }
                _ => {}
            }
        }
        frame
    }

    /// What the note says that a mark at the end of a cell points to: `Gemma 3 12B¹`, and below the table `¹ Q4_K_M`.
    fn footnote(&self, cell: &Range<usize>) -> Option<Frame> {
        const MARKS: [char; 8] = ['¹', '²', '³', '⁴', '⁵', '†', '‡', '*'];
        let mark = self.cell(cell).chars().next_back().filter(|sign| MARKS.contains(sign))?;
        if self.cell(cell).starts_with(mark) {
            return None;
        }
        let behind = &self.whole.text[cell.end..];
        let rest: String = behind.chars().take(8000).collect();
        let at = rest.rmatch_indices(mark).find_map(|(at, _)| {
            let before = rest[..at].chars().next_back();
            before.is_none_or(|sign| sign.is_whitespace() || sign == '(').then_some(at + mark.len_utf8())
        })?;
        let note = rest[at..].split(MARKS).next()?.split('\n').next()?;
        let start = cell.end + at;
        let end = start + note.split(". ").next().map_or(note.len(), str::len);
        Some(Frame::of_statement(&self.mentions(&(start..end)), self.whole.lexicon))
    }

    /// Whether a cell under "speculative" or "draft model" says that tokens are drafted.
    fn drafted(&self, cell: &Range<usize>) -> Option<bool> {
        let said = self.cell(cell).to_lowercase();
        let off =
            ["", "-", "–", "—", "no", "false", "none", "null", "off", "0", "n/a", "disabled", "nein", "non"];
        Some(!off.contains(&said.as_str()))
    }

    /// What a row of llama-bench's export says by the tokens of its prompt and those generated.
    fn exported(&self, row: &Row, columns: &[Column]) -> Frame {
        let tokens = |role: Role| {
            let at = columns.iter().position(|column| column.role == role)?;
            self.count(row.get(at)?)
        };
        match (tokens(Role::Prompt), tokens(Role::Generated)) {
            (Some(prompt), Some(0)) => {
                Frame { phase: Some((Phase::Prefill, Some(prompt))), bench: true, ..Frame::default() }
            }
            (Some(0), Some(_)) => {
                Frame { phase: Some((Phase::Decode, None)), bench: true, ..Frame::default() }
            }
            (Some(prompt), None) => Frame { context: Some(prompt), ..Frame::default() },
            _ => Frame::default(),
        }
    }

    fn count(&self, cell: &Range<usize>) -> Option<u64> {
        let text = self.cell(cell).trim_start_matches(['c', 'C', '=', 'x', ' ']).to_lowercase();
        let kilo = text.ends_with('k');
        let value = numbers::value(text.trim_end_matches('k').trim(), self.decimal)?;
        let factor = if kilo { 1024.0 } else { 1.0 };
        (0.0..1e8).contains(&value).then_some((value * factor) as u64)
    }
}

/// What a column named `text` holds; `words` is the name with spaces for underscores.
fn role_of(text: &str, words: &str, frame: &Frame) -> Role {
    let lower = text.to_lowercase();
    let timed = text.starts_with("T_")
        || lower.contains("token (ms")
        || lower.contains("first token")
        || NO_RATE_LABEL.is_match(text);
    if UNIT_ONLY.is_match(words) && !timed && !SPREAD_LABEL.is_match(words) {
        return Role::Rate;
    }
    if let Some(found) = BENCH_COLUMN.captures(text) {
        return if found.name("prompt").is_some() { Role::Prompt } else { Role::Generated };
    }
    let labels: [(&Regex, Role); 9] = [
        (&CORES_LABEL, Role::Cores),
        (&MEMORY_LABEL, Role::Memory),
        (&DEVICES_LABEL, Role::Devices),
        (&DRAFT_LABEL, Role::Draft),
        (&BITS_LABEL, Role::Bits),
        (&STREAMS_LABEL, Role::Streams),
        (&CONTEXT_LABEL, Role::Context),
        (&NOTES_LABEL, Role::Notes),
        (&VALUE_LABEL, Role::Value),
    ];
    if let Some(&(_, role)) = labels.iter().find(|(label, _)| label.is_match(text)) {
        return role;
    }
    if (OTHER_LABEL.is_match(text) || timed || SPREAD_LABEL.is_match(words)) && frame.machine.is_none() {
        Role::Other
    } else if RATE_LABEL.is_match(text) || RATE_LABEL.is_match(words) && !OTHER_LABEL.is_match(words) {
        Role::Rate
    } else {
        Role::Open
    }
}

/// Conditions of two cells: the first one's win.
fn join(first: Frame, second: Frame) -> Frame {
    let mut model = first.model.clone();
    if let (Some(own), Some(other)) = (&mut model, &second.model)
        && own.models.is_empty()
    {
        if !other.models.is_empty() {
            *own = other.clone();
        } else {
            own.size = own.size.clone().or_else(|| other.size.clone());
            if own.family.is_empty() {
                own.family.clone_from(&other.family);
            }
        }
    }
    let mut joined = first.or_all(&second);
    joined.model = model.or(second.model);
    joined
}
