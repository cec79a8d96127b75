package evaluate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// quiz is a multiple-choice task. An example's choices are in Reference, separated by bars, the right one first.
type quiz struct{ Prompts []string }

func (q *quiz) Examples(tasks.Split) iter.Seq2[tasks.Example, error] {
	return func(yield func(tasks.Example, error) bool) {
		for i, p := range q.Prompts {
			if !yield(tasks.Example{Prompt: p, Source: fmt.Sprintf("quiz:%d", i+1), Reference: []string{" A| B| C", " yes| no| maybe", "x|yy"}[i%3]}, nil) {
				return
			}
		}
	}
}

func (q *quiz) Choices(ex tasks.Example) []string { return strings.Split(ex.Reference, "|") }

func (q *quiz) Score(want tasks.Example, got string) float64 {
	if strings.HasPrefix(want.Reference, got+"|") {
		return 1
	}
	return 0
}

// TestChoicesMatchWholeTexts checks that the log-probability of a choice is that computed from prompt and choice as one
// text, whatever prefixes the questions share.
func TestChoicesMatchWholeTexts(t *testing.T) {
	s, tok := byteSession(t)
	shots, task := strings.Repeat("A worked example. ", 4), &quiz{}
	for i := range 7 {
		task.Prompts = append(task.Prompts, shots+strings.Repeat("q", i)+"?") // share the shots and more
	}
	for i := range 5 {
		task.Prompts = append(task.Prompts, fmt.Sprintf("%d alone:", i)) // share nothing
	}
	n := evalBatch + 4 // more than a batch
	if testing.Short() {
		n = 8
	}
	for i := range n {
		task.Prompts = append(task.Prompts, strings.ToUpper(shots)+strings.Repeat("long ", 10*(i%2))+fmt.Sprint("?", i))
	}
	score, answers, err := scoreEval(t.Context(), s, task, 0)
	if err != nil || len(answers) != len(task.Prompts) {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	right := 0.0
	for i, a := range answers {
		best := math.Inf(-1)
		for _, c := range a.Choices {
			want := logProbOf(t, s.Model, tok.Encode(a.Prompt+c.Text, false), len(tok.Encode(a.Prompt, false)))
			if d := math.Abs(c.LogProb - want); d > 1e-5 || c.Tokens != len(c.Text) {
				t.Errorf("%d: %q: got %g, as one text %g", i, c.Text, c.LogProb, want)
			}
			best = max(best, c.LogProb)
		}
		for _, c := range a.Choices {
			if (c.LogProb == best) != (c.Text == a.Output) {
				t.Errorf("%d: chose %q of %+v", i, a.Output, a.Choices)
			}
		}
		right += a.Score
		if a.Prompt != task.Prompts[i] || a.Source != fmt.Sprintf("quiz:%d", i+1) {
			t.Errorf("%d: got %+v", i, a)
		}
	}
	if score != right/float64(len(answers)) {
		t.Errorf("the score is %g", score)
	}
}

// logProbOf returns the log-probability of a text's tokens from position n on.
func logProbOf(t *testing.T, m *model.Model, ids []int32, n int) float64 {
	t.Helper()
	pass := &op.Pass{}
	defer pass.Release()
	logits, err := m.Logits(pass, &model.Batch{IDs: ids}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i := n; i < len(ids); i++ {
		row := logits.Row(i - 1)
		sum += float64(row[ids[i]]) - numeric.LogSumExp(row)
	}
	return sum
}

func TestChoiceErrors(t *testing.T) {
	s, _ := byteSession(t)
	long := strings.Repeat("x", s.Model.Config().MaxPositionEmbeddings)
	_, _, err := scoreEval(t.Context(), s, &quiz{Prompts: []string{long}}, 0)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("quiz:1: the prompt has %d tokens; the model takes %d", len(long), len(long))) {
		t.Errorf("got %v", err)
	}
	if _, _, err = scoreEval(t.Context(), s, &quiz{Prompts: []string{""}}, 0); err == nil || !strings.Contains(err.Error(), "quiz:1: the prompt has no token") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := scoreEval(ctx, s, &quiz{Prompts: []string{"a"}}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// scoredQuiz is a quiz that keeps the choice scores that its metrics receive.
type scoredQuiz struct {
	quiz
	choices [][]tasks.ChoiceScore
}

func (q *scoredQuiz) ComputeMetrics(_ []tasks.Example, predictions []tasks.Prediction) ([]tasks.Metric, error) {
	for _, p := range predictions {
		q.choices = append(q.choices, p.Choices)
	}
	return []tasks.Metric{{Name: "none"}}, nil
}

// TestMetricsReceiveChoiceScores checks that a task's metrics receive the scores of all choices, which acc_norm needs.
func TestMetricsReceiveChoiceScores(t *testing.T) {
	s, _ := byteSession(t)
	task := &scoredQuiz{quiz: quiz{Prompts: []string{"one?", "two?"}}}
	_, answers, err := scoreEval(t.Context(), s, task, 0)
	if err != nil || len(task.choices) != 2 {
		t.Fatalf("got %v, %v", task.choices, err)
	}
	for i, a := range answers {
		if len(a.Choices) != 3 || !slices.Equal(a.Choices, task.choices[i]) {
			t.Errorf("answer %d has the choices %v, the metrics saw %v", i, a.Choices, task.choices[i])
		}
	}
}
