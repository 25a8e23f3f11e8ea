//! Bytes, FLOPs and cache of catalog models against published tables and the sizes of real files.

use roofmark_facts::catalog::{Catalog, Model};
use roofmark_facts::profile::Profile;
use roofmark_facts::quant::Quant;

fn model(slug: &str) -> &'static Model {
    Catalog::builtin().model(slug).unwrap_or_else(|| panic!("{slug}"))
}

fn profile(slug: &str, quant: &str) -> Profile {
    model(slug).profile(&Quant::parse(quant).unwrap())
}

/// Tensor data GB, read per token GB, GFLOP per token, cache bytes per token.
#[test]
fn the_physics_table_comes_out_to_the_printed_digit() {
    for (slug, quant, tensor, read, flop, cache) in [
        ("llama-3.1-8b", "Q4_K_M", "4.913", "4.617", "15.01", 131_072.0),
        ("llama-3.1-8b", "Q8_0", "8.533", "7.975", "15.01", 131_072.0),
        ("llama-3.1-8b", "BF16", "16.061", "15.010", "15.01", 131_072.0),
        ("llama-3.1-70b", "Q4_K_M", "42.513", "41.922", "139.0", 327_680.0),
        ("llama-3.1-70b", "Q8_0", "74.967", "73.851", "139.0", 327_680.0),
        ("llama-3.1-70b", "FP8", "72.659", "70.558", "139.0", 327_680.0),
        ("gpt-oss-20b", "MXFP4", "12.097", "2.575", "7.22", 24_576.0),
        ("gpt-oss-120b", "MXFP4", "63.374", "3.594", "10.27", 36_864.0),
        ("qwen3-30b-a3b", "Q4_K_M", "18.551", "1.920", "6.08", 98_304.0),
        ("qwen3-30b-a3b", "Q8_0", "32.478", "3.270", "6.08", 98_304.0),
    ] {
        let profile = profile(slug, quant);
        let decimals = flop.split('.').nth(1).map_or(0, str::len);
        assert_eq!(
            (
                format!("{:.3}", profile.tensor_bytes.gb()),
                format!("{:.3}", profile.bytes_per_token().gb()),
                format!("{:.decimals$}", profile.flop_per_token().get() / 1e9),
                profile.growing_cache_bytes(2.0).get(),
            ),
            (tensor.to_owned(), read.to_owned(), flop.to_owned(), cache),
            "{slug} {quant}"
        );
    }
}

#[test]
fn parameters_are_those_stated() {
    let quant = Quant::parse("BF16").unwrap();
    let wrong: Vec<String> = Catalog::builtin()
        .models
        .iter()
        .filter_map(|model| {
            let counted = model.profile(&quant).params / 1e9;
            let error = counted / model.params_b - 1.0;
            (error.abs() > 0.01).then(|| format!("{}: counted {counted:.3}, stated {}", model.slug, model.params_b))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
