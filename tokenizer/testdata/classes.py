"""Asks tokenizers 0.23.3 about every character, for tables.go: which ones each part treats as
letters, marks and so on, as ranges in JSON. tables.go has where these differ from Go's package unicode.

    python classes.py > classes.json
"""
import json
from tokenizers import Regex, normalizers as N, pre_tokenizers as P

def ranges(holds):
    out, start = [], None
    for c in range(0x110001):
        v = c < 0x110000 and not 0xD800 <= c < 0xE000 and holds(chr(c))
        if v and start is None: start = c
        if not v and start is not None: out.append([start, c - 1]); start = None
    return out

gone = lambda p: lambda c: len(p.pre_tokenize_str(c)) == 0
regex = lambda r: gone(P.Split(Regex(r), "removed"))
bert = lambda **kw: N.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **kw})
clean, accents, marks, nfkd = bert(clean_text=True), bert(strip_accents=True), N.StripAccents(), N.NFKD()
digits, words = P.Digits(True), P.Whitespace()
json.dump({
    "newLetters": ranges(regex(r"\p{L}")), "newNumbers": ranges(regex(r"\p{N}")),
    "newestNumbers": ranges(lambda c: len(digits.pre_tokenize_str("a" + c)) == 2),
    "newWord": ranges(lambda c: [len(x[0]) for x in words.pre_tokenize_str("a" + c)] == [2]),
    "Punctuation": ranges(gone(P.Punctuation("removed"))), "Nonspacing": ranges(lambda c: accents.normalize_str(c) == ""),
    "Mark": ranges(lambda c: marks.normalize_str(c) == ""), "Control": ranges(lambda c: clean.normalize_str(c) == ""),
    "Decomposed": ranges(lambda c: nfkd.normalize_str(c) != c), "notYetScript": ranges(gone(P.UnicodeScripts())),
}, open("/dev/stdout", "w"))
