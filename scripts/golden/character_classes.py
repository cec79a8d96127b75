"""Writes internal/charclass/testdata/classes.json: the classes of every character in tokenizers 0.23.3.

    python scripts/golden/character_classes.py    (from the repository's folder; nothing is random)

Each class is a list of ranges: first and last characters alternate. internal/charclass/tables.go lists the differences from Go's
package unicode; its tables were made from such a file.
"""
import json
import pathlib

from tokenizers import Regex, normalizers as N, pre_tokenizers as P


def ranges(holds):
    out, inside = [], False
    for c in range(0x110001):
        now = c < 0x110000 and not 0xD800 <= c < 0xE000 and holds(chr(c))
        if now != inside:
            out.append(c if now else c - 1)
        inside = now
    return out


def gone(pre_tokenizer):
    return lambda c: len(pre_tokenizer.pre_tokenize_str(c)) == 0


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return N.BertNormalizer(**{**off, **on})


def main():
    regex = lambda r: gone(P.Split(Regex(r), "removed"))
    clean, accents, chinese = bert(clean_text=True), bert(strip_accents=True), bert(handle_chinese_chars=True)
    marks, nfkd, digits, words = N.StripAccents(), N.NFKD(), P.Digits(True), P.Whitespace()
    classes = {
        "Letter": regex(r"\p{L}"),
        "Number": regex(r"\p{N}"),
        "Digit": lambda c: len(digits.pre_tokenize_str("a" + c)) == 2,
        "Word": lambda c: [len(word) for word, _ in words.pre_tokenize_str("a" + c)] == [2],
        "Punctuation": gone(P.Punctuation("removed")),
        "Nonspacing": lambda c: accents.normalize_str(c) == "",
        "Mark": lambda c: marks.normalize_str(c) == "",
        "Control": lambda c: clean.normalize_str(c) == "",
        "Chinese": lambda c: chinese.normalize_str(c) != c,
        "Decomposed": lambda c: nfkd.normalize_str(c) != c,
        "NoScript": gone(P.UnicodeScripts()),
    }
    path = pathlib.Path("internal/charclass/testdata/classes.json")
    path.parent.mkdir(exist_ok=True)
    lines = (f" {json.dumps(name)}: {json.dumps(ranges(holds), separators=(',', ':'))}" for name, holds in classes.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
