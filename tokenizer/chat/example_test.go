package chat_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

const chatML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" +
	"{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

func ExampleParseTemplate() {
	template, err := chat.ParseTemplate(chatML)
	if err != nil {
		log.Fatal(err)
	}
	messages := []chat.Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hi!"}}
	text, err := template.Render(messages, chat.Options{AddGenerationPrompt: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output:
	// <|im_start|>system
	// Be brief.<|im_end|>
	// <|im_start|>user
	// Hi!<|im_end|>
	// <|im_start|>assistant
}

// Only what the assistant writes is learned: its segments.
func ExampleTemplate_Segments() {
	template, err := chat.ParseTemplate(chatML)
	if err != nil {
		log.Fatal(err)
	}
	segments, err := template.Segments([]chat.Message{{Role: "user", Content: "Hi!"}, {Role: "assistant", Content: "Hello."}}, chat.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range segments {
		fmt.Printf("%t %q\n", s.Assistant, s.Text)
	}
	// Output:
	// false "<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n"
	// true "Hello.<|im_end|>\n"
}

// Options has what some templates need: tools, variables of their own, the time.
func ExampleOptions() {
	template, err := chat.ParseTemplate("{{ strftime_now('%d %b %Y') }}{% for t in tools %} {{ t.name }}{% endfor %}{% if not enable_thinking %} /no_think{% endif %}")
	if err != nil {
		log.Fatal(err)
	}
	opts := chat.Options{
		Tools: json.RawMessage(`[{"name": "weather"}, {"name": "search"}]`),
		Now:   func() time.Time { return time.Date(2026, 7, 4, 0, 0, 0, 0, time.UTC) },
	}
	opts.Extra.Set("enable_thinking", false)
	text, err := template.Render(nil, opts)
	fmt.Println(text, err)
	// Output: 04 Jul 2026 weather search /no_think <nil>
}

// Messages are often read from JSON. Keys that the format does not have stay, in their order.
func ExampleMessage() {
	var messages []chat.Message
	err := json.Unmarshal([]byte(`[
		{"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
		{"role": "assistant", "content": null, "tool_calls": [{"name": "look", "arguments": {"zoom": 2, "at": "top"}}]}]`), &messages)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(messages[0].Content)
	calls, _ := messages[1].Extra.Get("tool_calls")
	raw, err := json.Marshal(calls)
	fmt.Println(string(raw), err)
	// Output:
	// What is this?
	// [{"name":"look","arguments":{"zoom":2,"at":"top"}}] <nil>
}

func ExampleOrderedMap() {
	var m chat.OrderedMap
	m.Set("type", "object")
	m.Set("properties", []any{})
	m.Set("type", "string")
	raw, err := json.Marshal(m)
	fmt.Println(string(raw), err, m.Keys())
	// Output: {"type":"string","properties":[]} <nil> [type properties]
}

// A template may refuse a conversation; then the data are at fault, not the template.
func ExampleTemplateError() {
	for _, source := range []string{"{{ raise_exception('system messages are not supported') }}", "{{ messages | nofilter }}"} {
		template, err := chat.ParseTemplate(source)
		if err != nil {
			log.Fatal(err)
		}
		_, err = template.Render(nil, chat.Options{})
		var e *chat.TemplateError
		if errors.As(err, &e) {
			fmt.Println(err, e.Raised)
		}
	}
	// Output:
	// chat: template: line 1: system messages are not supported true
	// chat: template: line 1: no filter named "nofilter" false
}
