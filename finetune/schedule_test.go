package finetune

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
)

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		name          string
		warmup, total int
		want          []float64
	}{
		{"constant", 0, 4, []float64{1, 1, 1, 1}},
		{"constant", 2, 4, []float64{1, 1, 1, 1}},
		{"constant_with_warmup", 2, 4, []float64{0, 0.5, 1, 1}},
		{"linear", 0, 4, []float64{1, 0.75, 0.5, 0.25, 0, 0}},
		{"linear", 2, 4, []float64{0, 0.5, 1, 0.5, 0}},
		{"cosine", 0, 4, []float64{1, 0.5 * (1 + math.Sqrt2/2), 0.5, 0.5 * (1 - math.Sqrt2/2), 0}},
		{"cosine", 4, 4, []float64{0, 0.25, 0.5, 0.75}},
	} {
		f, err := LRFactors(LRSchedule{Type: tt.name, Warmup: tt.warmup, Total: tt.total})
		if err != nil {
			t.Fatal(err)
		}
		for step, want := range tt.want {
			if got := f(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, warm-up %d of %d: factor %g at step %d, want %g", tt.name, tt.warmup, tt.total, got, step, want)
			}
		}
	}
	if _, err := LRFactors(LRSchedule{Type: "cosin"}); err == nil || !strings.Contains(err.Error(), "cosine") {
		t.Errorf("got %v, want an error that lists the schedules", err)
	}
}

func TestScheduleWithRestarts(t *testing.T) {
	f, err := LRFactors(LRSchedule{Type: "cosine", Warmup: 2, Total: 20, MinRatio: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	g := withRestarts(f, 6, 3)
	for step := range 20 {
		want := f(step)
		if step >= 6 && step%6 < 3 {
			want *= float64(step%6) / 3
		}
		if got := g(step); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: factor %g, want %g", step, got, want)
		}
	}
	if got := f(20); math.Abs(got-0.1) > 1e-12 {
		t.Errorf("the last factor is %g, want min_lr_ratio", got)
	}
}

// TestRestartedFactors compares with the rates that torch's LambdaLR and transformers' schedules give when they are driven as
// the callback of the published implementation drives them (kongds/MoRA, train.py), and with the recipe that its README has.
func TestRestartedFactors(t *testing.T) {
	for _, tt := range []struct {
		kind                         string
		total, warmup, every, rewarm int
		from                         int
		want                         []float64
	}{
		{"cosine", 20, 4, 6, 2, 0, []float64{0, 0.25, 0.5, 0.75, 1, 0.990393, 0.96194, 0.48097, 0.96194, 0.945551, 0.897502, 0.821067, 0.721455, 0.360727, 0.721455,
			0.673127, 0.541091, 0.360727, 0.180364, 0.090182}},
		{"linear", 20, 4, 6, 3, 0, []float64{0, 0.25, 0.5, 0.75, 1, 0.9375, 0.875, 0.291667, 0.583333, 0.875, 0.795455, 0.715909, 0.636364, 0.212121, 0.424242, 0.636364,
			0.509091, 0.381818, 0.254545, 0.084848}},
		{"cosine", 10000, 1000, 2000, 50, 6050, []float64{0.630959}},
		{"cosine", 10000, 1000, 2000, 50, 8050, []float64{0.321752}},
		{"cosine", 10000, 1000, 2000, 50, 9999, []float64{0}},
	} {
		train := Default().Train
		train.LearningRate, train.LRSchedulerType, train.MaxSteps = 1, tt.kind, tt.total
		train.ReLoRASteps, train.ReLoRAWarmupSteps, train.ReLoRASchedule = tt.every, tt.rewarm, "restarted"
		warmup := float64(tt.warmup)
		train.WarmupSteps = &warmup
		_, rate, err := train.rates(1000)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range tt.want {
			if got := rate(tt.from + i); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s, %d steps: factor %g at step %d, want %g", tt.kind, tt.total, got, tt.from+i, want)
			}
		}
	}
	c := Default()
	c.Train.ReLoRASchedule = "restarted"
	if err := c.checkRestarts(); err == nil || err.Error() != "relora_schedule is set, relora_steps is not" {
		t.Errorf("got %v", err)
	}
	c.Train.ReLoRASteps, c.Train.ReLoRASchedule = 5, "jaged"
	if err := c.checkRestarts(); err == nil || !strings.Contains(err.Error(), `relora_schedule is "jaged"; want jagged or restarted`) {
		t.Errorf("got %v", err)
	}
}

// TestGoldenSchedules holds every schedule to the rates that transformers computes.
func TestGoldenSchedules(t *testing.T) {
	for _, root := range golden.Roots(t, "schedules") {
		var file struct {
			LearningRate float64 `json:"learning_rate"`
			Cases        []struct {
				Type          string
				Warmup, Total int
				Kwargs        map[string]any
				Rates         []float64
			}
		}
		golden.JSON(t, filepath.Join(root, "rates.json"), &file)
		seen := map[string]bool{}
		for _, c := range file.Cases {
			f, err := LRFactors(LRSchedule{Type: c.Type, Kwargs: c.Kwargs, LearningRate: file.LearningRate, Warmup: c.Warmup, Total: c.Total})
			if err != nil {
				t.Fatalf("%s %v: %v", c.Type, c.Kwargs, err)
			}
			seen[c.Type] = true
			for step, want := range c.Rates {
				if got := file.LearningRate * f(step); math.Abs(got-want) > 1e-12 {
					t.Errorf("%s %v, %d of %d: rate %g at step %d, want %g", c.Type, c.Kwargs, c.Warmup, c.Total, got, step, want)
				}
			}
		}
		for name := range schedules {
			if !seen[name] {
				t.Errorf("%s is not in %s", name, root)
			}
		}
	}
}

func TestScheduleKwargs(t *testing.T) {
	for want, s := range map[string]LRSchedule{
		"did you mean num_cycles":                    {Type: "cosine", Kwargs: map[string]any{"num_cycle": 2}},
		"num_cycles is 0; want above 0":              {Type: "cosine_with_restarts", Kwargs: map[string]any{"num_cycles": 0}},
		`"cosin" is not known; did you mean cosine?`: {Type: "cosin"},
		"linear has no keys":                         {Type: "linear", Kwargs: map[string]any{"power": 2}},
		"one of min_lr and min_lr_rate":              {Type: "cosine_with_min_lr"},
		"power: two is not a number":                 {Type: "polynomial", LearningRate: 1, Kwargs: map[string]any{"power": "two"}},
		"must be below learning_rate":                {Type: "polynomial", LearningRate: 1e-8},
		"would end at 2 times learning_rate 0.5":     {Type: "cosine_with_min_lr", LearningRate: 0.5, Kwargs: map[string]any{"min_lr": "1e0"}},
		"power is -1; want above 0":                  {Type: "polynomial", LearningRate: 1, Kwargs: map[string]any{"power": -1}},
		"timescale is 0; want above 0":               {Type: "inverse_sqrt", Kwargs: map[string]any{"timescale": 0}},
		"needs num_decay_steps":                      {Type: "warmup_stable_decay"},
		"num_decay_steps is 9; the run has 8 ":       {Type: "warmup_stable_decay", Warmup: 2, Total: 10, Kwargs: map[string]any{"num_decay_steps": 9}},
		`decay_type is "square"; want linear`:        {Type: "warmup_stable_decay", Kwargs: map[string]any{"num_decay_steps": 1, "decay_type": "square"}},
		"greedy is not supported":                    {Type: "greedy"},
		"reduce_lr_on_plateau is not supported":      {Type: "reduce_lr_on_plateau"},
	} {
		if _, err := LRFactors(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
