//! Records of machines: JSON, lines of JSON, YAML, TOML and lines of `key=value`. Each object that states a rate becomes a
//! record of its own pairs and of those that hold around it.

use super::patterns::{BENCH_COLUMN, RATE_LABEL, UNIT_ONLY};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Deepest nesting that is read.
const DEEPEST: usize = 24;

/// Most pairs that a record takes from what surrounds it.
const MOST_AROUND: usize = 64;

/// A record: names of its values (the path of keys, parted by spaces) and where the values stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub range: Range<usize>,
    pub pairs: Vec<(String, Range<usize>)>,
}

/// A value of a tree of keys.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Scalar(Range<usize>),
    List(Vec<Node>),
    Object(Range<usize>, Vec<(Range<usize>, Node)>),
}

/// The records of the JSON value that starts at byte `at`, and the byte behind it. A list of plain values or an object
/// without pairs is none.
pub(super) fn json(text: &str, at: usize) -> Result<(usize, Vec<Record>), usize> {
    let mut json = Json { text, at };
    let Some(root) = json.value(0) else { return Err(json.at) };
    let found = records(text, &root);
    if found.is_empty() { Err(json.at) } else { Ok((json.at, found)) }
}

/// Reads JSON as it is met in posts: single quotes, bare words and a last comma are let pass.
struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl Json<'_> {
    fn blank(&mut self) -> Option<u8> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        match self.blank()? {
            _ if depth > DEEPEST => None,
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            quote @ (b'"' | b'\'') => self.string(quote).map(Node::Scalar),
            _ => self.bare(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node> {
        let start = self.at;
        self.at += 1;
        let mut pairs = Vec::new();
        loop {
            match self.blank()? {
                b'}' => break,
                b',' if !pairs.is_empty() => self.at += 1,
                quote @ (b'"' | b'\'') => {
                    let key = self.string(quote)?;
                    if self.blank()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    pairs.push((key, self.value(depth + 1)?));
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(Node::Object(start..self.at, pairs))
    }

    fn list(&mut self, depth: usize) -> Option<Node> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            match self.blank()? {
                b']' => break,
                b',' if !values.is_empty() => self.at += 1,
                _ => values.push(self.value(depth + 1)?),
            }
        }
        self.at += 1;
        Some(Node::List(values))
    }

    fn string(&mut self, quote: u8) -> Option<Range<usize>> {
        let start = self.at + 1;
        let mut escaped = false;
        for (at, byte) in self.text.as_bytes()[start..].iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'\n' => return None,
                _ if *byte == quote => {
                    self.at = start + at + 1;
                    return Some(start..start + at);
                }
                _ => {}
            }
        }
        None
    }

    fn bare(&mut self) -> Option<Node> {
        let rest = &self.text[self.at..];
        let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '+' | '_');
        let length = rest.len() - rest.trim_start_matches(plain).len();
        let start = self.at;
        self.at += length;
        (length > 0 && length < 64).then_some(Node::Scalar(start..self.at))
    }
}

static PAIR_LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"^(?P<indent> *)(?P<dash>(?:- +)?)(?P<key>[A-Za-z][\w.-]*|"[^"]+")\s*:(?:\s+(?P<value>.*))?$"#,
    )
    .expect("the pattern is valid")
});

/// How many of the next lines are YAML, and their records. One level of keys alone is a list of labels, not YAML.
pub(super) fn yaml(text: &str, lines: &[Range<usize>], effort: &mut usize) -> (usize, Vec<Record>) {
    let fits = |line: &&Range<usize>| {
        let line = &text[(*line).clone()];
        line.trim().is_empty() || line.trim_start().starts_with('#') || PAIR_LINE.is_match(line)
    };
    let mut count = if *effort > 0 { lines.iter().take_while(fits).count() } else { 0 };
    *effort = effort.saturating_sub(40 * count);
    while count > 0 && text[lines[count - 1].clone()].trim().is_empty() {
        count -= 1;
    }
    let all: Vec<Pair> = lines[..count].iter().filter_map(|line| Pair::of(text, line)).collect();
    let plain = |pair: &Pair| text[pair.key.clone()].bytes().all(|byte| !byte.is_ascii_uppercase());
    let nested = all.iter().any(|pair| pair.value.is_empty() && !pair.dash)
        && all.windows(2).any(|pair| pair[1].indent > pair[0].indent);
    if all.len() < 3 || !(nested || all.iter().any(|pair| pair.dash)) || !all.iter().all(plain) {
        return (0, Vec::new());
    }
    let mut at = 0;
    let root = tree(&all, &mut at, all[0].indent, 0);
    (count, records(text, &root))
}

/// One line of YAML.
struct Pair {
    indent: usize,
    dash: bool,
    key: Range<usize>,
    value: Range<usize>,
}

impl Pair {
    fn of(text: &str, line: &Range<usize>) -> Option<Self> {
        let found = PAIR_LINE.captures(&text[line.clone()])?;
        let key = found.name("key")?;
        let value = found.name("value").map_or(line.len()..line.len(), |value| value.range());
        let value = super::document::trimmed(text, line.start + value.start..line.start + value.end);
        let comment = text[value.clone()].find(" #").map_or(value.end, |at| value.start + at);
        let value = unquoted(text, super::document::trimmed(text, value.start..comment));
        Some(Self {
            indent: found["indent"].len() + found["dash"].len(),
            dash: !found["dash"].is_empty(),
            key: unquoted(text, line.start + key.start()..line.start + key.end()),
            value,
        })
    }
}

fn unquoted(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let quoted = |quote| part.len() >= 2 && part.starts_with(quote) && part.ends_with(quote);
    if quoted('"') || quoted('\'') { range.start + 1..range.end - 1 } else { range }
}

/// The object or list of objects whose keys stand at `indent`.
fn tree(all: &[Pair], at: &mut usize, indent: usize, depth: usize) -> Node {
    let mut items: Vec<Node> = Vec::new();
    let mut pairs: Vec<(Range<usize>, Node)> = Vec::new();
    let listed = all.get(*at).is_some_and(|pair| pair.dash);
    while let Some(pair) = all.get(*at).filter(|pair| pair.indent >= indent) {
        if listed && pair.dash && !pairs.is_empty() {
            items.push(object(std::mem::take(&mut pairs)));
        }
        *at += 1;
        let deeper = all.get(*at).filter(|next| pair.value.is_empty() && next.indent > pair.indent);
        let value = match deeper {
            Some(next) if depth < DEEPEST => tree(all, at, next.indent, depth + 1),
            _ => Node::Scalar(pair.value.clone()),
        };
        pairs.push((pair.key.clone(), value));
    }
    if !listed {
        return object(pairs);
    }
    items.push(object(pairs));
    Node::List(items)
}

fn object(pairs: Vec<(Range<usize>, Node)>) -> Node {
    let start = pairs.first().map_or(0, |(key, _)| key.start);
    let end = pairs.last().map_or(start, |(key, node)| key.end.max(end_of(node)));
    Node::Object(start..end, pairs)
}

fn end_of(node: &Node) -> usize {
    match node {
        Node::Scalar(range) | Node::Object(range, _) => range.end,
        Node::List(nodes) => nodes.last().map_or(0, end_of),
    }
}

static TOML_LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*(?:(?P<section>\[\[?[\w. -]+\]\]?)|(?P<key>[A-Za-z][\w.-]*)\s*=\s*(?P<value>\S.*))\s*$")
        .expect("the pattern is valid")
});

/// How many of the next lines are TOML with sections, and their records.
pub(super) fn toml(text: &str, lines: &[Range<usize>], effort: &mut usize) -> (usize, Vec<Record>) {
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let fits = |line: &&Range<usize>| {
        let line = &text[(*line).clone()];
        blank(line) || TOML_LINE.is_match(line)
    };
    let count = if *effort > 0 { lines.iter().take_while(fits).count() } else { 0 };
    *effort = effort.saturating_sub(40 * count);
    let mut sections = vec![Vec::new()];
    for line in &lines[..count] {
        let Some(found) = TOML_LINE.captures(&text[line.clone()]) else { continue };
        match (found.name("section"), found.name("key"), found.name("value"), sections.last_mut()) {
            (None, Some(key), Some(value), Some(section)) => {
                let at = |part: regex::Match<'_>| line.start + part.start()..line.start + part.end();
                section.push((at(key), Node::Scalar(unquoted(text, at(value)))));
            }
            _ => sections.push(Vec::new()),
        }
    }
    if sections.len() < 2 || sections.iter().map(Vec::len).sum::<usize>() < 3 {
        return (0, Vec::new());
    }
    let mut root = sections.remove(0);
    let named = sections.into_iter().filter(|pairs| !pairs.is_empty());
    root.extend(named.map(|pairs| (0..0, object(pairs))));
    (count, records(text, &object(root)))
}

static KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[\s,;|\[({])(?P<key>[A-Za-z][\w./-]*)=").expect("the pattern is valid")
});

/// The record of a line of `key=value`; at least three pairs make one.
pub(super) fn pairs_line(text: &str, line: &Range<usize>) -> Option<Record> {
    let part = &text[line.clone()];
    if part.matches('=').count() < 3 || part.len() > 4000 {
        return None;
    }
    let keys: Vec<_> = KEY.captures_iter(part).filter_map(|found| found.name("key")).collect();
    if keys.len() < 3 || keys[0].start() > 40 {
        return None;
    }
    let mut pairs = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let end = keys.get(at + 1).map_or(part.len(), regex::Match::start);
        let value = &part[key.end() + 1..end];
        let value = value.trim_end_matches([' ', ',', ';', '|', '[', '(', '{', '\t', ')', ']', '}']);
        let start = line.start + key.end() + 1;
        pairs.push((key.as_str().to_owned(), unquoted(text, start..start + value.len())));
    }
    let rate = pairs
        .iter()
        .any(|(name, value)| is_rate(text, name, value) || UNIT_ONLY.is_match(&text[value.clone()]));
    rate.then(|| Record { range: line.clone(), pairs })
}

/// Whether the value at `value` is a number under a name of rates.
fn is_rate(text: &str, name: &str, value: &Range<usize>) -> bool {
    let spaced = name.replace(['_', '-', '.'], " ");
    let number = text[value.clone()].starts_with(|sign: char| sign.is_ascii_digit());
    let named = UNIT_ONLY.is_match(&spaced) || RATE_LABEL.is_match(&spaced);
    number && (named && !BENCH_COLUMN.is_match(name)) || UNIT_ONLY.is_match(&text[value.clone()])
}

/// The records of a tree.
fn records(text: &str, root: &Node) -> Vec<Record> {
    let mut found = Vec::new();
    collect(text, root, &[], "", &mut found);
    found
}

fn collect(text: &str, node: &Node, around: &[(String, Range<usize>)], path: &str, found: &mut Vec<Record>) {
    match node {
        Node::Scalar(_) => {}
        Node::List(nodes) => {
            for node in nodes {
                collect(text, node, around, path, found);
            }
        }
        Node::Object(range, pairs) => {
            let mut own = Vec::new();
            let mut inner = Vec::new();
            divide(text, pairs, path, &mut own, &mut inner);
            let rated = own.iter().any(|(name, value)| is_rate(text, name, value));
            let held = |pair: &&(String, Range<usize>)| !is_rate(text, &pair.0, &pair.1);
            let mut outer: Vec<_> = own.iter().filter(held).take(MOST_AROUND).cloned().collect();
            outer.extend(around.iter().take(MOST_AROUND - outer.len()).cloned());
            if rated || inner.is_empty() && !own.is_empty() {
                own.extend(around.iter().cloned());
                found.push(Record { range: range.clone(), pairs: own });
            }
            for (path, key, node) in inner {
                let mut outer = outer.clone();
                outer.insert(0, ("key".into(), key));
                collect(text, node, &outer, &path, found);
            }
        }
    }
}

type Inner<'a> = (String, Range<usize>, &'a Node);

/// The plain pairs of an object with those of the objects in it that only state conditions, and what else it holds.
fn divide<'a>(
    text: &str,
    pairs: &'a [(Range<usize>, Node)],
    path: &str,
    own: &mut Vec<(String, Range<usize>)>,
    inner: &mut Vec<Inner<'a>>,
) {
    for (key, node) in pairs {
        let name = format!("{path} {}", &text[key.clone()]).trim().to_owned();
        match node {
            Node::Scalar(value) => own.push((name, value.clone())),
            Node::List(nodes) if nodes.iter().all(|node| matches!(node, Node::Scalar(_))) => {}
            Node::Object(_, pairs) if !states_rate(text, node, &name) => {
                divide(text, pairs, &name, own, inner);
            }
            _ => inner.push((name, key.clone(), node)),
        }
    }
}

fn states_rate(text: &str, node: &Node, name: &str) -> bool {
    match node {
        Node::Scalar(value) => is_rate(text, name, value),
        Node::List(nodes) => {
            nodes.iter().any(|node| matches!(node, Node::Object(..)) && states_rate(text, node, name))
        }
        Node::Object(_, pairs) => {
            pairs.iter().any(|(key, node)| states_rate(text, node, &format!("{name} {}", &text[key.clone()])))
        }
    }
}
