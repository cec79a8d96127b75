"""Writes tokenizer/testdata/files.jsonl.gz: small models in formats other than tokenizer.json, and the output of sentencepiece (cases
without "named") or transformers for a few texts.

    python scripts/golden/tokenizer_files.py 12    (from the repository's folder; 12 texts are composed at random, with seed 7)

    python scripts/golden/tokenizer_files.py classes | encoders | slow | old

write classes.jsonl.gz and encoders.jsonl.gz (transformers 5.23), slow.jsonl.gz (4.57, whose tokenizers in Python call sentencepiece) and old.jsonl.gz (4.33, the last one
that gives NLLB's tokens their ids of itself) beside it.

The committed file was made with sentencepiece 0.2.1 and transformers 5.24. sentencepiece 0.2.3 trains different Unigram models, so
the file changes; but with the committed models 0.2.3 gives exactly the committed rows.
"""
import base64, glob, gzip, io, json, os, random, sys, tempfile
import sentencepiece as sp
from sentencepiece import sentencepiece_model_pb2 as pb
from transformers import AutoTokenizer

PLAIN = ["", "Hello, World!", "the king speaks of his sword", "a1b22 c333 it's I'll don't", "the king of Rome returned in 1234.", "naive cafe (kings) - ab",
    "x", "unbelievable travellers listened to nobody", "<mask> the king", "the<mask> king </s> of <s>"]
TEXTS = PLAIN + [" ", "   ", "  two  spaces\tand\nlines\r\n ", "héllo ÀÉÎ e\u0301\u0323 \u1e9b\u0323", "İstanbul ẞß", "한국어", "中文,文本 mixed テスト", "ﬁ ﬂ ½ ㎏ Ⅳ ＡＢ１２",
    "x\u200by\u00a0z\u3000w \ufeff", "😀👨\u200d👩 🇫🇷", "ab▁c ▁▁d▁", "▁", "foo bar<sep>  foo  bar", "<ctl> <unk> <0x41> <pad>", "foobar foo barfoo bar bar", "aaaaaaa bbbb abab", "a\u0000b",
    "the king " * 30, "xyzxyz\u00e9\u00e9 qq", "\ufffd �", "kg㎏kg  ㎏", "A AB ABC abc"]
CORPUS = [w for w in ("the king speaks of his sword|nobody listened to merry travellers|who returned from Rome in 1234|kings and swords|an unbelievable ending of it|"
    "hello world|abab abba baab|it is not naïve, he said: don't|foo bar foobar|listening speaking returning|x y z xyz|ABC AB A").split("|")] * 20
RULES = ["41\t61", "E9\t65", "61 62 63\t58", "200B\t", "338F\t6B 67", "9\t20", "A\t20", "D\t20", "A0\t20", "65 301\t65", "65 301 323\t5A", "FB01\t66 69", "FF21\t41", "2581\t20", "BD\t31 2044 32"]

def train(edit=None, **kw):
    out = io.BytesIO()
    if "rules" in kw:
        with tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False) as f: f.write("\n".join(kw.pop("rules")) + "\n")
        kw["normalization_rule_tsv"] = f.name
    if "denorm" in kw:
        with tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False) as f: f.write("\n".join(kw.pop("denorm")) + "\n")
        kw["denormalization_rule_tsv"] = f.name
    args = dict(model_type="unigram", vocab_size=90, hard_vocab_limit=False, normalization_rule_name="identity", minloglevel=2, num_threads=1)
    args.update(kw)
    if "normalization_rule_tsv" in args: del args["normalization_rule_name"]
    sp.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, **args)
    m = pb.ModelProto.FromString(out.getvalue())
    if edit: edit(m)
    return m.SerializeToString()

def equal_scores(m):  # ties, and characters that are in pieces but not in the vocabulary
    gone = [i for i, p in enumerate(m.pieces) if p.piece in ("k", "b", "e")]
    for i in reversed(gone): del m.pieces[i]
    for i, p in enumerate(m.pieces):
        if p.type == 1: p.score = -(i // 7)

def unused(m):
    for i, p in enumerate(m.pieces):
        if p.type == 1 and i % 5 == 0: p.type = 5

def no_escape(m): m.normalizer_spec.escape_whitespaces = False

user = dict(user_defined_symbols=["<sep>", "foo bar", "bar", "▁king"], control_symbols=["<ctl>"])
RAW = {
    "unigram user": train(**user, rules=RULES),
    "unigram bytes": train(byte_fallback=True, vocab_size=330, add_dummy_prefix=False, remove_extra_whitespaces=False),
    "unigram suffix": train(treat_whitespace_as_suffix=True, rules=RULES, unk_surface="?"),
    "unigram keep spaces": train(remove_extra_whitespaces=False, rules=RULES, split_by_whitespace=False, **user),
    "unigram unused": train(unused),
    "unigram denorm": train(denorm=["61\t41", "6B 69\t58"], rules=RULES),
    "unigram plain spaces": train(no_escape),
    "bpe user": train(model_type="bpe", **user, rules=RULES),
    "bpe bytes": train(model_type="bpe", byte_fallback=True, vocab_size=360, remove_extra_whitespaces=False, **user),
    "bpe no prefix": train(model_type="bpe", add_dummy_prefix=False, split_digits=True),
    "bpe suffix": train(model_type="bpe", treat_whitespace_as_suffix=True),
    "bpe over words": train(model_type="bpe", split_by_whitespace=False, vocab_size=150),
    "bpe ties": train(equal_scores, model_type="bpe"),
    "bpe ties bytes": train(equal_scores, model_type="bpe", byte_fallback=True, vocab_size=360),
}

def fill(text):  # random parts of texts
    parts = [w for t in TEXTS for w in (t.split(" ") if len(t) < 100 else [])] + [" ", "  ", "a", "b", "ab", "é"]
    return text.join(random.choice(parts) for _ in range(random.randrange(1, 12)))

def raw_case(name, blob, texts):
    s = sp.SentencePieceProcessor(model_proto=blob)
    rows = []
    for t in texts:
        ids = s.encode(t)
        assert len(s.encode(t, out_type=str)) == len(ids)
        some = random.choices(range(s.get_piece_size()), k=12)
        rows.append(dict(text=t, ids=ids, ids_special=ids, tokens=s.encode(t, out_type=str), decoded=s.decode(ids), decoded_skip=s.decode(ids), some=some, some_decoded=s.decode(some)))
    return dict(name=name, files={"spiece.model": base64.b64encode(blob).decode()}, rows=rows)

def class_case(name, files, config, texts, slow=False):
    files = {k: v if isinstance(v, bytes) else v.encode() for k, v in files.items()}
    files["tokenizer_config.json"] = json.dumps(config).encode()
    with tempfile.TemporaryDirectory() as d:
        for k, v in files.items(): open(os.path.join(d, k), "wb").write(v)
        tok = AutoTokenizer.from_pretrained(d, **({"use_fast": False} if slow else {}))
        fast = getattr(tok, "is_fast", False)
        rows = []
        for t in texts:
            one, two = tok(t, return_token_type_ids=True), tok(t, "the king", return_token_type_ids=True)
            r = dict(text=t, ids=tok(t, add_special_tokens=False)["input_ids"], ids_special=one["input_ids"], type_ids=one["token_type_ids"],
                pair=two["input_ids"], decoded_skip=tok.decode(one["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False))
            if fast and config.get("add_prefix_space", True):
                w = tok(t.split(" "), is_split_into_words=True)
                r.update(words=t.split(" "), words_ids=w["input_ids"], word_ids=[-1 if x is None else x for x in w.word_ids()])
            if name.startswith("mpnet"): r.update(offsets=tok(t, return_offsets_mapping=True)["offset_mapping"])
            r.update(pair_types=two["token_type_ids"])
            if name == "nllb numbered": del r["pair_types"], r["type_ids"]  # of a pair there are two more than tokens
            if name.startswith(("marian", "m2m100")):
                del r["pair_types"]
                r.update(target=tok(text_target=t)["input_ids"])
                del r["type_ids"]  # these models do not use them, and for pairs they are off by one
                r.update(decoded_skip=tok.decode(r["target"], skip_special_tokens=True, clean_up_tokenization_spaces=False))
            rows.append(r)
        ids = {n: getattr(tok, n + "_token_id") for n in ["bos", "eos", "unk", "sep", "pad", "cls", "mask"]}
    return dict(name=name, files={k: base64.b64encode(v).decode() for k, v in files.items()}, rows=rows, named={k: v for k, v in ids.items() if v is not None}, size=len(tok))

def wordpiece_vocab():
    words = sorted({w for line in CORPUS for w in line.lower().split()} - {"xyz"})
    chars = sorted({c for w in words for c in w} | set("abcdefghijklmnopqrstuvwxyz0123456789.,'!()-中文"))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + chars + ["##" + c for c in chars] + words + ["##ing", "##s", "A", "H", "é"]
    return "\n".join(dict.fromkeys(tokens)) + "\n"

def byte_level(specials):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    m = json.loads(t.to_str())["model"]
    return {"vocab.json": json.dumps(m["vocab"], ensure_ascii=False), "merges.txt": "#version: 0.2\n" + "\n".join(" ".join(x) for x in m["merges"]) + "\n"}

def marian():
    source, target = train(vocab_size=80), train(vocab_size=60, rules=RULES)
    vocab = {"</s>": 0, "<unk>": 1}
    for blob in (source, target):
        for p in pb.ModelProto.FromString(blob).pieces:
            if p.type == 1 and p.piece not in ("z", "q", "▁king"): vocab.setdefault(p.piece, len(vocab))
    for t in [">>fra<<", ">>deu<<", "<pad>"]: vocab[t] = len(vocab)
    return {"source.spm": source, "target.spm": target, "vocab.json": json.dumps(vocab, ensure_ascii=False)}

def classes():
    t5 = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False, "special": True}
    yield "bert", {"vocab.txt": wordpiece_vocab()}, {"tokenizer_class": "BertTokenizer"}, TEXTS
    yield "bert cased", {"vocab.txt": wordpiece_vocab()}, {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "tokenize_chinese_chars": False}, TEXTS
    yield "bert accents", {"vocab.txt": wordpiece_vocab()}, {"tokenizer_class": "BertTokenizer", "strip_accents": False, "mask_token": "[HIDE]"}, TEXTS
    yield "roberta", byte_level(["<s>", "<pad>", "</s>", "<unk>"]), {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "mask_token": mask}, TEXTS
    yield "bart", byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]), {"tokenizer_class": "BartTokenizer", "add_prefix_space": False, "mask_token": mask}, TEXTS
    yield "gpt2", byte_level(["<|endoftext|>"]), {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False}, TEXTS
    yield "t5", {"spiece.model": train(**t5)}, {"tokenizer_class": "T5Tokenizer", "extra_ids": 7}, PLAIN[:8] + ["the <extra_id_0> king <extra_id_6>"]
    yield "pegasus", {"spiece.model": train(**t5)}, {"tokenizer_class": "PegasusTokenizer"}, PLAIN[:8] + ["<mask_1>"]
    yield "xlm-roberta", {"sentencepiece.bpe.model": train()}, {"tokenizer_class": "XLMRobertaTokenizer", "mask_token": mask}, PLAIN
    yield "camembert", {"sentencepiece.bpe.model": train()}, {"tokenizer_class": "CamembertTokenizer"}, PLAIN[:8]
    yield "llama", {"tokenizer.model": train(model_type="bpe", byte_fallback=True, vocab_size=360, remove_extra_whitespaces=False)}, {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True, "add_eos_token": False}, PLAIN
    yield "marian", marian(), {"tokenizer_class": "MarianTokenizer", "source_lang": "eng", "target_lang": "fra"}, TEXTS + [">>fra<< the king", ">>xxx<< the king", "a >>fra<< b", ">>fra<<", ">> a"]
    both = marian()
    yield "marian separate", dict(both, **{"target_vocab.json": json.dumps({k: v + (v > 1) * 3 for k, v in json.loads(both["vocab.json"]).items() if not k.startswith(">>")})}), {"tokenizer_class": "MarianTokenizer", "separate_vocabs": True}, PLAIN

def more_classes():
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": True, "special": True}
    words = dict(model_type="bpe", byte_fallback=True, vocab_size=360, remove_extra_whitespaces=False)
    yield "qwen2", byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]), {"tokenizer_class": "Qwen2Tokenizer", "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}, TEXTS + ["<|im_start|>a\n123<|im_end|>"]
    yield "gemma", {"tokenizer.model": train(**words, add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>",
        user_defined_symbols=["<mask>"])}, {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": False}, PLAIN[:8] + ["  two  spaces", "a\n\nb", "中文 😀", "<bos>a<eos>"]
    langs = ["ace_Arab", "deu_Latn", "eng_Latn", "fra_Latn", "zul_Latn"]
    numbered = {str(121 + i): dict(content=t, lstrip=t == "<mask>", normalized=t == "<mask>", rstrip=False, single_word=False, special=True) for i, t in enumerate(langs + ["<mask>"])}
    yield "nllb", {"sentencepiece.bpe.model": train(model_type="bpe", vocab_size=120)}, {"tokenizer_class": "NllbTokenizer", "src_lang": "deu_Latn", "additional_special_tokens": langs, "added_tokens_decoder": numbered, "mask_token": mask}, PLAIN[:8] + ["fra_Latn the king"]
    yield "nllb legacy", {"sentencepiece.bpe.model": train(model_type="bpe", vocab_size=120)}, {"tokenizer_class": "NllbTokenizer", "legacy_behaviour": True, "src_lang": "eng_Latn", "additional_special_tokens": langs, "added_tokens_decoder": numbered, "mask_token": mask}, PLAIN[:8]
    yield "mbart", {"sentencepiece.bpe.model": train(vocab_size=80)}, {"tokenizer_class": "MBartTokenizer", "src_lang": "ro_RO"}, PLAIN[:8] + ["de_DE the king"]
    yield "mbart50", {"sentencepiece.bpe.model": train(vocab_size=80)}, {"tokenizer_class": "MBart50Tokenizer", "src_lang": "gl_ES"}, PLAIN[:8]

# The texts of encoders; tabs, full-width letters and the like stand in the rules of their SentencePiece models.
MORE = ["The KING's (sword), and \"ABC\" ``said'' the 'king'", "4,321 of 1,234, 4,4, and 12, 9,9", "naïve café", "the [MASK] king", "the king[MASK]s", "a-b--c", "[CLS] the king [SEP] [UNK] [PAD] <pad> <unk>", "hello (world)"]

def numbers(m):  # pieces such as "4,", which ALBERT cuts
    for text, score in [("4,", -1), ("▁4,", -1), ("34,", -2), ("▁1,", -1.5), ("12,", -2)]: m.pieces.add(piece=text, score=score, type=1)

def encoder_classes(slow):
    rules = dict(rules=RULES) if slow else {}  # the classes of transformers 5 leave rules and user-defined pieces out, and "4," whole
    deberta = train(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", **rules)
    albert = train(numbers if slow else None, pad_id=0, unk_id=1, bos_id=2, eos_id=3, bos_piece="[CLS]", eos_piece="[SEP]", pad_piece="<pad>", control_symbols=["[MASK]"],
        user_defined_symbols=["(", ")", '"', "-", ".", "–", "£", "€"] if slow else [], vocab_size=100, **rules)
    texts = (TEXTS if slow else PLAIN) + MORE
    yield "deberta", {"spm.model": deberta}, {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": False, "vocab_type": "spm"}, texts
    yield "deberta lower", {"spm.model": deberta}, {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True}, texts
    yield "albert", {"spiece.model": albert}, {"tokenizer_class": "AlbertTokenizer"}, texts
    yield "albert as it is", {"spiece.model": albert}, {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}, texts
    pieces = [p.piece for p in pb.ModelProto.FromString(train(model_type="bpe", vocab_size=120)).pieces[3:]]
    vocab = {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>"] + random.Random(5).sample(pieces, len(pieces) - 6))}
    m2m = {"sentencepiece.bpe.model": train(model_type="bpe", vocab_size=120), "vocab.json": json.dumps(vocab)}
    languages = ["__%s__" % l for l in "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt "
        "lv mg mk ml mn mr ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh zu".split()]
    m2m_texts = TEXTS + ["__de__ the king __zu__", "the __fr__king</s>x"]
    yield "m2m100", m2m, {"tokenizer_class": "M2M100Tokenizer", "src_lang": "de", "tgt_lang": "fr", "additional_special_tokens": languages}, m2m_texts
    yield "m2m100 wmt21", m2m, {"tokenizer_class": "M2M100Tokenizer", "language_codes": "wmt21", "src_lang": "en", "tgt_lang": "is",
        "additional_special_tokens": ["__%s__" % l for l in "en ha is ja cs ru zh de".split()]}, PLAIN
    if slow:
        yield "deberta punctuation", {"spm.model": deberta}, {"tokenizer_class": "DebertaV2Tokenizer", "split_by_punct": True}, texts
        return
    mpnet = wordpiece_vocab().replace("[PAD]\n", "<s>\n<pad>\n</s>\n<unk>\n").replace("[CLS]\n[SEP]\n[MASK]\n", "") + "<mask>\n"
    yield "mpnet", {"vocab.txt": mpnet}, {"tokenizer_class": "MPNetTokenizer", "mask_token": "<mask>"}, TEXTS + MORE
    yield "mpnet cased", {"vocab.txt": mpnet}, {"tokenizer_class": "MPNetTokenizer", "do_lower_case": False, "strip_accents": True}, TEXTS + MORE

def old_classes():
    yield "nllb numbered", {"sentencepiece.bpe.model": train(model_type="bpe", vocab_size=120)}, {"tokenizer_class": "NllbTokenizer", "src_lang": "fra_Latn"}, PLAIN[:8] + ["the<mask> king", "fra_Latn the king zul_Latn"]

random.seed(7)
if sys.argv[1:] == ["classes"]:  # tokenizer/testdata/classes.jsonl.gz, with transformers 5.23 and sentencepiece 0.2.3
    lines = "".join(json.dumps(class_case(*c), ensure_ascii=False) + "\n" for c in more_classes())
    open("tokenizer/testdata/classes.jsonl.gz", "wb").write(gzip.compress(lines.encode(), 9, mtime=0))
    sys.exit()
if sys.argv[1:] in (["encoders"], ["slow"], ["old"]):
    mode = sys.argv[1]
    cases = old_classes() if mode == "old" else encoder_classes(mode == "slow")
    lines = "".join(json.dumps(class_case(*c, slow=mode != "encoders"), ensure_ascii=False) + "\n" for c in cases)
    open(f"tokenizer/testdata/{mode}.jsonl.gz", "wb").write(gzip.compress(lines.encode(), 9, mtime=0))
    sys.exit()
n = int(sys.argv[1]) if len(sys.argv) > 1 else 0
texts = TEXTS + [fill(random.choice(["", " ", "  "])) for _ in range(n)]
cases = [raw_case(name, blob, texts) for name, blob in RAW.items()] + [class_case(*c) for c in classes()]
lines = "".join(json.dumps(c, ensure_ascii=False) + "\n" for c in cases)
open("tokenizer/testdata/files.jsonl.gz", "wb").write(gzip.compress(lines.encode(), 9, mtime=0))
