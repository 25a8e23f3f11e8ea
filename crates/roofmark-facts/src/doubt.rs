//! Doubts: what a rule of measurement found, as a value that is stored beside the numbers.
//!
//! The text and the advice are made from the numbers when they are shown, so that a stored run keeps
//! facts and the words can improve.

use crate::records::Settings;
use crate::units::{Bytes, BytesPerSecond, Seconds, significant};
use serde::{Deserialize, Serialize};

/// Roofs that differ by more than this flag a row.
pub const DRIFT_FLAG: f64 = 0.03;
/// Roofs that differ by more than this void a row for comparisons.
pub const DRIFT_VOID: f64 = 0.08;

/// A reason not to take a number at face value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Doubt {
    /// Other programs were using the processor.
    Busy {
        /// Processors busy with other work, fractional.
        busy: f64,
        /// Processors there are.
        cpus: u32,
    },
    /// Tasks waited for a processor while the row was measured.
    Contended {
        /// Share of the time.
        share: f64,
    },
    /// The read roof changed while the row was measured.
    RoofDrift {
        /// Largest relative difference within a sample.
        drift: f64,
        /// Lowest roof beside the row.
        low: BytesPerSecond,
        /// Highest roof beside the row.
        high: BytesPerSecond,
    },
    /// The engine's own matrix products changed speed while the row was measured.
    SentinelDrift {
        /// `matrix-vector` (decode) or `matrix-matrix` (prefill).
        product: String,
        /// Largest relative difference among the readings beside the row.
        drift: f64,
    },
    /// More traffic than the probe could draw from memory.
    AboveRoof {
        /// Rate over attainable.
        share: f64,
        /// Bytes read per step.
        bytes: Bytes,
        /// Last-level cache, where known.
        cache: Option<Bytes>,
    },
    /// Too few repetitions for the interval that is printed.
    FewSamples {
        /// Repetitions.
        count: u32,
        /// Coverage that the widest interval of so few samples has.
        coverage: f64,
    },
    /// Samples far from the others.
    Outliers {
        /// Beyond 3.5 robust standard deviations.
        mild: u32,
        /// Beyond 7.
        severe: u32,
    },
    /// The hypervisor took processor time away.
    Steal {
        /// Share of processor time.
        share: f64,
    },
    /// The control group allows less than the threads use.
    CpuLimit {
        /// Processors allowed.
        limit: f64,
        /// Threads of the engine.
        threads: u32,
    },
    /// More threads than processors.
    Oversubscribed {
        /// Threads of the engine.
        threads: u32,
        /// Processors there are.
        cpus: u32,
    },
    /// A governor that keeps frequencies down.
    Governor {
        /// Its name.
        name: String,
    },
    /// The row is computed from slices.
    Sliced {
        /// Layers that ran.
        layers: Vec<u32>,
        /// Layers of the model.
        of: u32,
        /// Error of the method where it was checked.
        method_error: f64,
    },
    /// The parts do not lie on one line.
    Misfit {
        /// Largest relative distance.
        misfit: f64,
    },
    /// Logits were not finite numbers.
    NotFinite,
    /// The engine gave a wrong answer.
    WrongAnswer {
        /// What came out.
        answer: String,
    },
    /// The run was stopped before its end.
    Interrupted {
        /// Samples taken.
        done: u32,
        /// Samples planned.
        planned: u32,
    },
    /// A cell failed.
    Failed {
        /// What the engine said.
        reason: String,
    },
}

impl Doubt {
    /// Whether a row with this doubt must stay out of comparisons.
    #[must_use]
    pub fn voids(&self) -> bool {
        match self {
            Self::RoofDrift { drift, .. } | Self::SentinelDrift { drift, .. } => *drift > DRIFT_VOID,
            Self::NotFinite | Self::WrongAnswer { .. } => true,
            _ => false,
        }
    }

    /// What was found, in one line.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Busy { busy, cpus } => {
                format!("the machine was busy: other programs used {busy:.1} of {cpus} processors")
            }
            Self::Contended { share } => {
                format!(
                    "tasks waited for a processor {} of the time: something else was running",
                    percent(*share)
                )
            }
            Self::RoofDrift { drift, low, high } => format!(
                "memory bandwidth moved by {} while it was measured ({} to {} GB/s){}",
                percent(*drift),
                significant(low.gb(), 3),
                significant(high.gb(), 3),
                if *drift > DRIFT_VOID { ": void for comparisons" } else { "" }
            ),
            Self::SentinelDrift { product, drift } => format!(
                "the sentinel's {product} product moved by {} while it was measured{}",
                percent(*drift),
                if *drift > DRIFT_VOID { ": void for comparisons" } else { "" }
            ),
            Self::AboveRoof { share, bytes, cache } => above_roof(*share, *bytes, *cache),
            Self::FewSamples { count, coverage } => {
                format!(
                    "{count} repetitions: the interval covers the true median {} of the time",
                    percent(*coverage)
                )
            }
            Self::Outliers { mild, severe } => {
                format!(
                    "{} of the samples lie far from the others ({severe} of them very far); none was dropped",
                    mild + severe
                )
            }
            Self::Steal { share } => {
                format!("the hypervisor took {} of the processor time away", percent(*share))
            }
            Self::CpuLimit { limit, threads } => {
                format!("the control group allows {limit:.1} processors, the engine uses {threads} threads")
            }
            Self::Oversubscribed { threads, cpus } => format!("{threads} threads on {cpus} processors"),
            Self::Governor { name } => format!("the frequency governor is {name}"),
            Self::Sliced { layers, of, method_error } => format!(
                "extrapolated to {of} layers from slices of {}; the method was within {} where it was checked",
                layers.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
                percent(*method_error)
            ),
            Self::Misfit { misfit } => format!("a slice lies {} off the line through all", percent(*misfit)),
            Self::NotFinite => "the engine computed values that are not finite numbers: void".into(),
            Self::WrongAnswer { answer } => {
                format!("the engine's answer to a known question is wrong (\"{answer}\"): void")
            }
            Self::Interrupted { done, planned } => format!("stopped after {done} of {planned} samples"),
            Self::Failed { reason } => format!("a cell failed: {reason}"),
        }
    }

    /// What to do about it, given how the run was made; `None` where nothing helps.
    #[must_use]
    pub fn advice(&self, tried: &Settings) -> Option<String> {
        match self {
            Self::Busy { .. } if tried.waited > Seconds(0.0) => Some(format!(
                "waiting {} s did not help: stop the other programs",
                significant(tried.waited.get(), 2)
            )),
            Self::Busy { .. } => Some("stop the other programs and run again".into()),
            Self::Contended { .. } => {
                Some("stop the other programs, or leave one processor to them with --threads".into())
            }
            Self::RoofDrift { .. } | Self::SentinelDrift { .. } if tried.repetitions < 10 => Some(format!(
                "run again with --reps {}: more repetitions meet both states",
                (tried.repetitions * 2).max(10)
            )),
            Self::RoofDrift { .. } | Self::SentinelDrift { .. } => {
                Some("compare runs only by their share of the roof, or use a machine of your own".into())
            }
            Self::AboveRoof { .. } => Some("take the rate as measured and the share as unknown".into()),
            Self::FewSamples { count, .. } => Some(format!("run again with --reps {}", 6.max(count * 2))),
            Self::Outliers { .. } => Some("look at the samples with --json".into()),
            Self::CpuLimit { limit, .. } => Some(format!("use --threads {}", limit.floor().max(1.0))),
            Self::Oversubscribed { cpus, .. } => Some(format!("use --threads {cpus}")),
            Self::Governor { .. } => Some("set the governor to performance".into()),
            Self::Misfit { .. } if tried.repetitions < 10 => Some("run again with more repetitions".into()),
            Self::NotFinite | Self::WrongAnswer { .. } => {
                Some("check the file's checksum and the engine's build".into())
            }
            Self::Steal { .. } => Some("a machine of your own would not share its processors".into()),
            Self::Misfit { .. } | Self::Sliced { .. } | Self::Interrupted { .. } | Self::Failed { .. } => {
                None
            }
        }
    }
}

fn above_roof(share: f64, bytes: Bytes, cache: Option<Bytes>) -> String {
    let head = format!("{} of the measured roof is more than memory gave the probe", percent(share));
    match cache {
        Some(cache) if bytes < cache * 8.0 => format!(
            "{head}: part of the {} MB per step stays in the cache ({} MB)",
            significant(bytes.get() / 1e6, 3),
            significant(cache.get() / 1e6, 3)
        ),
        _ => head,
    }
}

/// A share as people read it: `4.2 %`.
fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0, 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor_type::TensorType;

    fn settings(repetitions: u32, waited: f64) -> Settings {
        Settings {
            protocol: "quick".into(),
            repetitions,
            threads: 2,
            cache_type: TensorType::F16,
            micro_batch: 512,
            waited: Seconds(waited),
        }
    }

    #[test]
    fn advice_fits_what_was_tried() {
        let busy = Doubt::Busy { busy: 1.2, cpus: 2 };
        assert_eq!(busy.advice(&settings(3, 0.0)).unwrap(), "stop the other programs and run again");
        assert_eq!(
            busy.advice(&settings(3, 20.0)).unwrap(),
            "waiting 20 s did not help: stop the other programs"
        );
        let drift = Doubt::RoofDrift {
            drift: 0.4,
            low: BytesPerSecond::from_gb(36.0),
            high: BytesPerSecond::from_gb(65.0),
        };
        assert!(drift.advice(&settings(3, 0.0)).unwrap().contains("--reps 10"));
        assert!(!drift.advice(&settings(20, 0.0)).unwrap().contains("--reps"));
    }

    #[test]
    fn drift_flags_and_then_voids() {
        let drift = |drift| Doubt::RoofDrift {
            drift,
            low: BytesPerSecond::from_gb(30.0),
            high: BytesPerSecond::from_gb(33.0),
        };
        assert!(!drift(0.05).voids());
        assert!(drift(0.09).voids());
        assert!(drift(0.09).text().ends_with("void for comparisons"));
        assert!(!drift(0.05).text().contains("void"));
    }

    #[test]
    fn a_doubt_is_stored_by_kind() {
        let json = serde_json::to_string(&Doubt::Busy { busy: 0.5, cpus: 2 }).unwrap();
        assert_eq!(json, r#"{"kind":"busy","busy":0.5,"cpus":2}"#);
        assert_eq!(serde_json::from_str::<Doubt>(&json).unwrap(), Doubt::Busy { busy: 0.5, cpus: 2 });
    }
}
