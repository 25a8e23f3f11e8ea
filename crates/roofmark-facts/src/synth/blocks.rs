//! Random blocks that are valid in each storage type: every bit pattern of the quants, and scales
//! that make finite weights of a standard deviation of about 0.02.
//!
//! Where the scales lie in a block: ggml's `ggml-common.h`. Random quants and not zeros, because
//! zeros raise the clocks of power-limited GPUs.

use super::random::Random;
use crate::tensor_type::TensorType;
use half::f16;

/// A half-precision field of a block: where it begins, and its value.
type Field = (usize, f32);

/// What a tensor's values are for; only where any random value would break the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Values {
    /// Weights around zero.
    Weights,
    /// Weights of a norm, around one.
    Norm,
    /// Decay rates of a recurrent mixer: negative.
    Decay,
}

impl Values {
    /// What the tensor `name` holds.
    pub(super) fn of(name: &str) -> Self {
        if name.ends_with("norm.weight")
            || name.ends_with("layer_output_scale.weight")
            || name.ends_with(".scale")
        {
            Self::Norm
        } else if name.ends_with("ssm_a") {
            Self::Decay
        } else {
            Self::Weights
        }
    }
}

/// Fills `bytes`, a whole number of blocks of `kind`.
pub(super) fn fill(kind: TensorType, values: Values, random: &mut Random, bytes: &mut [u8]) {
    random.fill(bytes);
    for block in bytes.chunks_exact_mut(kind.block_bytes() as usize) {
        match kind {
            TensorType::F32 => shape_f32(values, block),
            TensorType::F16 => shape_f16(block),
            TensorType::BF16 => shape_bf16(block),
            TensorType::F64 | TensorType::I8 | TensorType::I16 | TensorType::I32 | TensorType::I64 => {
                block.fill(0);
            }
            TensorType::Q6_K => shape_q6_k(block),
            TensorType::MXFP4 => block[0] = 118 + block[0] % 4,
            TensorType::NVFP4 => block[..4].iter_mut().for_each(|scale| *scale = 2 + *scale % 6),
            TensorType::IQ1_M => shape_iq1_m(block),
            TensorType::Q8_K => block[..4].copy_from_slice(&2.7e-4f32.to_le_bytes()),
            _ => set_fields(fields(kind), block),
        }
    }
}

/// Half-precision scales (and minima) of a block.
fn fields(kind: TensorType) -> &'static [Field] {
    match kind {
        TensorType::Q4_0 => &[(0, 4.3e-3)],
        TensorType::Q4_1 => &[(0, 4.3e-3), (2, -3.2e-2)],
        TensorType::Q5_0 => &[(0, 2.2e-3)],
        TensorType::Q5_1 => &[(0, 2.2e-3), (2, -3.4e-2)],
        TensorType::Q8_0 => &[(0, 2.7e-4)],
        TensorType::Q8_1 => &[(0, 2.7e-4), (2, 0.0)],
        TensorType::Q2_K => &[(80, 1.5e-3), (82, 2.25e-3)],
        TensorType::Q3_K => &[(108, 4.7e-4)],
        TensorType::Q4_K => &[(0, 1.4e-4), (2, 1.05e-3)],
        TensorType::Q5_K => &[(0, 6.8e-5), (2, 1.05e-3)],
        TensorType::IQ2_XXS | TensorType::IQ2_XS | TensorType::IQ2_S => &[(0, 4e-4)],
        TensorType::IQ3_XXS => &[(0, 2e-4)],
        TensorType::IQ3_S => &[(0, 1.6e-4)],
        TensorType::IQ1_S => &[(0, 2.5e-3)],
        TensorType::IQ4_NL => &[(0, 2.9e-4)],
        TensorType::IQ4_XS => &[(0, 1.6e-5)],
        TensorType::TQ1_0 => &[(52, 2e-2)],
        TensorType::TQ2_0 => &[(64, 2e-2)],
        TensorType::Q1_0 | TensorType::Q2_0 => &[(0, 2e-2)],
        _ => &[],
    }
}

fn set_fields(fields: &[Field], block: &mut [u8]) {
    for &(at, value) in fields {
        block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
    }
}

/// A uniform value in ±0.035, shifted to what the tensor is for.
fn shape_f32(values: Values, block: &mut [u8]) {
    let Ok(bits) = <[u8; 4]>::try_from(&*block) else { return };
    let uniform = f64::from(u32::from_le_bytes(bits)) / f64::from(u32::MAX) * 0.07 - 0.035;
    let value = match values {
        Values::Weights => uniform,
        Values::Norm => 1.0 + uniform,
        Values::Decay => -0.1 + uniform,
    };
    block.copy_from_slice(&(value as f32).to_le_bytes());
}

/// Any sign and mantissa, magnitude 2^-8 to 2^-4.
fn shape_f16(block: &mut [u8]) {
    block[1] = (block[1] & 0x83) | ((7 + (block[1] >> 2) % 4) << 2);
}

/// Any sign and mantissa, magnitude 2^-8 to 2^-4.
fn shape_bf16(block: &mut [u8]) {
    let exponent = 119 + (block[1] & 0x7f) % 4;
    block[1] = (block[1] & 0x80) | (exponent >> 1);
    block[0] = (block[0] & 0x7f) | (exponent << 7);
}

/// The sixteen scales are signed bytes: a quarter of their range, as real files use.
fn shape_q6_k(block: &mut [u8]) {
    for scale in &mut block[192..208] {
        *scale = ((*scale as i8) >> 2) as u8;
    }
    set_fields(&[(208, 6.1e-5)], block);
}

/// The half-precision scale is spread over the upper four bits of four 16-bit words.
fn shape_iq1_m(block: &mut [u8]) {
    let scale = f16::from_f32(2.5e-3).to_bits();
    for word in 0..4 {
        let nibble = ((scale >> (4 * word)) & 0xf) as u8;
        let at = 48 + 2 * word + 1;
        block[at] = (block[at] & 0x0f) | (nibble << 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(kind: TensorType, values: Values) -> Vec<u8> {
        let mut bytes = vec![0; kind.block_bytes() as usize * 4096];
        fill(kind, values, &mut Random::new(7), &mut bytes);
        bytes
    }

    fn deviation(numbers: impl Iterator<Item = f32> + Clone) -> f32 {
        let count = numbers.clone().count() as f32;
        (numbers.map(|number| number * number).sum::<f32>() / count).sqrt()
    }

    fn check_deviation(kind: TensorType, numbers: impl Iterator<Item = f32> + Clone) {
        let found = deviation(numbers);
        assert!((0.01..0.03).contains(&found), "{} has deviation {found}", kind.name());
    }

    fn half(bytes: &[u8]) -> f32 {
        f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
    }

    #[test]
    fn plain_types_hold_small_finite_numbers() {
        let floats = filled(TensorType::F32, Values::Weights);
        check_deviation(
            TensorType::F32,
            floats.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())),
        );
        check_deviation(TensorType::F16, filled(TensorType::F16, Values::Weights).chunks(2).map(half));
        let brains = filled(TensorType::BF16, Values::Weights);
        check_deviation(
            TensorType::BF16,
            brains.chunks(2).map(|two| half::bf16::from_le_bytes([two[0], two[1]]).to_f32()),
        );
    }

    #[test]
    fn quants_are_spread_by_their_scale() {
        let bytes = filled(TensorType::Q8_0, Values::Weights);
        let numbers =
            bytes.chunks(34).flat_map(|block| block[2..].iter().map(|&q| f32::from(q as i8) * half(block)));
        check_deviation(TensorType::Q8_0, numbers);
        let bytes = filled(TensorType::Q4_0, Values::Weights);
        let numbers = bytes
            .chunks(18)
            .flat_map(|block| block[2..].iter().map(|&q| (f32::from(q & 15) - 8.0) * half(block)));
        check_deviation(TensorType::Q4_0, numbers);
        let bytes = filled(TensorType::IQ1_M, Values::Weights);
        let scale = (0..4).fold(0, |scale, word| scale | u16::from(bytes[49 + 2 * word] >> 4) << (4 * word));
        assert_eq!(f16::from_bits(scale), f16::from_f32(2.5e-3));
    }

    #[test]
    fn every_scale_is_finite_in_every_type_of_a_file() {
        for &kind in TensorType::ALL.iter().filter(|kind| kind.in_gguf()) {
            let bytes = filled(kind, Values::Weights);
            for block in bytes.chunks(kind.block_bytes() as usize) {
                for &(at, value) in fields(kind) {
                    assert_eq!(half(&block[at..]), f16::from_f32(value).to_f32(), "{}", kind.name());
                }
            }
        }
    }

    #[test]
    fn norms_are_near_one_and_decays_negative() {
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        assert!(
            filled(TensorType::F32, Values::Norm).chunks(4).all(|four| (0.9..1.1).contains(&number(four)))
        );
        assert!(filled(TensorType::F32, Values::Decay).chunks(4).all(|four| number(four) < 0.0));
    }
}
