//! Large matrix products from memory in the shape of prefill: what a program gets of the arithmetic peaks.
//!
//! Weights and activations are packed into panels once, as inference keeps its weights. Each thread has columns of
//! the weights and of the result; all share the activations. Order of the loops: Goto and van de Geijn, "Anatomy
//! of high-performance matrix multiplication", 2008.

use super::arithmetic::row;
use super::threads::bursts;
use crate::simd::{self, Tile};
use roofmark_facts::probe_record::{Arithmetic, Form, Number};
use std::hint::black_box;
use std::time::Duration;

/// Activation vectors: one micro-batch of prefill.
const VECTORS: usize = 512;
/// Rows of the weights, over which is summed: the width of an 8B model.
const DEPTH: usize = 4096;
/// Columns of the weights; more where threads are many.
const COLUMNS: usize = 4096;
/// Words over which a panel is summed at once: a panel of activations stays in the first cache.
const BLOCK: usize = 512;
/// Words of activations that stay in the second cache.
const SECOND: usize = 160 << 10;
/// Panels of weights that a thread has at least.
const FEWEST: usize = 4;

/// The rate of each kind of product with `threads`.
pub(super) fn products(threads: u32, time: Duration) -> Vec<Arithmetic> {
    simd::tiles().iter().map(|tile| Product::new(tile, threads).measure(time)).collect()
}

/// The operands of one kind of product, kept from one burst to the next.
pub(super) struct Product {
    tile: Tile,
    /// Words of depth.
    depth: usize,
    /// Panels of activations, block by block.
    activations: Vec<u32>,
    parts: Vec<Part>,
}

/// One thread's weights and result.
struct Part {
    weights: Vec<u32>,
    result: Vec<u32>,
    columns: usize,
}

impl Product {
    pub(super) fn new(tile: &Tile, threads: u32) -> Self {
        let threads = threads.max(1) as usize;
        let depth = DEPTH / tile.numbers();
        let rows = VECTORS.next_multiple_of(tile.rows);
        let panels = COLUMNS.div_ceil(tile.columns * threads).max(FEWEST);
        let columns = panels * tile.columns;
        let part = |index: usize| Part {
            weights: words(tile.number, columns * depth, index),
            result: vec![0; rows * columns],
            columns,
        };
        let parts = (0..threads).map(part).collect();
        Self { tile: *tile, depth, activations: words(tile.number, rows * depth, threads), parts }
    }

    /// Multiplies again and again for `time`.
    pub(super) fn measure(&mut self, time: Duration) -> Arithmetic {
        let threads = self.parts.len() as u32;
        let columns: usize = self.parts.iter().map(|part| part.columns).sum();
        let operations = 2.0 * (VECTORS * DEPTH) as f64 * columns as f64;
        let (tile, depth, activations) = (&self.tile, self.depth, self.activations.as_slice());
        let passes = bursts(self.parts.iter_mut().collect(), time, |part| {
            multiply(tile, depth, activations, &part.weights, &mut part.result, part.columns);
            black_box(&part.result);
        });
        let rates = passes.into_iter().map(|pass| operations / pass.get()).collect();
        row(tile.number, Form::Gemm, tile.instructions.into(), threads, rates, tile.untested)
    }
}

/// `to` (rows × columns, by rows) becomes the product of packed operands.
///
/// Packed: for each block of depth all panels, each of them depth × width words.
fn multiply(tile: &Tile, depth: usize, activations: &[u32], weights: &[u32], to: &mut [u32], columns: usize) {
    let rows = activations.len() / depth;
    let group = (SECOND / BLOCK / tile.rows).max(1) * tile.rows;
    for begin in (0..depth).step_by(BLOCK) {
        let block = BLOCK.min(depth - begin);
        let left = &activations[begin * rows..][..block * rows];
        let right = &weights[begin * columns..][..block * columns];
        for (left, to) in left.chunks(block * group).zip(to.chunks_mut(group * columns)) {
            for (index, right) in right.chunks_exact(block * tile.columns).enumerate() {
                let to = &mut to[index * tile.columns..];
                for (row, left) in left.chunks_exact(block * tile.rows).enumerate() {
                    (tile.run)(left, right, &mut to[row * tile.rows * columns..], columns, begin == 0);
                }
            }
        }
    }
}

/// Words that look random: floats around zero, or integers from 0 to 127, which every instruction takes on both
/// sides without a sum that overflows.
fn words(number: Number, count: usize, seed: usize) -> Vec<u32> {
    let mut state = seed as u32 ^ 0x9e37_79b9;
    let mut next = || {
        // Marsaglia, "Xorshift RNGs", 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let word = |random: u32| match number {
        Number::Int8 => random & 0x7f7f_7f7f,
        _ => (random as i32 as f32 / i32::MAX as f32).to_bits(),
    };
    (0..count).map(|_| word(next())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs a matrix given by `at(depth, index)`.
    fn pack(depth: usize, width: usize, panel: usize, at: impl Fn(usize, usize) -> f32) -> Vec<u32> {
        let mut packed = Vec::new();
        for begin in (0..depth).step_by(BLOCK) {
            for first in (0..width).step_by(panel) {
                for k in begin..(begin + BLOCK).min(depth) {
                    packed.extend((first..first + panel).map(|index| at(k, index).to_bits()));
                }
            }
        }
        packed
    }

    #[test]
    fn blocks_and_panels_make_one_product() {
        let left = |k: usize, row: usize| ((k * 7 + row * 3) % 5) as f32 - 2.0;
        let right = |k: usize, column: usize| ((k * 3 + column) % 7) as f32 - 3.0;
        for tile in simd::tiles().iter().filter(|tile| tile.number == Number::F32) {
            // Past a block of depth, and past a group of rows.
            let (depth, rows, columns) = (BLOCK + 40, tile.rows * 20, tile.columns * 3);
            let (activations, weights) =
                (pack(depth, rows, tile.rows, left), pack(depth, columns, tile.columns, right));
            let mut to = vec![0; rows * columns];
            multiply(tile, depth, &activations, &weights, &mut to, columns);
            for (row, column) in [(0, 0), (1, columns - 1), (rows - 1, 1), (rows - 1, columns - 1)] {
                let wanted: f32 = (0..depth).map(|k| left(k, row) * right(k, column)).sum();
                assert_eq!(f32::from_bits(to[row * columns + column]), wanted, "{row}, {column}");
            }
        }
    }

    #[test]
    fn words_are_numbers_of_their_kind() {
        assert!(words(Number::F32, 1000, 1).iter().all(|word| f32::from_bits(*word).abs() <= 1.0));
        let integers = words(Number::Int8, 1000, 1);
        assert!(integers.iter().flat_map(|word| word.to_ne_bytes()).all(|byte| byte < 128));
        assert!(integers.iter().collect::<std::collections::HashSet<_>>().len() > 900);
    }

    #[test]
    fn each_kind_of_product_has_a_rate() {
        let rows = products(2, Duration::ZERO);
        assert!(rows.iter().all(|row| row.best.get() > 1e6 && row.form == Form::Gemm && row.threads == 2));
    }
}
