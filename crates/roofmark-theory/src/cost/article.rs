//! The arithmetic of the article that Roofmark grew from, done again: CraftRigs, "Unified Memory Was Supposed to Fix
//! Discrete GPU Bottlenecks", April 2026. Its own figures are the inputs; each result is compared with what it says.

use roofmark_facts::units::significant;
use roofmark_facts::cost::{Figure, FigureOutcome as Outcome};

/// Inputs as the article states them.
const SPARK: f64 = 4699.0;
const M5_MAX: f64 = 3899.0;
const M5_MAX_SMALLER_BY: f64 = 400.0;
const M5_MAX_USED: f64 = 2600.0;
const SPARK_USED: (f64, f64) = (3500.0, 4000.0);
const M5_MAX_RATE: (f64, f64) = (30.0, 45.0);
const SPARK_RATE: f64 = 2.7;
const HALO_RATE: (f64, f64) = (4.0, 6.0);
const CARD_RATE: (f64, f64) = (8.0, 12.0);
const TARIFF: f64 = 0.18;
const ELECTRICITY: f64 = 0.051;
const STREAMS: f64 = 16.0;
const FILE_GB: f64 = 42.5;
const PCIE_GB_S: f64 = 16.0;

/// Every figure of the article that is the result of a computation.
#[must_use]
pub fn figures() -> Vec<Figure> {
    vec![
        electricity(),
        answer("M5 Max: a 50-token answer in 1.1 to 1.7 s", M5_MAX_RATE, (1.1, 1.7)),
        answer("DGX Spark: a 50-token answer in 18 s", (SPARK_RATE, SPARK_RATE), (18.0, 18.0)),
        answer("Strix Halo: a 50-token answer in 8 to 12 s", HALO_RATE, (8.0, 12.0)),
        slower(),
        faster_than_the_card(),
        price_gap(),
        card_system(),
        second_machine(),
        resale(),
        batch(),
        forecast(),
        link(),
    ]
}

fn figure(says: &str, outcome: Outcome, arithmetic: String) -> Figure {
    Figure { says: says.to_owned(), outcome, arithmetic }
}

fn short(value: f64) -> String {
    significant(value, 3)
}

fn electricity() -> Figure {
    let hours = 1e6 / M5_MAX_RATE.1 / 3600.0;
    let kwh = ELECTRICITY / TARIFF;
    figure(
        "M5 Max: about $0.051 (45 tok/s, $0.18/kWh)",
        Outcome::NotDerivable,
        format!(
            "neither the unit nor the power is stated. As electricity of a million tokens: {} h and {} kWh, so {} W; \
             as one hour of work: {} W. With a stated power: `--watts W --decode-rate 45 --tariff 0.18`",
            short(hours),
            short(kwh),
            short(kwh * 1000.0 / hours),
            short(kwh * 1000.0)
        ),
    )
}

fn answer(says: &str, rate: (f64, f64), said: (f64, f64)) -> Figure {
    let (slow, fast) = (50.0 / rate.0, 50.0 / rate.1);
    let follows = (fast - said.0).abs() < 0.6 && (slow - said.1).abs() < 0.6;
    let outcome = if follows { Outcome::Follows } else { Outcome::Contradicts };
    figure(says, outcome, format!("50 tokens / rate = {} to {} s", short(fast), short(slow)))
}

fn slower() -> Figure {
    let (least, most) = (M5_MAX_RATE.0 / HALO_RATE.1, M5_MAX_RATE.1 / HALO_RATE.0);
    let pairs = M5_MAX_RATE.0 / HALO_RATE.0;
    figure(
        "Strix Halo is 7 to 8 times slower than the M5 Max",
        Outcome::Follows,
        format!(
            "low with low and high with high: {}; over all pairs {} to {}",
            short(pairs),
            short(least),
            short(most)
        ),
    )
}

fn faster_than_the_card() -> Figure {
    let (least, most) = (M5_MAX_RATE.0 / CARD_RATE.1, M5_MAX_RATE.1 / CARD_RATE.0);
    figure(
        "M5 Max is 3 to 4 times faster than a spilling RTX 5090",
        Outcome::Follows,
        format!("30 / 8 and 45 / 12: 3.75; over all pairs {} to {}", short(least), short(most)),
    )
}

fn price_gap() -> Figure {
    let smaller = M5_MAX - M5_MAX_SMALLER_BY;
    figure(
        "DGX Spark costs $1,200 more than the M5 Max 128 GB",
        Outcome::Follows,
        format!(
            "with the 32-core at {M5_MAX} - {M5_MAX_SMALLER_BY} = {smaller}: {}; with the 40-core that reaches the \
             45 tok/s: {}",
            SPARK - smaller,
            SPARK - M5_MAX
        ),
    )
}

fn card_system() -> Figure {
    figure(
        "RTX 5090 system: $749 + $500 = $1,249",
        Outcome::Follows,
        "the sum is right; the price of the card is not: its list price is 1,999".into(),
    )
}

fn second_machine() -> Figure {
    figure(
        "With $4,700 buy a DGX Spark and a second M5 Max",
        Outcome::Contradicts,
        format!("{SPARK} + {M5_MAX} = {}, {} over that budget", SPARK + M5_MAX, SPARK + M5_MAX - 4700.0),
    )
}

fn resale() -> Figure {
    let lost = M5_MAX - M5_MAX_USED;
    let (least, most) = (SPARK - SPARK_USED.1, SPARK - SPARK_USED.0);
    let share = |lost: f64, price: f64| short(lost / price * 100.0);
    figure(
        "DGX Spark depreciates faster; M5 Max is cheaper to own",
        Outcome::Contradicts,
        format!(
            "price less used price: M5 Max {lost} ({} %), DGX Spark {least} to {most} ({} to {} %): by its own figures \
             the Spark loses less. Electricity over two years cannot turn it round without a stated power and use",
            share(lost, M5_MAX),
            share(least, SPARK),
            share(most, SPARK)
        ),
    )
}

fn batch() -> Figure {
    figure(
        "DGX Spark: 25 to 40 tok/s over 16 requests",
        Outcome::NotDerivable,
        format!(
            "nothing derives it; it is {} to {} tok/s for each request, slower than its {SPARK_RATE} at one stream, and \
             {} to {} times the throughput of one",
            short(25.0 / STREAMS),
            short(40.0 / STREAMS),
            short(25.0 / SPARK_RATE),
            short(40.0 / SPARK_RATE)
        ),
    )
}

/// April to July is 13 weeks: at least 2.2 periods of 6 weeks, at most 3.25 of 4.
fn forecast() -> Figure {
    let (least, most) = (1.2_f64.powf(13.0 / 6.0), 1.3_f64.powf(13.0 / 4.0));
    figure(
        "Strix Halo: 20 to 30 % each 4 to 6 weeks makes 12 to 15 tok/s by July",
        Outcome::Contradicts,
        format!(
            "13 weeks multiply by {} to {}: {} to {} tok/s, and memory of 256 GB/s over 41.9 GB a token allows {}",
            short(least),
            short(most),
            short(HALO_RATE.0 * least),
            short(HALO_RATE.1 * most),
            short(256.0 / 41.92)
        ),
    )
}

fn link() -> Figure {
    figure(
        "Copying weights over PCIe 4.0 (16 GB/s) added 200 to 300 ms a pass",
        Outcome::NotDerivable,
        format!(
            "the size is not stated: 200 to 300 ms carry {} to {} GB; the {FILE_GB} GB of this model take {} s",
            short(0.2 * PCIE_GB_S),
            short(0.3 * PCIE_GB_S),
            short(FILE_GB / PCIE_GB_S)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn the_article_done_again() {
        let lines = figures().iter().fold(String::new(), |mut text, figure| {
            let _ = writeln!(text, "{:?}: {}: {}", figure.outcome, figure.says, figure.arithmetic);
            text
        });
        insta::assert_snapshot!(lines);
    }
}
