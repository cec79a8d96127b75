"""Makes golden values of the optimizers that Trainer names: python optimizers.py GOLDEN
(made with transformers 5.23, PyTorch 2.15, PEFT 0.21, bitsandbytes 0.50).

GOLDEN/optim/steps.safetensors has parameters and the gradients of six steps; NAME.json the settings of an optimizer, NAME.safetensors the
parameters and the state after the steps. Parameter i has a learning rate of its own, and every other one decays.
GOLDEN/train/llama/optim-NAME.json and .safetensors are short runs as in train.py, of all parameters and of LoRA+.

bitsandbytes 0.50 computes on the processor, but its coder of blocks is a rough one there: it codes 0 as 2.1e-5, and one value in a hundred as one that is
not the nearest. So nearest() takes its place, the formula of the paper (Dettmers et al. 2022, section 2.2); all else is bitsandbytes' own.
"""
import json
import math
import os
import sys

import bitsandbytes as bnb
import bitsandbytes.backends.cpu.ops as cpu
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.optimization import Adafactor

SEED, STEPS = 23, 6
BETAS, EPS, DECAY = (0.9, 0.97), 1e-7, 0.1
SHAPES = dict(matrix=(70, 61), tall=(300, 1), vector=(4100,), small=(9, 14), bias=(33,))

# name: Trainer's optim, its optim_args, the class and what Trainer gives it, the learning rate of a run
OPTIMIZERS = {
    "adamw": ("adamw_torch", "", torch.optim.AdamW, dict(betas=BETAS, eps=EPS), 1e-2),
    "adamw8bit": ("adamw_8bit", "", bnb.optim.AdamW, dict(betas=BETAS, eps=EPS, optim_bits=8), 1e-2),
    "adafactor": ("adafactor", "", Adafactor, dict(scale_parameter=False, relative_step=False), 1e-2),
    "sgd": ("sgd", "", torch.optim.SGD, {}, 0.5),
    "momentum": ("sgd", "momentum=0.9,dampening=0.25", torch.optim.SGD, dict(momentum=0.9, dampening=0.25), 0.2),
    "nesterov": ("sgd", "momentum=0.8, nesterov=True", torch.optim.SGD, dict(momentum=0.8, nesterov=True), 0.1),
    "lion": ("lion_32bit", "", bnb.optim.Lion, dict(betas=BETAS, optim_bits=32), 1e-3),
}
STATE = ("state1", "state2", "absmax1", "absmax2")


def nearest(values, code, absmax, out, blocksize):
    """Writes the index of the nearest code to each value over its block's largest magnitude."""
    flat = values.flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % blocksize)).view(-1, blocksize)
    absmax.copy_(blocks.abs().amax(1))
    part = (blocks / absmax[:, None].clamp(min=1e-38)).flatten()[: len(flat)]
    out.copy_(torch.searchsorted((code[:-1] + code[1:]) / 2, part).view(out.shape))


cpu._quant_blockwise_fp32_direct = nearest


def settings(name, lr, **more):
    optim, args = OPTIMIZERS[name][:2]
    return dict(optim=optim, optim_args=args, lr=lr, betas=BETAS, eps=EPS, weight_decay=DECAY, steps=STEPS, **more)


def steps(golden):
    """Moves some parameters by random gradients, of which the first step has zeros and later ones are larger by columns."""
    torch.manual_seed(SEED)
    start = {k: torch.randn(s) for k, s in SHAPES.items()}
    grads = [{k: torch.randn(s) * torch.logspace(-3, 0, s[-1]) * (1 + i) for k, s in SHAPES.items()} for i in range(STEPS)]
    for g in grads[0].values():
        g[..., ::5] = 0
    t = {"start." + k: p for k, p in start.items()}
    t.update({f"grad{i}.{k}": v for i, g in enumerate(grads) for k, v in g.items()})
    folder = os.path.join(golden, "optim")
    os.makedirs(folder, exist_ok=True)
    save_file(t, os.path.join(folder, "steps.safetensors"))
    for name, (_, _, cls, kwargs, lr) in OPTIMIZERS.items():
        ps = {k: torch.nn.Parameter(p.clone()) for k, p in start.items()}
        groups = [dict(params=[p], lr=lr * (1 + i), weight_decay=DECAY * (i % 2)) for i, p in enumerate(ps.values())]
        optimizer = cls(groups, lr=lr, **kwargs)
        for g in grads:
            for k, p in ps.items():
                p.grad = g[k].clone()
            optimizer.step()
        final = {"final." + k: p.detach() for k, p in ps.items()}
        if name == "adamw8bit":
            final.update({f"{s}.{k}": optimizer.state[p][s] for k, p in ps.items() for s in STATE if s in optimizer.state[p]})
            final.update({"map.signed": optimizer.name2qmap["dynamic"], "map.unsigned": optimizer.name2qmap["udynamic"]})
        save_file({k: v.contiguous() for k, v in final.items()}, os.path.join(folder, name + ".safetensors"))
        with open(os.path.join(folder, name + ".json"), "w") as f:
            json.dump(settings(name, lr, params=list(ps)), f, indent=1)


def course(golden, name, method):
    """A run as in train.py, with clipping, over the whole model or, with method loraplus, over groups of other rates."""
    torch.manual_seed(SEED)
    root = os.path.join(golden, "train", "llama")
    model = AutoModelForCausalLM.from_pretrained(os.path.join(root, "base"), dtype=torch.float32).eval()
    _, _, cls, kwargs, lr = OPTIMIZERS[name]
    more, targets = {}, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    if method == "loraplus":
        more = dict(settings=dict(r=2, lora_alpha=4, loraplus_lr_ratio=4.0))
        model = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules=targets, task_type="CAUSAL_LM"))
        optimizer = create_loraplus_optimizer(model, cls, lr=lr, loraplus_lr_ratio=4.0, loraplus_weight_decay=DECAY, **kwargs)
        for group in optimizer.param_groups:
            group["weight_decay"] = DECAY
    else:
        lr /= 10
        optimizer = cls(model.parameters(), lr=lr, weight_decay=DECAY, **kwargs)
    if kwargs.get("optim_bits") == 8:  # as Trainer does
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding):
                bnb.optim.GlobalOptimManager.get_instance().register_module_override(module, "weight", {"optim_bits": 32})
    ps = {n.removeprefix("base_model.model.").replace(".default", "").removesuffix(".weight"): p for n, p in model.named_parameters() if p.requires_grad}
    t = {"init." + k: p.detach().clone() for k, p in ps.items()} if method == "loraplus" else {}
    batches = load_file(os.path.join(root, "batches.safetensors"))
    first, losses, norms = [g["lr"] for g in optimizer.param_groups], [], []
    for s in range(1, STEPS + 1):
        for group, rate in zip(optimizer.param_groups, first):
            group["lr"] = rate * (s / 3 if s <= 3 else 0.5 * (1 + math.cos(math.pi * (s - 3) / (STEPS - 3))))
        out = model(**{k.split(".")[1]: v for k, v in batches.items() if k.startswith(f"step{s}.")})
        optimizer.zero_grad()
        out.loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(ps.values(), 1.0)))
        optimizer.step()
        losses.append(out.loss.item())
    evaluation = {k[5:]: v for k, v in load_file(os.path.join(root, "lora.safetensors")).items() if k.startswith("eval.")}
    with torch.no_grad():
        t["eval_logits"] = model(**evaluation).logits
    t.update({"eval." + k: v for k, v in evaluation.items()})
    if method == "loraplus":
        t.update({"final." + k: p.detach() for k, p in ps.items()})
    file = os.path.join(root, f"optim-{name}-{method}")
    save_file({k: v.contiguous() for k, v in t.items()}, file + ".safetensors")
    with open(file + ".json", "w") as f:
        json.dump(settings(name, lr, method=method, target_modules=targets, r=2, lora_alpha=4, max_grad_norm=1.0, losses=losses, grad_norms=norms, **more), f, indent=1)
    print(name, method, losses)


if __name__ == "__main__":
    torch.set_num_threads(1)
    steps(sys.argv[1])
    for name in ("adamw8bit", "adafactor", "nesterov", "lion"):
        for method in ("full", "loraplus"):
            course(sys.argv[1], name, method)
