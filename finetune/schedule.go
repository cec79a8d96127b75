package finetune

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// schedules give the factor of the learning rate behind the warm-up, by progress from 0 to 1.
var schedules = map[string]func(progress float64) float64{
	"constant":             func(float64) float64 { return 1 },
	"constant_with_warmup": func(float64) float64 { return 1 },
	"linear":               func(p float64) float64 { return 1 - p },
	"cosine":               func(p float64) float64 { return 0.5 * (1 + math.Cos(math.Pi*p)) },
}

// Schedule returns the learning rate's factor for each step (from 0) as Hugging Face's schedulers compute it: step/warmup
// while it warms up, then the named decay to the factor least at step total.
func Schedule(name string, warmup, total int, least float64) (func(step int) float64, error) {
	f, ok := schedules[name]
	if !ok {
		var names []string
		for n := range schedules {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("lr_scheduler_type: %q is not known; known are %s", name, strings.Join(names, ", "))
	}
	return func(step int) float64 {
		if step < warmup {
			return float64(step) / float64(warmup)
		}
		return least + (1-least)*max(0, f(float64(step-warmup)/float64(max(1, total-warmup))))
	}, nil
}

// withRestarts warms a schedule up anew, over so many steps, behind every restart (ReLoRA's jagged schedule).
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
