//! What a bench will do: protocols, overrides, and the slices of a model that is too large.

use roofmark_facts::profile::Profile;
use roofmark_facts::records::{Phase, Workload};
use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond, Seconds};
use std::fmt;
use std::str::FromStr;

/// A named method of measuring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Prefill 128, decode 32 at depth 0, batch 1 and 4, three repetitions.
    #[default]
    Quick,
    /// Prefill 512 and 2048; decode 128 at depth 0 and 2048; batch 1 to 16; five repetitions.
    Standard,
    /// The method of the article of April 2026: a context of 2,048 tokens, one stream and 16.
    Article,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Article];

    /// Its name on the command line and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Article => "article-2026-04",
        }
    }

    /// Time that the measurements may take before a model is sliced.
    #[must_use]
    pub fn budget(self) -> Seconds {
        match self {
            Self::Quick => Seconds(60.0),
            Self::Standard | Self::Article => Seconds(1800.0),
        }
    }

    fn axes(self) -> Axes {
        let axes = |prefill: &[u32], decode, depth: &[u32], batch: &[u32], repetitions| Axes {
            prefill: prefill.to_vec(),
            decode: vec![decode],
            depth: depth.to_vec(),
            batch: batch.to_vec(),
            repetitions,
        };
        match self {
            Self::Quick => axes(&[128], 32, &[0], &[1, 4], 3),
            Self::Standard => axes(&[512, 2048], 128, &[0, 2048], &[1, 2, 4, 8, 16], 5),
            // 1,920 tokens of prompt and 128 of answer fill the context of 2,048.
            Self::Article => axes(&[1920], 128, &[1920], &[1, 16], 3),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == text)
            .ok_or_else(|| format!("no protocol `{text}`; there are {}", names()))
    }
}

/// What the user sets apart from the protocol; an empty list or `None` keeps the protocol's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Prompt lengths.
    pub prefill: Vec<u32>,
    /// Decode steps.
    pub decode: Vec<u32>,
    /// Depths.
    pub depth: Vec<u32>,
    /// Batch sizes.
    pub batch: Vec<u32>,
    /// Repetitions.
    pub repetitions: Option<u32>,
}

/// Workloads and how often each is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the rows.
    pub workloads: Vec<Workload>,
    /// Repetitions of each.
    pub repetitions: u32,
}

struct Axes {
    prefill: Vec<u32>,
    decode: Vec<u32>,
    depth: Vec<u32>,
    batch: Vec<u32>,
    repetitions: u32,
}

/// The plan of `protocol` with `overrides` in place of its own axes.
///
/// Decode runs every depth at the first batch size and every batch size at the first depth: the two
/// axes are told apart without their product. A length of 0 leaves that phase out.
#[must_use]
pub fn plan(protocol: Protocol, overrides: &Overrides) -> Plan {
    let axes = protocol.axes();
    let choose = |given: &[u32], own: Vec<u32>| if given.is_empty() { own } else { given.to_vec() };
    let prefill = choose(&overrides.prefill, axes.prefill);
    let decode = choose(&overrides.decode, axes.decode);
    let depth = choose(&overrides.depth, axes.depth);
    let batch = choose(&overrides.batch, axes.batch);
    let prompts = prefill.iter().filter(|&&tokens| tokens > 0).map(|&tokens| Workload::prefill(tokens, 0));
    let mut workloads: Vec<Workload> = prompts.collect();
    for &steps in decode.iter().filter(|&&steps| steps > 0) {
        let deeper = depth.iter().map(|&depth| (depth, batch[0]));
        let wider = batch.iter().skip(1).map(|&batch| (depth[0], batch));
        workloads
            .extend(deeper.chain(wider).map(|(depth, batch)| Workload::decode(steps, depth, batch.max(1))));
    }
    Plan { workloads, repetitions: overrides.repetitions.unwrap_or(axes.repetitions).max(1) }
}

/// What decides whether a model is run whole.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// Memory that the engine can get; `None` sets no bound.
    pub available: Option<Bytes>,
    /// Read bandwidth of the memory that holds the weights.
    pub roof: BytesPerSecond,
    /// Arithmetic that the processor is assumed to do, for the estimate of prefill only.
    pub compute: FlopPerSecond,
    /// Time that all measurements may take.
    pub budget: Seconds,
    /// Size of a cached element in bytes.
    pub element: f64,
    /// Copies of the weights that must stay in memory: two where a synthetic file in memory has
    /// rearranged weights beside it, one for a mapped file, whose pages the system can drop.
    pub copies: f64,
}

/// Memory kept back for the engine's buffers.
const SPARE: Bytes = Bytes(0.6e9);

/// Memory that running `plan` on `model` takes: weights, cache, buffers.
#[must_use]
pub fn memory_needed(model: &Profile, plan: &Plan, means: &Means) -> Bytes {
    let cache = plan.workloads.iter().map(|workload| {
        let tokens = f64::from(workload.depth + workload.prompt + workload.generated);
        (model.cache_bytes(tokens, means.element) + model.state_bytes) * f64::from(workload.batch)
    });
    model.tensor_bytes * means.copies + cache.fold(Bytes(0.0), Bytes::max) + SPARE
}

/// Fewest layers of the largest slice: below it, three slices would not differ.
const LEAST: u32 = 4;
/// Repetitions of a workload that is run in slices, at least: an error in a slice weighs several times in the whole.
pub const SLICE_REPETITIONS: u32 = 5;
/// Layers of the largest slice that are asked for even where time is short.
const STEADY: u32 = 8;

/// Rough time of `plan` on `model`: enough to choose between whole and slices.
#[must_use]
pub fn time_needed(model: &Profile, plan: &Plan, means: &Means) -> Seconds {
    let once = plan.workloads.iter().map(|workload| {
        let fill = f64::from(workload.depth) * f64::from(workload.batch);
        let compute = |tokens: f64| (model.flop_per_token() * tokens) / means.compute;
        match workload.phase {
            Phase::Prefill => compute(f64::from(workload.prompt) + fill),
            // Three quarters of the roof, and a tenth more for each further sequence.
            Phase::Decode => {
                let bytes = workload.bytes(model, 512, means.element);
                (bytes / (means.roof * 0.75)) * (0.9 + 0.1 * f64::from(workload.batch)) + compute(fill)
            }
        }
    });
    once.sum::<Seconds>() * f64::from(plan.repetitions)
}

/// The layer counts to run: the whole model where memory and time allow, else three slices.
///
/// `profile` gives the costs of a part with that many layers, or of the whole model where there is no such
/// part. Slices lie as far apart as memory and time allow, because what is wrong in the slope of the line
/// grows with the distance to the whole. `None` where not even the smallest fit.
pub fn parts(layers: u32, plan: &Plan, means: &Means, profile: impl Fn(u32) -> Profile) -> Option<Vec<u32>> {
    let fits = |part: &Profile| {
        means.available.is_none_or(|available| memory_needed(part, plan, means) <= available)
    };
    let whole = profile(layers);
    if fits(&whole) && time_needed(&whole, plan, means) <= means.budget {
        return Some(vec![layers]);
    }
    let slices: Vec<Profile> = (1..layers).map(profile).collect();
    let of = |size: u32| &slices[size as usize - 1];
    let unlike = |size: u32| (layer_bytes(of(size)) / layer_bytes(&whole) - 1.0).abs();
    let smallest = (2..layers).find(|&size| of(size).layers == size)?;
    let possible: Vec<Vec<u32>> = (smallest.saturating_add(2).max(LEAST)..layers)
        .rev()
        .map(|largest| three(smallest, largest, unlike))
        .filter(|sizes| sizes.iter().all(|&size| fits(of(size))))
        .collect();
    let in_time = possible.iter().find(|sizes| {
        sizes.iter().map(|&size| time_needed(of(size), plan, means)).sum::<Seconds>() <= means.budget
    });
    // Slices that are too small carry too little of the time that they stand for: rather be late.
    let steady = possible.iter().rev().find(|sizes| sizes[2] >= STEADY);
    in_time.filter(|sizes| sizes[2] >= STEADY).or(steady).or(possible.first()).cloned()
}

/// The two sizes and one between them. Each may move by one layer to where `unlike` is least: half of the
/// layers of a mix such as Q4_K_M have larger types, and an odd slice cannot be half of each.
fn three(smallest: u32, largest: u32, unlike: impl Fn(u32) -> f64) -> Vec<u32> {
    let nearer = |left: u32, right: u32| if unlike(right) < unlike(left) { right } else { left };
    let between = (smallest + largest) / 2;
    let like =
        vec![nearer(smallest, smallest + 1), nearer(between, between + 1), nearer(largest, largest - 1)];
    let distinct = like.windows(2).all(|pair| pair[0] < pair[1]);
    if distinct { like } else { vec![smallest, between, largest] }
}

/// Bytes that one step of decode reads, by layer, without the head.
fn layer_bytes(part: &Profile) -> f64 {
    let bytes = Workload::decode(1, 0, 1).bytes(part, 512, 2.0);
    (bytes - part.head_bytes).get() / f64::from(part.layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_testing::profile;

    fn names(plan: &Plan) -> String {
        let name = |workload: &Workload| match workload.phase {
            Phase::Prefill => format!("pp{}", workload.prompt),
            Phase::Decode => format!("tg{}@{}x{}", workload.generated, workload.depth, workload.batch),
        };
        format!("{} /{}", plan.workloads.iter().map(name).collect::<Vec<_>>().join(" "), plan.repetitions)
    }

    #[test]
    fn protocols_are_as_documented() {
        let plan_of = |protocol| names(&plan(protocol, &Overrides::default()));
        assert_eq!(plan_of(Protocol::Quick), "pp128 tg32@0x1 tg32@0x4 /3");
        assert_eq!(
            plan_of(Protocol::Standard),
            "pp512 pp2048 tg128@0x1 tg128@2048x1 tg128@0x2 tg128@0x4 tg128@0x8 tg128@0x16 /5"
        );
        assert_eq!(plan_of(Protocol::Article), "pp1920 tg128@1920x1 tg128@1920x16 /3");
    }

    #[test]
    fn overrides_replace_one_axis_at_a_time() {
        let overrides = Overrides {
            prefill: vec![0],
            depth: vec![64],
            batch: vec![2],
            repetitions: Some(7),
            ..Overrides::default()
        };
        assert_eq!(names(&plan(Protocol::Quick, &overrides)), "tg32@64x2 /7");
    }

    #[test]
    fn an_unknown_protocol_names_the_known_ones() {
        insta::assert_snapshot!("fast".parse::<Protocol>().unwrap_err(), @"no protocol `fast`; there are quick, standard, article-2026-04");
    }

    fn means(gb: f64, budget: f64) -> Means {
        Means {
            available: Some(Bytes::from_gb(gb)),
            roof: BytesPerSecond::from_gb(36.0),
            compute: FlopPerSecond::from_tera(0.2),
            budget: Seconds(budget),
            element: 2.0,
            copies: 2.0,
        }
    }

    #[test]
    fn a_model_is_sliced_only_where_memory_or_time_ask_for_it() {
        let quick = plan(Protocol::Quick, &Overrides::default());
        let parts = |gb, budget| parts(32, &quick, &means(gb, budget), profile);
        assert_eq!(parts(24.0, 600.0), Some(vec![32]));
        let by_time = parts(24.0, 45.0).unwrap();
        assert_eq!(by_time.len(), 3);
        assert!(by_time[2] < 16, "{by_time:?}");
        let by_memory = parts(6.0, 600.0).unwrap();
        assert!(by_memory[2] < 32 && by_memory[2] > by_time[2], "{by_memory:?}");
        assert_eq!(parts(1.5, 600.0), None, "nothing fits beside the head");
    }

    #[test]
    fn a_slice_moves_by_a_layer_to_keep_the_mix() {
        let odd = |size: u32| f64::from(size % 2);
        assert_eq!(three(2, 11, odd), [2, 6, 10]);
        assert_eq!(three(3, 12, odd), [4, 8, 12]);
        assert_eq!(three(2, 16, |_| 0.0), [2, 9, 16]);
        assert_eq!(three(2, 4, odd), [2, 3, 4], "two of three would be the same");
    }

    #[test]
    fn slices_are_distinct_and_below_the_whole() {
        let quick = plan(Protocol::Quick, &Overrides::default());
        for budget in [1.0, 20.0, 40.0, 60.0] {
            let parts = parts(32, &quick, &means(24.0, budget), profile).unwrap();
            assert!(parts[2] >= STEADY, "{parts:?}");
            assert!(parts.windows(2).all(|pair| pair[0] < pair[1]), "{parts:?}");
        }
    }
}
