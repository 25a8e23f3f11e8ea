//! Words of a text: runs of letters and digits with their places, split where names are written together.

use std::ops::Range;

/// A word in lower case and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub range: Range<usize>,
}

/// Words of `text`; offsets count from `base`.
///
/// A letter followed by a digit parts words (`qwen3` is `qwen`, `3`); a digit followed by two or more letters does too
/// (`16gb`), one letter does not (`8b`); a dot between digits stays (`3.1`). Signs of Chinese, Japanese and Korean are
/// words of one sign.
pub(super) fn words(text: &str, base: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let signs: Vec<(usize, char)> = text.char_indices().collect();
    let mut index = 0;
    while index < signs.len() {
        let end = word_end(&signs, index);
        if end > index {
            let from = signs[index].0;
            let to = signs.get(end).map_or(text.len(), |&(at, _)| at);
            words.push(Word { text: text[from..to].to_lowercase(), range: base + from..base + to });
        }
        index = end.max(index + 1);
    }
    words
}

/// Index after the word that starts at `index`; `index` itself when none does.
fn word_end(signs: &[(usize, char)], index: usize) -> usize {
    let first = signs[index].1;
    if first.is_ascii_digit() {
        return number_end(signs, index);
    }
    if is_ideograph(first) {
        return index + 1;
    }
    let letters =
        signs[index..].iter().take_while(|(_, sign)| sign.is_alphabetic() && !is_ideograph(*sign)).count();
    index + letters
}

fn number_end(signs: &[(usize, char)], index: usize) -> usize {
    let digit = |at: usize| signs.get(at).is_some_and(|(_, sign)| sign.is_ascii_digit());
    let letter = |at: usize| signs.get(at).is_some_and(|(_, sign)| sign.is_ascii_alphabetic());
    let mut end = index;
    while digit(end)
        || (signs.get(end).is_some_and(|(_, sign)| *sign == '.') && digit(end + 1) && end > index)
    {
        end += 1;
    }
    if letter(end) && !letter(end + 1) { end + 1 } else { end }
}

fn is_ideograph(sign: char) -> bool {
    matches!(sign, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{ff00}'..='\u{ffef}')
}

/// Whether `gap` between two words still lets them be one name.
pub(super) fn joins(gap: &str) -> bool {
    gap.len() <= 6
        && gap.chars().count() <= 3
        && gap.chars().all(|sign| {
            matches!(
                sign,
                ' ' | '\u{a0}'
                    | '\u{202f}'
                    | '\u{2009}'
                    | '-'
                    | '‑'
                    | '‐'
                    | '–'
                    | '_'
                    | ':'
                    | '/'
                    | '.'
                    | '®'
                    | '™'
                    | '*'
                    | '+'
                    | '`'
                    | '\''
                    | '"'
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_the_same_however_they_are_written() {
        let split =
            |text: &str| words(text, 0).into_iter().map(|word| word.text).collect::<Vec<_>>().join("|");
        assert_eq!(split("Qwen3:8b"), "qwen|3|8b");
        assert_eq!(split("qwen 3 8B"), "qwen|3|8b");
        assert_eq!(split("Llama-3.1-8B-Instruct"), "llama|3.1|8b|instruct");
        assert_eq!(split("RTX5090 16GB"), "rtx|5090|16|gb");
        assert_eq!(split("M4Pro gemma-3n-E4B"), "m|4|pro|gemma|3n|e|4b");
        assert_eq!(split("Sparkで動"), "spark|で|動");
        assert_eq!(split("46.5 t/s."), "46.5|t|s");
    }
}
