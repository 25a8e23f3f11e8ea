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
            (error.abs() > 0.01)
                .then(|| format!("{}: counted {counted:.3}, stated {}", model.slug, model.params_b))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Sizes of published files, in decimal GB, as benchmark tables print them.
#[test]
fn real_files_have_the_predicted_size() {
    for (slug, quant, size) in [
        ("llama-2-7b", "Q4_K_M", 4.08),
        ("llama-3-70b", "Q4_K_M", 42.51),
        ("llama-3-70b", "F16", 141.11),
        ("llama-4-scout", "Q4_K_M", 65.36),
        ("qwen3-coder-30b-a3b", "Q8_0", 32.48),
        ("qwen3-32b", "Q8_0", 34.81),
        ("qwen3.6-35b-a3b", "BF16", 69.36),
        ("qwen3.6-35b-a3b", "Q4_0", 19.70),
        ("qwen3.6-35b-a3b", "Q4_K_M", 21.20),
        ("gpt-oss-120b", "MXFP4", 63.37),
        ("gpt-oss-20b", "MXFP4-F16", 13.78),
        ("glm-4.7-flash", "BF16", 59.90),
        ("glm-4.7-flash", "Q8_0", 31.84),
        ("ministral-3-14b", "BF16", 27.02),
        ("gemma-3-4b", "Q4_0", 2.52),
        ("gemma-4-26b-a4b", "BF16", 50.49),
        ("gemma-4-31b", "BF16", 61.40),
    ] {
        let predicted = profile(slug, quant).tensor_bytes.gb();
        assert!(
            (predicted / size - 1.0).abs() < 0.0025,
            "{slug} {quant}: {predicted:.3} GB, the file has {size}"
        );
    }
}

/// Unsloth's mixes are not published: within a tenth.
#[test]
fn dynamic_mixes_are_near() {
    for (slug, quant, size) in [
        ("qwen3-30b-a3b", "UD-Q4_K_XL", 17.71),
        ("qwen3.6-35b-a3b", "UD-Q4_K_XL", 22.84),
        ("qwen3.6-35b-a3b", "UD-Q8_K_XL", 38.44),
        ("qwen3.6-27b", "UD-Q8_K_XL", 35.77),
        ("llama-4-scout", "UD-Q4_K_XL", 61.99),
        ("minimax-m2.7", "UD-Q3_K_S", 93.63),
        ("qwen3-235b-a22b", "UD-Q3_K_XL", 104.15),
        ("gemma-4-31b", "UD-Q4_K_XL", 18.75),
        ("mistral-small-3.1-24b", "UD-Q4_K_XL", 14.50),
    ] {
        let chosen = Quant::parse(quant).unwrap();
        let predicted = model(slug).profile(&chosen).tensor_bytes.gb();
        assert!(chosen.approximate);
        assert!(
            (predicted / size - 1.0).abs() < 0.1,
            "{slug} {quant}: {predicted:.3} GB, the file has {size}"
        );
    }
}

/// The stock checkpoint keeps attention and head in 16 bits; a requantised one does not.
#[test]
fn gpt_oss_reads_what_its_precision_says() {
    for (quant, read) in [("MXFP4-BF16", "5.03"), ("MXFP4", "3.59"), ("MXFP4-ALL", "2.73")] {
        assert_eq!(format!("{:.2}", profile("gpt-oss-120b", quant).bytes_per_token().gb()), read, "{quant}");
    }
}
