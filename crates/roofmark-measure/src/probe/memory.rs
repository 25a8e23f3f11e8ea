//! Bandwidth of main memory: read, write, copy and triad over arrays past the last cache.
//!
//! Bytes are counted as STREAM counts them. Which loop is fastest is found out by a short trial of all
//! that the processor can run; with streaming stores a line is not read before it is written.

use super::threads::{bursts, summary};
use crate::simd::{self, BLOCK, Loop, Loops};
use memmap2::{Advice, MmapMut};
use roofmark_facts::probe_record::{Bandwidth, Operation, Reading, Why};
use roofmark_facts::units::{Bytes, BytesPerSecond, Seconds};
use std::hint::black_box;
use std::io;
use std::time::Duration;

/// Smallest array: 128 MiB.
const LEAST: f64 = 134_217_728.0;
/// Largest array: 1 GiB.
const MOST: f64 = 1_073_741_824.0;
/// Each array is this many times the last-level cache.
const CACHES: f64 = 4.0;
/// The arrays together take at most this share of the free memory.
const SHARE: f64 = 0.375;
/// A huge page.
const HUGE: usize = 2 << 20;
/// Arrays begin this far past a huge page from each other, so that no two ask the same bank at once.
const SKEW: usize = 17 * BLOCK;
/// Share of a row's time for the trial of one loop.
const TRIAL: u32 = 6;

/// Three arrays in main memory.
pub(super) struct Arrays {
    memory: MmapMut,
    length: usize,
    threads: usize,
}

/// One thread's parts of the arrays.
struct Part<'a> {
    a: &'a mut [u8],
    b: &'a mut [u8],
    c: &'a mut [u8],
}

impl Arrays {
    /// Maps arrays that outgrow `cache` within the `available` memory; `threads` fill their own parts.
    pub(super) fn new(cache: Option<Bytes>, available: Option<Bytes>, threads: u32) -> io::Result<Self> {
        let length = array_size(cache, available);
        let memory = MmapMut::map_anon(3 * length + 2 * SKEW + HUGE)?;
        // Huge pages take address translation out of the measurement; without them it still works.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(Advice::HugePage);
        let mut arrays = Self { memory, length, threads: threads.max(1) as usize };
        bursts(arrays.parts(arrays.threads), Duration::ZERO, |part| {
            for array in [&mut part.a, &mut part.b, &mut part.c] {
                for (index, word) in array.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                    *word = (1.0 + index as f64).to_ne_bytes();
                }
            }
        });
        Ok(arrays)
    }

    pub(super) fn bytes(&self) -> Bytes {
        Bytes(self.length as f64)
    }

    /// The first array as it lies in memory.
    pub(super) fn first(&mut self) -> &mut [u8] {
        let length = self.length;
        &mut self.memory[..length]
    }

    fn parts(&mut self, threads: usize) -> Vec<Part<'_>> {
        let part = self.length.div_ceil(threads).next_multiple_of(BLOCK);
        let (a, rest) = self.memory.split_at_mut(self.length + SKEW);
        let (b, c) = rest.split_at_mut(self.length + SKEW);
        let arrays = [a, b, c].map(|array| array[..self.length].chunks_mut(part));
        let [a, b, c] = arrays;
        a.zip(b).zip(c).map(|((a, b), c)| Part { a, b, c }).collect()
    }

    /// Measures one operation with each of the loops for it, and the fastest of them for `time`.
    pub(super) fn row(&mut self, operation: Operation, threads: u32, time: Duration) -> Bandwidth {
        let loops = simd::loops();
        let trials = (0..count(&loops, operation)).map(|index| {
            let (rates, _) = self.rates(operation, &loops, index, threads, time / TRIAL);
            (index, summary(rates).0)
        });
        let fastest = trials.max_by(|left, right| left.1.total_cmp(&right.1)).map_or(0, |(index, _)| index);
        let (rates, variant) = self.rates(operation, &loops, fastest, threads, time);
        let (best, median, passes) = summary(rates);
        Bandwidth {
            operation,
            threads,
            variant: variant.into(),
            best: BytesPerSecond(best),
            median: BytesPerSecond(median),
            passes,
        }
    }

    /// Rates of the passes of one loop.
    fn rates(
        &mut self,
        operation: Operation,
        loops: &Loops,
        index: usize,
        threads: u32,
        time: Duration,
    ) -> (Vec<f64>, &'static str) {
        let bytes = self.bytes() * f64::from(operation.arrays());
        let parts = self.parts(threads.max(1) as usize);
        let (passes, name) = match operation {
            Operation::Read => timed(&loops.read, index, parts, time, |run, part| {
                black_box(run(part.a));
            }),
            Operation::Write => {
                timed(&loops.write, index, parts, time, |run, part| run(part.a, 0x3ff0_0000_0000_0000))
            }
            Operation::Copy => timed(&loops.copy, index, parts, time, |run, part| run(part.a, part.b)),
            Operation::Triad => {
                timed(&loops.triad, index, parts, time, |run, part| run(part.a, part.b, part.c))
            }
        };
        (passes.into_iter().map(|pass| (bytes / pass).get()).collect(), name)
    }
}

fn count(loops: &Loops, operation: Operation) -> usize {
    match operation {
        Operation::Read => loops.read.len(),
        Operation::Write => loops.write.len(),
        Operation::Copy => loops.copy.len(),
        Operation::Triad => loops.triad.len(),
    }
}

fn timed<'a, F: Copy + Sync>(
    loops: &[Loop<F>],
    index: usize,
    parts: Vec<Part<'a>>,
    time: Duration,
    pass: impl Fn(F, &mut Part<'a>) + Sync,
) -> (Vec<Seconds>, &'static str) {
    let Loop { name, run } = loops[index];
    (bursts(parts, time, |part| pass(run, part)), name)
}

/// Bytes of one array.
fn array_size(cache: Option<Bytes>, available: Option<Bytes>) -> usize {
    let wanted = cache.map_or(0.0, |cache| cache.get() * CACHES).clamp(LEAST, MOST);
    let spare = available.map_or(f64::INFINITY, |available| available.get() * SHARE / 3.0);
    // A whole number of huge pages, at least one.
    ((wanted.min(spare) as usize / HUGE) * HUGE).max(HUGE)
}

/// Share of this process's large mappings that lies in huge pages; read while the arrays are mapped.
pub(super) fn huge_pages(root: &std::path::Path, arrays: &Arrays) -> Reading<f64> {
    if !cfg!(target_os = "linux") {
        return Reading::Unavailable(Why::Unsupported);
    }
    let Ok(text) = std::fs::read_to_string(root.join("proc/self/smaps_rollup")) else {
        return Reading::Unavailable(Why::Absent);
    };
    let kib = text.lines().find_map(|line| line.strip_prefix("AnonHugePages:")?.trim().strip_suffix("kB"));
    match kib.and_then(|kib| kib.trim().parse::<f64>().ok()) {
        Some(kib) => Reading::Value((kib * 1024.0 / (3.0 * arrays.bytes().get())).min(1.0)),
        None => Reading::Unavailable(Why::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_outgrow_the_cache_and_spare_the_machine() {
        let gib = |gib| Some(Bytes::from_gib(gib));
        assert_eq!(array_size(None, None), 128 << 20);
        assert_eq!(array_size(gib(0.125), gib(64.0)), 512 << 20);
        assert_eq!(array_size(gib(4.0), None), 1 << 30);
        assert_eq!(array_size(gib(0.03), gib(0.5)), 64 << 20, "an eighth of a small container");
        assert_eq!(array_size(None, Some(Bytes(0.0))), 2 << 20);
    }

    #[test]
    fn parts_cover_the_arrays() {
        let mut arrays = Arrays::new(None, Some(Bytes(0.0)), 2).unwrap();
        for threads in [1, 2, 3, 7] {
            let parts = arrays.parts(threads);
            let total: usize = parts.iter().map(|part| part.a.len()).sum();
            assert_eq!(total, 2 << 20);
            assert!(
                parts
                    .iter()
                    .all(|part| part.a.len() == part.c.len()
                        && (part.b.as_ptr() as usize).is_multiple_of(BLOCK))
            );
        }
    }

    #[test]
    fn every_operation_has_a_rate() {
        let mut arrays = Arrays::new(None, Some(Bytes(0.0)), 1).unwrap();
        for operation in Operation::ALL {
            let row = arrays.row(operation, 2, Duration::from_micros(100));
            assert!(row.best.get() > 1e6 && row.best >= row.median && row.passes >= 3, "{row:?}");
        }
    }
}
