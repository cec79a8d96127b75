"""Makes testdata/golden/torch, torch_bad and torch_bert: python scripts/golden/torch_pickles.py testdata/golden

torch/NAME is a folder with pytorch_model.bin, in one file or in shards, and want.safetensors with the same tensors.
torch_bad/NAME.bin must be rejected. torch_bert is a model in half precision (its config.json is written by hand). Made with torch 2.15, transformers 5.24, safetensors 0.8.
"""

import json
import os
import sys
from collections import OrderedDict

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM


def case(root, name, state, saved=None, **options):
    """Saves saved (state itself if None), and the tensors of state next to it."""
    folder = os.path.join(root, "torch", name)
    os.makedirs(folder, exist_ok=True)
    torch.save(state if saved is None else saved, os.path.join(folder, "pytorch_model.bin"), **options)
    want(folder, state)


def want(folder, state):
    tensors = {k: v.detach().clone().contiguous() for k, v in state.items() if isinstance(v, torch.Tensor)}
    file = os.path.join(folder, "want.safetensors")
    save_file(tensors, file)
    os.chmod(file, 0o644)


def shards(root, state):
    folder = os.path.join(root, "torch", "shards")
    os.makedirs(folder, exist_ok=True)
    names = list(state)
    weight_map = {}
    for i in range(3):
        file = f"pytorch_model-{i + 1:05}-of-00003.bin"
        part = {k: state[k] for k in names[i::3]}
        torch.save(part, os.path.join(folder, file))
        weight_map.update({k: file for k in part})
    with open(os.path.join(folder, "pytorch_model.bin.index.json"), "w") as f:
        json.dump({"metadata": {}, "weight_map": weight_map}, f, indent=1)
    want(folder, state)


def dtypes():
    """Tensors of every element type, with its extreme values."""
    out = OrderedDict()
    for d in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        i = torch.finfo(d)
        out[str(d)] = torch.tensor([[0.0, -1.5, i.max], [i.min, i.tiny, float("inf")]], dtype=d)
    for d in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32):
        i = torch.iinfo(d)
        out[str(d)] = torch.tensor([i.min, 1, i.max], dtype=d)
    out["uint64"] = torch.tensor([0, 1, 2**63 - 1], dtype=torch.uint64)
    out["bool"] = torch.tensor([True, False, True])
    out["f8"] = torch.tensor([0.5, -2.0]).to(torch.float8_e4m3fn)
    return out


def views():
    """Tensors that share storages, start within them or do not lie in row-major order."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    cube = torch.arange(30, dtype=torch.float16).reshape(2, 3, 5)
    return OrderedDict(
        base=base, tied=base, rows=base[1:3], row=base[2], transposed=base.t(), columns=base[:, 1:4], steps=base[::2, ::3],
        cube=cube.permute(2, 0, 1), ones=cube[:, :1, :1].transpose(1, 2), scalar=base[3, 5], empty=base[:0], none=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(torch.ones(2, 2)),
    )


class Attack:
    def __reduce__(self):
        return os.system, ("touch torch-pickle-ran",)


def bad(root):
    folder = os.path.join(root, "torch_bad")
    os.makedirs(folder, exist_ok=True)
    w = torch.ones(2, 2)
    cases = {
        "system": {"w": w, "x": Attack()},
        "system_key": {Attack(): w},
        "module": torch.nn.Linear(2, 2),
        "expanded": {"w": torch.ones(1).expand(1 << 20, 1 << 20)},
        "sparse": {"w": w.to_sparse()},
        "list": [w],
        "no_tensors": {"step": 3},
        "quantized": {"w": torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)},
    }
    for name, value in cases.items():
        torch.save(value, os.path.join(folder, name + ".bin"))
    torch.save(cases["system"], os.path.join(folder, "system_legacy.bin"), _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), os.path.join(folder, "torchscript.bin"))


def half_bert(root):
    torch.manual_seed(5)
    config = BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=16)
    folder = os.path.join(root, "torch_bert")
    os.makedirs(folder, exist_ok=True)
    torch.save(BertForMaskedLM(config).half().state_dict(), os.path.join(folder, "pytorch_model.bin"))


def main(root):
    torch.manual_seed(1)
    case(root, "dtypes", dtypes())
    case(root, "views", views())
    case(root, "views_legacy", views(), _use_new_zipfile_serialization=False)
    for protocol in (3, 4, 5):
        case(root, f"protocol{protocol}", views(), pickle_protocol=protocol)
    config = BertConfig(vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, max_position_embeddings=16)
    model = BertForMaskedLM(config)
    case(root, "bert", model.state_dict())
    case(root, "bert_legacy", model.state_dict(), _use_new_zipfile_serialization=False)
    case(root, "trainer", model.state_dict(), {"epoch": 3, "loss": 0.5, "state_dict": model.state_dict(), "rng": b"\x00\xff", "args": ("a", None, [1 << 40])})
    shards(root, model.half().state_dict())
    bad(root)
    half_bert(root)


main(sys.argv[1])
