"""Makes LoRA and its closest variants in testdata/golden/peft/llama with PEFT: python lora.py GOLDEN
(seed 11; made with PEFT 0.21, transformers 5.23, PyTorch 2.15). adapters.py makes the other methods on the same base.

base is the model. lora, rslora, dora, pattern (rank and alpha patterns) and save (a single layer) are folders with the adapter as PEFT
saves it, and io.safetensors with the logits before and after merging.
"""
import os
import sys

import peft
import torch

import tiny

SEED = 11
KINDS = {
    "lora": dict(),
    "rslora": dict(use_rslora=True),
    "dora": dict(use_dora=True),
    "pattern": dict(rank_pattern={"layers.1.self_attn.q_proj": 2}, alpha_pattern={"layers.1.self_attn.q_proj": 3}),
    "save": dict(layers_to_transform=[1]),
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main(golden):
    root = os.path.join(golden, "peft", "llama")
    for name, settings in KINDS.items():
        folder = os.path.join(root, name)
        torch.manual_seed(SEED)
        base = tiny.model("llama")
        base.save_pretrained(os.path.join(root, "base"))
        m = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS, task_type="CAUSAL_LM", **settings))
        with torch.no_grad():
            for p in m.parameters():
                if p.requires_grad:
                    p.add_(0.1 * torch.randn_like(p))
        m.eval()
        d = tiny.batch("llama", torch.Generator().manual_seed(9))
        logits = m(**d).logits
        m.peft_config["default"].base_model_name_or_path = "base"
        m.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))
        merged = m.merge_and_unload()(**d).logits
        tiny.save(dict(input_ids=d["input_ids"], attention_mask=d["attention_mask"], logits=logits, merged_logits=merged), folder, "io.safetensors")


torch.set_num_threads(1)
main(sys.argv[1])
