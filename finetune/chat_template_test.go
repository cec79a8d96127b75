package finetune

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks/data"
)

// baseModel is a model without a chat template, and a conversation to train it on.
func baseModel(t *testing.T) (dir string, task TaskSpec) {
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "cases", "training", "base"))); err != nil {
		t.Fatal(err)
	}
	records := filepath.Join(t.TempDir(), "d.jsonl")
	record := `{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}` + "\n"
	if err := os.WriteFile(records, []byte(strings.Repeat(record, 4)), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir, TaskSpec{Name: "instruct", Data: data.Sources{{Path: records}}, Options: map[string]any{"eval_size": 0}}
}

// TestChatTemplate gives a base model a template: the result's folder has it, and the rows of its tokens are trained.
func TestChatTemplate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.jinja")
	if err := os.WriteFile(file, []byte("{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		template, method string
		settings         map[string]any
		tokens           []string // that are added
		prompt, stop     string
		embedded         bool // the base has no rows to spare, and ties its head to them
	}{
		"lora":         {"chatml", "lora", map[string]any{"r": 2}, []string{"<|im_start|>", "<|im_end|>"}, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", false},
		"mora":         {"chatml", "mora", map[string]any{"r": 2}, []string{"<|im_start|>", "<|im_end|>"}, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", false},
		"saved":        {"gemma", "lora", map[string]any{"r": 2, "modules_to_save": []string{"embed_tokens", "lm_head"}}, []string{"<start_of_turn>", "<end_of_turn>"}, "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>", false},
		"full":         {"chatml", "full", nil, []string{"<|im_start|>", "<|im_end|>"}, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", false},
		"resized":      {"chatml", "lora", map[string]any{"r": 2}, []string{"<|im_start|>", "<|im_end|>"}, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", true},
		"resized full": {"chatml", "full", nil, []string{"<|im_start|>", "<|im_end|>"}, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", true},
		"text":         {"zephyr", "lora", map[string]any{"r": 2}, nil, "<|user|>\nHi</s>\n<|assistant|>\n", "</s>", false},
		"file":         {file, "vera", map[string]any{"r": 2}, nil, "user: Hi</s>", "</s>", false},
	} {
		t.Run(name, func(t *testing.T) {
			run := smallRun(t, c.method)
			dir, task := baseModel(t)
			if c.embedded {
				dir = infer.Embedded
			}
			run.Model, run.Task = ModelSpec{Path: dir, ChatTemplate: c.template}, task
			run.Method.Settings, run.Train.MaxSteps, run.Train.LearningRate = c.settings, 4, 0.05
			if _, err := Run(t.Context(), run, quiet()); err != nil {
				t.Fatal(err)
			}
			base, adapterDir := dir, run.Save.OutputDir
			if c.method == "full" {
				base, adapterDir = run.Save.OutputDir, ""
			}
			s, err := infer.Open(t.Context(), base, adapterDir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			tok, err := s.Tokenizer()
			if err != nil {
				t.Fatal(err)
			}
			if n := s.Model.Config().VocabSize; n < tok.VocabSize() || c.embedded && n != tok.VocabSize() {
				t.Errorf("the model has %d tokens, the tokenizer %d", n, tok.VocabSize())
			}
			ids, err := s.EncodePrompt("Hi", infer.PromptOptions{Chat: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.Decode(ids, false); got != c.prompt {
				t.Errorf("the prompt is %q, want %q", got, c.prompt)
			}
			stop, err := s.StopTokens()
			if id, ok := tok.ID(c.stop); err != nil || !ok || !slices.Contains(stop, id) {
				t.Errorf("stops at %d (%v), which lacks %s (%d)", stop, err, c.stop, id)
			}
			rows := map[string]bool{}
			for _, token := range c.tokens {
				id, ok := tok.ID(token)
				if !ok || !slices.Contains(ids, id) {
					t.Fatalf("%s is not one token of %d", token, ids)
				}
				var table *model.Weight
				s.Model.Tables(func(w *model.Weight) { table = w })
				row := make([]float32, table.Shape[1])
				table.Table(s.Adapter).Block(row, len(row), int(id), 0, 1, len(row))
				rows[fmt.Sprint(row)] = true
			}
			if len(rows) != len(c.tokens) {
				t.Error("new tokens have the same rows: they are not trained")
			}
		})
	}
}

func TestChatTemplateErrors(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.jinja")
	if err := os.WriteFile(broken, []byte("{% for m in messages %}"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		template, method string
		settings         map[string]any
		want             string
	}{
		{"chatmll", "lora", nil, "did you mean chatml?"},
		{"nowhere.jinja", "lora", nil, "neither a file nor the name of a template"},
		{broken, "lora", nil, "line 1: the template ends before endfor"},
		{"chatml", "vera", nil, "trainable_token_indices"},
		{"chatml", "lora", map[string]any{"trainable_token_indices": map[string]any{"embed_tokens": []int{1}}}, "give a list"},
	} {
		run := smallRun(t, c.method)
		dir, task := baseModel(t)
		run.Model, run.Task, run.Method.Settings = ModelSpec{Path: dir, ChatTemplate: c.template}, task, c.settings
		if _, err := Run(t.Context(), run, quiet()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: got %v, want %q", c.template, c.method, err, c.want)
		}
	}
}

// TestTemplateTellsDate: a run goes on with the date on which it began, though its template tells the present one.
func TestTemplateTellsDate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "date.jinja")
	source := "{{ strftime_now('%H:%M:%S.%f') }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
	if err := os.WriteFile(file, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	run := smallRun(t, "lora")
	dir, task := baseModel(t)
	run.Model, run.Task = ModelSpec{Path: dir, ChatTemplate: file}, task
	run.Train.MaxSteps, run.Save.Steps = 1, 1
	if _, err := Run(t.Context(), run, quiet()); err != nil {
		t.Fatal(err)
	}
	run.Train.MaxSteps = 2
	if result, err := Run(t.Context(), run, Options{Resume: true}); err != nil || result.Steps != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
}

// TestResumedFullRunSaves: the files beside the weights are those of the base and of the run, whatever kind of base it is.
func TestResumedFullRunSaves(t *testing.T) {
	dir, task := baseModel(t)
	gguf := filepath.Join(t.TempDir(), "base.gguf")
	if _, err := convert.GGUF(t.Context(), convert.GGUFOptions{Model: dir, Output: gguf}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, gguf} {
		run := smallRun(t, "full")
		run.Model, run.Task = ModelSpec{Path: path, ChatTemplate: "chatml"}, task
		run.Train.MaxSteps, run.Save.Steps = 1, 1
		if _, err := Run(t.Context(), run, quiet()); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		run.Train.MaxSteps = 2
		if _, err := Run(t.Context(), run, Options{Resume: true}); err != nil {
			t.Errorf("%s, resumed: %v", path, err)
		}
		m, err := infer.Open(t.Context(), run.Save.OutputDir, "")
		if err != nil {
			t.Fatal(err)
		}
		if tok, err := m.Tokenizer(); err != nil || !strings.Contains(tok.ChatTemplate, "<|im_start|>") {
			t.Errorf("%s: the result's tokenizer: %v", path, err)
		}
		_ = m.Close()
	}
}

// TestResultHasTheTokenizerOfTheRun where the recipe names another one than the model's.
func TestResultHasTheTokenizerOfTheRun(t *testing.T) {
	for _, method := range []string{"full", "lora"} {
		run := smallRun(t, method)
		dir, task := baseModel(t)
		other, _ := baseModel(t)
		raw, err := os.ReadFile(filepath.Join(other, "tokenizer.json"))
		if err == nil {
			err = os.WriteFile(filepath.Join(other, "tokenizer.json"), append(raw, '\n'), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		run.Model, run.Task = ModelSpec{Path: dir, Tokenizer: other}, task
		run.Task.Data = data.Files(filepath.Join(t.TempDir(), "d.jsonl"))
		if err := os.WriteFile(run.Task.Data[0].Path, []byte(strings.Repeat(`{"prompt": "Hi", "completion": "Yo"}`+"\n", 4)), 0o666); err != nil {
			t.Fatal(err)
		}
		run.Train.MaxSteps = 1
		if _, err := Run(t.Context(), run, quiet()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(run.Save.OutputDir, "tokenizer.json"))
		if err != nil || string(got) != string(raw)+"\n" {
			t.Errorf("%s: the result has another tokenizer (%v)", method, err)
		}
	}
}
