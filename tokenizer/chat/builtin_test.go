package chat

import (
	"strings"
	"testing"
)

// TestBuiltin: each built-in template writes what is said and the tokens that it names, begins answers as it asks for
// them, and ends each of them.
func TestBuiltin(t *testing.T) {
	files, err := builtinFiles.ReadDir("builtin")
	if err != nil || len(files) != len(BuiltinNames()) {
		t.Fatalf("%d files, %d names (%v)", len(files), len(BuiltinNames()), err)
	}
	conversation := []Message{{Role: "system", Content: "S"}, {Role: "user", Content: "Q1"}, {Role: "assistant", Content: "A1"}, {Role: "user", Content: "Q2"}, {Role: "assistant", Content: "A2"}}
	for _, name := range BuiltinNames() {
		t.Run(name, func(t *testing.T) {
			b, ok := BuiltinTemplate(name)
			if !ok || b.Name != name {
				t.Fatalf("got %+v", b)
			}
			template, err := ParseTemplate(b.Source)
			if err != nil {
				t.Fatal(err)
			}
			opts := Options{BOS: "<s>", EOS: "</s>"}
			end := b.EndOfTurn
			if end == "" {
				end = opts.EOS
			}
			segments, err := template.Segments(conversation, opts)
			if err != nil {
				t.Fatal(err)
			}
			whole, answers := "", 0
			for _, s := range segments {
				whole += s.Text
				if !s.Assistant {
					continue
				}
				if answers++; !strings.HasPrefix(strings.TrimSpace(s.Text), conversation[s.Message].Content+end) {
					t.Errorf("answer %q, want one that ends in %q", s.Text, end)
				}
			}
			if answers != 2 {
				t.Errorf("%d answers in %q", answers, whole)
			}
			for _, want := range append([]string{"S", "Q1", "Q2"}, b.Tokens...) {
				if !strings.Contains(whole, want) {
					t.Errorf("no %s in %q", want, whole)
				}
			}
			opts.AddGenerationPrompt = true
			if prompt, err := template.Render(conversation[:4], opts); err != nil || !strings.HasPrefix(whole, prompt) {
				t.Errorf("prompt %q (%v) of %q", prompt, err, whole)
			}
		})
	}
	if _, ok := BuiltinTemplate("qwen"); ok {
		t.Error("qwen is known")
	}
}
