package evaluate

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/ranktest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// Every number of ranks gives the metrics and the answers of one process, whole chunks or not.
func TestScoreOnRanks(t *testing.T) {
	s, _ := byteSession(t)
	task, err := tasks.New("memory", map[string]any{"pairs": 3*GenerateBatch + 5})
	if err != nil {
		t.Fatal(err)
	}
	named := NamedTask{Task: task}
	metrics, answers, err := Score(t.Context(), s, named, tasks.Eval, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 2, 3, 5} {
		_, errs := ranktest.Run(size, func(r ranktest.Rank) error {
			on := *s
			on.Ranks = r
			gotMetrics, gotAnswers, err := Score(t.Context(), &on, named, tasks.Eval, 0, nil)
			if err != nil || !reflect.DeepEqual(gotMetrics, metrics) || !reflect.DeepEqual(gotAnswers, answers) {
				t.Errorf("rank %d of %d: %v, or other metrics (%v, want %v) or answers", r.Rank(), size, err, gotMetrics, metrics)
			}
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	}
}

// Rank 0 keeps the answers, and another number of ranks goes on with them.
func TestEvaluateResumesOnRanks(t *testing.T) {
	s, _ := byteSession(t)
	task, err := tasks.New("memory", map[string]any{"pairs": 3*GenerateBatch + 5})
	if err != nil {
		t.Fatal(err)
	}
	all := []NamedTask{{Name: "memory", Task: task}}
	want, answers, err := Evaluate(t.Context(), s, task, Options{Loss: true})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "answers.jsonl")
	run := Run{Model: s.Model.Dir, Tasks: all}
	first, err := OpenPredictionLog(path, run)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.add("memory", answers[:GenerateBatch+3]), first.Close()); err != nil {
		t.Fatal(err)
	}
	_, errs := ranktest.Run(3, func(r ranktest.Rank) error {
		on, o := *s, Options{Loss: true}
		on.Ranks = r
		if r.Rank() == 0 {
			var err error
			if o.Log, err = OpenPredictionLog(path, run); err != nil {
				return err
			}
			defer func() { _ = o.Log.Close() }()
		}
		got, err := All(t.Context(), &on, all, o)
		if err == nil && (*got[0].Loss != *want.Loss || *got[0].Score != *want.Score || got[0].Answered != want.Answered) {
			t.Errorf("rank %d: loss %v, score %v; want %v, %v", r.Rank(), *got[0].Loss, *got[0].Score, *want.Loss, *want.Score)
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	whole, err := OpenPredictionLog(path, run)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = whole.Close() }()
	if !reflect.DeepEqual(whole.old["memory"], answers) {
		t.Errorf("%d answers are kept, or others than one process's %d", len(whole.old["memory"]), len(answers))
	}
}

// An error on one rank is every rank's, and so are other examples.
func TestScoreOnRanksFails(t *testing.T) {
	s, _ := byteSession(t)
	task, err := tasks.New("memory", map[string]any{"pairs": 2 * GenerateBatch})
	if err != nil {
		t.Fatal(err)
	}
	other, err := tasks.New("memory", map[string]any{"pairs": 2*GenerateBatch + 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		task tasks.Task // of rank 1
		want string
	}{
		"fails": {noExamples{task}, "rank 1: this task has no answers"},
		"other": {other, "examples: rank 0 has"},
	} {
		_, errs := ranktest.Run(2, func(r ranktest.Rank) error {
			on, named := *s, NamedTask{Task: task}
			on.Ranks = r
			if r.Rank() == 1 {
				named.Task = c.task
			}
			_, _, err := Score(t.Context(), &on, named, tasks.Eval, 0, nil)
			if err != nil && !errors.Is(err, infer.ErrAllRanks) {
				_, err = infer.Exchange(r, 0, err)
			}
			return err
		})
		for rank, err := range errs {
			if !errors.Is(err, infer.ErrAllRanks) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%s: rank %d: %v, want %s", name, rank, err, c.want)
			}
		}
	}
}

// noExamples is a task without answers to score.
type noExamples struct{ tasks.Task }

// Ranks predict what one process does, from any input on.
func TestPredictOnRanks(t *testing.T) {
	base, err := infer.Open(t.Context(), infer.Embedded, "")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := base.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(t.Context(), base.Model.Dir, model.Options{Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"dull", "fine"}}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(m.Close(), base.Close()) }()
	s := infer.NewSession(m, tok, "")
	var inputs []Input
	for i := range 2*predictBatch + 7 {
		inputs = append(inputs, Input{Text: strings.Repeat("good bad ", 1+i%5)})
	}
	want, err := Predict(t.Context(), s, "", nil, inputs)
	if err != nil {
		t.Fatal(err)
	}
	for _, done := range []int{0, 5, predictBatch, predictBatch + 1, len(inputs)} {
		_, errs := ranktest.Run(2, func(r ranktest.Rank) error {
			on := *s
			on.Ranks = r
			var got []tasks.Prediction
			err := PredictFrom(t.Context(), &on, "", nil, inputs, done, func(p tasks.Prediction) error {
				got = append(got, p)
				return nil
			})
			if !slices.EqualFunc(got, want[done:], func(a, b tasks.Prediction) bool { return reflect.DeepEqual(a, b) }) {
				t.Errorf("rank %d, from %d on: %d predictions, or others than one process's %d", r.Rank(), done, len(got), len(want)-done)
			}
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	}
}
