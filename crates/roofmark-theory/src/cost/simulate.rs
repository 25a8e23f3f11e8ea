//! Seeded Monte Carlo over the uncertain inputs, the tornado, and the comparison of two machines.

use super::outcome::{Draw, outcome};
use super::{Bar, Comparison, Metric, Quantity, Question, Summary};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws of one simulation.
pub const DRAWS: usize = 4096;

/// The quantile of each quantity in one draw.
type Shares = [f64; Quantity::ALL.len()];

/// Works out `question` over [`DRAWS`] draws; metrics that some input leaves unknown are absent.
#[must_use]
pub fn simulate(question: &Question, seed: u64) -> Vec<Summary> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<Vec<f64>> = vec![Vec::with_capacity(DRAWS); Metric::ALL.len()];
    for _ in 0..DRAWS {
        let shares = draw(&mut random);
        for (column, value) in found.iter_mut().zip(outcome(&|which| value_at(question, &shares, which), question.requests)) {
            column.extend(value);
        }
    }
    let summed = Metric::ALL.into_iter().zip(found).filter(|(_, values)| values.len() == DRAWS);
    summed.map(|(metric, values)| summary(metric, values)).collect()
}

fn summary(metric: Metric, mut values: Vec<f64>) -> Summary {
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Summary { metric, low: quantile(0.05), middle: quantile(0.5), high: quantile(0.95) }
}

/// One uniform number for each quantity, whether the question has it or not: adding an input leaves the rest alone.
fn draw(random: &mut ChaCha8Rng) -> Shares {
    Quantity::ALL.map(|_| ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64)
}

fn value_at(question: &Question, shares: &Shares, which: Quantity) -> Option<f64> {
    question.inputs.get(&which).map(|input| super::at(&input.value, shares[which as usize]))
}

/// Inputs by how much they move `metric`, the largest first.
#[must_use]
pub fn tornado(question: &Question, metric: Metric) -> Vec<Bar> {
    let moved = |quantity: Quantity, share: f64| {
        let mut shares = [0.5; Quantity::ALL.len()];
        shares[quantity as usize] = share;
        outcome(&|which| value_at(question, &shares, which), question.requests)[metric as usize]
    };
    let uncertain = question.inputs.iter().filter(|(_, input)| input.value.varies());
    let mut bars: Vec<Bar> = uncertain
        .filter_map(|(&quantity, _)| {
            Some(Bar { quantity, at_low: moved(quantity, 0.05)?, at_high: moved(quantity, 0.95)? })
        })
        .filter(|bar| bar.swing() > 0.0)
        .collect();
    bars.sort_by(|left, right| right.swing().total_cmp(&left.swing()));
    bars
}

/// Compares two machines at the work that the first one does; `None` where a price is unknown.
#[must_use]
pub fn compare(first: &Question, other: &Question, seed: u64) -> Option<Comparison> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut differences, mut months, mut too_slow) = (Vec::new(), Vec::new(), 0);
    for _ in 0..DRAWS {
        let shares = draw(&mut random);
        let own = draw(&mut random);
        let theirs: Shares =
            std::array::from_fn(|slot| if Quantity::ALL[slot].is_shared() { shares[slot] } else { own[slot] });
        match difference(first, &shares, other, &theirs)? {
            Some((difference, month)) => {
                differences.push(difference);
                months.push(month);
            }
            None => too_slow += 1,
        }
    }
    let too_slow = too_slow as f64 / DRAWS as f64;
    if differences.is_empty() {
        let never = (f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        let other = other.machine.clone();
        return Some(Comparison { other, first_cheaper: 1.0, difference: never, break_even_months: None, too_slow });
    }
    let cheaper = differences.iter().filter(|value| **value < 0.0).count() as f64 / DRAWS as f64 + too_slow;
    let spread = summary(Metric::Total, differences);
    let month = summary(Metric::Total, months).middle;
    Some(Comparison {
        other: other.machine.clone(),
        first_cheaper: cheaper,
        difference: (spread.low, spread.middle, spread.high),
        break_even_months: month.is_finite().then_some(month),
        too_slow,
    })
}

/// Difference of the totals and the month of break-even. The outer `None`: a price is unknown; the inner: too slow.
fn difference(first: &Question, shares: &Shares, other: &Question, theirs: &Shares) -> Option<Option<(f64, f64)>> {
    let (value, other_value) = (|which| value_at(first, shares, which), |which| value_at(other, theirs, which));
    let first = Draw { value: &value, requests: first.requests };
    let other = Draw { value: &other_value, requests: other.requests };
    let (lost, other_lost) = (first.lost()?, other.lost()?);
    let energy = first.electricity_monthly().unwrap_or(0.0);
    let other_energy = match first.output_monthly() {
        Some(tokens) => match other.electricity_for(tokens) {
            Some(energy) => energy,
            None => return Some(None),
        },
        None => other.electricity_monthly().unwrap_or(0.0),
    };
    let months = first.span_months()?;
    let total = (lost - other_lost) + (energy - other_energy) * months;
    let month = (first.outlay()? - other.outlay()?) / (other_energy - energy);
    Some(Some((total, if month > 0.0 { month } else { f64::INFINITY })))
}

#[cfg(test)]
mod tests {
    use super::super::{Input, Requests, Uncertain};
    use super::*;

    fn question(price: Uncertain, watts: f64) -> Question {
        use Quantity as Q;
        let inputs = [
            (Q::Price, price),
            (Q::Depreciation, Uncertain::between(0.2, 0.4)),
            (Q::Years, Uncertain::Known(3.0)),
            (Q::Tariff, Uncertain::between(0.15, 0.35)),
            (Q::DecodePower, Uncertain::Known(watts)),
            (Q::Hours, Uncertain::Known(8.0)),
            (Q::Utilisation, Uncertain::between(0.1, 0.9)),
            (Q::DecodeRate, Uncertain::Estimated { low: 8.0, middle: 10.0, high: 12.0 }),
        ];
        Question {
            machine: "a".into(),
            currency: "USD".into(),
            requests: Requests { prompt: 0.0, output: 500.0, streams: 1.0 },
            inputs: inputs.into_iter().map(|(quantity, value)| (quantity, Input::given(value))).collect(),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let asked = question(Uncertain::between(3000.0, 4000.0), 100.0);
        assert_eq!(simulate(&asked, 7), simulate(&asked, 7));
        assert_ne!(simulate(&asked, 7), simulate(&asked, 8));
    }

    #[test]
    fn known_inputs_leave_no_spread_and_uncertain_ones_widen_it() {
        let total = |price| simulate(&question(price, 0.0), 1)[0];
        let wide = total(Uncertain::between(2000.0, 5000.0));
        let narrow = total(Uncertain::Known(3500.0));
        assert!(wide.high - wide.low > narrow.high - narrow.low);
        assert!(narrow.low <= narrow.middle && narrow.middle <= narrow.high);
    }

    #[test]
    fn the_tornado_puts_the_widest_input_first() {
        let bars = tornado(&question(Uncertain::between(3400.0, 3600.0), 100.0), Metric::OutputPerMillion);
        assert_eq!(bars[0].quantity, Quantity::Utilisation);
        assert!(bars.windows(2).all(|pair| pair[0].swing() >= pair[1].swing()));
    }

    #[test]
    fn the_cheaper_twin_wins_and_one_without_a_price_is_not_compared() {
        let (cheap, dear) = (question(Uncertain::Known(1000.0), 100.0), question(Uncertain::Known(3000.0), 50.0));
        let found = compare(&cheap, &dear, 1).expect("both have prices");
        assert!(found.first_cheaper > 0.95, "{found:?}");
        let mut priceless = cheap.clone();
        priceless.inputs.remove(&Quantity::Price);
        assert_eq!(compare(&priceless, &dear, 1), None);
    }
}
