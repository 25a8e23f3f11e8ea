//! The memory roof: how fast threads can read main memory right now.
//!
//! The probe sums a buffer that is several times the last-level cache, in bursts of one pass. It is
//! safe code: the compiler turns the sum into vector loads, and memory, not arithmetic, is the limit.
//! Threads are not pinned, as the engine's are not.

use memmap2::{Advice, MmapMut};
use roofmark_facts::records::Roof;
use roofmark_facts::units::{Bytes, BytesPerSecond, Seconds};
use std::hint::black_box;
use std::io;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Smallest buffer: 256 MiB.
const LEAST: usize = 256 << 20;
/// Largest buffer: 2 GiB.
const MOST: usize = 2 << 30;
/// The buffer is this many times the last-level cache.
const CACHES: f64 = 4.0;
/// Parts of the buffer begin at multiples of this: a page.
const PART: usize = 4096;

/// A buffer to read, kept between bursts so that its pages are mapped once.
#[derive(Debug)]
pub struct RoofProbe {
    buffer: MmapMut,
}

impl RoofProbe {
    /// Maps and fills a buffer past a last-level cache of `cache` bytes.
    ///
    /// `available` bounds it to an eighth of the free memory.
    ///
    /// # Errors
    /// When the memory cannot be mapped.
    pub fn new(cache: Option<Bytes>, available: Option<Bytes>) -> io::Result<Self> {
        let mut buffer = MmapMut::map_anon(buffer_size(cache, available))?;
        // Huge pages take address translation out of the measurement; without them it still works.
        #[cfg(target_os = "linux")]
        let _ = buffer.advise(Advice::HugePage);
        for (index, word) in buffer.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(index as u64).to_ne_bytes());
        }
        Ok(Self { buffer })
    }

    /// Size of the buffer.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        Bytes(self.buffer.len() as f64)
    }

    /// Reads the buffer again and again for `time` with `threads` threads.
    #[must_use]
    pub fn measure(&self, threads: u32, time: Duration) -> Roof {
        let threads = threads.max(1) as usize;
        // One pass that does not count wakes the threads' cores.
        let passes = bursts(&self.buffer, threads, time);
        let mut rates: Vec<f64> = passes.iter().skip(1).map(|pass| (self.bytes() / *pass).get()).collect();
        rates.sort_by(f64::total_cmp);
        Roof {
            threads: threads as u32,
            best: BytesPerSecond(rates.last().copied().unwrap_or_default()),
            median: BytesPerSecond(rates.get(rates.len() / 2).copied().unwrap_or_default()),
        }
    }
}

/// Bytes of a buffer that the cache cannot hold and the machine can spare.
fn buffer_size(cache: Option<Bytes>, available: Option<Bytes>) -> usize {
    let wanted = cache.map_or(0.0, |cache| cache.get() * CACHES).clamp(LEAST as f64, MOST as f64);
    let spare = available.map_or(f64::INFINITY, |available| available.get() / 8.0);
    // A multiple of 2 MiB, at least one huge page.
    (((wanted.min(spare) as usize) >> 21) << 21).max(2 << 20)
}

/// Wall time of each pass over `buffer`, shared by `threads`.
fn bursts(buffer: &[u8], threads: usize, time: Duration) -> Vec<Seconds> {
    let part = buffer.len().div_ceil(threads).next_multiple_of(PART);
    let barrier = Barrier::new(threads);
    let deadline = Instant::now() + time;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let read = |index: usize| {
        let begin = (index * part).min(buffer.len());
        sum(&buffer[begin..(begin + part).min(buffer.len())])
    };
    std::thread::scope(|scope| {
        for index in 1..threads {
            let (barrier, stop, read) = (&barrier, &stop, &read);
            scope.spawn(move || follow(barrier, stop, || read(index)));
        }
        lead(&barrier, &stop, deadline, || read(0))
    })
}

/// The first thread: starts each pass, times it, and says when it was the last.
fn lead(
    barrier: &Barrier,
    stop: &std::sync::atomic::AtomicBool,
    deadline: Instant,
    read: impl Fn() -> u64,
) -> Vec<Seconds> {
    let mut passes = Vec::new();
    loop {
        // At least three passes, so that a slow machine has a median.
        let last = passes.len() >= 3 && Instant::now() >= deadline;
        stop.store(last, std::sync::atomic::Ordering::Relaxed);
        barrier.wait();
        if last {
            return passes;
        }
        let start = Instant::now();
        black_box(read());
        barrier.wait();
        passes.push(Seconds(start.elapsed().as_secs_f64()));
    }
}

/// Every other thread.
fn follow(barrier: &Barrier, stop: &std::sync::atomic::AtomicBool, read: impl Fn() -> u64) {
    loop {
        barrier.wait();
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        black_box(read());
        barrier.wait();
    }
}

/// Sum of 64-bit words. One plain reduction: the compiler unrolls it into independent vector sums.
fn sum(bytes: &[u8]) -> u64 {
    bytes.as_chunks::<8>().0.iter().fold(0, |total, word| u64::from_ne_bytes(*word).wrapping_add(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_outgrows_the_cache_and_spares_the_machine() {
        let gib = |gib| Some(Bytes::from_gib(gib));
        assert_eq!(buffer_size(None, None), LEAST);
        assert_eq!(buffer_size(gib(0.25), gib(64.0)), 1 << 30);
        assert_eq!(buffer_size(gib(4.0), None), MOST);
        assert_eq!(buffer_size(gib(0.03), gib(0.5)), 64 << 20);
        assert_eq!(buffer_size(None, Some(Bytes(0.0))), 2 << 20);
    }

    #[test]
    fn every_word_is_read_once() {
        let words: Vec<u8> = (0..1024u64).flat_map(u64::to_ne_bytes).collect();
        assert_eq!(sum(&words), 1023 * 1024 / 2);
    }

    #[test]
    fn a_short_burst_gives_a_roof() {
        let probe = RoofProbe::new(None, Some(Bytes::from_gib(0.06))).unwrap();
        for threads in [1, 2, 3] {
            let roof = probe.measure(threads, Duration::from_millis(1));
            assert_eq!(roof.threads, threads);
            assert!(roof.best.get() > 1e6 && roof.best >= roof.median, "{roof:?}");
        }
    }
}
