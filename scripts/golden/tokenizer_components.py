"""Writes tokenizer/testdata/components.jsonl.gz: small tokenizers, one for each component, and the output of tokenizers 0.23.3 for a few texts.

    python scripts/golden/tokenizer_components.py [FOLDER]    (from the repository's folder; nothing is random)

FOLDER has more texts: */golden.jsonl. The committed file was made without it; made again, it has the same bytes (before gzip).
"""
import base64, glob, gzip, itertools, json, struct, sys
from tokenizers import Tokenizer

TEXTS = ["", " ", "Hello, World!", "  two  spaces\tand\nlines\r\n", "héllo ÀÉÎ e\u0301\u0323 x\u0323\u0301 \u1e9b\u0323", "İstanbul ΣΑΣ ẞß",
    "한국어 \u1112\u1161\u11ab", "中文,文本 mixed テスト カナ・ー", "ﬁ ﬂ ½ ㎏ Ⅳ ＡＢ１２ ㋿", "a1b22c333 ٣٤ ²", "it's I'LL 'ſ don't",
    "x\u200by\u00a0z\u3000w \ufeff\u2028", "😀👨‍👩‍👧 🇫🇷 ❤️", "--a--b-", "ab▁c ▁▁d", "\u0000\u0007\u00ad\ufffd", "<s>hi</s> <m>  x", "a<m>b Day day DAYS",
    "العربية עברית हिन्दी ไทย", "def f(x):\n    return x**2 # ok", "a_b-c.d'e", "\u0344 \u0958 \u2126 \u212b \u0f73\u0f71", "q\u0307\u0323 \u0307q"]
UNI = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}

def tok(name, **parts):
    t = dict(version="1.0", truncation=None, padding=None, added_tokens=[], normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None, model=UNI)
    t.update(parts)
    return name, t

def charsmap(rules):
    """Builds a double array for byte keys, in the layout of Darts-clone, and its texts."""
    texts, values = b"", {}
    for k, v in sorted(rules.items()):
        values[k.encode()] = len(texts)
        texts += v.encode() + b"\0"
    trie = {}
    for k, v in values.items():
        n = trie
        for b in k: n = n.setdefault(b, {})
        n[None] = v
    units, used = [0] * 65536, {0}
    def place(node, at):
        labels = [0 if b is None else b for b in node]
        off = next(o for o in itertools.count(1) if all((at ^ o ^ l) not in used for l in labels) and (at ^ o) not in used | {0})
        base = at ^ off
        used.update(base ^ l for l in labels)
        units[at] |= (off << 10) | (256 if None in node else 0)
        if None in node: units[base] = node[None] | 1 << 31
        for b, child in node.items():
            if b is not None:
                units[base ^ b] = b
                place(child, base ^ b)
    place(trie, 0)
    n = max(used) + 256
    return base64.b64encode(struct.pack("<I", 4 * n) + struct.pack("<%dI" % n, *units[:n]) + texts).decode()

def added(i, content, **kw):
    return dict(dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True), **kw)

rx = lambda r: {"Regex": r}
st = lambda s: {"String": s}
split = lambda p, b, inv=False: {"type": "Split", "pattern": p, "behavior": b, "invert": inv}
seq = lambda *l: {"type": "Sequence", "normalizers": list(l)}
pseq = lambda *l: {"type": "Sequence", "pretokenizers": list(l)}
dseq = lambda *l: {"type": "Sequence", "decoders": list(l)}
bert = lambda c, h, s, l: {"type": "BertNormalizer", "clean_text": c, "handle_chinese_chars": h, "strip_accents": s, "lowercase": l}
meta = lambda scheme, split, r="▁": {"type": "Metaspace", "replacement": r, "prepend_scheme": scheme, "split": split}
bl = lambda p, r: {"type": "ByteLevel", "add_prefix_space": p, "trim_offsets": True, "use_regex": r}
O200K = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
DEEPSEEK = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

CASES = [tok("norm " + n, normalizer={"type": n}) for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")]
CASES += [tok("norm Strip %s %s" % (l, r), normalizer={"type": "Strip", "strip_left": l, "strip_right": r}) for l in (True, False) for r in (True, False)]
CASES += [tok("norm Bert %s %s %s %s" % b, normalizer=bert(*b)) for b in ((True, True, None, True), (True, False, False, True), (False, True, True, False), (True, True, None, False))]
CASES += [tok("norm Replace " + json.dumps(p), normalizer={"type": "Replace", "pattern": p, "content": c})
    for p, c in ((st(" "), "▁"), (st("a"), ""), (rx(" {2,}"), " "), (rx(r"\s+"), " "), (rx(r"[aeiou](?=\w)"), "<v>"), (st("ll"), "ﬂ"), (rx(r"\w{2,3}+"), "W"))]
CASES += [tok("norm Prepend", normalizer={"type": "Prepend", "prepend": "▁x"}), tok("norm seq", normalizer=seq({"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": "▁"})),
    tok("norm seq compat", normalizer=seq({"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "NFKC"}, {"type": "NFD"}, {"type": "NFC"}))]
RULES = {"\t": " ", "\n": " ", "\r": " ", "\u200b": " ", "\u00ad": "", "\u0007": "", "ﬁ": "fi", "㎏": "kg", "½": "1⁄2", "Ⅳ": "IV", "e\u0301": "é", "１": "1", "Ａ": "A", "\u3000": " ", "❤": "H", "e\u0301x": "no"}
CASES += [tok("norm Precompiled", normalizer={"type": "Precompiled", "precompiled_charsmap": charsmap(RULES)}),
    tok("norm Precompiled seq", normalizer=seq({"type": "Precompiled", "precompiled_charsmap": charsmap(RULES)}, {"type": "Replace", "pattern": rx(" {2,}"), "content": " "}), pre_tokenizer=meta("always", True))]
CASES += [tok("pre " + n, pre_tokenizer={"type": n}) for n in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")]
CASES += [tok("pre Digits %s" % i, pre_tokenizer={"type": "Digits", "individual_digits": i}) for i in (True, False)]
B = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
CASES += [tok("pre Punctuation " + b, pre_tokenizer={"type": "Punctuation", "behavior": b}) for b in B]
CASES += [tok("pre Split %s %s %s" % (json.dumps(p), b, inv), pre_tokenizer=split(p, b, inv)) for p in (st("-"), rx(r"\w+"), rx(r"\s*")) for b in B for inv in (False, True)]
CASES += [tok("pre Split empty", pre_tokenizer=split(st(""), "Isolated")), tok("pre FixedLength", pre_tokenizer={"type": "FixedLength", "length": 3}), tok("pre Delimiter", pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "-"})]
CASES += [tok("pre Split " + n, pre_tokenizer=split(rx(r), "Isolated")) for n, r in (("o200k", O200K), ("cl100k", CL100K), ("deepseek", DEEPSEEK), ("cjk", "[一-龥\u3040-ゟ゠-ヿ]+"), ("digits", r"\p{N}{1,3}"),
    ("posix", r"[[:alpha:]]+|[^[:space:]x-z]"), ("props", r"\p{Lu}|\p{^L}|\P{Latin}|\p{Greek}|\p{Alpha}"), ("hex", r"\h+|\x{4e2d}|\x41"), ("lines", r"^\w|.$|\R"), ("flags", r"(?i)[k-s]|(?-i:A)|k"))]
CASES += [tok("pre Split clip", pre_tokenizer=split(rx(CLIP), "Removed", True))]
CASES += [tok("pre Metaspace %s %s" % (s, b), pre_tokenizer=meta(s, b)) for s in ("always", "first", "never") for b in (True, False)]
CASES += [tok("pre Metaspace first after Strip", normalizer={"type": "Strip", "strip_left": True, "strip_right": False}, pre_tokenizer=meta("first", True), added_tokens=[added(1, "<s>"), added(2, "</s>", normalized=True)]),
    tok("pre Metaspace first after split", pre_tokenizer=pseq({"type": "WhitespaceSplit"}, meta("first", True))), tok("pre Metaspace first", pre_tokenizer=meta("first", False), added_tokens=[added(1, "<s>")]),
    tok("pre Metaspace _", pre_tokenizer=meta("always", True, "_"), decoder=meta("always", True, "_"))]
CASES += [tok("pre ByteLevel %s %s" % (p, r), pre_tokenizer=bl(p, r), decoder=bl(True, True), post_processor=bl(p, True)) for p in (True, False) for r in (True, False)]
CASES += [tok("pre seq", pre_tokenizer=pseq({"type": "Whitespace"}, {"type": "Digits", "individual_digits": True}, bl(True, False)))]
CASES += [tok("added %s" % kw, added_tokens=[added(1, "<m>", **kw), added(2, "Day", **kw)], normalizer={"type": "Lowercase"}, pre_tokenizer={"type": "Whitespace"})
    for kw in ({}, dict(lstrip=True), dict(rstrip=True), dict(lstrip=True, rstrip=True), dict(single_word=True), dict(normalized=True, special=False), dict(normalized=True, single_word=True, rstrip=True))]
CASES += [tok("added overlap", added_tokens=[added(1, "a"), added(2, "ab▁"), added(3, "b▁c"), added(4, "- "), added(5, "--a", rstrip=True)])]
ALPHA = "abcdefghijklmnopqrstuvwxyzHIWD ,!'-▁é0123456789"
def bpe(**kw):
    v = ["<unk>"] + list(ALPHA) + ["<0x%02X>" % i for i in range(256)] + ["he", "ll", "hell", "lo", "hello", "or", "ld", "orld", "an", "and", "aa", "▁t", "▁tw", "an</w>", "##n", "a##n", "d</w>", "x</w>", "é</w>", "##a", "##b"]
    m = dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False, byte_fallback=False, ignore_merges=False,
        vocab={t: i for i, t in enumerate(v)}, merges=["h e", "l l", "he ll", "l o", "hell o", "o r", "l d", "or ld", "a n", "an d", "a a", "▁ t", "▁t w"])
    m.update(kw)
    return m
WS = {"type": "WhitespaceSplit"}
CASES += [tok("bpe %s" % kw, model=bpe(**kw), pre_tokenizer=WS) for kw in ({}, dict(fuse_unk=True), dict(unk_token=None), dict(byte_fallback=True), dict(byte_fallback=True, fuse_unk=True, unk_token=None), dict(ignore_merges=True),
    dict(end_of_word_suffix="</w>"), dict(continuing_subword_prefix="##", merges=["a ##n"], vocab={"<unk>": 0, "a": 1, "##n": 2, "an": 3, "##a": 4, "##b": 5}), dict(merges=[["h", "e"], ["a", "n"]]))]
CASES += [tok("bpe metaspace", model=bpe(fuse_unk=True), pre_tokenizer=meta("first", False), decoder=dseq({"type": "Replace", "pattern": st("▁"), "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})),
    tok("bpe decoder", model=bpe(end_of_word_suffix="</w>"), pre_tokenizer=WS, decoder={"type": "BPEDecoder", "suffix": "</w>"}), tok("bpe ctc", model=bpe(), pre_tokenizer=WS, decoder={"type": "CTC", "pad_token": "a", "word_delimiter_token": "l", "cleanup": True})]
WP = dict(type="WordPiece", unk_token="[UNK]", continuing_subword_prefix="##", max_input_chars_per_word=9, vocab={t: i for i, t in enumerate(["[UNK]", "[CLS]", "[SEP]", "hell", "##o", "##ello", "a", "##b", "h", ",", "!", "'", "s", "it", "don", "t", ".", "x", "##x", "world", "two"])})
CASES += [tok("wordpiece", model=WP, normalizer=bert(True, True, None, True), pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": c}, post_processor={"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}) for c in (True, False)]
CASES += [tok("wordlevel", model=dict(type="WordLevel", unk_token="?", vocab={"?": 0, "Hello": 1, "World": 2, "<s>": 3, "</s>": 4}), pre_tokenizer={"type": "Whitespace"}, post_processor={"type": "RobertaProcessing", "sep": ["</s>", 4], "cls": ["<s>", 3], "trim_offsets": True, "add_prefix_space": True})]
UV = [["<unk>", 0.0], ["<s>", 0.0], ["▁", -2.0], ["a", -3.0], ["an", -4.0], ["and", -4.5], ["▁a", -3.5], ["l", -3.0], ["lo", -3.5], ["el", -3.6], ["hel", -5.0], ["h", -4.0], ["e", -2.0], ["o", -3.0], ["é", -6.0], ["b", -3.0], ["ab", -7.0], ["-", -2.5]]
SP = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 3}}], "pair": [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "<s>", "type_id": 2}}, {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1, 0], "tokens": ["<s>", "<u>"]}}}
CASES += [tok("unigram %s" % bf, model=dict(type="Unigram", unk_id=0, byte_fallback=bf, vocab=UV + ([["<0x%02X>" % i, -20.0] for i in range(256)] if bf else [])), pre_tokenizer=meta("always", True), decoder=dseq({"type": "ByteFallback"}, meta("always", True)), post_processor={"type": "Sequence", "processors": [bl(True, True), SP]}) for bf in (False, True)]

texts = list(TEXTS)
for f in sorted(glob.glob(sys.argv[1] + "/*/golden.jsonl")) if len(sys.argv) > 1 else []:
    texts += [json.loads(l)["text"] for l in open(f)]
texts = list(dict.fromkeys(texts))
lines = []
for name, t in CASES:
    tk = Tokenizer.from_str(json.dumps(t))
    rows = []
    for i, x in enumerate(texts):
        e, s, p = tk.encode(x, add_special_tokens=False), tk.encode(x), tk.encode(x, texts[i - 1])
        rows.append([x, e.ids, e.tokens, e.offsets, s.ids, s.type_ids, texts[i - 1], p.ids, p.type_ids, p.offsets, tk.decode(e.ids, skip_special_tokens=False) if e.ids else "", tk.decode(s.ids) if s.ids else ""])
    lines.append(json.dumps({"name": name, "tokenizer": t, "rows": rows}, ensure_ascii=True) + "\n")
open("tokenizer/testdata/components.jsonl.gz", "wb").write(gzip.compress("".join(lines).encode(), 9, mtime=0))
