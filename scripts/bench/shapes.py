#!/usr/bin/env python3
"""Measures training at the published shapes of models, with random weights: the rows of docs/models.md.

    scripts/bench/shapes.py ./finetune [NAME…]      LoRA r = 8, bf16, 2 rows of 256 tokens, 2 threads, 2 steps after one
    scripts/bench/shapes.py ./finetune --moe        a mixture of experts against a dense model with as many active parameters

Shapes are those of the config.json that the releases have; only what sizes a model is written here.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile


def decoder(kind, hidden, inner, layers, heads, kv, vocab, **more):
    return {"model_type": kind, "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv,
            "vocab_size": vocab, "max_position_embeddings": 4096, "tie_word_embeddings": True, **more}


def encoder(kind, hidden, inner, layers, heads, vocab, **more):
    return {"model_type": kind, "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads, "vocab_size": vocab,
            "max_position_embeddings": 512, **more}


def coder(kind, width, inner, layers, heads, vocab, **more):
    return {"model_type": kind, "d_model": width, "encoder_ffn_dim": inner, "decoder_ffn_dim": inner, "encoder_layers": layers, "decoder_layers": layers, "encoder_attention_heads": heads,
            "decoder_attention_heads": heads, "vocab_size": vocab, "max_position_embeddings": 1024, "is_encoder_decoder": True, **more}


def t5(kind, width, inner, layers, heads, vocab, **more):
    return {"model_type": kind, "d_model": width, "d_ff": inner, "d_kv": 64, "num_layers": layers, "num_decoder_layers": layers, "num_heads": heads, "vocab_size": vocab,
            "is_encoder_decoder": True, **more}


def windows(layers, window, every, **more):
    return {"sliding_window": window, "layer_types": ["full_attention" if i % every == every - 1 else "sliding_attention" for i in range(layers)], **more}


SHAPES = {
    "SmolLM2 135M": decoder("llama", 576, 1536, 30, 9, 3, 49152),
    "SmolLM2 360M": decoder("llama", 960, 2560, 32, 15, 5, 49152),
    "SmolLM2 1.7B": decoder("llama", 2048, 8192, 24, 32, 32, 49152),
    "Llama 3.2 1B": decoder("llama", 2048, 8192, 16, 32, 8, 128256, head_dim=64),
    "Llama 3.2 3B": decoder("llama", 3072, 8192, 28, 24, 8, 128256, head_dim=128),
    "Llama 3.1 8B": decoder("llama", 4096, 14336, 32, 32, 8, 128256, head_dim=128, tie_word_embeddings=False),
    "Qwen 2.5 0.5B": decoder("qwen2", 896, 4864, 24, 14, 2, 151936),
    "Qwen 2.5 1.5B": decoder("qwen2", 1536, 8960, 28, 12, 2, 151936),
    "Qwen 2.5 3B": decoder("qwen2", 2048, 11008, 36, 16, 2, 151936),
    "Qwen 3 0.6B": decoder("qwen3", 1024, 3072, 28, 16, 8, 151936, head_dim=128),
    "Qwen 3 1.7B": decoder("qwen3", 2048, 6144, 28, 16, 8, 151936, head_dim=128),
    "Qwen 3 4B": decoder("qwen3", 2560, 9728, 36, 32, 8, 151936, head_dim=128),
    "Gemma 2B": decoder("gemma", 2048, 16384, 18, 8, 1, 256000, head_dim=256),
    "Gemma 2 2B": decoder("gemma2", 2304, 9216, 26, 8, 4, 256000, head_dim=256, **windows(26, 4096, 2)),
    "Gemma 3 270M": decoder("gemma3_text", 640, 2048, 18, 4, 1, 262144, head_dim=256, **windows(18, 512, 6)),
    "Gemma 3 1B": decoder("gemma3_text", 1152, 6912, 26, 4, 1, 262144, head_dim=256, **windows(26, 512, 6)),
    "Gemma 3 4B": decoder("gemma3_text", 2560, 10240, 34, 8, 4, 262208, head_dim=256, **windows(34, 1024, 6)),
    "Phi-2": decoder("phi", 2560, 10240, 32, 32, 32, 51200, partial_rotary_factor=0.4, tie_word_embeddings=False),
    "Phi-4-mini": decoder("phi3", 3072, 8192, 32, 24, 8, 200064, partial_rotary_factor=0.75, pad_token_id=0),
    "SmolLM3 3B": decoder("smollm3", 2048, 11008, 36, 16, 4, 128256),
    "OLMo 2 1B": decoder("olmo2", 2048, 8192, 16, 16, 16, 100352, tie_word_embeddings=False),
    "Granite 3.3 2B": decoder("granite", 2048, 8192, 40, 32, 8, 49159),
    "GPT-2": {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257},
    "Pythia 410M": decoder("gpt_neox", 1024, 4096, 24, 16, 16, 50304, rotary_pct=0.25, tie_word_embeddings=False),
    "Pythia 1.4B": decoder("gpt_neox", 2048, 8192, 24, 16, 16, 50304, rotary_pct=0.25, tie_word_embeddings=False),
    "StarCoder2 3B": decoder("starcoder2", 3072, 12288, 30, 24, 2, 49152),
    "StableLM 2 1.6B": decoder("stablelm", 2048, 5632, 24, 32, 32, 100352, partial_rotary_factor=0.25, tie_word_embeddings=False),
    "EXAONE 4.0 1.2B": decoder("exaone4", 2048, 4096, 30, 32, 8, 102400),
    "Ministral 3 3B": decoder("ministral3", 3072, 9216, 26, 32, 8, 131072, head_dim=128),
    "Helium 1 2B": decoder("helium", 2560, 7040, 24, 20, 20, 48000, head_dim=128, tie_word_embeddings=False),
    "BERT base": encoder("bert", 768, 3072, 12, 12, 30522),
    "MiniLM L6": encoder("bert", 384, 1536, 6, 12, 30522),
    "XLM-R base": encoder("xlm-roberta", 768, 3072, 12, 12, 250002, max_position_embeddings=514),
    "DistilBERT": {"model_type": "distilbert", "dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12, "vocab_size": 30522, "max_position_embeddings": 512},
    "ModernBERT base": encoder("modernbert", 768, 1152, 22, 12, 50368, max_position_embeddings=8192),
    "DeBERTa v3 base": encoder("deberta-v2", 768, 3072, 12, 12, 128100, relative_attention=True, position_buckets=256, pos_att_type=["p2c", "c2p"], share_att_key=True,
                               norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0),
    "MPNet base": encoder("mpnet", 768, 3072, 12, 12, 30527, max_position_embeddings=514),
    "ALBERT base v2": encoder("albert", 768, 3072, 12, 12, 30000, embedding_size=128),
    "EuroBERT 210M": decoder("eurobert", 768, 3072, 12, 12, 12, 128256, tie_word_embeddings=False),
    "BART base": coder("bart", 768, 3072, 6, 12, 50265),
    "OPUS-MT": coder("marian", 512, 2048, 6, 8, 58101, max_position_embeddings=512),
    "NLLB 600M": coder("m2m_100", 1024, 4096, 12, 16, 256206),
    "T5 base": t5("t5", 768, 3072, 12, 12, 32128),
    "Flan-T5 base": t5("t5", 768, 2048, 12, 12, 32128, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
}

# A token uses as many parameters in each of the two: an expert's inner size times the experts that it goes to is the dense one's.
MOE = {
    "8 experts, 2 active": (decoder("mixtral", 512, 1024, 8, 8, 4, 32000, num_local_experts=8, num_experts_per_tok=2), decoder("mistral", 512, 2048, 8, 8, 4, 32000)),
    "64 experts, 8 active": (decoder("olmoe", 512, 256, 8, 8, 8, 32000, num_experts=64, num_experts_per_tok=8), decoder("llama", 512, 2048, 8, 8, 8, 32000)),
}


def bench(program, config, *more):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(config, f)
        f.flush()
        r = subprocess.run([program, "bench", "--random-model", f.name, "--dense", "256", "--method", "lora", "--threads", "2", "--json", *more], capture_output=True, text=True)
    if r.returncode != 0:
        sys.exit(f"{config['model_type']}: {r.stderr.strip()}")
    return json.loads(r.stdout)


def experts(program):
    print("| experts | tokens | step, s | dense step, s | ratio |\n|---|---|---|---|---|")
    for name, (sparse, dense) in MOE.items():
        for rows in (2, 8):
            pairs = []
            for _ in range(5):
                pairs.append([statistics.median(bench(program, c, "--batch", str(rows), "--steps", "3", "--slice-tokens", str(256 * rows))["step_seconds"]) for c in (sparse, dense)])
            a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
            print(f"| {name} | {256 * rows} | {a:.3f} | {b:.3f} | {statistics.median(x / y for x, y in pairs):.2f} |", flush=True)


def main():
    program, *names = sys.argv[1:]
    program = os.path.abspath(program)
    if names == ["--moe"]:
        experts(program)
        return
    print("| shape | model_type | parameters, million | trained, million | tokens/s | peak, MiB |\n|---|---|---|---|---|---|")
    for name in names or SHAPES:
        r = bench(program, SHAPES[name], "--batch", "2", "--steps", "2", "--bf16")
        weights = r["memory"]["weights"]
        print(f"| {name} | `{SHAPES[name]['model_type']}` | {weights / 2e6:,.0f} | {r['trainable_parameters'] / 1e6:.2f} | {r['tokens_per_second']:.0f} | {r['peak_bytes'] / 2**20:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
