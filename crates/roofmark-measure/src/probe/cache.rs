//! Caches: what the system lists, and read bandwidth and latency by working set.

use crate::simd;
use roofmark_facts::probe_record::{CacheLevel, CurvePoint};
use roofmark_facts::units::{Bytes, BytesPerSecond, Seconds};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Smallest working set: 16 KiB.
const SMALLEST: usize = 16 << 10;
/// Words in a line of 64 bytes: a chase touches each line once.
const LINE: usize = 8;

/// The cache levels of the first processor, as the system lists them.
pub(super) fn levels(root: &Path) -> Vec<CacheLevel> {
    (0..16).filter_map(|index| level(root, index)).collect()
}

fn level(root: &Path, index: u32) -> Option<CacheLevel> {
    let file = |name: &str| {
        let path = format!("sys/devices/system/cpu/cpu0/cache/index{index}/{name}");
        std::fs::read_to_string(root.join(path)).ok().map(|text| text.trim().to_owned())
    };
    Some(CacheLevel {
        level: file("level")?.parse().ok()?,
        kind: file("type")?,
        size: crate::state::cache_size(&file("size")?)?,
        line: file("coherency_line_size").and_then(|text| text.parse().ok()).map(Bytes),
        shared_by: file("shared_cpu_list")
            .and_then(|list| crate::state::processors(&list))
            .map(|cpus| cpus.len() as u32),
        read: None,
    })
}

/// Working sets that double up to the length of `array`, each gone over for `time` twice: once for
/// bandwidth, once for latency. Ends early where `stop` says so.
pub(super) fn curve(array: &mut [u8], time: Duration, stop: &dyn Fn() -> bool) -> Vec<CurvePoint> {
    let largest = array.len();
    let sizes =
        std::iter::successors(Some(SMALLEST), |size| Some(size * 2)).take_while(|size| *size <= largest);
    let mut points = Vec::new();
    for size in sizes {
        if stop() {
            break;
        }
        let set = &mut array[..size];
        let latency = latency(set, time);
        points.push(CurvePoint { working_set: Bytes(size as f64), read: bandwidth(set, time), latency });
    }
    points
}

/// Fastest read of `set` by any loop.
fn bandwidth(set: &[u8], time: Duration) -> BytesPerSecond {
    let loops = simd::loops().read;
    let share = time / loops.len() as u32;
    // Enough passes that the clock's own time does not count.
    let passes = ((1 << 20) / set.len()).max(1);
    let mut best: f64 = 0.0;
    for each in &loops {
        let deadline = Instant::now() + share;
        while Instant::now() < deadline {
            let start = Instant::now();
            for _ in 0..passes {
                black_box((each.run)(black_box(set)));
            }
            best = best.max((set.len() * passes) as f64 / start.elapsed().as_secs_f64());
        }
    }
    BytesPerSecond(best)
}

/// Time of one load whose address depends on the load before: a random tour over all lines.
pub(super) fn latency(set: &mut [u8], time: Duration) -> Seconds {
    tour(set);
    let words = set.as_chunks::<8>().0;
    let steps = (words.len() / LINE).clamp(1 << 12, 1 << 16);
    let mut at = 0;
    let mut best = f64::INFINITY;
    let deadline = Instant::now() + time;
    while best.is_infinite() || Instant::now() < deadline {
        let start = Instant::now();
        for _ in 0..steps {
            at = u64::from_ne_bytes(words[at]) as usize;
        }
        best = best.min(start.elapsed().as_secs_f64() / steps as f64);
        at = black_box(at);
    }
    Seconds(best)
}

/// Writes into the first word of each line the index of the next: one cycle through all lines (Sattolo).
fn tour(set: &mut [u8]) {
    let words = set.as_chunks_mut::<8>().0;
    let lines = words.len() / LINE;
    for line in 0..lines {
        words[line * LINE] = ((line * LINE) as u64).to_ne_bytes();
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for line in (1..lines).rev() {
        // Xorshift: the tour must be scattered, not unpredictable.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words.swap(line * LINE, (state % line as u64) as usize * LINE);
    }
}

/// Gives each data cache the bandwidth of the point nearest to half of it.
pub(super) fn attach(levels: &mut [CacheLevel], curve: &[CurvePoint]) {
    for level in levels.iter_mut().filter(|level| level.kind != "Instruction") {
        let half = level.size.get() / 2.0;
        level.read = curve.iter().rfind(|point| point.working_set.get() <= half).map(|point| point.read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tour_visits_every_line_once() {
        let mut set = vec![0u8; 64 * 100];
        tour(&mut set);
        let words = set.as_chunks::<8>().0;
        let mut at = 0;
        let mut seen = std::collections::HashSet::new();
        while seen.insert(at) {
            at = u64::from_ne_bytes(words[at]) as usize;
        }
        assert_eq!((seen.len(), at), (100, 0));
    }

    #[test]
    fn the_curve_doubles_and_stops_when_asked() {
        let mut array = vec![0u8; 1 << 20];
        let points = curve(&mut array, Duration::from_micros(200), &|| false);
        assert_eq!(points.len(), 7);
        assert!(
            points.iter().all(|point| point.read.get() > 1e6 && point.latency.get() < 1e-3),
            "{points:?}"
        );
        assert!(curve(&mut array, Duration::ZERO, &|| true).is_empty());
    }

    #[test]
    fn levels_are_read_as_listed_and_a_missing_folder_lists_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(levels(root.path()), []);
        let folder = root.path().join("sys/devices/system/cpu/cpu0/cache/index3");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in
            [("level", "3\n"), ("type", "Unified\n"), ("size", "32768K\n"), ("shared_cpu_list", "0-3,8-11\n")]
        {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut found = levels(root.path());
        assert_eq!((found[0].size, found[0].shared_by), (Bytes(33_554_432.0), Some(8)));
        let point = |mib: f64, gb| CurvePoint {
            working_set: Bytes(mib * 1_048_576.0),
            read: BytesPerSecond::from_gb(gb),
            latency: Seconds(1e-8),
        };
        attach(&mut found, &[point(8.0, 90.0), point(16.0, 80.0), point(32.0, 50.0)]);
        assert_eq!(found[0].read.map(BytesPerSecond::gb), Some(80.0));
    }
}
