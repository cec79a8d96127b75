"""Makes tasks/metric/testdata/scores.json: python scripts/golden/scores.py tasks/metric/testdata/scores.json (seed 15)

Needs rouge_score 0.1.2, seqeval 1.2.2 and lm-eval 0.4.13 (its filters and its tasks' YAML; no model). Versions are written into the file.
"""

import importlib.metadata
import json
import random
import sys
from pathlib import Path

import lm_eval
import yaml
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks.hendrycks_math.utils import last_boxed_only_string, remove_boxed
from rouge_score import rouge_scorer
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU

rng = random.Random(15)
WORDS = "the cat sat on a mat and dogs ran 12 miles in May über e-mail".split()


def text():
    lines = [" ".join(rng.choices(WORDS, k=rng.randint(0, 9))) + rng.choice([".", "!", ""]) for _ in range(rng.randint(1, 4))]
    return "\n".join(lines)


def rouge():
    kinds = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = rouge_scorer.RougeScorer(kinds, use_stemmer=False)
    out = []
    for _ in range(150):
        h, r = text(), text()
        scores = scorer.score(r, h)
        out.append({"hypothesis": h, "reference": r, **{k: scores[k].fmeasure for k in kinds}})
    return out


LETTERS = {"BILOU": dict(B="B", I="I", E="L", S="U"), "BMES": dict(B="B", I="M", E="E", S="S")}


def rename(tags, scheme):
    return [t if t == "O" else LETTERS[scheme][t[0]] + t[1:] for t in tags]


def well_formed():
    tags = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.choice(["PER", "LOC"])
        n = rng.randint(0, 4)
        tags += ["O"] if n == 0 else ["S-" + kind] if n == 1 else ["B-" + kind] + ["I-" + kind] * (n - 2) + ["E-" + kind]
    return tags


def any_tags(n):
    return [rng.choice(["O", "B-PER", "I-PER", "E-PER", "S-PER", "I-LOC", "E-LOC", "B-LOC"]) for _ in range(n)]


def entities():
    """The default mode reads IOBES only: it gives the entities, and the letters are renamed. The strict mode reads BILOU itself."""
    out = []
    for i in range(120):
        gold = well_formed()
        predicted = well_formed()[:len(gold)] if i % 3 == 0 else any_tags(len(gold))
        predicted += ["O"] * (len(gold) - len(predicted))
        case = {"f1": f1_score([gold], [predicted]), "spans": [[t, a, b + 1] for t, a, b in get_entities(predicted)]}
        for scheme in LETTERS:
            out.append({"scheme": scheme, "gold": rename(gold, scheme), "predicted": rename(predicted, scheme), **case})
    return out


def strict():
    """Well-formed tags, in the strict mode: entities are found, missed or invented, whole."""
    out = []
    for _ in range(60):
        gold, predicted = [], []
        while len(gold) < 12:
            tags = well_formed()
            gold += tags if rng.random() < 0.8 else ["O"] * len(tags)
            predicted += tags if rng.random() < 0.7 else ["O"] * len(tags)
        gold, predicted = rename(gold, "BILOU"), rename(predicted, "BILOU")
        out.append({"gold": gold, "predicted": predicted, "f1": f1_score([gold], [predicted], mode="strict", scheme=BILOU)})
    return out


PIECES = ["#### ", "####", "18", "-18", "$18", "-$18", "1,018", "18.", "18.00", " so ", "\n", "is", "$", ".", ",", "..", "-", "Answer: ", "5", "20-2=18", "%", "#### 18", "#### 1,018.", " ", "7."]


def gsm8k():
    task = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks/gsm8k/gsm8k.yaml").read_text())
    how = task["metric_list"][0]
    filters = {f["name"]: f["filter"][0] for f in task["filter_list"]}
    out = []
    for _ in range(400):
        got, gold = "".join(rng.choices(PIECES, k=rng.randint(0, 6))), rng.choice(["18", "-18", "1018", "5", "7"])
        case = {"got": got, "gold": gold}
        for name, f in filters.items():
            regex = RegexFilter(f["regex_pattern"], group_select=f.get("group_select", 0))
            answer = regex.apply([[got]], [{}])[0][0]
            reference = "so it is\n#### " + (gold if gold != "1018" else "1,018")
            case[name] = bool(exact_match_hf_evaluate([answer], [reference], regexes_to_ignore=how["regexes_to_ignore"], ignore_case=how["ignore_case"])["exact_match"])
        out.append(case)
    return out


BOXES = ["$\\boxed{5}$", "$\\boxed 5$", "\\boxed{\\frac{1}{2}}", "\\fbox{7}", " so ", "\\boxed{4", "}", "x", "$\\boxed 12$ "]


def boxes():
    """lm-evaluation-harness takes a box without braces before any other; such texts are left out."""
    out = []
    while len(out) < 60:
        text = "".join(rng.choices(BOXES, k=rng.randint(1, 4)))
        if "\\boxed " in text and text.rfind("\\boxed ") != text.rfind("\\boxed"):
            continue
        last = last_boxed_only_string(text)
        out.append({"text": text, "content": None if last is None else remove_boxed(last) if "fbox" not in last else last[6:-1]})
    return out


def main(path):
    versions = {p: importlib.metadata.version(p) for p in ("rouge_score", "seqeval", "lm_eval")}
    golden = {"made_by": versions, "rouge": rouge(), "entities": entities(), "strict": strict(), "gsm8k": gsm8k(), "boxes": boxes()}
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, ensure_ascii=False) for k, v in golden.items()) + "\n}\n")


main(sys.argv[1])
