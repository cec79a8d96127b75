"""Makes more encoder-decoders in testdata/golden/models: python encoder_decoders.py GOLDEN (seed 12; made with transformers 5.24, PyTorch 2.15).

pegasus, mbart, marian with two tables of embeddings, and BART's heads for classification and question answering, in the layout of models.py.
"""
import os
import sys

import torch

import tiny

SEED, VOCAB, TARGETS = 12, 72, 60


def main(golden):
    torch.manual_seed(SEED)
    for name in ("pegasus", "mbart", "marian-two-tables", "bart-seqcls", "bart-qa"):
        m = tiny.model(name, VOCAB, width=16, inner=24)
        if tiny.kind(name) == "seq2seq":
            tiny.spread(m)
            with torch.no_grad():
                m.final_logits_bias.normal_(0, 0.5)
        folder = os.path.join(golden, "models", name)
        m.save_pretrained(folder)
        d = tiny.batch(name, torch.Generator().manual_seed(SEED), VOCAB, TARGETS)
        if tiny.kind(name) == "seq2seq":
            d["labels"][2, 3:5] = -100  # some labels in the middle are not scored
        if name == "bart-seqcls":  # the head reads each document's last end-of-sequence token
            d["input_ids"][range(3), d["attention_mask"].sum(1) - 1] = 2
        tiny.save(tiny.run(name, m, d), folder, "io.safetensors")


torch.set_num_threads(1)
main(sys.argv[1])
