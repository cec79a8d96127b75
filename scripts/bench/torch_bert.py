"""Tokens/s and peak memory of a BERT-type model in PyTorch + PEFT on the CPU.
python torch_bert.py MODEL_DIR forward|lora|mora1|mora6 BATCH LENGTH STEPS THREADS
Random tokens; training is sequence classification with two labels, LoRA r = 8 on query, key, value and dense."""
import resource, statistics, sys, time
import torch

model, what = sys.argv[1:3]
B, S, steps, threads = map(int, sys.argv[3:7])
torch.set_num_threads(threads)
torch.manual_seed(0)
from transformers import AutoModelForSequenceClassification

m = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, dtype=torch.float32)
draw = lambda: torch.randint(3, 30000, (B, S))
times = []
if what == "forward":
    m.eval()
    with torch.inference_mode():
        for _ in range(steps + 1):
            ids, t = draw(), time.perf_counter()
            m(input_ids=ids)
            times.append(time.perf_counter() - t)
else:
    targets = ["query", "key", "value", "dense"]
    if what == "lora":
        import peft
        m = peft.get_peft_model(m, peft.LoraConfig(r=8, lora_alpha=16, target_modules=targets, lora_dropout=0.0, task_type="SEQ_CLS"))
        for n, p in m.named_parameters():
            p.requires_grad = "lora_" in n
    else:
        import torch_mora
        m = torch_mora.attach(m, targets, 8, int(what[4:]))
    m.eval()  # no dropout on either side
    opt = torch.optim.AdamW([p for p in m.parameters() if p.requires_grad], lr=3e-4)
    for _ in range(steps + 1):
        ids, labels, t = draw(), torch.randint(0, 2, (B,)), time.perf_counter()
        m(input_ids=ids, labels=labels).loss.backward()
        opt.step(); opt.zero_grad()
        times.append(time.perf_counter() - t)
t = statistics.median(times[1:])
print(f"torch {what} B{B} S{S} threads {threads}: {B*S/t:.1f} tokens/s, peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/2**20:.2f} GiB")
