package finetune

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// schedules map the progress after warm-up, from 0 to 1, to a factor of the learning rate.
var schedules = map[string]func(progress float64) float64{
	"constant":             func(float64) float64 { return 1 },
	"constant_with_warmup": func(float64) float64 { return 1 },
	"linear":               func(p float64) float64 { return 1 - p },
	"cosine":               func(p float64) float64 { return 0.5 * (1 + math.Cos(math.Pi*p)) },
}

// Schedule returns the factor of the learning rate at each step, counted from 0, as Hugging Face's schedulers compute
// it: step/warmup during warm-up, then the named decay, which reaches minRatio at step total.
func Schedule(name string, warmup, total int, minRatio float64) (func(step int) float64, error) {
	f, ok := schedules[name]
	if !ok {
		return nil, fmt.Errorf("lr_scheduler_type: %q is not known; known are %s", name, strings.Join(slices.Sorted(maps.Keys(schedules)), ", "))
	}
	return func(step int) float64 {
		if step < warmup {
			return float64(step) / float64(warmup)
		}
		return minRatio + (1-minRatio)*max(0, f(float64(step-warmup)/float64(max(1, total-warmup))))
	}, nil
}

// withRestarts adds a linear warm-up of warmup steps after each restart, which happens every given number of steps
// (ReLoRA, Lialin et al. 2023, arXiv 2307.05695).
func withRestarts(f func(step int) float64, every, warmup int) func(step int) float64 {
	if every == 0 {
		return f
	}
	return func(step int) float64 {
		if since := step % every; step >= every && since < warmup {
			return f(step) * float64(since) / float64(warmup)
		}
		return f(step)
	}
}
