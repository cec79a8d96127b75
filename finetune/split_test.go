package finetune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks/data"
)

// instructRun returns a small run on 40 records, of which 4 are held out.
func instructRun(t *testing.T) Config {
	t.Helper()
	var lines strings.Builder
	for i := range 40 {
		fmt.Fprintf(&lines, `{"prompt": "%c%d", "response": "%d"}`+"\n", 'a'+i%26, i, i*i)
	}
	c := smallRun(t, "lora")
	c.Task = TaskSpec{Name: "instruct", Data: data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "d.jsonl"), lines.String()))}
	return c
}

// TestEarlierRunKeepsItsSplit resumes a run of a version that held out the last records, twice, with a recipe that does not
// name the split.
func TestEarlierRunKeepsItsSplit(t *testing.T) {
	whole := instructRun(t)
	whole.Task.Options = map[string]any{"eval_split": "tail"}
	if _, err := Run(t.Context(), whole, quiet()); err != nil {
		t.Fatal(err)
	}
	cut := whole
	cut.Save.OutputDir = filepath.Join(t.TempDir(), "cut")
	stop(t, cut, 5)
	dir := checkpointDir(cut.Save.OutputDir, 5)
	s, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	delete(s.Recipe, evalSplitKey)
	if s.SHA256, err = s.digest(); err != nil {
		t.Fatal(err)
	}
	if err := folder.WriteJSON(filepath.Join(dir, stateFile), s); err != nil {
		t.Fatal(err)
	}
	cut.Task.Options = map[string]any{"eval_split": "random"}
	if _, _, err := resumeRun(t, cut); err == nil || !strings.Contains(err.Error(), `task_options.eval_split: the run has "tail", the recipe "random"`) {
		t.Errorf("another split: %v", err)
	}
	cut.Task.Options = nil
	for range 2 {
		_, log, err := resumeRun(t, cut)
		if err != nil || strings.Contains(log, "changed") {
			t.Fatalf("%v\n%s", err, log)
		}
	}
	want, wantMetrics := content(t, whole)
	got, metrics := content(t, cut)
	if !bytes.Equal(got, want) || strings.Join(metrics, "\n") != strings.Join(wantMetrics, "\n") {
		t.Error("the resumed run has other weights or metrics")
	}
}

// stop runs until after a step.
func stop(t *testing.T, c Config, step int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o := quiet()
	o.Progress = func(p Progress) {
		if p.Step == step {
			cancel()
		}
	}
	if _, err := Run(ctx, c, o); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
}

// TestRateOfZero: a run that learns nothing says so.
func TestRateOfZero(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.MaxSteps, c.Train.LearningRate = 1, 0
	var logs bytes.Buffer
	if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&logs)}); err != nil || !strings.Contains(logs.String(), "learning_rate is 0") {
		t.Errorf("%v\n%s", err, &logs)
	}
}

// TestSliceTokensOnResume: the error says why other micro-batches are refused.
func TestSliceTokensOnResume(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.MaxSteps = 2
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	c.Train.MaxTokensPerMicroBatch = 100
	if _, _, err := resumeRun(t, c); err == nil || !strings.Contains(err.Error(), "slice_tokens: the run has 0, the recipe 100 (it decides which rows run in one micro-batch") {
		t.Error(err)
	}
}

// TestWhatIsEvaluated: the log has the counts of the classes, and what is evaluated and trained on, too.
func TestWhatIsEvaluated(t *testing.T) {
	h := headCases["classify"]
	c := h.config(t, h.base(t), 1)
	var logs bytes.Buffer
	if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&logs)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"split":"train","counts":"neg 11, pos 11"`, `"split":"eval","counts":"neg 1, pos 1"`, `"rows":2,"of":2`, "evaluation rows occur in the training data"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &logs)
		}
	}
	logs.Reset()
	c = smallRun(t, "lora")
	text := "one two three four five six seven eight nine ten eleven twelve thirteen fourteen. "
	c.Task = TaskSpec{Name: "text", Options: map[string]any{"block_size": 16},
		Data:     data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "train.txt"), strings.Repeat(text, 3))),
		EvalData: data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "eval.txt"), "Here: "+text))}
	c.Train.MaxSteps = 1
	if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&logs)}); err != nil || !strings.Contains(logs.String(), `"shared":2,"of":3`) {
		t.Errorf("%v\n%s", err, &logs)
	}
	logs.Reset()
	if _, err := Run(t.Context(), smallRun(t, "lora"), Options{Log: zerolog.New(&logs)}); err != nil || strings.Contains(logs.String(), "occur in the training") {
		t.Errorf("task memory evaluates what it learns: %v\n%s", err, &logs)
	}
}
