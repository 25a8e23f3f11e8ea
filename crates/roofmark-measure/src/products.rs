//! Matrix products in the shape of decode and prefill: the cells of the probe, and the sentinel of the bench.
//!
//! A copy test does not see every slow state of a machine: a quantised product needs memory, arithmetic and
//! clocks at once, by the very kernels that inference runs on.

use crate::engine::{Engine, EngineError, ProductCell, Products};
use roofmark_facts::probe_record::{KernelRate, Shape};
use roofmark_facts::records::{Host, Sentinel};
use roofmark_facts::tensor_type::TensorType;
use roofmark_facts::units::{Bytes, BytesPerSecond, FlopPerSecond, Seconds};

/// Rows and columns of a product of decode: the feed-forward matrix of an 8B model.
const DECODE: [u32; 2] = [14_336, 4096];
/// Rows, columns and vectors of a product of prefill: an attention matrix of an 8B model, one micro-batch.
const PREFILL: [u32; 3] = [4096, 4096, 512];
/// Weights of one pass of decode: past this and past the cache several times.
const LEAST: f64 = 201_326_592.0;
/// The weights are this many times the last-level cache.
const CACHES: f64 = 4.0;
/// Weights of one pass at most.
const MOST: f64 = 2e9;
/// Share of the free memory that the weights may take; while they are rearranged they exist once more in part.
const SHARE: f64 = 0.15;
/// Times of the two halves of a sentinel: two seconds with their warm-up.
const SENTINEL: [Seconds; 2] = [Seconds(1.1), Seconds(0.6)];

/// The product of decode or prefill on `host`; on a `device` of the engine where one is named.
#[must_use]
pub fn cell(
    shape: Shape,
    weights: TensorType,
    host: &Host,
    threads: u32,
    device: Option<&str>,
    time: Seconds,
) -> ProductCell {
    let [rows, columns, vectors] = match shape {
        Shape::Gemv => [DECODE[0], DECODE[1], 1],
        Shape::Gemm => PREFILL,
    };
    let one = ProductCell {
        device: device.map(str::to_owned),
        weights,
        rows,
        columns,
        matrices: 1,
        vectors,
        threads,
        repack: true,
        time,
    };
    match shape {
        Shape::Gemm => one,
        Shape::Gemv => ProductCell { matrices: matrices(one.bytes(), host.cache, host.available), ..one },
    }
}

/// Matrices that outgrow the cache and spare the machine.
fn matrices(each: Bytes, cache: Option<Bytes>, available: Option<Bytes>) -> u32 {
    let wanted = cache.map_or(0.0, |cache| cache.get() * CACHES).clamp(LEAST, MOST);
    let spare = available.map_or(f64::INFINITY, |available| available.get() * SHARE);
    ((wanted.min(spare) / each.get()).ceil() as u32).max(1)
}

/// The rate of a cell that took `products`.
#[must_use]
pub fn rate(cell: &ProductCell, shape: Shape, products: &Products) -> Option<KernelRate> {
    let mut passes: Vec<f64> = products.passes.iter().map(|pass| pass.get()).collect();
    passes.sort_by(f64::total_cmp);
    let (best, median) = (*passes.first()?, *passes.get(passes.len() / 2)?);
    Some(KernelRate {
        device: products.device.clone(),
        weights: cell.weights.name().into(),
        shape,
        size: [cell.rows, cell.columns, cell.vectors],
        bytes: cell.bytes(),
        repacked: products.repacked,
        threads: cell.threads,
        read: cell.bytes() / Seconds(best),
        arithmetic: FlopPerSecond(cell.operations() / best),
        steadiness: best / median,
        passes: passes.len() as u32,
    })
}

/// Reads the two-second sentinel: the median rates of both products.
///
/// # Errors
/// The engine's; a refusal (no memory for the weights) leaves the engine alive.
pub fn sentinel(
    engine: &mut dyn Engine,
    host: &Host,
    threads: u32,
    device: Option<&str>,
) -> Result<Sentinel, EngineError> {
    let [gemv, gemm] = [Shape::Gemv, Shape::Gemm].map(|shape| {
        cell(shape, TensorType::Q4_K, host, threads, device, SENTINEL[usize::from(shape == Shape::Gemm)])
    });
    let gemv_time = median(&engine.multiply(&gemv)?);
    let gemm_time = median(&engine.multiply(&gemm)?);
    Ok(Sentinel { gemv: gemv.bytes() / gemv_time, gemm: FlopPerSecond(gemm.operations() / gemm_time.get()) })
}

fn median(products: &Products) -> Seconds {
    let mut passes: Vec<f64> = products.passes.iter().map(|pass| pass.get()).collect();
    passes.sort_by(f64::total_cmp);
    Seconds(passes.get(passes.len() / 2).copied().unwrap_or(f64::INFINITY))
}

/// Nothing was read: rates of an engine that gave no pass are no rates.
#[must_use]
pub fn is_reading(sentinel: &Sentinel) -> bool {
    sentinel.gemv > BytesPerSecond(0.0) && sentinel.gemm > FlopPerSecond(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixtures::Scripted;

    #[test]
    fn weights_of_decode_outgrow_the_cache_and_spare_the_machine() {
        let host = |cache, available| Host {
            cache: Some(Bytes(cache)),
            available: Some(Bytes(available)),
            ..Host::default()
        };
        let bytes =
            |host: &Host| cell(Shape::Gemv, TensorType::Q4_K, host, 2, None, Seconds(1.0)).bytes().get();
        assert!(bytes(&host(32e6, 20e9)) >= LEAST);
        assert!(bytes(&host(256e6, 64e9)) >= 4.0 * 256e6);
        assert!(bytes(&host(32e6, 0.4e9)) <= 0.1e9, "a small container gets small weights");
    }

    #[test]
    fn a_rate_counts_weights_and_operations() {
        let cell = cell(Shape::Gemm, TensorType::Q8_0, &Host::default(), 2, None, Seconds(1.0));
        let products = Products {
            passes: [0.02, 0.01, 0.04].map(Seconds).to_vec(),
            device: "CPU".into(),
            repacked: true,
            finite: true,
        };
        let rate = rate(&cell, Shape::Gemm, &products).unwrap();
        assert_eq!(rate.read.get(), 4096.0 * 4096.0 * 34.0 / 32.0 / 0.01);
        assert_eq!(rate.arithmetic.get(), 2.0 * 4096.0 * 4096.0 * 512.0 / 0.01);
        assert_eq!((rate.steadiness, rate.passes), (0.5, 3));
    }

    #[test]
    fn the_sentinel_reads_both_products() {
        let mut engine = Scripted::new("e", &std::rc::Rc::default());
        let found = sentinel(&mut engine, &Host::default(), 2, None).unwrap();
        assert!((found.gemv.gb() - 40.0).abs() < 1e-6 && is_reading(&found), "{found:?}");
    }
}
