//! Records for tests, with every field filled: a test changes the fields that it is about. Only ever a
//! dev-dependency.
#![forbid(unsafe_code)]

use roofmark_facts::load_record::{Api, ServerEngine, ServerFacts};
use roofmark_facts::profile::{CacheLayers, Profile};
use roofmark_facts::records::{
    Check, EngineFacts, FORMAT, Host, Interval, Limit, ModelFacts, Origin, Roof, Row, Run, Sample, Settings,
    State, Workload,
};
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::{Bytes, BytesPerSecond, Flop, Seconds, TokensPerSecond};

/// A dense model in the shape of Llama 3.1 8B, with `layers` layers: 0.43 GB of head and 0.131 GB a layer.
#[must_use]
pub fn profile(layers: u32) -> Profile {
    let count = f64::from(layers);
    Profile {
        model: "test-8b".into(),
        arch: "llama".into(),
        quant: "Q4_K_M".into(),
        layers,
        tensor_bytes: Bytes(0.727e9 + 0.1308e9 * count),
        params: 1.05e9 + 0.218e9 * count,
        active_params: 0.525e9 + 0.218e9 * count,
        fixed_bytes: Bytes(0.431e9 + 0.1308e9 * count),
        head_bytes: Bytes(0.431e9),
        fixed_flop: Flop(1.05e9 + 0.436e9 * count),
        head_flop: Flop(1.05e9),
        experts: vec![],
        caches: vec![CacheLayers { layers: count, elements: 2048.0, window: None, flop: Flop(16384.0) }],
        state_bytes: Bytes(0.0),
        context: Some(131_072),
        kinds: vec![("Q4_K".into(), 0.8), ("Q6_K".into(), 0.2)],
    }
}

/// A finished run of [`profile`] with 32 layers on two processors, without a part, a cell or a doubt.
#[must_use]
pub fn run() -> Run {
    Run {
        format: FORMAT.into(),
        tool: "roofmark 0".into(),
        date: "2026-04-01T12:00:00Z".into(),
        machine: Host { cpus: 2, ..Host::default() },
        engine: EngineFacts { name: "llama.cpp".into(), backend: "CPU".into(), ..EngineFacts::default() },
        model: ModelFacts { profile: profile(32), origin: Origin::Synthetic },
        settings: settings(),
        roofs: None,
        parts: vec![],
        cells: vec![],
        check: Check::NotApplicable,
        doubts: vec![],
    }
}

/// What a server of no special kind says of itself: a model `m`, nothing of its context.
#[must_use]
pub fn server_facts() -> ServerFacts {
    ServerFacts {
        engine: ServerEngine::OpenAi,
        recognised_by: "the test".into(),
        version: None,
        model: "m".into(),
        context: None,
        slots: None,
        api: Api::Chat,
        tls: false,
        loopback: true,
    }
}

/// The settings of [`run`]: `quick`, three repetitions, two threads.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        protocol: "quick".into(),
        repetitions: 3,
        threads: 2,
        cache_type: TensorType::F16,
        micro_batch: 512,
        waited: Seconds(0.0),
    }
}

/// One finite sample of `workload`, with nothing measured beside it.
#[must_use]
pub fn sample(workload: &Workload, time: Seconds) -> Sample {
    Sample {
        tokens: workload.tokens(),
        time,
        steps: vec![],
        roof: None,
        sentinel: None,
        energy: None,
        state: State::default(),
        finite: true,
    }
}

/// A row of three samples within 2 % of `rate`, without a share or a doubt.
#[must_use]
pub fn row(workload: Workload, rate: TokensPerSecond) -> Row {
    Row {
        workload,
        rate: Interval { low: rate * 0.98, mid: rate, high: rate * 1.02 },
        slowest: None,
        fastest: None,
        samples: 3,
        attainable: None,
        share: None,
        ceiling: None,
        power: None,
        energy_per_token: None,
        limit: Limit::Unknown,
        extrapolation: None,
        void: false,
        doubts: vec![],
    }
}

/// A roof whose best and median passes are alike.
#[must_use]
pub fn roof(threads: u32, read: BytesPerSecond) -> Roof {
    Roof { threads, best: read, median: read }
}
