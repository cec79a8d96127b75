"""Makes testdata/golden/rope: python rope.py GOLDEN (made with transformers 5.23, PyTorch 2.15).

model.safetensors has the weights of a tiny random Llama. cases.json lists what differs in config.json, in either spelling of the keys for rotary
positions. io.safetensors has for each case the logits of a document within the original length and of one beyond it, the gradients of queries and keys
for the second, and a greedy text that grows beyond the original length. The cases of Phi 3, which rotates a part of each head, have the same weights.
frequencies.json has frequencies by layer type, from Gemma 3's configuration. The seed is 21.
"""
import json
import os
import sys

import torch
import transformers as T
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

import tiny

BASE = dict(vocab_size=48, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
            initializer_range=0.3, rms_norm_eps=1e-6, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=True)
SHORT = [round(1 + 0.03 * i, 2) for i in range(8)]
LONG = [round(1.2 + 0.4 * i, 2) for i in range(8)]
LLAMA3 = dict(factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0)
LONGROPE = dict(short_factor=SHORT, long_factor=LONG)
PHI3 = dict(short_factor=SHORT[:4], long_factor=LONG[:4])

CASES = {
    "default": dict(rope_theta=500.0),
    "default, new": dict(rope_parameters=dict(rope_type="default", rope_theta=500.0)),
    "default, both": dict(rope_theta=900.0, rope_parameters=dict(rope_type="default", rope_theta=500.0)),
    "linear": dict(rope_theta=500.0, rope_scaling=dict(type="linear", factor=2.5)),
    "linear, new": dict(rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=2.5)),
    "dynamic": dict(max_position_embeddings=32, rope_theta=500.0, rope_scaling=dict(type="dynamic", factor=4.0)),
    "dynamic, new": dict(max_position_embeddings=32, rope_parameters=dict(rope_type="dynamic", rope_theta=500.0, factor=3.0)),
    "yarn": dict(max_position_embeddings=32, rope_theta=500.0, rope_scaling=dict(type="yarn", factor=4.0)),
    "yarn, original": dict(max_position_embeddings=128, rope_theta=500.0, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)),
    "yarn, original beside it": dict(max_position_embeddings=128, original_max_position_embeddings=32,
                                     rope_parameters=dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=16)),
    "yarn, betas": dict(max_position_embeddings=128, rope_parameters=dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=32,
                                                                          attention_factor=1.3, beta_fast=4.0, beta_slow=0.5)),
    "yarn, mscale": dict(max_position_embeddings=128, rope_parameters=dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=32,
                                                                           mscale=1.0, mscale_all_dim=0.4, truncate=False)),
    "yarn, one mscale": dict(max_position_embeddings=128, rope_parameters=dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=32,
                                                                               mscale=0.707, beta_fast=8.0)),
    "yarn, no factor": dict(max_position_embeddings=128, rope_parameters=dict(rope_type="yarn", rope_theta=500.0, factor=None, original_max_position_embeddings=32)),
    "longrope": dict(max_position_embeddings=128, original_max_position_embeddings=32, rope_theta=500.0, rope_scaling=dict(type="longrope", **LONGROPE)),
    "longrope, new": dict(max_position_embeddings=128, rope_parameters=dict(rope_type="longrope", rope_theta=500.0, original_max_position_embeddings=32, factor=8.0, **LONGROPE)),
    "longrope, attention": dict(max_position_embeddings=64, rope_theta=500.0, rope_scaling=dict(rope_type="longrope", original_max_position_embeddings=32,
                                                                                              attention_factor=0.9, **LONGROPE)),
    "llama3": dict(max_position_embeddings=128, rope_theta=500.0, rope_scaling=dict(rope_type="llama3", original_max_position_embeddings=32, **LLAMA3)),
    "llama3, no original": dict(rope_theta=500.0, rope_scaling=dict(rope_type="llama3", **LLAMA3)),
    "llama3, new, no original": dict(rope_parameters=dict(rope_type="llama3", rope_theta=500.0, **LLAMA3)),
    "phi3, partial": dict(partial_rotary_factor=0.5, rope_theta=500.0, original_max_position_embeddings=64),
    "phi3, partial, new": dict(rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=0.75), original_max_position_embeddings=64),
    "phi3, partial, longrope": dict(max_position_embeddings=128, original_max_position_embeddings=32, partial_rotary_factor=0.5, rope_theta=500.0,
                                    rope_scaling=dict(type="longrope", **PHI3)),
    "phi3, partial, longrope, new": dict(max_position_embeddings=128, original_max_position_embeddings=32,
                                         rope_parameters=dict(rope_type="longrope", rope_theta=500.0, partial_rotary_factor=0.5, **PHI3)),
}

GEMMA3 = {
    "gemma3": dict(rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=1000.0, factor=8.0),
                                        sliding_attention=dict(rope_type="default", rope_theta=100.0))),
    "gemma3, yarn": dict(rope_parameters=dict(full_attention=dict(rope_type="yarn", rope_theta=1000.0, factor=8.0, original_max_position_embeddings=32),
                                              sliding_attention=dict(rope_type="default", rope_theta=100.0))),
    "gemma3, proportional": dict(rope_parameters=dict(full_attention=dict(rope_type="proportional", rope_theta=1000.0, partial_rotary_factor=0.25),
                                                      sliding_attention=dict(rope_type="dynamic", rope_theta=100.0, factor=2.0))),
}


def phi3(state):
    """Returns Llama's weights under Phi 3's names."""
    out = {}
    for name, w in state.items():
        if "q_proj" in name:
            out[name.replace("q_proj", "qkv_proj")] = torch.cat([state[name.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj")])
        elif "gate_proj" in name:
            out[name.replace("gate_proj", "gate_up_proj")] = torch.cat([w, state[name.replace("gate_proj", "up_proj")]])
        elif not any(p in name for p in ("k_proj", "v_proj", "up_proj")):
            out[name] = w
    return out


def build(name, change, state):
    keys = json.loads(json.dumps(BASE | change))
    if name.startswith("phi3"):
        m = T.Phi3ForCausalLM(T.Phi3Config.from_dict(dict(keys, attn_implementation="eager")))
        state = phi3(state)
    else:
        m = T.LlamaForCausalLM(T.LlamaConfig.from_dict(keys))
    m.load_state_dict(state)
    return m.eval()


def run(name, m, short, long):
    t = {name + "/short": m(input_ids=short).logits[0], name + "/long": m(input_ids=long).logits[0]}
    m(input_ids=long, labels=long).loss.backward()
    attention = m.model.layers[0].self_attn
    if name.startswith("phi3"):
        q, k, _ = attention.qkv_proj.weight.grad.split([32, 16, 16])
    else:
        q, k = attention.q_proj.weight.grad, attention.k_proj.weight.grad
        t[name + "/greedy"] = m.generate(input_ids=long[:, :26], attention_mask=torch.ones(1, 26, dtype=torch.long), max_new_tokens=20, do_sample=False,
                                         eos_token_id=None, pad_token_id=0)[0]
    return t | {name + "/q": q, name + "/k": k}


def frequencies(change):
    c = T.Gemma3TextConfig.from_dict(dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_hidden_layers=6,
                                          max_position_embeddings=64, layer_types=["sliding_attention", "full_attention"] * 3, **json.loads(json.dumps(change))))
    out = {}
    for kind, p in c.rope_parameters.items():
        if p["rope_type"] == "default":
            inv = 1.0 / p["rope_theta"] ** (torch.arange(0, 16, 2, dtype=torch.float) / 16)
            out[kind] = dict(inv_freq=inv.tolist(), scale=1.0)
        else:
            inv, scale = ROPE_INIT_FUNCTIONS[p["rope_type"]](c, layer_type=kind)
            out[kind] = dict(inv_freq=inv.tolist(), scale=scale)
    return out


def main(golden):
    torch.manual_seed(21)
    folder = os.path.join(golden, "rope")
    first = T.LlamaForCausalLM(T.LlamaConfig(**BASE))
    state = {k: v for k, v in first.state_dict().items() if k != "lm_head.weight"}
    tiny.save(state, folder, "model.safetensors")
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    short, long = torch.randint(3, 48, (1, 12)), torch.randint(3, 48, (1, 56))
    t = {"short": short[0], "long": long[0]}
    for name, change in CASES.items():
        t |= run(name, build(name, change, state), short, long)
    tiny.save(t, folder, "io.safetensors")
    tiny.dump({"base": BASE | dict(model_type="llama"), "cases": CASES}, folder, "cases.json")
    tiny.dump({name: dict(change, want=frequencies(change)) for name, change in GEMMA3.items()}, folder, "frequencies.json")


torch.set_num_threads(1)
main(sys.argv[1])
