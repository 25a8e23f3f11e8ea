//! A roofline as text: a chart of 80 columns on logarithmic axes, and a table of what stands under it.

use crate::lines::{labelled, table};
use roofmark_facts::machine::Sourced;
use roofmark_facts::roofline::{Roof, Roofline, Spot, Work};
use roofmark_facts::units::significant;

/// Columns and rows of the chart without its axes.
const SIZE: (usize, usize) = (68, 18);
/// Columns of a label on the left.
const LABEL: usize = 10;

/// The screen.
#[must_use]
pub fn screen(roofline: &Roofline) -> String {
    let Roofline { roof, bandwidth, peak, .. } = roofline;
    let mut text = labelled("machine", &roofline.machine_name, LABEL);
    text += &labelled(
        "memory",
        &format!("{} GB/s ({})", significant(roof.bandwidth.gb(), 3), basis(bandwidth)),
        LABEL,
    );
    let arithmetic = peak.as_ref().map_or_else(
        || "no peak is known well enough".into(),
        |(kind, peak)| format!("{} TFLOP/s {kind} ({})", significant(peak.value.tera(), 3), basis(peak)),
    );
    text += &labelled("peak", &arithmetic, LABEL);
    if let Some(knee) = roofline.knee {
        let words = format!(
            "{} FLOP per byte: left of it memory is the limit, right of it arithmetic",
            significant(knee, 3)
        );
        text += &labelled("knee", &words, LABEL);
    }
    text += "\n";
    text += &chart(roof, &roofline.spots);
    if roofline.spots.is_empty() {
        return text + "\nno model of the catalog fits this machine\n";
    }
    text += "\nd decode   b batch   p prefill   # several   (predicted, TFLOP/s)\n\n";
    text + &spots(&roofline.spots)
}

fn basis<T>(sourced: &Sourced<T>) -> String {
    format!("{:?}", sourced.basis).to_lowercase() + ": " + &sourced.source.title
}

/// Powers of ten that hold everything.
struct Axis {
    low: f64,
    high: f64,
    cells: usize,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, cells: usize) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let (low, high) =
            logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
        let (low, high) = if low.is_finite() { (low.floor(), high.ceil()) } else { (0.0, 1.0) };
        Self { low, high: high.max(low + 1.0), cells }
    }

    /// The cell of `value`; those outside go to the nearest end.
    fn cell(&self, value: f64) -> usize {
        let part = (value.log10() - self.low) / (self.high - self.low);
        (part.clamp(0.0, 1.0) * (self.cells - 1) as f64).round() as usize
    }

    fn value(&self, cell: usize) -> f64 {
        10f64.powf(self.low + (self.high - self.low) * cell as f64 / (self.cells - 1) as f64)
    }

    /// Cells of the powers of ten, with the power.
    fn powers(&self) -> impl Iterator<Item = (usize, f64)> {
        (self.low as i32..=self.high as i32)
            .map(|power| 10f64.powi(power))
            .map(|value| (self.cell(value), value))
    }
}

fn chart(roof: &Roof, spots: &[Spot]) -> String {
    let knee = roof.knee().unwrap_or(1.0);
    let across = spots.iter().map(|spot| spot.place.flop_per_byte).chain([1.0, knee * 3.0]);
    let x = Axis::over(across, SIZE.0);
    let up = spots.iter().map(|spot| spot.arithmetic.tera());
    let y = Axis::over(up.chain([roof.at(x.value(0)).tera(), roof.at(x.value(SIZE.0 - 1)).tera()]), SIZE.1);
    let mut grid = vec![vec![' '; SIZE.0]; SIZE.1];
    for column in 0..SIZE.0 {
        let flat = roof.knee().is_some_and(|knee| x.value(column) >= knee);
        grid[y.cell(roof.at(x.value(column)).tera())][column] = if flat { '_' } else { '/' };
    }
    for spot in spots {
        let place = &mut grid[y.cell(spot.arithmetic.tera())][x.cell(spot.place.flop_per_byte)];
        let letter = letter(spot.work);
        *place = if matches!(*place, ' ' | '/' | '_') || *place == letter { letter } else { '#' };
    }
    drawn(&grid, &x, &y)
}

fn letter(work: Work) -> char {
    match work {
        Work::Decode => 'd',
        Work::Batch => 'b',
        Work::Prefill => 'p',
    }
}

/// The grid with its axes, from the top down.
fn drawn(grid: &[Vec<char>], x: &Axis, y: &Axis) -> String {
    let mut text = "  TFLOP/s\n".to_owned();
    for (row, cells) in grid.iter().enumerate().rev() {
        let label =
            y.powers().find(|(cell, _)| *cell == row).map_or(String::new(), |(_, value)| format!("{value}"));
        let line: String = cells.iter().collect();
        text += format!("{label:>9} |{line}").trim_end();
        text.push('\n');
    }
    text += &format!("{:>9} +{}\n", "", "-".repeat(SIZE.0));
    let mut labels = vec![' '; SIZE.0 + 11];
    for (cell, value) in x.powers() {
        let label = format!("{value}");
        let start = (cell + 11).saturating_sub(label.len() / 2).min(labels.len() - label.len());
        labels.splice(start..start + label.len(), label.chars());
    }
    text += labels.iter().collect::<String>().trim_end();
    text + "\n" + &format!("{:>79}\n", "FLOP per byte read")
}

/// One line a model, each cell the FLOP per byte and the predicted rate.
fn spots(spots: &[Spot]) -> String {
    let mut models: Vec<(&str, &str)> =
        spots.iter().map(|spot| (spot.model.as_str(), spot.quant.as_str())).collect();
    models.dedup();
    let mut quants: Vec<&str> = models.iter().map(|(_, quant)| *quant).collect();
    quants.sort_unstable();
    quants.dedup();
    let quants = quants.join(", ");
    let batch = spots.iter().map(|spot| spot.batch).fold(1.0, f64::max);
    let head =
        ["model".to_owned(), "decode".into(), format!("batch {batch}"), "prefill".into(), "share %".into()];
    let row = |(model, quant): &(&str, &str)| {
        let of = |work: Work| {
            spots.iter().find(|spot| spot.work == work && spot.model == *model && spot.quant == *quant)
        };
        let cell = |work: Work| {
            of(work).map_or("-".into(), |spot| {
                format!("{} @ {}", significant(spot.rate.get(), 3), significant(spot.place.flop_per_byte, 2))
            })
        };
        let share = |work: Work| of(work).map_or("-".into(), |spot| format!("{:.0}", spot.share * 100.0));
        let shares = [Work::Decode, Work::Batch, Work::Prefill].map(share).join(" ");
        let name: String = model.chars().take(28).collect();
        [name, cell(Work::Decode), cell(Work::Batch), cell(Work::Prefill), shares]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(models.iter().map(row)).collect();
    format!("{quants}: tok/s @ FLOP per byte; share of the roof of decode, batch, prefill\n")
        + &table(&rows, &[1, 2, 3, 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::units::{BytesPerSecond, FlopPerSecond};

    #[test]
    fn the_roof_is_drawn_with_its_knee() {
        let roof =
            Roof { bandwidth: BytesPerSecond::from_gb(100.0), peak: Some(FlopPerSecond::from_tera(1.0)) };
        insta::assert_snapshot!(chart(&roof, &[]));
    }
}
