"""Makes short training runs for testdata/golden/train, except those of adapters.py: python train.py GOLDEN
(seed 11; made with transformers 5.23, PyTorch 2.15; the adapters are written here, independently of PEFT and of the Go code).

train/NAME/base is the model, batches.safetensors the inputs (stepN.*). METHOD.json has settings, losses and gradient norms before clipping,
METHOD.safetensors the adapter before (init.*, if it is random) and after training (final.*), and the outputs for one more batch (eval.*, eval_*).
A parameter's name is its module's path and lora_A, lora_B or magnitude; MoRA's matrix is lora_A. Method full trains all parameters.
"""
import math
import os
import sys

import torch
from torch import nn

import mora_ref
import tiny

SEED, STEPS, R, ALPHA = 11, 8, 4, 8
TARGETS = dict(causal=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], seq2seq=["q_proj", "v_proj", "fc1", "fc2"])
EXCLUDED = "modules whose path contains classifier, predictions or pooler; everything else but the adapters is frozen (method full: everything is trained)"


class LoRA(nn.Module):
    """LoRA (arXiv 2106.09685), with rsLoRA's scale (2312.03732) or DoRA's magnitude (2402.09353)."""

    def __init__(self, base, scale, dora):
        super().__init__()
        self.b, self.scale, self.dora = base, scale, dora
        self.lora_A = nn.Parameter(torch.randn(R, base.in_features) / math.sqrt(base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, R))
        if dora:
            self.magnitude = nn.Parameter(base.weight.detach().norm(dim=1))

    def forward(self, x):
        delta = (x @ self.lora_A.T) @ self.lora_B.T * self.scale
        if not self.dora:
            return self.b(x) + delta
        norm = (self.b.weight + self.scale * self.lora_B @ self.lora_A).norm(dim=1).detach()
        bias = 0 if self.b.bias is None else self.b.bias
        return (self.magnitude / norm) * (x @ self.b.weight.T + delta) + bias


class MoRA(nn.Module):
    def __init__(self, base, kind):
        super().__init__()
        self.b, self.kind = base, kind
        side = mora_ref.side(base.in_features, base.out_features, R, kind)
        self.lora_A = nn.Parameter(torch.zeros(side, side))

    def forward(self, x):
        return self.b(x) + mora_ref.mora(x, self.lora_A, self.b.out_features, self.kind)


METHODS = {
    "lora": lambda base: LoRA(base, ALPHA / R, False),
    "rslora": lambda base: LoRA(base, ALPHA / math.sqrt(R), False),
    "dora": lambda base: LoRA(base, ALPHA / R, True),
    **{f"mora{k}": lambda base, k=k: MoRA(base, k) for k in (1, 2, 3, 4, 6)},
    "full": None,
}


def attach(m, method, targets):
    """Replaces the targets among the linear layers by adapted ones; the rest is frozen."""
    for p in m.parameters():
        p.requires_grad = False
    layers = [(n, l) for n, l in m.named_modules() if isinstance(l, nn.Linear) and n.split(".")[-1] in targets]
    for name, layer in layers:
        if not any(part in name for part in ("classifier", "predictions", "pooler")):
            parent, _, last = name.rpartition(".")
            setattr(m.get_submodule(parent), last, METHODS[method](layer))


def course(folder, name, method):
    torch.manual_seed(SEED)
    m = tiny.model(name)
    targets = TARGETS.get(tiny.kind(name), ["query", "value", "dense"])
    if method != "full":
        attach(m, method, targets)
    trained = {n: p for n, p in m.named_parameters() if p.requires_grad}
    t = {}
    if method in ("lora", "rslora", "dora"):
        t.update({"init." + n: p.detach().clone() for n, p in trained.items()})
    lr = 1e-3 if method == "full" else 1e-2
    optimizer = torch.optim.AdamW(trained.values(), lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses, norms = [], []
    for s in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(lr, s)
        out = m(**batch(name, s))
        optimizer.zero_grad()
        out.loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(trained.values(), 1.0)))
        optimizer.step()
        losses.append(out.loss.item())
    if method != "full":
        t.update({"final." + n: p for n, p in trained.items()})
    d = tiny.batch(name, torch.Generator().manual_seed(5))
    out = m(**d)
    t.update({"eval." + k: v for k, v in d.items()}, eval_loss=out.loss.reshape(1), **tiny.logits(out, "eval_"))
    tiny.save(t, folder, method + ".safetensors")
    tiny.dump(dict(method=method, r=R, lora_alpha=ALPHA, target_modules=targets, excluded=EXCLUDED, lr=lr, betas=[0.9, 0.999], eps=1e-8,
                   weight_decay=0.01, max_grad_norm=1.0, schedule="lr*s/3 for step s<=3, then lr*0.5*(1+cos(pi*(s-3)/(steps-3)))", steps=STEPS,
                   losses=losses, grad_norms=norms), folder, method + ".json")


def rate(lr, s):
    """Returns the learning rate of step s, counted from 1."""
    return lr * (s / 3 if s <= 3 else 0.5 * (1 + math.cos(math.pi * (s - 3) / (STEPS - 3))))


def batch(name, step):
    return tiny.batch(name, torch.Generator().manual_seed(1000 + step))


def main(golden):
    for name in ("llama", "bert-seqcls", "bart"):
        folder = os.path.join(golden, "train", name)
        for method in METHODS:
            course(folder, name, method)
        tiny.save({f"step{s}.{k}": v for s in range(1, STEPS + 1) for k, v in batch(name, s).items()}, folder, "batches.safetensors")
        torch.manual_seed(SEED)
        tiny.model(name).save_pretrained(os.path.join(folder, "base"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
