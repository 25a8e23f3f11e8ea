//! Tensors of the feed-forward parts.

use super::List;
use crate::shape::{Dense, Experts, Ffn, Shape};

pub(super) fn push(shape: &Shape, ffn: &Ffn, list: &mut List) {
    match ffn {
        Ffn::None => {}
        Ffn::Dense(dense) => push_dense(shape, *dense, list),
        Ffn::Experts(experts) => push_experts(shape, experts, list),
    }
}

fn push_dense(shape: &Shape, dense: Dense, list: &mut List) {
    let (hidden, width) = (shape.hidden, dense.width);
    if matches!(shape.arch.as_str(), "phi3" | "glm4") {
        list.part("ffn_up.weight", &[hidden, 2 * width]);
    } else {
        if dense.gated {
            list.part("ffn_gate.weight", &[hidden, width]);
        }
        list.part("ffn_up.weight", &[hidden, width]);
    }
    list.part("ffn_down.weight", &[width, hidden]);
    if dense.bias {
        list.part("ffn_gate.bias", &[width]);
        list.part("ffn_up.bias", &[width]);
        list.part("ffn_down.bias", &[hidden]);
    }
}

fn push_experts(shape: &Shape, experts: &Experts, list: &mut List) {
    let (hidden, width, count) = (shape.hidden, experts.width, experts.count);
    let inner = experts.latent.unwrap_or(hidden);
    list.part("ffn_gate_inp.weight", &[hidden, count]);
    if experts.hash_routed {
        list.part("ffn_gate_tid2eid.weight", &[experts.active, shape.vocab]);
    } else if experts.score_bias {
        list.part("exp_probs_b.bias", &[count]);
    }
    if let Some(latent) = experts.latent {
        list.part("ffn_latent_down.weight", &[hidden, latent]);
        list.part("ffn_latent_up.weight", &[latent, hidden]);
    }
    if experts.beside.is_some() {
        list.part("ffn_gate_up_exps.weight", &[inner, 2 * width, count]);
    } else {
        if experts.gated {
            list.part("ffn_gate_exps.weight", &[inner, width, count]);
        }
        list.part("ffn_up_exps.weight", &[inner, width, count]);
    }
    list.part("ffn_down_exps.weight", &[width, inner, count]);
    if experts.bias {
        push_biases(hidden, experts, list);
    }
    push_shared(hidden, experts, list);
    if let Some(width) = experts.beside {
        push_beside(shape, experts, width, list);
    }
}

fn push_biases(hidden: u64, experts: &Experts, list: &mut List) {
    let Experts { width, count, .. } = *experts;
    list.part("ffn_gate_inp.bias", &[count]);
    list.part("ffn_gate_exps.bias", &[width, count]);
    list.part("ffn_up_exps.bias", &[width, count]);
    list.part("ffn_down_exps.bias", &[hidden, count]);
}

fn push_shared(hidden: u64, experts: &Experts, list: &mut List) {
    let width = experts.shared_width;
    if width == 0 {
        return;
    }
    if experts.shared_gate {
        list.part("ffn_gate_inp_shexp.weight", &[hidden]);
    }
    if experts.gated {
        list.part("ffn_gate_shexp.weight", &[hidden, width]);
    }
    list.part("ffn_up_shexp.weight", &[hidden, width]);
    list.part("ffn_down_shexp.weight", &[width, hidden]);
}

/// Gemma 4: the dense network, and the norms and scales of the two paths.
fn push_beside(shape: &Shape, experts: &Experts, width: u64, list: &mut List) {
    push_dense(shape, Dense { width, gated: true, bias: false }, list);
    list.part("ffn_gate_inp.scale", &[shape.hidden]);
    list.part("ffn_down_exps.scale", &[experts.count]);
    for norm in ["pre_ffw_norm_2.weight", "post_ffw_norm_1.weight", "post_ffw_norm_2.weight"] {
        list.part(norm, &[shape.hidden]);
    }
}
