"""Makes the golden folders of encoder-decoders with PyTorch and transformers: python encoder_decoders.py OUTDIR shared SEED (12).

OUTDIR/models/NAME/ is a tiny random Hugging Face checkpoint; io.safetensors: inputs, outputs, loss, gradients, greedy and beam-4 tokens.
"""
import json, os, sys
import torch
from safetensors.torch import save_file
import transformers as T

OUT, SPLIT, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
torch.manual_seed(SEED)
V = 72 if SPLIT == "shared" else 320


def path(*p):
    p = os.path.join(OUT, *p)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    return p


def save(tensors, *p):
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path(*p))


def dump(obj, *p):
    json.dump(obj, open(path(*p), "w"), indent=1)


# ---- operators ------------------------------------------------------------
def tiny(name):
    H, E, F = (32, 16, 24) if SPLIT == "shared" else (64, 48, 96)
    c = dict(vocab_size=V, hidden_size=H, intermediate_size=2 * H + 16, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.08, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    b = dict(vocab_size=V, hidden_size=E, num_hidden_layers=2, num_attention_heads=4, intermediate_size=F,
             max_position_embeddings=64, initializer_range=0.08, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0)
    e = dict(vocab_size=V, d_model=E, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
             encoder_ffn_dim=F, decoder_ffn_dim=F, max_position_embeddings=64, init_std=0.08, dropout=0.0, attention_dropout=0.0,
             activation_dropout=0.0, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2)
    table = {
        "llama": lambda: T.LlamaForCausalLM(T.LlamaConfig(**c, tie_word_embeddings=True, rope_theta=10000.0)),
        "llama3-untied": lambda: T.LlamaForCausalLM(T.LlamaConfig(**c, tie_word_embeddings=False, head_dim=24,
            rope_parameters=dict(rope_type="llama3", rope_theta=50000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64))),
        "qwen2": lambda: T.Qwen2ForCausalLM(T.Qwen2Config(**c, tie_word_embeddings=True)),
        "qwen3": lambda: T.Qwen3ForCausalLM(T.Qwen3Config(**c, head_dim=16, tie_word_embeddings=True)),
        "mistral": lambda: T.MistralForCausalLM(T.MistralConfig(**c, tie_word_embeddings=False, sliding_window=8)),
        "bert-mlm": lambda: T.BertForMaskedLM(T.BertConfig(**b)),
        "bert-seqcls": lambda: T.BertForSequenceClassification(T.BertConfig(**b, num_labels=3)),
        "bert-tokcls": lambda: T.BertForTokenClassification(T.BertConfig(**b, num_labels=5)),
        "bert-qa": lambda: T.BertForQuestionAnswering(T.BertConfig(**b)),
        "electra-seqcls": lambda: T.ElectraForSequenceClassification(T.ElectraConfig(**b, embedding_size=E - 8, num_labels=2)),
        "bart": lambda: T.BartForConditionalGeneration(T.BartConfig(**e, scale_embedding=False)),
        "marian": lambda: T.MarianMTModel(T.MarianConfig(**e, scale_embedding=True, static_position_embeddings=True)),
        "pegasus": lambda: T.PegasusForConditionalGeneration(T.PegasusConfig(**{**e, "decoder_start_token_id": 0}, scale_embedding=True, activation_function="relu")),
        "mbart": lambda: T.MBartForConditionalGeneration(T.MBartConfig(**e, scale_embedding=True)),
        "marian-two-tables": lambda: T.MarianMTModel(T.MarianConfig(**{**e, "decoder_vocab_size": 60, "decoder_start_token_id": 0}, share_encoder_decoder_embeddings=False, activation_function="swish")),
        "bart-seqcls": lambda: T.BartForSequenceClassification(T.BartConfig(**e, num_labels=3)),
        "bart-qa": lambda: T.BartForQuestionAnswering(T.BartConfig(**e)),
    }
    m = table[name]()
    with torch.no_grad():  # norms, biases and zero rows away from their trivial values
        for n, p in m.named_parameters():
            if p.dim() == 1:
                p.add_(0.05 * torch.randn_like(p))
    return m.eval()


KIND = lambda n: "causal" if n.split("-")[0] in ("llama", "llama3", "qwen2", "qwen3", "mistral") else ("seq2seq" if n in ("bart", "marian", "pegasus", "mbart", "marian-two-tables") else n.split("-")[1])


def batch(name, g, B=3, S=20):
    kind = KIND(name)
    ids = torch.randint(3, V, (B, S), generator=g)
    mask = torch.ones(B, S, dtype=torch.long)
    for b in range(B):  # right padding, a different length in each row
        n = S - 4 * b
        mask[b, n:] = 0
        ids[b, n:] = 0
    d = dict(input_ids=ids, attention_mask=mask)
    if kind == "causal":
        lab = ids.clone(); lab[mask == 0] = -100; lab[:, :5] = -100
        d["labels"] = lab
    elif kind == "mlm":
        lab = torch.full_like(ids, -100); pick = (torch.rand(ids.shape, generator=g) < 0.3) & (mask == 1); pick[:, 1] = True
        lab[pick] = ids[pick]; ids[pick] = 3; d["labels"] = lab
    elif kind == "seqcls":
        d["labels"] = torch.arange(B) % 2
    elif kind == "tokcls":
        lab = torch.randint(0, 5, ids.shape, generator=g); lab[mask == 0] = -100; d["labels"] = lab
    elif kind == "qa":
        d["start_positions"] = torch.randint(0, 6, (B,), generator=g); d["end_positions"] = d["start_positions"] + 2
    else:
        lab = torch.randint(3, 60, (B, 12), generator=g); lab[:, -1] = 2; lab[1, 8:] = -100; lab[2, 3:5] = -100; d["labels"] = lab
    if name == "bart-seqcls":
        for b in range(B): ids[b, S - 4 * b - 1] = 2
    if name.startswith(("bert", "electra")):
        d["token_type_ids"] = (torch.arange(S)[None] >= 7).long().expand(B, S).contiguous() * mask
    return d


def models(names):
    for n in names:
        m = tiny(n)
        if KIND(n) == "seq2seq":  # away from repeating one token for ever
            with torch.no_grad():
                for k, p in m.named_parameters():
                    if p.dim() == 2 and "embed" not in k and "shared" not in k: p.mul_(3)
        if KIND(n) == "seq2seq":
            with torch.no_grad(): m.final_logits_bias.normal_(0, 0.5)
        m.save_pretrained(path("models", n, "x")[:-2])
        d = batch(n, torch.Generator().manual_seed(SEED))
        o = m(**d); o.loss.backward()
        t = dict(d); t["loss"] = o.loss.reshape(1)
        for k in ("logits", "start_logits", "end_logits"):
            if getattr(o, k, None) is not None: t[k] = getattr(o, k)
        for k, p in m.named_parameters():
            if p.grad is not None: t["grad." + k] = p.grad
        if KIND(n) == "causal":
            g = m.generate(input_ids=d["input_ids"][:1, :8], attention_mask=torch.ones(1, 8, dtype=torch.long), max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0)
            t["greedy"] = g
        if KIND(n) == "seq2seq":
            g = m.generate(input_ids=d["input_ids"][:1], attention_mask=d["attention_mask"][:1], max_new_tokens=16, do_sample=False, num_beams=1)
            t["greedy"] = g
            g = m.generate(input_ids=d["input_ids"][:1], attention_mask=d["attention_mask"][:1], max_new_tokens=16, do_sample=False, num_beams=4)
            t["beam4"] = g
        save(t, "models", n, "io.safetensors")
        print("model", n, o.loss.item())


# ---- training courses -------------------------------------------------------
models(["pegasus","mbart","marian-two-tables","bart-seqcls","bart-qa"])
