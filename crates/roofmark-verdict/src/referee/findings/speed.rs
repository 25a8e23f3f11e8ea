//! What a text makes of its rates: seconds for an answer, ratios, and comparisons of unlike work.

use super::{View, family, family_of, number, short};
use crate::reader::Read;
use regex::Regex;
use roofmark_facts::claim::{Claim, Finding, Judged, Phase};
use roofmark_facts::quant::Quant;
use std::sync::LazyLock;

static SECONDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?P<n>\d[\d,]*)[- ]?tokens?\s+(?:response|answer|reply|output|completion|paragraph)?[^.\d]{0,24}?(?:in|takes?|takes about|within)\s+(?:about\s+|~\s*)?(?P<a>\d+(?:\.\d+)?)(?:\s*[–-]\s*(?P<b>\d+(?:\.\d+)?))?\s*(?P<unit>seconds?|s|secs?|minutes?|min)(?-u:\b)")
        .expect("the pattern is valid")
});
static RATIO: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?P<a>\d+(?:\.\d+)?)(?:\s*(?:[–-]|to)\s*(?P<b>\d+(?:\.\d+)?))?\s*(?:×|x|times)\s+(?:faster|slower|quicker|the speed|as fast)").expect("the pattern is valid")
});

/// Findings of one sentence.
pub(super) fn find(view: &View<'_>, claims: &[Judged], found: &mut Vec<Finding>) {
    seconds(view, claims, found);
    ratios(view, claims, found);
}

/// "A 50-token response in 1.1–1.7 seconds" against the rate of the same or the nearest sentence before.
fn seconds(view: &View<'_>, claims: &[Judged], found: &mut Vec<Finding>) {
    for caught in SECONDS.captures_iter(view.text) {
        let (Some(whole), Some(tokens), Some(first)) =
            (caught.get(0), number(&caught["n"]), number(&caught["a"]))
        else {
            continue;
        };
        let last = caught.name("b").and_then(|b| number(b.as_str())).unwrap_or(first);
        let unit = if caught["unit"].to_lowercase().starts_with("min") { 60.0 } else { 1.0 };
        let near = claims.iter().rev().map(|judged| &judged.claim).find(|claim| {
            claim.start < view.base + whole.end() && view.base + whole.start() < claim.end + 400
        });
        let Some(claim) = near.filter(|claim| claim.phase != Phase::Prefill) else { continue };
        let (quick, slow) = (tokens / claim.high, tokens / claim.low);
        let holds = (first * unit / quick - 1.0).abs() < 0.08 && (last * unit / slow - 1.0).abs() < 0.08;
        let times =
            if quick == slow { format!("{quick:.1} s") } else { format!("{quick:.1} to {slow:.1} s") };
        found.push(view.finding(
            "seconds",
            holds,
            whole.range(),
            format!("{} tokens at {} take {times}", short(tokens), rate(claim)),
        ));
    }
}

fn rate(claim: &Claim) -> String {
    if claim.low < claim.high {
        format!("{} to {} tok/s", short(claim.low), short(claim.high))
    } else {
        format!("{} tok/s", short(claim.low))
    }
}

/// "7–8× slower": the ratio of the two machines' own rates in the text.
fn ratios(view: &View<'_>, claims: &[Judged], found: &mut Vec<Finding>) {
    for caught in RATIO.captures_iter(view.text) {
        let (Some(whole), Some(first)) = (caught.get(0), number(&caught["a"])) else { continue };
        let last = caught.name("b").and_then(|b| number(b.as_str())).unwrap_or(first);
        let Some((quick, slow)) = compared(view, claims) else { continue };
        let (least, most) = (quick.low / slow.high, quick.high / slow.low);
        let middle = (quick.low + quick.high) / (slow.low + slow.high);
        let holds = first >= least * 0.9 && last <= most * 1.1;
        let line = format!(
            "the text's own rates give {least:.1} to {most:.1} times ({} against {}), {middle:.1} from middle to middle",
            rate(quick),
            rate(slow)
        );
        found.push(view.finding("ratio", holds, whole.range(), line));
    }
}

/// The claims of the quicker and the slower machine: the sentence's subject, and the other that it or the sentences
/// before it name.
fn compared<'a>(view: &View<'_>, claims: &'a [Judged]) -> Option<(&'a Claim, &'a Claim)> {
    let from = view.at.saturating_sub(4);
    let mut families: Vec<String> = Vec::new();
    for sentence in view.read.sentences[from..=view.at].iter().rev() {
        for family in sentence.machines.iter().map(family_of) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        if families.len() >= 2 {
            break;
        }
    }
    let own = |wanted: &String| {
        let fits = |judged: &&Judged| {
            judged.claim.machine.as_deref().is_some_and(|slug| family(slug) == *wanted)
                && judged.claim.phase == Phase::Decode
                && !judged.claim.forecast
                && judged.claim.concurrency == Some(1)
        };
        let widest = |judged: &&Judged| (judged.claim.high / judged.claim.low * 1000.0) as u64;
        claims.iter().filter(fits).max_by_key(widest).map(|judged| &judged.claim)
    };
    let rates: Vec<&Claim> = families.iter().filter_map(own).collect();
    let (first, second) = (*rates.first()?, *rates.get(1)?);
    let first_is_quick = first.low + first.high > second.low + second.high;
    Some(if first_is_quick { (first, second) } else { (second, first) })
}

/// Comparisons of unlike work: different widths of weights for one model, or a batch beside a single stream.
pub(super) fn unlike(read: &Read, claims: &[Judged], found: &mut Vec<Finding>) {
    widths(read, claims, found);
    batches(claims, found);
}

fn bits(label: &str) -> Option<u32> {
    let known = match label {
        "Q4" | "4-bit" | "FP4" => return Some(4),
        "Q8" | "8-bit" => return Some(8),
        _ => Quant::parse(label).ok()?,
    };
    let name = known.label;
    let digit = name.chars().find(char::is_ascii_digit)?.to_digit(10)?;
    Some(if name.contains("16") {
        16
    } else if name.contains("MXFP4") || name.contains("NVFP4") {
        4
    } else {
        digit
    })
}

/// Weights of different widths in one comparison, by quantizations that the text names.
fn widths(read: &Read, claims: &[Judged], found: &mut Vec<Finding>) {
    let known: Vec<(&String, u32)> =
        read.quants.iter().filter_map(|label| Some((label, bits(label)?))).collect();
    let (Some(narrow), Some(wide)) =
        (known.iter().min_by_key(|(_, bits)| *bits), known.iter().max_by_key(|(_, bits)| *bits))
    else {
        return;
    };
    let machines: std::collections::BTreeSet<&str> =
        claims.iter().filter_map(|judged| judged.claim.machine.as_deref()).collect();
    if narrow.1 * 2 > wide.1 || machines.len() < 2 {
        return;
    }
    let Some(start) = place_of(&read.text, wide.0) else { return };
    found.push(Finding {
        kind: "unlike_comparison".into(),
        holds: false,
        text: read.text[start.clone()].to_owned(),
        start: start.start,
        end: start.end,
        line: format!("{} and {} are set side by side: {} has {} times the bytes of {} to read for each token, so their rates do not compare", wide.0, narrow.0, wide.0, wide.1 / narrow.1, narrow.0),
    });
}

/// Where `label` is written in `text`, separators aside.
fn place_of(text: &str, label: &str) -> Option<std::ops::Range<usize>> {
    let at = text.find(label).or_else(|| {
        text.to_uppercase()
            .find(&label.to_uppercase())
            .filter(|at| text.is_char_boundary(*at) && text.is_char_boundary(at + label.len()))
    })?;
    Some(at..at + label.len())
}

/// One model on two machines, a batch on one and a single stream on the other, with no single stream given for the first.
fn batches(claims: &[Judged], found: &mut Vec<Finding>) {
    let batched =
        claims.iter().map(|judged| &judged.claim).filter(|claim| claim.phase == Phase::DecodeBatched);
    for batch in batched {
        let single = |claim: &&Claim| {
            claim.phase == Phase::Decode && claim.concurrency == Some(1) && claim.model == batch.model
        };
        let own = claims
            .iter()
            .map(|judged| &judged.claim)
            .filter(single)
            .any(|claim| claim.machine == batch.machine);
        let other = claims
            .iter()
            .map(|judged| &judged.claim)
            .filter(single)
            .find(|claim| claim.machine != batch.machine && batch.start.abs_diff(claim.start) < 600);
        if let (false, Some(other)) = (own, other) {
            found.push(Finding {
                kind: "unlike_comparison".into(),
                holds: false,
                text: batch.text.clone(),
                start: batch.start,
                end: batch.end,
                line: format!(
                    "{} is the sum of {} streams; beside it stands one stream at {}",
                    rate(batch),
                    batch.concurrency.map_or_else(|| "several".into(), |n| n.to_string()),
                    rate(other)
                ),
            });
            return;
        }
    }
}
