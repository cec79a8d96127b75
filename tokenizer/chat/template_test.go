package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chatCases is the content of testdata/golden/chat/cases.json: conversations as transformers renders them.
type chatCases struct {
	Templates map[string]string
	Cases     []chatCase
}

type chatCase struct {
	Template string
	Conv     []Message
	Tools    json.RawMessage
	GP       bool
	OK       bool
	Out      string
}

func (c *chatCase) options() Options {
	return Options{AddGenerationPrompt: c.GP, Tools: c.Tools, BOS: "<s>", EOS: "</s>"}
}

// eachChatCase runs f on the committed cases, and on those of $SPAGOTUNE_GOLDEN.
func eachChatCase(t *testing.T, f func(t *testing.T, c *Template, err error, tc *chatCase)) {
	dirs := []string{"../../testdata/golden"}
	if dir := os.Getenv("SPAGOTUNE_GOLDEN"); dir != "" {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		data, err := os.ReadFile(filepath.Join(dir, "chat", "cases.json"))
		if err != nil {
			t.Fatal(err)
		}
		var file chatCases
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for i := range file.Cases {
			tc := &file.Cases[i]
			t.Run(fmt.Sprintf("%s/%d/%s", filepath.Base(dir), i, tc.Template), func(t *testing.T) {
				c, err := ParseTemplate(file.Templates[tc.Template])
				f(t, c, err, tc)
			})
		}
	}
}

func TestChatGolden(t *testing.T) {
	eachChatCase(t, func(t *testing.T, c *Template, err error, tc *chatCase) {
		out := ""
		if err == nil {
			out, err = c.Render(tc.Conv, tc.options())
		}
		if (err == nil) != tc.OK {
			t.Fatalf("got error %v, want success %t\n%s", err, tc.OK, tc.Out)
		}
		if tc.OK && out != tc.Out {
			t.Errorf("got  %q\nwant %q", out, tc.Out)
		}
	})
}

func TestChatSmolLM2(t *testing.T) {
	const file = "tokenizers/smollm2/chat_template.jinja"
	src, err := os.ReadFile(filepath.Join(os.Getenv("SPAGOTUNE_GOLDEN"), file))
	if err != nil {
		t.Skip("no ", file)
	}
	c, err := ParseTemplate(string(src))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Render([]Message{{Role: "user", Content: "Hi"}}, Options{AddGenerationPrompt: true})
	want := "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
		"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
	if err != nil || got != want {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
}

// TestTemplateErrors tells a template that is broken from one that refuses a conversation.
func TestTemplateErrors(t *testing.T) {
	for _, c := range []struct {
		template string
		want     TemplateError
		text     string
	}{
		{"\n{% for %}", TemplateError{Line: 2, Message: `want a name, have ""`}, `chat: template: line 2: want a name, have ""`},
		{"{{ messages[0].content + 1 }}", TemplateError{Line: 1, Message: "unsupported operands of +: str and int"}, "chat: template: line 1: unsupported operands of +: str and int"},
		{"{% if messages[0].role != 'system' %}{{ raise_exception('no system message') }}{% endif %}", TemplateError{1, "no system message", true}, "chat: template: line 1: no system message"},
	} {
		template, err := ParseTemplate(c.template)
		if err == nil {
			_, err = template.Render([]Message{{Role: "user", Content: "a"}}, Options{})
		}
		if got := (*TemplateError)(nil); !errors.As(err, &got) || *got != c.want || err.Error() != c.text {
			t.Errorf("%q: got %v, want %s", c.template, err, c.text)
		}
	}
}

// TestRenderRefuses gives templates values that are not JSON.
func TestRenderRefuses(t *testing.T) {
	template, err := ParseTemplate("{{ messages }}")
	if err != nil {
		t.Fatal(err)
	}
	var extra OrderedMap
	extra.Set("f", func() {})
	for want, c := range map[string]struct {
		messages []Message
		opts     Options
	}{
		"chat: message 1: content: ": {messages: []Message{{}, {Parts: json.RawMessage("{")}}},
		"chat: message 0: json: ":    {messages: []Message{{Role: "user", Extra: extra}}},
		"chat: tools: ":              {opts: Options{Tools: json.RawMessage("[")}},
		"chat: variable f: json: ":   {opts: Options{Extra: extra}},
	} {
		if _, err := template.Render(c.messages, c.opts); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
