//! AArch64: NEON and its dot products. Not run on a real machine by the authors.
//!
//! The plain loops are NEON already, which every AArch64 processor has; its pair stores without allocation
//! are added. The dot products are written in assembly because the standard library does not offer them yet.

use super::tile::{Tile, tile};
use super::{Loop, Loops, Peak};
use roofmark_facts::probe_record::Number;
use std::arch::aarch64::*;
use std::arch::asm;

/// Dot products in one iteration.
const CHAINS: f64 = 16.0;

macro_rules! has {
    ($feature:tt) => {
        std::arch::is_aarch64_feature_detected!($feature)
    };
}

pub(super) fn features() -> Vec<String> {
    let found = [
        ("neon", has!("neon")),
        ("dotprod", has!("dotprod")),
        ("fp16", has!("fp16")),
        ("bf16", has!("bf16")),
        ("i8mm", has!("i8mm")),
        ("sve", has!("sve")),
        ("sve2", has!("sve2")),
    ];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

pub(super) fn add_loops(loops: &mut Loops) {
    loops.write.insert(0, Loop { name: "neon, streaming stores", run: write });
}

fn write(bytes: &mut [u8], value: u64) {
    for pair in bytes.as_chunks_mut::<32>().0 {
        // SAFETY: writes the 32 bytes of the pair.
        unsafe {
            asm!("dup v0.2d, {value}", "stnp q0, q0, [{to}]", value = in(reg) value, to = in(reg) pair.as_mut_ptr(),
                 out("v0") _, options(nostack));
        }
    }
}

pub(super) fn peaks() -> Vec<Peak> {
    let peak = |number, instructions, lanes: f64, run| {
        Some(Peak { number, instructions, operations: 2.0 * lanes * CHAINS, run, untested: true })
    };
    let found = [
        peak(Number::F32, "neon", 4.0, f32_neon as fn(u64) -> f64),
        has!("fp16").then(|| peak(Number::F16, "neon fp16", 8.0, f16_neon)).flatten(),
        has!("bf16").then(|| peak(Number::Bf16, "bfmmla", 16.0, bf16_neon)).flatten(),
        has!("i8mm")
            .then(|| peak(Number::Int8, "smmla", 32.0, int8_smmla))
            .flatten()
            .or_else(|| has!("dotprod").then(|| peak(Number::Int8, "sdot", 16.0, int8_sdot)).flatten()),
    ];
    found.into_iter().flatten().collect()
}

/// Floats only: the standard library has no stable dot product of integers for this architecture.
pub(super) fn tiles() -> Vec<Tile> {
    // SAFETY: every AArch64 processor that Rust targets has NEON.
    let run: super::tile::RunTile = |a, b, c, d, e| unsafe { f32_tile(a, b, c, d, e) };
    vec![Tile { number: Number::F32, instructions: "neon", rows: 12, columns: 8, untested: true, run }]
}

tile!(
    f32_tile, "neon", 12 x 2 x 4, load,
    |word| vdupq_n_f32(f32::from_bits(word)),
    |sum, a, b| vfmaq_f32(sum, a, b), vaddq_f32, store
);

#[target_feature(enable = "neon")]
fn load(words: &[u32; 4]) -> float32x4_t {
    // SAFETY: the array is as long as the vector.
    unsafe { vld1q_f32(words.as_ptr().cast()) }
}

#[target_feature(enable = "neon")]
fn store(words: &mut [u32; 4], vector: float32x4_t) {
    // SAFETY: the array is as long as the vector.
    unsafe { vst1q_f32(words.as_mut_ptr().cast(), vector) }
}

/// Sixteen independent instructions on v0 to v15 with the sources v16 and v17, and the count of iterations as result.
macro_rules! chains {
    ($name:ident, $extension:literal, $instruction:literal, $wide:literal, $narrow:literal) => {
        fn $name(iterations: u64) -> f64 {
            let mut left = iterations.max(1);
            // SAFETY: touches vector registers only, all of them declared; the extension was found at run time.
            unsafe {
                asm!(
                    concat!(".arch_extension ", $extension),
                    "2:",
                    concat!($instruction, " v0.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v1.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v2.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v3.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v4.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v5.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v6.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v7.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v8.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v9.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v10.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v11.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v12.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v13.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v14.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    concat!($instruction, " v15.", $wide, ", v16.", $narrow, ", v17.", $narrow),
                    "subs {left}, {left}, #1",
                    "b.ne 2b",
                    left = inout(reg) left,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _,
                    out("v6") _, out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _,
                    out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                    options(nomem, nostack)
                );
            }
            (iterations - left) as f64
        }
    };
}

chains!(f32_neon, "simd", "fmla", "4s", "4s");
chains!(f16_neon, "fp16", "fmla", "8h", "8h");
chains!(bf16_neon, "bf16", "bfmmla", "4s", "8h");
chains!(int8_sdot, "dotprod", "sdot", "4s", "16b");
chains!(int8_smmla, "i8mm", "smmla", "4s", "16b");
