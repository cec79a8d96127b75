"""Tiny models with random weights, and batches for them, which the makers of golden files share. Everything comes from PyTorch's random generators."""
import json
import os

import torch
import transformers as T
from safetensors.torch import save_file

CAUSAL = ("llama", "qwen2", "mistral", "olmo2", "qwen3", "llama-linear")
SEQ2SEQ = ("bart", "marian", "pegasus", "mbart", "marian-two-tables")


def kind(name):
    """Returns what a model computes, by its name: causal, seq2seq, or the end of the name."""
    return "causal" if name in CAUSAL else "seq2seq" if name in SEQ2SEQ else name.split("-")[1]


def model(name, vocab=128, width=24, inner=48):
    """Returns a model with random weights; width and inner are the sizes of encoders and encoder-decoders."""
    causal = dict(vocab_size=vocab, hidden_size=32, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                  max_position_embeddings=256, initializer_range=0.08, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    llama3 = dict(rope_type="llama3", rope_theta=1000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=3.0, original_max_position_embeddings=32)
    linear = dict(rope_type="linear", rope_theta=10000.0, factor=2.5)
    encoder = dict(vocab_size=vocab, hidden_size=width, num_hidden_layers=2, num_attention_heads=4, intermediate_size=inner, max_position_embeddings=64,
                   initializer_range=0.08, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0)
    both = dict(vocab_size=vocab, d_model=width, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
                encoder_ffn_dim=inner, decoder_ffn_dim=inner, max_position_embeddings=64, init_std=0.08, dropout=0.0, attention_dropout=0.0,
                activation_dropout=0.0, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2)
    pad_starts = both | dict(decoder_start_token_id=0)
    make = {
        "llama": lambda: T.LlamaForCausalLM(T.LlamaConfig(**causal, tie_word_embeddings=True, rope_theta=10000.0)),
        "qwen2": lambda: T.Qwen2ForCausalLM(T.Qwen2Config(**causal, tie_word_embeddings=True)),
        "mistral": lambda: T.MistralForCausalLM(T.MistralConfig(**causal, tie_word_embeddings=False, sliding_window=8)),
        "olmo2": lambda: T.Olmo2ForCausalLM(T.Olmo2Config(**causal)),
        "qwen3": lambda: T.Qwen3ForCausalLM(T.Qwen3Config(**causal, head_dim=10, use_sliding_window=True, sliding_window=8, max_window_layers=1,
                                                          rope_parameters=llama3)),
        "llama-linear": lambda: T.LlamaForCausalLM(T.LlamaConfig(**causal, attention_bias=True, mlp_bias=True, rope_parameters=linear)),
        "bert-mlm": lambda: T.BertForMaskedLM(T.BertConfig(**encoder)),
        "bert-seqcls": lambda: T.BertForSequenceClassification(T.BertConfig(**encoder, num_labels=3)),
        "bert-tokcls": lambda: T.BertForTokenClassification(T.BertConfig(**encoder, num_labels=5)),
        "bert-qa": lambda: T.BertForQuestionAnswering(T.BertConfig(**encoder)),
        "electra-seqcls": lambda: T.ElectraForSequenceClassification(T.ElectraConfig(**encoder, embedding_size=width - 8, num_labels=2)),
        "bart": lambda: T.BartForConditionalGeneration(T.BartConfig(**both, scale_embedding=False)),
        "bart-seqcls": lambda: T.BartForSequenceClassification(T.BartConfig(**both, num_labels=3)),
        "bart-qa": lambda: T.BartForQuestionAnswering(T.BartConfig(**both)),
        "marian": lambda: T.MarianMTModel(T.MarianConfig(**both, scale_embedding=True, static_position_embeddings=True)),
        "marian-two-tables": lambda: T.MarianMTModel(T.MarianConfig(**pad_starts, decoder_vocab_size=60, share_encoder_decoder_embeddings=False, activation_function="swish")),
        "mbart": lambda: T.MBartForConditionalGeneration(T.MBartConfig(**both, scale_embedding=True)),
        "pegasus": lambda: T.PegasusForConditionalGeneration(T.PegasusConfig(**pad_starts, scale_embedding=True, activation_function="relu")),
    }
    m = make[name]()
    with torch.no_grad():  # so that norms and biases are not 1 and 0
        for p in m.parameters():
            if p.dim() == 1:
                p.add_(0.05 * torch.randn_like(p))
    return m.eval()


def batch(name, g, vocab=128, targets=128):
    """Returns three documents of different lengths, padded on the right, with labels; g is a random generator, targets the size of the target vocabulary."""
    rows, length = 3, 20
    ids = torch.randint(3, vocab, (rows, length), generator=g)
    mask = torch.ones_like(ids)
    for row in range(rows):
        mask[row, length - 4 * row:] = 0
    ids[mask == 0] = 0
    d = dict(input_ids=ids, attention_mask=mask)
    k = kind(name)
    if k == "causal":
        labels = ids.masked_fill(mask == 0, -100)
        labels[:, :5] = -100
    elif k == "mlm":
        picked = (torch.rand(ids.shape, generator=g) < 0.3) & (mask == 1)
        picked[:, 1] = True
        labels = ids.masked_fill(~picked, -100)
        ids[picked] = 3
    elif k == "seqcls":
        labels = torch.arange(rows) % 2
    elif k == "tokcls":
        labels = torch.randint(0, 5, ids.shape, generator=g).masked_fill(mask == 0, -100)
    elif k == "seq2seq":
        labels = torch.randint(3, targets, (rows, 12), generator=g)
        labels[:, -1] = 2
        labels[1, 8:] = -100
    if k == "qa":
        start = torch.randint(0, 6, (rows,), generator=g)
        d.update(start_positions=start, end_positions=start + 2)
    else:
        d["labels"] = labels
    if name.startswith(("bert", "electra")):
        d["token_type_ids"] = (torch.arange(length) >= 7).long().expand(rows, length).contiguous() * mask
    return d


def run(name, m, d):
    """Returns the content of io.safetensors: the batch, the loss, the logits, the gradient of every parameter, and generated tokens."""
    out = m(**d)
    out.loss.backward()
    t = dict(d, loss=out.loss.reshape(1), **logits(out))
    t.update({"grad." + n: p.grad for n, p in m.named_parameters() if p.grad is not None})
    if kind(name) == "causal":
        t["greedy"] = m.generate(input_ids=d["input_ids"][:1, :8], attention_mask=torch.ones(1, 8, dtype=torch.long), max_new_tokens=24,
                                 do_sample=False, eos_token_id=None, pad_token_id=0)
    if kind(name) == "seq2seq":
        for key, beams in ("greedy", 1), ("beam4", 4):
            t[key] = m.generate(input_ids=d["input_ids"][:1], attention_mask=d["attention_mask"][:1], max_new_tokens=16, do_sample=False, num_beams=beams)
    return t


def logits(out, prefix=""):
    return {prefix + k: out[k] for k in ("logits", "start_logits", "end_logits") if out.get(k) is not None}


def spread(m):
    """Enlarges the weights, so that an untrained model does not repeat one token forever."""
    with torch.no_grad():
        for n, p in m.named_parameters():
            if p.dim() == 2 and "embed" not in n and "shared" not in n:
                p.mul_(3)


def save(tensors, *path):
    file = os.path.join(*path)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, file)


def dump(value, *path):
    with open(os.path.join(*path), "w") as f:
        json.dump(value, f, indent=1)
