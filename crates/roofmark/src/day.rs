//! The day that a command speaks of.

use crate::pick;
use anyhow::{Context, Result};
use jiff::civil::Date;

/// The day that `text` names, or the system's.
pub fn today(text: Option<&str>) -> Result<Date> {
    match text {
        None => Ok(jiff::Timestamp::now().strftime("%Y-%m-%d").to_string().parse()?),
        Some(text) => text.parse().with_context(|| {
            format!("--today is `{}`, expected a day such as 2026-07-31", pick::shown(text))
        }),
    }
}

/// Now: UTC, RFC 3339, to the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
