package chat

import (
	"encoding/json"
	"strings"
	"testing"
)

// The templates of this file are written for it, each with a habit of published ones.
const (
	// qwenLike leaves reasoning out before the last question, and for an empty one writes an empty block only at the end.
	qwenLike = `{%- set ns = namespace(last=0) -%}
{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- if tools -%}{{ '<|im_start|>system\n' + (tools | tojson) + '<|im_end|>\n' }}{%- endif -%}
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}
{{ '<|im_start|>assistant\n' }}
{%- if loop.index0 > ns.last and (loop.last or m.reasoning_content) -%}{{ '<think>\n' + (m.reasoning_content or '') + '\n</think>\n\n' }}{%- endif -%}
{{ m.content or '' }}
{%- for c in m.tool_calls or [] -%}{{ ('\n' if not loop.first or m.content else '') + '<tool_call>\n' + (c.function | tojson) + '\n</tool_call>' }}{%- endfor -%}
{{ '<|im_end|>\n' }}
{%- elif m.role == 'tool' -%}
{{ '<|im_start|>user\n<tool_response>\n' + m.content + '\n</tool_response><|im_end|>\n' }}
{%- else -%}
{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- endif -%}
{%- endfor -%}`
	qwen3 = qwenLike + `{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}`
	// qwen35 opens the reasoning in the prompt.
	qwen35 = qwenLike + `{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n<think>\n' }}{%- endif -%}`
	// gptOSS has a header for each part, and leaves out the content beside a tool call.
	gptOSS = `{%- for m in messages -%}
{%- if m.role == 'assistant' and m.tool_calls -%}
{%- if m.thinking and loop.index0 + 3 > messages | length -%}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{%- endif -%}
{%- for c in m.tool_calls -%}{{ '<|start|>assistant to=functions.' + c.function.name + '<|message|>' + (c.function.arguments | tojson) + '<|call|>' }}{%- endfor -%}
{%- elif m.role == 'assistant' -%}
{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + ('<|return|>' if loop.last and not add_generation_prompt else '<|end|>') }}
{%- else -%}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{%- endif -%}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|start|>assistant' }}{%- endif -%}`
	// nemotron writes an empty block where there is no reasoning, and opens it in the prompt with a line of its own.
	nemotron = `{%- for m in messages -%}
{{ '<|im_start|>' + ('user' if m.role == 'tool' else m.role) + '\n' }}
{%- if m.role == 'assistant' -%}{{ '<think>\n' + m.reasoning_content + '\n</think>\n' if m.reasoning_content and loop.last else '<think></think>' }}{%- endif -%}
{{ m.content }}
{%- for c in m.tool_calls or [] -%}{{ '<tool_call>\n<function=' + c.function.name + '>\n</function>\n</tool_call>\n' }}{%- endfor -%}
{{ '<|im_end|>\n' }}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n<think>\n' }}{%- endif -%}`
	// llama31 writes one call, without the content.
	llama31 = `{%- for m in messages -%}{{ '<|header|>' + m.role + '<|/header|>\n\n' }}
{%- if m.tool_calls -%}{{ '{"name": "' + m.tool_calls[0].function.name + '", "parameters": ' + (m.tool_calls[0].function.arguments | tojson) + '}' }}
{%- else -%}{{ m.content | trim }}{%- endif -%}{{ '<|eot_id|>' }}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|header|>assistant<|/header|>\n\n' }}{%- endif -%}`
	// mistral shows the tools before the last question, and has no prompt.
	mistral = `{%- set users = messages | selectattr('role', 'equalto', 'user') | list -%}{{ bos_token }}
{%- for m in messages -%}
{%- if m.role == 'user' -%}{{ ('[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' if tools and m == users[-1] else '') + '[INST] ' + m.content + '[/INST]' }}
{%- elif m.tool_calls -%}{{ '[TOOL_CALLS] ' + (m.tool_calls | map(attribute='function') | list | tojson) + eos_token }}
{%- elif m.role == 'assistant' -%}{{ ' ' + m.content + eos_token }}
{%- else -%}{{ '[TOOL_RESULTS] ' + m.content + '[/TOOL_RESULTS]' }}{%- endif -%}
{%- endfor -%}`
	// cohere always ends in a prompt.
	cohere = `{%- for m in messages -%}{{ '<|turn|><|' + m.role + '|>' + m.content + '<|end|>' }}{%- endfor -%}{{ '<|turn|><|assistant|>' }}`
	// hunyuan closes the results of tools where the next turn begins, in a line of its own.
	hunyuan = `{%- for m in messages -%}
{%- if m.role == 'assistant' -%}{{ ('\n</results>' if loop.previtem.role == 'tool' else '') + '<|bot|>' + ('<think>' + m.reasoning_content + '</think>' if m.reasoning_content else '') + m.content + (m.tool_calls | tojson if m.tool_calls else '') + '<|eos|>' }}
{%- elif m.role == 'tool' -%}{{ '<results>' if loop.previtem.role != 'tool' }}{{ '\n' + m.content }}
{%- else -%}{{ '<|user|>' + m.content }}{%- endif -%}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|bot|><think></think>' }}{%- endif -%}`
	// gemma writes the results of tools into the turn that called them, before its content.
	gemma = `{%- for m in messages -%}{%- if m.role != 'tool' -%}
{{ '<|turn>' + m.role + '\n' if loop.first or m.role == 'user' or loop.previtem.role != 'tool' }}
{%- for c in m.tool_calls or [] -%}{{ '<call>' + c.function.name + '</call>' }}{%- endfor -%}
{%- if m.tool_calls -%}{%- for k in range(loop.index, messages | length) -%}{%- set r = messages[k] -%}{%- if r.role == 'tool' -%}{{ '<result>' + r.content + '</result>' }}{%- endif -%}{%- endfor -%}{%- endif -%}
{{ m.content }}{{ '<turn|>\n' if not m.tool_calls }}
{%- endif -%}{%- endfor -%}{%- if add_generation_prompt and messages[-1].role == 'user' -%}{{ '<|turn>assistant\n' }}{%- endif -%}`
)

// call is a message with tool calls.
func call(content, reasoning string, names ...string) Message {
	m := Message{Role: "assistant", Content: content}
	var calls []any
	for _, name := range names {
		v, _ := decodeObject([]byte(`{"type": "function", "function": {"name": "` + name + `", "arguments": {"x": 1}}}`))
		calls = append(calls, v)
	}
	m.Extra.Set("tool_calls", calls)
	if reasoning != "" {
		m.Extra.Set("reasoning", reasoning)
	}
	return m
}

// TestTurns checks which part of a conversation is learned: tool calls as a whole, first and last, one and several, and
// several in a row; and nothing of the prompt.
func TestTurns(t *testing.T) {
	user, tool, tool2 := Message{Role: "user", Content: "Q"}, Message{Role: "tool", Content: "7"}, Message{Role: "tool", Content: "8"}
	answer := Message{Role: "assistant", Content: "A"}
	then := []Message{user, answer, user, call("", "", "f"), tool, answer}
	row := []Message{user, call("C", "", "f", "g"), tool, tool2, call("", "", "h"), tool, answer}
	last := []Message{user, answer, user, call("", "why", "f")}
	const f, h = `<tool_call>` + "\n" + `{"name": "f", "arguments": {"x": 1}}` + "\n</tool_call>", `<tool_call>` + "\n" + `{"name": "h", "arguments": {"x": 1}}` + "\n</tool_call>"
	g := strings.Replace(f, `"f"`, `"g"`, 1)
	for _, c := range []struct {
		name, template string
		conversation   []Message
		want           []string
	}{
		{"qwen3", qwen3, then, []string{"A<|im_end|>\n", f + "<|im_end|>\n", "<think>\n\n</think>\n\nA<|im_end|>\n"}},
		{"qwen3 row", qwen3, row, []string{"C\n" + f + "\n" + g + "<|im_end|>\n", h + "<|im_end|>\n", "<think>\n\n</think>\n\nA<|im_end|>\n"}},
		{"qwen3 last", qwen3, last, []string{"A<|im_end|>\n", "<think>\nwhy\n</think>\n\n" + f + "<|im_end|>\n"}},
		{"qwen3.5", qwen35, then, []string{"A<|im_end|>\n", f + "<|im_end|>\n", "\n</think>\n\nA<|im_end|>\n"}},
		{"qwen3.5 row", qwen35, row, []string{"C\n" + f + "\n" + g + "<|im_end|>\n", h + "<|im_end|>\n", "\n</think>\n\nA<|im_end|>\n"}},
		{"qwen3.5 last", qwen35, last, []string{"A<|im_end|>\n", "why\n</think>\n\n" + f + "<|im_end|>\n"}},
		{"gpt-oss", gptOSS, then, []string{"<|channel|>final<|message|>A<|end|>", ` to=functions.f<|message|>{"x": 1}<|call|>`, "<|channel|>final<|message|>A<|return|>"}},
		{"gpt-oss row", gptOSS, row, []string{` to=functions.f<|message|>{"x": 1}<|call|><|start|>assistant to=functions.g<|message|>{"x": 1}<|call|>`,
			` to=functions.h<|message|>{"x": 1}<|call|>`, "<|channel|>final<|message|>A<|return|>"}},
		{"gpt-oss last", gptOSS, last, []string{"<|channel|>final<|message|>A<|end|>", `<|channel|>analysis<|message|>why<|end|><|start|>assistant to=functions.f<|message|>{"x": 1}<|call|>`}},
		{"nemotron", nemotron, then, []string{"<think></think>A<|im_end|>\n", "<think></think><tool_call>\n<function=f>\n</function>\n</tool_call>\n<|im_end|>\n", "<think></think>A<|im_end|>\n"}},
		{"nemotron row", nemotron, row, []string{"<think></think>C<tool_call>\n<function=f>\n</function>\n</tool_call>\n<tool_call>\n<function=g>\n</function>\n</tool_call>\n<|im_end|>\n",
			"<think></think><tool_call>\n<function=h>\n</function>\n</tool_call>\n<|im_end|>\n", "<think></think>A<|im_end|>\n"}},
		{"nemotron last", nemotron, last, []string{"<think></think>A<|im_end|>\n", "why\n</think>\n<tool_call>\n<function=f>\n</function>\n</tool_call>\n<|im_end|>\n"}},
		{"llama31", llama31, then, []string{"A<|eot_id|>", `{"name": "f", "parameters": {"x": 1}}<|eot_id|>`, "A<|eot_id|>"}},
		{"llama31 last", llama31, last, []string{"A<|eot_id|>", `{"name": "f", "parameters": {"x": 1}}<|eot_id|>`}},
		{"mistral", mistral, then, []string{" A</s>", `[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}]</s>`, " A</s>"}},
		{"mistral row", mistral, row, []string{`[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": {"x": 1}}]</s>`,
			`[TOOL_CALLS] [{"name": "h", "arguments": {"x": 1}}]</s>`, " A</s>"}},
		{"mistral last", mistral, last, []string{" A</s>", `[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}]</s>`}},
		{"cohere", cohere, []Message{user, answer, user, answer}, []string{"A<|end|>", "A<|end|>"}},
		{"hunyuan", hunyuan, []Message{user, call("", "why", "f"), tool, call("", "how", "f"), tool, answer}, []string{
			`<think>why</think>[{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]<|eos|>`,
			`<think>how</think>[{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]<|eos|>`, "A<|eos|>"}},
		{"gemma", gemma, []Message{user, call("C", "", "f"), tool, answer, user, answer}, []string{"<call>f</call>", "C", "A<turn|>\n", "A<turn|>\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			template, err := ParseTemplate(c.template)
			if err != nil {
				t.Fatal(err)
			}
			segments, err := template.Segments(c.conversation, Options{BOS: "<s>", EOS: "</s>", Tools: json.RawMessage(`[{"name": "f"}]`)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			whole := ""
			for _, s := range segments {
				if whole += s.Text; s.Assistant {
					got = append(got, s.Text)
					if c.conversation[s.Message].Role != "assistant" {
						t.Errorf("%q belongs to message %d", s.Text, s.Message)
					}
				}
			}
			if strings.Join(got, "\x00") != strings.Join(c.want, "\x00") {
				t.Errorf("got  %q\nwant %q\nin %s", got, c.want, whole)
			}
		})
	}
}
