//! The list of quantizations and the spellings of their names.

use super::llama::Ftype;
use super::{Dynamic, Family, Parts, Quant, Scheme};
use crate::tensor_type::TensorType as T;

const fn mix(label: &'static str, family: Family, ftype: Ftype) -> Quant {
    Quant { label, family, approximate: false, gguf: true, scheme: Scheme::Llama(ftype) }
}

const fn dynamic(
    label: &'static str,
    family: Family,
    base: Ftype,
    older_base: Ftype,
    [older, newer, recurrent, table]: [T; 4],
) -> Quant {
    let dynamic = Dynamic { base, older_base, older, newer, recurrent, table };
    Quant { label, family, approximate: true, gguf: true, scheme: Scheme::Dynamic(dynamic) }
}

/// One type for all layer matrices, another for embedding and head.
const fn parts(label: &'static str, family: Family, layers: T, tables: T, small: T) -> Quant {
    let parts = Parts { embedding: tables, output: tables, dense: layers, experts: layers, small };
    Quant { label, family, approximate: false, gguf: false, scheme: Scheme::Parts(parts) }
}

/// Experts in one type, everything else in another.
const fn experts(label: &'static str, family: Family, experts: T, rest: T, small: T) -> Quant {
    let parts = Parts { embedding: rest, output: rest, dense: rest, experts, small };
    Quant { label, family, approximate: false, gguf: false, scheme: Scheme::Parts(parts) }
}

const fn approximate(quant: Quant) -> Quant {
    Quant { approximate: true, ..quant }
}

use Family::{Awq, Fp8, Half, IQuant, Int8, KQuant, Legacy, Mlx, Mxfp4, Nvfp4};

pub(super) const QUANTS: &[Quant] = &[
    mix("F32", Half, Ftype::F32),
    mix("F16", Half, Ftype::F16),
    mix("BF16", Half, Ftype::BF16),
    mix("Q8_0", Legacy, Ftype::Q8_0),
    mix("Q6_K", KQuant, Ftype::Q6_K),
    mix("Q5_K_M", KQuant, Ftype::Q5_K_M),
    mix("Q5_K_S", KQuant, Ftype::Q5_K_S),
    mix("Q5_1", Legacy, Ftype::Q5_1),
    mix("Q5_0", Legacy, Ftype::Q5_0),
    mix("Q4_K_M", KQuant, Ftype::Q4_K_M),
    mix("Q4_K_S", KQuant, Ftype::Q4_K_S),
    mix("Q4_1", Legacy, Ftype::Q4_1),
    mix("Q4_0", Legacy, Ftype::Q4_0),
    mix("IQ4_NL", IQuant, Ftype::IQ4_NL),
    mix("IQ4_XS", IQuant, Ftype::IQ4_XS),
    mix("Q3_K_L", KQuant, Ftype::Q3_K_L),
    mix("Q3_K_M", KQuant, Ftype::Q3_K_M),
    mix("Q3_K_S", KQuant, Ftype::Q3_K_S),
    mix("IQ3_M", IQuant, Ftype::IQ3_M),
    mix("IQ3_S", IQuant, Ftype::IQ3_S),
    mix("IQ3_XS", IQuant, Ftype::IQ3_XS),
    mix("IQ3_XXS", IQuant, Ftype::IQ3_XXS),
    mix("Q2_K", KQuant, Ftype::Q2_K),
    mix("Q2_K_S", KQuant, Ftype::Q2_K_S),
    mix("IQ2_M", IQuant, Ftype::IQ2_M),
    mix("IQ2_S", IQuant, Ftype::IQ2_S),
    mix("IQ2_XS", IQuant, Ftype::IQ2_XS),
    mix("IQ2_XXS", IQuant, Ftype::IQ2_XXS),
    mix("IQ1_M", IQuant, Ftype::IQ1_M),
    mix("IQ1_S", IQuant, Ftype::IQ1_S),
    mix("TQ2_0", IQuant, Ftype::TQ2_0),
    mix("TQ1_0", IQuant, Ftype::TQ1_0),
    mix("MXFP4", Mxfp4, Ftype::MXFP4_MOE),
    dynamic("UD-Q8_K_XL", Legacy, Ftype::Q8_0, Ftype::Q8_0, [T::Q8_0, T::Q8_0, T::BF16, T::BF16]),
    dynamic("UD-Q6_K_XL", KQuant, Ftype::Q6_K, Ftype::Q6_K, [T::Q8_0, T::Q8_0, T::Q8_0, T::Q8_0]),
    dynamic("UD-Q5_K_XL", KQuant, Ftype::Q5_K_M, Ftype::Q5_K_S, [T::Q6_K, T::Q8_0, T::Q8_0, T::Q8_0]),
    dynamic("UD-Q4_K_XL", KQuant, Ftype::Q4_K_M, Ftype::Q4_K_S, [T::Q5_K, T::Q8_0, T::Q8_0, T::Q6_K]),
    dynamic("UD-Q4_K_M", KQuant, Ftype::Q4_K_M, Ftype::Q4_K_S, [T::Q5_K, T::Q8_0, T::Q8_0, T::Q6_K]),
    dynamic("UD-Q4_K_S", KQuant, Ftype::Q4_K_S, Ftype::Q4_K_S, [T::Q4_K, T::Q8_0, T::Q8_0, T::Q5_K]),
    dynamic("UD-Q3_K_XL", KQuant, Ftype::Q3_K_M, Ftype::Q3_K_S, [T::Q5_K, T::Q8_0, T::Q8_0, T::Q5_K]),
    dynamic("UD-Q3_K_M", KQuant, Ftype::Q3_K_M, Ftype::Q3_K_S, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-Q3_K_S", KQuant, Ftype::Q3_K_S, Ftype::IQ3_XS, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-Q2_K_XL", KQuant, Ftype::Q2_K, Ftype::Q2_K, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-IQ4_XS", IQuant, Ftype::IQ4_XS, Ftype::IQ4_XS, [T::Q5_K, T::Q8_0, T::Q8_0, T::Q5_K]),
    dynamic("UD-IQ4_NL", IQuant, Ftype::IQ4_NL, Ftype::IQ4_NL, [T::Q5_K, T::Q8_0, T::Q8_0, T::Q5_K]),
    dynamic("UD-IQ3_XXS", IQuant, Ftype::IQ3_XXS, Ftype::IQ3_XXS, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-IQ2_M", IQuant, Ftype::IQ2_M, Ftype::IQ2_M, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-IQ2_XXS", IQuant, Ftype::IQ2_XXS, Ftype::IQ2_XXS, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-IQ1_M", IQuant, Ftype::IQ1_M, Ftype::IQ1_M, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    dynamic("UD-IQ1_S", IQuant, Ftype::IQ1_S, Ftype::IQ1_S, [T::Q4_K, T::Q6_K, T::Q6_K, T::Q4_K]),
    approximate(experts("IQ2_XXS-DS4", IQuant, T::IQ2_XXS, T::Q8_0, T::F32)),
    experts("MXFP4-BF16", Mxfp4, T::MXFP4, T::BF16, T::F32),
    experts("MXFP4-F16", Mxfp4, T::MXFP4, T::F16, T::F32),
    parts("MXFP4-ALL", Mxfp4, T::MXFP4, T::MXFP4, T::MXFP4),
    parts("FP8", Fp8, T::FP8, T::BF16, T::F32),
    parts("INT8", Int8, T::I8, T::BF16, T::F32),
    approximate(parts("NVFP4", Nvfp4, T::NVFP4, T::BF16, T::BF16)),
    approximate(parts("INT4", Awq, T::INT4_G128, T::F16, T::F16)),
    parts("MLX-3bit", Mlx, T::MLX_3BIT, T::MLX_3BIT, T::BF16),
    parts("MLX-4bit", Mlx, T::MLX_4BIT, T::MLX_4BIT, T::BF16),
    parts("MLX-5bit", Mlx, T::MLX_5BIT, T::MLX_5BIT, T::BF16),
    parts("MLX-6bit", Mlx, T::MLX_6BIT, T::MLX_6BIT, T::BF16),
    parts("MLX-8bit", Mlx, T::MLX_8BIT, T::MLX_8BIT, T::BF16),
    parts("MLX-MXFP4", Mlx, T::MXFP4, T::MXFP4, T::BF16),
    experts("MLX-MXFP4-Q8", Mlx, T::MXFP4, T::MLX_8BIT, T::BF16),
    parts("MLX-MXFP8", Mlx, T::MXFP8, T::MXFP8, T::BF16),
];

/// Spellings that differ from a label by more than case and separators: normalised text and label.
const ALIASES: &[(&str, &str)] = &[
    ("fp32", "F32"),
    ("float32", "F32"),
    ("fp16", "F16"),
    ("half", "F16"),
    ("float16", "F16"),
    ("bfloat16", "BF16"),
    ("bf16hf", "BF16"),
    ("q8", "Q8_0"),
    ("8bitgguf", "Q8_0"),
    ("q6", "Q6_K"),
    ("q5", "Q5_K_M"),
    ("q5k", "Q5_K_M"),
    ("q5kmedium", "Q5_K_M"),
    ("q5ksmall", "Q5_K_S"),
    ("q4", "Q4_K_M"),
    ("q4k", "Q4_K_M"),
    ("q4kmedium", "Q4_K_M"),
    ("q4ksmall", "Q4_K_S"),
    ("q3", "Q3_K_M"),
    ("q3k", "Q3_K_M"),
    ("q3kmedium", "Q3_K_M"),
    ("q3klarge", "Q3_K_L"),
    ("q3ksmall", "Q3_K_S"),
    ("q2", "Q2_K"),
    ("q2kmedium", "Q2_K"),
    ("q2ksmall", "Q2_K_S"),
    ("iq2xxsmixds4", "IQ2_XXS-DS4"),
    ("mxfp4moe", "MXFP4"),
    ("mxfp4gguf", "MXFP4"),
    ("mxfp4f16gguf", "MXFP4-F16"),
    ("mxfp4hf", "MXFP4-BF16"),
    ("mxfp4stock", "MXFP4-BF16"),
    ("fp8e4m3", "FP8"),
    ("fp8dynamic", "FP8"),
    ("w8a8fp8", "FP8"),
    ("float8", "FP8"),
    ("w8a8", "INT8"),
    ("w8a16", "INT8"),
    ("fp4", "NVFP4"),
    ("nvfp4a16", "NVFP4"),
    ("awq", "INT4"),
    ("awqint4", "INT4"),
    ("awq4bit", "INT4"),
    ("gptq", "INT4"),
    ("gptqint4", "INT4"),
    ("gptq4bit", "INT4"),
    ("int4autoround", "INT4"),
    ("autoround", "INT4"),
    ("w4a16", "INT4"),
    ("4bit", "MLX-4bit"),
    ("mlx4", "MLX-4bit"),
    ("mlxq4", "MLX-4bit"),
    ("mlx", "MLX-4bit"),
    ("3bit", "MLX-3bit"),
    ("5bit", "MLX-5bit"),
    ("6bit", "MLX-6bit"),
    ("8bit", "MLX-8bit"),
    ("mlx8", "MLX-8bit"),
    ("mlxq8", "MLX-8bit"),
    ("mlx6", "MLX-6bit"),
    ("mxfp8", "MLX-MXFP8"),
    ("mxfp4q8", "MLX-MXFP4-Q8"),
    ("mlxmxfp4q4", "MLX-MXFP4"),
    ("mxfp4q4", "MLX-MXFP4"),
    ("mxfp4full", "MXFP4-ALL"),
];

pub(super) fn find(text: &str) -> Option<Quant> {
    let wanted = normalise(text);
    let label = ALIASES.iter().find(|(alias, _)| *alias == wanted).map(|(_, label)| normalise(label));
    let wanted = label.unwrap_or(wanted);
    QUANTS.iter().find(|quant| normalise(quant.label) == wanted).copied()
}

pub(super) fn nearest(text: &str) -> Vec<&'static str> {
    let wanted = normalise(text);
    let mut scored: Vec<_> = QUANTS
        .iter()
        .map(|quant| (strsim::jaro_winkler(&wanted, &normalise(quant.label)), quant.label))
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    scored.into_iter().take(3).map(|(_, label)| label).collect()
}

/// Letters and digits in lower case, without a file ending.
fn normalise(text: &str) -> String {
    let lower: String = text.chars().take(64).flat_map(char::to_lowercase).collect();
    lower.trim_end_matches(".gguf").chars().filter(char::is_ascii_alphanumeric).collect()
}
