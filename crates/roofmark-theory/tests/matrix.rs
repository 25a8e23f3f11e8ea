//! The frozen matrix: a change of any prediction shows in the diff of its snapshot. Also speed, soundness and the
//! accuracy that the project promises.

use roofmark_facts::catalog::Catalog;
use roofmark_facts::evidence::{Flag, MeasuredPhase, measurements};
use roofmark_facts::quant::Quant;
use roofmark_facts::units::significant;
use roofmark_theory::calibrate::{calibrate, evidence};
use roofmark_theory::evaluate::{Graded, LeaveOut, evaluate, summarise};
use roofmark_theory::job::Job;
use roofmark_theory::predict::Predictor;
use roofmark_theory::software::{Backend, Engine};
use roofmark_theory::table::Table;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

const MACHINES: [&str; 7] = [
    "nvidia-dgx-spark",
    "amd-strix-halo-128gb",
    "apple-m5-max-40c-128gb",
    "apple-m5-max-32c",
    "nvidia-rtx-5090",
    "nvidia-rtx-4090",
    "apple-m4-pro",
];
const MODELS: [&str; 6] =
    ["llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b", "qwen3-30b-a3b", "qwen3.6-27b", "gemma-3-4b"];

fn jobs() -> Vec<Job<'static>> {
    let catalog = Catalog::builtin();
    let mut jobs = Vec::new();
    for machine in MACHINES.map(|slug| catalog.machine(slug).expect(slug)) {
        for model in MODELS.map(|slug| catalog.model(slug).expect(slug)) {
            for quant in ["Q4_K_M", "Q8_0"] {
                let profile = Arc::new(model.profile(&Quant::parse(quant).expect(quant)));
                let backend = Backend::usual(machine, Engine::LlamaCpp);
                for depth in [0.0, 16_384.0] {
                    let job = Job::decode(machine, Arc::clone(&profile), Engine::LlamaCpp, backend, depth);
                    jobs.extend([job.batched(16.0), job.prefill(2048.0, depth), job]);
                }
            }
        }
    }
    jobs
}

#[test]
fn no_prediction_changes_unseen() {
    let mut text = String::new();
    for job in jobs() {
        let found = Predictor::builtin().predict(&job).expect("the matrix has bandwidths");
        let [rate, low, high] =
            [found.rate, found.interval90.low, found.interval90.high].map(|rate| significant(rate.get(), 3));
        let (machine, profile) = (&job.machine.slug, &job.profile);
        let what = match job.phase {
            MeasuredPhase::Prefill => "prefill 2048".to_owned(),
            _ => format!("decode b {}", job.batch),
        };
        writeln!(
            text,
            "{machine} {} {} depth {} {what}: {rate} ({low}-{high})",
            profile.model, profile.quant, job.depth
        )
        .expect("writes");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn ten_thousand_predictions_take_less_than_a_second() {
    let jobs = jobs();
    let predictor = Predictor::builtin();
    let start = Instant::now();
    for job in jobs.iter().cycle().take(10_000) {
        assert!(predictor.predict(job).is_some());
    }
    let took = start.elapsed();
    eprintln!("10,000 predictions took {took:?}");
    let limit = if cfg!(debug_assertions) { 8.0 } else { 1.0 };
    assert!(took.as_secs_f64() < limit, "{took:?}");
}

static GRADED: LazyLock<Vec<Graded>> =
    LazyLock::new(|| evaluate(Predictor::builtin(), Catalog::builtin(), measurements(), LeaveOut::Source));

#[test]
fn whole_sources_left_out_the_errors_stay_within_the_promise() {
    let phase = |phase| summarise(&GRADED, |row| row.phase == phase);
    let decode = phase(MeasuredPhase::Decode);
    assert!(decode.median_error <= 0.08 && decode.p90_error <= 0.40, "{decode:?}");
    assert!(decode.bias.abs() <= 0.03 && decode.answered >= 0.9, "{decode:?}");
    assert!(phase(MeasuredPhase::Prefill).median_error <= 0.30);
    assert!(phase(MeasuredPhase::DecodeBatched).median_error <= 0.15);
}

#[test]
fn intervals_cover_what_they_say_on_every_kind_of_machine() {
    for group in ["DGX Spark", "Strix Halo", "Apple M-series", "GeForce"] {
        let summary = summarise(&GRADED, |row| row.group == group);
        assert!((0.85..=0.95).contains(&summary.coverage), "{group}: {summary:?}");
    }
    let all = summarise(&GRADED, |_| true).coverage;
    assert!((0.85..=0.95).contains(&all), "{all}");
}

#[test]
fn no_true_measurement_is_above_its_ceiling() {
    for (graded, row) in GRADED.iter().zip(measurements()) {
        let above = graded.row.ceiling.is_some_and(|ceiling| graded.measured > ceiling);
        assert!(!above || row.flag == Some(Flag::High), "{}: {:?}", row.id, graded.row);
    }
}

#[test]
fn the_shipped_table_is_what_calibration_gives() {
    let fresh =
        calibrate(&evidence(Catalog::builtin(), measurements()), Table::shipped(), 0).expect("factors");
    let shipped = Table::shipped();
    assert_eq!(fresh.rows, shipped.rows);
    assert_eq!(fresh.decode.numbers, shipped.decode.numbers);
    assert_eq!(fresh.prefill.factors, shipped.prefill.factors);
}
