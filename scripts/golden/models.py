"""Makes most of testdata/golden/models: python models.py GOLDEN (made with transformers 5.23, PyTorch 2.15).

models/NAME is a tiny Hugging Face folder with random weights; tiny.run describes io.safetensors. encoders.py and encoder_decoders.py make
the others. The seed is 11, for bart 12, for olmo2, qwen3 and llama-linear 15. The first eight continue the stream of random numbers that mora.py begins.
"""
import os
import sys

import torch

import mora
import tiny


def write(golden, name, seed):
    m = tiny.model(name)
    if tiny.kind(name) == "seq2seq":
        tiny.spread(m)
    folder = os.path.join(golden, "models", name)
    m.save_pretrained(folder)
    tiny.save(tiny.run(name, m, tiny.batch(name, torch.Generator().manual_seed(seed))), folder, "io.safetensors")


def main(golden):
    torch.manual_seed(11)
    mora.operators()
    for name in ("llama", "qwen2", "mistral", "bert-mlm", "bert-seqcls", "bert-tokcls", "bert-qa", "electra-seqcls"):
        write(golden, name, 11)
    torch.manual_seed(11)
    write(golden, "bart", 11)  # made again below; marian follows it
    write(golden, "marian", 11)
    torch.manual_seed(12)
    write(golden, "bart", 12)
    for name in ("olmo2", "qwen3", "llama-linear"):
        torch.manual_seed(15)
        write(golden, name, 15)


torch.set_num_threads(1)
main(sys.argv[1])
