//! Decoding and block structure: headings, list items, paragraphs and tables of text, Markdown, HTML and CSV.

use super::html;
use super::records::{self, Record};
use std::ops::Range;
use thiserror::Error;

/// Longest input that is read.
pub const MAX_BYTES: usize = 16 << 20;

/// How the input is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text or Markdown.
    Text,
    /// HTML.
    Html,
    /// Comma-, semicolon- or tab-separated values.
    Csv,
}

impl Format {
    /// The format that a file name and the first bytes suggest.
    #[must_use]
    pub fn guess(name: &str, bytes: &[u8]) -> Self {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".html") || name.ends_with(".htm") || name.ends_with(".xhtml") {
            return Self::Html;
        }
        if name.ends_with(".csv") || name.ends_with(".tsv") {
            return Self::Csv;
        }
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).trim_start().to_ascii_lowercase();
        let html = ["<!doctype", "<html", "<body", "<div", "<p>", "<table", "<article", "<h1", "<ul"];
        if html.iter().any(|tag| head.starts_with(tag)) { Self::Html } else { Self::Text }
    }
}

/// Why a text cannot be read. Each completes "failed to read the text: …".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Too long.
    #[error("it is longer than {MAX_BYTES} bytes, the most that is read")]
    TooLong,
    /// Not text.
    #[error("it is binary (a zero byte at offset {offset})")]
    Binary {
        /// Where the zero byte is.
        offset: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("it is not UTF-8 (byte {byte:#04x} at offset {offset}); convert it first")]
    Encoding {
        /// First bad byte.
        byte: u8,
        /// Where it is.
        offset: usize,
    },
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A heading of this level, 1 to 6.
    Heading(usize),
    /// A list item at this depth, 0 for the outermost.
    Item(usize),
    /// Running text.
    Paragraph,
    /// A table: rows of cells, the first row being the header where there is one.
    Table(Vec<Vec<Range<usize>>>),
    /// Objects of JSON and the like.
    Records(Vec<Record>),
}

/// A block and the bytes of the text that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// A text with its blocks in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub text: String,
    pub blocks: Vec<Block>,
}

impl Document {
    /// Decodes and divides `bytes`.
    pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Self, ReadError> {
        let text = decode(bytes)?;
        Ok(match format {
            Format::Html => html::parse(&text),
            Format::Csv => separated_document(text),
            Format::Text => lines_document(text),
        })
    }
}

fn decode(bytes: &[u8]) -> Result<String, ReadError> {
    if bytes.len() > MAX_BYTES {
        return Err(ReadError::TooLong);
    }
    if let [0xff, 0xfe, rest @ ..] = bytes {
        return Ok(utf16(rest, u16::from_le_bytes));
    }
    if let [0xfe, 0xff, rest @ ..] = bytes {
        return Ok(utf16(rest, u16::from_be_bytes));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(ReadError::Binary { offset });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let offset = error.valid_up_to();
            Err(ReadError::Encoding { byte: bytes[offset], offset })
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// Lines of `text` with their offsets, without line ends.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let length = line.trim_end_matches(['\n', '\r']).len();
        lines.push(start..start + length);
        start += line.len();
    }
    lines
}

fn lines_document(text: String) -> Document {
    let lines = lines(&text);
    let mut blocks = Vec::new();
    let mut index = 0;
    let mut effort = text.len() * 4;
    while index < lines.len() {
        if let Some((taken, block)) = record_block(&text, &lines[index..], &mut effort) {
            blocks.push(block);
            index += taken;
            continue;
        }
        let taken = table_lines(&text, &lines[index..]);
        if taken > 0 {
            blocks.push(table_block(&text, &lines[index..index + taken]));
            index += taken;
        } else {
            push_line(&text, lines[index].clone(), &mut blocks);
            index += 1;
        }
    }
    Document { text, blocks }
}

/// Records that start in the first of `lines`, and how many lines they take. `effort` is how many bytes may still be
/// read in vain.
fn record_block(text: &str, lines: &[Range<usize>], effort: &mut usize) -> Option<(usize, Block)> {
    let line = &lines[0];
    let words = &text[line.clone()];
    let block = |taken: usize, records: Vec<Record>| {
        let range = line.start..lines[taken - 1].end;
        Some((taken, Block { kind: Kind::Records(records), range }))
    };
    if let Some(at) = json_start(words).map(|at| line.start + at).filter(|_| *effort > 0) {
        match records::json(text, at) {
            Ok((end, records)) => {
                return block(lines.partition_point(|line| line.start < end).max(1), records);
            }
            Err(end) => *effort = effort.saturating_sub(end - at),
        }
    }
    let first = words.trim_start().chars().next()?;
    let yaml = words.contains(':') && (first.is_ascii_lowercase() || first == '-');
    if let Some((taken, records)) =
        yaml.then(|| records::yaml(text, lines, effort)).filter(|(taken, _)| *taken > 0)
    {
        return block(taken, records);
    }
    let toml = first == '[' || words.contains(" = ") && first.is_ascii_lowercase();
    if let Some((taken, records)) =
        toml.then(|| records::toml(text, lines, effort)).filter(|(taken, _)| *taken > 0)
    {
        return block(taken, records);
    }
    records::pairs_line(text, line).and_then(|record| block(1, vec![record]))
}

/// Where JSON starts in a line: at its first sign, or behind a name that it is given.
fn json_start(words: &str) -> Option<usize> {
    let trimmed = words.trim_start();
    if trimmed.starts_with(['{', '[']) {
        return Some(words.len() - trimmed.len());
    }
    ["{\"", "[{\"", "{'"].iter().filter_map(|start| words.find(start)).min().filter(|_| words.len() < 20_000)
}

/// Adds one line outside tables: a block of its own, or a continuation of the paragraph or item above.
fn push_line(text: &str, line: Range<usize>, blocks: &mut Vec<Block>) {
    let words = text[line.clone()].trim();
    if words.is_empty() {
        blocks.push(Block { kind: Kind::Paragraph, range: line.start..line.start });
        return;
    }
    if let Some(level) = heading_level(words) {
        blocks.push(Block { kind: Kind::Heading(level), range: line });
        return;
    }
    if let Some(depth) = item_depth(&text[line.clone()]) {
        blocks.push(Block { kind: Kind::Item(depth), range: line });
        return;
    }
    match blocks.last_mut() {
        Some(Block { kind: Kind::Paragraph | Kind::Item(_), range }) if range.start < range.end => {
            range.end = line.end;
        }
        _ => blocks.push(Block { kind: Kind::Paragraph, range: line }),
    }
}

fn heading_level(words: &str) -> Option<usize> {
    let level = words.bytes().take_while(|&byte| byte == b'#').count();
    ((1..=6).contains(&level) && words[level..].starts_with(' ')).then_some(level)
}

fn item_depth(line: &str) -> Option<usize> {
    let body = line.trim_start();
    let indent =
        line[..line.len() - body.len()].chars().map(|sign| if sign == '\t' { 4 } else { 1 }).sum::<usize>();
    let rest = body.strip_prefix(['-', '*', '+', '•', '–', '▪', '◦', '‣', '·', '・']).or_else(|| {
        let digits = body.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=2).contains(&digits) { body[digits..].strip_prefix(['.', ')']) } else { None }
    })?;
    rest.starts_with([' ', '\t', '\u{a0}']).then_some(indent.min(40) / 2)
}

/// How many of the next lines form a table.
fn table_lines(text: &str, lines: &[Range<usize>]) -> usize {
    let count =
        |sign: char| lines.iter().take_while(|line| text[(*line).clone()].matches(sign).count() >= 2).count();
    let bars = lines.iter().take_while(|line| is_bar_row(&text[(*line).clone()])).count();
    if bars >= 2 {
        return bars;
    }
    let tabs = count('\t');
    if tabs >= 2 { tabs } else { aligned_lines(text, lines) }
}

/// How many of the next lines form a table whose columns are set apart by spaces: a line of names, then lines with
/// numbers.
fn aligned_lines(text: &str, lines: &[Range<usize>]) -> usize {
    let Some(head) = lines.first().map(|line| aligned_cells(text, line.clone())) else { return 0 };
    let number = |cell: &Range<usize>| {
        let cell = text[cell.clone()].trim_start_matches(['~', '<', '>']);
        !cell.is_empty() && cell.chars().all(|sign| sign.is_ascii_digit() || matches!(sign, '.' | ',' | 'k'))
    };
    if head.len() < 3 || head.iter().any(number) {
        return 0;
    }
    let fits = |line: &&Range<usize>| {
        let cells = aligned_cells(text, (*line).clone());
        cells.len().abs_diff(head.len()) <= 1 && cells.iter().skip(1).any(number)
    };
    let rows = lines[1..].iter().take_while(fits).count();
    if rows >= 1 { rows + 1 } else { 0 }
}

/// Cells of a line, parted by two or more spaces.
fn aligned_cells(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let line = trimmed(text, line);
    let mut cells = Vec::new();
    let mut start = line.start;
    for part in text[line].split("  ") {
        let cell = trimmed(text, start..start + part.len());
        if !cell.is_empty() {
            cells.push(cell);
        }
        start += part.len() + 2;
    }
    cells
}

fn is_bar_row(line: &str) -> bool {
    let bars = line.matches('|').count();
    bars >= 2 || (bars == 1 && line.trim().len() > 2 && !line.trim().starts_with('|'))
}

fn table_block(text: &str, lines: &[Range<usize>]) -> Block {
    let first = &text[lines[0].clone()];
    let separator = ['|', '\t'].into_iter().find(|sign| first.contains(*sign));
    let cells = |line: &Range<usize>| match separator {
        Some(separator) => bar_cells(text, line.clone(), separator),
        None => aligned_cells(text, line.clone()),
    };
    let rows = lines.iter().filter(|line| !is_rule(&text[(*line).clone()])).map(cells).collect();
    let range = lines[0].start..lines[lines.len() - 1].end;
    Block { kind: Kind::Table(rows), range }
}

fn is_rule(line: &str) -> bool {
    line.contains('-') && line.chars().all(|sign| matches!(sign, '|' | '-' | ':' | '+' | ' ' | '\t' | '='))
}

fn bar_cells(text: &str, line: Range<usize>, separator: char) -> Vec<Range<usize>> {
    let mut inner = trimmed(text, line);
    if separator == '|' {
        if text[inner.clone()].starts_with('|') {
            inner.start += 1;
        }
        if text[inner.clone()].ends_with('|') {
            inner.end -= 1;
        }
    }
    let mut start = inner.start;
    let mut cells = Vec::new();
    for part in text[inner].split(separator) {
        cells.push(trimmed(text, start..start + part.len()));
        start += part.len() + 1;
    }
    cells
}

/// The range without surrounding white space.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}

fn separated_document(text: String) -> Document {
    let separator = separator_of(&text);
    let rows = separated_rows(&text, separator);
    let range = 0..text.len();
    Document { text, blocks: vec![Block { kind: Kind::Table(rows), range }] }
}

fn separator_of(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |sign: u8| first.bytes().filter(|&byte| byte == sign).count();
    *[b',', b';', b'\t', b'|'].iter().max_by_key(|&&sign| (count(sign), sign == b',')).unwrap_or(&b',')
}

/// Cells of separated values (RFC 4180 quoting); a quoted cell's range leaves the quotes out.
fn separated_rows(text: &str, separator: u8) -> Vec<Vec<Range<usize>>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().chain(std::iter::once(b'\n')).enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                row.push(unquoted(text, start..at));
                start = at + 1;
            }
            b'\n' if !quoted || at == text.len() => {
                row.push(unquoted(text, start..at));
                if row.iter().any(|cell| !cell.is_empty()) {
                    rows.push(std::mem::take(&mut row));
                }
                row.clear();
                start = at + 1;
            }
            _ => {}
        }
    }
    rows
}

fn unquoted(text: &str, range: Range<usize>) -> Range<usize> {
    let range = trimmed(text, range);
    let part = &text[range.clone()];
    if part.len() >= 2 && part.starts_with('"') && part.ends_with('"') {
        return trimmed(text, range.start + 1..range.end - 1);
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str, format: Format) -> Vec<String> {
        let document = Document::parse(text.as_bytes(), format).expect("it reads");
        let show = |block: &Block| match &block.kind {
            Kind::Heading(level) => format!("h{level} {}", &document.text[block.range.clone()]),
            Kind::Item(depth) => format!("item{depth} {}", document.text[block.range.clone()].trim()),
            Kind::Paragraph => document.text[block.range.clone()].to_owned(),
            Kind::Records(records) => format!("{} records", records.len()),
            Kind::Table(rows) => rows
                .iter()
                .map(|row| row.iter().map(|cell| &document.text[cell.clone()]).collect::<Vec<_>>().join("/"))
                .collect::<Vec<_>>()
                .join(" // "),
        };
        document.blocks.iter().map(show).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn markdown_is_divided_into_blocks() {
        let text = "# Top\nline one\nline two\n\n- a\n  - b\n1. c\n\n| x | y |\n|---|--:|\n| 1 | 2 |\n";
        assert_eq!(
            kinds(text, Format::Text),
            ["h1 # Top", "line one\nline two", "item0 - a", "item1 - b", "item0 1. c", "x/y // 1/2"]
        );
    }

    #[test]
    fn separated_values_keep_quoted_separators() {
        assert_eq!(kinds("a;b\n\"1,5\";\"x;y\"\n", Format::Csv), ["a/b // 1,5/x;y"]);
    }

    #[test]
    fn html_keeps_what_a_reader_sees() {
        let html = "<h2>A &amp; B</h2><p>one <b>two</b></p><script>if (a < b) {}</script><ul><li>x</ul>\
                    <table><tr><th>m<th>r<tr><td>1<td>2</table>";
        assert_eq!(kinds(html, Format::Html), ["h2 A & B", "one two", "item0 x", "m/r // 1/2"]);
    }

    #[test]
    fn what_is_not_text_is_refused_with_its_place() {
        assert_eq!(Document::parse(b"ab\0c", Format::Text), Err(ReadError::Binary { offset: 2 }));
        assert_eq!(
            Document::parse(b"caf\xe9", Format::Text),
            Err(ReadError::Encoding { byte: 0xe9, offset: 3 })
        );
        assert!(matches!(Document::parse(&vec![b'a'; MAX_BYTES + 1], Format::Text), Err(ReadError::TooLong)));
        assert_eq!(kinds("\u{feff}ok", Format::Text), ["ok"]);
    }
}
