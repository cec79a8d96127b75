"""Writes testdata/golden/parquet: the same rows in Parquet files of every codec and layout, and as JSON.

    python scripts/golden/parquet_files.py    (from the repository's folder; pyarrow 26.0.1; nothing is random)

The rows have nested messages with nulls and empty lists, numbers, classes and lists of classes. The footer's key huggingface
has the features, as the library datasets writes them: rows.json has the classes' names.
"""
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path("testdata/golden/parquet")
NAMES, TAGS = ["bad", "good"], ["O", "B-PER"]


def row(i):
    calls = [{"name": "f", "arguments": json.dumps({"a": i})}] if i % 3 == 0 else []
    messages = [{"role": "user", "content": f"q{i} é", "tool_calls": None},
                {"role": "assistant", "content": None if i % 7 == 0 else f"a{i}", "tool_calls": calls}]
    return {"id": i, "messages": None if i % 9 == 0 else [] if i % 11 == 0 else messages, "label": i % 3 - 1, "score": i / 3 if i % 5 else None,
            "yes": bool(i % 2), "tags": [0, 1, 0][:i % 4], "nested": {"a": {"b": [i, None]}}, "text": ["aa", "bb", "cc"][i % 3]}


call = pa.struct([("name", pa.string()), ("arguments", pa.string())])
message = pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.list_(call))])
value = lambda dtype: {"dtype": dtype, "_type": "Value"}
features = {"id": value("int64"), "label": {"names": NAMES, "_type": "ClassLabel"}, "tags": {"feature": {"names": TAGS, "_type": "ClassLabel"}, "_type": "List"},
            "messages": [{"role": value("string"), "content": value("string"), "tool_calls": [{"name": value("string"), "arguments": value("string")}]}]}
schema = pa.schema([("id", pa.int64()), ("messages", pa.list_(message)), ("label", pa.int64()), ("score", pa.float64()), ("yes", pa.bool_()),
                    ("tags", pa.list_(pa.int64())), ("nested", pa.struct([("a", pa.struct([("b", pa.list_(pa.int32()))]))])), ("text", pa.string())],
                   metadata={"huggingface": json.dumps({"info": {"features": features}})})

OUT.mkdir(parents=True, exist_ok=True)
rows = [row(i) for i in range(40)]
table = pa.Table.from_pylist(rows, schema)
for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(table, OUT / f"{codec}.parquet", compression=codec)
pq.write_table(table, OUT / "pages-v2.parquet", data_page_version="2.0", version="2.6")
pq.write_table(table, OUT / "plain.parquet", use_dictionary=False)
pq.write_table(table, OUT / "old-lists.parquet", use_compliant_nested_type=False)
pq.write_table(table, OUT / "row-groups.parquet", row_group_size=7)
back = pq.read_table(OUT / "snappy.parquet").to_pylist()
for r in back:
    r["label"] = NAMES[r["label"]] if r["label"] >= 0 else None
    r["tags"] = [TAGS[t] for t in r["tags"]]
(OUT / "rows.json").write_text(json.dumps(back, ensure_ascii=False, indent=0) + "\n")

(OUT / "without-rows").mkdir(exist_ok=True)
none = pa.table({"text": pa.array([], pa.string())})
with pq.ParquetWriter(OUT / "without-rows" / "group.parquet", none.schema) as w:
    w.write_table(none)
with pq.ParquetWriter(OUT / "without-rows" / "nothing.parquet", none.schema):
    pass
