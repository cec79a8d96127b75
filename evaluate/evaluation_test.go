package evaluate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks"
)

// two is an evaluation of two tasks.
func two(n int) []NamedTask {
	q := &quiz{}
	for i := range n {
		q.Prompts = append(q.Prompts, fmt.Sprintf("question %d", i))
	}
	return []NamedTask{{"quiz", q}, {"echo", &echo{prompts: q.Prompts, options: tasks.GenerationOptions{MaxNewTokens: 3}}}}
}

// TestEvaluateAll: the measures follow from the answers, and a run that was cut off goes on to the same result.
func TestEvaluateAll(t *testing.T) {
	s, _ := byteSession(t)
	all := two(5)[:1]
	path := filepath.Join(t.TempDir(), "answers.jsonl")
	run := Run{Model: "m", Tasks: all, Limit: 4}
	once := func() *Result {
		t.Helper()
		file, err := OpenPredictionLog(path, run)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		r, err := All(t.Context(), s, all, Options{Limit: run.Limit, Log: file})
		if err != nil {
			t.Fatal(err)
		}
		return r[0]
	}
	first := once()
	whole, err := os.ReadFile(path)
	if err != nil || bytes.Count(whole, []byte("\n")) != 4 {
		t.Fatalf("%s, %v", whole, err)
	}
	sum, tokens, right := 0.0, 0, 0.0
	for line := range bytes.Lines(whole) {
		var a logLine
		if err := json.Unmarshal(line, &a); err != nil || a.Task != "quiz" || a.Model != "m" || a.Run == "" || a.Verdict != map[float64]string{0: "wrong", 1: "right"}[a.Score] {
			t.Errorf("%v: %s", err, line)
		}
		for _, c := range a.Choices {
			if c.Text == a.Reference {
				sum, tokens = sum-c.LogProb, tokens+c.Tokens
			}
		}
		right += a.Score
	}
	if first.Rows != 4 || first.Answered != 4 || *first.Score != right/4 || first.Scored != tokens || tokens > 0 && math.Abs(*first.Loss-sum/float64(tokens)) > 1e-12 {
		t.Errorf("got %+v", first)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for _, cut := range [][]byte{bytes.Join(lines[:2], nil), append(bytes.Join(lines[:3], nil), lines[3][:20]...), whole} {
		if err := os.WriteFile(path, cut, 0o666); err != nil {
			t.Fatal(err)
		}
		again := once()
		if math.Abs(*again.Loss-*first.Loss) > 1e-6 || *again.Score != *first.Score || again.Answered != 4 {
			t.Errorf("from %d bytes on: %+v, want %+v", len(cut), again, first)
		}
		now, err := os.ReadFile(path)
		if kept := bytes.LastIndexByte(cut, '\n') + 1; err != nil || !bytes.HasPrefix(now, cut[:kept]) || bytes.Count(now, []byte("\n")) != 4 {
			t.Errorf("from %d bytes on the file is\n%s\nwant\n%s", len(cut), now, whole)
		}
	}
}

// TestEvaluateGenerates: a task that generates has its loss besides where that is asked for.
func TestEvaluateGenerates(t *testing.T) {
	s, _ := byteSession(t)
	task, err := tasks.New("memory", map[string]any{"pairs": 3})
	if err != nil {
		t.Fatal(err)
	}
	results, err := All(t.Context(), s, []NamedTask{{"memory", task}}, Options{Limit: 2, Loss: true})
	if err != nil {
		t.Fatal(err)
	}
	single, answers, err := Evaluate(t.Context(), s, task, Options{Limit: 2, Loss: true})
	if err != nil || len(answers) != 2 {
		t.Fatal(err)
	}
	if r := results[0]; *r.Loss != *single.Loss || *r.Score != *single.Score || r.Rows != 2 || r.Answered != 2 || *r.Loss < 3 {
		t.Errorf("got %+v, want %+v", r, single)
	}
	quick, _, err := Evaluate(t.Context(), s, task, Options{Limit: 2})
	if err != nil || quick.Loss != nil || quick.Rows != 0 || quick.Scored != 0 || *quick.Score != *single.Score || quick.Answered != 2 {
		t.Errorf("without the loss: %+v, %v, want %+v", quick, err, single)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	s, _ := byteSession(t)
	empty, err := tasks.New("math", map[string]any{"data": "embedded:gsm8k/test.jsonl", "eval_size": 0})
	if err != nil {
		t.Fatal(err)
	}
	for want, task := range map[string]NamedTask{
		"quiz: data: no examples for the eval split":      {"quiz", &quiz{}},
		"math: data: no examples for the eval split":      {"math", empty},
		"quiz: quiz:1: the prompt has no token":           {"quiz", &quiz{Prompts: []string{""}}},
		"quiz: quiz:1: the prompt has 1024 tokens; the m": {"quiz", &quiz{Prompts: []string{strings.Repeat("x", 1024)}}},
	} {
		if _, err := All(t.Context(), s, []NamedTask{task}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAnswersRefused(t *testing.T) {
	dir := t.TempDir()
	folder := func(name, config string) string {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "config.json"), []byte(config), 0o666); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	a, b := folder("a", "1"), folder("b", "2")
	run := Run{Model: a, Tasks: two(3)[:1], Limit: 2}
	path := filepath.Join(dir, "answers.jsonl")
	file, err := OpenPredictionLog(path, run)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.add("quiz", []Prediction{{Source: "quiz:1", Reference: " A| B| C"}}); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	other := func(change func(*Run)) Run {
		r := run
		change(&r)
		return r
	}
	for want, r := range map[string]Run{
		"its model is " + a + ", this run's " + b:       other(func(r *Run) { r.Model = b }),
		"its adapter is none, this run's " + b:          other(func(r *Run) { r.Adapter = b }),
		"its task is quiz, this run's echo":             other(func(r *Run) { r.Tasks = two(3)[1:] }),
		"another run of quiz: its data, options, limit": other(func(r *Run) { r.Limit = 3 }),
		"data, options, limit or weights are others":    other(func(r *Run) { r.Tasks = two(4)[:1] }),
	} {
		if _, err := OpenPredictionLog(path, r); err == nil || !strings.Contains(err.Error(), path+":1: belongs to another run") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	folder("a", "changed")
	if _, err := OpenPredictionLog(path, run); err == nil || !strings.Contains(err.Error(), "weights are others") {
		t.Errorf("with other weights: %v", err)
	}
	folder("a", "1")
	file, err = OpenPredictionLog(path, run)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.kept("quiz", []tasks.Example{{Source: "quiz:1", Reference: "x"}}); err == nil || !strings.Contains(err.Error(), "they have changed") {
		t.Errorf("with other data: %v", err)
	}
	if _, err := file.kept("quiz", nil); err == nil || !strings.Contains(err.Error(), "has 1 answers, the data 0 examples") {
		t.Errorf("with fewer data: %v", err)
	}
	for _, text := range []string{"hello", "hello\n", "{\"a\":1}\n", "[]\n{}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPredictionLog(path, run); err == nil || !strings.Contains(err.Error(), path+":1: is no answer of an evaluation") {
			t.Errorf("%q: got %v", text, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%q became %q, %v", text, now, err)
		}
	}
	if _, err := OpenPredictionLog(filepath.Join(dir, "none", "x"), run); err == nil {
		t.Error("a file in no folder was opened")
	}
}

func TestTasks(t *testing.T) {
	gsm := "embedded:gsm8k/test.jsonl"
	all, err := Tasks([]string{"math", "gsm8k", "memory"}, []string{"math=" + gsm, "gsm8k=" + gsm}, []string{"pairs=3", "gsm8k.form=raw", "max_new_tokens=9"})
	if err != nil || len(all) != 3 || all[2].Name != "memory" {
		t.Fatalf("got %v, %v", all, err)
	}
	m, g := all[0].Task.(*tasks.Math), all[1].Task.(*tasks.Math)
	if m.Form != "metamath" || g.Form != "raw" || m.MaxNewTokens != 9 || g.MaxNewTokens != 9 || all[2].Task.(*tasks.Memory).Pairs != 3 || g.EvalData[0].Path != gsm {
		t.Errorf("got %+v, %+v", m, g)
	}
	if all, err = Tasks([]string{"math"}, []string{"a=b.jsonl"}, nil); err != nil || all[0].Task.(*tasks.Math).EvalData[0].Path != "a=b.jsonl" {
		t.Errorf("got %+v, %v", all, err)
	}
	for _, c := range []struct {
		names, data, settings []string
		want                  string
	}{
		{nil, nil, nil, "no task is named"},
		{[]string{"math", "mmul"}, nil, nil, `"mmul" is not known; did you mean mmlu?`},
		{[]string{"math", "math"}, []string{gsm}, nil, "task math is named twice"},
		{[]string{"math", "gsm8k"}, []string{gsm}, nil, "with several tasks, want NAME=PATH"},
		{[]string{"math", "gsm8k"}, []string{"gsm8=" + gsm}, nil, `"gsm8" is no task of this run; did you mean gsm8k?`},
		{[]string{"math"}, []string{gsm, gsm}, nil, "task math has data already"},
		{[]string{"math", "memory"}, []string{"math=" + gsm}, []string{"peirs=3"}, "none of the tasks math, memory has an option peirs"},
		{[]string{"memory"}, nil, []string{"peirs=3"}, "did you mean pairs?"},
		{[]string{"math", "gsm8k"}, []string{"math=" + gsm}, nil, "task gsm8k: option data is missing"},
	} {
		if _, err := Tasks(c.names, c.data, c.settings); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v %v: got %v, want %q", c.names, c.data, c.settings, err, c.want)
		}
	}
}
