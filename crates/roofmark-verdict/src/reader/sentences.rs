//! Sentences of a block: parts that end with a full stop, an exclamation mark, a question mark or the end of a line.

use std::ops::Range;

const ABBREVIATIONS: &[&str] =
    &["approx", "ca", "vs", "e.g", "i.e", "incl", "z.b", "bzw", "etc", "nr", "resp", "u.a"];

/// Sentences of `text[range]` in order, white space trimmed, empty ones left out.
pub(super) fn sentences(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let part = &text[range.clone()];
    let mut found = Vec::new();
    let mut start = 0;
    for (at, sign) in part.char_indices() {
        let end = at + sign.len_utf8();
        if ends(part, at, sign) {
            push(text, range.start + start..range.start + end, &mut found);
            start = end;
        }
    }
    push(text, range.start + start..range.end, &mut found);
    found
}

fn push(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let range = super::document::trimmed(text, range);
    if !range.is_empty() {
        found.push(range);
    }
}

fn ends(part: &str, at: usize, sign: char) -> bool {
    let next = part[at + sign.len_utf8()..].chars().next();
    match sign {
        '\n' | '。' | '！' | '？' | '；' => true,
        '!' | '?' => next.is_none_or(char::is_whitespace),
        '.' => next.is_none_or(char::is_whitespace) && !is_abbreviation(&part[..at]),
        _ => false,
    }
}

fn is_abbreviation(before: &str) -> bool {
    let word = before
        .rsplit(|sign: char| sign.is_whitespace() || sign == '(')
        .next()
        .unwrap_or_default()
        .to_lowercase();
    ABBREVIATIONS.contains(&word.as_str())
        || before.ends_with(|sign: char| sign.is_ascii_digit())
            && word.len() <= 2
            && before.trim_start().len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_a_reader_stops() {
        let text = "It does approx. 4.5 tok/s. In llama.cpp? Yes!\nNext line";
        let parts: Vec<&str> = sentences(text, 0..text.len()).into_iter().map(|range| &text[range]).collect();
        assert_eq!(parts, ["It does approx. 4.5 tok/s.", "In llama.cpp?", "Yes!", "Next line"]);
    }
}
