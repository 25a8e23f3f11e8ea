//! The roofline of a machine (Williams et al. 2009) and where workloads stand under it.

use crate::answer::{Case, Place};
use crate::machine::{Machine, Sourced};
use crate::prediction::Prediction;
use crate::units::{BytesPerSecond, FlopPerSecond, TokensPerSecond};
use serde::Serialize;

/// Version of the printed form.
pub const FORMAT: &str = "roofmark-roofline/1";

/// The two ceilings of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Roof {
    /// Memory bandwidth.
    pub bandwidth: BytesPerSecond,
    /// Highest dense peak in any type; `None` where no peak is known well enough.
    pub peak: Option<FlopPerSecond>,
}

impl Roof {
    /// The roof of `machine`; `None` where its bandwidth is unknown.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Self> {
        Some(Self { bandwidth: machine.bandwidth.as_ref()?.value, peak: machine.highest_peak() })
    }

    /// FLOP a byte from which arithmetic is the limit.
    #[must_use]
    pub fn knee(&self) -> Option<f64> {
        self.peak.map(|peak| peak.get() / self.bandwidth.get())
    }

    /// What the machine can compute at `flop_per_byte`.
    #[must_use]
    pub fn at(&self, flop_per_byte: f64) -> FlopPerSecond {
        let slope = FlopPerSecond(self.bandwidth.get() * flop_per_byte);
        self.peak.map_or(slope, |peak| slope.min(peak))
    }
}

/// A machine's roofline with the places of workloads.
#[derive(Clone, Debug, Serialize)]
pub struct Roofline {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Catalog name of the machine.
    pub machine: String,
    /// Its name as people know it.
    pub machine_name: String,
    /// Both ceilings.
    pub roof: Roof,
    /// Where the bandwidth comes from.
    pub bandwidth: Sourced<BytesPerSecond>,
    /// The type of the highest peak, and where it comes from.
    pub peak: Option<(String, Sourced<FlopPerSecond>)>,
    /// FLOP a byte from which arithmetic is the limit.
    pub knee: Option<f64>,
    /// Places of workloads, model by model.
    pub spots: Vec<Spot>,
}

/// A workload under the roof.
#[derive(Clone, Debug, Serialize)]
pub struct Spot {
    /// The model.
    pub model: String,
    /// Its quantization.
    pub quant: String,
    /// What it does.
    pub work: Work,
    /// Sequences together.
    pub batch: f64,
    /// Where it stands.
    pub place: Place,
    /// Predicted arithmetic.
    pub arithmetic: FlopPerSecond,
    /// Predicted rate of all sequences.
    pub rate: TokensPerSecond,
    /// Predicted arithmetic over what the roof allows there.
    pub share: f64,
}

/// What a workload does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// One sequence generates.
    Decode,
    /// Several generate together.
    Batch,
    /// A prompt is read.
    Prefill,
}

/// The roofline of `machine` with what `cases` say of it: prefill is taken from those of one sequence. `None` where
/// the machine's bandwidth is unknown.
#[must_use]
pub fn roofline(machine: &Machine, cases: &[Case]) -> Option<Roofline> {
    let roof = Roof::of(machine)?;
    let known = machine.peaks.iter().find(|(_, peak)| peak.bound() == roof.peak && roof.peak.is_some());
    Some(Roofline {
        format: FORMAT,
        machine: machine.slug.clone(),
        machine_name: machine.name.clone(),
        bandwidth: machine.bandwidth.clone()?,
        peak: known.cloned(),
        knee: roof.knee(),
        spots: cases.iter().flat_map(|case| spots(&roof, case)).collect(),
        roof,
    })
}

fn spots(roof: &Roof, case: &Case) -> Vec<Spot> {
    let batch = case.workload.batch;
    let spot = |work: Work, place: Option<Place>, prediction: &Prediction, batch: f64| {
        let place = place?;
        let arithmetic = place.arithmetic(prediction.rate);
        let share = arithmetic.get() / roof.at(place.flop_per_byte).get();
        let (model, quant, rate) = (case.model.clone(), case.quant.clone(), prediction.rate);
        Some(Spot { model, quant, work, batch, place, arithmetic, rate, share })
    };
    let decode = if batch > 1.0 { Work::Batch } else { Work::Decode };
    let decode = spot(decode, case.place, &case.answer.decode, batch);
    let prefill = spot(Work::Prefill, case.prefill_place, &case.answer.prefill, 1.0).filter(|_| batch <= 1.0);
    decode.into_iter().chain(prefill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roof_rises_to_its_knee_and_stays() {
        let roof =
            Roof { bandwidth: BytesPerSecond::from_gb(100.0), peak: Some(FlopPerSecond::from_tera(2.0)) };
        assert_eq!(roof.knee(), Some(20.0));
        assert_eq!(roof.at(2.0), FlopPerSecond::from_tera(0.2));
        assert_eq!(roof.at(500.0), FlopPerSecond::from_tera(2.0));
        let open = Roof { peak: None, ..roof };
        assert_eq!((open.knee(), open.at(1e3)), (None, FlopPerSecond::from_tera(100.0)));
    }
}
