"""Compares golden files that were made again with the committed ones: python compare.py NEW COMMITTED

Numbers may differ by 1e-4, relative to the number or to the largest one of its tensor, and by 1e-6 absolute: other versions and processors round differently.
A list of names is a set. Versions are not compared, and neither are PyTorch's pickles, since their tensors are also in safetensors files. Exits 1 if anything differs.
"""
import json
import os
import sys

from safetensors.torch import load_file

RELATIVE, ABSOLUTE = 1e-4, 1e-6
VERSIONS = {"transformers_version", "made_by", "peft_version"}


def close(difference, size):
    return difference <= RELATIVE * size + ABSOLUTE


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() | VERSIONS == b.keys() | VERSIONS and all(same(a[k], b[k]) for k in a.keys() & b.keys() - VERSIONS)
    if isinstance(a, list) and isinstance(b, list):
        if all(isinstance(x, str) for x in a + b):
            a, b = sorted(a), sorted(b)
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return close(abs(a - b), max(abs(a), abs(b)))
    return a == b


def same_tensors(a, b):
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and
        (a[k].numel() == 0 or close((a[k].double() - b[k].double()).abs().max(), b[k].double().abs().max()))
        for k in a)


def verdict(new, old):
    with open(new, "rb") as f, open(old, "rb") as g:
        a, b = f.read(), g.read()
    if a == b:
        return "the same bytes"
    if new.endswith(".safetensors"):
        return "close" if same_tensors(load_file(new), load_file(old)) else "DIFFERS"
    if new.endswith(".json"):
        return "close" if same(json.loads(a), json.loads(b)) else "DIFFERS"
    return "not compared" if new.endswith(".bin") else "DIFFERS"


def main(new, committed):
    count = {}
    for folder, _, files in sorted(os.walk(new)):
        for file in sorted(files):
            path = os.path.join(folder, file)
            old = os.path.join(committed, os.path.relpath(path, new))
            v = verdict(path, old) if os.path.exists(old) else "NOT COMMITTED"
            count[v] = count.get(v, 0) + 1
            if v.isupper():
                print(v, os.path.relpath(path, new))
    print(", ".join(f"{n} {v}" for v, n in sorted(count.items())))
    return any(v.isupper() for v in count)


sys.exit(main(*sys.argv[1:]))
