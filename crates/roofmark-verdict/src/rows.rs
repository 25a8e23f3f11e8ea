//! The rows of a run: rates, shares of the roof, limits and doubts, computed from raw samples.

use crate::slice::{METHOD_ERROR, Slice, extrapolate};
use crate::stats::{Outlier, classify, median, median_coverage, median_interval};
use roofmark_facts::doubt::{DRIFT_FLAG, Doubt};
use roofmark_facts::profile::Profile;
use roofmark_facts::records::{
    Cell, Check, Extrapolation, Interval, Limit, Phase, RoofPair, Row, Run, Sample, Workload,
};
use roofmark_facts::units::{Bytes, BytesPerSecond, Joules, Seconds, TokensPerSecond};

/// Seed of every interval: a row is the same each time it is computed.
const SEED: u64 = 0x0F00_F000;
/// Coverage of every interval.
const LEVEL: f64 = 0.95;
/// From this share of the roof on, memory bandwidth is named as the limit.
const MEMORY_BOUND: f64 = 0.6;
/// An interval that covers less than this is too short.
const LEAST_COVERAGE: f64 = 0.9;
/// Processor time lost to the hypervisor that is worth a doubt.
const STEAL: f64 = 0.01;
/// Share of time in which tasks waited for a processor that is worth a doubt.
const PRESSURE: f64 = 0.1;
/// Distance of a slice from the line that is worth a doubt.
const MISFIT: f64 = 0.03;

/// All rows of `run`, in the order of its plan. A workload without a sample gives no row.
#[must_use]
pub fn rows(run: &Run) -> Vec<Row> {
    let mut workloads: Vec<Workload> = Vec::new();
    for cell in &run.cells {
        if !workloads.contains(&cell.workload) {
            workloads.push(cell.workload);
        }
    }
    workloads.iter().filter_map(|workload| row(run, workload)).collect()
}

fn row(run: &Run, workload: &Workload) -> Option<Row> {
    let cells: Vec<&Cell> =
        run.cells.iter().filter(|cell| cell.workload == *workload && !cell.samples.is_empty()).collect();
    let whole =
        cells.iter().find(|cell| run.parts.get(cell.part).is_some_and(|part| is_whole(run, part.layers)));
    let mut row = match whole {
        Some(cell) => direct(run, workload, cell)?,
        None => sliced(run, workload, &cells)?,
    };
    row.doubts.extend(match &run.check {
        Check::Greedy { right: false, answer, .. } => Some(Doubt::WrongAnswer { answer: answer.clone() }),
        _ => None,
    });
    row.void = row.doubts.iter().any(Doubt::voids);
    Some(row)
}

fn is_whole(run: &Run, layers: u32) -> bool {
    layers == run.model.profile.layers
}

/// A row from samples of the whole model.
fn direct(run: &Run, workload: &Workload, cell: &Cell) -> Option<Row> {
    let rates: Vec<f64> = cell.samples.iter().map(|sample| sample.rate().get()).collect();
    let spread = median_interval(&rates, SEED, LEVEL)?;
    let rate = Interval {
        low: TokensPerSecond(spread.low),
        mid: TokensPerSecond(spread.mid),
        high: TokensPerSecond(spread.high),
    };
    let samples: Vec<&Sample> = cell.samples.iter().collect();
    let bytes = bytes(run, workload, &run.model.profile);
    let shares: Vec<f64> =
        samples.iter().filter_map(|sample| Some((bytes / sample.roof?.bandwidth()) / sample.time)).collect();
    let energy: Option<f64> = samples.iter().map(|sample| Some(sample.energy?.get())).sum();
    let energy = energy.map(Joules);
    let time: Seconds = samples.iter().map(|sample| sample.time).sum();
    let tokens: u64 = samples.iter().map(|sample| sample.tokens).sum();
    let mut row = Row {
        slowest: rates.iter().copied().reduce(f64::min).map(TokensPerSecond),
        fastest: rates.iter().copied().reduce(f64::max).map(TokensPerSecond),
        power: energy.map(|energy| energy / time),
        energy_per_token: energy.map(|energy| energy / tokens as f64),
        ..bare_row(run, workload, rate, &samples, median(&shares))
    };
    row.doubts.extend(few(rates.len()));
    row.doubts.extend(outliers(&rates));
    Some(row)
}

/// A row from slices.
fn sliced(run: &Run, workload: &Workload, cells: &[&Cell]) -> Option<Row> {
    let part = |cell: &Cell| run.parts.get(cell.part);
    let slices: Vec<Slice> = cells
        .iter()
        .filter_map(|cell| {
            Some(Slice {
                bytes: bytes(run, workload, &part(cell)?.profile).get(),
                seconds: cell.samples.iter().map(|sample| sample.time.get()).collect(),
            })
        })
        .collect();
    let bytes = bytes(run, workload, &run.model.profile);
    let whole = extrapolate(&slices, bytes.get(), SEED, LEVEL)?;
    let tokens = workload.tokens() as f64;
    let rate = Interval {
        low: TokensPerSecond(tokens / whole.seconds.high),
        mid: TokensPerSecond(tokens / whole.seconds.mid),
        high: TokensPerSecond(tokens / whole.seconds.low.max(f64::MIN_POSITIVE)),
    };
    let samples: Vec<&Sample> = cells.iter().flat_map(|cell| &cell.samples).collect();
    let share = roof(&samples).map(|roof| (bytes / roof).get() / whole.seconds.mid);
    let layers: Vec<u32> = cells.iter().filter_map(|cell| part(cell)).map(|part| part.layers).collect();
    let of = run.model.profile.layers;
    let mut row = bare_row(run, workload, rate, &samples, share);
    row.doubts.push(Doubt::Sliced { layers: layers.clone(), of, method_error: METHOD_ERROR });
    row.doubts.extend(whole.misfit.filter(|misfit| *misfit > MISFIT).map(|misfit| Doubt::Misfit { misfit }));
    row.doubts.extend(cells.iter().filter_map(|cell| few(cell.samples.len())).next());
    row.extrapolation = Some(Extrapolation { layers, of, misfit: whole.misfit, method_error: METHOD_ERROR });
    Some(row)
}

/// What both kinds of row have alike.
fn bare_row(
    run: &Run,
    workload: &Workload,
    rate: Interval<TokensPerSecond>,
    samples: &[&Sample],
    share: Option<f64>,
) -> Row {
    let ceiling =
        run.machine.datasheet.as_ref().filter(|_| workload.phase == Phase::Decode).and_then(|fact| {
            let bytes_per_token = bytes(run, workload, &run.model.profile) / workload.tokens() as f64;
            Some(TokensPerSecond(fact.bound()?.get() / bytes_per_token.get()))
        });
    let mut doubts = sample_doubts(workload, samples);
    doubts.extend(share.filter(|share| *share > 1.0).map(|share| Doubt::AboveRoof {
        share,
        bytes: bytes(run, workload, &run.model.profile)
            / f64::from(workload.passes(run.settings.micro_batch)),
        cache: run.machine.cache,
    }));
    Row {
        workload: *workload,
        rate,
        slowest: None,
        fastest: None,
        samples: samples.len() as u32,
        attainable: share.map(|share| TokensPerSecond(rate.mid.get() / share)),
        share,
        ceiling,
        power: None,
        energy_per_token: None,
        limit: limit(&run.model.profile, workload, rate.mid, share),
        extrapolation: None,
        void: false,
        doubts,
    }
}

fn bytes(run: &Run, workload: &Workload, profile: &Profile) -> Bytes {
    let element = run.settings.cache_type.bits_per_element() / 8.0;
    workload.bytes(profile, run.settings.micro_batch, element)
}

/// Median bandwidth of the roofs beside the samples.
fn roof(samples: &[&Sample]) -> Option<BytesPerSecond> {
    let roofs: Vec<f64> = samples.iter().filter_map(|sample| Some(sample.roof?.bandwidth().get())).collect();
    median(&roofs).map(BytesPerSecond)
}

/// What bounds the rate. Prefill, and batches that leave the memory idle, are bound by arithmetic.
fn limit(model: &Profile, workload: &Workload, rate: TokensPerSecond, share: Option<f64>) -> Limit {
    let depth = f64::from(workload.depth) + f64::from(workload.prompt.max(workload.generated)) / 2.0;
    let compute = || {
        let flop = model.flop_per_token() + model.attention_flop(depth);
        Limit::Compute(roofmark_facts::units::FlopPerSecond(flop.get() * rate.get()))
    };
    match share {
        _ if workload.phase == Phase::Prefill => compute(),
        Some(share) if share >= MEMORY_BOUND => Limit::Memory,
        Some(_) if workload.batch > 1 => compute(),
        Some(_) => Limit::Neither,
        None => Limit::Unknown,
    }
}

/// Doubts from what was observed beside the samples.
fn sample_doubts(workload: &Workload, samples: &[&Sample]) -> Vec<Doubt> {
    let largest =
        |of: fn(&Sample) -> Option<f64>| samples.iter().filter_map(|sample| of(sample)).reduce(f64::max);
    let drift = drift(samples.iter().filter_map(|sample| sample.roof));
    let sentinel = sentinel_drift(workload, samples);
    let pressure = largest(|sample| sample.state.pressure).filter(|share| *share > PRESSURE);
    let steal = largest(|sample| sample.state.steal).filter(|share| *share > STEAL);
    [
        drift,
        sentinel,
        pressure.map(|share| Doubt::Contended { share: share.min(1.0) }),
        steal.map(|share| Doubt::Steal { share }),
        samples.iter().any(|sample| !sample.finite).then_some(Doubt::NotFinite),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How far the roofs beside a row lie apart.
fn drift(roofs: impl Iterator<Item = RoofPair>) -> Option<Doubt> {
    let medians: Vec<BytesPerSecond> =
        roofs.flat_map(|pair| [pair.before.median, pair.after.median]).collect();
    let low = medians.iter().copied().reduce(BytesPerSecond::min)?;
    let high = medians.iter().copied().reduce(BytesPerSecond::max)?;
    let drift = (high - low) / high;
    (drift > DRIFT_FLAG).then_some(Doubt::RoofDrift { drift, low, high })
}

/// How far the sentinels beside a row lie apart: of the product that the row's phase is made of.
fn sentinel_drift(workload: &Workload, samples: &[&Sample]) -> Option<Doubt> {
    let pairs =
        || samples.iter().filter_map(|sample| sample.sentinel).flat_map(|pair| [pair.before, pair.after]);
    let products: [(&str, Vec<f64>); 2] = [
        ("matrix-vector", pairs().map(|read| read.gemv.get()).collect()),
        ("matrix-matrix", pairs().map(|read| read.gemm.get()).collect()),
    ];
    let index = usize::from(workload.phase == Phase::Prefill);
    let (product, rates) = &products[index];
    let low = rates.iter().copied().reduce(f64::min)?;
    let high = rates.iter().copied().reduce(f64::max)?;
    let drift = (high - low) / high;
    (drift > DRIFT_FLAG).then(|| Doubt::SentinelDrift { product: (*product).into(), drift })
}

fn few(count: usize) -> Option<Doubt> {
    let coverage = median_coverage(count);
    (coverage < LEAST_COVERAGE).then_some(Doubt::FewSamples { count: count as u32, coverage })
}

fn outliers(rates: &[f64]) -> Option<Doubt> {
    let classes = classify(rates);
    let count = |class| classes.iter().filter(|each| **each == class).count() as u32;
    let (mild, severe) = (count(Outlier::Mild), count(Outlier::Severe));
    (mild + severe > 0).then_some(Doubt::Outliers { mild, severe })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::machine::{Basis, Source, Sourced};
    use roofmark_facts::profile::CacheLayers;
    use roofmark_facts::records::{ModelFacts, Part, Sentinel, SentinelPair};
    use roofmark_facts::units::Flop;
    use roofmark_testing::roof;

    /// Reads 0.4 GB of head and 0.1 GB a layer; no cache to speak of.
    fn profile(layers: u32) -> Profile {
        let count = f64::from(layers);
        Profile {
            tensor_bytes: Bytes::from_gb(0.8 + 0.1 * count),
            fixed_bytes: Bytes::from_gb(0.4 + 0.1 * count),
            head_bytes: Bytes::from_gb(0.4),
            fixed_flop: Flop(2e9),
            head_flop: Flop(1e8),
            caches: vec![CacheLayers { layers: count, elements: 0.0, window: None, flop: Flop(0.0) }],
            ..roofmark_testing::profile(layers)
        }
    }

    fn sample(workload: Workload, seconds: f64, (before, after): (f64, f64)) -> Sample {
        let [before, after] = [before, after].map(|gb| roof(2, BytesPerSecond::from_gb(gb)));
        Sample {
            roof: Some(RoofPair { before, after }),
            ..roofmark_testing::sample(&workload, Seconds(seconds))
        }
    }

    /// A run of a model of 36 layers (4 GB a token): each cell is (layers, workload, samples).
    fn run(cells: Vec<(u32, Workload, Vec<Sample>)>) -> Run {
        let parts =
            cells.iter().map(|(layers, ..)| Part { layers: *layers, profile: profile(*layers) }).collect();
        let cell = |(part, (_, workload, samples)): (usize, (u32, Workload, Vec<Sample>))| Cell {
            part,
            workload,
            samples,
        };
        let run = roofmark_testing::run();
        Run {
            model: ModelFacts { profile: profile(36), ..run.model },
            parts,
            cells: cells.into_iter().enumerate().map(cell).collect(),
            ..run
        }
    }

    fn decode() -> Workload {
        Workload::decode(10, 0, 1)
    }

    /// Ten steps of 4 GB at 40 GB/s take 1 s at the roof.
    fn whole(seconds: &[f64], roofs: (f64, f64)) -> Row {
        let samples = seconds.iter().map(|seconds| sample(decode(), *seconds, roofs)).collect();
        rows(&run(vec![(36, decode(), samples)])).remove(0)
    }

    #[test]
    fn a_share_is_bytes_over_roof_over_time() {
        let row = whole(&[1.25; 6], (40.0, 40.0));
        assert!((row.share.unwrap() - 0.8).abs() < 1e-12);
        assert!((row.rate.mid.get() - 8.0).abs() < 1e-12);
        assert!((row.attainable.unwrap().get() - 10.0).abs() < 1e-12);
        assert_eq!((row.limit, row.void, row.doubts), (Limit::Memory, false, vec![]));
    }

    #[test]
    fn a_share_above_the_roof_is_a_doubt_and_not_clamped() {
        let row = whole(&[0.5; 6], (40.0, 40.0));
        assert!((row.share.unwrap() - 2.0).abs() < 1e-12);
        assert!(matches!(row.doubts[..], [Doubt::AboveRoof { share, .. }] if share > 1.99));
        assert!(!row.void);
    }

    #[test]
    fn a_roof_that_moves_flags_and_then_voids() {
        assert!(whole(&[1.25; 6], (40.0, 39.0)).doubts.is_empty());
        let flagged = whole(&[1.25; 6], (40.0, 38.0));
        assert!(matches!(flagged.doubts[..], [Doubt::RoofDrift { .. }]) && !flagged.void);
        let void = whole(&[1.25; 6], (65.0, 36.0));
        assert!(void.void);
        assert_eq!(void.samples, 6, "a void row is still shown");
    }

    /// A row of six samples whose sentinels read `[GB/s, TFLOP/s]` before and after each.
    fn beside(workload: Workload, before: [f64; 2], after: [f64; 2]) -> Row {
        let read = |[gemv, gemm]: [f64; 2]| Sentinel {
            gemv: BytesPerSecond::from_gb(gemv),
            gemm: roofmark_facts::units::FlopPerSecond(gemm * 1e12),
        };
        let sentinel = Some(SentinelPair { before: read(before), after: read(after) });
        let sample = Sample { sentinel, ..sample(workload, 1.25, (40.0, 40.0)) };
        rows(&run(vec![(36, workload, vec![sample; 6])])).remove(0)
    }

    #[test]
    fn a_sentinel_that_moves_flags_and_then_voids() {
        let check = |workload: Workload, before, after, expected: Option<(&str, f64)>, void| {
            let row = beside(workload, before, after);
            let found = row.doubts.iter().find_map(|doubt| match doubt {
                Doubt::SentinelDrift { product, drift } => {
                    Some((product.as_str(), (drift * 1e3).round() / 1e3))
                }
                _ => None,
            });
            assert_eq!((found, row.void, row.samples), (expected, void, 6), "{before:?} {after:?}");
        };
        let (decode, prefill) = (decode(), Workload::prefill(512, 0));
        check(decode, [30.0, 1.0], [29.2, 1.0], None, false);
        check(decode, [30.0, 1.0], [28.8, 1.0], Some(("matrix-vector", 0.04)), false);
        check(decode, [28.8, 1.0], [30.0, 1.0], Some(("matrix-vector", 0.04)), false);
        check(decode, [30.0, 1.0], [27.0, 1.0], Some(("matrix-vector", 0.1)), true);
        check(decode, [30.0, 1.0], [30.0, 0.5], None, false);
        check(prefill, [30.0, 1.0], [15.0, 1.0], None, false);
        check(prefill, [30.0, 1.0], [30.0, 0.95], Some(("matrix-matrix", 0.05)), false);
        check(prefill, [30.0, 1.0], [30.0, 0.91], Some(("matrix-matrix", 0.09)), true);
    }

    #[test]
    fn a_sentinel_that_moves_from_one_sample_to_the_next_voids_the_row() {
        let read = |gb| Sentinel {
            gemv: BytesPerSecond::from_gb(gb),
            gemm: roofmark_facts::units::FlopPerSecond(1e12),
        };
        let samples = [30.0, 30.0, 25.0, 30.0, 30.0, 30.0].map(|gb| Sample {
            sentinel: Some(SentinelPair { before: read(gb), after: read(gb) }),
            ..sample(decode(), 1.25, (40.0, 40.0))
        });
        assert!(rows(&run(vec![(36, decode(), samples.to_vec())]))[0].void);
    }

    #[test]
    fn few_samples_and_outliers_are_doubts() {
        assert!(matches!(whole(&[1.25; 3], (40.0, 40.0)).doubts[..], [Doubt::FewSamples { count: 3, .. }]));
        let row = whole(&[1.25, 1.26, 1.24, 1.25, 1.26, 9.0], (40.0, 40.0));
        assert!(matches!(row.doubts[..], [Doubt::Outliers { mild: 0, severe: 1 }]), "{:?}", row.doubts);
        assert_eq!(row.samples, 6);
        assert!(row.slowest.unwrap().get() < 1.2, "the outlier is kept");
    }

    #[test]
    fn slices_give_the_whole() {
        // 2 ms a step and 0.025 s a GB.
        let time = |layers: u32| 10.0 * (0.002 + 0.025 * profile(layers).fixed_bytes.gb());
        let cell = |layers| (layers, decode(), vec![sample(decode(), time(layers), (40.0, 40.0)); 3]);
        let row = rows(&run(vec![cell(2), cell(4), cell(8)])).remove(0);
        assert!((row.rate.mid.get() - 10.0 / time(36)).abs() < 1e-9);
        assert!((row.share.unwrap() - 1.0 / time(36)).abs() < 1e-9);
        assert_eq!((row.slowest, row.fastest), (None, None), "no sample of the whole exists");
        assert!(matches!(&row.doubts[0], Doubt::Sliced { layers, of: 36, .. } if *layers == [2, 4, 8]));
    }

    #[test]
    fn one_slice_gives_no_row() {
        assert!(rows(&run(vec![(2, decode(), vec![sample(decode(), 1.0, (40.0, 40.0))])])).is_empty());
    }

    #[test]
    fn a_wrong_answer_and_values_that_are_no_numbers_void_the_row() {
        let mut wrong = run(vec![(36, decode(), vec![sample(decode(), 1.25, (40.0, 40.0)); 6])]);
        wrong.check = Check::Greedy { prompt: "?".into(), answer: "Bonn".into(), right: false };
        assert!(rows(&wrong)[0].void);
        let mut nan = run(vec![(36, decode(), vec![sample(decode(), 1.25, (40.0, 40.0)); 6])]);
        nan.cells[0].samples[2].finite = false;
        assert!(rows(&nan)[0].void);
    }

    #[test]
    fn energy_needs_every_sample() {
        let with = |energies: [Option<f64>; 2]| {
            let samples = energies
                .map(|energy| Sample { energy: energy.map(Joules), ..sample(decode(), 2.0, (40.0, 40.0)) });
            rows(&run(vec![(36, decode(), samples.to_vec())])).remove(0)
        };
        let row = with([Some(100.0), Some(60.0)]);
        assert_eq!((row.power.unwrap().get(), row.energy_per_token), (40.0, Some(Joules(8.0))));
        assert_eq!(with([Some(100.0), None]).power, None);
    }

    #[test]
    fn a_datasheet_bounds_only_a_catalogued_machine() {
        let mut run = run(vec![(36, decode(), vec![sample(decode(), 1.25, (40.0, 40.0)); 6])]);
        assert_eq!(rows(&run)[0].ceiling, None);
        let source = Source { title: "page".into(), url: String::new(), date: "2025".into() };
        run.machine.datasheet =
            Some(Sourced { value: BytesPerSecond::from_gb(50.0), basis: Basis::Datasheet, source });
        assert!((rows(&run)[0].ceiling.unwrap().get() - 12.5).abs() < 1e-12);
    }

    #[test]
    fn prefill_is_bound_by_arithmetic() {
        let prefill = Workload::prefill(512, 0);
        let samples = vec![Sample { roof: None, ..sample(prefill, 2.0, (1.0, 1.0)) }; 6];
        let row = rows(&run(vec![(36, prefill, samples)])).remove(0);
        assert_eq!((row.share, row.attainable), (None, None));
        assert!(
            matches!(row.limit, Limit::Compute(rate) if (rate.tera() - 0.512).abs() < 1e-9),
            "{:?}",
            row.limit
        );
    }
}
