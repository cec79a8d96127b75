"""Generates golden texts with transformers: python generate.py MODELS OUT.json SEED

MODELS is a folder of golden models; testdata/golden/generate/cases.json comes from testdata/golden/models with seed 3. A case is
a model, a prompt, the arguments of generate, and the new tokens up to the end-of-sequence token.
"""
import json, os, random, sys
import torch
import transformers as T

models, out, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
rng = random.Random(seed)


def settings(vocab, common, seq2seq):
    common = common + rng.sample(range(3, vocab), 3)
    s = dict(max_new_tokens=rng.randint(4, 20), eos_token_id=rng.sample(sorted(set(common)) if rng.random() < 0.4 else range(3, vocab), rng.choice([1, 1, 2])))
    if rng.random() < 0.7:
        s.update(num_beams=rng.randint(2, 5), length_penalty=rng.choice([-1.0, 0.0, 0.6, 1.0, 2.0]), early_stopping=rng.choice([False, True, "never"]))
    if rng.random() < 0.3:
        s["no_repeat_ngram_size"] = rng.choice([1, 2, 3])
    if rng.random() < 0.3:
        s["repetition_penalty"] = rng.choice([0.8, 1.3])
    if rng.random() < 0.3:
        s["min_length"] = rng.randint(3, 12)
    if rng.random() < 0.3:
        s["bad_words_ids"] = [[rng.choice(common)], [rng.choice(common), rng.choice(common)], [rng.choice(common) for _ in range(3)]]
    if rng.random() < 0.3:
        s["forced_eos_token_id"] = s["eos_token_id"][0]
    if seq2seq and rng.random() < 0.3:
        s["forced_bos_token_id"] = rng.randrange(3, vocab)
    return s


cases = []
LATER = "llama-linear", "olmo2", "qwen3"  # came later: after the others, whose cases stay as they are
for name in sorted(os.listdir(models), key=lambda n: (n in LATER, n)):
    config = T.AutoConfig.from_pretrained(os.path.join(models, name))
    kind = config.architectures[0]
    seq2seq = kind.endswith(("ConditionalGeneration", "MTModel"))
    if not (seq2seq or kind.endswith("CausalLM")):
        continue
    m = getattr(T, kind).from_pretrained(os.path.join(models, name)).eval()
    vocab = m.lm_head.out_features
    for _ in range(16):
        prompt = [rng.randrange(3, min(vocab, config.vocab_size)) for _ in range(rng.randint(2, 9))]
        x = torch.tensor([prompt])
        free = m.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=20, do_sample=False, num_beams=1, eos_token_id=None, forced_eos_token_id=None)[0]
        free = free[1 if seq2seq else len(prompt):].tolist()
        s = settings(vocab, free, seq2seq)
        y = m.generate(x, attention_mask=torch.ones_like(x), do_sample=False, **{"num_beams": 1, "forced_eos_token_id": None, **s})[0]
        y = y[1 if seq2seq else len(prompt):].tolist()
        end = next((i for i, t in enumerate(y) if t in s["eos_token_id"]), len(y))
        cases.append(dict(model=name, prompt=prompt, settings=s, tokens=y[:end]))
json.dump(cases, open(out, "w"), separators=(",", ":"))
print(len(cases), "cases,", sum(len(c["tokens"]) for c in cases), "tokens")
