//! Prices: against dated prices of the catalog, sums, differences, budgets, and cost per million tokens.

use super::{View, family, family_of, nearest, number, short};
use crate::reader::{Read, Sentence};
use regex::Regex;
use roofmark_facts::claim::Finding;
use std::ops::Range;
use std::sync::LazyLock;

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("the pattern is valid"));
    };
}

pattern!(PRICE, r"\$\s?(?P<n>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?P<k>[kK](?-u:\b))?");
pattern!(SUM, r"\$(?P<a>[\d,]+)[^$+=\d]{0,24}\+\s*\$(?P<b>[\d,]+)[^$+=\d]{0,24}=\s*\$(?P<c>[\d,]+)");
pattern!(MORE, r"(?i)\$(?P<n>[\d,]+)\s+(?P<dir>more|less|cheaper|dearer)\s+than\s");
pattern!(
    DIFFERENCE,
    r"(?i)(?:price difference|difference|premium|upgrade)[^.$]{0,24}\$(?P<n>[\d,]+)|\$(?P<m>[\d,]+)\s+(?:premium|difference)"
);
pattern!(
    BUDGET,
    r"(?i)(?:have|with|for|under|budget of)\s+(?:a\s+)?\$(?P<n>[\d,]+)(?P<after>\s+budget)?|\$(?P<m>[\d,]+)\s+budget"
);
pattern!(BUY, r"(?i)(?-u:\b)(?:buy|pick|get|choose|purchase)(?-u:\b)");
pattern!(
    PER_MILLION,
    r"(?i)[~≈]?\$(?P<cost>\d+(?:\.\d+)?)\s*(?:per\s+(?:million|1M)\s+tokens|/\s?M(?:illion)?\s?tok\w*)?[^.]{0,60}?(?P<rate>\d+(?:\.\d+)?)\s*(?:tok/s|t/s|tokens/s\w*|tokens per second)[^.]{0,40}?\$(?P<kwh>0?\.\d+)\s*/?\s*(?:per\s+)?kWh"
);

/// Findings of one sentence.
pub(super) fn find(view: &View<'_>, found: &mut Vec<Finding>) {
    if !view.text.contains('$') {
        return;
    }
    sums(view, found);
    differences(view, found);
    budgets(view, found);
    energy(view, found);
    prices(view, found);
}

/// A price in dollars and where it stands in the whole text.
#[derive(Clone, Debug)]
struct Price {
    amount: f64,
    /// Family of the machine that it is of.
    family: String,
    /// Cores named beside it.
    cores: Option<u32>,
}

fn dollars(text: &str) -> Option<f64> {
    number(text.trim_start_matches('$'))
}

fn sums(view: &View<'_>, found: &mut Vec<Finding>) {
    for caught in SUM.captures_iter(view.text) {
        let (Some(whole), Some(a), Some(b), Some(c)) =
            (caught.get(0), number(&caught["a"]), number(&caught["b"]), number(&caught["c"]))
        else {
            continue;
        };
        let line = format!("${} + ${} = ${}", short(a), short(b), short(a + b));
        found.push(view.finding("sum", (a + b - c).abs() < 1.0, whole.range(), line));
    }
}

/// Prices that the text itself gives to machines; used or second-hand ones are left out.
fn stated(read: &Read) -> Vec<Price> {
    let mut prices = Vec::new();
    for sentence in &read.sentences {
        let text = &read.text[sentence.range.clone()];
        if !text.contains('$')
            || ["used", "second", "budget", "resale", "–$"]
                .iter()
                .any(|word| text.to_lowercase().contains(word))
        {
            continue;
        }
        for caught in PRICE.captures_iter(text) {
            let Some(whole) = caught.get(0) else { continue };
            let amount = number(&caught["n"]).unwrap_or(0.0);
            let tail = text[whole.end()..].trim_start().to_lowercase();
            let relative =
                ["more", "less", "cheaper", "premium", "budget", "difference", "/kwh", "system", "gpu"]
                    .iter()
                    .any(|word| tail.starts_with(word));
            let range = text[..whole.start()].ends_with(['–', '-']) || tail.starts_with(['–', '-']);
            if (500.0..50_000.0).contains(&amount) && !relative && !range {
                let machine = owner(sentence, sentence.range.start + whole.start());
                prices.extend(machine.map(|family| Price { amount, family, cores: cores(text) }));
            }
        }
    }
    prices
}

fn owner(sentence: &Sentence, place: usize) -> Option<String> {
    let slugs = nearest(sentence, place).map_or(&sentence.about, |named| &named.slugs);
    slugs.first().map(|slug| family(slug))
}

/// Cores named in a sentence, where only one count is.
fn cores(text: &str) -> Option<u32> {
    static CORES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)(?-u:\b)(\d{1,2})[- ]cores?(?-u:\b)").expect("the pattern is valid")
    });
    let mut counts: Vec<u32> =
        CORES.captures_iter(text).filter_map(|caught| caught[1].parse().ok()).collect();
    counts.dedup();
    match counts.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// "That's $1,200 more than X": the subject's price against each price of X that the text gives or implies.
fn differences(view: &View<'_>, found: &mut Vec<Finding>) {
    for caught in MORE.captures_iter(view.text) {
        let (Some(whole), Some(said)) = (caught.get(0), number(&caught["n"])) else { continue };
        let all = stated(view.read);
        let other = view.read.sentences[view.at]
            .machines
            .iter()
            .find(|named| named.start >= view.base + whole.end())
            .map(family_of);
        let subject = subject(view, other.as_deref());
        let (Some(other), Some(subject)) = (other, subject) else { continue };
        let of =
            |wanted: &str| all.iter().filter(|price| price.family == wanted).cloned().collect::<Vec<_>>();
        let (own, theirs) = (of(&subject), of(&other));
        let Some(base) = own.first() else { continue };
        let mut theirs: Vec<(f64, String)> =
            theirs.iter().map(|price| (price.amount, variant(price))).collect();
        theirs.extend(implied(view.read, &other, &theirs));
        theirs.sort_by(|a, b| a.0.total_cmp(&b.0));
        theirs.dedup_by(|a, b| a.0 == b.0);
        let sign =
            if matches!(caught["dir"].to_lowercase().as_str(), "more" | "dearer") { 1.0 } else { -1.0 };
        let lines: Vec<String> = theirs
            .iter()
            .map(|(amount, what)| {
                format!("${} against {what} at ${}", short((base.amount - amount) * sign), short(*amount))
            })
            .collect();
        let right =
            theirs.iter().filter(|(amount, _)| ((base.amount - amount) * sign - said).abs() < 1.0).count();
        if lines.is_empty() {
            continue;
        }
        let end = view.read.sentences[view.at].range.len();
        let line = format!("from ${} it is {}", short(base.amount), lines.join(", and "));
        let holds = right == theirs.len();
        found.push(view.finding(
            "price_difference",
            holds,
            whole.start()..end,
            if right > 0 && !holds { format!("true of one variant only: {line}") } else { line },
        ));
    }
}

fn variant(price: &Price) -> String {
    price.cores.map_or_else(|| "it".into(), |cores| format!("the {cores}-core variant"))
}

/// A cheaper variant of `wanted` whose price the text gives only as a difference ("Price difference: ~$400").
fn implied(read: &Read, wanted: &str, known: &[(f64, String)]) -> Vec<(f64, String)> {
    let difference = read.sentences.iter().find_map(|sentence| {
        let text = &read.text[sentence.range.clone()];
        let caught = DIFFERENCE.captures(text)?;
        let own = owner(sentence, sentence.range.start).is_some_and(|family| family == wanted);
        number(caught.name("n").or_else(|| caught.name("m"))?.as_str()).filter(|_| own)
    });
    let Some(difference) = difference else { return Vec::new() };
    let other = |what: &str| {
        if what.contains("40-core") {
            "the 32-core variant".to_owned()
        } else {
            "the smaller variant".to_owned()
        }
    };
    known
        .iter()
        .filter(|(amount, _)| *amount > difference * 2.0)
        .map(|(amount, what)| (amount - difference, other(what)))
        .collect()
}

/// The machine of the nearest sentence before that is not `other`.
fn subject(view: &View<'_>, other: Option<&str>) -> Option<String> {
    let sentences = &view.read.sentences[view.at.saturating_sub(3)..=view.at];
    let families = sentences.iter().rev().flat_map(|sentence| sentence.machines.iter().rev());
    families.map(family_of).find(|family| Some(family.as_str()) != other)
}

/// "If you have $3,500 … buy X ($3,899)": what is advised against what is there.
fn budgets(view: &View<'_>, found: &mut Vec<Finding>) {
    let Some(caught) = BUDGET.captures(view.text) else { return };
    let (Some(whole), Some(budget)) =
        (caught.get(0), caught.name("n").or_else(|| caught.name("m")).and_then(|n| number(n.as_str())))
    else {
        return;
    };
    if budget < 200.0 || !BUY.is_match(&view.text[whole.end()..]) {
        return;
    }
    let advice = whole.end()..view.text.len();
    let named: Vec<f64> = PRICE
        .captures_iter(&view.text[advice.clone()])
        .filter_map(|price| number(&price["n"]))
        .filter(|amount| *amount > budget * 0.3)
        .collect();
    let all = stated(view.read);
    let (total, words) = if named.is_empty() {
        let families: Vec<String> = view.read.sentences[view.at]
            .machines
            .iter()
            .filter(|named| named.start >= view.base + advice.start)
            .map(family_of)
            .collect();
        let least = |wanted: &String| {
            let own: Vec<(f64, String)> = all
                .iter()
                .filter(|price| price.family == *wanted)
                .map(|price| (price.amount, variant(price)))
                .collect();
            own.iter()
                .map(|(amount, _)| *amount)
                .chain(implied(view.read, wanted, &own).into_iter().map(|(amount, _)| amount))
                .min_by(f64::total_cmp)
        };
        let amounts: Vec<f64> = families.iter().take(2).filter_map(least).collect();
        if amounts.len() < families.len().min(2) || amounts.is_empty() {
            return;
        }
        (
            amounts.iter().sum::<f64>(),
            amounts.iter().map(|amount| format!("${}", short(*amount))).collect::<Vec<_>>().join(" + "),
        )
    } else {
        (named[0], format!("${}", short(named[0])))
    };
    let over = total - budget;
    let line = if over > 0.0 {
        format!(
            "what is advised costs {words}{}, ${} above the ${}",
            if words.contains('+') { format!(" = ${}", short(total)) } else { String::new() },
            short(over),
            short(budget)
        )
    } else {
        format!("what is advised costs {words}, within the ${}", short(budget))
    };
    found.push(view.finding("budget", over <= 0.0, whole.start()..view.text.len(), line));
}

/// Cost of a million tokens by electricity: what power it supposes.
fn energy(view: &View<'_>, found: &mut Vec<Finding>) {
    let Some(caught) = PER_MILLION.captures(view.text) else { return };
    let part = |name: &str| number(&caught[name]);
    let (Some(whole), Some(cost), Some(rate), Some(tariff)) =
        (caught.get(0), part("cost"), part("rate"), part("kwh"))
    else {
        return;
    };
    let hours = 1e6 / rate / 3600.0;
    let watts = cost / tariff / hours * 1000.0;
    let load = view.machines_at(whole.start()).iter().filter_map(|slug| view.catalog.machine(slug)).find_map(
        |machine| Some((machine.name.clone(), machine.load.as_ref().or(machine.tdp.as_ref())?.value.get())),
    );
    let plausible = load.as_ref().is_none_or(|(_, load)| (0.5..2.0).contains(&(watts / load)));
    let against = load
        .map_or_else(String::new, |(name, load)| format!("; {name} draws about {} W", short(load.round())));
    let line = format!(
        "a million tokens at {rate} tok/s take {hours:.1} h; ${cost} at ${tariff} a kWh supposes {watts:.0} W{against}"
    );
    found.push(view.finding(
        "cost_per_million",
        plausible && (10.0..2000.0).contains(&watts),
        whole.range(),
        line,
    ));
}

/// A new price of a machine against the catalog's dated ones.
fn prices(view: &View<'_>, found: &mut Vec<Finding>) {
    let lower = view.text.to_lowercase();
    if ["used", "second", "resale", "budget", "bracket"].iter().any(|word| lower.contains(word))
        || DIFFERENCE.is_match(view.text) && !view.text.contains('(')
    {
        return;
    }
    for caught in PRICE.captures_iter(view.text) {
        let (Some(whole), Some(said)) = (caught.get(0), dollars(&caught["n"])) else { continue };
        if said < 300.0 || covered(found, view.base + whole.start()) && !is_card(view.text, whole.end()) {
            continue;
        }
        let Some((name, lowest, highest)) = known(view, whole.range()) else { continue };
        let holds = said >= lowest * 0.85 && said <= highest * 1.15;
        let tail = view.text[whole.end()..].trim_start_matches([' ', '+']).to_lowercase();
        let relative = ["more", "less", "premium", "system", "difference", "–", "-"]
            .iter()
            .any(|word| tail.starts_with(word))
            || view.text[..whole.start()].trim_end().ends_with(['=', '+', '–', '-']);
        if relative {
            continue;
        }
        let line = format!("prices of {name} known new: ${} to ${}", short(lowest), short(highest));
        found.push(view.finding("price", holds, whole.range(), line));
    }
}

fn is_card(text: &str, end: usize) -> bool {
    let tail = text[end..].trim_start().to_lowercase();
    tail.starts_with("gpu") || tail.starts_with("card")
}

fn covered(found: &[Finding], place: usize) -> bool {
    found.iter().rev().take(8).any(|finding| finding.start <= place && place < finding.end)
}

/// Lowest and highest new dollar price of the machine that a price in the sentence is of.
fn known(view: &View<'_>, range: Range<usize>) -> Option<(String, f64, f64)> {
    let slugs = view.machines_at(range.start);
    let amounts: Vec<f64> = view
        .catalog
        .prices
        .iter()
        .filter(|price| {
            slugs.contains(&price.machine)
                && price.currency == "USD"
                && price.condition == "new"
                && !price.claim
        })
        .map(|price| price.amount)
        .collect();
    let lowest = amounts.iter().copied().min_by(f64::total_cmp)?;
    let highest = amounts.iter().copied().max_by(f64::total_cmp)?;
    let name = slugs.iter().find_map(|slug| view.catalog.machine(slug))?.name.clone();
    Some((name, lowest, highest))
}
