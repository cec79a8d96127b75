"""Learning rates of transformers' schedules, and which parameters Trainer lets decay:
    python schedules.py OUT
writes OUT/schedules/rates.json and OUT/schedules/decay.json."""
import json
import os
import random
import sys

import torch
from transformers import AutoConfig, AutoModel, get_scheduler
from transformers.trainer_pt_utils import get_parameter_names

random.seed(21)
LR = 3e-3


def kwargs(name):
    pick = random.choice
    if name == "cosine":
        return pick([{}, {"num_cycles": 1.5}])
    if name == "cosine_with_restarts":
        return pick([{}, {"num_cycles": 3}])
    if name in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        k = pick([{"min_lr": 4e-4}, {"min_lr_rate": 0.2}, {"min_lr_rate": 0.1, "num_cycles": 1}])
        if name == "cosine_warmup_with_min_lr" and random.random() < 0.5:
            k["warmup_lr_rate"] = 0.3
        return k
    if name == "polynomial":
        return pick([{}, {"power": 2.0}, {"lr_end": 1e-4, "power": 0.5}])
    if name == "inverse_sqrt":
        return pick([{}, {"timescale": 7}])
    if name == "warmup_stable_decay":
        return pick([{"num_decay_steps": 4}, {"num_decay_steps": 3, "decay_type": "1-sqrt", "min_lr_ratio": 0.1},
                     {"num_decay_steps": 5, "num_stable_steps": 2, "warmup_type": "cosine", "decay_type": "linear"},
                     {"num_decay_steps": 6, "warmup_type": "1-sqrt", "num_cycles": 1.5}])
    return {}


def rates(name, warmup, total, extra):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    s = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=dict(extra))
    out = []
    for _ in range(total + 1):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        s.step()
    return out


def main(out):
    cases = []
    for name in ["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
                 "cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay"]:
        for warmup, total in [(0, 9), (4, 16), (1, 12), (5, 11)]:
            extra = kwargs(name)
            if name == "warmup_stable_decay" and warmup + extra["num_decay_steps"] > total:
                continue
            cases.append({"type": name, "warmup": warmup, "total": total, "kwargs": extra, "rates": rates(name, warmup, total, extra)})
    os.makedirs(os.path.join(out, "schedules"), exist_ok=True)
    with open(os.path.join(out, "schedules", "rates.json"), "w") as f:
        json.dump({"learning_rate": LR, "cases": cases}, f, indent=1)
        f.write("\n")
    forbidden = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]  # Trainer.get_decay_parameter_names
    models = {}
    golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "testdata", "golden", "models")
    for folder in sorted(os.listdir(golden)):
        config = AutoConfig.from_pretrained(os.path.join(golden, folder))
        import transformers
        cls = getattr(transformers, (config.architectures or ["AutoModel"])[0], AutoModel)
        with torch.device("meta"):
            m = cls(config)
        models[folder] = sorted(set(n for n, _ in m.named_parameters()) - set(get_parameter_names(m, [torch.nn.LayerNorm], forbidden)))
    with open(os.path.join(out, "schedules", "decay.json"), "w") as f:
        json.dump(models, f, indent=1)
        f.write("\n")


main(sys.argv[1])
