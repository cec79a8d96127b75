"""Makes what PEFT's files may hold besides a layer's matrices: python peft_files.py GOLDEN
(seed 14; made with PEFT 0.21.2, transformers 5.23, PyTorch 2.15).

GOLDEN/peft/MODEL/base       tiny random models: llama-tied, llama-untied (with biases), masked-bert, tagger-bert, transposed-gpt2
GOLDEN/peft/MODEL/NAME       an adapter as PEFT writes it, and io.safetensors with the logits while it is active and once it is merged
GOLDEN/peft_resized/MODEL    base, and adapters on it after resize_token_embeddings, with more rows or fewer
"""
import json
import os
import shutil
import sys
import warnings

import peft
import torch
import transformers as T
from safetensors.torch import load_file, save_file

SEED = 14
VOCAB = 40
warnings.filterwarnings("ignore")
torch.set_num_threads(1)

LLAMA = dict(vocab_size=VOCAB, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
             max_position_embeddings=64, initializer_range=0.2, bos_token_id=1, eos_token_id=2, pad_token_id=0)
BERT = dict(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=64,
            initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0)
MAKE = {
    "llama-tied": lambda **c: T.LlamaForCausalLM(T.LlamaConfig(**LLAMA | c, tie_word_embeddings=True)),
    "llama-untied": lambda **c: T.LlamaForCausalLM(T.LlamaConfig(**LLAMA | c, tie_word_embeddings=False, attention_bias=True, mlp_bias=True)),
    "masked-bert": lambda **c: T.BertForMaskedLM(T.BertConfig(**BERT | c)),
    "tagger-bert": lambda **c: T.BertForTokenClassification(T.BertConfig(**BERT | c, num_labels=3)),
}
# Those of random comparisons alone, and GPT-2, whose layers (Conv1D) hold matrices as [in, out].
MORE = {
    "transposed-gpt2": lambda **c: T.GPT2LMHeadModel(T.GPT2Config(vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.2,
                                                       resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **c)),
    "seqcls-bert": lambda **c: T.BertForSequenceClassification(T.BertConfig(**BERT | c, num_labels=3)),
    "qa-bert": lambda **c: T.BertForQuestionAnswering(T.BertConfig(**BERT | c)),
    "seq2seq-bart": lambda **c: T.BartForConditionalGeneration(T.BartConfig(
        vocab_size=VOCAB, d_model=16, encoder_ffn_dim=24, decoder_ffn_dim=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        max_position_embeddings=64, init_std=0.2, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=2, forced_eos_token_id=None, **c)),
}
AUTO = {"transposed": T.AutoModelForCausalLM, "llama": T.AutoModelForCausalLM, "masked": T.AutoModelForMaskedLM, "tagger": T.AutoModelForTokenClassification, "seqcls": T.AutoModelForSequenceClassification,
        "qa": T.AutoModelForQuestionAnswering, "seq2seq": T.AutoModelForSeq2SeqLM}
TASK = {"transposed": "CAUSAL_LM", "llama": "CAUSAL_LM", "masked": None, "tagger": "TOKEN_CLS", "seqcls": "SEQ_CLS", "qa": "QUESTION_ANS", "seq2seq": "SEQ_2_SEQ_LM"}
TARGETS = {"transposed": ["c_attn", "mlp.c_proj"], "llama": ["q_proj", "down_proj"], "masked": ["query", "output.dense"], "tagger": ["query", "output.dense"]}
EMBED = {"llama": "embed_tokens", "masked": "word_embeddings", "tagger": "word_embeddings"}


def kind(model):
    return model.split("-")[0]


def make_base(folder, model, **config):
    """A random model, its biases and norms away from 0 and 1."""
    m = (MAKE | MORE)[model](**config)
    with torch.no_grad():
        for p in m.parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
    m.save_pretrained(folder)


def outputs(m, io):
    """A model's logits, those of an answer's ends side by side, or its last hidden states; io has input_ids, and labels for a target."""
    more = {}
    if "labels" in io:  # as they are shifted to the right; PEFT's AdaLoRA takes labels in training alone
        start = torch.full_like(io["labels"][:, :1], m.config.decoder_start_token_id)
        more["decoder_input_ids"] = torch.cat([start, io["labels"][:, :-1]], dim=1)
    out = m(input_ids=io["input_ids"], **more)
    if "start_logits" in out:
        return torch.stack([out.start_logits, out.end_logits], dim=-1)
    return out.logits if "logits" in out else out.last_hidden_state


def stir(m):
    """Other values than at the start for all that trains."""
    with torch.no_grad():
        for p in m.parameters():
            if p.requires_grad:
                p.add_(0.2 * torch.randn_like(p))


def write(base, folder, config, before=None, after=None, merges=True, **how):
    """One adapter: before(model) may change the base first, after(model) the adapted model."""
    model = os.path.basename(os.path.dirname(base))
    m = AUTO[kind(model)].from_pretrained(base, dtype=torch.float32)
    vocab = m.config.vocab_size
    if before:
        before(m)
    config.base_model_name_or_path = "base"
    m = peft.get_peft_model(m, config)
    stir(m)
    if after:
        after(m)
    m.eval()
    io = {"input_ids": torch.randint(3, min(vocab, m.config.vocab_size), (2, 9))}
    if kind(model) == "seq2seq":
        io["labels"] = torch.randint(3, vocab, (2, 7))
    with torch.no_grad():
        logits = outputs(m, io)
        m.peft_config["default"].base_model_name_or_path = "base"
        m.save_pretrained(folder, **how)
        if os.path.exists(os.path.join(folder, "README.md")):
            os.remove(os.path.join(folder, "README.md"))
        merged = outputs(m.merge_and_unload(), io) if merges else logits.clone()
    save_file(io | {"logits": logits.contiguous(), "merged_logits": merged.contiguous()}, os.path.join(folder, "io.safetensors"))
    print(os.path.relpath(folder), float((logits - merged).abs().max()))


def lora(model, **more):
    settings = dict(r=2, lora_alpha=3, target_modules=TARGETS[kind(model)], task_type=TASK[kind(model)])
    return peft.LoraConfig(**settings | more)


def rename(folder, change):
    """Other names for the tensors of a file."""
    path = os.path.join(folder, "adapter_model.safetensors")
    tensors = {change(k): v for k, v in load_file(path).items()}
    save_file(tensors, path, {"format": "pt"})


def reconfigure(folder, **more):
    path = os.path.join(folder, "adapter_config.json")
    with open(path) as f:
        c = json.load(f)
    with open(path, "w") as f:
        json.dump(c | more, f, indent=2)


def move(m, head=True):
    """Other embeddings and another head than the base's files have."""
    with torch.no_grad():
        m.get_input_embeddings().weight.add_(0.1)
        if head and m.get_output_embeddings().weight is not m.get_input_embeddings().weight:
            m.get_output_embeddings().weight.sub_(0.1)


def causal(root, model):
    base, tied = os.path.join(root, model, "base"), model == "llama-tied"
    out = lambda name: os.path.join(root, model, name)
    both = TARGETS["llama"] + ["embed_tokens"]
    # merge_and_unload adds to the one tensor that a tied embedding and head share; a pass with the adapter does not.
    write(base, out("embed"), lora(model, target_modules=both), merges=not tied)
    write(base, out("embed-dora"), lora(model, target_modules=both, use_dora=True), merges=not tied)
    write(base, out("embed-patterns"), lora(model, target_modules=both + ["lm_head"], use_rslora=True, rank_pattern={"embed_tokens": 3}, alpha_pattern={"lm_head": 5}), merges=not tied)
    write(base, out("embed-random"), lora(model, target_modules=r".*\.(embed_tokens|v_proj)", init_lora_weights=False), merges=not tied)
    write(base, out("tokens"), lora(model, trainable_token_indices=[7, 3, 39]))
    write(base, out("tokens-by-module"), lora(model, trainable_token_indices={"embed_tokens": [5, 9], "lm_head": [9, 6, 7]}), merges=not tied)
    write(base, out("tokens-of-both"), lora(model, trainable_token_indices={"lm_head": [4, 8], "embed_tokens": [4, 8]}))
    write(base, out("saved-same"), lora(model), save_embedding_layers=True)
    write(base, out("saved-other"), lora(model), before=move, save_embedding_layers=True)
    write(base, out("saved-tokens"), lora(model, trainable_token_indices=[3, 4]), before=move, save_embedding_layers=True)
    write(base, out("embed-moved"), lora(model, target_modules=both), before=lambda m: move(m, head=False), merges=not tied, save_embedding_layers=True)
    write(base, out("save-norms"), lora(model, modules_to_save=["norm"]))
    write(base, out("save-both"), lora(model, modules_to_save=["embed_tokens", "lm_head"]), save_embedding_layers=True)
    write(base, out("save-embed"), lora(model, modules_to_save=["embed_tokens"]), merges=not tied)


def biased(root, model):
    base = os.path.join(root, model, "base")
    out = lambda name: os.path.join(root, model, name)
    k = kind(model)
    write(base, out("bias-all"), lora(model, bias="all"))
    write(base, out("bias-only"), lora(model, bias="lora_only"))
    write(base, out("lora-bias"), lora(model, lora_bias=True, bias="lora_only"))
    write(base, out("dora-bias"), lora(model, use_dora=True, bias="all"))
    write(base, out("adalora-bias"), peft.AdaLoraConfig(init_r=3, target_r=2, total_step=9, bias="lora_only", target_modules=TARGETS[k], task_type=TASK[k]))
    write(base, out("vera-bias"), peft.VeraConfig(r=3, bias="vera_only", target_modules=TARGETS[k][:1], task_type=TASK[k]))


def named(root, model):
    """Names of starts, and of tensors, that PEFT opens."""
    base = os.path.join(root, model, "base")
    out = lambda name: os.path.join(root, model, name)
    for start in "eva", "orthogonal", "mica":
        write(base, out(start), lora(model, init_lora_weights=start, **(dict(eva_config=peft.EvaConfig()) if start == "eva" else {})))
    write(base, out("torch"), lora(model), safe_serialization=False)
    write(base, out("named-default"), lora(model))
    rename(out("named-default"), lambda k: k.replace("lora_A.", "lora_A.default.").replace("lora_B.", "lora_B.default."))
    write(base, out("named-dora"), lora(model, use_dora=True))
    rename(out("named-dora"), lambda k: k.replace("lora_magnitude_vector", "lora_magnitude_vector.default.weight"))
    patterns = {"self_attn.q_proj": 6, "q_proj": 9, r"layers\.1\..*": 5}
    write(base, out("pattern-order"), lora(model, alpha_pattern=patterns))
    reconfigure(out("pattern-order"), alpha_pattern=patterns)


def resized(root):
    for model in "llama-tied", "llama-untied":
        base = os.path.join(root, model, "base")
        make_base(base, model)
        for n in VOCAB + 5, VOCAB - 3:
            out = lambda name: os.path.join(root, model, f"{name}-{n}")
            resize = lambda m: m.resize_token_embeddings(n)
            write(base, out("save"), lora(model, modules_to_save=["embed_tokens", "lm_head"]), before=resize)
            write(base, out("saved"), lora(model), before=resize, save_embedding_layers=True)
            if model == "llama-tied" or n < VOCAB:  # else PEFT does not save the head's new rows
                write(base, out("embed"), lora(model, target_modules=["q_proj", "embed_tokens"]), before=resize, merges=model != "llama-tied", save_embedding_layers=True)
        write(base, os.path.join(root, model, "tokens"), lora(model, trainable_token_indices=[2, VOCAB, VOCAB + 1]), before=lambda m: m.resize_token_embeddings(VOCAB + 2),
              save_embedding_layers=model == "llama-untied")


def transposed(root):
    """Adapters of GPT-2: PEFT writes fan_in_fan_out: true there, whatever it was given."""
    base = os.path.join(root, "transposed-gpt2", "base")
    make_base(base, "transposed-gpt2")
    out, k = lambda name: os.path.join(root, "transposed-gpt2", name), TARGETS["transposed"]
    write(base, out("lora"), lora("transposed-gpt2"))
    write(base, out("dora"), lora("transposed-gpt2", use_dora=True, target_modules=["c_attn", "c_fc"]))
    write(base, out("ia3"), peft.IA3Config(target_modules=k, feedforward_modules=k[1:], task_type="CAUSAL_LM"))
    write(base, out("vera"), peft.VeraConfig(r=3, target_modules=k[:1], task_type="CAUSAL_LM"))
    write(base, out("adalora"), peft.AdaLoraConfig(init_r=3, target_r=2, total_step=9, target_modules=k, task_type="CAUSAL_LM"))


def main(golden):
    torch.manual_seed(SEED)
    root = os.path.join(golden, "peft")
    for model in MAKE:
        make_base(os.path.join(root, model, "base"), model)
    for model in "llama-tied", "llama-untied":
        causal(root, model)
    for model in "llama-untied", "masked-bert", "tagger-bert":
        biased(root, model)
    named(root, "llama-tied")
    for model in "masked-bert", "tagger-bert":
        base, k = os.path.join(root, model, "base"), kind(model)
        write(base, os.path.join(root, model, "embed"), lora(model, target_modules=TARGETS[k] + ["word_embeddings", "token_type_embeddings"]), merges=k != "masked")
        write(base, os.path.join(root, model, "save-norms"), lora(model, modules_to_save=["Norm"]))
    write(os.path.join(root, "tagger-bert", "base"), os.path.join(root, "tagger-bert", "tokens"), lora("tagger-bert", trainable_token_indices=[5, 6]))
    resized(os.path.join(golden, "peft_resized"))
    transposed(root)


if __name__ == "__main__":
    main(sys.argv[1])
