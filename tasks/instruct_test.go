package tasks

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

// instruct is a task on a file with the given content, of which nothing is held out.
func instruct(t *testing.T, data string) Task {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, path, data)
	return mustNew(t, "instruct", map[string]any{"data": path, "eval_size": 0})
}

func TestInstructFormats(t *testing.T) {
	const head = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
	const headInput = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request.\n\n"
	for _, c := range []struct{ what, data, prompt, want string }{
		{"alpaca", `{"instruction":"Add.","input":"1 2","output":"3"}`, headInput + "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:", "3"},
		{"alpaca, empty input", `{"instruction":"Hi.","input":"","output":"Ho"}`, head + "### Instruction:\nHi.\n\n### Response:", "Ho"},
		{"alpaca, no input", `[{"output":"Ho","instruction":"Hi.","id":7}]`, head + "### Instruction:\nHi.\n\n### Response:", "Ho"},
		{"dolly", `{"instruction":"Add.","context":"1 2","response":"3","category":"x"}`, headInput + "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:", "3"},
		{"prompt", `{"prompt":"Q: 1?\nA:","response":" 2"}`, "Q: 1?\nA:", " 2"},
		{"completion", `{"prompt":"a","completion":"b"}`, "a", "b"},
	} {
		t.Run(c.what, func(t *testing.T) {
			all, err := collect(t, instruct(t, c.data), Train)
			if err != nil {
				t.Fatal(err)
			}
			ex := all[0]
			if ex.Prompt != c.prompt || ex.Reference != c.want {
				t.Errorf("got prompt %q, want %q; answer %q, want %q", ex.Prompt, c.prompt, ex.Reference, c.want)
			}
			ids, labels, err := Encode(byteTokenizer{}, nil, ex, 0)
			if err != nil {
				t.Fatal(err)
			}
			text := (byteTokenizer{}).Decode(ids, false)
			if text != c.prompt+c.want+"</s>" || scored(labels) != len(c.want)+1 {
				t.Errorf("row is %q, %d scored", text, scored(labels))
			}
		})
	}
}

func TestInstructMessages(t *testing.T) {
	task := instruct(t, `{"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"},{"role":"assistant","content":"A"},`+
		`{"role":"user","content":"V"},{"role":"assistant","content":"B"}],"tools":[1]}`)
	ex := mustCollect(t, task, Train)[0]
	ids, labels, err := Encode(byteTokenizer{addBOS: true}, testTemplate{}, ex, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := Format(byteTokenizer{}, ids, labels)
	want := "<s>[1][system]S</s>[user]U</s>[assistant]⟦A</s>⟧[user]V</s>[assistant]⟦B</s>⟧\n56 tokens, 4 scored"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	prompt, err := EncodePrompt(byteTokenizer{addBOS: true}, testTemplate{}, ex)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := (byteTokenizer{}).Decode(prompt, false), "<s>[1][system]S</s>[user]U</s>[assistant]A</s>[user]V</s>[assistant]"; got != want {
		t.Errorf("prompt is %q, want %q", got, want)
	}
	for answer, score := range map[string]float64{"B": 1, " B\n": 1, "A": 0, "": 0, "b": 0} {
		if s := task.Score(ex, answer); s != score {
			t.Errorf("%q scores %g, want %g", answer, s, score)
		}
	}
	_, _, err = Encode(byteTokenizer{}, nil, ex, 0)
	wantError(t, err, "d.jsonl:1: chat messages need a chat template")
	var none *chat.Template
	_, err = EncodePrompt(byteTokenizer{}, none, ex)
	wantError(t, err, "d.jsonl:1: chat messages need a chat template")
}

func TestInstructRefuses(t *testing.T) {
	const user = `{"messages":[{"role":"user","content":"U"}]}`
	for _, c := range []struct{ what, data, want string }{
		{"unknown", `{"q":"x","a":"y"}`, "d.jsonl:1: not a format of instructions: the file's first record has a, q; want messages, or conversations, or instruction and instances, or "},
		{"another format", "{\"prompt\":\"a\",\"response\":\"b\"}\n{\"instruction\":\"a\",\"output\":\"b\"}",
			`d.jsonl:2: field "prompt" is missing; the record has instruction, output; field "response" is missing; the record has instruction, output (the file's format is prompt, by its first record)`},
		{"type", `{"instruction":"a","output":["b"]}`, `d.jsonl:1: field "output" is an array, want a string`},
		{"no list", `{"messages":"x"}`, `d.jsonl:1: field "messages" is not a list of messages`},
		{"no assistant", user, "d.jsonl:1: field \"messages\" has no message of role assistant"},
		{"null", `{"messages":null}`, "has no message of role assistant"},
		{"no role", `{"messages":[{"role":"user","content":"U"},{"content":"x"}]}`, "d.jsonl:1: message 2 has no role"},
		{"no messages", strings.Replace(user, "user", "assistant", 1) + "\n{\"other\":1}", `d.jsonl:2: field "messages" is missing; the record has other`},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := collect(t, instruct(t, c.data), Train)
			wantError(t, err, c.want)
		})
	}
}

// TestHeldOut: which records are in which split.
func TestHeldOut(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`{"prompt":"` + name + `","response":"` + strings.Repeat("i", i) + `"}` + "\n")
		}
		write(t, filepath.Join(dir, name), b.String())
		return filepath.Join(dir, name)
	}
	data, more, other := file("data", 30), file("more", 10), file("other", 3)
	for _, c := range []struct {
		what              string
		options           map[string]any
		train, eval, test int
	}{
		{"a tenth", map[string]any{"data": data}, 27, 3, 3},
		{"two files", map[string]any{"data": []any{data, more}}, 36, 4, 4},
		{"a number", map[string]any{"data": []string{data, more}, "eval_size": 12}, 28, 12, 12},
		{"none", map[string]any{"data": data, "eval_size": 0}, 30, 0, 0},
		{"too few for a tenth", map[string]any{"data": other}, 3, 0, 0},
		{"files of its own", map[string]any{"data": data, "eval_data": other}, 30, 3, 3},
		{"test too", map[string]any{"data": data, "eval_data": more, "test_data": other}, 30, 10, 3},
		{"only test", map[string]any{"test_data": other}, -1, 0, 3},
		{"all of it", map[string]any{"data": other, "eval_size": 3}, -1, -1, -1},
	} {
		t.Run(c.what, func(t *testing.T) {
			task := mustNew(t, "instruct", c.options)
			for split, want := range map[Split]int{Train: c.train, Eval: c.eval, Test: c.test} {
				all, err := collect(t, task, split)
				if err != nil && want >= 0 || err == nil && len(all) != want {
					t.Errorf("%s: %d examples, %v; want %d", split, len(all), err, want)
				}
			}
		})
	}
	held := mustCollect(t, mustNew(t, "instruct", map[string]any{"data": data, "eval_split": "tail"}), Eval)
	if held[0].Source != data+":28" {
		t.Errorf("the first held-out record is %s, want line 28", held[0].Source)
	}
	_, err := collect(t, mustNew(t, "instruct", map[string]any{"data": other, "eval_size": 5}), Train)
	wantError(t, err, "option eval_size is 5, but", "has 3 records: none is left to train on")
}
