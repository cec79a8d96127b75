"""Quantizes with llama.cpp.

    python scripts/golden/gguf_quantized.py [FOLDER]           writes testdata/golden/gguf/quantized (from the repository's folder)
    python scripts/golden/gguf_quantized.py IN OUT MIXTURE …   quantizes a file: OUT-MIXTURE.gguf for each

llama-cpp-python 0.3.36 (llama.cpp of 2026-10), gguf 0.19.0, numpy 2.4.6; seed 5. FOLDER is testdata/golden, or another one with the same
layout. F32.gguf there is no model that runs: it has a llama's names, and shapes and values that make quantizers work.
"""
import ctypes
import pathlib
import sys

FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16,
              "Q5_K_M": 17, "Q6_K": 18, "BF16": 32}
LAYERS = 8


def quantize(source, out, mixture):
    import llama_cpp
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = FILE_TYPES[mixture], 1
    if llama_cpp.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp does not quantize {source} as {mixture}")


def write_source(path):
    import numpy as np
    from gguf import GGUFWriter

    rng = np.random.default_rng(5)

    def values(rows, cols):
        """Rows of several kinds: like weights, with outliers, all of one sign, with zeros, alike, tiny."""
        x = rng.standard_normal((rows, cols)) * rng.choice([0.02, 0.3, 2.0], (rows, 1))
        kind = rng.integers(0, 8, (rows, cols // 8)).repeat(8, axis=1)
        x = np.where(kind == 1, x * 20 * (rng.random(x.shape) < 0.1), x)
        x = np.where(kind == 2, np.abs(x), x)
        x = np.where(kind == 3, 0, x)
        x = np.where(kind == 4, 0.125, x)
        x = np.where(kind == 5, x * 1e-5, x)
        return x.astype(np.float32)

    w = GGUFWriter(path, "llama")
    w.add_block_count(LAYERS)
    w.add_context_length(64)
    w.add_embedding_length(256)
    w.add_feed_forward_length(512)
    w.add_head_count(8)
    w.add_head_count_kv(4)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(4)
    w.add_tensor("token_embd.weight", values(4, 256))
    w.add_tensor("output_norm.weight", values(1, 256)[0])
    w.add_tensor("output.weight", values(2, 256))
    for n in range(LAYERS):
        w.add_tensor(f"blk.{n}.attn_norm.weight", values(1, 256)[0])
        w.add_tensor(f"blk.{n}.attn_q.weight", values(2, 256))
        w.add_tensor(f"blk.{n}.attn_v.weight", values(2, 256))
        w.add_tensor(f"blk.{n}.attn_output.weight", values(2, 256))
        w.add_tensor(f"blk.{n}.ffn_down.weight", values(2, 512))
    w.add_tensor("blk.0.ffn_up.weight", values(2, 96))
    w.add_tensor("blk.0.ffn_gate.weight", values(2, 40))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    if len(sys.argv) > 3:
        for mixture in sys.argv[3:]:
            quantize(sys.argv[1], f"{sys.argv[2]}-{mixture}.gguf", mixture)
        return
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/golden") / "gguf" / "quantized"
    folder.mkdir(parents=True, exist_ok=True)
    write_source(folder / "F32.gguf")
    for mixture in FILE_TYPES:
        if mixture != "F32":
            quantize(folder / "F32.gguf", folder / f"{mixture}.gguf", mixture)


if __name__ == "__main__":
    main()
