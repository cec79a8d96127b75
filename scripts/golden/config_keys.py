"""Makes testdata/golden/config: python config_keys.py GOLDEN FAMILIES.PY (made with transformers 5.23, PyTorch 2.15).

keys.json says of every key that transformers' configuration classes for text write (those of models for causal, masked or sequence-to-sequence
language modelling or classification): how many classes write it, and in which of them it "changes" what a model with the same weights computes. That is
measured on the tiny models of FAMILIES.PY, whose families(held) returns functions by name, and on some of tiny.py: one key at a time gets another value of its type, and where the weights still load, the
logits are compared. "weights" counts the models whose weights no longer load, "same" those whose logits stay.
"""
import collections
import copy
import importlib.util
import json
import os
import sys

import torch
import transformers as T
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

import tiny

TASKS = ("CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM", "SEQUENCE_CLASSIFICATION", "TOKEN_CLASSIFICATION", "QUESTION_ANSWERING")


# What the weights show, and what nothing computes with.
SIZES = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "max_position_embeddings", "model_type", "transformers_version", "id2label", "label2id",
         "output_attentions", "output_hidden_states", "return_dict", "dtype", "architectures", "problem_type", "is_encoder_decoder"}


def written():
    """Returns how many classes write each key."""
    types = set().union(*(getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES") for task in TASKS))
    count = collections.Counter()
    for name in sorted(types & set(CONFIG_MAPPING_NAMES)):
        try:
            keys = CONFIG_MAPPING[name]().to_dict()
        except Exception:
            continue  # it needs the configuration of another model
        if "vocab_size" in keys:
            count.update(keys.keys())
    return count


def others(key, value):
    """Returns other values of a key."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [2 * value, value // 2] if value else [1, 4]
    if isinstance(value, float):
        return [1.7 * value + 0.3]
    if isinstance(value, str):
        acts = ["relu", "gelu", "silu"] if value in T.activations.ACT2FN else []
        return [a for a in acts if a != value] or ["other"]
    if isinstance(value, list) and len(set(map(str, value))) > 1:
        return [value[::-1]]
    if value is None:
        return [True, 2, 0.5]
    return []


def logits(config, cls, state, batch):
    m = cls(config)
    if state:
        m.load_state_dict(state)
    with torch.no_grad():
        out = m.eval()(**batch)
    return m, next(out[k] for k in ("logits", "start_logits", "last_hidden_state") if out.get(k) is not None)


def measure(made, found):
    torch.manual_seed(3)
    model = made()
    cls, config, state = type(model), model.config, model.state_dict()
    ids = torch.randint(6, 40, (1, 20))
    batch = dict(input_ids=ids)
    if config.is_encoder_decoder:
        batch["decoder_input_ids"] = ids[:, :9]
    keys = config.to_dict()
    _, want = logits(copy.deepcopy(config), cls, state, batch)
    for key, value in keys.items():
        for other in [] if key in SIZES else others(key, value):
            try:
                changed = type(config).from_dict(dict(keys, **{key: other}))
                changed._attn_implementation = config._attn_implementation
                _, got = logits(changed, cls, state, batch)
            except Exception:
                found[key]["weights"] += 1
                continue
            same = got.shape == want.shape and (got - want).abs().max() < 1e-6
            if same:
                found[key]["same"] += 1
            else:
                found[key]["changes"].add(config.model_type)


def main(golden, families):
    spec = importlib.util.spec_from_file_location("families", families)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = collections.defaultdict(lambda: dict(changes=set(), weights=0, same=0))
    models = dict(module.families(False), **{name: lambda name=name: tiny.model(name) for name in ("llama", "mistral", "qwen3", "bert-mlm", "electra-seqcls", "bart", "marian", "mbart", "pegasus")})
    for name, made in models.items():
        if name.endswith(("-tokcls", "-qa", "-multimodal")) or name.endswith("-seqcls") and name[:-7] + "-mlm" in models:
            continue  # another head on a model that is there
        print(name, file=sys.stderr)
        try:
            measure(made, found)
        except Exception as e:
            print("skipped", name, repr(e)[:200], file=sys.stderr)
    count = written()
    out = {key: dict(classes=count[key], changes=sorted(f["changes"]), weights=f["weights"], same=f["same"])
           for key in sorted(set(count) | set(found)) for f in [found[key]]}
    os.makedirs(os.path.join(golden, "config"), exist_ok=True)
    with open(os.path.join(golden, "config", "keys.json"), "w") as f:  # a key a line
        f.write("{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in out.items()) + "\n}\n")


torch.set_num_threads(1)
main(sys.argv[1], sys.argv[2])
