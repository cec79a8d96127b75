"""Encodes and decodes the texts of testdata/golden/tokenizers/*/golden.jsonl again, and writes these files.

    python scripts/golden/tokenizer_texts.py [FOLDER]    (from the repository's folder; tokenizers 0.23.3, sentencepiece 0.2.3; nothing is random)

The tokenizers (tokenizer.json or spiece.model) and the texts are kept; testdata/golden/tokenizers/SOURCE.md names their sources. To
add a text, add a line {"text": …}. FOLDER is testdata/golden, or another folder with the same layout. A line has ids (no special
tokens), ids_special, tokens, offsets (characters), type_ids, decoded (of ids) and decoded_skip (of ids_special, special tokens
skipped); a SentencePiece model has no special tokens, offsets and type ids. In splits/ the first line is a regular expression, and
the others are texts and the parts that it splits them into.
"""
import gzip
import json
import pathlib
import sys

import sentencepiece
from tokenizers import Regex, Tokenizer, pre_tokenizers


def read(path):
    """Returns the content of a file, or of the file with the suffix .gz."""
    if path.exists():
        return path.read_bytes()
    return gzip.decompress(path.with_name(path.name + ".gz").read_bytes())


def write(path, content):
    packed = path.with_name(path.name + ".gz")
    if packed.exists():
        packed.write_bytes(gzip.compress(content, 9, mtime=0))
    else:
        path.write_bytes(content)


def by_tokenizers(raw):
    t = Tokenizer.from_str(raw.decode())
    t.no_truncation()
    t.no_padding()

    def row(text, _):
        plain, special = t.encode(text, add_special_tokens=False), t.encode(text)
        return dict(text=text, ids=plain.ids, ids_special=special.ids, tokens=plain.tokens, offsets=plain.offsets, type_ids=special.type_ids,
                    decoded=t.decode(plain.ids, skip_special_tokens=False), decoded_skip=t.decode(special.ids))
    return row


def by_sentencepiece(raw):
    s = sentencepiece.SentencePieceProcessor(model_proto=raw)

    def row(text, old):
        ids = s.encode(text)
        out = dict(text=text, ids=ids, ids_special=ids, decoded=s.decode(ids), decoded_skip=s.decode(ids))
        if "tokens" in old or len(old) == 1:  # spm_bpe_llama has the same ones as spm_bpe, so they are not stored
            out = dict(text=text, ids=ids, ids_special=ids, tokens=s.encode(text, out_type=str), decoded=s.decode(ids), decoded_skip=s.decode(ids))
        return out
    return row


def lines(rows):
    return "".join(json.dumps(r) + "\n" for r in rows).encode()


def splits(path):
    pattern, *rows = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    rows = [dict(text=r["text"], parts=[part for part, _ in split.pre_tokenize_str(r["text"])]) for r in rows]
    path.write_bytes(lines([pattern] + rows))


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/golden") / "tokenizers"
    for path in sorted((root / "splits").glob("*.jsonl")):
        splits(path)
    for folder in sorted({p.parent for p in root.glob("*/golden.jsonl*")}):
        if list(folder.glob("tokenizer.json*")):
            row = by_tokenizers(read(folder / "tokenizer.json"))
        else:
            row = by_sentencepiece(read(folder / "spiece.model"))
        old = [json.loads(line) for line in read(folder / "golden.jsonl").decode().split("\n")[:-1]]
        write(folder / "golden.jsonl", lines(row(r["text"], r) for r in old))


if __name__ == "__main__":
    main()
