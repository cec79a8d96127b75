"""Makes short training runs in bfloat16 for testdata/golden/bf16: python bf16.py GOLDEN (seed 16).

bf16/llama/base is a model stored in bfloat16, batches.safetensors the inputs (stepN.*, eval.*). METHOD.json has the settings, and the losses
and gradient norms of two runs: in float32, and in PyTorch's CPU autocast to bfloat16, which is what Trainer's bf16: true does.
METHOD.safetensors has the adapter before (init.*) and the logits of one more batch after training (float32.*, autocast.*).
All rows are whole, and a batch has so many tokens that adapters are merged into the weights.
"""
import contextlib
import os
import sys

import torch
import transformers as T
from torch import nn

import tiny
import train

SEED, STEPS, ROWS, LENGTH, VOCAB = 16, train.STEPS, 4, 48, 256
ARITHMETICS = {"float32": contextlib.nullcontext, "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16)}


def model():
    torch.manual_seed(SEED)
    m = T.LlamaForCausalLM(T.LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=256, initializer_range=0.08, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True)).eval()
    return m.to(torch.bfloat16).to(torch.float32)  # the values of the file


def batch(step):
    g = torch.Generator().manual_seed(2000 + step)
    first = torch.randint(3, VOCAB, (ROWS, 1), generator=g)
    ids = (first + 7 * torch.arange(LENGTH) + torch.randint(0, 3, (ROWS, LENGTH), generator=g)) % (VOCAB - 3) + 3  # something to learn
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids.clone())


def course(method, arithmetic, t):
    m = model()
    torch.manual_seed(SEED)
    if method != "full":
        train.attach(m, method, train.TARGETS["causal"])
    trained = {n: p for n, p in m.named_parameters() if p.requires_grad}
    if method != "full":
        t.update({"init." + n: p.detach().clone() for n, p in trained.items()})
    lr = 1e-3 if method == "full" else 1e-2
    optimizer = torch.optim.AdamW(trained.values(), lr=lr, weight_decay=0.01)
    losses, norms = [], []
    for s in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = train.rate(lr, s)
        with ARITHMETICS[arithmetic]():
            loss = m(**batch(s)).loss
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(trained.values(), 1.0)))
        optimizer.step()
        losses.append(loss.item())
    with ARITHMETICS[arithmetic](), torch.no_grad():
        t[arithmetic + ".logits"] = m(**batch(0)).logits.float()
    return dict(losses=losses, grad_norms=norms)


def main(golden):
    folder = os.path.join(golden, "bf16", "llama")
    for method in "lora", "full":
        t = {}
        runs = {a: course(method, a, t) for a in ARITHMETICS}
        tiny.save(t, folder, method + ".safetensors")
        tiny.dump(dict(method=method, r=train.R, lora_alpha=train.ALPHA, target_modules=train.TARGETS["causal"], lr=1e-3 if method == "full" else 1e-2,
                       betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01, max_grad_norm=1.0, steps=STEPS, **runs), folder, method + ".json")
    batches = {f"step{s}.{k}": v for s in range(1, STEPS + 1) for k, v in batch(s).items()}
    tiny.save(batches | {f"eval.{k}": v for k, v in batch(0).items()}, folder, "batches.safetensors")
    model().to(torch.bfloat16).save_pretrained(os.path.join(folder, "base"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
