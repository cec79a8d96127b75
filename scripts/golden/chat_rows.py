"""Writes conversations as tokens, with what the assistant says of them, as transformers makes them: testdata/golden/chat/rows.json.

    python scripts/golden/chat_rows.py OUT [FOLDER] [SEED]    (from the repository's folder; transformers 5.24, tokenizers 0.23.3; seed 1)

The templates are the built-in ones (tokenizer/chat/builtin) and those below, or all files *.jinja of FOLDER: published ones, which are not
committed (docs/reports.md says which were tried, and with what outcome). Each is rendered with 25 random conversations and one of the
tokenizers of testdata/golden/tokenizers. A row has

    ids, mask    of apply_chat_template, the mask as ranges of tokens. Where a template has no generation tags, the mask is by prefix: from the
                 end of the rendering of the messages before the answer, with the generation prompt, to the end of that with the answer. null: a
                 prefix does not hold, since the template renders a turn otherwise once others follow it, or the prompt is always there, or
                 the text repeats it.
    differs      why this project's rows are others on purpose (docs/decisions/0023): "form" (the template does not take the messages as they are)
                 or "dropped" (it shows nothing of a turn, which is refused). null: they must be equal
    error        what the template says where it refuses the conversation
"""
import datetime
import glob
import json
import os
import random
import re
import sys

from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils as T

TOKENIZERS = ["llama2_metaspace", "qwen2", "unigram_t5", "llama3"]
BOS, EOS = "<s>", "</s>"
NO_TWINS = {"trl/diffusion_gemma", "trl/llava_next",  # their twins leave the token out that ends a call, and the blank that ends a turn
            "trl/deepseek_r1_distill", "trl/deepseekv3"}  # theirs count the prompt
TAGGED = """{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' -%}{%- generation -%}{{ (m.content or '') + (m.tool_calls | tojson if m.tool_calls else '') + '<|im_end|>' }}{%- endgeneration -%}{{ '\\n' }}
{%- else -%}{{ m.content + '<|im_end|>\\n' }}{%- endif -%}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n<think>\\n' }}{%- endif -%}"""
THINKS = """{%- set ns = namespace(last=0) -%}
{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- for m in messages -%}
{{ '[' + m.role + ']' }}
{%- if m.role == 'assistant' and loop.index0 > ns.last -%}{{ '<think>' + (m.reasoning_content or '') + '</think>' }}{%- endif -%}
{{ m.content or '' }}{%- for c in m.tool_calls or [] -%}{{ c.function.name + (c.function.arguments | tojson) }}{%- endfor -%}{{ eos_token }}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '[assistant]<think>' }}{%- endif -%}"""
WORDS = "the sea cat hill legs And where over there friend wings None four x != y 1,234.5 'quoted' don't naïve 東京 😀 café {} <b> & a_b C++ http://x.y/z".split()
TOOLS = [{"type": "function", "function": {"name": name, "description": text, "parameters": {"type": "object", "properties": of, "required": list(of)[:1]}}} for name, text, of in [
    ("get_weather", "Weather of a city", {"city": {"type": "string", "description": "a city"}, "days": {"type": "integer", "description": "how many"}}),
    ("search", "Searches <things> & more", {"q": {"type": "string", "description": "query"}}),
    ("add", "adds numbers", {"a": {"type": "number", "description": "a"}, "b": {"type": "number", "description": "b"}})]]
KINDS = ["plain", "multi", "system multi", "system", "parts multi", "system parts", "reason", "reason multi", "reason system multi", "inline", "inline multi", "tools",
         "tools first", "tools several", "tools several first", "tools row", "tools row several", "tools multi", "tools multi everytool", "tools reason",
         "tools reason row", "tools reason multi everytool", "system tools several row", "empty", "multi tools first reason"]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 7, 4, 17, 6, 9)


def text(r, n=None):
    s, k = " ".join(r.choice(WORDS) for _ in range(n or r.randint(1, 9))), r.random()
    return " " + s if k < .1 else s + " " if k < .2 else s + "\n\n" + r.choice(WORDS) if k < .3 else "\n" + s if k < .33 else s


def call(r, i):
    name = r.choice(["get_weather", "search", "add"])
    arguments = {"get_weather": {"city": r.choice(["Zürich", "Rome", "東京"]), "days": r.randint(1, 9)}, "search": {"q": text(r, 3)},
                 "add": {"a": r.randint(0, 9), "b": round(r.random() * 9, 2)}}[name]
    return {"id": f"call{i:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(r, kind):
    m = {"role": "assistant"}
    if "reason" in kind:
        m[r.choice(["reasoning_content", "thinking", "reasoning"])] = text(r)
    m["content"] = ("<think>\n" + text(r) + "\n</think>\n\n" + text(r) if "inline" in kind else None if "null" in kind else "" if "empty" in kind
                    else [{"type": "text", "text": text(r)}] if "parts" in kind else text(r))
    return m


def conversation(r, kind):
    out, n, turns = [], 0, r.randint(2, 3) if "multi" in kind else 1
    if "system" in kind:
        out.append({"role": "system", "content": text(r)})
    for t in range(turns):
        asked, last = text(r), t == turns - 1
        out.append({"role": "user", "content": [{"type": "text", "text": asked}] if "parts" in kind else asked})
        if "tools" not in kind or not (last or r.random() < .5 or "everytool" in kind):
            out.append(assistant(r, kind))
            continue
        steps = 2 if "row" in kind else 1
        for step in range(steps):
            a = assistant(r, kind | {r.choice(["null", "empty", "text"])})
            a["tool_calls"] = [call(r, n + i) for i in range(r.randint(2, 3) if "several" in kind else 1)]
            n += len(a["tool_calls"])
            out.append(a)
            if not ("first" in kind and last and step == steps - 1):
                out += [{"role": "tool", "name": c["function"]["name"], "tool_call_id": c["id"], "content": json.dumps({"result": r.randint(0, 99)})} for c in a["tool_calls"]]
        if not ("first" in kind and last):
            out.append(assistant(r, kind))
    return out


def tagged(template):
    return bool(re.search(r"\{\%-?\s*generation\s*-?\%\}", template))


def render(template, c, n=None, prompt=False):
    """The text of the first n messages, and what generation tags hold of it."""
    messages = T._normalize_chat_messages(c["messages"][:n])
    rendered, spans = T.render_jinja_template([messages], tools=c["tools"], chat_template=template, return_assistant_tokens_mask=tagged(template),
                                              add_generation_prompt=prompt, bos_token=BOS, eos_token=EOS)
    return rendered[0], [list(s) for s in spans[0]] if spans else None


def by_prefix(template, c, whole):
    """The ranges of characters that the assistant says, None where prefixes do not tell."""
    spans, prompts = [], []
    try:
        if render(template, c, prompt=True)[0] == whole and not whole.endswith(EOS):
            return None
        for i, m in enumerate(c["messages"]):
            if m["role"] != "assistant":
                continue
            before, after = render(template, c, i, True)[0], render(template, c, i + 1)[0]
            plain = render(template, c, i)[0]
            prompts.append(before[len(os.path.commonprefix([before, plain])):])
            if not (whole.startswith(before) and whole.startswith(after) and len(before) <= len(after)):
                return None
            if any(p and whole[len(before):].startswith(p) for p in prompts):
                return None
            spans.append([len(before), len(after)])
    except Exception:
        return None
    return spans


def differs(template, c, whole):
    """Why this project makes something else of a conversation."""
    def parts(m):
        return m["content"] if isinstance(m.get("content"), list) else []
    said = [m["content"].split("</think>", 1)[-1].strip() for m in c["messages"] if isinstance(m.get("content"), str)]
    if any(p["text"].strip() not in whole for m in c["messages"] for p in parts(m)) or "{'type': 'text'" in whole or '{"type": "text"' in whole:
        return "form"
    longest = max(said, key=len, default="")
    if longest not in whole:
        parts_too = [m | {"content": [{"type": "text", "text": m["content"]}]} if isinstance(m.get("content"), str) else m for m in c["messages"]]
        try:
            if longest in render(template, c | {"messages": parts_too})[0]:
                return "form"
        except Exception:
            pass
    if "&#34;" in whole:
        return "form"  # |safe of MarkupSafe, which escapes what is added to it
    for i, m in enumerate(c["messages"]):
        content = m.get("content") or ""
        content = "".join(p["text"] for p in content) if isinstance(content, list) else content
        if m["role"] != "assistant" or content.split("</think>", 1)[-1].strip() and content.split("</think>", 1)[-1].strip() in whole:
            continue
        if not content.strip() and not m.get("tool_calls"):
            continue
        rest = {k: v for k, v in m.items() if k not in ("content", "tool_calls")}
        for silent in (rest | {"content": ""}, rest):
            try:
                if render(template, c | {"messages": c["messages"][:i] + [silent] + c["messages"][i + 1:]})[0] == whole:
                    return "dropped"
            except Exception:
                pass
    return None


def twin_spans(template, twin, c, whole):
    """The ranges that the template's twin with generation tags holds, where it renders the same text, without what a generation prompt has of them."""
    try:
        text, spans = render(twin, c)
        prompts = [render(template, c, i, True)[0] for i, m in enumerate(c["messages"]) if m["role"] == "assistant"]
        plain = [render(template, c, i)[0] for i, m in enumerate(c["messages"]) if m["role"] == "assistant"]
    except Exception:
        return None
    if text != whole:
        return None
    prompts = [p[len(os.path.commonprefix([p, q])):] for p, q in zip(prompts, plain)]
    cut = lambda s: max([n for p in prompts for n in range(len(p) + 1) if s >= len(p) - n and whole.startswith(p, s - len(p) + n)], default=0)
    return [[s + cut(s), e] for s, e in spans]


def row(tok, template, c, twin=None):
    try:
        whole, spans = render(template, c)
    except Exception as e:
        return {"error": str(e)[:80]}
    if not tagged(template):
        spans = by_prefix(template, c, whole)
        if spans is None and twin is not None:
            spans = twin_spans(template, twin, c, whole)
    enc = tok(whole, add_special_tokens=False, return_offsets_mapping=True)
    ids, mask = enc["input_ids"], None
    if spans is not None:
        empty = any(s[0] == s[1] for s in spans)  # for which transformers takes a token that lies around the place (0023)
        spans = [s for s in spans if s[0] < s[1]]
        in_span = [any(b > s[0] and a < s[1] for s in spans) for a, b in enc["offset_mapping"]]
        mask = [[i, next((j for j in range(i, len(ids)) if not in_span[j]), len(ids))] for i in range(len(ids)) if in_span[i] and (i == 0 or not in_span[i - 1])]
        if tagged(template) and not empty:  # transformers' own mask must be the same
            own = tok.apply_chat_template(c["messages"], tools=c["tools"], chat_template=template, return_dict=True, return_assistant_tokens_mask=True)
            assert [bool(x) for x in own["assistant_masks"]] == in_span and own["input_ids"] == ids
    return {"ids": ids, "mask": mask, "differs": differs(template, c, whole)}


def main():
    T.datetime = Clock
    out, folder, seed = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, int(sys.argv[3]) if len(sys.argv) > 3 else 1
    files = sorted(glob.glob((folder + "/**" if folder else "tokenizer/chat/builtin") + "/*.jinja", recursive=True))
    templates = {os.path.relpath(f, folder or "tokenizer/chat/builtin")[:-6]: open(f).read() for f in files}
    if not folder:
        templates |= {"tagged": TAGGED, "thinks": THINKS}
    conversations = []
    for i, kind in enumerate(KINDS):
        kinds = set(kind.split())
        conversations.append({"kind": kind, "messages": conversation(random.Random(seed * 1000 + i), kinds), "tools": TOOLS if "tools" in kinds else None})
    toks = {}
    for name in TOKENIZERS:
        toks[name] = PreTrainedTokenizerFast(tokenizer_file=f"testdata/golden/tokenizers/{name}/tokenizer.json", clean_up_tokenization_spaces=False)
        toks[name].add_special_tokens({"bos_token": BOS, "eos_token": EOS})
    rows = []
    for t, (name, template) in enumerate(templates.items()):
        for i, c in enumerate(conversations):
            tok = TOKENIZERS[(t + i) % len(TOKENIZERS)]
            rows.append({"template": name, "conversation": i, "tokenizer": tok} | row(toks[tok], template, c, templates.get(name + "_training") if name not in NO_TWINS else None))
    names = {"templates": templates} if folder else {"extra": {"tagged": TAGGED, "thinks": THINKS}}
    with open(out, "w") as f:
        json.dump(names | {"conversations": conversations}, f, ensure_ascii=False)
        f.write("\n")
        for r in rows:
            f.write(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(templates), "templates,", len(rows), "rows,", sum("error" in r for r in rows), "refused,", sum(bool(r.get("differs")) for r in rows), "differ,",
          sum(r.get("mask") is not None for r in rows), "with a mask")


if __name__ == "__main__":
    main()
