"""Renders the conversations of testdata/golden/chat/cases.json again, with transformers, and writes the file.

    python scripts/golden/chat.py [FOLDER]    (from the repository's folder; transformers 5.23.0, Jinja2 3.1.6; nothing is random)

The templates and the conversations in the file are kept. To add a case, write it there without "ok" and "out". FOLDER is
testdata/golden, or another folder with the same layout. In a case, gp is add_generation_prompt; bos_token is <s> and eos_token </s>.
ok is false if the template raises an error; out is then the first 100 characters of the error, otherwise the rendered text.
"""
import json
import pathlib
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template


def render(template, case):
    try:
        out = _compile_jinja_template(template).render(messages=case["conv"], tools=case["tools"], documents=None,
                                                      add_generation_prompt=case["gp"], bos_token="<s>", eos_token="</s>")
        return {"ok": True, "out": out}
    except Exception as e:
        return {"ok": False, "out": str(e)[:100]}


def main():
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/golden") / "chat" / "cases.json"
    file = json.loads(path.read_text())
    for case in file["cases"]:
        case.update(render(file["templates"][case["template"]], case))
    path.write_text(json.dumps(file, indent=0, ensure_ascii=False))


if __name__ == "__main__":
    main()
