//! Normal forms of names.

/// Longest name that is looked at.
const LONGEST: usize = 160;

/// Words of a model's name that say nothing about its shape.
const NOISE: &[&str] = &[
    "instruct", "it", "chat", "gguf", "hf", "mlx", "latest", "qat", "mtp", "base", "preview", "fp8", "fp16",
    "bf16", "nvfp4", "mxfp4", "awq", "gptq", "int4", "int8", "4bit", "8bit", "6bit", "q4", "q8", "unsloth",
    "model", "dense", "the", "dwq", "hybrid", "class",
];

/// Words of a machine's name that pick none.
const MACHINE_NOISE: &[&str] = &[
    "apple", "nvidia", "amd", "intel", "geforce", "radeon", "ryzen", "gpu", "core", "cores", "with",
    "memory", "unified", "ram", "vram", "the", "a", "an", "studio", "mini", "macbook", "mac", "imac", "air",
];

/// Lower-case letters and digits, with the dots inside numbers.
pub(super) fn plain_key(name: &str) -> String {
    let lower: Vec<char> = name.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
    let is_digit =
        |index: Option<usize>| index.and_then(|index| lower.get(index)).is_some_and(char::is_ascii_digit);
    let keep = |(index, letter): (usize, &char)| {
        let inner_dot = *letter == '.' && is_digit(index.checked_sub(1)) && is_digit(Some(index + 1));
        (letter.is_alphanumeric() || inner_dot).then_some(*letter)
    };
    lower.iter().enumerate().filter_map(keep).collect()
}

fn words(name: &str) -> Vec<String> {
    let lower = name.chars().take(LONGEST).collect::<String>().to_lowercase();
    let parts = lower.split(|letter: char| !(letter.is_alphanumeric() || letter == '.'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The key of a model's name without its owner, remarks in brackets and words of [`NOISE`].
pub(super) fn model_key(name: &str) -> String {
    let bare = name.split('(').next().unwrap_or(name);
    let bare = bare.rsplit('/').next().unwrap_or(bare);
    let bare = bare.strip_suffix(".gguf").unwrap_or(bare);
    let words: Vec<String> = words(bare).into_iter().filter(|word| !NOISE.contains(&word.as_str())).collect();
    plain_key(&words.join("-")).replace("3.x", "3.1").replace("3x", "3.1")
}

/// The words of a machine's name that tell machines apart: `m4`, `max`, `40c`, `128gb`.
pub(super) fn machine_words(name: &str) -> Vec<String> {
    let name = name.to_lowercase().replace("macbook pro", " ").replace("mac pro", " ");
    let mut found: Vec<String> = Vec::new();
    let all = words(&name);
    for (index, word) in all.iter().enumerate() {
        let next = all.get(index + 1).map(String::as_str);
        let number = word.chars().all(|letter| letter.is_ascii_digit());
        match next {
            Some("core" | "cores") if number => found.push(format!("{word}c")),
            Some("gb" | "gib" | "g") if number => found.push(format!("{word}gb")),
            _ if matches!(word.as_str(), "gb" | "gib") => {}
            _ if MACHINE_NOISE.contains(&word.as_str()) => {}
            _ => found.push(word.replace("gib", "gb")),
        }
    }
    found.dedup();
    found
}

/// The size in 10^9 of a class name: `70B dense`, `Llama-70B class`, `8b model`.
pub(super) fn class_size(name: &str) -> Option<f64> {
    let vague = ["dense", "class", "model", "parameter", "parameters", "llama", "a", "any", "size"];
    let words = words(name);
    let mut sizes =
        words.iter().filter_map(|word| word.strip_suffix('b').and_then(|number| number.parse::<f64>().ok()));
    let size = sizes.next()?;
    let rest_is_vague = words.iter().all(|word| {
        vague.contains(&word.as_str())
            || word.strip_suffix('b').is_some_and(|number| number.parse::<f64>().is_ok())
    });
    (rest_is_vague && sizes.next().is_none() && size > 0.0).then_some(size)
}
