"""Writes internal/oniguruma/testdata/matches.json: the matches of regular expressions in some texts, with tokenizers 0.23.3 (which uses Oniguruma).

    python scripts/golden/oniguruma_matches.py    (from the repository's folder; nothing is random)

Each entry is a pattern and its matches in each of the texts, without empty ones; null means that Oniguruma rejects the pattern.
"""
import json
import pathlib

from tokenizers import Regex, pre_tokenizers as P

TEXTS = [
    "Hello, World! I'll go", "naïve café ÀÉÎ ß ſ İ \u212a", "a1b22c333 ٣٤ ² ½", "x_y-z.d\te\r\nf\n\n g", "中文 テスト 한국어", "aaa aab abab baa",
    "[a]{2} (b) \\ # ^$ &&", "😀👨‍👩‍👧 e\u0301\u0323", "Ⅳ ⅳ ㎏ ﬁ", "kK sS \u017f", "", "\u0000\u007f\u00ad\u200b\u2028\u3000",
]
PATTERNS = [
    # classes and properties
    r"\w+", r"\W+", r"\d+", r"\D+", r"\s+", r"\S+", r"\h+", r"[\w-]+", r"[^\w\s]+", r"\p{L}+", r"\p{Letter}", r"\P{L}+", r"\p{^L}+", r"\p{Lu}\p{Ll}*", r"\p{N}{1,3}", r"\p{Nd}", r"\p{Han}+",
    r"\p{Hiragana}|\p{Katakana}+", r"\p{Hangul}+", r"\p{Latin}+", r"\p{Greek}", r"\p{Alpha}+", r"\p{alnum}+", r"\p{Punct}+", r"\p{Space}", r"\p{Word}+", r"\p{XDigit}+", r"\p{Uppercase Letter}", r"\p{uppercase_letter}", r"\p{M}",
    r"[[:alpha:]]+", r"[[:digit:]]+", r"[[:upper:]]", r"[[:lower:]]+", r"[[:punct:]]+", r"[[:space:]]+", r"[[:alnum:]_]+", r"[[:xdigit:]]+", r"[[:word:]]+", r"[[:blank:]]", r"[[:cntrl:]]", r"[^[:space:]]+",
    # sets
    "[abc]+", "[^abc]+", "[a-c]+", r"[\]a]", r"[]a]", r"[a\-z]", "[a-]", "[-a]", "[[ab]c]+", "[a[b-c]]+", r"[\p{L}\p{N}]+", r"[^\r\n\p{L}\p{N}]", r"[\x41-\x5A]", r"[\u0041-\u005a]", r"[一-龥\u3040-ゟ゠-ヿ]+", r"[\t\n]", r"[#^$.|()]", r"[\\]",
    # escapes
    r"\x41", r"\x{48}", r"\u00e9", r"\x{1F600}", r"\.", r"\[a\]", r"\{2\}", r"\#", r"\-", r"\t", r"\R", r"\bH", r"\Ba", r"\AHello", r"go\z", r"g\Z", r"\\",
    # quantifiers
    "a*b", "a+?", "a??b", "a{2}", "a{2,}", "a{,2}b", "a{1,2}?", "a++b", "a*+a", "a?+a", "a{2}+", r"\w{2,3}+", "(ab)+", "(?:ab){2}", "a{", "a{x}", "{2}", "x{,}",
    # groups and settings
    "(?i)hello", "(?i:k)", "(?i:s)", "(?i:[j-t]+)", "[\\p{Word}]+", r"[\w]+", "(?i)K|S", "(?i:'s|'t|'ll)", "(?-i:H)", "(?i)(?-i:h)ello", "(?m:l.*)", "(?x: a b )", "(?#comment)a", "(?<name>a)b", "(?'name'a)b", "(?>a+)b", r"(a)\1", r"(?<x>a)\k<x>",
    "a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", r"\s+(?!\S)", "^.", ".$", "^", "a|b", "(a|b)c|d", "(?:)",
    # words as language models split them
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    # syntax that only Oniguruma supports, or neither of the two
    "[a&&b]", "[[^a]b]", r"\p{Nonsense}", "(?~a)", r"\X", r"\K", "(a", "a)", "[a", "*a", r"\p{L", "(?z)", "a\\", r"\x{110000}",
]


def matches(pattern):
    try:
        split = P.Split(Regex(pattern), "removed", invert=True)
    except Exception:
        return None
    return [[part for part, _ in split.pre_tokenize_str(text)] for text in TEXTS]


def main():
    path = pathlib.Path("internal/oniguruma/testdata/matches.json")
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps({"pattern": p, "matches": matches(p)}, ensure_ascii=False) for p in PATTERNS)
    path.write_text('{"texts": ' + json.dumps(TEXTS) + ',\n"cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
