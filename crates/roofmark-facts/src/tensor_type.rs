//! Storage types of tensors: ggml's block layouts and the formats of the other engines.
//!
//! Sizes are from ggml's public block definitions (`ggml-common.h`): bytes per block and elements
//! per block. Types outside ggml (FP8, MLX groups) have ids of our own above 1000 and never enter
//! a GGUF file.

use crate::units::Bytes;
use serde::{Deserialize, Serialize};

macro_rules! tensor_types {
    ($($name:ident = $id:literal, $text:literal, $bytes:literal / $elements:literal;)*) => {
        /// How the elements of a tensor are stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[expect(non_camel_case_types, missing_docs, reason = "the names are ggml's own")]
        pub enum TensorType { $(#[serde(rename = $text)] $name),* }

        impl TensorType {
            /// Every known type.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// ggml's number of the type (ours, above 1000, for formats that GGUF does not have).
            #[must_use]
            pub fn id(self) -> u32 {
                match self { $(Self::$name => $id),* }
            }

            /// The type with ggml's number `id`.
            #[must_use]
            pub fn from_id(id: u32) -> Option<Self> {
                match id { $($id => Some(Self::$name),)* _ => None }
            }

            /// The field's name of the type.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Bytes of one block.
            #[must_use]
            pub fn block_bytes(self) -> u64 {
                match self { $(Self::$name => $bytes),* }
            }

            /// Elements of one block.
            #[must_use]
            pub fn block_elements(self) -> u64 {
                match self { $(Self::$name => $elements),* }
            }
        }
    };
}

tensor_types! {
    F32 = 0, "F32", 4 / 1;
    F16 = 1, "F16", 2 / 1;
    Q4_0 = 2, "Q4_0", 18 / 32;
    Q4_1 = 3, "Q4_1", 20 / 32;
    Q5_0 = 6, "Q5_0", 22 / 32;
    Q5_1 = 7, "Q5_1", 24 / 32;
    Q8_0 = 8, "Q8_0", 34 / 32;
    Q8_1 = 9, "Q8_1", 36 / 32;
    Q2_K = 10, "Q2_K", 84 / 256;
    Q3_K = 11, "Q3_K", 110 / 256;
    Q4_K = 12, "Q4_K", 144 / 256;
    Q5_K = 13, "Q5_K", 176 / 256;
    Q6_K = 14, "Q6_K", 210 / 256;
    Q8_K = 15, "Q8_K", 292 / 256;
    IQ2_XXS = 16, "IQ2_XXS", 66 / 256;
    IQ2_XS = 17, "IQ2_XS", 74 / 256;
    IQ3_XXS = 18, "IQ3_XXS", 98 / 256;
    IQ1_S = 19, "IQ1_S", 50 / 256;
    IQ4_NL = 20, "IQ4_NL", 18 / 32;
    IQ3_S = 21, "IQ3_S", 110 / 256;
    IQ2_S = 22, "IQ2_S", 82 / 256;
    IQ4_XS = 23, "IQ4_XS", 136 / 256;
    I8 = 24, "I8", 1 / 1;
    I16 = 25, "I16", 2 / 1;
    I32 = 26, "I32", 4 / 1;
    I64 = 27, "I64", 8 / 1;
    F64 = 28, "F64", 8 / 1;
    IQ1_M = 29, "IQ1_M", 56 / 256;
    BF16 = 30, "BF16", 2 / 1;
    TQ1_0 = 34, "TQ1_0", 54 / 256;
    TQ2_0 = 35, "TQ2_0", 66 / 256;
    MXFP4 = 39, "MXFP4", 17 / 32;
    NVFP4 = 40, "NVFP4", 36 / 64;
    Q1_0 = 41, "Q1_0", 18 / 128;
    Q2_0 = 42, "Q2_0", 18 / 64;
    FP8 = 1001, "FP8", 1 / 1;
    MLX_3BIT = 1003, "MLX 3-bit g64", 28 / 64;
    MLX_4BIT = 1004, "MLX 4-bit g64", 36 / 64;
    MLX_5BIT = 1005, "MLX 5-bit g64", 44 / 64;
    MLX_6BIT = 1006, "MLX 6-bit g64", 52 / 64;
    MLX_8BIT = 1008, "MLX 8-bit g64", 68 / 64;
    INT4_G128 = 1014, "INT4 g128", 66 / 128;
    MXFP8 = 1018, "MXFP8", 33 / 32;
}

impl TensorType {
    /// Bits per element, block overhead included.
    #[must_use]
    pub fn bits_per_element(self) -> f64 {
        self.block_bytes() as f64 * 8.0 / self.block_elements() as f64
    }

    /// Whether a GGUF file can hold the type.
    #[must_use]
    pub fn in_gguf(self) -> bool {
        self.id() < 1000
    }

    /// Bytes of `elements` elements whose rows are `row` elements long; `None` when a row is not a
    /// whole number of blocks or the size overflows `u64`.
    #[must_use]
    pub fn bytes_for(self, elements: u64, row: u64) -> Option<u64> {
        let block = self.block_elements();
        if !row.is_multiple_of(block) || !elements.is_multiple_of(block) {
            return None;
        }
        (elements / block).checked_mul(self.block_bytes())
    }

    /// Average bytes of `elements` elements, blocks counted in fractions.
    #[must_use]
    pub fn bytes_of(self, elements: f64) -> Bytes {
        Bytes(elements * self.bits_per_element() / 8.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes_are_those_of_the_format() {
        for (kind, bits) in [
            (TensorType::Q4_K, 4.5),
            (TensorType::Q6_K, 6.5625),
            (TensorType::Q8_0, 8.5),
            (TensorType::MXFP4, 4.25),
            (TensorType::NVFP4, 4.5),
            (TensorType::BF16, 16.0),
        ] {
            assert_eq!(kind.bits_per_element(), bits, "{}", kind.name());
        }
    }

    #[test]
    fn ids_are_unique_and_round_trip() {
        for &kind in TensorType::ALL {
            assert_eq!(TensorType::from_id(kind.id()), Some(kind));
        }
    }

    #[test]
    fn a_row_that_is_no_whole_number_of_blocks_has_no_size() {
        assert_eq!(TensorType::Q4_K.bytes_for(256 * 10, 256), Some(1440));
        assert_eq!(TensorType::Q4_K.bytes_for(300, 100), None);
    }
}
