"""Writes testdata/golden/safetensors: small files that a reader must accept (ok_) or reject (bad_).

    python scripts/golden/safetensors_files.py    (from the repository's folder; safetensors 0.8.0; nothing is random)

The script checks that safetensors itself agrees.
"""
import json
import pathlib
import struct

from safetensors import deserialize


def file(header, data=0):
    """Returns a file: a header, given as an object or as bytes, and a number of zero bytes of data."""
    if isinstance(header, dict):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + bytes(data)


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


FILES = {
    "ok_bf16": file({"a": tensor("BF16", [4], 0, 8)}, 8),
    "ok_f16": file({"a": tensor("F16", [4], 0, 8)}, 8),
    "ok_f4": file({"a": tensor("F4", [2], 0, 1)}, 1),
    "ok_scalar": file({"a": tensor("F32", [], 0, 4)}, 4),
    "ok_empty_tensor": file({"a": tensor("F32", [0, 3], 0, 0), "b": tensor("F32", [1], 0, 4)}, 4),
    "ok_no_tensors": file({}),
    "ok_meta": file({"__metadata__": {"format": "pt"}, "a": tensor("F32", [1], 0, 4)}, 4),
    "bad_dtype": file({"a": tensor("X9", [1], 0, 4)}, 4),
    "bad_meta_nonstr": file({"__metadata__": {"x": 1}, "a": tensor("F32", [1], 0, 4)}, 4),
    "bad_end_lt_begin": file({"a": tensor("F32", [1], 8, 4)}, 8),
    "bad_start": file({"a": tensor("F32", [1], 4, 8)}, 8),
    "bad_neg": file({"a": tensor("F32", [1], -4, 0)}, 4),
    "bad_same": file({"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [2], 0, 8)}, 8),
    "bad_trailing": file({"a": tensor("F32", [1], 0, 4)}, 9),
    "bad_shape_overflow": file({"a": tensor("F32", [1 << 32, 1 << 32, 2], 0, 0)}),
    "bad_shape_overflow2": file({"a": tensor("F32", [1 << 62], 0, 0)}),
    "bad_json": file(b'{"a":'),
    "bad_utf8": file(b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "bad_header_max": struct.pack("<Q", (1 << 64) - 1) + b"{}",
    "bad_header_max2": struct.pack("<Q", (1 << 64) - 8) + b"{}",
}


def accepted(raw):
    try:
        deserialize(raw)
        return True
    except Exception:
        return False


def main():
    folder = pathlib.Path("testdata/golden/safetensors")
    for name, raw in FILES.items():
        assert accepted(raw) == name.startswith("ok_"), name
        (folder / name).write_bytes(raw)


if __name__ == "__main__":
    main()
