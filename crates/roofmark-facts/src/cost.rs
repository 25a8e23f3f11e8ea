//! Records of what a machine costs to own: inputs with their provenance, results with their spread.
//!
//! Money is in the currency that the [`Question`] names.

use crate::prediction::Prediction;
use serde::Serialize;
use std::collections::BTreeMap;

/// A quantity and how sure it is. Its unit is that of the [`Quantity`] it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// Known exactly, or taken as given.
    Known(f64),
    /// Anywhere between two ends, all equally likely.
    Between {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Log-normal on either side of a median, with an interval that holds nine of ten.
    Estimated {
        /// 5 % quantile.
        low: f64,
        /// Median.
        middle: f64,
        /// 95 % quantile.
        high: f64,
    },
}

impl Uncertain {
    /// The range from `low` to `high`; a point where they are equal.
    #[must_use]
    pub fn between(low: f64, high: f64) -> Self {
        if low == high { Self::Known(low) } else { Self::Between { low, high } }
    }

    /// A predicted rate: its 90 % interval, cut at the ceiling.
    #[must_use]
    pub fn rate(prediction: &Prediction) -> Self {
        let ceiling = prediction.ceiling.map_or(f64::INFINITY, |ceiling| ceiling.get());
        let middle = prediction.rate.get();
        let high = prediction.interval90.high.get().min(ceiling).max(middle);
        Self::Estimated { low: prediction.interval90.low.get().min(middle), middle, high }
    }

    /// The median.
    #[must_use]
    pub fn middle(&self) -> f64 {
        match *self {
            Self::Known(value) => value,
            Self::Between { low, high } => f64::midpoint(low, high),
            Self::Estimated { middle, .. } => middle,
        }
    }

    /// The ends that nine of ten values lie between; all values of a range.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        match *self {
            Self::Known(value) => (value, value),
            Self::Between { low, high } | Self::Estimated { low, high, .. } => (low, high),
        }
    }

    /// Whether there is any doubt.
    #[must_use]
    pub fn varies(&self) -> bool {
        let (low, high) = self.ends();
        low < high
    }

    /// The same quantity in another unit.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        match *self {
            Self::Known(value) => Self::Known(value * factor),
            Self::Between { low, high } => Self::Between { low: low * factor, high: high * factor },
            Self::Estimated { low, middle, high } => {
                Self::Estimated { low: low * factor, middle: middle * factor, high: high * factor }
            }
        }
    }
}

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
    /// The source is older than six months.
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

/// A result. Money in the currency of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Money that is gone at the end: price, less resale, and electricity.
    Total,
    /// [`Metric::Total`] by months.
    Monthly,
    /// Price less resale.
    ValueLost,
    /// Electricity over the span.
    Electricity,
    /// A million prompt tokens: the cost of the seconds that read them.
    InputPerMillion,
    /// A million generated tokens at one stream: the cost of the seconds that write them.
    OutputPerMillion,
    /// A million generated tokens with all streams at work.
    BatchOutputPerMillion,
    /// Electricity alone for a million generated tokens.
    ElectricityPerMillion,
    /// Millions of generated tokens a month.
    OutputMonthly,
    /// What the same tokens cost elsewhere over the span.
    ApiTotal,
    /// Hours of work a day from which the machine is cheaper than the API; infinite where it never is.
    BreakEvenHours,
}

impl Metric {
    /// All results in the order of the screens.
    pub const ALL: [Self; 11] = [
        Self::Total,
        Self::Monthly,
        Self::ValueLost,
        Self::Electricity,
        Self::InputPerMillion,
        Self::OutputPerMillion,
        Self::BatchOutputPerMillion,
        Self::ElectricityPerMillion,
        Self::OutputMonthly,
        Self::ApiTotal,
        Self::BreakEvenHours,
    ];

    /// Name on a screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Monthly => "a month",
            Self::ValueLost => "price less resale",
            Self::Electricity => "electricity",
            Self::InputPerMillion => "1 M input tokens",
            Self::OutputPerMillion => "1 M output, one stream",
            Self::BatchOutputPerMillion => "1 M output, all streams",
            Self::ElectricityPerMillion => "of which electricity",
            Self::OutputMonthly => "M output tokens a month",
            Self::ApiTotal => "same tokens by API",
            Self::BreakEvenHours => "break-even hours a day",
        }
    }
}

/// A result over all draws. Infinite ends mean "never".
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Which result.
    pub metric: Metric,
    /// 5 % quantile.
    pub low: f64,
    /// Median.
    pub middle: f64,
    /// 95 % quantile.
    pub high: f64,
}

impl Summary {
    /// The result as an input of another computation.
    #[must_use]
    pub fn uncertain(&self) -> Uncertain {
        Uncertain::Estimated { low: self.low, middle: self.middle, high: self.high }
    }
}

/// One input moved from its low to its high end, all others at their middle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Which input.
    pub quantity: Quantity,
    /// The metric with the input at its 5 % quantile.
    pub at_low: f64,
    /// The metric with the input at its 95 % quantile.
    pub at_high: f64,
}

impl Bar {
    /// How far the metric moves.
    #[must_use]
    pub fn swing(&self) -> f64 {
        (self.at_high - self.at_low).abs()
    }
}

/// Two machines that do the same work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The other machine.
    pub other: String,
    /// Share of the draws in which the first one is cheaper over the span.
    pub first_cheaper: f64,
    /// Total of the first less total of the other: 5 %, 50 % and 95 % quantile.
    pub difference: (f64, f64, f64),
    /// Median of the months from which the dearer one to buy is the cheaper one to have had, resale left aside;
    /// `None` where that never comes.
    pub break_even_months: Option<f64>,
    /// Share of the draws in which the other cannot do the work of the first in 24 hours a day.
    pub too_slow: f64,
}

/// What comes of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureOutcome {
    /// The article's inputs give its figure.
    Follows,
    /// The article's inputs give another figure.
    Contradicts,
    /// An input is missing.
    NotDerivable,
}

/// One figure of the article.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What the article says.
    pub says: String,
    /// Whether it follows.
    pub outcome: FigureOutcome,
    /// The arithmetic, or what is missing and what the figure would need.
    pub arithmetic: String,
}
