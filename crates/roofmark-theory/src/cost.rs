//! Total cost of owning a machine: price, resale, electricity, tokens; with intervals and what matters most.
//!
//! The arithmetic of one draw is [`outcome`]. [`simulate`] repeats it over seeded draws of the uncertain inputs,
//! [`tornado`] moves one input at a time. Money is in the currency of the question.

pub mod article;
pub mod facts;
mod outcome;
mod simulate;
mod uncertain;

pub use outcome::{Metric, Outcome, outcome};
pub use simulate::{Bar, Comparison, DRAWS, Summary, compare, simulate, tornado};
pub use uncertain::{Uncertain, below};

use serde::Serialize;
use std::collections::BTreeMap;

/// What goes into a cost. The order is that of the screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Price of the machine.
    Price,
    /// Price of what it needs besides (the host of a card).
    Extra,
    /// Years of ownership.
    Years,
    /// Share of the value that is lost each year.
    Depreciation,
    /// Amount that it is sold for at the end; takes the place of depreciation.
    Resale,
    /// Money per kilowatt-hour.
    Tariff,
    /// Watts while nothing is computed.
    IdlePower,
    /// Watts while a prompt is read.
    PrefillPower,
    /// Watts while tokens are generated.
    DecodePower,
    /// Hours a day that it is switched on.
    Hours,
    /// Share of those hours in which it works.
    Utilisation,
    /// Prompt tokens per second.
    PrefillRate,
    /// Generated tokens per second of one stream.
    DecodeRate,
    /// Generated tokens per second of all streams together.
    BatchRate,
    /// Money for a million prompt tokens elsewhere.
    ApiInput,
    /// Money for a million generated tokens elsewhere.
    ApiOutput,
}

impl Quantity {
    /// All quantities in order.
    pub const ALL: [Self; 16] = [
        Self::Price,
        Self::Extra,
        Self::Years,
        Self::Depreciation,
        Self::Resale,
        Self::Tariff,
        Self::IdlePower,
        Self::PrefillPower,
        Self::DecodePower,
        Self::Hours,
        Self::Utilisation,
        Self::PrefillRate,
        Self::DecodeRate,
        Self::BatchRate,
        Self::ApiInput,
        Self::ApiOutput,
    ];

    /// Name on a screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Extra => "host and extras",
            Self::Years => "years owned",
            Self::Depreciation => "value lost a year",
            Self::Resale => "resale",
            Self::Tariff => "electricity",
            Self::IdlePower => "power idle",
            Self::PrefillPower => "power in prefill",
            Self::DecodePower => "power in decode",
            Self::Hours => "hours on a day",
            Self::Utilisation => "share working",
            Self::PrefillRate => "prefill",
            Self::DecodeRate => "decode, one stream",
            Self::BatchRate => "decode, all streams",
            Self::ApiInput => "API input",
            Self::ApiOutput => "API output",
        }
    }

    /// Values beyond these ends are refused as absurd.
    #[must_use]
    pub fn sane(self) -> (f64, f64) {
        match self {
            Self::Price | Self::Extra | Self::Resale => (0.0, 10_000_000.0),
            Self::Years => (0.05, 20.0),
            Self::Depreciation => (0.0, 1.0),
            Self::Tariff => (0.0, 5.0),
            Self::IdlePower | Self::PrefillPower | Self::DecodePower => (0.0, 100_000.0),
            Self::Hours => (0.0, 24.0),
            Self::Utilisation => (0.0, 1.0),
            Self::PrefillRate | Self::DecodeRate | Self::BatchRate => (1e-3, 1e8),
            Self::ApiInput | Self::ApiOutput => (0.0, 1_000.0),
        }
    }

    /// The same for two machines that are compared: one tariff, one owner.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(
            self,
            Self::Years
                | Self::Depreciation
                | Self::Tariff
                | Self::Hours
                | Self::Utilisation
                | Self::ApiInput
                | Self::ApiOutput
        )
    }
}

/// How an input is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The asker said so.
    Given,
    /// The catalog has it with a source and a date.
    Catalogued,
    /// The predictor computed it.
    Predicted,
    /// Assumed, for want of a fact; to be changed by the asker.
    Assumed,
}

/// A quantity with its provenance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// The value.
    pub value: Uncertain,
    /// How it is known.
    pub basis: Basis,
    /// Source, rule or condition in words.
    pub source: String,
    /// Date of the source.
    pub date: Option<String>,
    /// The source is older than [`facts::STALE_DAYS`] days.
    pub stale: bool,
}

impl Input {
    /// What the asker gave.
    #[must_use]
    pub fn given(value: Uncertain) -> Self {
        Self { value, basis: Basis::Given, source: "given".into(), date: None, stale: false }
    }

    /// What is assumed, and why.
    #[must_use]
    pub fn assumed(value: Uncertain, why: &str) -> Self {
        Self { value, basis: Basis::Assumed, source: why.into(), date: None, stale: false }
    }

    /// What the predictor computed, on what ground.
    #[must_use]
    pub fn predicted(value: Uncertain, ground: &str) -> Self {
        Self { value, basis: Basis::Predicted, source: ground.into(), date: None, stale: false }
    }
}

/// Tokens of one request and how many run together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Requests {
    /// Prompt tokens that are computed (not cached).
    pub prompt: f64,
    /// Generated tokens.
    pub output: f64,
    /// Requests in flight.
    pub streams: f64,
}

/// A question about one machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// Its name.
    pub machine: String,
    /// ISO code of all money.
    pub currency: String,
    /// What it works on.
    pub requests: Requests,
    /// What is known; a quantity that is absent is unknown.
    pub inputs: BTreeMap<Quantity, Input>,
}

/// Why a question has no answer. Completes "failed to …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CostError {
    /// A value that cannot be.
    #[error("work out a cost: {name} is {value}, expected {low} to {high}", name = quantity.name(), low = quantity.sane().0, high = quantity.sane().1)]
    Absurd {
        /// Which quantity.
        quantity: Quantity,
        /// Its value.
        value: f64,
    },
    /// A range that runs backwards.
    #[error("work out a cost: {name} runs from {low} down to {high}", name = quantity.name())]
    Backwards {
        /// Which quantity.
        quantity: Quantity,
        /// Its first end.
        low: f64,
        /// Its second end.
        high: f64,
    },
}

/// Refuses values that cannot be.
///
/// # Errors
/// [`CostError`] names the quantity and the value.
pub fn check(question: &Question) -> Result<(), CostError> {
    for (quantity, input) in &question.inputs {
        let (quantity, (low, high)) = (*quantity, input.value.ends());
        if low > high {
            return Err(CostError::Backwards { quantity, low, high });
        }
        let (least, most) = quantity.sane();
        for value in [low, high] {
            if !(least..=most).contains(&value) {
                return Err(CostError::Absurd { quantity, value });
            }
        }
    }
    Ok(())
}
