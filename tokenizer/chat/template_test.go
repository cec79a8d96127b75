package chat

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spagotune/spagotune/internal/jinja"
)

// chatCases is what testdata/golden/chat/cases.json holds: conversations as transformers renders them.
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

// eachChatCase runs f over the committed cases and over those of $SPAGOTUNE_GOLDEN.
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

// TestChatSegments checks what must hold of the segments of any conversation.
func TestChatSegments(t *testing.T) {
	eachChatCase(t, func(t *testing.T, c *Template, err error, tc *chatCase) {
		if err != nil || !tc.OK {
			return
		}
		segments, err := c.Segments(tc.Conv, tc.options())
		if err != nil {
			t.Fatal(err)
		}
		text, said := "", []string{}
		for _, s := range segments {
			if text += s.Text; s.Assistant {
				said = append(said, s.Text)
			}
		}
		if text != tc.Out {
			t.Errorf("got  %q\nwant %q", text, tc.Out)
		}
		for _, m := range tc.Conv {
			if m.Role != "assistant" {
				continue
			}
			_, answer, found := strings.Cut(m.Content, "</think>")
			if !found {
				answer = m.Content
			}
			if len(said) == 0 || !strings.Contains(said[0], strings.TrimSpace(answer)) {
				t.Fatalf("%q is not in the assistant's segments %q", answer, said)
			}
			said = said[1:]
		}
		if len(said) > 0 {
			t.Errorf("more segments than messages: %q", said)
		}
	})
}

func TestChatSegmentsText(t *testing.T) {
	conv := []Message{
		{Role: "user", Content: "a"}, {Role: "assistant", Content: "<think>\nwhy\n</think>\n\nb"},
		{Role: "user", Content: "c"}, {Role: "assistant", Content: " d "},
	}
	tests := []struct{ name, template, want string }{
		{"plain", "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
			"<user>a</s>\n<assistant>|<think>\nwhy\n</think>\n\nb</s>\n|<user>c</s>\n<assistant>| d </s>\n"},
		{"eos behind the last", "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% else %}{{ eos_token }}{% endif %}",
			"<user>a<end>\n<assistant>|<think>\nwhy\n</think>\n\nb<end>\n|<user>c<end>\n<assistant>| d <end>\n</s>"},
		{"reasoning dropped", "{% for m in messages %}<{{ m.role }}>{{ m.content if loop.last else m.content.split('</think>')[-1] | trim }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
			"<user>a</s><assistant>|b</s>|<user>c</s><assistant>| d </s>"},
		{"prompt opens reasoning", "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] | trim }}</s>{% endfor %}{% if add_generation_prompt %}<assistant><think>\n{% endif %}",
			"<user>a</s><assistant>|b</s>|<user>c</s><assistant>|d</s>"},
		{"system in the last turn", "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ 'S ' if loop.last or loop.index == messages | length - 1 }}{{ m.content }}[/INST]{% else %} {{ m.content | trim }}</s>{% endif %}{% endfor %}",
			"[INST] a[/INST]| <think>\nwhy\n</think>\n\nb</s>|[INST] S c[/INST]| d</s>"},
		{"content hidden", "{% for m in messages %}{{ messages | length }}{{ m.role }}{% endfor %}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseTemplate(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			segments, err := c.Segments(conv, Options{EOS: "</s>"})
			if (err != nil) != (tt.want == "") {
				t.Fatal(err)
			}
			got := ""
			for i, s := range segments {
				if i > 0 {
					got += "|"
				}
				got += s.Text
				if s.Assistant != (i%2 == 1) {
					t.Errorf("segment %d (%q): Assistant is %t", i, s.Text, s.Assistant)
				}
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// hostileTemplates must end soon, with an error or without one.
var hostileTemplates = []string{
	"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
	"{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
	"{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
	"{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
	"{{ range(1000000000000) | list }}", "{{ range(-9223372036854775808, 9223372036854775807) }}",
	"{{ 'a' * 1000000000000 }}", "{{ 'aa' * 9223372036854775807 }}", "{{ [[]] * 9223372036854775807 }}", "{{ '' * 9223372036854775807 }}",
	"{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
	"{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
	"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
	"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
	"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
	"{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}{{ ns.x < ns.y }}",
	"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
	"{% set ns = namespace(x=(1,)) %}{% for i in range(50) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
	"{{ '%999999999d' % 1 }}", "{{ '%*d' % (999999999, 1) }}", "{{ '%.999999999f' % 1 }}", "{{ '{:999999999}'.format(1) }}", "{{ '{:>99999999999999999999}'.format(1) }}",
	"{{ 'a'.center(999999999999) }}", "{{ 'a'.zfill(9223372036854775807) }}", "{{ 'a' | indent(999999999999) }}", "{{ [1] | batch(999999999999, 1) | list }}", "{{ [1] | slice(99999999999) | list }}",
	"{{ [1] | tojson(indent=99999999999) }}", "{{ [[[1]]] | tojson(indent=20000000) }}",
	"{{ ('a' * 60000000).replace('a', 'b' * 60000000) }}", "{{ ('a' * 60000000).replace('', 'bb') }}", "{{ ('a' * 10000000).split('a') | length }}", "{{ ('a' * 10000000) | list | length }}",
	"{{ -9223372036854775807 - 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) | abs }}", "{{ 9223372036854775807 * 2 }}", "{{ 10 ** 100 }}", "{{ 1 % 0 }}", "{{ 2 ** 0.5 ** -1e300 }}",
	"{{ 'abc'[::-9223372036854775808] }}", "{{ 'abc'[9223372036854775807:-9223372036854775807:9223372036854775807] }}", "{{ [1,2][-9223372036854775807] }}", "{{ 'é'[:1:-9223372036854775807] }}",
	"{{ 'x' | truncate(-5) }}", "{{ 1.5 | round(9999999999) }}", "{{ '5' | int(0, 99) }}", "{{ strftime_now('%') }}", "{{ strftime_now('%c' * 99999) }}", "{{ '{' .format() }}", "{{ '{0[}'.format(1) }}", "{{ '%(' % {} }}", "{{ ''.join(1) }}", "{{ 'a'.ljust(5, '') }}", "{{ 'a' | center(-5) }}",
	"{{ loop.x.y }}", "{% for x in [1] %}{{ loop }}{{ loop | tojson }}{% endfor %}", "{{ cycler().next() }}", "{{ cycler }}{{ messages.append(1) }}",
	"{{ 1 < 'a' }}", "{{ [1, 'a'] | sort }}", "{{ {[1]: 2} }}", "{{ {{} : 1} }}", "{{ [[1]] | unique | list }}", "{% call 1 %}{% endcall %}",
	"{{", "{%", "{#", "{{ '", "{{ '\\", "{{ '\\x' }}", "{{ '\\U99999999' }}", "{% raw %}", "{% if %}", "{% for", "{{ (", "{{ ) }}", "{{ ( ] }}", "{{ 1__0 }}", "{{ 99999999999999999999 }}", "\x00\xff{{ '\xff' }}", "{", "{{ x.", "{{ x|", "{{ x is", "{{ x[", "{% set", "{% macro", "{% macro f(", "{% call", "{% filter", "{% with", "{%}", "{{}}", "{{ -",
}

func TestChatHostile(t *testing.T) {
	deep := []string{"(", "[", "{1:", "-", "not ", "1 if ", "a.b(", "x|f(", "a[", "1 if 1 else ", "a is b(", "'a' ", "1+", "a."}
	sources := hostileTemplates
	for _, d := range deep {
		sources = append(sources, "{{ "+strings.Repeat(d, 100000), "{{ "+strings.Repeat(d, 100000)+"1 }}")
	}
	for _, d := range []string{"{% if 1 %}", "{% for x in [1] %}", "{% set x %}", "{% macro f() %}", "{% raw %}", "{{", "{#", "{% for (", "{% if 1 %}{% elif 1 %}", "{% set a,", "{% raw"} {
		sources = append(sources, strings.Repeat(d, 100000))
	}
	for _, src := range append(sources, strings.Repeat("x", jinja.MaxSource+1)) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			text, err := "", error(nil)
			c, err := ParseTemplate(src)
			if err == nil {
				text, err = c.Render([]Message{{Role: "user", Content: "a"}}, Options{})
			}
			if err != nil && strings.Contains(err.Error(), "internal error") {
				t.Errorf("%.80q: %v", src, err)
			}
			if d := time.Since(start); d > time.Minute || len(text) > jinja.MaxText {
				t.Errorf("%.80q: %v, %d bytes", src, d, len(text))
			}
		})
	}
}

func FuzzChat(f *testing.F) {
	for _, src := range hostileTemplates {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		c, err := ParseTemplate(src)
		if err == nil {
			_, err = c.Render([]Message{{Role: "user", Content: "a"}}, Options{})
		}
		if err != nil && strings.Contains(err.Error(), "internal error") {
			t.Error(err)
		}
	})
}

func TestMessageJSON(t *testing.T) {
	for _, data := range []string{
		`{"role":"user","content":"a"}`,
		`{"content":null,"tool_calls":[{"z":1,"a":2.5}],"role":"assistant"}`,
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image"}],"name":"b"}`,
		`{"content":"only"}`,
		`{"role":1,"big":123456789012345678901234567890}`,
	} {
		var m Message
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(m)
		if err != nil || string(got) != data {
			t.Errorf("got  %s, %v\nwant %s", got, err, data)
		}
	}
	for _, data := range []string{`1`, `[]`, `{"a":`, `null x`} {
		var m Message
		if err := json.Unmarshal([]byte(data), &m); err == nil {
			t.Errorf("%s: no error", data)
		}
	}
}

// TestChatPython has values that Jinja 3.1.6, set up as transformers does, gave for these expressions.
func TestChatPython(t *testing.T) {
	for src, want := range map[string]string{
		`{'a': 1.0, 'b': "it's", 'c': none, 'd': (1,)}`: `{'a': 1.0, 'b': "it's", 'c': None, 'd': (1,)}`,
		`1e16 ~ ' ' ~ 1e15 ~ ' ' ~ 0.1 + 0.2`:           "",
		`-5 // 2 ~ ' ' ~ -5 % 3`:                        "-3 1",
		`none`:                                          "None",
		`nope`:                                          "",
		`'%5.2f|%-5s|%05d|%x|%r|%%' % (3.14159, 'ab', 42, 255, 'q')`: " 3.14|ab   |00042|ff|'q'|%",
		`[1,2,3,4,5][4:0:-2]`:                              "[5, 3]",
		`{'a': {'b': [1, 2]}, 'c': []} | tojson(indent=2)`: "{\n  \"a\": {\n    \"b\": [\n      1,\n      2\n    ]\n  },\n  \"c\": []\n}",
		`{'b': 'é😀<'} | tojson(ensure_ascii=true)`:         `{"b": "\u00e9\ud83d\ude00<"}`,
		`strftime_now('%d %b %Y %-I:%M %p')`:               "04 Jul 2026 5:06 PM",
		`[1, 2].append(3)`:                                 "",
		`nope + 'x'`:                                       "",
		`messages | map('length') | length`:                "",
	} {
		c, err := ParseTemplate("{{ " + src + " }}")
		got := ""
		if err == nil {
			now := func() time.Time { return time.Date(2026, 7, 4, 17, 6, 0, 0, time.UTC) }
			got, err = c.Render(nil, Options{Now: now})
		}
		if got != want || (err != nil) != (want == "" && src != "nope") {
			t.Errorf("%s: got %q, %v, want %q", src, got, err, want)
		}
	}
}
