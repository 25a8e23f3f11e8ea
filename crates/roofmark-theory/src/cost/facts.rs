//! From the catalog to the inputs of a cost: dated prices, tariffs, power, API prices, and what is stale.

use super::{Basis, Input, Quantity, Uncertain};
use jiff::civil::Date;
use roofmark_facts::catalog::{Catalog, Price};
use roofmark_facts::machine::{Machine, Sourced};
use roofmark_facts::units::Watts;
use std::collections::BTreeMap;

/// A source that is older is said to be stale: six months.
pub const STALE_DAYS: i32 = 183;

/// Offers that are older than the newest one by more than this are history.
const SAME_SEASON_DAYS: i32 = 31;

/// Value lost in a year where nothing is known of the resale.
pub const DEPRECIATION: Uncertain = Uncertain::Between { low: 0.15, high: 0.35 };

/// Wall power under load as a share of the rated power of the chip, where only that is known. Boxes that were
/// measured draw 1.1 to 1.3 times what their chip is rated; cards stay below their limit in decode.
pub const OF_RATED: (f64, f64) = (0.6, 1.2);

/// Which offers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Condition {
    /// The condition of the newest offer.
    #[default]
    Newest,
    /// New ones.
    New,
    /// Used ones.
    Used,
}

/// The first day that `text` (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`) may mean.
#[must_use]
pub fn first_day(text: &str) -> Option<Date> {
    let mut parts = text.split('-').map(|part| part.parse::<i16>().ok());
    let year = parts.next()??;
    let month = parts.next().map_or(Some(1), |part| part)?;
    let day = parts.next().map_or(Some(1), |part| part)?;
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// Whether a source of the date `text` is older than [`STALE_DAYS`] on `today`. One without a readable date is.
#[must_use]
pub fn is_stale(text: &str, today: Date) -> bool {
    first_day(text).is_none_or(|day| days_between(day, today) > STALE_DAYS)
}

fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

/// The price of a machine: the offers in `currency` within a month of the newest one. Claims are no offers, and
/// offers of after `today` are not known yet.
#[must_use]
pub fn price(
    catalog: &Catalog,
    machine: &str,
    currency: &str,
    condition: Condition,
    today: Date,
) -> Option<Input> {
    let wanted = |price: &&Price| {
        price.machine == machine
            && price.currency == currency
            && !price.claim
            && match condition {
                Condition::Newest => true,
                Condition::New => price.condition == "new",
                Condition::Used => price.condition == "used",
            }
    };
    let dated = catalog.prices.iter().filter(wanted).filter_map(|price| Some((first_day(&price.date)?, price)));
    let mut offers: Vec<(Date, &Price)> = dated.filter(|(day, _)| *day <= today).collect();
    let (newest, best) = *offers.iter().max_by_key(|(day, price)| (*day, price.condition == "new"))?;
    let condition = best.condition.clone();
    offers.retain(|(day, price)| {
        price.condition == condition && days_between(*day, newest) <= SAME_SEASON_DAYS
    });
    let amounts = || offers.iter().map(|(_, price)| price.amount);
    let value = Uncertain::between(
        amounts().fold(f64::INFINITY, f64::min),
        amounts().fold(f64::NEG_INFINITY, f64::max),
    );
    Some(Input {
        value,
        basis: Basis::Catalogued,
        source: format!("{condition}, {}", offers_text(&offers, best)),
        date: Some(best.date.clone()),
        stale: is_stale(&best.date, today),
    })
}

fn offers_text(offers: &[(Date, &Price)], best: &Price) -> String {
    match offers {
        [_] => match &best.note {
            Some(note) => format!("{note}: {}", best.source.title),
            None => best.source.title.clone(),
        },
        several => format!("{} offers: {}", several.len(), best.source.title),
    }
}

/// The tariff of `region` in `currency`.
#[must_use]
pub fn tariff(catalog: &Catalog, region: &str, currency: &str, today: Date) -> Option<Input> {
    let wanted = region.trim().to_lowercase();
    let found = catalog.tariffs.iter().filter(|tariff| {
        tariff.region.to_lowercase() == wanted && tariff.currency == currency && !tariff.claim
    });
    let newest = found.max_by(|left, right| left.date.cmp(&right.date))?;
    let note = newest.note.as_deref().map_or(String::new(), |note| format!(", {note}"));
    Some(Input {
        value: Uncertain::Known(newest.amount_per_kwh),
        basis: Basis::Catalogued,
        source: format!("{}{note}: {}", newest.region, newest.source.title),
        date: Some(newest.date.clone()),
        stale: is_stale(&newest.date, today),
    })
}

/// What a million tokens of `model` cost over the network, in US dollars: input and output, over the providers of
/// the newest month. A stated model without a price has none.
#[must_use]
pub fn api(catalog: &Catalog, model: &str, today: Date) -> Option<(Input, Input)> {
    let dated = catalog.api_prices.iter().filter(|price| price.model == model);
    let known: Vec<_> = dated.filter_map(|price| Some((first_day(&price.date)?, price))).collect();
    let newest = known.iter().map(|(day, _)| *day).filter(|day| *day <= today).max()?;
    let (_, best) = known.iter().find(|(day, _)| *day == newest)?;
    let input = |amount: f64| Input {
        value: Uncertain::Known(amount),
        basis: Basis::Catalogued,
        source: format!("{}: {}", best.model, best.source.title),
        date: Some(best.date.clone()),
        stale: is_stale(&best.date, today),
    };
    Some((input(best.input_usd_per_m), input(best.output_usd_per_m)))
}

/// What is known of a machine's power; an unknown state is absent.
#[must_use]
pub fn power(machine: &Machine) -> BTreeMap<Quantity, Input> {
    let mut found = BTreeMap::new();
    let mut add = |quantity, known: Option<&Sourced<Watts>>| {
        if let Some(known) = known {
            found.insert(quantity, watts(known));
        }
    };
    add(Quantity::IdlePower, machine.idle.as_ref());
    add(Quantity::DecodePower, machine.load.as_ref());
    add(Quantity::PrefillPower, machine.prefill_power.as_ref());
    if let (None, Some(rated)) = (&machine.load, &machine.tdp) {
        let (low, high) = OF_RATED;
        let value = Uncertain::between(low * rated.value.get(), high * rated.value.get());
        let why = format!("{low} to {high} of the rated {} W", rated.value.get());
        found.insert(Quantity::DecodePower, Input::assumed(value, &why));
    }
    found
}

/// Power facts do not age as prices do: the hardware stays the same.
fn watts(known: &Sourced<Watts>) -> Input {
    Input {
        value: Uncertain::Known(known.value.get()),
        basis: Basis::Catalogued,
        source: known.source.title.clone(),
        date: Some(known.source.date.clone()),
        stale: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today(text: &str) -> Date {
        text.parse().expect("a date")
    }

    fn of(machine: &str, condition: Condition, day: &str) -> Option<Input> {
        price(Catalog::builtin(), machine, "USD", condition, today(day))
    }

    #[test]
    fn the_newest_offers_make_the_price_and_claims_never_do() {
        let spark = of("nvidia-dgx-spark", Condition::Newest, "2026-11-24").expect("an offer");
        assert_eq!((spark.value, spark.date.as_deref()), (Uncertain::Known(4699.0), Some("2026-09-03")));
        let halo = of("amd-strix-halo-128gb", Condition::New, "2026-11-24").expect("offers");
        assert_eq!(halo.value, Uncertain::between(3449.0, 5543.92));
        assert_eq!(of("apple-m5-max-40c-128gb", Condition::Used, "2026-11-24"), None);
        assert_eq!(of("apple-m5-max-32c", Condition::Newest, "2026-11-24"), None);
    }

    #[test]
    fn a_price_of_tomorrow_is_not_known_today() {
        let spark = of("nvidia-dgx-spark", Condition::Newest, "2025-11-01").expect("the launch price");
        assert_eq!(spark.value, Uncertain::Known(3999.0));
    }

    #[test]
    fn six_months_make_a_source_stale_and_a_bare_year_counts_from_its_start() {
        for (date, day, stale) in [
            ("2026-09-03", "2026-11-24", false),
            ("2026-09-03", "2027-03-05", false),
            ("2026-09-03", "2027-03-06", true),
            ("2026", "2026-11-24", true),
            ("2026-06", "2026-11-24", false),
            ("soon", "2026-11-24", true),
        ] {
            assert_eq!(is_stale(date, today(day)), stale, "{date} on {day}");
        }
    }

    #[test]
    fn a_tariff_has_its_region_and_currency() {
        let found = tariff(Catalog::builtin(), "germany", "EUR", today("2026-11-24")).expect("a tariff");
        assert_eq!(found.value, Uncertain::Known(0.3835));
        assert!(found.stale);
        assert_eq!(tariff(Catalog::builtin(), "germany", "USD", today("2026-11-24")), None);
    }
}
