//! Claims of tables: conditions come from the column's header, the row, and the text around the table.

use super::frame::{Around, Frame, Whole};
use super::lexicon::Lexicon;
use super::mentions::{self, Mention, What};
use super::numbers::{self, Decimal};
use super::patterns::*;
use roofmark_facts::claim::{Claim, Phase};
use std::ops::Range;

type Row = Vec<Range<usize>>;

/// Models named exactly in the table's cells, with their places.
pub(super) fn models(text: &str, rows: &[Row], lexicon: &Lexicon) -> Vec<(usize, usize)> {
    let cells = rows.iter().flatten().filter(|cell| cell.len() < 200);
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
    let table = Table { whole, decimal, rows };
    if table.is_labels() {
        return table.label_claims(carry);
    }
    let columns = table.columns(carry);
    let first = usize::from(table.has_header());
    let mut claims = Vec::new();
    let corner = columns.first().map(|column| column.frame.clone()).unwrap_or_default();
    let mut above = Frame { unit: carry.unit, ..corner.or_all(carry) };
    for row in &rows[first..] {
        table.row(row, &columns, &mut above, &mut claims);
    }
    carry.unit = false;
    claims
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
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
    /// Names of conditions, or rates where the text around says so.
    Open,
}

struct Column {
    role: Role,
    frame: Frame,
}

struct Table<'a> {
    whole: &'a Whole<'a>,
    decimal: Decimal,
    rows: &'a [Row],
}

impl Table<'_> {
    fn cell(&self, range: &Range<usize>) -> &str {
        &self.whole.text[range.clone()]
    }

    fn mentions(&self, range: &Range<usize>) -> Vec<Mention> {
        if range.len() > 400 {
            return Vec::new();
        }
        mentions::find(self.whole.text, range.clone(), self.whole.lexicon, self.decimal)
    }

    fn has_header(&self) -> bool {
        let numbers = self.rows[0]
            .iter()
            .filter(|cell| CELL.is_match(self.cell(cell)) && !self.cell(cell).is_empty())
            .count();
        let rates = |cell: &Range<usize>| {
            self.mentions(cell).iter().any(|mention| matches!(mention.what, What::Rate { .. }))
        };
        numbers * 2 < self.rows[0].len().max(1) && !self.rows[0].iter().any(rates)
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
            let mentions = self.mentions(&range);
            let rates: Vec<&Mention> =
                mentions.iter().filter(|mention| matches!(mention.what, What::Rate { .. })).collect();
            if rates.is_empty() {
                let said = Frame::of_statement(&mentions, self.whole.lexicon);
                carry.update(said, true);
            }
            for rate in rates {
                let around = Around { mentions: &mentions, start: rate.start, end: rate.end };
                claims.extend(self.whole.claim(rate, around.frame().or_all(carry), &range));
            }
        }
        claims
    }

    fn columns(&self, carry: &Frame) -> Vec<Column> {
        let width = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let header = self.has_header();
        let corner = header && self.rows[0].first().is_some_and(|cell| UNIT_ONLY.is_match(self.cell(cell)));
        let mut columns: Vec<Column> = (0..width).map(|at| self.column(at, header)).collect();
        let any_rate = columns.iter().any(|column| column.role == Role::Rate);
        let batched_bench = columns.iter().any(|column| {
            column.role == Role::Rate && column.frame.phase.is_some_and(|(phase, _)| phase == Phase::Prefill)
        }) && self.rows[0].iter().any(|cell| self.cell(cell).contains("S_TG"));
        for (at, column) in columns.iter_mut().enumerate() {
            let entity = column.frame.names_something();
            if column.role == Role::Open && entity && !any_rate && (corner || carry.unit) {
                column.role = Role::Rate;
            }
            if batched_bench && self.rows[0].get(at).is_some_and(|cell| self.cell(cell).starts_with("S t/s"))
            {
                column.role = Role::Other;
            }
        }
        columns
    }

    fn column(&self, at: usize, header: bool) -> Column {
        let Some(cell) = self.rows[0].get(at).filter(|_| header) else {
            return Column { role: Role::Open, frame: Frame::default() };
        };
        let text = self.cell(cell).trim_matches(['*', '`', ' ']).to_owned();
        let mentions = self.mentions(cell);
        let frame = Frame::of_statement(&mentions, self.whole.lexicon);
        let words = text.replace('_', " ");
        let timed = text.starts_with("T_")
            || text.to_lowercase().contains("token (ms")
            || text.to_lowercase().contains("first token")
            || NO_RATE_LABEL.is_match(&text);
        let role = if UNIT_ONLY.is_match(&words) && !timed {
            Role::Rate
        } else if let Some(found) = BENCH_COLUMN.captures(&text) {
            if found.name("prompt").is_some() { Role::Prompt } else { Role::Generated }
        } else if CORES_LABEL.is_match(&text) {
            Role::Cores
        } else if STREAMS_LABEL.is_match(&text) {
            Role::Streams
        } else if CONTEXT_LABEL.is_match(&text) {
            Role::Context
        } else if NOTES_LABEL.is_match(&text) {
            Role::Notes
        } else if (OTHER_LABEL.is_match(&text) || timed) && frame.machine.is_none() {
            Role::Other
        } else if RATE_LABEL.is_match(&text) {
            Role::Rate
        } else {
            Role::Open
        };
        let phase = frame.phase.or_else(|| self.phase_of(&words));
        let frame = Frame { phase, ..frame };
        let prompt =
            role == Role::Rate && frame.phase.is_none() && PROMPT_LABEL.is_match(&text.replace('_', " "));
        let phase = if prompt { Some((Phase::Prefill, None)) } else { frame.phase };
        Column { role, frame: Frame { phase, ..frame } }
    }

    /// The phase that a header in the spelling of exports names: `decode_tokens_per_s`.
    fn phase_of(&self, words: &str) -> Option<(Phase, Option<u64>)> {
        if PREFILL.is_match(words) {
            return Some((Phase::Prefill, None));
        }
        DECODE.is_match(words).then_some((Phase::Decode, None))
    }

    fn row(&self, row: &Row, columns: &[Column], above: &mut Frame, claims: &mut Vec<Claim>) {
        let Some(first) = row.first() else { return };
        let label = self.cell(first);
        let condition = columns.first().is_some_and(|column| column.role == Role::Other);
        let priced = OTHER_LABEL.is_match(label) && !UNIT_ONLY.is_match(label) && !condition;
        let own = self.row_frame(row, columns);
        let named =
            own.machine.is_some() || own.model.is_some() || own.quant.is_some() || own.phase.is_some();
        if priced && !named {
            return;
        }
        let frame = own.or_all(above);
        let unit = |cell: &Range<usize>| {
            let cell = self.cell(cell);
            UNIT_ONLY.is_match(cell) && !cell.contains(|sign: char| sign.is_ascii_digit())
        };
        let told = row.iter().any(unit)
            || UNIT_ONLY.is_match(label)
            || RATE_LABEL.is_match(label) && !OTHER_LABEL.is_match(label);
        let place = first.start..row[row.len() - 1].end;
        for (at, cell) in row.iter().enumerate() {
            let Some(column) =
                columns.get(at).filter(|column| matches!(column.role, Role::Rate | Role::Open))
            else {
                continue;
            };
            let entity = column.frame.names_something();
            let plain = column.role == Role::Rate || told && at > 0 && entity;
            self.rate_cell(cell, plain && (at > 0 || entity), column, &frame, &place, claims);
        }
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
        let cores = columns.iter().position(|column| column.role == Role::Cores);
        if let (Some(machine), Some(cell)) = (&mut frame.machine, cores.and_then(|at| row.get(at))) {
            machine.cores = machine.cores.or_else(|| self.cell(cell).parse().ok());
        }
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
                Role::Other | Role::Rate | Role::Prompt | Role::Generated | Role::Cores => {}
                Role::Notes => {
                    let said = Frame::of_statement(&self.mentions(cell), self.whole.lexicon);
                    frame.speculation = frame.speculation.or(said.speculation);
                    frame.offload |= said.offload;
                }
                Role::Open => {
                    let mentions = self.mentions(cell);
                    let said = mentions.first().map(|_| {
                        let start = cell.end;
                        Around { mentions: &mentions, start, end: start }.frame()
                    });
                    frame = said.map_or(frame.clone(), |said| join(frame, said));
                }
            }
        }
        frame
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
