"""Makes tasks/metric/testdata/golden.json: python scripts/golden/metrics.py tasks/metric/testdata/golden.json

Needs sacrebleu, rouge_score, seqeval, scikit-learn, scipy, and squad_metrics.py of transformers 4.46.3 on PYTHONPATH (its
imports of transformers removed). Versions are written into the file.
"""

import importlib.metadata
import json
import random
import sys

import numpy as np
import squad_metrics
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU
from scipy import stats
from seqeval.metrics import classification_report
from seqeval.metrics.sequence_labeling import get_entities
from sklearn import metrics

rng = random.Random(5)

SENTENCES = [
    "The cat sat on the mat.",
    "A cat sat on a mat, didn't it?",
    "It cost $1,234.50 (or 12-13 per cent); see p.5, line 3-4.",
    "He said: &quot;R&amp;D &lt;costs&gt; rose&quot; -- twice...",
    "Größe und Maße: ÄÖÜ, ΟΔΟΣ and İstanbul, 5 K.",
    "the end-\nof-line hyphen\nand <skipped>a tail   ",
    "日本語 の テキスト 、 three tokens.",
    "",
    "a",
    "....",
    "U.S.A. vs. U.K., 3.14.15 and .5 or 5.",
    "tab\tand\u00a0no-break, x_y=z[0]{1}~`^",
]


def noisy(s):
    words = s.split(" ")
    for _ in range(rng.randrange(3)):
        i = rng.randrange(len(words) + 1)
        words[i : i + rng.randrange(2)] = rng.choice([[], ["the"], ["cat,"], ["5.0"], ["An"]])
    return " ".join(words)


def bleu():
    out = []
    corpora = [([noisy(s) for s in SENTENCES for _ in range(2)], [s for s in SENTENCES for _ in range(2)])]
    corpora += [([noisy(s)], [s]) for s in SENTENCES]
    corpora += [(["the cat sat"], ["the cat sat on the mat"]), (["a b c d e f"], ["a x c y e z"]), (["", ""], ["a", "b"]), (["", ""], ["", ""]), (["x y z w v"], ["x y z w v"]), (["in a, b. c.d"], ["in a , b . c . d"])]
    for hyp, ref in corpora:
        metric = BLEU()
        s = metric.corpus_score(hyp, [ref])
        out.append({"hypotheses": hyp, "references": ref, "bleu": s.score, "precisions": s.precisions, "bp": s.bp, "lengths": [s.sys_len, s.ref_len]})
    signature = str(metric.get_signature())
    return {"signature": signature, "cases": out}


def rouge():
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    hyp = [noisy(s) for s in SENTENCES for _ in range(3)]
    ref = [s for s in SENTENCES for _ in range(3)]
    return [{"hypothesis": h, "reference": r, "f": scorer.score(r, h)["rougeL"].fmeasure} for h, r in zip(hyp, ref)]


ANSWERS = ["the Eiffel Tower", "Eiffel tower!", "an apple a day", "A", "", "the", "in 1,234 B.C.", "in 1234 BC", "Les Misérables", "–the–end",
           "aé the", "ΟΔΟΣ a ΟΔΟΣ", "naïve\u00a0the thing", "apple apple pie", "apple pie pie", "İstanbul an", "x\u0301a a", "$5 million", "a_b c", "é"]


def squad():
    out = []
    for p in ANSWERS:
        for gold in [[g] for g in ANSWERS] + [[], ["the", "an apple"], rng.sample(ANSWERS, 3)]:
            kept = [g for g in gold if squad_metrics.normalize_answer(g)] or [""]
            exact = max(squad_metrics.compute_exact(g, p) for g in kept)
            f1 = max(squad_metrics.compute_f1(g, p) for g in kept)
            out.append({"predicted": p, "gold": gold, "exact": exact, "f1": f1})
    return out


def tags(n, letters):
    return [t if t == "O" else t + "-" + rng.choice(["PER", "ORG", "A-B"]) for t in (rng.choice(letters) for _ in range(n))]


def entities():
    out = []
    for letters in ("BIO", "IO", "IIIBO", "BIESO", "BIIIIO"):
        gold = [tags(rng.randrange(1, 12), letters) for _ in range(6)]
        pred = [[t if rng.random() < 0.7 else tags(1, letters)[0] for t in g] for g in gold]
        r = classification_report(gold, pred, output_dict=True, zero_division=0)
        out.append({
            "gold": gold, "predicted": pred, "spans": [[[t, a, b + 1] for t, a, b in get_entities(g)] for g in gold],
            "types": {k: [float(v["precision"]), float(v["recall"]), float(v["f1-score"]), int(v["support"])] for k, v in r.items() if " avg" not in k},
            "micro": [float(r["micro avg"][k]) for k in ("precision", "recall", "f1-score")], "macro_f1": float(r["macro avg"]["f1-score"]),
        })
    return out


def classes():
    out = []
    for n, k in ((1, 1), (20, 3), (50, 5), (7, 7)):
        gold = [rng.randrange(k) for _ in range(n)]
        pred = [g if rng.random() < 0.6 else rng.randrange(k + 1) for g in gold]
        out.append({
            "gold": gold, "predicted": pred, "labels": sorted({*gold, *pred}), "confusion": metrics.confusion_matrix(gold, pred).tolist(),
            "accuracy": metrics.accuracy_score(gold, pred), "macro_f1": metrics.f1_score(gold, pred, average="macro", zero_division=0),
            "weighted_f1": metrics.f1_score(gold, pred, average="weighted", zero_division=0),
        })
    return out


def labels():
    out = []
    for n, k in ((1, 2), (12, 4), (5, 1)):
        gold = np.array([[rng.random() < 0.4 for _ in range(k)] for _ in range(n)])
        pred = np.array([[g if rng.random() < 0.7 else not g for g in row] for row in gold])
        if k == 4:
            gold[:, 3] = pred[:, 3] = False
        f = lambda average: float(metrics.f1_score(gold, pred, average=average, zero_division=0)) if k > 1 else float(metrics.f1_score(gold[:, 0], pred[:, 0], zero_division=0))
        out.append({"gold": gold.tolist(), "predicted": pred.tolist(), "micro_f1": f("micro"), "macro_f1": f("macro"), "exact": float(metrics.accuracy_score(gold, pred))})
    return out


def regression():
    out = []
    for n, digits in ((2, 3), (10, 1), (30, 0), (25, 6)):
        gold = [round(rng.uniform(0, 5), digits) for _ in range(n)]
        pred = [round(g + rng.gauss(0, 1), digits) for g in gold]
        out.append({"gold": gold, "predicted": pred, "pearson": float(stats.pearsonr(pred, gold)[0]), "spearman": float(stats.spearmanr(pred, gold)[0]), "mse": float(metrics.mean_squared_error(gold, pred))})
    return out


def main(path):
    versions = {p: importlib.metadata.version(p) for p in ("sacrebleu", "rouge_score", "seqeval", "scikit-learn", "scipy")}
    versions["transformers"] = "4.46.3"
    golden = {"made_by": versions, "bleu": bleu(), "rouge": rouge(), "squad": squad(), "entities": entities(), "classes": classes(), "labels": labels(), "regression": regression()}
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, ensure_ascii=False) for k, v in golden.items()) + "\n}\n")


main(sys.argv[1])
