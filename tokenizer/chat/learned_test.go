package chat

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// marked is the text of segments with what is learned between ⟦ and ⟧.
func marked(segments []Segment) string {
	var b strings.Builder
	for _, s := range segments {
		if s.Assistant {
			b.WriteString("⟦" + s.Text + "⟧")
		} else {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

// messagesOf reads a conversation.
func messagesOf(t *testing.T, text string) []Message {
	t.Helper()
	var messages []Message
	if err := json.Unmarshal([]byte(text), &messages); err != nil {
		t.Fatal(err)
	}
	return messages
}

// TestGeneration: where a template has generation tags, they say what is learned, whatever the prompt opens. The values
// of the first template are those of transformers 5.24's assistant masks.
func TestGeneration(t *testing.T) {
	const thinking = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' %}{% generation %}{{ '<think>\\n\\n</think>\\n\\n' + m['content'] + '<|im_end|>' }}" +
		"{% endgeneration %}{{ '\\n' }}{% else %}{{ m['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
	const inMacro = "{% macro say(m) %} {% generation %}{{ m.content }}</s>{% endgeneration %} {% endmacro %}" +
		"{% for m in messages %}{% if m.role == 'assistant' %}[{{ say(m) | trim }}]{% else %}{{ m.content }}{% endif %}{% endfor %}"
	const lastOnly = "{% for m in messages %}{% if loop.last %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }},{% endif %}{% endfor %}"
	const outside = "{% for m in messages | map(attribute='content') %}{% if loop.index is divisibleby 2 %}{% generation %}{{ m }}{% endgeneration %}{% else %}{{ m }}{% endif %}{% endfor %}"
	for _, c := range []struct{ name, template, messages, want string }{
		{"two turns", thinking, `[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]`,
			"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\na<|im_end|>⟧\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\nb<|im_end|>⟧\n"},
		{"empty answer", thinking, `[{"role":"user","content":"q"},{"role":"assistant","content":""}]`,
			"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\n<|im_end|>⟧\n"},
		{"train false", thinking, `[{"role":"user","content":"q"},{"role":"assistant","content":"a","train":false},{"role":"assistant","content":"b"}]`,
			"<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\na<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\nb<|im_end|>⟧\n"},
		{"macro", inMacro, `[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"assistant","content":"b","weight":0}]`, "q[⟦a</s>⟧][b</s>]"},
		{"last turn", lastOnly, `[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]`, "q,a,r,⟦b⟧"},
		{"no message", outside, `[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]`, "q⟦a⟧"},
		{"no message known", outside, `[{"role":"user","content":"q"},{"role":"assistant","content":"a","train":false}]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			template, err := ParseTemplate(c.template)
			if err != nil {
				t.Fatal(err)
			}
			segments, err := template.Segments(messagesOf(t, c.messages), Options{})
			if got := marked(segments); got != c.want || errors.Is(err, ErrTurnNotFound) != (c.want == "") {
				t.Errorf("got  %q (%v)\nwant %q", got, err, c.want)
			}
		})
	}
}

// TestSkipped: train and weight say which turns are learned, in templates without tags too.
func TestSkipped(t *testing.T) {
	template, err := ParseTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}")
	if err != nil {
		t.Fatal(err)
	}
	for extra, want := range map[string]string{
		``: "⟦a</s>⟧", `,"train":true`: "⟦a</s>⟧", `,"train":1`: "⟦a</s>⟧", `,"weight":1`: "⟦a</s>⟧", `,"weight":1.0`: "⟦a</s>⟧", `,"train":null`: "⟦a</s>⟧",
		`,"train":false`: "a</s>", `,"train":0`: "a</s>", `,"weight":0`: "a</s>", `,"weight":0.0`: "a</s>", `,"weight":1,"train":false`: "a</s>",
		`,"weight":0.5`: "chat: message 1: weight is 0.5; want true or 1", `,"train":"no"`: `chat: message 1: train is "no"; want`, `,"train":[0]`: "chat: message 1: train is [0]; want",
	} {
		messages := messagesOf(t, `[{"role":"user","content":"q","weight":0},{"role":"assistant","content":"a"`+extra+`},{"role":"assistant","content":"b"}]`)
		segments, err := template.Segments(messages, Options{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v; want %q", extra, err, want)
			}
			continue
		}
		if got := marked(segments); got != "<user>q</s><assistant>"+want+"<assistant>⟦b</s>⟧" {
			t.Errorf("%s: got %q", extra, got)
		}
	}
}

// TestForms: templates see messages as transformers 5.24 shows them, in the form that they take.
func TestForms(t *testing.T) {
	const reasons = "{% for m in messages %}{{ m.keys() | list | join(' ') }}: {{ m.reasoning_content }}, {{ m.thinking }}\n{% endfor %}"
	const inWords = "{% for m in messages %}{{ m.role + ': ' + m.content }}\n{% endfor %}"
	const shown = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
	const both = "{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}({{ p.text }}){% endfor %}{% endif %}\n{% endfor %}"
	const parts = "{% for m in messages %}{{ m.role }}:{% for p in m.content %} {{ p.text }}{% endfor %}\n{% endfor %}"
	const undefined = "{% for m in messages %}{{ 'none' if m.content is not defined else m.content }} {{ 'calls' if m.tool_calls is defined }}\n{% endfor %}"
	const calls = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}"
	const items = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.name }}{% for k, v in c.function.arguments.items() %} {{ k }}={{ v }}{% endfor %}{% endfor %}{% endfor %}"
	const asText = "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}{% endfor %}{% endfor %}"
	const inParts = `[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`
	const textCall = `[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"x\":  1}"}}]}]`
	const objectCall = `[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"x": 1}}}]}]`
	for _, c := range []struct{ name, template, messages, want string }{
		{"reasoning", reasons, `[{"role":"assistant","reasoning":"why"}]`, "thinking role reasoning reasoning_content: why, why\n"},
		{"thinking", reasons, `[{"role":"assistant","thinking":"why","content":"a"}]`, "thinking role content reasoning_content: why, why\n"},
		{"reasoning_content", reasons, `[{"role":"assistant","reasoning_content":"why"}]`, "thinking role reasoning_content: why, why\n"},
		{"two names", reasons, `[{"role":"assistant","thinking":"b","reasoning_content":"a"}]`, "thinking role reasoning_content: a, b\n"},
		{"null name", reasons, `[{"role":"assistant","reasoning_content":null,"reasoning":"why"}]`, "thinking role reasoning reasoning_content: why, why\n"},
		{"null", undefined, `[{"role":"assistant","content":null,"tool_calls":null}]`, "none \n"},
		{"parts for a text", inWords, inParts, "user: ab\n"},
		{"parts printed", shown, inParts, "user: ab\n"},
		{"parts", both, inParts, "user: (a)(b)"},
		{"text", both, `[{"role":"user","content":"a"}]`, "user: a"},
		{"text for parts", parts, `[{"role":"user","content":"abc"}]`, "user: abc"},
		{"text of arguments", calls, textCall, `f{"x": 1}`},
		{"arguments", calls, objectCall, `f{"x": 1}`},
		{"text of arguments for an object", items, textCall, `f x=1`},
		{"text of arguments as it is", asText, textCall, `f{"x":  1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			template, err := ParseTemplate(c.template)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := template.Render(messagesOf(t, c.messages), Options{}); err != nil || got != c.want {
				t.Errorf("got  %q (%v)\nwant %q", got, err, c.want)
			}
		})
	}
}

func TestMentions(t *testing.T) {
	template, err := ParseTemplate("{{ messages[0].tool_calls }}{{ messages[0]['name'] }}")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"tool_calls": true, "name": true, "calls": false, "tool": false, "messages": true, "x": false} {
		if template.Mentions(name) != want {
			t.Errorf("%s: got %t", name, !want)
		}
	}
}
