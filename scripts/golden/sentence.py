"""Writes testdata/golden/sentence/cases.json: vectors of sentence-transformers, with prompts that the pooling keeps or leaves out.

    python scripts/golden/sentence.py    (from the repository's folder; sentence-transformers 6.2.0, transformers 5.23.0; nothing is random)

The model is testdata/golden/models/bert-mlm, with a small vocabulary. A case has the other files of its folder, prompt_name, the texts, and their vectors, which have
length 1.
"""
import json
import pathlib
import shutil
import tempfile

from sentence_transformers import SentenceTransformer

BASE = pathlib.Path("testdata/golden/models/bert-mlm")
VOCAB = "[PAD] [UNK] [CLS] [SEP] [MASK] the good bad film query : passage a king of rome s ##s ##ing speak , . represent this sentence for search".split()
TEXTS = ["film", "the king of rome", "speaking, kings.", "a good film, a bad film", "the the the the the the the the the the"]
PROMPTS = {"query": "query: ", "passage": "passage : the ", "long": "represent this sentence for the search of a good king , a bad film : ", "none": ""}
MODULES = [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
           for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling")])]


def folder_files(mode, include, default=None, length=64):
    pooling = {"word_embedding_dimension": 24, "include_prompt": include}
    pooling |= {f"pooling_mode_{m}": m == mode for m in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")}
    return {"modules.json": MODULES, "1_Pooling/config.json": pooling, "sentence_bert_config.json": {"max_seq_length": length, "do_lower_case": False},
            "config_sentence_transformers.json": {"prompts": PROMPTS, "default_prompt_name": default, "similarity_fn_name": "cosine"},
            "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True}}


def case(name, files):
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        for f in ("config.json", "model.safetensors"):
            shutil.copy(BASE / f, d / f)
        (d / "vocab.txt").write_text("\n".join(VOCAB) + "\n")
        for f, content in files.items():
            (d / f).parent.mkdir(exist_ok=True)
            (d / f).write_text(json.dumps(content))
        model = SentenceTransformer(str(d), device="cpu")
        vectors = model.encode(TEXTS, prompt_name=name or None, normalize_embeddings=True)
    return {"prompt_name": name, "files": {f: json.dumps(c) for f, c in files.items()}, "texts": TEXTS, "vectors": [[float(x) for x in v] for v in vectors]}


def main():
    cases = [case(name, folder_files(mode, include)) for mode in ("mean_tokens", "cls_token", "lasttoken") for include in (True, False)
             for name in ("", "query", "passage", "long", "none")]
    cases.append(case("", folder_files("mean_tokens", False, "query")))
    cases.append(case("long", folder_files("mean_tokens", False, length=12)))
    out = {"vocab": VOCAB, "cases": cases}
    pathlib.Path("testdata/golden/sentence/cases.json").write_text(json.dumps(out, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
