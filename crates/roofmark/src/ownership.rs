//! Arguments about money that `cost` and `advise` share, and the inputs that they and the catalog give.

use crate::catalog::catalog;
use crate::pick;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use roofmark_facts::cost::{Input, Quantity, Uncertain};
use roofmark_facts::machine::Machine;
use roofmark_theory::cost::facts::{self, Condition};
use std::collections::BTreeMap;

/// Which offers count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Offers {
    /// The condition of the newest offer.
    #[default]
    Newest,
    /// New machines.
    New,
    /// Used machines.
    Used,
}

/// Money and time of ownership. A range `A..B` stands for anything in between.
#[derive(Clone, Debug, Args)]
pub struct Ownership {
    /// Price of a machine, in place of the catalog's; may be given several times.
    #[arg(long, value_name = "MACHINE=AMOUNT", help_heading = "Ownership")]
    pub price: Vec<String>,
    /// Price of what the machine needs besides, such as the host of a card.
    #[arg(long, value_name = "AMOUNT", help_heading = "Ownership")]
    pub extra: Option<String>,
    /// Offers that make the catalog's price.
    #[arg(long, value_enum, default_value_t, help_heading = "Ownership")]
    pub offers: Offers,
    /// Currency of all money; prices in another one are left out.
    #[arg(long, default_value = "USD", help_heading = "Ownership")]
    pub currency: String,
    /// Years of ownership.
    #[arg(long, default_value = "3", help_heading = "Ownership")]
    pub years: String,
    /// Percent of its value that the machine loses a year.
    #[arg(long, value_name = "PERCENT", help_heading = "Ownership")]
    pub depreciation: Option<String>,
    /// Electricity: an amount per kWh, or a region of the catalog.
    #[arg(long, default_value = "United States", help_heading = "Ownership")]
    pub tariff: String,
    /// Hours a day that the machine is on.
    #[arg(long, help_heading = "Ownership")]
    pub hours: Option<String>,
    /// Percent of those hours in which it works.
    #[arg(long, value_name = "PERCENT", help_heading = "Ownership")]
    pub utilisation: Option<String>,
    /// The day on which sources are judged new or stale; the system's date where it is left out.
    #[arg(long, value_name = "YYYY-MM-DD", help_heading = "Ownership")]
    pub today: Option<String>,
    /// Seed of the random draws.
    #[arg(long, default_value_t = 1, help_heading = "Ownership")]
    pub seed: u64,
}

/// A number, or a range `A..B`, times `factor`.
pub fn range(field: &str, text: &str, factor: f64) -> Result<Uncertain> {
    let number = |part: &str| {
        let value: f64 = part.trim().parse().ok().with_context(|| {
            format!("{field} is `{}`, expected a number or a range A..B", pick::shown(text))
        })?;
        ensure!(value.is_finite() && value >= 0.0, "{field} is {value}, expected a number of at least 0");
        Ok(value * factor)
    };
    let Some((low, high)) = text.split_once("..") else { return Ok(Uncertain::Known(number(text)?)) };
    let (low, high) = (number(low)?, number(high)?);
    ensure!(low <= high, "{field} runs from {low} down to {high}");
    Ok(Uncertain::between(low, high))
}

impl Ownership {
    /// Prices that the asker gave, by machine.
    pub fn prices(&self) -> Result<BTreeMap<String, Input>> {
        let mut found = BTreeMap::new();
        for text in &self.price {
            let Some((name, amount)) = text.split_once('=') else {
                bail!("--price is `{}`, expected MACHINE=AMOUNT", pick::shown(text))
            };
            let machine = pick::machine(name)?;
            let value = range("--price", amount, 1.0)?;
            ensure!(value.ends().0 > 0.0, "--price of {} is 0, expected more", machine.slug);
            found.insert(machine.slug.clone(), Input::given(value));
        }
        Ok(found)
    }

    /// Inputs that do not depend on the machine.
    pub fn common(&self, day: Date, hours: f64, utilisation: f64) -> Result<BTreeMap<Quantity, Input>> {
        let mut inputs = BTreeMap::new();
        let mut add = |quantity, input| inputs.insert(quantity, input);
        let years = range("--years", &self.years, 1.0)?;
        add(Quantity::Years, Input::assumed(years, "change with --years"));
        let lost = match &self.depreciation {
            Some(text) => Input::given(range("--depreciation", text, 0.01)?),
            None => Input::assumed(facts::DEPRECIATION, "no fact; change with --depreciation or --resale"),
        };
        add(Quantity::Depreciation, lost);
        if let Some(tariff) = self.tariff(day)? {
            add(Quantity::Tariff, tariff);
        }
        if let Some(text) = &self.extra {
            add(Quantity::Extra, Input::given(range("--extra", text, 1.0)?));
        }
        let preset = "of the workload; change with --";
        let asked = |text: &Option<String>, field: &str, factor, other| match text {
            Some(text) => Ok(Input::given(range(field, text, factor)?)),
            None => anyhow::Ok(Input::assumed(Uncertain::Known(other), &format!("{preset}{}", &field[2..]))),
        };
        add(Quantity::Hours, asked(&self.hours, "--hours", 1.0, hours)?);
        add(Quantity::Utilisation, asked(&self.utilisation, "--utilisation", 0.01, utilisation)?);
        Ok(inputs)
    }

    /// The tariff; `None` where the catalog's is in another currency and nothing was asked for.
    fn tariff(&self, day: Date) -> Result<Option<Input>> {
        if self.tariff.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-') {
            return Ok(Some(Input::given(range("--tariff", &self.tariff, 1.0)?)));
        }
        let catalog = catalog()?;
        if let Some(found) = facts::tariff(catalog, &self.tariff, &self.currency, day) {
            return Ok(Some(found));
        }
        let regions: Vec<&str> = catalog
            .tariffs
            .iter()
            .filter(|tariff| tariff.currency == self.currency && !tariff.claim)
            .map(|tariff| tariff.region.as_str())
            .collect();
        if self.tariff == "United States" && !regions.is_empty() {
            return Ok(None);
        }
        bail!(
            "--tariff is `{}`: no tariff in {} is known for it; give an amount per kWh or one of: {}",
            pick::shown(&self.tariff),
            pick::shown(&self.currency),
            regions.join("; ")
        )
    }

    /// The price of `machine`: the asker's, or the catalog's.
    pub fn price_of(
        &self,
        machine: &Machine,
        given: &BTreeMap<String, Input>,
        day: Date,
    ) -> Result<Option<Input>> {
        if let Some(price) = given.get(&machine.slug) {
            return Ok(Some(price.clone()));
        }
        let condition = match self.offers {
            Offers::Newest => Condition::Newest,
            Offers::New => Condition::New,
            Offers::Used => Condition::Used,
        };
        Ok(facts::price(catalog()?, &machine.slug, &self.currency, condition, day))
    }
}
