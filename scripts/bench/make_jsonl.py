#!/usr/bin/env python3
"""Writes conversations as JSON Lines, for measurements of data that are larger than memory.

    make_jsonl.py GIGABYTES FILE [CORPUS]

The text is that of CORPUS (evaldata/tinyshakespeare/input.txt by default), cut at random words: each record has one to three
turns of a user, 5 to 80 words, and as many of an assistant, 20 to 300 words. The seed is fixed. Every thousandth record is one that was
there before.
"""
import json
import pathlib
import random
import sys


def main() -> None:
    gigabytes, out = float(sys.argv[1]), sys.argv[2]
    corpus = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(__file__).parents[2] / "evaldata/tinyshakespeare/input.txt"
    words = corpus.read_text(encoding="utf-8").split(" ")
    rng = random.Random(18)
    kept = []

    def piece(least: int, most: int) -> str:
        n = rng.randint(least, most)
        start = rng.randrange(len(words) - n)
        return " ".join(words[start:start + n])

    left, n = int(gigabytes * 1e9), 0
    with open(out, "w", encoding="utf-8") as f:
        while left > 0:
            n += 1
            if n % 1000 == 0:
                line = rng.choice(kept)
            else:
                turns = []
                for _ in range(rng.randint(1, 3)):
                    turns += [{"role": "user", "content": piece(5, 80)}, {"role": "assistant", "content": piece(20, 300)}]
                line = json.dumps({"id": n, "conversations": turns}, ensure_ascii=False) + "\n"
                if len(kept) < 1000:
                    kept.append(line)
            f.write(line)
            left -= len(line.encode())
    print(f"{n} records", file=sys.stderr)


main()
