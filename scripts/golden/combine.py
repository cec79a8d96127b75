"""Makes testdata/golden/combine.json: LoRAs of one linear layer, and what PEFT's add_weighted_adapter makes of them.

python combine.py OUT.json   (PyTorch, PEFT)
"""
import json
import sys

import torch
from peft import LoraConfig, get_peft_model

OUT, IN = 5, 7
torch.manual_seed(19)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(IN, OUT, bias=False)

    def forward(self, x):
        return self.proj(x)


parts = [dict(name="one", r=3, lora_alpha=6, weight=0.7), dict(name="two", r=3, lora_alpha=1.5, weight=-0.4), dict(name="three", r=3, lora_alpha=3, weight=1.2)]
model = None
for p in parts:
    config = LoraConfig(r=p["r"], lora_alpha=p["lora_alpha"], target_modules=["proj"], init_lora_weights=False)
    if model is None:
        model = get_peft_model(Net(), config, adapter_name=p["name"])
    else:
        model.add_adapter(p["name"], config)
    layer = model.base_model.model.proj
    p["a"], p["b"] = layer.lora_A[p["name"]].weight.tolist(), layer.lora_B[p["name"]].weight.tolist()

names, weights = [p["name"] for p in parts], [p["weight"] for p in parts]
made = []
for how, density, rank in [("linear", 0, 0), ("cat", 0, 0), ("svd", 0, 0), ("svd", 0, 2), ("ties", 0.5, 0), ("ties", 0.8, 0)]:
    name = f"made{len(made)}"
    model.add_weighted_adapter(names, weights, name, combination_type=how, svd_rank=rank or None, density=density or None)
    a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    made.append(dict(how=how, density=density, rank=rank, delta=(scale * b @ a).tolist(), a=a.tolist(), b=b.tolist()))
json.dump(dict(out=OUT, **{"in": IN}, parts=parts, made=made), open(sys.argv[1], "w"))
