//! Numbers in words, as transcripts have them: "one hundred and ninety", "twenty two point five".

/// One word of a number, for use inside a larger pattern.
pub(super) const WORD: &str = concat!(
    r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|",
    r"seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand)(?-u:\b)"
);

const ONES: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: &[&str] = &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The value of `words`. "One twenty" is 120 and "two forty five" is 245, as people say it.
pub(super) fn value(words: &str) -> Option<f64> {
    let words = words.to_lowercase();
    let (whole, decimals) = words.split_once("point").map_or((words.as_str(), None), |(a, b)| (a, Some(b)));
    let mut value = whole_value(whole)?;
    if let Some(decimals) = decimals {
        let digits: Option<String> = parts(decimals).map(|word| Some(small(word)?.to_string())).collect();
        value += format!("0.{}", digits?).parse::<f64>().ok()?;
    }
    Some(value)
}

fn parts(words: &str) -> impl Iterator<Item = &str> {
    words.split([' ', '-']).filter(|word| !word.is_empty() && *word != "and")
}

fn small(word: &str) -> Option<u32> {
    let one = ONES.iter().position(|name| *name == word).map(|at| at as u32);
    let ten = || TENS.iter().position(|name| *name == word).map(|at| (at as u32 + 2) * 10);
    one.or_else(ten).or((word == "oh").then_some(0))
}

fn whole_value(words: &str) -> Option<f64> {
    let (mut total, mut group) = (0f64, 0f64);
    for word in parts(words) {
        match word {
            "hundred" => group = group.max(1.0) * 100.0,
            "thousand" => {
                total += group.max(1.0) * 1000.0;
                group = 0.0;
            }
            _ => {
                let next = f64::from(small(word)?);
                let joins =
                    group % 100.0 == 0.0 || next < 10.0 && group % 100.0 >= 20.0 && group % 10.0 == 0.0;
                group = if joins { group + next } else { group * 100.0 + next };
            }
        }
    }
    Some(total + group)
}

/// `number` (digits, perhaps with decimals) in words.
pub(super) fn words_of(number: &str) -> Option<Vec<String>> {
    let (whole, decimals) = number.split_once('.').map_or((number, ""), |(a, b)| (a, b));
    let value: usize = whole.parse().ok().filter(|value| *value < 1000)?;
    let mut words: Vec<&str> = Vec::new();
    if value >= 100 {
        words.extend([ONES[value / 100], "hundred"]);
    }
    match value % 100 {
        0 if value > 0 => {}
        rest if rest < 20 => words.push(ONES[rest]),
        rest => {
            words.push(TENS[rest / 10 - 2]);
            words.extend((rest % 10 > 0).then(|| ONES[rest % 10]));
        }
    }
    if !decimals.is_empty() {
        words.push("point");
    }
    for digit in decimals.chars() {
        words.push(ONES[digit.to_digit(10)? as usize]);
    }
    Some(words.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbers() {
        for (words, expected) in [
            ("thirty five", 35.0),
            ("one hundred and ninety", 190.0),
            ("one twenty", 120.0),
            ("two forty five", 245.0),
            ("twenty-two point five", 22.5),
            ("two thousand three hundred", 2300.0),
            ("eight", 8.0),
        ] {
            assert_eq!(value(words), Some(expected), "{words}");
        }
        assert_eq!(words_of("3.1").map(|words| words.join(" ")), Some("three point one".into()));
        assert_eq!(words_of("120").map(|words| words.join(" ")), Some("one hundred twenty".into()));
        assert_eq!(words_of("32").map(|words| words.join(" ")), Some("thirty two".into()));
    }
}
