//! Workloads by name: what people do with a model, as lengths, streams, hours and targets. Every number is an
//! assumption to be changed.

use roofmark_facts::advice::Workload;

/// Names of the presets.
pub const PRESETS: [&str; 6] = ["chat", "coding", "agents", "documents", "batch", "team"];

/// The preset `name`; `team` is for `users` people at once.
#[must_use]
pub fn preset(name: &str, users: f64) -> Option<Workload> {
    let base = Workload {
        name: name.to_owned(),
        prompt: 1_000.0,
        cached: 500.0,
        output: 300.0,
        streams: 1.0,
        hours: 8.0,
        utilisation: 0.15,
        least_rate: Some(8.0),
        longest_wait: Some(5.0),
    };
    Some(match name {
        "chat" => base,
        "coding" => Workload {
            prompt: 4_000.0,
            cached: 4_000.0,
            output: 500.0,
            utilisation: 0.25,
            least_rate: Some(25.0),
            longest_wait: Some(10.0),
            ..base
        },
        "agents" => Workload {
            prompt: 3_000.0,
            cached: 20_000.0,
            output: 800.0,
            hours: 12.0,
            utilisation: 0.5,
            least_rate: Some(20.0),
            longest_wait: Some(15.0),
            ..base
        },
        "documents" => Workload {
            prompt: 32_000.0,
            cached: 0.0,
            output: 800.0,
            least_rate: Some(6.0),
            longest_wait: Some(120.0),
            ..base
        },
        "batch" => Workload {
            cached: 0.0,
            output: 500.0,
            streams: 16.0,
            hours: 24.0,
            utilisation: 0.8,
            least_rate: None,
            longest_wait: None,
            ..base
        },
        "team" => Workload {
            prompt: 2_000.0,
            output: 400.0,
            streams: users,
            hours: 10.0,
            utilisation: 0.4,
            longest_wait: Some(10.0),
            ..base
        },
        _ => return None,
    })
}
