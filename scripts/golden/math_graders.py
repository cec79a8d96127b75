"""Grades testdata/golden/math again: python math_graders.py METAMATH HENDRYCKS PRM800K < math_equal.jsonl > new.jsonl

The folders are clones of meta-math/MetaMath (fe667b14), hendrycks/math (985bdc16) and openai/prm800k (7ecc7947). Each line
keeps its task, source, prediction, gold and note; extracted and equal are made by MetaMath's graders, equal_hendrycks and
equal_prm800k by the two others, for the same extracted answer. The program that wrote the predictions is lost: those of GSM8K's
test split come from its answers, the others were written by hand. Made with Python 3.11, sympy 1.14.0, pylatexenc 2.11.
"""
import ast
import fractions
import importlib
import json
import os
import re
import sys

metamath, hendrycks, prm800k = sys.argv[1:]
sys.path[:0] = [metamath, os.path.join(hendrycks, "modeling"), os.path.join(prm800k, "prm800k")]


def functions(file, **names):
    """Returns the functions of a file without running its imports, which need GPU libraries. names replaces what they import."""
    tree = ast.parse(open(file).read())
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    exec(compile(tree, file, "exec"), names)
    return names


util = importlib.import_module("util")
asked = []  # the answers that MetaMath's grader compared


class Recorder:
    @staticmethod
    def is_equiv(extracted, gold):
        asked.append(extracted)
        return util.is_equiv(extracted, gold)


gsm8k = functions(os.path.join(metamath, "eval_gsm8k.py"), re=re, Fraction=fractions.Fraction, sys=sys, MAX_INT=sys.maxsize)
math = functions(os.path.join(metamath, "eval_math.py"), util=Recorder, invalid_outputs=[], MAX_INT=sys.maxsize)
is_equiv = importlib.import_module("math_equivalence").is_equiv
grade_answer = importlib.import_module("grading.grader").grade_answer

for line in sys.stdin:
    case = json.loads(line)
    note = case.pop("note")
    if case["task"] == "gsm8k":
        number = gsm8k["extract_answer_number"](case["prediction"])
        case["extracted"] = None if number is None else str(number)
        case["equal"] = number is not None and float(number) == float(case["gold"].replace(",", ""))
    else:
        asked.clear()
        case["equal"] = math["process_results"]("", case["prediction"], case["gold"])
        case["extracted"] = asked[0] if asked else None
        case["equal_hendrycks"] = bool(asked) and is_equiv(asked[0], case["gold"])
        case["equal_prm800k"] = bool(asked) and grade_answer(asked[0], case["gold"])
    case["note"] = note
    print(json.dumps(case, ensure_ascii=False))
