package finetune

import (
	"math"
	"strings"
	"testing"
)

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		name          string
		warmup, total int
		want          []float64
	}{
		{"constant", 0, 4, []float64{1, 1, 1, 1}},
		{"constant", 2, 4, []float64{0, 0.5, 1, 1}},
		{"constant_with_warmup", 2, 4, []float64{0, 0.5, 1, 1}},
		{"linear", 0, 4, []float64{1, 0.75, 0.5, 0.25, 0, 0}},
		{"linear", 2, 4, []float64{0, 0.5, 1, 0.5, 0}},
		{"cosine", 0, 4, []float64{1, 0.5 * (1 + math.Sqrt2/2), 0.5, 0.5 * (1 - math.Sqrt2/2), 0}},
		{"cosine", 4, 4, []float64{0, 0.25, 0.5, 0.75}},
	} {
		f, err := Schedule(tt.name, tt.warmup, tt.total, 0)
		if err != nil {
			t.Fatal(err)
		}
		for step, want := range tt.want {
			if got := f(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, warm-up %d of %d: factor %g at step %d, want %g", tt.name, tt.warmup, tt.total, got, step, want)
			}
		}
	}
	if _, err := Schedule("cosin", 0, 1, 0); err == nil || !strings.Contains(err.Error(), "cosine") {
		t.Errorf("got %v, want an error that lists the schedules", err)
	}
}

func TestScheduleWithRestarts(t *testing.T) {
	f, err := Schedule("cosine", 2, 20, 0.1)
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
