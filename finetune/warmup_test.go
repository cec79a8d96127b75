package finetune

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks/data"
)

// TestWarmupThatOutlastsTheRun: a warm-up that the user has set, and in which learning_rate is not reached, is refused: before the data are read
// where the number of steps is a key, and after it where it is the rows'.
func TestWarmupThatOutlastsTheRun(t *testing.T) {
	for _, tt := range []struct {
		schedule      string
		warmup        float64
		maxSteps      int
		refused, read bool // read: the number of steps is known when the data are
	}{
		{"cosine", 9, 10, false, false},
		{"cosine", 10, 10, true, false},
		{"cosine", 11, 10, true, false},
		{"cosine", 0.99, 10, true, true},
		{"cosine", 0.5, 10, false, false},
		{"cosine", 0, 10, false, false},
		{"constant", 10, 10, false, false},
		{"cosine_warmup_with_min_lr", 10, 10, false, false},
		{"cosine_warmup_with_min_lr", 11, 10, true, false},
		{"cosine", 2, 0, false, false},
		{"cosine", 3, 0, true, true}, // 7 rows, 3 a step
	} {
		c := smallRun(t, "lora")
		c.Train.LRSchedulerType, c.Train.WarmupSteps, c.Train.MaxSteps = tt.schedule, &tt.warmup, tt.maxSteps
		if tt.schedule != "cosine" && tt.schedule != "constant" {
			c.Train.LRSchedulerKwargs = map[string]any{"min_lr": 1e-5}
		}
		if err := c.Check(); (err != nil) != (tt.refused && !tt.read) {
			t.Errorf("%+v: Check says %v", tt, err)
		}
		if _, err := DryRun(t.Context(), c, nil, quiet()); (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), "would never be reached") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestWarmupRatio: a share that the user has set is one of all steps, and refused where the run does not come to learning_rate.
func TestWarmupRatio(t *testing.T) {
	for _, tt := range []struct {
		ratio    float64
		maxSteps int
		want     int // steps of warm-up; -1 for an error
	}{{0.5, 10, 5}, {0.9, 10, 9}, {0.99, 10, -1}, {1, 10, -1}, {0.03, 1, 1}} { // the last is the default
		c := smallRun(t, "lora")
		c.Train.LRSchedulerType, c.Train.WarmupRatio, c.Train.MaxSteps = "cosine", tt.ratio, tt.maxSteps
		plan, err := DryRun(t.Context(), c, nil, quiet())
		switch {
		case tt.want < 0 && (err == nil || !strings.Contains(err.Error(), "warmup_ratio is") || !strings.Contains(err.Error(), "would never be reached")):
			t.Errorf("%+v: %v", tt, err)
		case tt.want >= 0 && err != nil:
			t.Errorf("%+v: %v", tt, err)
		case tt.want >= 0:
			if _, _, warmup := c.Train.plan(7); warmup != tt.want || plan == nil {
				t.Errorf("%+v: %d steps of warm-up", tt, warmup)
			}
		}
	}
	c := smallRun(t, "lora")
	c.Train.WarmupRatio = -1
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "warmup_ratio is -1") {
		t.Error(err)
	}
}

// TestConstantHasNoWarmup: a warm-up of a schedule that has none is warned of, whichever key asks for it.
func TestConstantHasNoWarmup(t *testing.T) {
	for _, tt := range []struct {
		schedule     string
		ratio, steps float64
		warned       bool
	}{{"constant", 0.03, -1, false}, {"constant", 0.1, -1, true}, {"constant", 0, -1, false}, {"constant", 0.03, 2, true}, {"constant", 0.03, 0, false}, {"constant_with_warmup", 0.1, -1, false}} {
		c := smallRun(t, "lora")
		c.Train.LRSchedulerType, c.Train.WarmupRatio = tt.schedule, tt.ratio
		if tt.steps >= 0 {
			c.Train.WarmupSteps = &tt.steps
		}
		var log bytes.Buffer
		if _, err := DryRun(t.Context(), c, nil, Options{Log: zerolog.New(&log)}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "constant has no warm-up"); got != tt.warned {
			t.Errorf("%+v: warned %t: %s", tt, got, log.String())
		}
	}
}

// TestWithoutEffect: what the user has set and is not used, and held-out rows that say nothing, are warned of.
func TestWithoutEffect(t *testing.T) {
	dir := t.TempDir()
	train := tiny.Write(t, dir+"/train.csv", "text,label\na,x\nb,y\nc,x\nd,y\n")
	one := tiny.Write(t, dir+"/one.csv", "text,label\na b,x\nb c,x\n")
	two := tiny.Write(t, dir+"/two.csv", "text,label\na b,x\nb c,y\n")
	for _, tt := range []struct {
		method   string
		settings map[string]any
		eval     string
		want     []string
	}{
		{"full", map[string]any{"target_modules": []any{"q_proj"}, "r": 4}, two, []string{"target_modules has no effect: full", "r has no effect: full"}},
		{"lora", map[string]any{"r": 4}, two, nil},
		{"lora", map[string]any{"r": 4}, one, []string{"all held-out rows are of one class"}},
		{"lora", map[string]any{"r": 4}, two, []string{"adam_epsilon has no effect: lion_32bit"}},
	} {
		c := smallRun(t, tt.method)
		c.Method.Settings, c.Train.MaxSteps = tt.settings, 1
		c.Train.AdamEpsilon, c.Train.AdamBeta1 = 1e-6, 0.8
		if len(tt.want) == 1 && strings.Contains(tt.want[0], "lion") {
			c.Train.Optim = "lion_32bit"
		}
		c.Task = TaskSpec{Name: "classify", Data: data.Files(train), EvalData: data.Files(tt.eval)}
		var log bytes.Buffer
		if _, err := DryRun(t.Context(), c, nil, Options{Log: zerolog.New(&log)}); err != nil {
			t.Fatal(err)
		}
		for _, warning := range []string{"target_modules has no effect: full", "r has no effect: full", "all held-out rows are of one class", "adam_epsilon has no effect: lion_32bit", "adam_beta1 has no effect"} {
			if got := strings.Contains(log.String(), warning); got != (strings.Contains(strings.Join(tt.want, ";"), warning)) {
				t.Errorf("%s on %s: %q is said: %t", tt.method, tt.eval, warning, got)
			}
		}
	}
}
