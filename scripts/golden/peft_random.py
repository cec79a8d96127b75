"""Random adapters as PEFT writes them: python peft_random.py FOLDER COUNT SEED

Lays them out as golden files, COUNT of them on each model of peft_files.py: SPAGOTUNE_GOLDEN=FOLDER go test ./adapter -run TestGoldenPEFT opens them.
"""
import os
import random
import sys
import warnings

import peft
import torch

import peft_files

warnings.filterwarnings("ignore")
LINEAR = {"llama": ["q_proj", "k_proj", "v_proj", "o_proj", "mlp.up_proj", "down_proj"],
          "masked": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "0.output.dense"]}
LINEAR["tagger"] = LINEAR["seqcls"] = LINEAR["qa"] = LINEAR["masked"]
LINEAR["seq2seq"] = ["q_proj", "v_proj", "encoder_attn.k_proj", "out_proj", "fc1", "decoder.layers.1.fc2"]
TABLES = {"llama": ["embed_tokens"], "masked": ["word_embeddings", "token_type_embeddings", "position_embeddings"], "tagger": ["word_embeddings", "position_embeddings"]}
TABLES["seqcls"] = TABLES["qa"] = TABLES["tagger"]
TABLES["seq2seq"] = ["encoder.embed_tokens", "decoder.embed_tokens", "embed_tokens"]
NORMS = {"llama": ["norm", "input_layernorm", "1.post_attention_layernorm"], "masked": ["Norm", "output.LayerNorm", "embeddings.LayerNorm"]}
NORMS["tagger"] = NORMS["seqcls"] = NORMS["qa"] = NORMS["masked"]
NORMS["seq2seq"] = ["final_layer_norm", "layernorm_embedding", "1.self_attn_layer_norm"]
SAVED = {"llama": ["embed_tokens", "lm_head"], "tagger": ["classifier", "LayerNorm"], "seqcls": ["classifier", "pooler"], "qa": ["qa_outputs", "token_type_embeddings"]}


def maybe(n):
    return random.randrange(n) == 0


def pick(*all):
    return random.choice(all)


def common(k, model, more=()):
    """Settings that every method has."""
    targets = random.sample(LINEAR[k], random.randint(1, 4)) + list(more)
    s = dict(target_modules=targets, task_type=peft_files.TASK[k])
    if maybe(5):
        s["target_modules"] = ".*(" + "|".join(t.replace(".", r"\.") for t in targets) + ")"
    if maybe(6) and not more:
        s["target_modules"] = "all-linear"
    if maybe(3):
        s["modules_to_save"] = pick([pick(*NORMS[k])], SAVED.get(k, NORMS[k]))
        if k == "llama" and maybe(2):
            s["modules_to_save"] = [pick("embed_tokens", "lm_head")]
    return s


def lora(k, model):
    tables = [pick(*TABLES[k])] if maybe(3) else []
    s = common(k, model, tables)
    if tables and k == "llama":
        s.pop("modules_to_save", None)
    if model == "llama-untied" and maybe(5) and isinstance(s["target_modules"], list) and "lm_head" not in s.get("modules_to_save", []):
        s["target_modules"].append("lm_head")
    s.update(r=2 * random.randint(1, 3), lora_alpha=random.randint(1, 9), use_rslora=maybe(3), lora_dropout=pick(0.0, 0.1),
             init_lora_weights=pick(True, False, "gaussian", "eva", "orthogonal", "mica", "pissa", "olora"))
    if s["init_lora_weights"] == "eva":
        s["eva_config"] = peft.EvaConfig()
    listed = isinstance(s["target_modules"], list)
    if listed and maybe(3):
        keys = random.sample(s["target_modules"] + [r"layers\.1\..*", r"layer\.1\..*", "proj", "self.*"], 3)
        s["alpha_pattern"] = {key: random.randint(1, 9) for key in keys}
        s["rank_pattern"] = {key: 2 * random.randint(1, 3) for key in random.sample(keys, 2)}
    if listed and not tables and "lm_head" not in s["target_modules"] and maybe(4):
        s["layers_to_transform"] = pick([0], [1], 1)
        if maybe(2):
            s["layers_pattern"] = pick("layers", ["layer", "layers"])
    s["bias"] = pick("none", "none", "all", "lora_only")
    if maybe(4):
        s["use_dora"] = True
        if s["init_lora_weights"] in ("mica", "pissa", "olora"):
            s["init_lora_weights"] = True
    elif not tables and s["init_lora_weights"] in (True, False) and model != "llama-tied" and maybe(3):
        s["lora_bias"] = True
    if not tables and k not in ("masked", "seq2seq") and not {"embed_tokens", "lm_head"} & set(s.get("modules_to_save", [])) and maybe(4):
        s["trainable_token_indices"] = pick([3, 9], {TABLES[k][0]: [4], } )
    if tables and s["init_lora_weights"] in ("eva", "orthogonal", "pissa", "olora") or "lm_head" in s["target_modules"] and s["init_lora_weights"] in ("pissa", "olora"):
        s["init_lora_weights"] = True
    return peft.LoraConfig(**s), bool(tables)


def others(k, model):
    s = common(k, model)
    if maybe(3):
        return peft.AdaLoraConfig(init_r=random.randint(2, 4), target_r=2, total_step=9, lora_alpha=random.randint(1, 5), bias=pick("none", "all", "lora_only"), **s), False
    if maybe(2):
        s["target_modules"] = [LINEAR[k][0]]
        return peft.VeraConfig(r=random.randint(1, 4), projection_prng_key=random.randint(0, 99), save_projection=maybe(2), bias=pick("none", "all", "vera_only"), **s), False
    if not isinstance(s["target_modules"], list):
        s["target_modules"] = LINEAR[k][:3]
    return peft.IA3Config(feedforward_modules=random.sample(s["target_modules"], random.randint(0, 1)), **s), False


def one(root, model, name):
    """Writes an adapter of random settings, or says why PEFT refuses them."""
    k, base, folder = peft_files.kind(model), os.path.join(root, model, "base"), os.path.join(root, model, name)
    config, tables = lora(k, model) if not maybe(4) else others(k, model)
    moved = k == "llama" and not tables and not config.modules_to_save and "lm_head" not in config.target_modules and maybe(4)
    how = dict(save_embedding_layers=True) if moved or maybe(4) else {}
    if maybe(6):
        how["safe_serialization"] = False
    half = model == "llama-tied" and len({"embed_tokens", "lm_head"} & set(config.modules_to_save or [])) == 1
    merges = not half and not (tables and model in ("llama-tied", "masked-bert", "seq2seq-bart"))  # where merge_and_unload changes the tied head, too
    try:
        peft_files.write(base, folder, config, before=peft_files.move if moved else None, merges=merges, **how)
    except (TypeError, ValueError) as e:
        print("refused:", str(e)[:120])
        return
    if maybe(4) and os.path.exists(os.path.join(folder, "adapter_model.safetensors")):
        peft_files.rename(folder, lambda n: n.replace("lora_A.weight", "lora_A.default.weight").replace("lora_embedding_A", "lora_embedding_A.default"))
    if getattr(config, "alpha_pattern", None):  # PEFT sorts the keys that it writes
        peft_files.reconfigure(folder, alpha_pattern=config.alpha_pattern, rank_pattern=config.rank_pattern)


def main(folder, count, seed):
    random.seed(seed)
    torch.manual_seed(seed)
    root = os.path.join(folder, "peft")
    for model in peft_files.MAKE | peft_files.MORE:
        peft_files.make_base(os.path.join(root, model, "base"), model)
        for i in range(count):
            one(root, model, str(i))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
