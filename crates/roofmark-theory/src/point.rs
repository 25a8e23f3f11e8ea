//! A job as the correction model sees it: which groups it belongs to, what its time consists of, where it lies.

use crate::job::Job;
use crate::physics;
use roofmark_facts::prediction::Part;
use roofmark_facts::profile::Profile;

/// Group memberships, coarse to fine. Two jobs that share one share its correction.
pub const LEVELS: [&str; 21] = [
    "all",
    "class",
    "chip",
    "kernels",
    "engine",
    "family",
    "model",
    "storage",
    "class+kernels",
    "chip+kernels",
    "kernels+family",
    "kernels+storage",
    "kernels+model",
    "chip+kernels+family",
    "chip+kernels+storage",
    "chip+model",
    "cell",
    "kernels~speed",
    "class+kernels~date",
    "kernels+flash",
    "kernels+arch",
];

/// Index of a level in [`LEVELS`].
#[must_use]
pub fn level(name: &str) -> usize {
    LEVELS.iter().position(|known| *known == name).unwrap_or(0)
}

/// Number of shares that a point carries: every part of the time but the weights' (or the dense arithmetic's).
pub const SHARES: usize = 5;
/// Coordinates of smooth terms: speed of the device, date, batch or tokens, depth, ideal time or pass.
pub const COORDINATES: usize = 5;

/// Index of the device's speed.
pub const SPEED: usize = 0;
/// Index of the software's date.
pub const DATE: usize = 1;
/// Index of ln(batch), or of ln(prompt tokens).
pub const SIZE: usize = 2;
/// Index of ln(1 + depth / 512).
pub const DEPTH: usize = 3;
/// Index of the ideal time ln(bytes / bandwidth), or of ln(tokens per pass).
pub const PACE: usize = 4;

/// Features of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Hash of the group at each level.
    pub groups: [u32; LEVELS.len()],
    /// Shares of the physical time.
    pub shares: [f64; SHARES],
    /// Coordinates.
    pub at: [f64; COORDINATES],
    /// Several sequences, or a prompt.
    pub many: bool,
    /// Rates of servers are noisier.
    pub server: bool,
    /// Logarithm of the physical time in seconds.
    pub log_seconds: f64,
}

/// The point of `job`, whose physical time consists of `parts`.
#[must_use]
pub fn point(job: &Job<'_>, parts: &[Part]) -> Point {
    let seconds = physics::total(parts);
    let mut shares = [0.0; SHARES];
    let others = parts.iter().enumerate().filter(|(index, _)| *index != BASE);
    for (share, (_, part)) in shares.iter_mut().zip(others) {
        *share = part.time.get() / seconds;
    }
    Point {
        groups: groups(job),
        shares,
        at: coordinates(job),
        many: job.batch > 1.0,
        server: job.engine.is_server(),
        log_seconds: seconds.ln(),
    }
}

/// The part that carries no share of its own, because the constant stands for it: weights or dense arithmetic.
const BASE: usize = 1;

fn coordinates(job: &Job<'_>) -> [f64; COORDINATES] {
    let bandwidth = physics::bandwidth(job).unwrap_or(1.0);
    let cached = if job.is_prefill() { job.depth } else { job.mean_depth() };
    let depth = (1.0 + cached / 512.0).ln();
    if job.is_prefill() {
        let peak = physics::peak(job.machine).unwrap_or(1.0);
        return [peak.ln(), job.year, job.prompt_tokens().ln(), depth, job.pass().ln()];
    }
    let bytes = job.profile.fixed_bytes.get() + physics::expert_bytes(job, job.batch);
    [bandwidth.ln(), job.year, job.batch.ln(), depth, (bytes / bandwidth).ln()]
}

fn groups(job: &Job<'_>) -> [u32; LEVELS.len()] {
    let class =
        if job.devices > 1 { format!("{} joined", job.machine.class) } else { job.machine.class.clone() };
    let chip = chip(&job.machine.slug);
    let backend = job.backend.name();
    let kernels = format!("{backend} {}", job.engine.kernels(job.backend));
    let engine = format!("{backend} {:?}{}", job.engine, if job.eager { " eager" } else { "" });
    let family = family(&job.profile);
    let model = format!("{} {} {:.0}", job.profile.arch, job.profile.layers, job.profile.params / 1e6);
    let storage = storage(&job.profile);
    let flash = format!("{kernels} {}", job.no_flash);
    [
        hash(&[]),
        hash(&[&class]),
        hash(&[chip]),
        hash(&[&kernels]),
        hash(&[&engine]),
        hash(&[family]),
        hash(&[&model]),
        hash(&[storage]),
        hash(&[&class, &kernels]),
        hash(&[chip, &kernels]),
        hash(&[&kernels, family]),
        hash(&[&kernels, storage]),
        hash(&[&kernels, &model]),
        hash(&[chip, &kernels, family]),
        hash(&[chip, &kernels, storage]),
        hash(&[chip, &model]),
        hash(&[chip, &kernels, &model, storage]),
        hash(&[&kernels]),
        hash(&[&class, &kernels]),
        hash(&[&flash]),
        hash(&[&kernels, &job.profile.arch]),
    ]
}

/// The chip of a machine: its name without the size of its memory or the number of its cores.
#[must_use]
pub fn chip(slug: &str) -> &str {
    let mut end = slug.len();
    while let Some(at) = slug[..end].rfind('-') {
        let tail = &slug[at + 1..end];
        let digits = tail.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = &tail[digits.len()..];
        let counts = !digits.is_empty() && digits.chars().all(|letter| letter.is_ascii_digit());
        if !(counts && matches!(unit, "gb" | "c")) {
            break;
        }
        end = at;
    }
    &slug[..end]
}

/// Architecture family: what decides which kernels a layer needs.
#[must_use]
pub fn family(profile: &Profile) -> &'static str {
    let latent =
        profile.caches.iter().any(|group| group.elements < 800.0 && group.flop.get() > 60.0 * group.elements);
    match (profile.is_moe(), profile.state_bytes.get() > 0.0, latent) {
        (false, false, false) => "dense",
        (false, true, _) => "dense hybrid",
        (true, false, false) => "experts",
        (true, true, _) => "experts hybrid",
        (false, false, true) => "dense latent",
        (true, false, true) => "experts latent",
    }
}

/// Storage family of most weights.
#[must_use]
pub fn storage(profile: &Profile) -> &'static str {
    let Some((kind, _)) = profile.kinds.first() else { return "unknown" };
    match kind.as_str() {
        "F32" | "F16" | "BF16" => "16 bit",
        "FP8" | "MXFP8" => "fp8",
        "Q8_0" | "MLX 8-bit g64" => "8 bit",
        "Q6_K" | "MLX 6-bit g64" => "6 bit",
        "Q5_K" | "Q5_0" | "Q5_1" | "MLX 5-bit g64" => "5 bit",
        "Q4_K" | "IQ4_XS" | "IQ4_NL" => "4 bit K",
        "Q4_0" | "Q4_1" => "4 bit plain",
        "MLX 4-bit g64" => "4 bit MLX",
        "MXFP4" => "mxfp4",
        "NVFP4" => "nvfp4",
        "INT4 g128" => "int4",
        _ => "few bits",
    }
}

/// FNV-1a over the parts, each closed by a separator. Only equality of the results means anything.
fn hash(parts: &[&str]) -> u32 {
    let mut state = 0x811c_9dc5_u32;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    state
}

/// Key of the conditions that rows of one source share: machine, kernels.
#[must_use]
pub fn conditions(point: &Point) -> u32 {
    point.groups[9]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_is_the_slug_without_memory_and_cores() {
        for (slug, name) in [
            ("apple-m5-max-40c-128gb", "apple-m5-max"),
            ("apple-m5-max", "apple-m5-max"),
            ("nvidia-rtx-4090-48gb", "nvidia-rtx-4090"),
            ("amd-strix-halo-128gb", "amd-strix-halo"),
            ("nvidia-dgx-spark-x2", "nvidia-dgx-spark-x2"),
            ("apple-m4-10c-16gb", "apple-m4"),
        ] {
            assert_eq!(chip(slug), name);
        }
    }
}
