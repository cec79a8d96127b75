"""The model that torch_bench.py and torch_gsm8k.py train. load(path, method, arithmetic) returns it, and a function that makes the context of
its forward passes. path is a model's folder, or a config.json, whose model gets random weights.

fp32      everything is float32
bf16      everything is bfloat16, the adapter and AdamW's moments too
autocast  torch.autocast to bfloat16: what trains is float32, what is frozen bfloat16. The adapters' inputs are not cast to float32 first, as
          PEFT would do and autocast undo: this is its fastest form, with the same losses
"""
import contextlib
import torch
import peft
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import AutoConfig, AutoModelForCausalLM

ARITHMETICS = ["fp32", "bf16", "autocast"]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load(path, method, arithmetic):
    if arithmetic not in ARITHMETICS:
        raise SystemExit(f"the arithmetic is {arithmetic!r}; want one of {', '.join(ARITHMETICS)}")
    trained = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    frozen = torch.float32 if arithmetic == "fp32" else torch.bfloat16
    dtype = trained if method == "full" else frozen
    if path.endswith(".json"):
        m = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path), dtype=dtype)
    else:
        m = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    if method.startswith("mora"):
        import torch_mora
        m = torch_mora.attach(m, TARGETS, 8, int(method[4:])).to(dtype)
        for p in m.parameters():
            if p.requires_grad: p.data = p.data.to(trained)
    elif method != "full":
        c = peft.LoraConfig(r=8, lora_alpha=16, target_modules=TARGETS, lora_dropout=0.0, task_type="CAUSAL_LM", use_dora=method == "dora")
        m = peft.get_peft_model(m, c, autocast_adapter_dtype=trained == torch.float32)
    m.train()
    if arithmetic != "autocast":
        return m, contextlib.nullcontext
    for layer in m.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.cast_input_dtype_enabled = False
    return m, lambda: torch.autocast("cpu", dtype=torch.bfloat16)
