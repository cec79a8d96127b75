"""Renders conversations with the package openai-harmony, for the tests of package tokenizer/chat.

    TIKTOKEN_ENCODINGS_BASE=FOLDER python scripts/golden/harmony.py < conversations.json    (openai-harmony 0.0.8; FOLDER has o200k_base.tiktoken)

Standard input is a list of {"messages", "tools", "effort", "date", "gp"} in transformers' form; standard output is a list of {"text", "ids"}.
"""
import json
import sys

from openai_harmony import Author, Conversation, DeveloperContent, HarmonyEncodingName, Message, ReasoningEffort, RenderConversationConfig, Role, SystemContent, ToolDescription, load_harmony_encoding


def messages_of(c):
    system = SystemContent.new().with_reasoning_effort(ReasoningEffort(c["effort"].capitalize())).with_conversation_start_date(c["date"])
    yield Message.from_role_and_content(Role.SYSTEM, system)
    messages = c["messages"]
    developer, instructions = DeveloperContent.new(), None
    if messages[0]["role"] in ("developer", "system"):
        instructions, messages = messages[0]["content"], messages[1:]
        developer = developer.with_instructions(instructions)
    if c["tools"]:
        developer = developer.with_function_tools([ToolDescription.new(t["name"], t["description"], parameters=t.get("parameters")) for t in (t["function"] for t in c["tools"])])
    if instructions or c["tools"]:
        yield Message.from_role_and_content(Role.DEVELOPER, developer)
    tool = None
    for m in messages:
        if m["role"] == "tool":
            yield Message.from_author_and_content(Author.new(Role.TOOL, "functions." + tool), m["content"]).with_recipient("assistant").with_channel("commentary")
        elif m["role"] == "user":
            yield Message.from_role_and_content(Role.USER, m["content"])
        else:
            if m.get("thinking"):
                yield Message.from_role_and_content(Role.ASSISTANT, m["thinking"]).with_channel("analysis")
            for call in m.get("tool_calls", []):
                tool = call["function"]["name"]
                text = json.dumps(call["function"]["arguments"], ensure_ascii=False)
                yield Message.from_role_and_content(Role.ASSISTANT, text).with_channel("commentary").with_recipient("functions." + tool).with_content_type("<|constrain|>json")
            if not m.get("tool_calls"):
                yield Message.from_role_and_content(Role.ASSISTANT, m["content"]).with_channel("final")


def main():
    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
    out = []
    keep = RenderConversationConfig(auto_drop_analysis=False)
    for c in json.load(sys.stdin):
        conversation = Conversation.from_messages(list(messages_of(c)))
        if c["gp"]:
            ids = encoding.render_conversation_for_completion(conversation, Role.ASSISTANT)
        else:
            ids = encoding.render_conversation_for_training(conversation, config=keep)
        out.append({"text": encoding.decode_utf8(ids), "ids": ids})
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
