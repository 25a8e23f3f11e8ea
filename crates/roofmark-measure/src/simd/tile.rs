//! Tiles of a matrix product: the innermost loop, whose sums stay in registers.
//!
//! A word has 32 bits: one float, or four 8-bit integers that lie one below the other in the weights.
//! So floats and integers share one order in memory and one loop; only the multiply-add differs.

use roofmark_facts::probe_record::Number;

/// Writes (`fresh`) or adds the product of two panels to rows of `to` that lie `stride` words apart.
///
/// The panels are depth × rows words of activations and depth × columns words of weights.
pub(crate) type RunTile =
    fn(activations: &[u32], weights: &[u32], to: &mut [u32], stride: usize, fresh: bool);

/// A tile and how its panels lie in memory.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub number: Number,
    pub instructions: &'static str,
    /// Rows of activations in a panel.
    pub rows: usize,
    /// Columns of weights in a panel.
    pub columns: usize,
    /// Was run on no machine by the authors.
    pub untested: bool,
    pub run: RunTile,
}

impl Tile {
    /// Numbers in one word: 8-bit activations are unsigned below 128, weights are signed.
    pub(crate) fn numbers(&self) -> usize {
        if self.number == Number::Int8 { 4 } else { 1 }
    }
}

/// A function of the form [`RunTile`] from an instruction set's load, splat, multiply-add, sum and store.
macro_rules! tile {
    ($name:ident, $features:literal, $rows:literal x 2 x $lanes:literal,
     $load:expr, $splat:expr, $multiply_add:expr, $add:expr, $store:expr) => {
        #[target_feature(enable = $features)]
        fn $name(activations: &[u32], weights: &[u32], to: &mut [u32], stride: usize, fresh: bool) {
            let mut sums = [[$splat(0); 2]; $rows];
            let pairs = weights.as_chunks::<$lanes>().0.as_chunks::<2>().0;
            for (row, [left, right]) in activations.as_chunks::<$rows>().0.iter().zip(pairs) {
                let (left, right) = ($load(left), $load(right));
                for (sums, word) in sums.iter_mut().zip(row) {
                    let word = $splat(*word);
                    *sums = [$multiply_add(sums[0], word, left), $multiply_add(sums[1], word, right)];
                }
            }
            // As many turns as there are rows whatever `to` holds: else the sums leave the registers.
            for (row, sums) in sums.into_iter().enumerate() {
                let lanes = to[row * stride..][..2 * $lanes].as_chunks_mut::<$lanes>().0;
                for (sum, lanes) in sums.into_iter().zip(lanes) {
                    $store(lanes, if fresh { sum } else { $add(sum, $load(lanes)) });
                }
            }
        }
    };
}
pub(super) use tile;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::tiles;

    /// A word of the kind that `tile` multiplies, small enough for exact sums.
    fn word(tile: &Tile, seed: usize, signed: bool) -> u32 {
        let value = |index: usize| (seed * 31 + index * 17) % 11;
        let offset = if signed { 5 } else { 0 };
        match tile.number {
            Number::Int8 => u32::from_ne_bytes([0, 1, 2, 3].map(|index| (value(index) as i8 - offset) as u8)),
            _ => (value(0) as f32 - f32::from(offset)).to_bits(),
        }
    }

    /// The product of two words in one lane, by plain arithmetic.
    fn product(tile: &Tile, activation: u32, weight: u32) -> f64 {
        match tile.number {
            Number::Int8 => {
                let pairs = activation.to_ne_bytes().into_iter().zip(weight.to_ne_bytes());
                pairs.map(|(left, right)| f64::from(left) * f64::from(right as i8)).sum()
            }
            _ => f64::from(f32::from_bits(activation)) * f64::from(f32::from_bits(weight)),
        }
    }

    fn value(tile: &Tile, word: u32) -> f64 {
        if tile.number == Number::Int8 { f64::from(word as i32) } else { f64::from(f32::from_bits(word)) }
    }

    #[test]
    fn every_tile_is_a_matrix_product() {
        let depth = 7;
        for tile in tiles() {
            let (rows, columns) = (tile.rows, tile.columns);
            let left: Vec<u32> = (0..depth * rows).map(|seed| word(&tile, seed, false)).collect();
            let right: Vec<u32> = (0..depth * columns).map(|seed| word(&tile, seed + 3, true)).collect();
            let stride = columns + 5;
            let mut to = vec![7u32; rows * stride];
            (tile.run)(&left, &right, &mut to, stride, true);
            (tile.run)(&left, &right, &mut to, stride, false);
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let terms =
                    (0..depth).map(|k| product(&tile, left[k * rows + row], right[k * columns + column]));
                let found = value(&tile, to[row * stride + column]);
                assert_eq!(found, 2.0 * terms.sum::<f64>(), "{} at {row}, {column}", tile.instructions);
            }
            assert!(
                to.chunks(stride).all(|row| row[columns..] == [7; 5]),
                "nothing beside the tile is written"
            );
        }
    }
}
