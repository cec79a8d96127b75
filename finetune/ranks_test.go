package finetune

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/ranktest"
)

// runOn carries out a run on a number of ranks within this process. stop, if not 0, cancels one of them after that step.
func runOn(t *testing.T, c Config, size, stop int, o Options) error {
	t.Helper()
	ranks := ranktest.New(size)
	errs := make([]error, size)
	var wait sync.WaitGroup
	for i := range size {
		wait.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			o := o
			o.Ranks = ranks[i]
			if i == 0 && stop > 0 {
				o.Progress = func(p Progress) {
					if p.Step == stop {
						cancel()
					}
				}
			}
			_, errs[i] = Run(ctx, c, o)
			if errs[i] != nil && !errors.Is(errs[i], infer.ErrAllRanks) && !errors.Is(errs[i], ErrInterrupted) {
				ranks[i].Kill(fmt.Errorf("rank %d has failed: %w", i, errs[i]))
			}
		})
	}
	wait.Wait()
	for i, err := range errs {
		if (err == nil) != (errs[0] == nil) {
			t.Errorf("rank 0 ends with %v, rank %d with %v", errs[0], i, err)
		}
	}
	return errs[0]
}

// ranksRun is a run of 12 rows a step, in several micro-batches, whose epochs end in a smaller batch.
func ranksRun(t *testing.T, name string, begun int) Config {
	t.Helper()
	method := map[string]string{"relora": "lora", "remora": "mora"}[name]
	c := smallRun(t, cmp.Or(method, name))
	c.Task.Options["pairs"] = 19
	c.Train.PerDeviceTrainBatchSize, c.Train.GradientAccumulationSteps, c.Train.MaxTokensPerMicroBatch = 12/begun/3, 3, 24
	if name != "full" && name != "adalora" {
		c.Method.Settings["lora_dropout"] = 0.1
	}
	if method != "" {
		c.Train.ReLoRASteps, c.Train.ReLoRAWarmupSteps = 3, 1
	}
	return c
}

// Every number of ranks gives the bits of one process, for every method, and so does a run that others go on with.
func TestRanksBits(t *testing.T) {
	methods := []string{"lora", "mora", "dora", "adalora", "full", "relora", "remora"}
	if testing.Short() {
		methods = methods[:1]
	}
	for _, name := range methods {
		t.Run(name, func(t *testing.T) {
			one := ranksRun(t, name, 1)
			if _, err := Run(t.Context(), one, quiet()); err != nil {
				t.Fatal(err)
			}
			weights, metrics := content(t, one)
			optimizer := lastOptimizer(t, one)
			same := func(c Config, what string) {
				t.Helper()
				w, m := content(t, c)
				if !bytes.Equal(lastOptimizer(t, c), optimizer) {
					t.Errorf("%s: another state of the optimizer than one process's", what)
				}
				if !bytes.Equal(w, weights) {
					t.Errorf("%s: other weights than one process's", what)
				}
				if !slices.Equal(m, metrics) {
					t.Errorf("%s: metrics\n%s\none process\n%s", what, strings.Join(m, "\n"), strings.Join(metrics, "\n"))
				}
			}
			for _, size := range []int{2, 4} {
				c := ranksRun(t, name, size)
				if err := runOn(t, c, size, 0, quiet()); err != nil {
					t.Fatal(err)
				}
				same(c, fmt.Sprintf("%d ranks", size))
			}
			for _, then := range []int{1, 3, 4} {
				c := ranksRun(t, name, 2)
				if err := runOn(t, c, 2, 5, quiet()); !errors.Is(err, ErrInterrupted) {
					t.Fatalf("stopped after step 5: %v", err)
				}
				o := quiet()
				o.Resume = true
				if err := runOn(t, c, then, 0, o); err != nil {
					t.Fatal(err)
				}
				same(c, fmt.Sprintf("begun by 2 ranks, resumed by %d", then))
			}
		})
	}
}

// lastOptimizer is the optimizer's state in a run's last checkpoint.
func lastOptimizer(t *testing.T, c Config) []byte {
	t.Helper()
	dir, err := LatestCheckpoint(c.Save.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "optimizer.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
