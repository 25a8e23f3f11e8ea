//! The worked cases of the physics document.

use roofmark_facts::bounds::{Bound, Limit, Workload, bound, needed_bandwidth, spilled_rate};
use roofmark_facts::catalog::Catalog;
use roofmark_facts::quant::Quant;
use roofmark_facts::units::{Bytes, BytesPerSecond, TokensPerSecond};

fn ceiling(machine: &str, model: &str, quant: &str, workload: Workload) -> Bound {
    let catalog = Catalog::builtin();
    let profile = catalog.model(model).unwrap().profile(&Quant::parse(quant).unwrap());
    bound(catalog.machine(machine).unwrap(), &profile, &workload, Bytes(0.0))
}

fn decode(machine: &str, model: &str, quant: &str) -> f64 {
    ceiling(machine, model, quant, Workload::decode(0.0)).rate.unwrap().get()
}

fn rounded(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}")
}

#[test]
fn m5_max_llama_70b() {
    let rate = decode("apple-m5-max-40c-128gb", "llama-3.1-70b", "Q4_K_M");
    assert_eq!(rounded(rate, 1), "14.6");
    assert_eq!((rounded(30.0 / rate, 2), rounded(45.0 / rate, 2)), ("2.05".to_owned(), "3.07".to_owned()));
}

#[test]
fn dgx_spark_llama_70b() {
    let fp8 = decode("nvidia-dgx-spark", "llama-3.1-70b", "FP8");
    assert_eq!((rounded(fp8, 2), rounded(100.0 * 2.7 / fp8, 0)), ("3.87".to_owned(), "70".to_owned()));
    assert_eq!(rounded(decode("nvidia-dgx-spark", "llama-3.1-70b", "Q4_K_M"), 1), "6.5");
}

#[test]
fn dgx_spark_gpt_oss_needs_the_bandwidth_that_its_precision_says() {
    for (quant, needed) in [("MXFP4-BF16", "299"), ("MXFP4-ALL", "162")] {
        let bound = ceiling("nvidia-dgx-spark", "gpt-oss-120b", quant, Workload::decode(0.0));
        assert_eq!(rounded(needed_bandwidth(&bound, TokensPerSecond(59.5)).gb(), 0), needed, "{quant}");
    }
}

#[test]
fn rtx_5090_spills_llama_70b() {
    let bound = ceiling("nvidia-rtx-5090", "llama-3.1-70b", "Q4_K_M", Workload::decode(2048.0));
    assert_eq!(rounded(bound.capacity.spill.gb(), 0), "9");
    for (beyond, low, high) in [(63.0, 5.8, 6.4), (80.0, 7.2, 7.8), (500.0, 26.0, 28.0)] {
        let rate = spilled_rate(&bound, BytesPerSecond::from_gb(beyond)).unwrap().get();
        assert!((low..high).contains(&rate), "{beyond} GB/s: {rate}");
    }
}

/// Weights are shared by the batch, the cache is not.
#[test]
fn a_batch_shares_weights_and_not_cache() {
    let single = Workload::decode(2048.0);
    let one = ceiling("nvidia-dgx-spark", "llama-3.1-70b", "FP8", single);
    let sixteen = ceiling("nvidia-dgx-spark", "llama-3.1-70b", "FP8", Workload { batch: 16.0, ..single });
    assert_eq!(sixteen.step.weights, one.step.weights);
    assert_eq!(sixteen.step.cache, one.step.cache * 16.0);
    assert!(sixteen.rate.unwrap() < one.rate.unwrap() * 16.0);
}

#[test]
fn prefill_is_bound_by_compute_and_leaves_out_the_head() {
    let bound = ceiling("nvidia-rtx-5090", "llama-3.1-8b", "Q4_K_M", Workload::prefill(512.0, 0.0));
    assert_eq!(bound.limited_by, Limit::Compute);
    let per_token = bound.step.flop.get() / bound.step.tokens / 1e9;
    assert!((13.9..14.2).contains(&per_token), "{per_token} GFLOP");
}

#[test]
fn a_peak_that_is_only_remembered_gives_no_bound() {
    let bound = ceiling("apple-m5-max-40c-128gb", "llama-3.1-8b", "Q4_K_M", Workload::prefill(0.0, 0.0));
    assert_eq!((bound.rate, bound.limited_by), (None, Limit::Unknown));
}
