//! HTML to text and blocks: what a reader sees, in order. Uses a tokenizer that follows the HTML standard and builds no
//! tree, so that hostile nesting costs nothing.

use super::document::{Block, Document, Kind, trimmed};
use html5gum::{DefaultEmitter, Token, Tokenizer};
use regex::Regex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

/// Rows and cells kept of one table.
const MAX_CELLS: usize = 200_000;

/// Reads `html`.
pub(super) fn parse(html: &str) -> Document {
    let mut page = Page::default();
    let mut emitter: DefaultEmitter<()> = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let html = without_attributes(html);
    for token in Tokenizer::new_with_emitter(html.as_str(), emitter).flatten() {
        match token {
            Token::StartTag(tag) => {
                let span = |name: &[u8]| {
                    let written = tag.attributes.iter().find(|(key, _)| key.0 == name)?.1;
                    String::from_utf8_lossy(written).parse::<usize>().ok().filter(|n| *n > 0)
                };
                page.spans = (span(b"colspan").unwrap_or(1).min(40), span(b"rowspan").unwrap_or(1).min(400));
                page.open(&tag.name);
            }
            Token::EndTag(tag) => page.close(&tag.name),
            Token::String(text) => page.text(&String::from_utf8_lossy(&text)),
            _ => {}
        }
    }
    page.flush();
    page.end_table();
    page.document
}

/// `html` with bare tags. The reader needs no attribute but the spans of cells, and the tokenizer's stack grows with their number.
fn without_attributes(html: &str) -> String {
    let mut bare = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let name = tag_name(&rest[at..]);
        bare.push_str(&rest[..at + name]);
        rest = &rest[at + name..];
        if name > 1 {
            let end = tag_end(rest);
            if matches!(bare.as_bytes(), [.., b'<', b't' | b'T', b'd' | b'D' | b'h' | b'H']) {
                bare.push_str(&spans(&rest[..end]));
            }
            rest = &rest[end..];
            bare.push('>');
        }
    }
    bare + rest
}

/// The attributes of a cell that say over how many columns and rows it reaches.
fn spans(attributes: &str) -> String {
    static SPAN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)(?-u:\b)(?P<name>colspan|rowspan)\s*=\s*["']?\s*(?P<n>\d{1,3})"#)
            .expect("it is valid")
    });
    let part = &attributes[..floor(attributes, 400)];
    if !part.to_ascii_lowercase().contains("span") {
        return String::new();
    }
    let mut seen = Vec::new();
    for found in SPAN.captures_iter(part) {
        let name = found["name"].to_lowercase();
        if !seen.iter().any(|text: &String| text.contains(&name)) {
            seen.push(format!(" {name}={}", &found["n"]));
        }
    }
    seen.concat()
}

fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Bytes of `<name` or `</name` at the start of `text`; 1 where no tag starts.
fn tag_name(text: &str) -> usize {
    let slash = usize::from(text[1..].starts_with('/'));
    let letters = text[1 + slash..]
        .bytes()
        .take_while(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'<'))
        .count();
    if text[1 + slash..].starts_with(|sign: char| sign.is_ascii_alphabetic()) {
        1 + slash + letters
    } else {
        1
    }
}

/// Bytes up to and with the `>` that ends a tag; quotes count where they follow `=`.
fn tag_end(text: &str) -> usize {
    let (mut quote, mut last) = (None, b' ');
    for (at, byte) in text.bytes().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'>' => return at + 1,
            None if matches!(byte, b'"' | b'\'') && last == b'=' => quote = Some(byte),
            None => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    text.len()
}

/// Whether the element `name` ends a drawing or formula that was not closed, as browsers have it.
fn ends_drawing(hidden: &[u8], name: &[u8]) -> bool {
    let text =
        [&b"table"[..], b"ul", b"ol", b"li", b"b", b"strong", b"span", b"img", b"br", b"em", b"i", b"code"];
    matches!(hidden, b"svg" | b"math") && (is_block(name) || is_heading(name) || text.contains(&name))
}

fn is_heading(name: &[u8]) -> bool {
    matches!(name, [b'h', b'1'..=b'6'])
}

/// The page as far as it was read.
#[derive(Default)]
struct Page {
    document: Document,
    /// Start of the block that is being filled.
    start: usize,
    kind: Option<Kind>,
    /// Depth of lists.
    lists: usize,
    /// Inside `pre`: line ends count.
    preformatted: bool,
    /// Name of the element whose text is left out, such as `script`.
    hidden: Option<Vec<u8>>,
    /// Rows of the table that is being read.
    table: Option<Vec<Vec<Range<usize>>>>,
    /// Columns and rows that the tag being read reaches over, and those of the cell that is being filled.
    spans: (usize, usize),
    cell_spans: (usize, usize),
    /// Cells that reach into later rows: row, column, cell.
    below: BTreeMap<(usize, usize), Range<usize>>,
    /// Inside `td` or `th`.
    in_cell: bool,
    cells: usize,
}

impl Page {
    fn open(&mut self, name: &[u8]) {
        if self.hidden.as_deref().is_some_and(|hidden| ends_drawing(hidden, name)) {
            self.hidden = None;
        }
        if self.hidden.is_some() {
            return;
        }
        match name {
            b"script" | b"style" | b"template" | b"svg" | b"noscript" | b"iframe" | b"textarea" | b"math" => {
                self.hidden = Some(name.to_vec());
            }
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => {
                self.start_block(Kind::Heading(usize::from(name[1] - b'0')));
            }
            b"title" => self.start_block(Kind::Heading(1)),
            b"ul" | b"ol" => {
                self.flush();
                self.lists = (self.lists + 1).min(20);
            }
            b"li" => self.start_block(Kind::Item(self.lists.saturating_sub(1))),
            b"table" => self.start_table(),
            b"tr" => self.start_row(),
            b"td" | b"th" => self.start_cell(),
            b"br" => self.line_end(),
            b"pre" => {
                self.start_block(Kind::Paragraph);
                self.preformatted = true;
            }
            _ if is_block(name) => self.start_block(Kind::Paragraph),
            _ => {}
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(hidden) = &self.hidden {
            if hidden == name {
                self.hidden = None;
            }
            return;
        }
        match name {
            b"ul" | b"ol" => {
                self.flush();
                self.lists = self.lists.saturating_sub(1);
            }
            b"table" => {
                self.flush();
                self.end_table();
            }
            b"pre" => {
                self.flush();
                self.preformatted = false;
            }
            b"td" | b"th" | b"tr" | b"li" | b"title" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => {
                self.flush();
            }
            _ if is_block(name) => self.flush(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_some() {
            return;
        }
        let out = &mut self.document.text;
        for sign in text.chars() {
            let blank = sign.is_ascii_whitespace();
            if self.preformatted && sign == '\n' {
                out.push('\n');
            } else if !blank {
                out.push(sign);
            } else if out.len() > self.start && !out.ends_with([' ', '\n']) {
                out.push(' ');
            }
        }
    }

    fn line_end(&mut self) {
        if self.document.text.len() > self.start {
            self.document.text.push('\n');
        }
    }

    /// Inside a table cell block elements only part lines.
    fn start_block(&mut self, kind: Kind) {
        if self.table.is_some() {
            self.line_end();
            return;
        }
        self.flush();
        self.kind = Some(kind);
    }

    fn start_table(&mut self) {
        self.flush();
        self.end_table();
        self.table = Some(Vec::new());
        self.below.clear();
    }

    fn start_row(&mut self) {
        self.flush();
        if let Some(rows) = &mut self.table {
            rows.push(Vec::new());
        }
    }

    fn start_cell(&mut self) {
        self.flush();
        self.in_cell = self.table.as_ref().is_some_and(|rows| !rows.is_empty());
        self.cell_spans = self.spans;
    }

    /// Ends the block or cell that is being filled.
    fn flush(&mut self) {
        let range = trimmed(&self.document.text, self.start..self.document.text.len());
        let kind = self.kind.take().unwrap_or(Kind::Paragraph);
        match self.table.as_mut().and_then(|rows| rows.last_mut()) {
            Some(_) if self.in_cell && self.cells < MAX_CELLS => self.place(range),
            Some(_) if self.in_cell => {}
            _ if !range.is_empty() => self.document.blocks.push(Block { kind, range }),
            _ => {}
        }
        if !self.document.text.is_empty() && !self.document.text.ends_with('\n') {
            self.document.text.push('\n');
        }
        self.in_cell = false;
        self.start = self.document.text.len();
    }

    /// Puts a cell into the row that is being read, as often as it reaches over columns and rows.
    fn place(&mut self, range: Range<usize>) {
        let Some(rows) = &mut self.table else { return };
        let at = rows.len() - 1;
        let row = &mut rows[at];
        while let Some(above) = self.below.remove(&(at, row.len())) {
            row.push(above);
        }
        let (across, down) = self.cell_spans;
        for _ in 0..across {
            for below in 1..down {
                self.below.insert((at + below, row.len()), range.clone());
            }
            row.push(range.clone());
        }
        self.cells += across * down;
    }

    fn end_table(&mut self) {
        let Some(mut rows) = self.table.take() else { return };
        self.below.clear();
        rows.retain(|row| !row.is_empty());
        let (Some(first), Some(last)) =
            (rows.first().and_then(|row| row.first()), rows.last().and_then(|row| row.last()))
        else {
            return;
        };
        let range = first.start..last.end;
        self.document.blocks.push(Block { kind: Kind::Table(rows), range });
    }
}

fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"p" | b"div"
            | b"section"
            | b"article"
            | b"header"
            | b"footer"
            | b"main"
            | b"aside"
            | b"nav"
            | b"blockquote"
            | b"figure"
            | b"figcaption"
            | b"caption"
            | b"dl"
            | b"dt"
            | b"dd"
            | b"hr"
            | b"form"
            | b"body"
            | b"html"
            | b"head"
            | b"thead"
            | b"tbody"
            | b"tfoot"
            | b"details"
            | b"summary"
            | b"address"
            | b"button"
            | b"option"
    )
}
