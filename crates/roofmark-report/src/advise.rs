//! Advice as a screen: the ranking with its reasons, what is left out and why, and what a target would take.

use crate::cost::{money, provenance};
use crate::lines::{labelled, table};
use roofmark_facts::advice::{Advice, Order, Place, Reach, Standing, TargetAnswer, Ways, Workload};
use roofmark_facts::cost::Uncertain;
use roofmark_facts::units::{grouped, plain, significant};

/// Tokens per second of a silent reader: 238 words a minute (Brysbaert 2019) at 0.75 words a token.
const READING: f64 = 238.0 / 60.0 / 0.75;

/// Two places are too close to choose between where the better one is so likely or less.
const SURE: f64 = 0.9;

/// The ranking; `top` places with a price and as many without, exclusions one by one with `all`.
#[must_use]
pub fn screen(advice: &Advice, top: usize, all: bool) -> String {
    let mut text = workload(&advice.workload);
    text += &labelled("models  ", &advice.models.join(", "), 8);
    for note in &advice.notes {
        text += &labelled("note    ", note, 8);
    }
    let (priced, priceless): (Vec<&Place>, Vec<&Place>) =
        advice.places.iter().partition(|place| place.price.is_some());
    if !priced.is_empty() {
        let order = match advice.order {
            Order::Cost => "cost a month",
            Order::Speed => "speed",
            Order::PerToken => "cost of a million output tokens",
        };
        text += &format!("\nRanked by targets met, then by {order} ({} machines)\n", priced.len());
        text += &ranking(&priced, top);
        for (index, place) in priced.iter().take(top).enumerate() {
            text += &explained(index + 1, place, priced.get(index + 1).is_some(), &advice.workload);
        }
    }
    if !priceless.is_empty() {
        text += &format!(
            "\nWithout a known price in {}, fastest first ({} machines; --price MACHINE=AMOUNT ranks one)\n",
            advice.currency,
            priceless.len()
        );
        text += &ranking(&priceless, top);
    }
    text += &exclusions(advice, all);
    for answer in &advice.answers {
        text += &format!("\n{}", labelled("", &format!("{}? ({})", answer.question, answer.date), 0));
        text += &labelled("  ", &answer.answer, 2);
        for source in &answer.sources {
            text += &labelled("  - ", &format!("{} ({})", source.title, source.date), 4);
        }
    }
    text
}

fn workload(workload: &Workload) -> String {
    let target = |value: Option<f64>, text: &str, unit: &str| {
        value.map_or(String::new(), |value| format!("; {text} {} {unit}", plain(value, 3)))
    };
    let line = format!(
        "{} prompt tokens after {} cached ones, {} output tokens, {} at a time, {} h a day of which {} % at work{}{}",
        grouped(workload.prompt as u64),
        grouped(workload.cached as u64),
        grouped(workload.output as u64),
        workload.streams,
        workload.hours,
        plain(workload.utilisation * 100.0, 3),
        target(workload.least_rate, "at least", "tok/s each"),
        target(workload.longest_wait, "first token within", "s"),
    );
    labelled(&format!("{:<8}", workload.name), &line, 8)
}

fn span(value: &Uncertain, show: impl Fn(f64) -> String) -> String {
    let (low, high) = value.ends();
    format!("{} ({}-{})", show(value.middle()), show(low), show(high))
}

fn short(value: f64) -> String {
    if value >= 1000.0 { grouped(value.round() as u64) } else { significant(value, 2) }
}

fn ranking(places: &[&Place], top: usize) -> String {
    let head = ["#", "machine", "tok/s", "first token s", "a month", "1 M output"].map(str::to_owned);
    let unknown = || "-".to_owned();
    let rows = places.iter().take(top).enumerate().map(|(index, place)| {
        [
            (index + 1).to_string(),
            place.machine.clone(),
            span(&place.throughput, short),
            span(&place.wait, short),
            place.monthly.map_or_else(unknown, |value| span(&value, short)),
            place.per_million.map_or_else(unknown, |value| span(&value, short)),
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), &[0])
}

fn explained(number: usize, place: &Place, follows: bool, workload: &Workload) -> String {
    let mut parts = vec![match place.standing {
        Standing::Meets => "meets the targets with its whole interval".to_owned(),
        Standing::Likely => "meets the targets in the middle of its interval, not at its low end".to_owned(),
        Standing::Doubtful | Standing::Misses => {
            "meets the targets only at the good end of its interval".to_owned()
        }
    }];
    if workload.streams > 1.0 {
        parts.push(format!("{} tok/s for each stream", span(&place.each, short)));
    }
    parts.push(feeling(place.each.middle(), workload));
    parts.push(format!("{} {} with {} ({})", place.model, place.quant, place.engine, place.tier));
    if let Some(price) = &place.price {
        let (low, high) = price.value.ends();
        let amount = if low == high { money(low) } else { format!("{} to {}", money(low), money(high)) };
        parts.push(format!("price {amount}: {}", provenance(price)));
    }
    if let Some(support) = &place.support {
        parts.push(format!(
            "{} {} since {}: {}",
            support.engine, support.status, support.since, support.source.title
        ));
    }
    parts.extend(place.unknown.iter().cloned());
    if let Some(sure) = place.before_next.filter(|sure| follows && *sure < SURE) {
        parts.push(format!(
            "TOO CLOSE to choose between it and number {}: better with probability {}",
            number + 1,
            significant(sure, 2)
        ));
    }
    format!(
        "\n{}",
        labelled(&format!("{number:>2}  "), &format!("{}: {}", place.machine, parts.join("; ")), 4)
    )
}

/// What a person feels at `rate` tokens per second.
fn feeling(rate: f64, workload: &Workload) -> String {
    let pace = rate / READING;
    let against = if pace >= 1.0 {
        format!("{} times as fast as reading", significant(pace, 2))
    } else {
        format!("slower than reading ({} of its pace)", significant(pace, 2))
    };
    format!("{against}, {} s for the whole answer after the first token", short(workload.output / rate))
}

fn exclusions(advice: &Advice, all: bool) -> String {
    if advice.excluded.is_empty() {
        return String::new();
    }
    let mut text = format!("\nLeft out: {} machines\n", advice.excluded.len());
    if all || advice.excluded.len() <= 8 {
        for left in &advice.excluded {
            let why: Vec<String> =
                left.reasons.iter().map(|reason| format!("{}: {}", reason.constraint, reason.text)).collect();
            text += &labelled("  ", &format!("{}: {}", left.machine, why.join("; ")), 4);
        }
        return text;
    }
    for (constraint, count, alone, example) in by_constraint(advice) {
        let line = format!("{count} ({alone} by this alone), such as {example}");
        text += &labelled(&format!("  {constraint:<15}"), &line, 17);
    }
    text + "  --all lists each one\n"
}

/// Each constraint with how many machines it leaves out, how many it alone, and an example.
fn by_constraint(advice: &Advice) -> Vec<(String, usize, usize, String)> {
    let mut names: Vec<&str> = Vec::new();
    let reasons =
        || advice.excluded.iter().flat_map(|left| left.reasons.iter().map(move |reason| (left, reason)));
    for (_, reason) in reasons() {
        if !names.contains(&reason.constraint.as_str()) {
            names.push(&reason.constraint);
        }
    }
    let row = |name: &str| {
        let of: Vec<_> = reasons().filter(|(_, reason)| reason.constraint == name).collect();
        let alone = of.iter().filter(|(left, _)| left.reasons.len() == 1).count();
        let example = of
            .iter()
            .min_by_key(|(left, _)| left.reasons.len())
            .map_or(String::new(), |(left, reason)| format!("{}: {}", left.machine, reason.text));
        (name.to_owned(), of.len(), alone, example)
    };
    let mut rows: Vec<_> = names.into_iter().map(row).collect();
    rows.sort_by_key(|(_, count, alone, _)| (std::cmp::Reverse(*alone), std::cmp::Reverse(*count)));
    rows
}

/// Which constraint leaves nothing, and which machines would be there without it.
#[must_use]
pub fn nothing_left(advice: &Advice) -> String {
    let total = advice.excluded.len();
    let priceless = advice.places.len();
    let mut text = match priceless {
        0 => format!("no machine of {total} is left\n"),
        _ => format!("no machine with a known price is left; {priceless} without one may do\n"),
    };
    for (constraint, count, alone, _) in by_constraint(advice) {
        let whole = if count == total { " and so excludes all by itself" } else { "" };
        text += &format!("  {constraint} excludes {count} of {total}{whole}");
        if alone > 0 {
            let would: Vec<&str> = advice
                .excluded
                .iter()
                .filter(|left| left.reasons.len() == 1 && left.reasons[0].constraint == constraint)
                .map(|left| left.machine.as_str())
                .take(4)
                .collect();
            text += &format!("; without it {alone} would be left, such as {}", would.join(", "));
        }
        text += "\n";
    }
    text
}

/// What a target would take; `top` machines.
#[must_use]
pub fn target(answer: &TargetAnswer, top: usize) -> String {
    let TargetAnswer { rate, model, quant, .. } = answer;
    let mut text =
        format!("{rate} tok/s on {model} {quant}, one stream, {} tokens in the cache\n\n", answer.depth);
    text += &labelled(
        "bandwidth   ",
        &format!(
            "{} GB a token x {rate} = {} GB/s at the least; machines that hold it reach {} % of their ceiling (median), \
             so about {} GB/s on the datasheet",
            significant(answer.gb_per_token, 4),
            significant(answer.least_bandwidth_gb_s, 3),
            (answer.efficiency * 100.0).round(),
            significant(answer.least_bandwidth_gb_s / answer.efficiency, 3)
        ),
        12,
    );
    let (priced, rest): (Vec<&Reach>, Vec<&Reach>) =
        answer.reach.iter().partition(|reach| reach.price.is_some());
    text += &format!(
        "\nMachines that get there, cheapest first ({} with a price in {})\n",
        priced.len(),
        answer.currency
    );
    text += &reached(&priced, top);
    text += &format!("\nThe same without a known price, fastest first ({})\n", rest.len());
    text += &reached(&rest, top);
    for ways in &answer.ways {
        text += &way(ways, answer);
    }
    text
}

fn reached(machines: &[&Reach], top: usize) -> String {
    if machines.is_empty() {
        return "  none\n".into();
    }
    let head = ["  machine", "tok/s", "ceiling", "gets there", "price"].map(str::to_owned);
    let rows = machines.iter().take(top).map(|reach| {
        let price = reach.price.as_ref().map_or_else(
            || "-".to_owned(),
            |price| {
                let stale = if price.stale { " STALE" } else { "" };
                format!(
                    "{} ({}){stale}",
                    money(price.value.middle()),
                    price.date.as_deref().unwrap_or("given")
                )
            },
        );
        [
            format!("  {}", reach.machine),
            span(&reach.rate, short),
            reach.ceiling.map_or_else(|| "-".to_owned(), short),
            standing(reach.standing).to_owned(),
            price,
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), &[2])
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Meets => "yes",
        Standing::Likely => "likely",
        Standing::Doubtful => "doubtful",
        Standing::Misses => "no",
    }
}

fn way(ways: &Ways, answer: &TargetAnswer) -> String {
    let now = &ways.now;
    let ceiling = now.ceiling.map_or(String::new(), |ceiling| format!(", ceiling {}", short(ceiling)));
    let mut text = format!(
        "\n{}",
        labelled("", &format!("{}: now {} tok/s{ceiling}", now.machine, span(&now.rate, short)), 0)
    );
    let quant = match &ways.quant {
        Some((quant, rate)) => format!("{quant} at {} tok/s", short(*rate)),
        None => "none of the catalogued ones, down to 2 bits".into(),
    };
    text += &labelled("  quantization  ", &quant, 16);
    let speculation = match ways.accepted {
        Some(accepted) if accepted <= 1.0 => "not needed".into(),
        Some(accepted) => {
            format!("accepted length {} (a draft's own time left aside)", significant(accepted, 3))
        }
        None => "the model does not fit".into(),
    };
    text += &labelled("  speculation   ", &speculation, 16);
    let models: Vec<String> =
        ways.models.iter().map(|(model, rate)| format!("{model} ({} tok/s)", short(*rate))).collect();
    let models = if models.is_empty() { "none".to_owned() } else { models.join(", ") };
    text + &labelled("  models        ", &format!("largest in {}: {models}", answer.quant), 16)
}
