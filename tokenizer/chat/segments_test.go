package chat

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestChatSegments checks what must be true of the segments of any conversation.
func TestChatSegments(t *testing.T) {
	eachChatCase(t, func(t *testing.T, c *Template, err error, tc *chatCase) {
		if err != nil || !tc.OK {
			return
		}
		segments, err := c.Segments(tc.Conv, tc.options())
		if tc.hidesCall() {
			if !errors.Is(err, ErrTurnNotFound) {
				t.Fatalf("a turn that is not shown: got %v, want ErrTurnNotFound", err)
			}
			return
		}
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

// hidesCall says whether the template shows nothing of a message that only calls a tool, which the conversations name get.
func (c *chatCase) hidesCall() bool {
	return !strings.Contains(c.Out, "get") && slices.ContainsFunc(c.Conv, func(m Message) bool {
		calls, _ := m.Extra.Get("tool_calls")
		return calls != nil && m.Content == ""
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
		{"eos after the last", "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% else %}{{ eos_token }}{% endif %}",
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
			if errors.Is(err, ErrTurnNotFound) != (tt.want == "") || err != nil && tt.want != "" {
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

// FuzzSegments checks that the segments of any conversation, by any template, add up to what Render returns.
func FuzzSegments(f *testing.F) {
	f.Add("{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}", "a", "<think>b</think>c")
	f.Add("{% for m in messages %}{{ m.content.split('</think>')[-1] | trim }}{% endfor %}", "", " c ")
	f.Add("{{ messages | tojson }}{{ bos_token }}", "\x00", "</s>")
	f.Fuzz(func(t *testing.T, template, asked, said string) {
		c, err := ParseTemplate(template)
		if err != nil {
			return
		}
		conv := []Message{{Role: "user", Content: asked}, {Role: "assistant", Content: said}, {Role: "user", Content: asked}, {Role: "assistant", Content: asked}}
		want, err := c.Render(conv, Options{EOS: "</s>", Now: func() time.Time { return time.Time{} }})
		if err != nil {
			return
		}
		segments, err := c.Segments(conv, Options{EOS: "</s>", Now: func() time.Time { return time.Time{} }})
		if err != nil {
			if !errors.Is(err, ErrTurnNotFound) {
				t.Error(err)
			}
			return
		}
		got, turns := "", 0
		for _, s := range segments {
			if got += s.Text; s.Assistant {
				turns++
			}
		}
		if got != want || turns > 2 {
			t.Errorf("%d turns, got %q, want %q", turns, got, want)
		}
	})
}
