package evaluate

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// echo is a task whose answers score 1 if they are not empty.
type echo struct {
	prompts []string
	options tasks.GenerationOptions
	err     error
}

func (e *echo) Examples(tasks.Split) iter.Seq2[tasks.Example, error] {
	return func(yield func(tasks.Example, error) bool) {
		for _, p := range e.prompts {
			if !yield(tasks.Example{Prompt: p, Source: p}, nil) {
				return
			}
		}
		if e.err != nil {
			yield(tasks.Example{}, e.err)
		}
	}
}

func (e *echo) Score(_ tasks.Example, got string) float64 { return float64(min(1, len(got))) }

func (e *echo) Generation() tasks.GenerationOptions { return e.options }

func TestGenerate(t *testing.T) {
	s, tok := byteSession(t)
	task := &echo{options: tasks.GenerationOptions{MaxNewTokens: 12}}
	for i := range GenerateBatch + 3 {
		task.prompts = append(task.prompts, strings.Repeat("ab", i+1))
	}
	_, free, err := scoreEval(t.Context(), s, task, 0)
	if err != nil || len(free) != len(task.prompts) {
		t.Fatalf("got %d answers, %v", len(free), err)
	}
	for i, a := range free { // each is the completion of its prompt alone
		text, err := s.Complete(t.Context(), tok.Encode(task.prompts[i], true), model.GenerationConfig{MaxNewTokens: 12}, nil)
		if err != nil || text.Text != a.Output || a.Prompt != task.prompts[i] {
			t.Errorf("%d: got %+v, alone %+v, %v", i, a, text, err)
		}
	}
	task.options.Stop = []string{free[0].Output[3:6]}
	score, cut, err := scoreEval(t.Context(), s, task, 5)
	if err != nil || len(cut) != 5 {
		t.Fatalf("got %d answers, %v", len(cut), err)
	}
	sum := 0.0
	for _, a := range cut {
		sum += a.Score
	}
	if score != sum/5 {
		t.Errorf("score %g, want the mean %g", score, sum/5)
	}
	if want, _, _ := strings.Cut(free[0].Output, task.options.Stop[0]); cut[0].Output != want {
		t.Errorf("got %q, want %q, up to the stop string", cut[0].Output, want)
	}
}

func TestGenerateErrors(t *testing.T) {
	s, _ := byteSession(t)
	long := strings.Repeat("x", s.Model.Config().MaxPositionEmbeddings)
	for want, task := range map[string]tasks.Task{
		"no example":               &echo{},
		"line 3 is bad":            &echo{prompts: []string{"a"}, err: errors.New("line 3 is bad")},
		"the prompt has 1024 toke": &echo{prompts: []string{long}},
		"loss alone":               struct{ tasks.Task }{},
	} {
		if _, _, err := scoreEval(t.Context(), s, task, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := scoreEval(ctx, s, &echo{prompts: []string{"a"}}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
