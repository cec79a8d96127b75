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

// quizAndEcho returns two tasks of n examples.
func quizAndEcho(n int) []NamedTask {
	q := &quiz{}
	for i := range n {
		q.Prompts = append(q.Prompts, fmt.Sprintf("question %d", i))
	}
	return []NamedTask{{"quiz", q}, {"echo", &echo{prompts: q.Prompts, options: tasks.GenerationOptions{MaxNewTokens: 3}}}}
}

// TestEvaluateAll checks the loss and the score against the answers, and that an interrupted run resumes to the same
// result.
func TestEvaluateAll(t *testing.T) {
	s, _ := byteSession(t)
	all := quizAndEcho(5)[:1]
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

// TestEvaluateGenerates checks that a task whose answers are generated has a loss only if that is asked for.
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

func TestEvaluateErrors(t *testing.T) {
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
