"""What transformers' pipelines answer on tiny random models: python pipelines.py OUT SEED KIND...
KIND is tokens or zeroshot (transformers 5), or qa (transformers 4, which has that pipeline). Each makes OUT/KIND-NAME with a model and cases.json."""
import json
import os
import random
import sys

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, RobertaConfig, pipeline

WORDS = ("the a is in it of to and team won match ann smith lives ulm york new bank lisa who what where did does live eat about this example "
         "sports politics travel not that film fine senate").split()
SUFFIXES = "##s ##ed ##ing ##er ##ville".split()
MARKS = list(". , ? - ' / : #".replace(" ", ""))
LETTERS = list("abcdefghij")
OTHERS = ["zebra", "Ünïcode", "ULM", "Ann", "naïve", "123", "北京", "e-mail", "U.S.", "İstanbul"]


def words(rng, n):
    """A text of n words, most of them known, with suffixes, marks, and now and then two blanks."""
    out = ""
    for i in range(n):
        w = rng.choice(WORDS if rng.random() < 0.85 else OTHERS)
        if rng.random() < 0.3:
            w += rng.choice(SUFFIXES)[2:]
        if rng.random() < 0.2:
            w = w.capitalize()
        if rng.random() < 0.2:
            w += rng.choice(MARKS) + (rng.choice(WORDS) if rng.random() < 0.5 else "")
        out += ("" if i == 0 else "  " if rng.random() < 0.05 else " ") + w
    return out


def wordpiece(path):
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + SUFFIXES + MARKS + LETTERS + ["##" + c for c in LETTERS]
    os.makedirs(path, exist_ok=True)
    open(path + "/vocab.txt", "w").write("\n".join(vocab) + "\n")
    json.dump({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 96}, open(path + "/tokenizer_config.json", "w"))
    return len(vocab)


def bytelevel(path, rng):
    os.makedirs(path, exist_ok=True)
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tok.train_from_iterator([words(rng, 12) for _ in range(200)], trainer)
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tok.save(path + "/tokenizer.json")
    names = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 96, **names}, open(path + "/tokenizer_config.json", "w"))
    return tok.get_vocab_size()


def model(path, size, kind, labels, seed, roberta=False):
    torch.manual_seed(seed)
    c = dict(vocab_size=size, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, initializer_range=0.4,
             id2label=dict(enumerate(labels)), label2id={l: i for i, l in enumerate(labels)})
    if roberta:
        config = RobertaConfig(max_position_embeddings=98, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, **c)
    else:
        config = BertConfig(max_position_embeddings=96, **c)
    cls = getattr(transformers, ("Roberta" if roberta else "Bert") + "For" + kind)
    cls(config).eval().save_pretrained(path)


def save(path, cases):
    json.dump(cases, open(path + "/cases.json", "w"), ensure_ascii=False, indent=0)


def token(e, label):
    return {"label": e[label], "start": int(e["start"]), "end": int(e["end"]), "score": float(e["score"])}


def first_tokens(pipe, text):
    """The words of WordPiece, with what the first token of each says."""
    out = []
    for e in pipe(text, aggregation_strategy="none", ignore_labels=[]):
        if e["word"].startswith("##") and out:
            out[-1]["end"] = int(e["end"])
        else:
            out.append(token(e, "entity"))
    return out


def tokens(out, seed):
    for name in ["bert", "roberta", "plain"]:
        rng = random.Random(f"{seed} {name}")
        path = f"{out}/tokens-{name}"
        labels = ["yes", "no", "O", "E-mail"] if name == "plain" else ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "I-MISC"]
        rng.shuffle(labels)
        roberta = name == "roberta"
        model(path, bytelevel(path, rng) if roberta else wordpiece(path), "TokenClassification", labels, seed, roberta)
        pipe = pipeline("token-classification", model=path)
        cases = []
        for _ in range(12):
            text = words(rng, rng.randrange(1, 16))
            for strategy in ["simple", "first", "average", "max"]:
                cases.append({"text": text, "strategy": strategy, "right": [token(e, "entity_group") for e in pipe(text, aggregation_strategy=strategy)]})
            if not roberta:
                cases.append({"text": text, "strategy": "none", "right": first_tokens(pipe, text)})
        save(path, cases)


def zeroshot(out, seed):
    for name, labels in {"three": ["contradiction", "neutral", "entailment"], "first": ["ENTAILMENT", "NEUTRAL", "CONTRADICTION"],
                         "two": ["entailment", "not_entailment"], "not": ["not_entailment", "entailment"]}.items():
        rng = random.Random(f"{seed} {name}")
        path = f"{out}/zeroshot-{name}"
        model(path, wordpiece(path), "SequenceClassification", labels, seed)
        pipe = pipeline("zero-shot-classification", model=path)
        cases = []
        for _ in range(8):
            text, template = words(rng, rng.randrange(1, 20)), rng.choice(["This example is about {}.", "{}", "it is {} , not that ."])
            candidates = rng.sample(WORDS, rng.randrange(1, 5))
            for multi in [False, True]:
                r = pipe(text, candidates, hypothesis_template=template, multi_label=multi)
                cases.append({"text": text, "labels": candidates, "template": template, "multi": multi, "right": dict(zip(r["labels"], r["scores"]))})
        save(path, cases)


def qa(out, seed):
    for name in ["bert", "roberta"]:
        rng = random.Random(f"{seed} {name}")
        path = f"{out}/qa-{name}"
        roberta = name == "roberta"
        model(path, bytelevel(path, rng) if roberta else wordpiece(path), "QuestionAnswering", ["LABEL_0", "LABEL_1"], seed, roberta)
        pipe = pipeline("question-answering", model=path)
        cases = []
        for _ in range(16):
            question, context = words(rng, rng.randrange(1, 7)), words(rng, rng.choice([1, 5, 30, 120]))
            o = {"top_k": rng.choice([1, 3]), "max_answer_len": rng.choice([1, 4, 15]), "handle_impossible_answer": rng.random() < 0.5,
                 "max_seq_len": rng.choice([None, 64]), "doc_stride": rng.choice([None, 8])}
            r = pipe(question=question, context=context, **o)
            r = r if isinstance(r, list) else [r]
            cases.append({"question": question, "context": context, **{k: v for k, v in o.items() if v is not None},
                          "right": [{"text": a["answer"], "start": int(a["start"]), "end": int(a["end"]), "score": float(a["score"])} for a in r]})
        save(path, cases)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    for kind in sys.argv[3:]:
        {"tokens": tokens, "zeroshot": zeroshot, "qa": qa}[kind](sys.argv[1], int(sys.argv[2]))
