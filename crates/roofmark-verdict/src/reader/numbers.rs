//! Numbers as people write them: separators of thousands and decimals of several languages.

/// How a text writes decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decimal {
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
}

/// A number with optional groups of thousands and decimals, for use inside a larger pattern.
pub(super) const NUMBER: &str =
    r"(?:\d{1,3}(?:[,.'’\u{a0}\u{202f}\u{2009}]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)";

/// How `text` writes decimals: by its unambiguous numbers, else by its language.
pub(super) fn decimal_of(text: &str) -> Decimal {
    let (mut comma, mut point) = (0usize, 0usize);
    let (mut comma_unit, mut point_unit) = (0usize, 0usize);
    let bytes = text.as_bytes();
    for at in 1..bytes.len().saturating_sub(1) {
        if matches!(bytes[at], b',' | b'.')
            && bytes[at - 1].is_ascii_digit()
            && bytes[at + 1].is_ascii_digit()
        {
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits != 3 {
                let unit = unit_follows(&bytes[at + 1 + digits..]);
                let (all, with_unit) = match bytes[at] {
                    b',' => (&mut comma, &mut comma_unit),
                    _ => (&mut point, &mut point_unit),
                };
                *all += 1;
                *with_unit += usize::from(unit);
            }
        }
    }
    let measured = comma_unit > point_unit && !english(text);
    let language = measured || comma_language(text) && (comma > 0 || point == 0 || !english(text));
    if language || comma > point { Decimal::Comma } else { Decimal::Point }
}

/// Whether a unit stands behind a number: a word, not another number (versions and sizes have those).
fn unit_follows(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
}

fn english(text: &str) -> bool {
    word_share(text, &["the", "with", "and", "of", "is", "on", "at"]) > 0
}

/// Whether the small words are those of a language with decimal commas.
fn comma_language(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "der", "das", "mit", "und", "ist", "auf", "bei", "nicht", "ein", "eine", "le", "la", "les", "des",
        "une", "avec", "sur", "est", "et", "el", "los", "las", "con", "una", "por", "que", "para", "il",
        "di", "dei", "della", "em", "da", "uma", "van", "het", "een", "voor", "jest", "och", "på",
    ];
    const ENGLISH: &[&str] =
        &["the", "with", "and", "of", "is", "on", "at", "for", "in", "to", "my", "all", "are", "it", "that"];
    let comma = word_share(text, WORDS);
    comma >= 1 && comma > word_share(text, ENGLISH)
}

fn word_share(text: &str, words: &[&str]) -> usize {
    text.split(|sign: char| !sign.is_alphabetic())
        .take(4000)
        .filter(|word| words.contains(&word.to_lowercase().as_str()))
        .count()
}

/// The value of `text`, which matches [`NUMBER`].
pub(super) fn value(text: &str, decimal: Decimal) -> Option<f64> {
    let plain: String = text
        .chars()
        .filter(|sign| !matches!(sign, '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}' | ' '))
        .collect();
    let marks = plain.matches([',', '.']).count();
    let last = plain.rfind([',', '.']);
    let Some(last) = last else { return plain.parse().ok() };
    let sign = plain.as_bytes()[last];
    let tail = plain.len() - last - 1;
    let same = plain.matches(char::from(sign)).count() == marks;
    let grouped = tail == 3 && (marks > 1 && same || marks == 1 && groups(sign, &plain[..last], decimal));
    let cleaned: String = plain
        .char_indices()
        .filter_map(|(at, c)| match c {
            ',' | '.' if at == last && !grouped => Some('.'),
            ',' | '.' => None,
            other => Some(other),
        })
        .collect();
    cleaned.parse().ok()
}

/// Whether one separator before three digits parts thousands.
fn groups(sign: u8, head: &str, decimal: Decimal) -> bool {
    let thousands = match decimal {
        Decimal::Point => b',',
        Decimal::Comma => b'.',
    };
    sign == thousands && (1..=3).contains(&head.len()) && head != "0"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_their_language_writes_them() {
        for (text, decimal, expected) in [
            ("1,234.5", Decimal::Point, 1234.5),
            ("1.234,5", Decimal::Comma, 1234.5),
            ("1.950", Decimal::Comma, 1950.0),
            ("1.950", Decimal::Point, 1.95),
            ("4,699", Decimal::Point, 4699.0),
            ("12,8", Decimal::Point, 12.8),
            ("12'850", Decimal::Comma, 12850.0),
            ("0.051", Decimal::Point, 0.051),
            ("0,051", Decimal::Point, 0.051),
            ("1,234,567", Decimal::Point, 1_234_567.0),
            ("9\u{202f}120,0", Decimal::Comma, 9120.0),
        ] {
            assert_eq!(value(text, decimal), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_decimal_mark_is_the_texts_own() {
        assert_eq!(decimal_of("läuft mit 111,5 Token/s"), Decimal::Comma);
        assert_eq!(decimal_of("it runs at 111.5 tok/s, costs $4,699"), Decimal::Point);
        assert_eq!(decimal_of("El prellenado llega a 1.950 tokens/s con la RTX"), Decimal::Comma);
        assert_eq!(decimal_of("The 4,699 dollar box"), Decimal::Point);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_value_or_none(text in "[0-9.,']{1,12}") {
            let _ = value(&text, Decimal::Point);
        }
    }
}
