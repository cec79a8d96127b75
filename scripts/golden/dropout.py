"""The loss of models in training with dropout, its mean and standard deviation over many passes:
    python dropout.py GOLDEN [PASSES]
reads GOLDEN/models and writes GOLDEN/dropout.json. Each case sets one key of config.json, so that a place without dropout, or
with too much, shows in the mean."""
import json
import os
import sys

import torch
import transformers as T
from safetensors.torch import load_file

golden, passes = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
torch.manual_seed(31)
torch.set_num_threads(1)
ENCODER = ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"]
BART = ["dropout", "attention_dropout", "activation_dropout", "classifier_dropout"]
KEYS = {"bert-seqcls": ENCODER, "bert-tokcls": ENCODER, "bert-mlm": ENCODER[:2], "bert-qa": ENCODER[:1], "electra-seqcls": ENCODER,
        "roberta-seqcls": ENCODER, "roberta-tokcls": ENCODER[2:], "bart": BART[:3], "bart-seqcls": BART, "marian": BART[:1], "mbart": BART[:1],
        "llama": ["attention_dropout"]}


def losses(name, key):
    folder = os.path.join(golden, "models", name)
    config = T.AutoConfig.from_pretrained(folder)
    setattr(config, key, 0.3)
    m = getattr(T, config.architectures[0]).from_pretrained(folder, config=config).train()
    f = load_file(os.path.join(folder, "io.safetensors"))
    inputs = {k: f[k] for k in ("input_ids", "attention_mask", "token_type_ids", "labels", "start_positions", "end_positions") if k in f}
    with torch.no_grad():
        return torch.stack([m(**inputs).loss for _ in range(passes)]).double()


cases = []
for name, keys in KEYS.items():
    for key in keys:
        x = losses(name, key)
        cases.append({"model": name, "key": key, "rate": 0.3, "passes": passes, "mean": x.mean().item(), "deviation": x.std().item()})
        print(cases[-1])
with open(os.path.join(golden, "dropout.json"), "w") as out:
    json.dump(cases, out, indent=1)
