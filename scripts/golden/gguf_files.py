"""Writes testdata/golden/gguf: block types and metadata as Python's gguf package reads and writes them.

    python scripts/golden/gguf_files.py [FOLDER]    (from the repository's folder; gguf 0.19.0, numpy 2.4.6; seeds: the types' numbers)

FOLDER is testdata/golden, or another one with the same layout. Files:
types.gguf     a tensor [2, 512] of each type; ref_TYPE.f32: its values
blocks.json    4,000 random blocks of each type: for each 100, the first 16 digits of the SHA-256 of their values as float32
metadata.gguf  a value and an array of each kind; metadata.json: the same, in order, with the kinds
Random bytes are the words of SplitMix64 (Steele et al. 2014); its state begins at the type's number. Scales that are no finite numbers
lose a bit of their exponent.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

# The offsets of half-precision numbers in a block.
SCALES = {"F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
BLOCKS = 4000


def splitmix64(seed, words):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, words + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def blocks(name, count):
    """count random blocks of a type, a row each."""
    qtype = GGMLQuantizationType[name]
    size = GGML_QUANT_SIZES[qtype][1]
    raw = splitmix64(int(qtype), (count * size + 7) // 8).astype("<u8").view(np.uint8)[:count * size].reshape(count, size).copy()
    for at in SCALES[name]:
        raw[:, at + 1] &= np.where(raw[:, at + 1] & 0x7C == 0x7C, 0xBF, 0xFF).astype(np.uint8)
    return raw


def values(name, raw):
    return dequantize(raw, GGMLQuantizationType[name]).astype("<f4")


def write_types(folder):
    w = GGUFWriter(folder / "types.gguf", "llama")
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((2, 512)).astype(np.float32)
    plain = {"F32": dense, "F64": dense.astype(np.float64), "F16": dense.astype(np.float16)}
    for name, x in plain.items():
        w.add_tensor(f"t.{name}", x)
        (folder / f"ref_{name}.f32").write_bytes(x.astype("<f4").tobytes())
    bf16 = (dense.view(np.uint32) >> 16).astype(np.uint16)
    w.add_tensor("t.BF16", bf16.view(np.uint8), raw_dtype=GGMLQuantizationType.BF16)
    (folder / "ref_BF16.f32").write_bytes((bf16.astype(np.uint32) << 16).astype("<u4").tobytes())
    for name in sorted(SCALES.keys() - plain.keys()):
        per = GGML_QUANT_SIZES[GGMLQuantizationType[name]][0]
        raw = blocks(name, 2 * 512 // per).reshape(2, -1)
        w.add_tensor(f"t.{name}", raw, raw_dtype=GGMLQuantizationType[name])
        (folder / f"ref_{name}.f32").write_bytes(values(name, raw).tobytes())
    save(w)


def write_blocks(folder):
    hashes = {}
    for name in SCALES:
        raw = blocks(name, BLOCKS)
        with np.errstate(all="ignore"):
            y = values(name, raw).reshape(BLOCKS, -1)
        hashes[name] = [hashlib.sha256(y[i:i + 100].tobytes()).hexdigest()[:16] for i in range(0, BLOCKS, 100)]
    (folder / "blocks.json").write_text(json.dumps(hashes, indent=0))


METADATA = [
    ("k.u8", "UINT8", 200), ("k.i8", "INT8", -100), ("k.u16", "UINT16", 60000), ("k.i16", "INT16", -30000),
    ("k.u32", "UINT32", 4000000000), ("k.i32", "INT32", -2000000000), ("k.u64", "UINT64", 1 << 63), ("k.i64", "INT64", -(1 << 62)),
    ("k.f32", "FLOAT32", 1.5), ("k.f64", "FLOAT64", 1e300), ("k.bool", "BOOL", True), ("k.string", "STRING", "héllo\n\x00"),
    ("k.empty", "STRING", ""),
]
ARRAYS = [
    ("a.i32", [1, -2, 3]), ("a.f32", [0.5, -1.5]), ("a.bool", [True, False, True]), ("a.string", ["", "a", "bé", "c" * 300]),
    ("a.nested", [["x", "y"], [1, 2, 3], [[0.25], [True]]]),
]


def write_metadata(folder):
    w = GGUFWriter(folder / "metadata.gguf", "test")
    for key, kind, value in METADATA:
        w.add_key_value(key, value, GGUFValueType[kind])
    for key, value in ARRAYS:
        w.add_array(key, value)
    save(w)
    expected = [{"key": "general.architecture", "kind": "STRING", "value": "test"}]
    expected += [{"key": k, "kind": t, "value": v} for k, t, v in METADATA]
    expected += [{"key": k, "kind": "ARRAY", "value": v} for k, v in ARRAYS]
    (folder / "metadata.json").write_text(json.dumps(expected, indent=0))


def save(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/golden") / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    write_types(folder)
    write_blocks(folder)
    write_metadata(folder)


if __name__ == "__main__":
    main()
