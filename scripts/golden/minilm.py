"""Makes testdata/golden/minilm: python minilm.py MODEL GOLDEN, where MODEL is the folder of all-MiniLM-L6-v2.

io.safetensors holds some texts and a pair of texts, concatenated, and the outputs of transformers for each of them in float32.
Made with transformers 5.24.0, PyTorch 2.15.
"""
import json
import os
import sys

import torch
import transformers
from safetensors.torch import save_file

TEXTS = ["The cat sat on the mat .", "Fine-tuning changes a model a little at a time.", "Zürich's lakes are unbelievably clear, aren't they?"]
PAIR = ["Who wrote it?", "Ada Lovelace wrote the notes."]

folder, out = sys.argv[1], os.path.join(sys.argv[2], "minilm")
torch.set_num_threads(1)
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
inputs = [tokenizer(*texts, return_tensors="pt") for texts in [*([t] for t in TEXTS), PAIR]]
with torch.no_grad():
    outputs = [model(**i) for i in inputs]
lengths = torch.tensor([0] + [i["input_ids"].shape[1] for i in inputs])
os.makedirs(out, exist_ok=True)
save_file(dict(
    bounds=lengths.cumsum(0),
    input_ids=torch.cat([i["input_ids"][0] for i in inputs]),
    token_type_ids=torch.cat([i["token_type_ids"][0] for i in inputs]),
    last_hidden_state=torch.cat([o.last_hidden_state[0] for o in outputs]),
    pooler_output=torch.cat([o.pooler_output for o in outputs]),
), os.path.join(out, "io.safetensors"))
made_by = f"transformers {transformers.__version__}, PyTorch {torch.__version__.split('+')[0].removesuffix('.0')}, float32, all-MiniLM-L6-v2"
json.dump(dict(texts=TEXTS, pair=PAIR, made_by=made_by), open(os.path.join(out, "texts.json"), "w"))
