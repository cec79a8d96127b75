"""Writes tokenizer/testdata/ranks.jsonl.gz: a small byte-level BPE as tiktoken's and Mistral's files have it, and what tiktoken and
mistral-common make of texts.

    python scripts/golden/tokenizer_ranks.py [REAL]    (from the repository's folder; tiktoken 0.14, mistral-common 1.13, tokenizers 0.23)

The tokens are trained with the package tokenizers, since published files are large. A file for Llama 3, Qwen or gpt-oss is told by its
number of tokens: to the trained ones the tests add tokens that are in no text, byte 255 and three bytes of their number.
With REAL, a file of that name gets what mistral-common's own tekken.json makes of the texts, to compare with by hand.
"""
import base64, gzip, json, os, random, sys, tempfile
import mistral_common, tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer, SpecialTokenPolicy
from tiktoken_ext import openai_public
from tokenizers import Tokenizer, models, pre_tokenizers, trainers, Regex

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace("{1,3}", "")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
openai_public.load_tiktoken_bpe = lambda *a, **k: {}
O200K = openai_public.o200k_harmony()
CL100K = openai_public.cl100k_base()
CORPUS = ["the king speaks of his sword, and nobody listened to merry travellers who returned from Rome in 1234", "aaa aaaa aaaaa abab baba aabaa", "hello world: don't, it's I'll",
          "naïve café œuvre été", "def f(x):\n    return x + 1\n\n\n", "中文 文本 日本語", "HELLO World KING", "</path/to/file>\n// comment\n"] * 30
PARTS = ["the king", " King's", " DON'T", "don't", "a", "aa", "aaaa", "abab", " ", "  ", "\n", "\r\n", "\t", " \n ", "1", "12345", "½", "é", "e\u0301", "中文", " 文", "ǅ", "ʰ", "한국어", "😀", "👨\u200d👩", "/", "//\n",
         "...", "\u00a0", "\u3000", "x_y", "HELLO", "World", "iPhone", "\x00", "\ufffd", "def f(x):\n    ", "  return", "ß", "İ", "٣٤", "🇫🇷", "'S", "'ll", "ﬁ"]


def texts(rng, n=250):
    return ["", " ", "Hello, World!", "the king of Rome returned in 1234.", "a" * 300, "aaabaaab" * 40] + ["".join(rng.choices(PARTS, k=rng.randrange(1, 14))) for _ in range(n)]


def train():
    """The tokens' bytes, by rank."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(TEKKEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    back = {}
    n = 0
    for b in range(256):
        if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255: back[chr(b)] = b
        else: back[chr(256 + n)] = b; n += 1
    vocab = sorted(t.get_vocab().items(), key=lambda x: x[1])
    tokens = [bytes(back[c] for c in name) for name, _ in vocab]
    random.Random(3).shuffle(head := tokens[:256])  # the bytes have any order
    return head + tokens[256:]


def rows(encode, decode, special, rng):
    out = []
    for t in texts(rng):
        ids = encode(t)
        out.append(dict(text=t, ids=ids, decoded=decode(ids)))
    for t in special:
        out.append(dict(text=t, ids=encode(t), decoded=decode(encode(t))))
    return out


def tiktoken_case(name, tokens, count, pattern, special, marked):
    ranks = {b: i for i, b in enumerate(tokens)} | {b"\xff" + i.to_bytes(3, "big"): i for i in range(len(tokens), count)}
    e = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    return dict(name=name, count=count, special=special, rows=rows(lambda t: e.encode(t, allowed_special="all"), e.decode, marked, random.Random(name)))


def tekken_file(tokens, n, special):
    tokens = sorted(tokens[:256]) + tokens[256:]
    f = dict(config=dict(pattern=TEKKEN, num_vocab_tokens=len(tokens), default_vocab_size=len(tokens) - 40 + n, default_num_special_tokens=n, version="v7"),
             vocab=[dict(rank=i, token_bytes=base64.b64encode(b).decode(), token_str=b.decode("utf8", "ignore") or None) for i, b in enumerate(tokens)])
    if special: f["special_tokens"] = special
    return f


def tekken_case(name, f):
    with tempfile.NamedTemporaryFile("w", suffix="tekken.json", delete=False) as out: json.dump(f, out)
    t = Tekkenizer.from_file(out.name)
    os.remove(out.name)
    return dict(name=name, tekken=f, special={t.id_to_piece(i): i for i in range(t.num_special_tokens)}, bos=t.bos_id, eos=t.eos_id, size=t.n_words,
                rows=rows(lambda s: t.encode(s, False, False), lambda ids: t.decode(ids, SpecialTokenPolicy.KEEP), [], random.Random(name)))


tokens = train()
llama = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|start_header_id|>": 128006, "<|end_header_id|>": 128007, "<|eot_id|>": 128009,
         "<|reserved_special_token_0|>": 128002, "<|reserved_special_token_3|>": 128005, "<|reserved_special_token_4|>": 128008,
         "<|reserved_special_token_5|>": 128010, "<|reserved_special_token_250|>": 128255}
qwen = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|extra_0|>": 151646, "<|extra_204|>": 151850}
harmony = {k: v for k, v in O200K["special_tokens"].items() if k != "<|reserved_200018|>"}
special = [dict(rank=i, token_str=s, is_control=True) for i, s in enumerate(["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>", "[THINK]"])]
all_cases = [
    tiktoken_case("llama3", tokens, 128000, LLAMA3, llama, ["<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "a<|reserved_special_token_250|> b"]),
    tiktoken_case("qwen", tokens, 151643, QWEN, qwen, ["<|im_start|>user\nHi 123<|im_end|>\n", "<|extra_204|>"]),
    tiktoken_case("gpt-oss", tokens, 199998, O200K["pat_str"], harmony, ["<|start|>assistant<|channel|>final<|message|>Hi<|return|>", "x<|reserved_201087|>", "<|endofprompt|>"]),
    tiktoken_case("cl100k", tokens, 100256, CL100K["pat_str"], CL100K["special_tokens"], ["<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", "x <|endofprompt|>\n\n  ", "a\n\n  ", " \n \n", "a  \n\t"]),
    tekken_case("tekken", tekken_file(tokens, 20, special)), tekken_case("tekken old", tekken_file(tokens, 24, None)),
]
if len(sys.argv) > 1:
    real = os.path.join(os.path.dirname(mistral_common.__file__), "data", "tekken_240911.json")
    c = tekken_case("real", json.load(open(real)))
    c["tekken"] = real
    json.dump(c, open(sys.argv[1], "w"))
stored = dict(tokens=[base64.b64encode(b).decode() for b in tokens])
with gzip.GzipFile("tokenizer/testdata/ranks.jsonl.gz", "wb", mtime=0) as f:
    for line in [stored] + all_cases: f.write((json.dumps(line) + "\n").encode())
