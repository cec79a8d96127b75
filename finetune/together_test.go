package finetune

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/ranktest"
)

// In a step, two ranks send what the method trains once each way: half of it to be added, and half of the sums.
func TestBytesOfStep(t *testing.T) {
	rows := rowsOf(9, 8, 7, 9, 6, 8, 9, 9)
	one := trainerOf(t, smallConfig, "lora", map[string]any{"r": 2})
	one.Options.MaxTokensPerMicroBatch = 10
	if n := len(infer.MicroBatches(one.Model, rows, 10)); n != 8 {
		t.Fatalf("%d micro-batches, want 8", n)
	}
	want, err := one.Step(t.Context(), rows, 0, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	trained := 0
	for _, p := range one.Params {
		trained += 4 * p.Size()
	}
	l, errs := ranktest.Run(2, func(r ranktest.Rank) error {
		tr := trainerWith(t, smallConfig, "lora", map[string]any{"r": 2}, TrainerOptions{MaxTokensPerMicroBatch: 10, Seed: 3, Ranks: r})
		got, err := tr.Step(t.Context(), rows, 0, 0.01)
		if got != want {
			t.Errorf("rank %d: %+v, one process %+v", r.Rank(), got, want)
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if l.Sent() != trained {
		t.Errorf("two ranks send %d bytes to be added, want the %d of the trained parameters", l.Sent(), trained)
	}
}

// A rank that fails or diverges ends all, with an error that says which.
func TestRankFails(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
		is   error
	}{
		"fails":    {errors.New("the disk is gone"), "rank 1: the disk is gone", infer.ErrAllRanks},
		"diverges": {ErrDiverged, "rank 1: training has diverged", ErrDiverged},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := ranktest.Run(3, func(r ranktest.Rank) error {
				var own error
				if r.Rank() == 1 {
					own = c.err
				}
				_, err := exchange(r, math.Pi, own)
				return err
			})
			for i, err := range errs {
				if err == nil || err.Error() != c.want || !errors.Is(err, c.is) || !errors.Is(err, infer.ErrAllRanks) {
					t.Errorf("rank %d: %v, want %s", i, err, c.want)
				}
			}
		})
	}
}

// Ranks that differ are refused before the first step, and told in what.
func TestRanksDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *Config, o *Options)
		want   string
	}{
		"recipe":  {func(c *Config, _ *Options) { c.Train.LearningRate = 0.5 }, "recipe: learning_rate: rank 0 has 0.0003, rank 2 has 0.5"},
		"a key":   {func(c *Config, _ *Options) { c.Train.WarmupSteps = new(3.0) }, "recipe: warmup_"},
		"data":    {func(c *Config, _ *Options) { c.Task.Options["pairs"] = 18 }, "training data: rank 0 has "},
		"program": {func(_ *Config, o *Options) { o.Version = "9.9" }, "version of the program: rank 0 has devel"},
	} {
		t.Run(name, func(t *testing.T) {
			plain := ranksRun(t, "lora", 3)
			_, errs := ranktest.Run(3, func(r ranktest.Rank) error {
				c2, o := plain, quiet()
				c2.Task.Options = map[string]any{"pairs": 19}
				o.Ranks = r
				if r.Rank() == 2 {
					c.change(&c2, &o)
				}
				_, err := Run(context.Background(), c2, o)
				return err
			})
			for i, err := range errs {
				if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, infer.ErrAllRanks) {
					t.Errorf("rank %d: %v, want %q", i, err, c.want)
				}
			}
		})
	}
}

// Ranks need not name the output folder alike, but must see the same one; otherwise nothing is left of it.
func TestRanksShareFolder(t *testing.T) {
	for name, same := range map[string]bool{"by another path": true, "another folder": false} {
		t.Run(name, func(t *testing.T) {
			plain, other := ranksRun(t, "lora", 2), filepath.Join(t.TempDir(), "other")
			dir := plain.Save.OutputDir
			if same {
				if err := errors.Join(os.MkdirAll(dir, 0o777), os.Symlink(dir, other)); err != nil {
					t.Fatal(err)
				}
			}
			_, errs := ranktest.Run(2, func(r ranktest.Rank) error {
				c, o := plain, quiet()
				c.Task.Options = map[string]any{"pairs": 19}
				o.Ranks = r
				if r.Rank() == 1 {
					c.Save.OutputDir = other
				}
				_, err := Run(context.Background(), c, o)
				return err
			})
			for i, err := range errs {
				if same != (err == nil) || err != nil && !strings.Contains(err.Error(), "rank 1: does not see rank 0's output folder, "+dir) {
					t.Errorf("rank %d: %v", i, err)
				}
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".spagotune-probe-*")); err != nil || len(left) > 0 {
				t.Errorf("%v is left (%v)", left, err)
			}
			if _, err := os.Stat(dir); same != (err == nil) {
				t.Errorf("the output folder: %v", err)
			}
		})
	}
}
