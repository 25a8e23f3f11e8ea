//! Names that the reader knows: machines and models of the catalog in all their spellings, and engines.

use super::spelled;
use super::words::{Word, joins, words};
use roofmark_facts::catalog::{Catalog, Family, Model};
use roofmark_facts::machine::Machine;
use std::collections::HashMap;
use std::ops::Range;

/// What a spelling stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Indices of machines.
    pub machines: Vec<usize>,
    /// Indices of models.
    pub models: Vec<usize>,
    /// Indices of models that share this family name (the spelling leaves the size out).
    pub family: Vec<usize>,
    /// An engine.
    pub engine: Option<&'static str>,
}

/// One machine as the reader sees it.
#[derive(Clone, Debug)]
pub(super) struct MachineName {
    pub slug: String,
    /// Slug without core count and memory.
    pub family: String,
    pub cores: Option<u32>,
    pub memory_gib: Option<u32>,
    pub apple: bool,
    /// The slug itself names cores or memory.
    pub specific: bool,
}

/// One model as the reader sees it.
#[derive(Clone, Debug)]
pub(super) struct ModelName {
    pub slug: String,
    /// Size word, such as `70b`.
    pub size: Option<String>,
}

/// All known names.
#[derive(Debug, Default)]
pub struct Lexicon {
    /// Spellings by first word, longest first.
    spellings: HashMap<String, Vec<(Vec<String>, Named)>>,
    pub(super) machines: Vec<MachineName>,
    pub(super) models: Vec<ModelName>,
}

const ENGINES: &[(&str, &[&str])] = &[
    (
        "llama.cpp",
        &[
            "llama.cpp",
            "llama cpp",
            "llamacpp",
            "llama-bench",
            "llama-server",
            "llama-cli",
            "llama-batched-bench",
            "llama_perf_context_print",
            "llama_print_timings",
            "ik_llama.cpp",
        ],
    ),
    ("ollama", &["ollama"]),
    ("vllm", &["vllm", "v llm"]),
    ("sglang", &["sglang", "sg lang"]),
    ("tensorrt-llm", &["tensorrt-llm", "tensorrt llm", "trt-llm", "trtllm", "tensorrt"]),
    ("mlx-lm", &["mlx-lm", "mlx_lm", "mlx", "mlx-community", "mlx-vlm"]),
    ("lm-studio", &["lm studio", "lmstudio", "lm-studio"]),
    ("exllamav2", &["exllamav2", "exllama v2", "exllama", "exl2"]),
    ("exllamav3", &["exllamav3", "exllama v3", "exl3"]),
    ("koboldcpp", &["koboldcpp", "kobold.cpp"]),
    ("ktransformers", &["ktransformers"]),
    ("mlc-llm", &["mlc-llm", "mlc llm", "mlc"]),
    ("lmdeploy", &["lmdeploy"]),
    ("llamafile", &["llamafile"]),
    ("transformers", &["transformers", "hf transformers"]),
    ("ds4", &["ds4"]),
    ("omlx", &["omlx"]),
    ("rapid-mlx", &["rapid-mlx"]),
];

/// Words that may follow a model's name without changing its shape.
const TAILS: &[&str] =
    &["instruct", "chat", "it", "gguf", "hf", "base", "qat", "text", "latest", "model", "moe"];

impl Lexicon {
    /// Collects the spellings of a catalog's names.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let mut lexicon = Self::default();
        let mut all: HashMap<Vec<String>, Named> = HashMap::new();
        for machine in &catalog.machines {
            lexicon.add_machine(machine, &mut all);
        }
        for family in &catalog.families {
            lexicon.add_family(family, &mut all);
        }
        for model in &catalog.models {
            lexicon.add_model(model, &mut all);
        }
        for &(engine, names) in ENGINES {
            for name in names {
                all.entry(split(name)).or_default().engine = Some(engine);
            }
        }
        for (spelling, named) in all {
            lexicon.spellings.entry(spelling[0].clone()).or_default().push((spelling, named));
        }
        for list in lexicon.spellings.values_mut() {
            list.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
        }
        lexicon
    }

    fn add_machine(&mut self, machine: &Machine, all: &mut HashMap<Vec<String>, Named>) {
        let index = self.machines.len();
        let family: Vec<&str> = machine.slug.split('-').filter(|part| !is_attribute(part)).collect();
        self.machines.push(MachineName {
            slug: machine.slug.clone(),
            family: family.join("-"),
            cores: machine.slug.split('-').find_map(|part| part.strip_suffix('c')?.parse().ok()),
            memory_gib: machine.memory.as_ref().map(|memory| memory.value.gib().round() as u32),
            apple: machine.vendor == "Apple",
            specific: machine.slug.split('-').any(is_attribute),
        });
        let plain = machine.slug.split_once('-').map_or(machine.slug.as_str(), |(_, rest)| rest);
        let names =
            machine.aliases.iter().map(String::as_str).chain([machine.name.as_str(), &machine.slug, plain]);
        for name in names {
            let spelling = split(name);
            let bare = without_attributes(&spelling);
            for spelling in [said(&spelling), said(&bare), spelling, bare] {
                let spoken = spelling.iter().any(|word| spelled::value(word).is_some());
                if is_usable(&spelling)
                    && !(spoken && spelling.len() < 2 + usize::from(spelling[0].len() == 1))
                {
                    push_new(&mut all.entry(spelling).or_default().machines, index);
                }
            }
        }
    }

    fn add_family(&self, family: &Family, all: &mut HashMap<Vec<String>, Named>) {
        let members = |slug: &String| self.machines.iter().position(|machine| machine.slug == *slug);
        let members: Vec<usize> = family.members.iter().filter_map(members).collect();
        for name in family.aliases.iter().chain([&family.name]) {
            let spelling = split(name);
            if is_usable(&spelling) {
                for &index in &members {
                    push_new(&mut all.entry(spelling.clone()).or_default().machines, index);
                }
            }
        }
    }

    fn add_model(&mut self, model: &Model, all: &mut HashMap<Vec<String>, Named>) {
        let index = self.models.len();
        let slug = split(&model.slug);
        let at = slug.iter().position(|word| is_size(word));
        self.models.push(ModelName { slug: model.slug.clone(), size: at.map(|at| slug[at].clone()) });
        for name in model.aliases.iter().map(String::as_str).chain([model.name.as_str(), &model.slug]) {
            let mut spelling = split(name);
            while spelling.last().is_some_and(|word| TAILS.contains(&word.as_str())) {
                spelling.pop();
            }
            let said = said(&spelling);
            if is_usable(&said) && name == model.slug {
                push_new(&mut all.entry(said).or_default().models, index);
            }
            if is_usable(&spelling) {
                let models = &mut all.entry(spelling).or_default().models;
                push_new(models, index);
                if name == model.slug && models.len() > 1 {
                    models.retain(|&other| other != index);
                    models.insert(0, index);
                }
            }
        }
        if let Some(at) = at.filter(|&at| at >= 1)
            && (at >= 2 || slug[0].len() > 4)
        {
            push_new(&mut all.entry(slug[..at].to_vec()).or_default().family, index);
        }
    }

    /// Names in `text`, whose words are `words` (counted from `base`): where they stand and what they mean.
    pub(super) fn scan<'a>(
        &'a self,
        text: &str,
        base: usize,
        words: &[Word],
    ) -> Vec<(Range<usize>, &'a Named)> {
        let mut found = Vec::new();
        let mut index = 0;
        while index < words.len() {
            let here = self.longest(text, base, &words[index..]);
            let next = self.longest(text, base, &words[index + 1..]);
            match here.filter(|here| !next.is_some_and(|next| names_more(*here, next))) {
                Some((count, named)) => {
                    let mut last = index + count;
                    while last < words.len() && is_tail(text, base, words, last) && !named.models.is_empty() {
                        last += 1;
                    }
                    found.push((words[index].range.start..words[last - 1].range.end, named));
                    index = last;
                }
                None => index += 1,
            }
        }
        found
    }

    fn longest<'a>(&'a self, text: &str, base: usize, words: &[Word]) -> Option<(usize, &'a Named)> {
        let first = words.first()?;
        let plural =
            first.text.strip_suffix('s').filter(|stem| stem.bytes().all(|byte| byte.is_ascii_digit()));
        let list = self.spellings.get(first.text.as_str()).or_else(|| self.spellings.get(plural?))?;
        let fits = list.iter().filter(|(spelling, _)| matches(text, base, words, spelling));
        let exact =
            |spelling: &[String]| spelling.last() == words.get(spelling.len() - 1).map(|word| &word.text);
        fits.max_by_key(|(spelling, _)| (spelling.len(), exact(spelling)))
            .map(|(spelling, named)| (spelling.len(), named))
    }
}

/// Whether the name that starts a word later is a longer one of the same: "NVIDIA RTX 6000" of "RTX 6000 Max-Q".
fn names_more(here: (usize, &Named), next: (usize, &Named)) -> bool {
    next.0 + 1 > here.0 && here.0 > 1 && !here.1.machines.is_empty() && !next.1.machines.is_empty()
}

fn matches(text: &str, base: usize, words: &[Word], spelling: &[String]) -> bool {
    if words.len() < spelling.len() {
        return false;
    }
    let last = spelling.len() - 1;
    spelling.iter().enumerate().all(|(at, expected)| {
        let word = &words[at];
        let same = word.text == *expected
            || at == last
                && (ends_in_digit(expected) || expected.len() >= 4)
                && word.text.strip_suffix('s') == Some(expected);
        same && (at == 0 || joins(&text[words[at - 1].range.end - base..word.range.start - base]))
    })
}

fn ends_in_digit(word: &str) -> bool {
    word.ends_with(|sign: char| sign.is_ascii_digit())
}

fn is_tail(text: &str, base: usize, words: &[Word], at: usize) -> bool {
    TAILS.contains(&words[at].text.as_str())
        && joins(&text[words[at - 1].range.end - base..words[at].range.start - base])
}

/// Words of a name.
pub(super) fn split(name: &str) -> Vec<String> {
    words(name, 0).into_iter().map(|word| word.text).collect()
}

/// A name as it is spoken: `llama three point one eight b`, `fifty ninety`. A maker's series may be left out.
fn said(spelling: &[String]) -> Vec<String> {
    let mut said = Vec::new();
    for word in spelling {
        let digits = word.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
        let card = word.len() == 4 && word.starts_with(['2', '3', '4', '5']) && digits == word;
        let pair =
            spelled::words_of(&word[..word.len().min(2)]).zip(word.get(2..).and_then(spelled::words_of));
        if let (true, Some((first, second))) = (card, pair) {
            said.extend(first.into_iter().chain(second));
        } else if let Some(words) = spelled::words_of(digits) {
            said.extend(words);
            said.extend((digits.len() < word.len()).then(|| word[digits.len()..].to_owned()));
        } else if !matches!(word.as_str(), "nvidia" | "geforce" | "rtx") {
            said.push(word.clone());
        }
    }
    if said == spelling { Vec::new() } else { said }
}

fn push_new(list: &mut Vec<usize>, index: usize) {
    if !list.contains(&index) {
        list.push(index);
    }
}

/// Whether a spelling is distinct enough to be looked for.
fn is_usable(spelling: &[String]) -> bool {
    match spelling {
        [] => false,
        [one] => {
            one.len() >= 3
                && !matches!(
                    one.as_str(),
                    "max" | "pro" | "ultra" | "mini" | "gpu" | "cpu" | "395" | "digits" | "orin"
                )
        }
        _ => true,
    }
}

/// Whether a word is a size in parameters, such as `70b` or `0.5b`.
pub(super) fn is_size(word: &str) -> bool {
    word.strip_suffix(['b', 'm']).is_some_and(|number| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && number.len() <= 5
    })
}

fn is_attribute(part: &str) -> bool {
    let digits = |text: Option<&str>| {
        text.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
    };
    digits(part.strip_suffix("gb")) || digits(part.strip_suffix('c'))
}

/// A spelling without memory sizes and core counts.
fn without_attributes(spelling: &[String]) -> Vec<String> {
    let number =
        |at: usize| spelling.get(at).is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let unit =
        |at: usize, units: &[&str]| spelling.get(at).is_some_and(|word| units.contains(&word.as_str()));
    let mut kept = Vec::new();
    let mut at = 0;
    while at < spelling.len() {
        if number(at) && unit(at + 1, &["gb", "core", "cores"]) {
            at += 2;
        } else if is_attribute(&spelling[at]) || unit(at, &["gpu"]) || is_gigabytes(&spelling[at]) {
            at += 1;
        } else {
            kept.push(spelling[at].clone());
            at += 1;
        }
    }
    kept
}

fn is_gigabytes(word: &str) -> bool {
    word.strip_suffix('g')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
