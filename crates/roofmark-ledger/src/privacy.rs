//! What must not leave the machine, taken out before a record is written: a signed record cannot be edited later.
//!
//! Names of home folders, hosts and users, serial numbers, keys and prompts are replaced; a record is searched once
//! more before it is exported.

use crate::digest::Digest;
use regex::{Captures, Regex};
use serde_json::Value;
use std::sync::LazyLock;

/// Who runs this: what to take out. Empty fields are not looked for.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Name of the user.
    pub user: String,
    /// Name of the host.
    pub host: String,
    /// Home folder.
    pub home: String,
}

/// User and host names that say nothing of a person, and would spoil other words.
const COMMON: &[&str] = &[
    "admin",
    "administrator",
    "bench",
    "build",
    "builder",
    "ci",
    "cpu",
    "debian",
    "default",
    "desktop",
    "docker",
    "fedora",
    "gpu",
    "guest",
    "home",
    "host",
    "laptop",
    "linux",
    "llama",
    "localhost",
    "mac",
    "model",
    "models",
    "nobody",
    "ollama",
    "pi",
    "qwen",
    "root",
    "roofmark",
    "runner",
    "server",
    "test",
    "ubuntu",
    "user",
    "vllm",
    "windows",
];

/// Fields whose text is what somebody asked a model, or what it said.
const PROMPTS: &[&str] =
    &["prompt", "prompts", "messages", "answer", "content", "input_text", "output_text", "text"];

fn pattern(text: &str) -> Regex {
    // The patterns are constants that a test compiles; an empty pattern would match nothing private.
    Regex::new(text).unwrap_or_else(|error| unreachable!("{error}"))
}

static HOME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"(?i)(?:/(?:home|users|var/home|export/home)/[^\s/"'<>|:;,=]*|[a-z]:[\\/]+users[\\/]+[^\\/"'<>|:;]*|/root\b)"#,
        r#"([\\/][^\s"'<>|:;,=]*)?"#
    ))
});
static TILDE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"~(/[^\s"'<>|:;,=]*)"#));
static PATH: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(^|[\s"'=(:,])(?:/[^\s"'<>|:;,=/]+){2,}/?"#));
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?:sk|pk|hf|ghp|gho|ghs|github_pat|glpat|xox[abps]|AKIA|AIza|nvapi|gsk)[-_]?[A-Za-z0-9_\-]{12,}",
        r"|-----BEGIN[^-]*PRIVATE KEY-----.*|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"
    ))
});
static NAMED_SECRET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)\b(bearer\s+|(?:api[-_]?key|access[-_]?token|token|password|passwd|secret|authorization)["']?\s*[=:]\s*["']?)[^\s"'&,;]{4,}"#,
    )
});
static USERINFO: LazyLock<Regex> = LazyLock::new(|| pattern(r"([a-z][a-z0-9+.\-]*://)[^/\s@]+@"));
static PRIVATE_HOST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)(://)(?:10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+",
        r"|[a-z0-9\-]+\.(?:local|lan|internal|home|corp)|[a-z0-9\-]+)(:\d+|/|$)"
    ))
});
static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        r"|\b(?:[0-9a-f]{2}[:\-]){5}[0-9a-f]{2}\b"
    ))
});
static NAMED_SERIAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)\b(serial(?:[ _\-]?(?:number|no))?\.?["']?\s*[=:#]?\s*["']?|s/n[:# ]*)[A-Z0-9][A-Z0-9\-]{4,}"#,
    )
});
static SERIAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[A-Z0-9]{10,20}\b"));

/// Takes what is private out of every text in `value`.
pub fn scrub(value: &mut Value, identity: &Identity) {
    let names = Names::of(identity);
    walk(value, "", &names);
}

fn walk(value: &mut Value, field: &str, names: &Names) {
    match value {
        Value::String(text) => {
            let clean = if PROMPTS.contains(&field) { hidden(text) } else { scrubbed(text, names) };
            if clean != *text {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, field, names)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, item)| walk(item, name, names)),
        _ => {}
    }
}

/// Stands for a text that is not kept: equal texts stay equal.
fn hidden(text: &str) -> String {
    if text.is_empty() || is_hidden(text) {
        return text.to_owned();
    }
    format!("sha256:{}", Digest::of(text.as_bytes()))
}

fn is_hidden(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| Digest::try_from(digits.to_owned()).is_ok())
}

fn scrubbed(text: &str, names: &Names) -> String {
    let mut text = text.to_owned();
    let mut replace = |regex: &Regex, with: &dyn Fn(&Captures) -> String| {
        if regex.is_match(&text) {
            text = regex.replace_all(&text, |found: &Captures| with(found)).into_owned();
        }
    };
    replace(&SECRET, &|_| "<secret>".into());
    replace(&NAMED_SECRET, &|found| format!("{}<secret>", &found[1]));
    replace(&USERINFO, &|found| found[1].to_owned());
    replace(&PRIVATE_HOST, &|found| format!("{}<host>{}", &found[1], &found[2]));
    if let Some(home) = &names.home {
        replace(home, &|found| last_part(found.get(1).map_or("", |rest| rest.as_str())));
    }
    replace(&HOME, &|found| last_part(found.get(1).map_or("", |rest| rest.as_str())));
    replace(&TILDE, &|found| last_part(&found[1]));
    replace(&PATH, &|found| format!("{}{}", &found[1], last_part(&found[0][found[1].len()..])));
    replace(&IDENTIFIER, &|_| "<id>".into());
    replace(&NAMED_SERIAL, &|found| format!("{}<serial>", &found[1]));
    replace(&SERIAL, &|found| if is_serial(&found[0]) { "<serial>".into() } else { found[0].to_owned() });
    for (regex, with) in &names.words {
        replace(regex, &|_| (*with).to_owned());
    }
    text
}

/// Letters and digits mixed, as makers number their machines; a date or a plain word is not.
fn is_serial(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    digits >= 4 && word.len() - digits >= 3
}

/// The file that a path ends in; without one the path was a home folder.
fn last_part(path: &str) -> String {
    let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or("");
    if name.is_empty() { "<home>".into() } else { name.to_owned() }
}

struct Names {
    home: Option<Regex>,
    words: Vec<(Regex, &'static str)>,
}

impl Names {
    fn of(identity: &Identity) -> Self {
        let home = identity.home.trim_end_matches(['/', '\\']);
        let home = (home.len() > 1)
            .then(|| Regex::new(&format!(r#"{}\b([^\s"'<>|:;,=]*)"#, regex::escape(home))).ok())
            .flatten();
        let mut words = vec![(identity.host.as_str(), "<host>"), (identity.user.as_str(), "<user>")];
        // The short form of a host name with a domain.
        words.push((identity.host.split('.').next().unwrap_or(""), "<host>"));
        let words = words
            .into_iter()
            .filter(|(name, _)| name.chars().count() > 1 && !COMMON.contains(&name.to_lowercase().as_str()))
            .filter_map(|(name, with)| {
                Some((Regex::new(&format!(r"(?i)(?:\b|_){}(?:\b|_)", regex::escape(name))).ok()?, with))
            })
            .collect();
        Self { home, words }
    }
}

/// What in `text` (the JSON of a record) is private, if anything: a second look before it leaves the machine.
#[must_use]
pub fn found(text: &str, identity: &Identity) -> Option<String> {
    let names = Names::of(identity);
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return Some("a text that is not JSON".into());
    };
    let before = value.clone();
    walk(&mut value, "", &names);
    difference(&before, &value, "")
}

fn difference(before: &Value, after: &Value, at: &str) -> Option<String> {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            before.iter().zip(after).find_map(|(before, after)| difference(before, after, at))
        }
        (Value::Object(before), Value::Object(after)) => before
            .iter()
            .zip(after)
            .find_map(|((name, before), (_, after))| difference(before, after, &format!("{at}.{name}"))),
        (before, after) if before != after => {
            Some(format!("something private in {}", at.trim_start_matches('.')))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let identity = Identity {
            user: "ann".into(),
            host: "kestrel.example.net".into(),
            home: "/srv/people/ann".into(),
        };
        assert_eq!(scrubbed(text, &Names::of(&identity)), expected);
    }

    #[test]
    fn private_parts_are_replaced_and_the_rest_kept() {
        check("loaded /home/bob/models/q.gguf in 3 s", "loaded q.gguf in 3 s");
        check("/Users/bob", "<home>");
        check(r"C:\Users\Bob Smith\m.gguf", "m.gguf");
        check("/srv/people/ann/m.gguf", "m.gguf");
        check("ann on KESTREL and kestrel.example.net", "<user> on <host> and <host>");
        check("Joanna plans", "Joanna plans");
        check("key sk-abcdefghijklmnop1234", "key <secret>");
        check("Authorization: Bearer abc.def", "Authorization: <secret> abc.def");
        check("serial: C02XK1ZGJGH5, DDR5", "serial: <serial>, DDR5");
        check("http://ann:pw@10.0.0.7:8080/v1", "http://<host>:8080/v1");
        check("GPU-5f0a3c1e-1111-2222-3333-444455556666", "GPU-<id>");
        check("Llama-3.1-8B Q4_K_M on RTX 5090, build b7100", "Llama-3.1-8B Q4_K_M on RTX 5090, build b7100");
        check(
            "https://github.com/ggml-org/llama.cpp/pull/26705",
            "https://github.com/ggml-org/llama.cpp/pull/26705",
        );
    }

    #[test]
    fn prompts_become_digests_once() {
        let mut value = serde_json::json!({"check": {"prompt": "my secret diary", "right": true}});
        scrub(&mut value, &Identity::default());
        let once = value.clone();
        assert!(value["check"]["prompt"].as_str().unwrap().starts_with("sha256:"));
        scrub(&mut value, &Identity::default());
        assert_eq!(value, once);
        assert_eq!(found(&value.to_string(), &Identity::default()), None);
    }
}
