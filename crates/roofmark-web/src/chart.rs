//! Charts as data: the page draws them from one attribute, and shows the same numbers as a table.

use crate::table::{Cell, Table};
use maud::{Markup, html};
use roofmark_facts::units::significant;
use serde::Serialize;

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers of ten.
    Log,
    /// Seconds since 1970, shown as dates.
    Time,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Division.
    pub scale: Scale,
}

impl Axis {
    /// An axis.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), scale }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// A dashed line: a bound.
    Bound,
    /// Points with their intervals.
    Points,
    /// Hollow points: void, or of others.
    Hollow,
    /// A line within its interval.
    Band,
}

/// A point, with the ends of its interval and what it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// What is shown of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
}

/// A series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Colour: series of one thing share it.
    pub tone: usize,
    /// How it is drawn.
    pub look: Look,
    /// Its points.
    pub points: Vec<Point>,
}

impl Series {
    /// Its place in the legend: a button that hides it.
    fn key(&self, at: usize) -> Markup {
        let dash = (self.look == Look::Bound).then_some("5 3");
        let drawn = !matches!(self.look, Look::Points | Look::Hollow);
        let fill = if self.look == Look::Points { "currentColor" } else { "none" };
        html! {
            button type="button" data-series=(at) aria-pressed="true" {
                svg class={ "tone-" (self.tone % 8) } viewBox="0 0 26 14" aria-hidden="true" {
                    @if drawn { path d="M1 7h24" stroke="currentColor" stroke-width="2.5" fill="none" stroke-dasharray=[dash] {} }
                    @else { circle cx="13" cy="7" r="4.5" stroke="currentColor" stroke-width="2" fill=(fill) {} }
                }
                (self.name)
            }
        }
    }
}

/// A chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// Unique on its page.
    pub id: String,
    /// Title.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// Series, bounds first.
    pub series: Vec<Series>,
    /// Places on the x axis that are marked, with what they are.
    pub marks: Vec<(f64, String)>,
}

impl Chart {
    /// The figure: a frame for the drawing and the numbers in it.
    pub fn render(&self) -> Markup {
        let data = serde_json::to_string(self).unwrap_or_default();
        html! {
            figure.chart id=(self.id) data-testid=(self.id) data-chart=(data) {
                figcaption { (self.title) }
                div.plot role="img" aria-label={ (self.title) ": " (self.summary()) } {}
                ul.legend { @for (at, series) in self.series.iter().enumerate() { li { (series.key(at)) } }
                    li { button type="button" data-reset="" { "Whole range" } } }
                details {
                    summary { "Numbers of this chart" }
                    (self.table())
                }
            }
        }
    }

    /// One sentence for those who do not see it.
    fn summary(&self) -> String {
        let range = |pick: &dyn Fn(&Point) -> f64, points: &[Point]| {
            let low = points.iter().map(pick).fold(f64::INFINITY, f64::min);
            let high = points.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
            format!("{} to {}", significant(low, 3), significant(high, 3))
        };
        let part = |series: &Series| format!("{} {}", series.name, range(&|point| point.y, &series.points));
        let parts: Vec<String> =
            self.series.iter().filter(|series| !series.points.is_empty()).map(part).collect();
        format!("{} over {}. {}", self.y.label, self.x.label, parts.join("; "))
    }

    fn table(&self) -> Markup {
        let head = ["Series", &self.x.label, &self.y.label, "Low", "High", "What"];
        let mut table = Table::new(format!("{}-numbers", self.id), &self.title, &head);
        let number = |value: f64| Cell::number(significant(value, 4)).value(value);
        let end = |value: Option<f64>| value.map_or_else(Cell::unknown, number);
        for series in &self.series {
            for point in &series.points {
                let across = match self.x.scale {
                    Scale::Time => Cell::text(day(point.x)),
                    _ => number(point.x),
                };
                table.row(vec![
                    Cell::text(&series.name),
                    across,
                    number(point.y),
                    end(point.low),
                    end(point.high),
                    Cell::text(&point.label),
                ]);
            }
        }
        table.render()
    }
}

/// The day of a time in seconds since 1970.
fn day(seconds: f64) -> String {
    jiff::Timestamp::from_second(seconds as i64)
        .map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Seconds since 1970 of an ISO date or time; a year or month counts from its first day.
pub fn seconds(date: &str) -> Option<f64> {
    let padded = match date.len() {
        4 => format!("{date}-01-01T00:00:00Z"),
        7 => format!("{date}-01T00:00:00Z"),
        10 => format!("{date}T00:00:00Z"),
        _ => date.to_owned(),
    };
    padded.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds() {
        assert_eq!(seconds("1970-01-02"), Some(86_400.0));
        assert_eq!(seconds("1971"), Some(31_536_000.0));
        assert_eq!(seconds("1970-02"), Some(2_678_400.0));
        assert_eq!(seconds("1970-01-01T00:00:01Z"), Some(1.0));
        assert_eq!(seconds("yesterday"), None);
    }
}
