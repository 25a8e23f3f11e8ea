#!/usr/bin/env python3
"""Writes a GGUF file of the llama architecture out as the folder that MLX-LM and vLLM load.

    write-smollm2.py MODEL.gguf FOLDER

The weights are dequantized and stored as BF16 safetensors; the configuration, the tokenizer (byte-level
BPE) and the chat template come from the file's own metadata. Needs the PyPI package gguf. What was lost
when the file was quantized stays lost: the folder is for tests of servers, not of quality.
"""

import json
import pathlib
import sys

import numpy
from gguf import GGUFReader, dequantize

CONTROL = 3  # token type of GGUF

NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
IN_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def main(source: pathlib.Path, folder: pathlib.Path) -> None:
    reader = GGUFReader(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields["general.architecture"] != "llama" or fields["tokenizer.ggml.model"] != "gpt2":
        sys.exit(f"failed to convert {source}: not a llama model with byte-level BPE")
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(fields)
    config["tie_word_embeddings"] = all(tensor.name != "output.weight" for tensor in reader.tensors)
    write(folder / "config.json", config)
    write(folder / "generation_config.json", {"eos_token_id": config["eos_token_id"]})
    write(folder / "tokenizer.json", tokenizer(fields))
    write(folder / "tokenizer_config.json", tokenizer_configuration(fields, config))
    write_weights(folder / "model.safetensors", reader.tensors, config)


def configuration(fields: dict) -> dict:
    llama = {name.removeprefix("llama."): value for name, value in fields.items()}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "hidden_act": "silu",
        "hidden_size": llama["embedding_length"],
        "intermediate_size": llama["feed_forward_length"],
        "num_hidden_layers": llama["block_count"],
        "num_attention_heads": llama["attention.head_count"],
        "num_key_value_heads": llama["attention.head_count_kv"],
        "max_position_embeddings": llama["context_length"],
        "rms_norm_eps": float(llama["attention.layer_norm_rms_epsilon"]),
        "rope_theta": float(llama.get("rope.freq_base", 10000.0)),
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
    }


def tokenizer(fields: dict) -> dict:
    tokens = fields["tokenizer.ggml.tokens"]
    types = fields["tokenizer.ggml.token_type"]
    special = [
        {"id": index, "content": token, "special": True, "normalized": False,
         "single_word": False, "lstrip": False, "rstrip": False}
        for index, (token, kind) in enumerate(zip(tokens, types)) if kind == CONTROL
    ]
    split = [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]
    if fields["tokenizer.ggml.pre"] == "smollm":
        split.insert(0, {"type": "Digits", "individual_digits": True})
    return {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": split},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in fields["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_configuration(fields: dict, config: dict) -> dict:
    tokens = fields["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[config["bos_token_id"]],
        "eos_token": tokens[config["eos_token_id"]],
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
        "chat_template": fields["tokenizer.chat_template"],
    }


def write_weights(path: pathlib.Path, tensors: list, config: dict) -> None:
    header, parts, at = {"__metadata__": {"format": "pt"}}, [], 0
    for tensor in tensors:
        name = full_name(tensor.name)
        if name is None:
            continue
        values = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            kind = "num_attention_heads" if "q_proj" in name else "num_key_value_heads"
            values = halves(values, config[kind])
        data = bfloat16(values).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        out.writelines(parts)


def full_name(name: str) -> str | None:
    if not name.startswith("blk."):
        return NAMES.get(name)
    _, layer, part, suffix = name.split(".")
    return f"model.layers.{layer}.{IN_BLOCK[part]}.{suffix}"


def halves(values: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of a rotated projection: GGUF has the two of a pair side by side, the hub's form in two halves."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def bfloat16(values: numpy.ndarray) -> numpy.ndarray:
    """The upper half of each float, rounded to nearest even."""
    bits = numpy.ascontiguousarray(values).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def write(path: pathlib.Path, value: dict) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
