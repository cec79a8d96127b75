"""Writes tokenizer/testdata/trained.json: byte-level BPE tokenizers that Hugging Face's tokenizers library trains on some texts.

    python scripts/golden/trained_tokenizers.py    (from the repository's folder; tokenizers 0.23.3)
"""
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

MIXED = [
    "aaaa aaa aa abab ababab abababab\n", "don't won't it's I'm we've you'll they'd", "x  y   z\t\t1234 12345 123\r\n",
    "Füße, größer, Größe, Straße; Ärger über Öl – “naïve” café, cafés", "привет привета приветы, мир мира миру", "日本語 日本 日本人 本 語 日語",
    "🙂🙂🙃 👩‍👩‍👧 🙂", "<|endoftext|> <tag> & \"quoted\" \\n", "", " ", "e\u0301 é e\u0301", "banana bandana ananas bananas",
] * 3
shakespeare = pathlib.Path("evaldata/tinyshakespeare/input.txt").read_text()
CASES = [
    ("mixed", MIXED, 420, 2, ["<|endoftext|>"]),
    ("mixed, all pairs", MIXED, 5000, 1, ["<|endoftext|>", "<pad>"]),
    ("mixed, no special token", MIXED, 300, 4, []),
    ("evaldata/tinyshakespeare/input.txt", [shakespeare], 1500, 2, ["<|endoftext|>"]),
]
out = []
for name, texts, size, least, special in CASES:
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, min_frequency=least, special_tokens=special, show_progress=False,
                                                     initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(t.to_str())["model"]
    tokens = [k for k, _ in sorted(model["vocab"].items(), key=lambda kv: kv[1])]
    assert [model["vocab"][k] for k in tokens] == list(range(len(tokens)))
    out.append({"name": name, "texts": [] if texts[0] is shakespeare else texts, "vocab_size": size, "min_frequency": least, "special": special,
                "tokens": tokens[len(special) + 256:], "merges": [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]})
pathlib.Path("tokenizer/testdata/trained.json").write_text(json.dumps(out, ensure_ascii=False, indent=0) + "\n")
