#!/usr/bin/env python3
"""Writes a llama-type model of random weights in Q4_0, norms in F32, for measurements of memory and speed.

    random_gguf.py CONFIG.json OUTPUT.gguf

CONFIG.json is a config.json of transformers. Needs gguf and numpy from PyPI; 3.8 GB for recipes/models/llama-2-7b.json.
"""
import json
import sys

import gguf
import numpy as np

BLOCK, BLOCK_BYTES = 32, 18


def q4_0(rng, rows, cols):
    """Random blocks: a scale of about 0.02/8 in half precision, then 32 codes of 4 bits."""
    blocks = rng.integers(0, 256, (rows, cols // BLOCK, BLOCK_BYTES), dtype=np.uint8)
    scales = rng.uniform(0.002, 0.003, (rows, cols // BLOCK)).astype(np.float16)
    blocks[:, :, :2] = scales[:, :, None].view(np.uint8)
    return blocks.reshape(rows, -1)


def main():
    config_file, output = sys.argv[1:]
    with open(config_file) as f:
        c = json.load(f)
    hidden, mlp, vocab = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    heads = c["num_attention_heads"]
    head = hidden // heads
    kv = c.get("num_key_value_heads", heads) * head

    w = gguf.GGUFWriter(output, "llama")
    w.add_name("random")
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(hidden)
    w.add_feed_forward_length(mlp)
    w.add_head_count(heads)
    w.add_head_count_kv(c.get("num_key_value_heads", heads))
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_dimension_count(head)
    w.add_vocab_size(vocab)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    w.add_tokenizer_model("llama")
    w.add_token_list([f"<0x{i - 3:02X}>" if 3 <= i < 259 else f"\u2581t{i}" for i in range(vocab)])
    w.add_token_scores([-float(i) for i in range(vocab)])
    w.add_token_types([6 if 3 <= i < 259 else 3 if i < 3 else 1 for i in range(vocab)])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)

    shapes = {"token_embd.weight": (vocab, hidden), "output_norm.weight": (hidden,)}
    if not c.get("tie_word_embeddings"):
        shapes["output.weight"] = (vocab, hidden)
    for i in range(c["num_hidden_layers"]):
        shapes |= {f"blk.{i}.{name}.weight": shape for name, shape in {
            "attn_norm": (hidden,), "attn_q": (hidden, hidden), "attn_k": (kv, hidden), "attn_v": (kv, hidden),
            "attn_output": (hidden, hidden), "ffn_norm": (hidden,), "ffn_gate": (mlp, hidden), "ffn_up": (mlp, hidden),
            "ffn_down": (hidden, mlp)}.items()}
    for name, shape in shapes.items():
        if len(shape) == 1:
            w.add_tensor_info(name, shape, np.dtype(np.float32), 4 * shape[0])
        else:
            size = shape[0] * shape[1] // BLOCK * BLOCK_BYTES
            w.add_tensor_info(name, (shape[0], shape[1] // BLOCK * BLOCK_BYTES), np.dtype(np.uint8), size,
                              raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    rng = np.random.default_rng(1)
    for shape in shapes.values():  # one at a time: the whole is larger than memory
        w.write_tensor_data(np.ones(shape, np.float32) if len(shape) == 1 else q4_0(rng, *shape))
    w.close()


if __name__ == "__main__":
    main()
