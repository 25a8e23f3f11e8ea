//! The rules by which llama.cpp's quantizer mixes types (`llama-quant.cpp`).

use crate::shape::{Ffn, Mixer, Shape};
use crate::tensor_type::TensorType;
use crate::tensors::{Role, Tensor};

/// llama.cpp's file types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "the names are llama.cpp's own")]
pub(super) enum Ftype {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q2_K_S,
    Q3_K_S,
    Q3_K_M,
    Q3_K_L,
    Q4_K_S,
    Q4_K_M,
    Q5_K_S,
    Q5_K_M,
    Q6_K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ2_M,
    IQ3_XXS,
    IQ3_XS,
    IQ3_S,
    IQ3_M,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
    MXFP4_MOE,
}

use Ftype as F;
use TensorType as T;

impl Ftype {
    /// Type of every tensor that no rule singles out.
    fn base(self) -> TensorType {
        match self {
            F::F32 => T::F32,
            F::F16 => T::F16,
            F::BF16 => T::BF16,
            F::Q4_0 => T::Q4_0,
            F::Q4_1 => T::Q4_1,
            F::Q5_0 => T::Q5_0,
            F::Q5_1 => T::Q5_1,
            F::Q8_0 => T::Q8_0,
            F::Q2_K | F::Q2_K_S => T::Q2_K,
            F::Q3_K_S | F::Q3_K_M | F::Q3_K_L => T::Q3_K,
            F::Q4_K_S | F::Q4_K_M => T::Q4_K,
            F::Q5_K_S | F::Q5_K_M => T::Q5_K,
            F::Q6_K => T::Q6_K,
            F::IQ1_S => T::IQ1_S,
            F::IQ1_M => T::IQ1_M,
            F::IQ2_XXS => T::IQ2_XXS,
            F::IQ2_XS | F::IQ2_S => T::IQ2_XS,
            F::IQ2_M => T::IQ2_S,
            F::IQ3_XXS => T::IQ3_XXS,
            F::IQ3_XS | F::IQ3_S | F::IQ3_M => T::IQ3_S,
            F::IQ4_NL => T::IQ4_NL,
            F::IQ4_XS => T::IQ4_XS,
            F::TQ1_0 => T::TQ1_0,
            F::TQ2_0 => T::TQ2_0,
            F::MXFP4_MOE => T::MXFP4,
        }
    }

    fn is_iq1_or_2(self) -> bool {
        matches!(self, F::IQ1_S | F::IQ1_M | F::IQ2_XXS | F::IQ2_XS | F::IQ2_S | F::IQ2_M)
    }

    fn is_iq2_s_or_m(self) -> bool {
        matches!(self, F::IQ2_S | F::IQ2_M)
    }
}

/// What the rules ask of the model as a whole, and the counts that they keep while walking it.
struct State {
    ftype: Ftype,
    /// Query heads per key head of the first layer.
    group: u64,
    experts: u64,
    layers: u64,
    /// llama.cpp's "70B" type: its `attn_v` is small and gets more bits.
    is_70b: bool,
    tied: bool,
    values: u64,
    value: u64,
    down: u64,
    gate: u64,
    up: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Category {
    Embedding,
    Output,
    Value,
    Key,
    Query,
    AttentionOutput,
    Down,
    Gate,
    Up,
    Other,
}

pub(super) fn assign(ftype: Ftype, shape: &Shape, tensors: &mut [Tensor]) {
    let mut state = State::new(ftype, shape, tensors);
    for tensor in tensors {
        if !is_quantized(tensor) {
            tensor.kind = unquantized_kind(ftype, tensor);
            continue;
        }
        let base = ftype.base();
        tensor.kind = if matches!(ftype, F::F32 | F::F16 | F::BF16) {
            base
        } else {
            fallback(state.choose(base, tensor), tensor)
        };
    }
}

/// One-dimensional tensors, norms, routers and a few small matrices keep their precision.
fn is_quantized(tensor: &Tensor) -> bool {
    let name = tensor.name.as_str();
    let kept = [
        "_norm.weight",
        "ffn_gate_inp.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "tid2eid",
        "indexer.q_proj",
        "indexer.k_proj",
    ];
    tensor.dims.len() > 1 && name.ends_with("weight") && !kept.iter().any(|piece| name.contains(piece))
}

/// Converters store what is not quantized in F32, a few large exceptions in 16 bits.
fn unquantized_kind(ftype: Ftype, tensor: &Tensor) -> TensorType {
    let name = tensor.name.as_str();
    let sixteen = ["per_layer_model_proj", "altup_proj", "altup_unembd_proj", "laurel_l.", "laurel_r."];
    if name.contains("tid2eid") {
        T::I32
    } else if ftype != F::F32 && sixteen.iter().any(|piece| name.contains(piece)) {
        if ftype == F::BF16 { T::BF16 } else { T::F16 }
    } else {
        T::F32
    }
}

/// A type of smaller blocks where rows are no whole number of the wanted ones.
fn fallback(wanted: TensorType, tensor: &Tensor) -> TensorType {
    let row = tensor.dims.first().copied().unwrap_or(0);
    if row.is_multiple_of(wanted.block_elements()) {
        return wanted;
    }
    let smaller = match wanted {
        T::IQ1_S | T::IQ1_M | T::IQ2_XXS | T::IQ2_XS | T::IQ2_S | T::IQ3_XXS | T::IQ3_S | T::IQ4_XS => {
            T::IQ4_NL
        }
        T::Q2_K | T::Q3_K | T::TQ1_0 | T::TQ2_0 => T::Q4_0,
        T::Q4_K => T::Q5_0,
        T::Q5_K => T::Q5_1,
        T::Q6_K => T::Q8_0,
        other => other,
    };
    if row.is_multiple_of(smaller.block_elements()) { smaller } else { T::F16 }
}

/// Query and key heads as the file states them for its first layer: hybrids that list heads by
/// layer state none for recurrent layers, Qwen's state one number for all.
fn stated_heads(shape: &Shape) -> (u64, u64) {
    let one_number = shape.arch.starts_with("qwen3");
    let mut layers = shape.layers.iter();
    let stated = if one_number {
        layers.find(|layer| matches!(layer.mixer, Mixer::Attention(_)))
    } else {
        layers.next()
    };
    match stated.map(|layer| &layer.mixer) {
        Some(Mixer::Attention(attention)) => (attention.heads, attention.kv_heads),
        Some(Mixer::Latent(latent)) => (latent.heads, 1),
        Some(Mixer::Compressed(compressed)) => (compressed.heads, 1),
        _ => (0, 1),
    }
}

fn category(tensor: &Tensor) -> Category {
    let name = tensor.name.as_str();
    match tensor.role {
        Role::TokenEmbedding => return Category::Embedding,
        Role::Output => return Category::Output,
        _ => {}
    }
    let part = name.splitn(3, '.').nth(2).unwrap_or(name);
    match part {
        "attn_qkv.weight" | "attn_kv_b.weight" | "attn_v.weight" => Category::Value,
        "attn_k.weight" => Category::Key,
        "attn_q.weight" => Category::Query,
        "attn_output.weight" => Category::AttentionOutput,
        _ if part.starts_with("ffn_up") => Category::Up,
        _ if part.starts_with("ffn_gate") => Category::Gate,
        _ if part.starts_with("ffn_down") => Category::Down,
        _ => Category::Other,
    }
}

impl State {
    fn new(ftype: Ftype, shape: &Shape, tensors: &[Tensor]) -> Self {
        let (heads, kv_heads) = stated_heads(shape);
        let experts = shape.layers.iter().find_map(|layer| match &layer.ffn {
            Ffn::Experts(experts) => Some(experts.count),
            _ => None,
        });
        let large = matches!(shape.arch.as_str(), "llama" | "qwen2" | "deci") && shape.layers.len() == 80;
        Self {
            ftype,
            group: heads / kv_heads,
            experts: experts.unwrap_or(0),
            layers: shape.layers.len() as u64 + u64::from(shape.prediction_layers),
            is_70b: large && (shape.arch != "llama" || heads != kv_heads),
            tied: shape.tied,
            values: tensors.iter().filter(|tensor| category(tensor) == Category::Value).count() as u64,
            value: 0,
            down: 0,
            gate: 0,
            up: 0,
        }
    }

    fn choose(&mut self, base: TensorType, tensor: &Tensor) -> TensorType {
        let category = category(tensor);
        if category == Category::Output || (self.tied && category == Category::Embedding) {
            return self.output(base, tensor);
        }
        if self.ftype == F::MXFP4_MOE {
            return if tensor.role == Role::Expert { T::MXFP4 } else { T::Q8_0 };
        }
        match category {
            Category::Embedding => self.embedding(base),
            _ if self.ftype.is_iq1_or_2() => self.small_iq(base, category, tensor),
            Category::Value => self.value(base),
            Category::Key => self.key(base),
            Category::Query => self.query(base),
            Category::Down => self.down(base, tensor),
            Category::AttentionOutput => self.attention_output(base),
            Category::Gate => {
                let layer = layer_of(&mut self.gate, self.experts, tensor);
                self.gate_or_up(base, layer)
            }
            Category::Up => {
                let layer = layer_of(&mut self.up, self.experts, tensor);
                self.gate_or_up(base, layer)
            }
            Category::Output | Category::Other => base,
        }
    }

    fn output(&self, base: TensorType, tensor: &Tensor) -> TensorType {
        let row = tensor.dims.first().copied().unwrap_or(0);
        if self.ftype == F::MXFP4_MOE || !row.is_multiple_of(base.block_elements()) {
            T::Q8_0
        } else if self.ftype.is_iq1_or_2() || self.ftype == F::IQ3_XXS {
            T::Q5_K
        } else if base == T::Q8_0 {
            base
        } else {
            T::Q6_K
        }
    }

    fn embedding(&self, base: TensorType) -> TensorType {
        match self.ftype {
            F::IQ2_XXS | F::IQ2_XS | F::IQ1_S | F::IQ1_M => T::Q2_K,
            F::IQ2_S | F::IQ2_M | F::IQ3_XXS => T::IQ3_S,
            F::TQ1_0 | F::TQ2_0 => T::Q4_K,
            _ => base,
        }
    }

    /// The one- and two-bit codebook mixes have rules of their own.
    fn small_iq(&mut self, base: TensorType, category: Category, tensor: &Tensor) -> TensorType {
        let rich = if self.ftype.is_iq2_s_or_m() { T::IQ3_S } else { T::Q2_K };
        match category {
            Category::Value if self.group >= 4 || self.experts >= 4 => T::Q4_K,
            Category::Value => rich,
            Category::Key if self.experts == 8 => T::Q4_K,
            Category::Down => {
                let _ = tensor;
                self.down += 1;
                if self.down - 1 < self.layers / 8 { rich } else { base }
            }
            Category::AttentionOutput if self.experts == 8 => T::Q5_K,
            Category::AttentionOutput if matches!(self.ftype, F::IQ1_S | F::IQ1_M) => T::IQ2_XXS,
            Category::AttentionOutput if self.ftype.is_iq2_s_or_m() => T::IQ3_S,
            _ => base,
        }
    }

    fn value(&mut self, base: TensorType) -> TensorType {
        let index = self.value;
        self.value += 1;
        let wide = self.group >= 4;
        let kind = match self.ftype {
            F::Q2_K if wide => T::Q4_K,
            F::Q2_K => T::Q3_K,
            F::Q2_K_S | F::IQ3_XXS | F::IQ3_XS | F::IQ3_S if wide => T::Q4_K,
            F::IQ3_M => T::Q4_K,
            F::Q3_K_M => {
                if index < 2 {
                    T::Q5_K
                } else {
                    T::Q4_K
                }
            }
            F::Q3_K_L => T::Q5_K,
            F::IQ4_NL | F::IQ4_XS if wide => T::Q5_K,
            F::Q4_K_M | F::Q5_K_M if use_more_bits(index, self.values) => T::Q6_K,
            F::Q4_K_S if index < 4 => T::Q5_K,
            _ => base,
        };
        match kind {
            _ if self.experts == 8 => T::Q8_0,
            T::Q3_K | T::Q4_K if self.is_70b => T::Q5_K,
            kind => kind,
        }
    }

    fn key(&self, base: TensorType) -> TensorType {
        if self.experts == 8 { T::Q8_0 } else { self.query(base) }
    }

    fn query(&self, base: TensorType) -> TensorType {
        match self.ftype {
            F::IQ3_XS => T::IQ3_XXS,
            F::IQ3_XXS => T::IQ2_S,
            _ => base,
        }
    }

    fn down(&mut self, base: TensorType, tensor: &Tensor) -> TensorType {
        let layer = layer_of(&mut self.down, self.experts, tensor);
        let (count, early) = (self.layers, layer < self.layers / 8);
        match self.ftype {
            F::Q2_K => T::Q3_K,
            F::Q2_K_S if early => T::Q4_K,
            F::Q3_K_M => {
                if layer < count / 16 {
                    T::Q5_K
                } else {
                    T::Q4_K
                }
            }
            F::IQ3_M if early || (self.experts == 8 && use_more_bits(layer, count)) => T::Q4_K,
            F::Q3_K_L => T::Q5_K,
            F::Q4_K_M | F::Q5_K_M if use_more_bits(layer, count) => T::Q6_K,
            F::Q4_K_S if early => T::Q5_K,
            _ => base,
        }
    }

    fn attention_output(&self, base: TensorType) -> TensorType {
        let eight = self.experts == 8;
        match self.ftype {
            F::Q2_K
            | F::IQ3_XS
            | F::IQ3_XXS
            | F::Q3_K_S
            | F::Q3_K_M
            | F::IQ4_NL
            | F::Q4_K_S
            | F::Q4_K_M
            | F::IQ3_S
            | F::IQ3_M
            | F::IQ4_XS
                if eight =>
            {
                T::Q5_K
            }
            _ if eight => base,
            F::Q2_K => T::Q3_K,
            F::IQ3_XXS => T::IQ3_S,
            F::Q3_K_M | F::IQ3_M => T::Q4_K,
            F::Q3_K_L => T::Q5_K,
            _ => base,
        }
    }

    fn gate_or_up(&self, base: TensorType, layer: u64) -> TensorType {
        let middle = layer >= self.layers / 8 && layer < 7 * self.layers / 8;
        if self.ftype == F::IQ3_XS && middle { T::IQ3_XXS } else { base }
    }
}

/// Layer number that the rules use: the running count, or the name's where there are experts.
fn layer_of(counter: &mut u64, experts: u64, tensor: &Tensor) -> u64 {
    let running = *counter;
    *counter += 1;
    if experts > 1 { tensor.layer.map_or(running, u64::from) } else { running }
}

/// The layers that get more bits: the first and last eighth and every third between.
fn use_more_bits(layer: u64, layers: u64) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}
