//! Single pieces of the probe, again and again: for comparisons with other tools and for repeatability.

use super::gemm::Product;
use super::memory::Arrays;
use crate::simd;
use roofmark_facts::probe_record::{Arithmetic, Bandwidth, Number, Operation};
use roofmark_facts::records::Host;
use std::io;
use std::time::Duration;

/// Arrays and operands that stay mapped from one burst to the next.
pub struct Pieces {
    arrays: Arrays,
    products: Vec<(Number, u32, Product)>,
}

impl Pieces {
    /// Maps arrays as a probe of `host` does.
    ///
    /// # Errors
    /// When the memory cannot be mapped.
    pub fn new(host: &Host, threads: u32) -> io::Result<Self> {
        Ok(Self { arrays: Arrays::new(host.cache, host.available, threads)?, products: Vec::new() })
    }

    /// A row of the bandwidth table, measured for `time` after a trial of its loops.
    pub fn memory(&mut self, operation: Operation, threads: u32, time: Duration) -> Bandwidth {
        self.arrays.row(operation, threads, time)
    }

    /// A large product of `number`; `None` where this processor has no instructions for it.
    pub fn product(&mut self, number: Number, threads: u32, time: Duration) -> Option<Arithmetic> {
        let known = |(kind, count, _): &(Number, u32, Product)| (*kind, *count) == (number, threads);
        if !self.products.iter().any(known) {
            let tile = simd::tiles().into_iter().find(|tile| tile.number == number)?;
            self.products.push((number, threads, Product::new(&tile, threads)));
        }
        let (.., product) = self.products.iter_mut().find(|each| known(each))?;
        Some(product.measure(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::units::Bytes;

    #[test]
    fn a_piece_is_measured_alone() {
        let host = Host { available: Some(Bytes(0.0)), ..Host::default() };
        let mut pieces = Pieces::new(&host, 2).unwrap();
        let read = pieces.memory(Operation::Read, 1, Duration::from_micros(100));
        assert!(read.best.get() > 1e6 && read.threads == 1);
        for number in simd::tiles().iter().map(|tile| tile.number) {
            let product = pieces.product(number, 1, Duration::ZERO).unwrap();
            assert!(product.best.get() > 1e6 && product.number == number);
        }
        assert!(pieces.product(Number::F16, 1, Duration::ZERO).is_none());
    }
}
