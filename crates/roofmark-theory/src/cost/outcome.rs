//! The arithmetic of one draw: from quantities to money, tokens and break-evens.

use super::{Metric, Quantity, Requests};

/// Days of a mean month.
const MONTH_DAYS: f64 = 365.25 / 12.0;
const MONTHS: f64 = 12.0;
const HOUR: f64 = 3600.0;
const JOULES_PER_KWH: f64 = 3.6e6;

/// What one draw comes to; `None` where an input is unknown.
pub type Outcome = [Option<f64>; Metric::ALL.len()];

/// Values of one draw.
pub(super) struct Draw<'a> {
    pub(super) value: &'a dyn Fn(Quantity) -> Option<f64>,
    pub(super) requests: Requests,
}

/// Works out every metric from the `value`s of the quantities.
#[must_use]
pub fn outcome(value: &dyn Fn(Quantity) -> Option<f64>, requests: Requests) -> Outcome {
    let draw = Draw { value, requests };
    Metric::ALL.map(|metric| draw.metric(metric))
}

impl Draw<'_> {
    fn get(&self, quantity: Quantity) -> Option<f64> {
        (self.value)(quantity)
    }

    fn metric(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Total => self.total(),
            Metric::Monthly => Some(self.total()? / self.months()?),
            Metric::ValueLost => self.value_lost(),
            Metric::Electricity => Some(self.electricity_monthly()? * self.months()?),
            Metric::InputPerMillion => self.per_million(self.get(Quantity::PrefillRate)?),
            Metric::OutputPerMillion => self.per_million(self.get(Quantity::DecodeRate)?),
            Metric::BatchOutputPerMillion => {
                (self.requests.streams > 1.0).then_some(())?;
                self.per_million(self.get(Quantity::BatchRate)?)
            }
            Metric::ElectricityPerMillion => {
                let joules = 1e6 / self.rate()? * self.get(Quantity::DecodePower)?;
                Some(joules / JOULES_PER_KWH * self.get(Quantity::Tariff)?)
            }
            Metric::OutputMonthly => Some(self.output_monthly()? / 1e6),
            Metric::ApiTotal => {
                Some(self.api_request()? * self.output_monthly()? / self.requests.output * self.months()?)
            }
            Metric::BreakEvenHours => self.break_even_hours(),
        }
    }

    fn months(&self) -> Option<f64> {
        Some(self.get(Quantity::Years)? * MONTHS)
    }

    /// Price and extras.
    pub(super) fn outlay(&self) -> Option<f64> {
        Some(self.get(Quantity::Price)? + self.get(Quantity::Extra).unwrap_or(0.0))
    }

    fn value_lost(&self) -> Option<f64> {
        let outlay = self.outlay()?;
        let years = self.get(Quantity::Years)?;
        let left = match self.get(Quantity::Resale) {
            Some(resale) => resale,
            None => outlay * (1.0 - self.get(Quantity::Depreciation)?).powf(years),
        };
        Some(outlay - left)
    }

    /// Electricity that is unknown counts nothing; the screen says so.
    fn total(&self) -> Option<f64> {
        Some(self.value_lost()? + self.electricity_monthly().unwrap_or(0.0) * self.months()?)
    }

    fn busy_hours(&self) -> Option<f64> {
        Some(self.get(Quantity::Hours)? * self.get(Quantity::Utilisation)?)
    }

    /// Rate of all requests together.
    fn rate(&self) -> Option<f64> {
        if self.requests.streams > 1.0 { self.get(Quantity::BatchRate) } else { self.get(Quantity::DecodeRate) }
    }

    /// Seconds that one request takes of the machine: reading its prompt, writing its answer.
    fn seconds(&self) -> Option<(f64, f64)> {
        let write = self.requests.output / self.rate()?;
        let read = match self.get(Quantity::PrefillRate) {
            Some(rate) => self.requests.prompt / rate,
            None => 0.0,
        };
        Some((read, write))
    }

    /// Mean watts at work.
    fn busy_power(&self) -> Option<f64> {
        let decode = self.get(Quantity::DecodePower)?;
        let prefill = self.get(Quantity::PrefillPower).unwrap_or(decode);
        let Some((read, write)) = self.seconds() else { return Some(decode) };
        Some((read * prefill + write * decode) / (read + write))
    }

    fn idle_monthly(&self) -> Option<f64> {
        let hours = (self.get(Quantity::Hours)? - self.busy_hours()?) * MONTH_DAYS;
        let watts = self.get(Quantity::IdlePower).unwrap_or(0.0);
        Some(hours * watts / 1000.0 * self.get(Quantity::Tariff)?)
    }

    pub(super) fn electricity_monthly(&self) -> Option<f64> {
        let busy = self.busy_hours()? * MONTH_DAYS * self.busy_power()? / 1000.0 * self.get(Quantity::Tariff)?;
        Some(busy + self.idle_monthly()?)
    }

    /// The cost of the seconds that a million tokens take at `rate`.
    fn per_million(&self, rate: f64) -> Option<f64> {
        let busy = self.busy_hours()? * HOUR * MONTH_DAYS * self.months()?;
        (busy > 0.0).then_some(())?;
        Some(self.total()? / busy * 1e6 / rate)
    }

    pub(super) fn output_monthly(&self) -> Option<f64> {
        let (read, write) = self.seconds()?;
        Some(self.busy_hours()? * HOUR * MONTH_DAYS / (read + write) * self.requests.output)
    }

    fn api_request(&self) -> Option<f64> {
        let Requests { prompt, output, .. } = self.requests;
        Some((prompt * self.get(Quantity::ApiInput)? + output * self.get(Quantity::ApiOutput)?) / 1e6)
    }

    /// Fixed cost a day over what an hour of work saves. Idle power is counted at the question's hours.
    fn break_even_hours(&self) -> Option<f64> {
        let api = self.api_request()?;
        let (read, write) = self.seconds()?;
        let power = self.busy_power().unwrap_or(0.0);
        let hourly_energy = power / 1000.0 * self.get(Quantity::Tariff)?;
        let saved = api * HOUR / (read + write) - hourly_energy;
        let fixed = self.value_lost()? / self.months()? + self.idle_monthly()?;
        let hours = fixed / MONTH_DAYS / saved;
        Some(if saved > 0.0 && hours <= 24.0 { hours } else { f64::INFINITY })
    }

    /// Electricity a month of doing `tokens` a month; `None` where the day is too short or a rate is unknown.
    pub(super) fn electricity_for(&self, tokens: f64) -> Option<f64> {
        let (read, write) = self.seconds()?;
        let hours = tokens / self.requests.output * (read + write) / HOUR / MONTH_DAYS;
        (hours <= 24.0).then_some(())?;
        let idle_hours = (self.get(Quantity::Hours)? - hours).max(0.0);
        let tariff = self.get(Quantity::Tariff)?;
        let idle = idle_hours * self.get(Quantity::IdlePower).unwrap_or(0.0);
        Some((hours * self.busy_power().unwrap_or(0.0) + idle) * MONTH_DAYS / 1000.0 * tariff)
    }

    pub(super) fn lost(&self) -> Option<f64> {
        self.value_lost()
    }

    pub(super) fn span_months(&self) -> Option<f64> {
        self.months()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn worked(values: &[(Quantity, f64)], requests: Requests) -> HashMap<Metric, f64> {
        let known: HashMap<Quantity, f64> = values.iter().copied().collect();
        let found = outcome(&|quantity| known.get(&quantity).copied(), requests);
        Metric::ALL.into_iter().zip(found).filter_map(|(metric, value)| Some((metric, value?))).collect()
    }

    const ONE: Requests = Requests { prompt: 0.0, output: 1000.0, streams: 1.0 };

    #[test]
    fn electricity_of_a_million_tokens() {
        use Quantity::{DecodePower, DecodeRate, Tariff};
        let found = worked(&[(Tariff, 0.18), (DecodePower, 100.0), (DecodeRate, 45.0)], ONE);
        // 22,222 s at 100 W are 0.617 kWh.
        assert!((found[&Metric::ElectricityPerMillion] - 0.1111).abs() < 1e-4);
        assert!(!found.contains_key(&Metric::Total));
    }

    #[test]
    fn a_machine_by_hand() {
        use Quantity as Q;
        let values = [
            (Q::Price, 3899.0),
            (Q::Resale, 2600.0),
            (Q::Years, 2.0),
            (Q::Tariff, 0.18),
            (Q::DecodePower, 100.0),
            (Q::IdlePower, 10.0),
            (Q::Hours, 10.0),
            (Q::Utilisation, 0.5),
            (Q::DecodeRate, 10.0),
            (Q::ApiInput, 0.0),
            (Q::ApiOutput, 100.0),
        ];
        let found = worked(&values, ONE);
        let energy = 2.0 * 365.25 * (5.0 * 0.1 + 5.0 * 0.01) * 0.18;
        assert!((found[&Metric::Electricity] - energy).abs() < 1e-9);
        assert!((found[&Metric::Total] - (1299.0 + energy)).abs() < 1e-9);
        let tokens = 2.0 * 365.25 * 5.0 * 3600.0 * 10.0 / 1e6;
        assert!((found[&Metric::OutputPerMillion] - (1299.0 + energy) / tokens).abs() < 1e-9);
        assert!((found[&Metric::ApiTotal] - tokens * 100.0).abs() < 1e-6);
        // An hour of work saves 3.6 - 0.018; the day costs 1299 / 730.5 and 0.009 of idling.
        let hours = (1299.0 / 730.5 + 0.009) / (3.6 - 0.018);
        assert!((found[&Metric::BreakEvenHours] - hours).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn dearer_inputs_never_cost_less(price in 100.0..9000.0_f64, more in 0.0..1000.0_f64, tariff in 0.05..0.5_f64, watts in 10.0..600.0_f64) {
            use Quantity as Q;
            let total = |price: f64, tariff: f64| {
                worked(&[(Q::Price, price), (Q::Depreciation, 0.3), (Q::Years, 3.0), (Q::Tariff, tariff), (Q::DecodePower, watts), (Q::Hours, 8.0), (Q::Utilisation, 0.3)], ONE)[&Metric::Total]
            };
            prop_assert!(total(price + more, tariff) >= total(price, tariff));
            prop_assert!(total(price, tariff * 2.0) > total(price, tariff));
        }
    }
}
