"""Makes RoBERTa and ELECTRA in testdata/golden/models: python encoders.py OUTDIR SEED (14; made with transformers 5.24, PyTorch 2.15).

OUTDIR/models/NAME/ is a tiny Hugging Face checkpoint with random weights; io.safetensors holds inputs, outputs, loss, gradients of the mean loss.
"""
import os, sys
import torch
from safetensors.torch import save_file
import transformers as T

OUT, SEED = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
V, B, S = 64, 3, 18
c = dict(vocab_size=V, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32, max_position_embeddings=40,
         hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.08)
roberta = dict(c, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2)
electra = dict(c, embedding_size=16)
models = {
    "roberta-mlm": T.RobertaForMaskedLM, "roberta-seqcls": T.RobertaForSequenceClassification, "roberta-tokcls": T.RobertaForTokenClassification,
    "roberta-qa": T.RobertaForQuestionAnswering, "electra-mlm": T.ElectraForMaskedLM,
}
for name, cls in models.items():
    torch.manual_seed(SEED)
    family, kind = name.split("-")
    config = T.RobertaConfig(**roberta, num_labels=3) if family == "roberta" else T.ElectraConfig(**electra, num_labels=3)
    if kind == "qa":
        config.num_labels = 2
    m = cls(config).eval()
    with torch.no_grad():  # so that biases and norms do not have their initial values
        for n, p in m.named_parameters():
            if p.dim() == 1: p.add_(torch.randn_like(p) * 0.1)
    pad = config.pad_token_id
    ids = torch.randint(3, V, (B, S)); mask = torch.ones_like(ids)
    if kind != "qa":  # transformers scores padded positions there
        mask[1, 12:] = 0; mask[2, 7:] = 0; ids[mask == 0] = pad
    d = dict(input_ids=ids, attention_mask=mask)
    if family == "electra":
        d["token_type_ids"] = (torch.arange(S)[None] >= 6).long().expand(B, S).contiguous() * mask
    if kind == "mlm":
        d["labels"] = torch.where((torch.rand(B, S) < 0.4) & (mask == 1), torch.randint(3, V, (B, S)), -100)
    elif kind == "seqcls":
        d["labels"] = torch.tensor([2, 0, 1])
    elif kind == "tokcls":
        d["labels"] = torch.where(mask == 1, torch.randint(0, 3, (B, S)), -100)
    else:
        d["start_positions"] = torch.tensor([1, 4, 2]); d["end_positions"] = torch.tensor([3, 4, 9])
    o = m(**d); o.loss.backward()
    t = dict(d, loss=o.loss.reshape(1))
    t.update(dict(start_logits=o.start_logits, end_logits=o.end_logits) if kind == "qa" else dict(logits=o.logits))
    t.update({"grad." + n: p.grad for n, p in m.named_parameters() if p.grad is not None})
    folder = os.path.join(OUT, "models", name)
    m.save_pretrained(folder)
    save_file({k: v.detach().clone().contiguous() for k, v in t.items()}, os.path.join(folder, "io.safetensors"))
