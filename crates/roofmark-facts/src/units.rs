//! Units as types: a quantity crosses a crate boundary only in one of these.
//!
//! Each type wraps the SI base value its name says. Arithmetic that changes the unit is written out
//! as an operator (`Bytes / Seconds = BytesPerSecond`), so a formula that mixes units does not compile.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Div, Mul, Sub};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $symbol:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl $name {
            /// The bare value, for use inside one formula.
            #[must_use]
            pub fn get(self) -> f64 {
                self.0
            }

            /// The smaller of the two; NaN loses.
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }

            /// The larger of the two; NaN loses.
            #[must_use]
            pub fn max(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }

        impl Div<f64> for $name {
            type Output = Self;
            fn div(self, divisor: f64) -> Self {
                Self(self.0 / divisor)
            }
        }

        /// The ratio of two like quantities has no unit.
        impl Div for $name {
            type Output = f64;
            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }

        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                Self(values.map(|value| value.0).sum())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{} {}", significant(self.0, 3), $symbol)
            }
        }
    };
}

unit!(
    /// Bytes. Exact up to 2^53; tensor tables count in `u64` and convert at the end.
    Bytes,
    "B"
);
unit!(
    /// Bytes per second.
    BytesPerSecond,
    "B/s"
);
unit!(
    /// Floating-point operations (a multiply-add counts as two).
    Flop,
    "FLOP"
);
unit!(
    /// Floating-point operations per second.
    FlopPerSecond,
    "FLOP/s"
);
unit!(
    /// Tokens per second.
    TokensPerSecond,
    "tok/s"
);
unit!(
    /// Requests per second.
    RequestsPerSecond,
    "req/s"
);
unit!(
    /// Seconds.
    Seconds,
    "s"
);
unit!(
    /// Hertz.
    Hertz,
    "Hz"
);
unit!(
    /// Degrees Celsius.
    Celsius,
    "°C"
);
unit!(
    /// Watts.
    Watts,
    "W"
);
unit!(
    /// Joules.
    Joules,
    "J"
);

impl Bytes {
    /// Decimal gigabytes (10^9 bytes), the unit of file sizes and bandwidths.
    #[must_use]
    pub fn gb(self) -> f64 {
        self.0 / 1e9
    }

    /// From decimal gigabytes.
    #[must_use]
    pub fn from_gb(gb: f64) -> Self {
        Self(gb * 1e9)
    }

    /// From binary gibibytes, the unit of memory sizes.
    #[must_use]
    pub fn from_gib(gib: f64) -> Self {
        Self(gib * 1_073_741_824.0)
    }

    /// Binary gibibytes.
    #[must_use]
    pub fn gib(self) -> f64 {
        self.0 / 1_073_741_824.0
    }
}

impl BytesPerSecond {
    /// From decimal gigabytes per second.
    #[must_use]
    pub fn from_gb(gb_per_s: f64) -> Self {
        Self(gb_per_s * 1e9)
    }

    /// Decimal gigabytes per second.
    #[must_use]
    pub fn gb(self) -> f64 {
        self.0 / 1e9
    }
}

impl FlopPerSecond {
    /// From 10^12 operations per second.
    #[must_use]
    pub fn from_tera(tera: f64) -> Self {
        Self(tera * 1e12)
    }

    /// In 10^12 operations per second.
    #[must_use]
    pub fn tera(self) -> f64 {
        self.0 / 1e12
    }
}

impl Div<BytesPerSecond> for Bytes {
    type Output = Seconds;
    fn div(self, rate: BytesPerSecond) -> Seconds {
        Seconds(self.0 / rate.0)
    }
}

impl Div<Seconds> for Bytes {
    type Output = BytesPerSecond;
    fn div(self, time: Seconds) -> BytesPerSecond {
        BytesPerSecond(self.0 / time.0)
    }
}

impl Div<FlopPerSecond> for Flop {
    type Output = Seconds;
    fn div(self, rate: FlopPerSecond) -> Seconds {
        Seconds(self.0 / rate.0)
    }
}

impl Mul<Bytes> for TokensPerSecond {
    type Output = BytesPerSecond;
    /// Memory traffic of a token rate when each token reads `bytes`.
    fn mul(self, bytes: Bytes) -> BytesPerSecond {
        BytesPerSecond(self.0 * bytes.0)
    }
}

impl TokensPerSecond {
    /// The rate at which `tokens` take `time`.
    #[must_use]
    pub fn of(tokens: f64, time: Seconds) -> Self {
        Self(tokens / time.0)
    }

    /// The time that `tokens` take at this rate.
    #[must_use]
    pub fn time_for(self, tokens: f64) -> Seconds {
        Seconds(tokens / self.0)
    }
}

impl Div<Seconds> for Joules {
    type Output = Watts;
    fn div(self, time: Seconds) -> Watts {
        Watts(self.0 / time.0)
    }
}

impl Mul<Seconds> for Watts {
    type Output = Joules;
    fn mul(self, time: Seconds) -> Joules {
        Joules(self.0 * time.0)
    }
}

/// Formats with `digits` significant digits, without an exponent between 10^-4 and 10^15.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor() as i64;
    if !(-4..15).contains(&magnitude) {
        return format!("{value:.*e}", digits.saturating_sub(1));
    }
    let decimals = (digits as i64 - 1 - magnitude).max(0) as usize;
    format!("{value:.decimals$}")
}

/// Significant digits without zeros that end a fraction.
#[must_use]
pub fn plain(value: f64, digits: usize) -> String {
    let text = significant(value, digits);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A whole number with commas between its thousands; `whole` shows as digits, with a sign or without.
#[must_use]
pub fn grouped(whole: impl fmt::Display) -> String {
    let text = whole.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_divide_into_the_unit_that_physics_says() {
        let bytes = Bytes::from_gb(41.92);
        let time: Seconds = bytes / BytesPerSecond::from_gb(614.0);
        assert_eq!(significant(1.0 / time.get(), 3), "14.6");
        assert_eq!((TokensPerSecond(30.0) * bytes).gb().round(), 1258.0);
    }

    #[test]
    fn significant_digits_never_show_an_exponent_in_the_usual_range() {
        for (value, text) in
            [(14.647, "14.6"), (1258.2, "1258"), (0.01234, "0.0123"), (0.0, "0"), (3.0, "3.00")]
        {
            assert_eq!(significant(value, 3), text);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (value, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (98_362_432, "98,362,432"), (-123_456, "-123,456")]
        {
            assert_eq!(grouped(value), text);
        }
    }
}
