//! A thousand bundles of people who have names, homes, keys and secrets: none of them is in any bundle.

use crate::common::open;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roofmark_facts::units::TokensPerSecond;
use roofmark_ledger::key::Signer;
use roofmark_ledger::observation::{Observation, ObservedCell, Origin, Subject, Timed};
use roofmark_ledger::privacy::{self, Identity};
use roofmark_ledger::{Draft, Kind, Ledger, bundle};

const BUNDLES: u64 = 1_000;

/// SplitMix64: the same people in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn letters(&mut self, alphabet: &str, count: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..count).map(|_| letters[self.roll(letters.len())]).collect()
    }
}

const LOWER: &str = "bcdfghjkmnpqrstvwxz";
const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
const WORD: &str = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789";

/// Somebody with everything that must not leave their machine.
struct Person {
    identity: Identity,
    secrets: Vec<String>,
}

fn person(dice: &mut Dice) -> Person {
    let user = format!(
        "{}{}",
        dice.pick(&["Joan", "mei", "ravi", "olu", "sven", "ng", "anna"]),
        dice.letters(LOWER, 4)
    );
    let host = match dice.roll(4) {
        0 => format!("DESKTOP-{}", dice.letters(UPPER, 7)),
        1 => format!("{user}s-MacBook-Pro.local"),
        2 => format!("node{}.{}.example.org", dice.roll(90) + 10, dice.letters(LOWER, 6)),
        _ => format!("{}-box", dice.letters(LOWER, 6)),
    };
    let home = match dice.roll(4) {
        0 => format!("/home/{user}"),
        1 => format!("/Users/{user}"),
        2 => format!("C:\\Users\\{user}"),
        _ => format!("/data/people/{user}"),
    };
    let key = match dice.roll(5) {
        0 => format!("sk-proj-{}", dice.letters(WORD, 32)),
        1 => format!("hf_{}", dice.letters(WORD, 34)),
        2 => format!("ghp_{}", dice.letters(WORD, 36)),
        3 => format!("nvapi-{}", dice.letters(WORD, 40)),
        _ => format!("eyJ{}.{}.{}", dice.letters(WORD, 20), dice.letters(WORD, 30), dice.letters(WORD, 20)),
    };
    let uuid = [8, 4, 4, 4, 12].map(|count| dice.letters(HEX, count)).join("-");
    let serial = format!(
        "C{}{}{}",
        dice.letters("0123456789", 3),
        dice.letters(UPPER, 5),
        dice.letters("0123456789", 3)
    );
    let address = (0..6).map(|_| dice.letters(HEX, 2)).collect::<Vec<_>>().join(":");
    let prompt = format!("Dear diary, today {} told me {}", dice.letters(LOWER, 7), dice.letters(LOWER, 9));
    let short = host.split('.').next().unwrap_or_default().to_owned();
    let secrets = vec![user.clone(), host.clone(), short, home.clone(), key, uuid, serial, address, prompt];
    Person { identity: Identity { user, host, home }, secrets }
}

/// A text as tools write them, with one of the secrets in it.
fn sentence(dice: &mut Dice, who: &Person) -> String {
    let [user, host, _, home, key, uuid, serial, address, _] = who.secrets.as_slice() else {
        panic!("nine secrets")
    };
    let slash = if home.contains('\\') { '\\' } else { '/' };
    match dice.roll(14) {
        0 => format!("loaded {home}{slash}models{slash}q8.gguf in 3.1 s"),
        1 => format!("{user}@{host}:~$ llama-bench -m ~/models/q8.gguf"),
        2 => format!("http://{user}:hunter2@{host}:8080/v1"),
        3 => format!("Authorization: Bearer {key}"),
        4 => format!("api_key={key}&stream=true"),
        5 => format!("GPU 0: NVIDIA RTX 5090 (UUID: GPU-{uuid})"),
        6 => format!("Serial Number (system): {serial}"),
        7 => format!("board {serial} of {}", host.to_uppercase()),
        8 => format!("wlan0 {address}, owner {user}"),
        9 => format!("file://{home}{slash}results.json"),
        10 => format!("run by {} on {host}", user.to_uppercase()),
        11 => format!("\"{home}\""),
        12 => format!("HF_TOKEN={key} {home}{slash}bin{slash}run.sh"),
        _ => "Llama-3.1-8B Q4_K_M on RTX 5090, build b7100, https://example.org/results/12".to_owned(),
    }
}

fn record(dice: &mut Dice, who: &Person) -> Observation {
    let origin = Origin {
        form: "llama-bench json".into(),
        locator: sentence(dice, who),
        title: sentence(dice, who),
        url: sentence(dice, who),
        file_sha256: None,
    };
    let mut subject = Subject { date: Some("2026-01-02".into()), ..Subject::default() };
    for field in
        [&mut subject.machine, &mut subject.os, &mut subject.driver, &mut subject.version, &mut subject.model]
    {
        *field = Some(sentence(dice, who));
    }
    let mut seen = Observation::new(origin, subject);
    seen.settings.insert("command".into(), sentence(dice, who));
    seen.settings.insert("prompt".into(), who.secrets[8].clone());
    seen.notes = sentence(dice, who);
    let mut cell = ObservedCell::new(Timed::Decode);
    cell.rate = Some(TokensPerSecond(1.0 + dice.roll(100) as f64));
    cell.doubts.push(sentence(dice, who));
    seen.cells.push(cell);
    let detail = serde_json::json!({ "requests": [{ "messages": [{ "role": "user", "content": who.secrets[8] }],
        "answer": format!("{} indeed", who.secrets[8]), "log": [sentence(dice, who), sentence(dice, who)] }] });
    seen.detail = Some(serde_json::value::RawValue::from_string(detail.to_string()).expect("JSON"));
    seen
}

/// Takes out what is private, stores, and makes a bundle, as the commands do.
fn travel(ledger: &mut Ledger, seen: &Observation, identity: &Identity) -> String {
    let mut value = serde_json::to_value(seen).expect("JSON");
    privacy::scrub(&mut value, identity);
    let seen: Observation = serde_json::from_value(value).expect("still an observation");
    let done = ledger.append(&Draft::observation(Kind::Import, &seen).expect("JSON")).expect("it is kept");
    let record = ledger.record(done.sequence).expect("it is there");
    assert_eq!(privacy::found(&record.body, identity), None, "the second look finds nothing more");
    bundle::write(&[record], "test 1", &Signer::from_seed(&[8; 32])).expect("a bundle")
}

/// Everything that a bundle says, its payloads decoded, in lower case.
fn readable(text: &str) -> String {
    let mut all = text.to_owned();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let payload = STANDARD.decode(line["payload"].as_str().expect("a payload")).expect("base64");
        all += &String::from_utf8(payload).expect("UTF-8").replace("\\\\", "\\");
    }
    all.to_lowercase()
}

#[test]
fn a_thousand_bundles_hold_nothing_private() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.db"));
    let mut dice = Dice(7);
    let mut kept = 0;
    for number in 0..BUNDLES {
        let who = person(&mut dice);
        let seen = record(&mut dice, &who);
        let all = readable(&travel(&mut ledger, &seen, &who.identity));
        for secret in &who.secrets {
            assert!(!all.contains(&secret.to_lowercase()), "bundle {number} holds {secret}:\n{all}");
        }
        assert!(!all.contains("hunter2"), "bundle {number} holds a password");
        kept += usize::from(all.contains("rtx 5090"));
    }
    assert!(kept > 300, "what is not private stays: {kept} bundles still name the card");
}
