//! x86-64: AVX2, AVX-512, their dot products.

use super::tile::{RunTile, Tile, tile};
use super::{BLOCK, FACTOR, Loop, Loops, Peak};
use roofmark_facts::probe_record::Number;
use std::arch::x86_64::*;
use std::hint::black_box;

/// Accumulators that are independent of each other: more than latency × throughput of any of them.
const CHAINS: usize = 12;

/// How far ahead of a load its line is asked for, in bytes.
const AHEAD: usize = 2048;

macro_rules! has {
    ($feature:tt) => {
        std::arch::is_x86_feature_detected!($feature)
    };
}

/// A safe pointer to a function whose features were found.
macro_rules! found {
    ($function:ident, $($argument:ident),*) => {
        |$($argument),*| {
            // SAFETY: used only below a branch that finds the function's features at run time.
            unsafe { $function($($argument),*) }
        }
    };
}

pub(super) fn features() -> Vec<String> {
    let found = [
        ("avx2", has!("avx2")),
        ("fma", has!("fma")),
        ("f16c", has!("f16c")),
        ("avxvnni", has!("avxvnni")),
        ("avx512f", has!("avx512f")),
        ("avx512bw", has!("avx512bw")),
        ("avx512vnni", has!("avx512vnni")),
        ("avx512bf16", has!("avx512bf16")),
        ("avx512fp16", has!("avx512fp16")),
        ("amx-tile", amx().is_some_and(|bits| bits & (1 << 24) != 0)),
        ("amx-bf16", amx().is_some_and(|bits| bits & (1 << 22) != 0)),
        ("amx-int8", amx().is_some_and(|bits| bits & (1 << 25) != 0)),
    ];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}

/// EDX of CPUID leaf 7, which tells AMX (Intel's manual, table 3-8); the standard library does not yet.
fn amx() -> Option<u32> {
    let leaves = __cpuid(0).eax;
    (leaves >= 7).then(|| __cpuid_count(7, 0).edx)
}

pub(super) fn add_loops(loops: &mut Loops) {
    if has!("avx2") {
        loops.read.insert(0, Loop { name: "avx2", run: found!(read_256, a) });
        loops.write.insert(0, Loop { name: "avx2, streaming stores", run: found!(write_256, a, value) });
        loops.copy.insert(0, Loop { name: "avx2, streaming stores", run: found!(copy_256, a, b) });
        loops.triad.insert(0, Loop { name: "avx2, streaming stores", run: found!(triad_256, a, b, c) });
    }
    if has!("avx512f") {
        loops.read.insert(0, Loop { name: "avx512", run: found!(read_512, a) });
        loops.read.insert(0, Loop { name: "avx512, four streams", run: found!(read_512_streams, a) });
        loops.write.insert(0, Loop { name: "avx512, streaming stores", run: found!(write_512, a, value) });
        loops.copy.insert(0, Loop { name: "avx512, streaming stores", run: found!(copy_512, a, b) });
        loops.triad.insert(0, Loop { name: "avx512, streaming stores", run: found!(triad_512, a, b, c) });
    }
}

pub(super) fn peaks() -> Vec<Peak> {
    [f32_peak(), f16_peak(), bf16_peak(), int8_peak()].into_iter().flatten().collect()
}

fn peak(number: Number, instructions: &'static str, lanes: usize, run: fn(u64) -> f64) -> Option<Peak> {
    Some(Peak { number, instructions, operations: (2 * lanes * CHAINS) as f64, run, untested: false })
}

fn f32_peak() -> Option<Peak> {
    if has!("avx512f") {
        return peak(Number::F32, "avx512f", 16, found!(f32_512, n));
    }
    if has!("avx2") && has!("fma") {
        return peak(Number::F32, "avx2, fma", 8, found!(f32_256, n));
    }
    None
}

/// Half precision is widened and multiplied in single precision, as engines do without AVX512-FP16.
fn f16_peak() -> Option<Peak> {
    if has!("avx512f") {
        return peak(Number::F16, "avx512f, widened", 16, found!(f16_512, n));
    }
    if has!("avx2") && has!("fma") && has!("f16c") {
        return peak(Number::F16, "f16c, widened", 8, found!(f16_256, n));
    }
    None
}

fn bf16_peak() -> Option<Peak> {
    (has!("avx512bf16") && has!("avx512f"))
        .then(|| peak(Number::Bf16, "avx512bf16", 32, found!(bf16_512, n)))
        .flatten()
}

fn int8_peak() -> Option<Peak> {
    if has!("avx512vnni") && has!("avx512f") {
        return peak(Number::Int8, "avx512vnni", 64, found!(int8_512, n));
    }
    if has!("avxvnni") && has!("avx2") {
        return peak(Number::Int8, "avxvnni", 32, found!(int8_256, n));
    }
    if has!("avx2") {
        return peak(Number::Int8, "avx2", 32, found!(int8_avx2, n));
    }
    None
}

/// The best tile of each kind of number.
pub(super) fn tiles() -> Vec<Tile> {
    let tile = |number, instructions, rows, columns, run: RunTile| Tile {
        number,
        instructions,
        rows,
        columns,
        untested: false,
        run,
    };
    let f32s = [
        has!("avx512f").then(|| tile(Number::F32, "avx512f", 12, 32, found!(f32_tile_512, a, b, c, d, e))),
        (has!("avx2") && has!("fma"))
            .then(|| tile(Number::F32, "avx2, fma", 6, 16, found!(f32_tile_256, a, b, c, d, e))),
    ];
    let int8s = [
        (has!("avx512vnni") && has!("avx512f"))
            .then(|| tile(Number::Int8, "avx512vnni", 12, 32, found!(int8_tile_512, a, b, c, d, e))),
        (has!("avxvnni") && has!("avx2"))
            .then(|| tile(Number::Int8, "avxvnni", 6, 16, found!(int8_tile_256, a, b, c, d, e))),
        has!("avx2").then(|| tile(Number::Int8, "avx2", 6, 16, found!(int8_tile_avx2, a, b, c, d, e))),
    ];
    [f32s.into_iter().flatten().next(), int8s.into_iter().flatten().next()].into_iter().flatten().collect()
}

tile!(
    f32_tile_512, "avx512f", 12 x 2 x 16, load_ps_512,
    |word| _mm512_set1_ps(f32::from_bits(word)),
    |sum, a, b| _mm512_fmadd_ps(a, b, sum), _mm512_add_ps, store_ps_512
);
tile!(
    f32_tile_256, "avx2,fma", 6 x 2 x 8, load_ps_256,
    |word| _mm256_set1_ps(f32::from_bits(word)),
    |sum, a, b| _mm256_fmadd_ps(a, b, sum), _mm256_add_ps, store_ps_256
);
tile!(
    int8_tile_512, "avx512f,avx512vnni", 12 x 2 x 16, load_512,
    |word: u32| _mm512_set1_epi32(word as i32),
    |sum, a, b| _mm512_dpbusd_epi32(sum, a, b), _mm512_add_epi32, store_512
);
tile!(
    int8_tile_256, "avx2,avxvnni", 6 x 2 x 8, load_256,
    |word: u32| _mm256_set1_epi32(word as i32),
    |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b), _mm256_add_epi32, store_256
);
tile!(
    int8_tile_avx2, "avx2", 6 x 2 x 8, load_256,
    |word: u32| _mm256_set1_epi32(word as i32),
    |sum, a, b| {
        // Sums of two products: below 2 × 127 × 128, so that 16 bits hold them.
        let pairs = _mm256_maddubs_epi16(a, b);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }, _mm256_add_epi32, store_256
);

macro_rules! lanes {
    ($features:literal, $lanes:literal, $vector:ty, $load:ident = $loadu:ident, $store:ident = $storeu:ident) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $load(words: &[u32; $lanes]) -> $vector {
            // SAFETY: the array is as long as the vector; the load needs no alignment.
            unsafe { $loadu(words.as_ptr().cast()) }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn $store(words: &mut [u32; $lanes], vector: $vector) {
            // SAFETY: the array is as long as the vector; the store needs no alignment.
            unsafe { $storeu(words.as_mut_ptr().cast(), vector) }
        }
    };
}

lanes!("avx512f", 16, __m512, load_ps_512 = _mm512_loadu_ps, store_ps_512 = _mm512_storeu_ps);
lanes!("avx512f", 16, __m512i, load_512 = _mm512_loadu_si512, store_512 = _mm512_storeu_si512);
lanes!("avx2", 8, __m256, load_ps_256 = _mm256_loadu_ps, store_ps_256 = _mm256_storeu_ps);
lanes!("avx2", 8, __m256i, load_256 = _mm256_loadu_si256, store_256 = _mm256_storeu_si256);

#[target_feature(enable = "avx2")]
fn read_256(bytes: &[u8]) -> u64 {
    let mut sums = [_mm256_setzero_si256(); 4];
    for block in bytes.as_chunks::<128>().0 {
        for (sum, lane) in sums.iter_mut().zip(block.as_chunks::<32>().0) {
            // SAFETY: a lane has 32 bytes; the load needs no alignment.
            *sum = _mm256_add_epi64(*sum, unsafe { _mm256_loadu_si256(lane.as_ptr().cast()) });
        }
    }
    let mut total = [0u64; 16];
    for (lane, sum) in total.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: a lane has 32 bytes; the store needs no alignment.
        unsafe { _mm256_storeu_si256(lane.as_mut_ptr().cast(), sum) };
    }
    total.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

#[target_feature(enable = "avx512f")]
fn add_512(sums: &mut [__m512i; 4], block: &[u8; 256]) {
    for (sum, lane) in sums.iter_mut().zip(block.as_chunks::<64>().0) {
        // SAFETY: a lane has 64 bytes; the load needs no alignment.
        *sum = _mm512_add_epi64(*sum, unsafe { _mm512_loadu_si512(lane.as_ptr().cast()) });
    }
}

#[target_feature(enable = "avx512f")]
fn total_512(sums: &[__m512i; 4]) -> u64 {
    sums.iter().fold(0u64, |total, sum| total.wrapping_add(_mm512_reduce_add_epi64(*sum) as u64))
}

#[target_feature(enable = "avx512f")]
fn read_512(bytes: &[u8]) -> u64 {
    let mut sums = [_mm512_setzero_si512(); 4];
    for block in bytes.as_chunks::<256>().0 {
        _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast());
        add_512(&mut sums, block);
    }
    total_512(&sums)
}

/// Four quarters of the array side by side: more pages open at once.
#[target_feature(enable = "avx512f")]
fn read_512_streams(bytes: &[u8]) -> u64 {
    let quarter = (bytes.len() / 4) & !(BLOCK - 1);
    let (streams, rest) = bytes.split_at(quarter * 4);
    let mut sums = [_mm512_setzero_si512(); 4];
    let (first, second) = streams.split_at(quarter * 2);
    let ((a, b), (c, d)) = (first.split_at(quarter), second.split_at(quarter));
    let blocks = |part| <[u8]>::as_chunks::<256>(part).0;
    for (((a, b), c), d) in blocks(a).iter().zip(blocks(b)).zip(blocks(c)).zip(blocks(d)) {
        add_512(&mut sums, a);
        add_512(&mut sums, b);
        add_512(&mut sums, c);
        add_512(&mut sums, d);
    }
    total_512(&sums).wrapping_add(super::read(rest))
}

#[target_feature(enable = "avx2")]
fn write_256(bytes: &mut [u8], value: u64) {
    let value = _mm256_set1_epi64x(value as i64);
    for lane in bytes.as_chunks_mut::<32>().0 {
        // SAFETY: arrays begin at a page, so each lane of 32 bytes is aligned.
        unsafe { _mm256_stream_si256(lane.as_mut_ptr().cast(), value) };
    }
    _mm_sfence();
}

#[target_feature(enable = "avx512f")]
fn write_512(bytes: &mut [u8], value: u64) {
    let value = _mm512_set1_epi64(value as i64);
    for lane in bytes.as_chunks_mut::<64>().0 {
        // SAFETY: arrays begin at a page, so each lane of 64 bytes is aligned.
        unsafe { _mm512_stream_si512(lane.as_mut_ptr().cast(), value) };
    }
    _mm_sfence();
}

#[target_feature(enable = "avx2")]
fn copy_256(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.as_chunks_mut::<32>().0.iter_mut().zip(from.as_chunks::<32>().0) {
        // SAFETY: arrays begin at a page, so each lane of 32 bytes is aligned.
        unsafe { _mm256_stream_si256(to.as_mut_ptr().cast(), _mm256_load_si256(from.as_ptr().cast())) };
    }
    _mm_sfence();
}

#[target_feature(enable = "avx512f")]
fn copy_512(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.as_chunks_mut::<64>().0.iter_mut().zip(from.as_chunks::<64>().0) {
        // SAFETY: arrays begin at a page, so each lane of 64 bytes is aligned.
        unsafe { _mm512_stream_si512(to.as_mut_ptr().cast(), _mm512_load_si512(from.as_ptr().cast())) };
    }
    _mm_sfence();
}

#[target_feature(enable = "avx2")]
fn triad_256(to: &mut [u8], left: &[u8], right: &[u8]) {
    let factor = _mm256_set1_pd(FACTOR);
    let sources = left.as_chunks::<32>().0.iter().zip(right.as_chunks::<32>().0);
    for (to, (left, right)) in to.as_chunks_mut::<32>().0.iter_mut().zip(sources) {
        // SAFETY: arrays begin at a page, so each lane of 32 bytes is aligned.
        unsafe {
            let product = _mm256_mul_pd(factor, _mm256_load_pd(right.as_ptr().cast()));
            let sum = _mm256_add_pd(_mm256_load_pd(left.as_ptr().cast()), product);
            _mm256_stream_pd(to.as_mut_ptr().cast(), sum);
        }
    }
    _mm_sfence();
}

#[target_feature(enable = "avx512f")]
fn triad_512(to: &mut [u8], left: &[u8], right: &[u8]) {
    let factor = _mm512_set1_pd(FACTOR);
    let sources = left.as_chunks::<64>().0.iter().zip(right.as_chunks::<64>().0);
    for (to, (left, right)) in to.as_chunks_mut::<64>().0.iter_mut().zip(sources) {
        // SAFETY: arrays begin at a page, so each lane of 64 bytes is aligned.
        unsafe {
            let right = _mm512_load_pd(right.as_ptr().cast());
            let sum = _mm512_fmadd_pd(factor, right, _mm512_load_pd(left.as_ptr().cast()));
            _mm512_stream_pd(to.as_mut_ptr().cast(), sum);
        }
    }
    _mm_sfence();
}

#[target_feature(enable = "avx512f")]
fn f32_512(iterations: u64) -> f64 {
    let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.25)));
    let mut sums = [_mm512_setzero_ps(); CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(a, b, *sum);
        }
    }
    sums.iter().map(|sum| f64::from(_mm512_reduce_add_ps(*sum))).sum()
}

#[target_feature(enable = "avx2,fma")]
fn f32_256(iterations: u64) -> f64 {
    let (a, b) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(0.25)));
    let mut sums = [_mm256_setzero_ps(); CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(a, b, *sum);
        }
    }
    sums.iter().map(|sum| f64::from(_mm256_cvtss_f32(*sum))).sum()
}

#[target_feature(enable = "avx512f")]
fn f16_512(iterations: u64) -> f64 {
    let b = _mm512_set1_ps(black_box(0.25));
    let mut half = _mm256_set1_epi16(black_box(0x3800));
    let mut sums = [_mm512_setzero_ps(); CHAINS];
    for _ in 0..iterations {
        // The compiler must not widen once for all iterations.
        half = black_box(half);
        for sum in &mut sums {
            half = _mm256_xor_si256(half, _mm256_setzero_si256());
            *sum = _mm512_fmadd_ps(_mm512_cvtph_ps(half), b, *sum);
        }
    }
    sums.iter().map(|sum| f64::from(_mm512_reduce_add_ps(*sum))).sum()
}

#[target_feature(enable = "avx2,fma,f16c")]
fn f16_256(iterations: u64) -> f64 {
    let b = _mm256_set1_ps(black_box(0.25));
    let halves = [_mm_set1_epi16(0x3800); CHAINS];
    let mut sums = [_mm256_setzero_ps(); CHAINS];
    for _ in 0..iterations {
        let halves = black_box(&halves);
        for (sum, half) in sums.iter_mut().zip(halves) {
            *sum = _mm256_fmadd_ps(_mm256_cvtph_ps(*half), b, *sum);
        }
    }
    sums.iter().map(|sum| f64::from(_mm256_cvtss_f32(*sum))).sum()
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16_512(iterations: u64) -> f64 {
    let (a, b) = (
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.5))),
        _mm512_cvtne2ps_pbh(_mm512_set1_ps(black_box(0.25)), _mm512_set1_ps(black_box(0.25))),
    );
    let mut sums = [_mm512_setzero_ps(); CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, a, b);
        }
    }
    sums.iter().map(|sum| f64::from(_mm512_reduce_add_ps(*sum))).sum()
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn int8_512(iterations: u64) -> f64 {
    let (a, b) = (_mm512_set1_epi8(black_box(3)), _mm512_set1_epi8(black_box(1)));
    let mut sums = [_mm512_setzero_si512(); CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, a, b);
        }
    }
    sums.iter().map(|sum| f64::from(_mm512_reduce_add_epi32(*sum))).sum()
}

#[target_feature(enable = "avx2,avxvnni")]
fn int8_256(iterations: u64) -> f64 {
    let (a, b) = (_mm256_set1_epi8(black_box(3)), _mm256_set1_epi8(black_box(1)));
    let mut sums = [_mm256_setzero_si256(); CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm256_dpbusd_avx_epi32(*sum, a, b);
        }
    }
    sums.iter().map(|sum| f64::from(_mm256_extract_epi32::<0>(*sum))).sum()
}

#[target_feature(enable = "avx2")]
fn int8_avx2(iterations: u64) -> f64 {
    let ones = _mm256_set1_epi16(1);
    let lefts = [_mm256_set1_epi8(3); CHAINS];
    let right = _mm256_set1_epi8(black_box(1));
    let mut sums = [_mm256_setzero_si256(); CHAINS];
    for _ in 0..iterations {
        let lefts = black_box(&lefts);
        for (sum, left) in sums.iter_mut().zip(lefts) {
            let pairs = _mm256_maddubs_epi16(*left, right);
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
        }
    }
    sums.iter().map(|sum| f64::from(_mm256_extract_epi32::<0>(*sum))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrower_loops_work_where_wider_ones_are_chosen() {
        let few: Vec<fn(u64) -> f64> = [
            (has!("avx2") && has!("fma"), (found!(f32_256, n)) as fn(u64) -> f64),
            (has!("f16c") && has!("fma"), found!(f16_256, n)),
            (has!("avxvnni"), found!(int8_256, n)),
            (has!("avx2"), found!(int8_avx2, n)),
        ]
        .into_iter()
        .filter_map(|(has, run)| has.then_some(run))
        .collect();
        for run in few {
            assert!(run(4) * 4.0 == run(16), "the sum grows with the iterations");
        }
    }
}
