//! The bar of work that takes long, on a terminal's standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar in the form of `template` that moves by itself while the work says nothing.
pub fn ticking(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.enable_steady_tick(Duration::from_millis(200));
    ProgressStyle::with_template(template).map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
