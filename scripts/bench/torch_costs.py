"""What an adapter costs in PyTorch, float32, for costs.py: LoRA by PEFT, MoRA by torch_mora.py.
python torch_costs.py MODEL_DIR THREADS              reads lines "METHOD R" (lora, or mora6) and answers each with a line of JSON
python torch_costs.py MODEL_DIR THREADS METHOD R     the peak memory of two training steps, alone in the process, in MiB"""
import json, os, resource, shutil, sys, tempfile, time, warnings
import torch
import peft, torch_mora
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, logging

warnings.filterwarnings("ignore"); logging.set_verbosity_error(); logging.disable_progress_bar()
MODEL, THREADS = sys.argv[1], int(sys.argv[2])
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BATCH, LENGTH, PROMPT, NEW = 4, 64, 32, 8
torch.set_num_threads(THREADS)


def base():
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)


def attached(method, r):
    if method == "lora":
        return peft.get_peft_model(base(), peft.LoraConfig(r=r, lora_alpha=16, target_modules=TARGETS, lora_dropout=0.0, task_type="CAUSAL_LM"))
    return torch_mora.attach(base(), TARGETS, r, int(method[4:]))


def train(m, steps):
    """Returns tokens/s of the last of the steps."""
    m.train()
    opt = torch.optim.AdamW([p for p in m.parameters() if p.requires_grad], lr=3e-4, weight_decay=0.0)
    for _ in range(steps):
        ids = torch.randint(3, m.config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
        began = time.perf_counter()
        m(input_ids=ids, labels=ids).loss.backward(); opt.step(); opt.zero_grad()
        seconds = time.perf_counter() - began
    return BATCH * LENGTH / seconds


def decode(m):
    """Returns tokens/s from the second new token on."""
    m.eval()
    ids, seconds = torch.randint(3, m.config.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(0)), []
    with torch.inference_mode():
        for n in (1, 1 + NEW):
            began = time.perf_counter()
            m.generate(input_ids=ids, attention_mask=torch.ones_like(ids), min_new_tokens=n, max_new_tokens=n, do_sample=False)
            seconds.append(time.perf_counter() - began)
    return NEW / (seconds[1] - seconds[0])


def save(m, method, dir):
    """Returns the bytes of the file. The published code writes M under two names."""
    if method == "lora":
        m.save_pretrained(dir)
    else:
        ms = {n: p.data for n, p in m.named_parameters() if n.endswith(".M")}
        save_file({n[:-1] + x: p.clone() for n, p in ms.items() for x in ("lora_A.weight", "lora_B.weight")}, dir + "/adapter_model.safetensors")
    return os.path.getsize(dir + "/adapter_model.safetensors")


def merge(method, r, dir, out):
    """Returns the seconds from the two folders to the merged one."""
    began = time.perf_counter()
    if method == "lora":
        m = peft.PeftModel.from_pretrained(base(), dir).merge_and_unload()
    else:
        m = attached(method, r)
        tensors = load_file(dir + "/adapter_model.safetensors")
        for n, p in m.named_parameters():
            if n.endswith(".M"):
                p.data.copy_(tensors[n[:-1] + "lora_A.weight"])
        m = torch_mora.merge(m)
    m.save_pretrained(out)
    return time.perf_counter() - began


if len(sys.argv) > 3:
    train(attached(sys.argv[3], int(sys.argv[4])), 2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    sys.exit()
saved = {}  # the adapters' folders and the bytes of their files
for line in sys.stdin:
    method, r = line.split()[0], int(line.split()[1])
    m = attached(method, r)
    got = {"train": train(m, 2), "decode": decode(m)}
    if line not in saved:
        dir = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        saved[line] = dir, save(m, method, dir)
    del m
    dir, got["bytes"] = saved[line]
    got["merge"] = merge(method, r, dir, dir + "/merged")
    shutil.rmtree(dir + "/merged")
    print(json.dumps(got), flush=True)
