//! Loops that the compiler does not write by itself: streaming stores, and dot products of each kind on
//! registers. The only module of this crate with `unsafe`; what it gives out is safe to call.
//!
//! Each loop is chosen at run time by what the processor says it has.

#[cfg(target_arch = "aarch64")]
mod arm;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

use roofmark_facts::probe_record::Number;
pub(crate) use tile::Tile;

/// Sums an array whose length is a multiple of [`BLOCK`].
pub(crate) type Read = fn(&[u8]) -> u64;
/// Fills an array.
pub(crate) type Write = fn(&mut [u8], u64);
/// Copies an array.
pub(crate) type Copy = fn(&mut [u8], &[u8]);
/// `a = b + s · c` on doubles.
pub(crate) type Triad = fn(&mut [u8], &[u8], &[u8]);

/// Arrays begin at multiples of this and have lengths that are multiples of it, in bytes.
pub(crate) const BLOCK: usize = 4096;

/// The factor of the triad.
const FACTOR: f64 = 3.0;

/// A loop with its name.
#[derive(Clone, Copy)]
pub(crate) struct Loop<F> {
    /// Such as `avx512, streaming stores`.
    pub name: &'static str,
    /// The loop.
    pub run: F,
}

/// The loops for memory that this processor can run; at least one of each kind.
pub(crate) struct Loops {
    pub read: Vec<Loop<Read>>,
    pub write: Vec<Loop<Write>>,
    pub copy: Vec<Loop<Copy>>,
    pub triad: Vec<Loop<Triad>>,
}

/// Dot products on registers.
#[derive(Clone, Copy)]
pub(crate) struct Peak {
    pub number: Number,
    pub instructions: &'static str,
    /// Operations in one iteration, a multiply-add counted as two.
    pub operations: f64,
    /// Runs iterations and gives a number that depends on all of them.
    pub run: fn(u64) -> f64,
    /// Was run on no machine by the authors.
    pub untested: bool,
}

/// Loops of the widest kind first.
pub(crate) fn loops() -> Loops {
    let mut loops = Loops {
        read: vec![Loop { name: "plain", run: read }],
        write: vec![Loop { name: "plain", run: write }],
        copy: vec![Loop { name: "plain", run: copy }],
        triad: vec![Loop { name: "plain", run: triad }],
    };
    #[cfg(target_arch = "x86_64")]
    x86::add_loops(&mut loops);
    #[cfg(target_arch = "aarch64")]
    arm::add_loops(&mut loops);
    loops
}

/// Kinds of arithmetic that this processor has instructions for, the best instructions of each kind.
pub(crate) fn peaks() -> Vec<Peak> {
    #[cfg(target_arch = "x86_64")]
    return x86::peaks();
    #[cfg(target_arch = "aarch64")]
    return arm::peaks();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Vec::new();
}

/// Matrix products that this processor has instructions for, the best of each kind of number.
pub(crate) fn tiles() -> Vec<Tile> {
    #[cfg(target_arch = "x86_64")]
    return x86::tiles();
    #[cfg(target_arch = "aarch64")]
    return arm::tiles();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Vec::new();
}

/// Instruction sets that matter to inference and that this processor has.
pub(crate) fn features() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    let found = x86::features();
    #[cfg(target_arch = "aarch64")]
    let found = arm::features();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found = Vec::new();
    found
}

/// One plain reduction: the compiler unrolls it into independent vector sums.
fn read(bytes: &[u8]) -> u64 {
    bytes.as_chunks::<8>().0.iter().fold(0, |total, word| u64::from_ne_bytes(*word).wrapping_add(total))
}

fn write(bytes: &mut [u8], value: u64) {
    for word in bytes.as_chunks_mut::<8>().0 {
        *word = value.to_ne_bytes();
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

fn triad(to: &mut [u8], left: &[u8], right: &[u8]) {
    let sources = left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0);
    for (to, (left, right)) in to.as_chunks_mut::<8>().0.iter_mut().zip(sources) {
        *to = (f64::from_ne_bytes(*left) + FACTOR * f64::from_ne_bytes(*right)).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that begins at a block.
    fn pages(fill: impl Fn(usize) -> f64) -> memmap2::MmapMut {
        let mut pages = memmap2::MmapMut::map_anon(4 * BLOCK).unwrap();
        for (index, word) in pages.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = fill(index).to_ne_bytes();
        }
        pages
    }

    #[test]
    fn every_loop_does_what_the_plain_one_does() {
        let (left, right) = (pages(|index| index as f64), pages(|index| 1.0 / (index as f64 + 1.0)));
        let mut expected = pages(|_| 0.0);
        triad(&mut expected, &left, &right);
        let loops = loops();
        for each in &loops.read {
            assert_eq!((each.run)(&left), read(&left), "{}", each.name);
        }
        for each in &loops.write {
            let mut to = pages(|_| 0.0);
            (each.run)(&mut to, 7);
            assert!(to.as_chunks::<8>().0.iter().all(|word| u64::from_ne_bytes(*word) == 7), "{}", each.name);
        }
        for each in &loops.copy {
            let mut to = pages(|_| 0.0);
            (each.run)(&mut to, &left);
            assert!(to[..] == left[..], "{}", each.name);
        }
        for each in &loops.triad {
            let mut to = pages(|_| 0.0);
            (each.run)(&mut to, &left, &right);
            let near =
                to.as_chunks::<8>().0.iter().zip(expected.as_chunks::<8>().0).all(|(found, wanted)| {
                    (f64::from_ne_bytes(*found) - f64::from_ne_bytes(*wanted)).abs() < 1e-9
                });
            assert!(near, "{}", each.name);
        }
    }

    #[test]
    fn every_peak_runs_and_does_its_work() {
        let peaks = peaks();
        for peak in &peaks {
            let (few, many) = ((peak.run)(10), (peak.run)(1000));
            assert!(few.is_finite() && few != many, "{}", peak.instructions);
        }
        let kinds: std::collections::HashSet<_> = peaks.iter().map(|peak| peak.number).collect();
        assert_eq!(kinds.len(), peaks.len(), "one entry a kind of number");
    }
}
