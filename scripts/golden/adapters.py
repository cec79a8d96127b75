"""Computes golden values of methods other than LoRA with PEFT: python adapters.py GOLDEN (made with PEFT 0.21, PyTorch 2.15).

GOLDEN/peft/llama/NAME  adapters of GOLDEN/peft/llama/base as PEFT saves them, with the outputs before and after merging
GOLDEN/train/llama/NAME a short run on GOLDEN/train/llama/batches.safetensors: initial values, losses, gradient norms, final values
"""
import json, math, os, sys
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
import peft
from peft.optimizers import create_loraplus_optimizer

root = sys.argv[1]
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SOME = dict(target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
torch.set_num_threads(1)


def base(kind):
    return AutoModelForCausalLM.from_pretrained(os.path.join(root, kind, "llama", "base"), dtype=torch.float32).eval()


def keep(tensors, *path):
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, os.path.join(root, *path))


def stir(model):
    for p in model.parameters():
        if p.requires_grad:
            p.data.add_(0.1 * torch.randn_like(p))


def write(name, config, before_saving=None, **how):
    torch.manual_seed(11)
    folder = os.path.join(root, "peft", "llama", name)
    model = peft.get_peft_model(base("peft"), config)
    if "path_initial_model_for_weight_conversion" in how:
        model.peft_config["default"].init_lora_weights = True
        model.save_pretrained(folder + "_start")
    with torch.no_grad():
        stir(model)
        if before_saving:
            before_saving(model)
        model.eval()
        ids = torch.randint(3, 128, (2, 9), generator=torch.Generator().manual_seed(9))
        logits = model(input_ids=ids).logits
        model.peft_config["default"].base_model_name_or_path = "base"
        model.save_pretrained(folder, **how)
        if how:
            import shutil
            shutil.rmtree(folder + "_start")
        merged = model.merge_and_unload()(input_ids=ids).logits
    keep(dict(input_ids=ids, logits=logits, merged_logits=merged), "peft", "llama", name, "io.safetensors")
    readme = os.path.join(folder, "README.md")
    if os.path.exists(readme):
        os.remove(readme)
    print(name, float((logits - merged).abs().max()))


def cut(model):
    """Prunes some triplets, including all of one layer."""
    pattern = {}
    for i, (n, p) in enumerate((n, p) for n, p in model.base_model.model.named_parameters() if "lora_E" in n):
        kept = [False] * len(p) if i == 1 else [(i + k) % 3 != 0 for k in range(len(p))]
        p.data.masked_fill_(~torch.tensor(kept).unsqueeze(1), 0)
        pattern[n] = kept
    model.peft_config["default"].rank_pattern = pattern


def course(name, make, steps=8, lr=1e-2, **facts):
    torch.manual_seed(11)
    model, optimizer, after = make(lr)
    batches = load_file(os.path.join(root, "train", "llama", "batches.safetensors"))
    evaluation = load_file(os.path.join(root, "train", "llama", "lora.safetensors"))
    ps = {n.removeprefix("base_model.model.").replace(".default", "").removesuffix(".weight"): p for n, p in model.named_parameters() if p.requires_grad}
    t = {"init." + k: p.detach().clone() for k, p in ps.items()}
    first, losses, norms = [g["lr"] for g in optimizer.param_groups], [], []
    for s in range(1, steps + 1):
        for g, rate in zip(optimizer.param_groups, first):
            g["lr"] = rate * (s / 3 if s <= 3 else 0.5 * (1 + math.cos(math.pi * (s - 3) / (steps - 3))))
        d = {k.split(".")[1]: v for k, v in batches.items() if k.startswith(f"step{s}.")}
        with torch.no_grad():
            losses.append(model.base_model.model(**d).loss.item())
        model(**d).loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(ps.values(), 1.0)))
        optimizer.step()
        after(model, s)
        optimizer.zero_grad()
    t.update({"final." + k: p for k, p in ps.items()})
    d = {k[5:]: v for k, v in evaluation.items() if k.startswith("eval.")}
    with torch.no_grad():
        t["eval_logits"] = model.base_model.model(**d).logits
    t.update({"eval." + k: v for k, v in d.items()})
    keep(t, "train", "llama", name + ".safetensors")
    json.dump(dict(method=name, target_modules=ALL, lr=lr, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01, max_grad_norm=1.0, steps=steps,
                   losses=losses, grad_norms=norms, **facts), open(os.path.join(root, "train", "llama", name + ".json"), "w"), indent=1)
    print(name, [round(x, 4) for x in losses])


def loraplus(lr):
    model = peft.get_peft_model(base("train"), peft.LoraConfig(r=2, lora_alpha=4, target_modules=ALL, task_type="CAUSAL_LM"))
    return model, create_loraplus_optimizer(model, torch.optim.AdamW, lr=lr, loraplus_lr_ratio=4.0, loraplus_weight_decay=0.01, betas=(0.9, 0.999), eps=1e-8), lambda m, s: None


BUDGET = dict(init_r=3, target_r=2, tinit=1, tfinal=2, deltaT=2, total_step=8, orth_reg_weight=0.3, lora_alpha=6)


def adalora(lr):
    model = peft.get_peft_model(base("train"), peft.AdaLoraConfig(target_modules=ALL, task_type="CAUSAL_LM", **BUDGET))
    ps = [p for p in model.parameters() if p.requires_grad]
    return model, torch.optim.AdamW(ps, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01), lambda m, s: m.base_model.update_and_allocate(s)


def plain(config, **settings):
    """A course of AdamW with a method that needs nothing after a step."""
    def make(lr):
        model = peft.get_peft_model(base("train"), config(target_modules=ALL, task_type="CAUSAL_LM", **settings))
        ps = [p for p in model.parameters() if p.requires_grad]
        return model, torch.optim.AdamW(ps, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01), lambda m, s: None
    return make


write("ia3", peft.IA3Config(feedforward_modules=["down_proj"], **SOME))
write("vera", peft.VeraConfig(r=4, projection_prng_key=5, **SOME))
write("veraprng", peft.VeraConfig(r=4, projection_prng_key=6, save_projection=False, **SOME))
write("adalora", peft.AdaLoraConfig(init_r=4, target_r=2, total_step=10, lora_alpha=3, **SOME))
write("adaloracut", peft.AdaLoraConfig(init_r=4, target_r=2, total_step=10, **SOME), cut)
start = os.path.join(root, "peft", "llama", "pissa_start")
write("pissa", peft.LoraConfig(r=2, lora_alpha=4, init_lora_weights="pissa", **SOME), path_initial_model_for_weight_conversion=start)
write("pissaraw", peft.LoraConfig(r=2, lora_alpha=4, init_lora_weights="pissa", **SOME))
write("oloraraw", peft.LoraConfig(r=2, lora_alpha=4, init_lora_weights="olora", **SOME))
course("loraplus", loraplus, settings=dict(r=2, lora_alpha=4, loraplus_lr_ratio=4.0))
course("adalora", adalora, settings=BUDGET)
VERA, IA3, OLORA = dict(r=4, projection_prng_key=5), dict(feedforward_modules=["down_proj"]), dict(r=2, lora_alpha=4, init_lora_weights="olora")
PISSA = dict(r=2, lora_alpha=4, init_lora_weights="pissa")
course("vera", plain(peft.VeraConfig, **VERA), settings=VERA)
course("ia3", plain(peft.IA3Config, **IA3), settings=IA3)
course("olora", plain(peft.LoraConfig, **OLORA), settings={k: OLORA[k] for k in ["r", "lora_alpha"]})
course("pissa", plain(peft.LoraConfig, **PISSA), settings={k: PISSA[k] for k in ["r", "lora_alpha"]})
