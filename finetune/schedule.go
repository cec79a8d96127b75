package finetune

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// LRSchedule describes how the learning rate changes in a run, in the terms of Hugging Face's Trainer.
type LRSchedule struct {
	// Type is lr_scheduler_type, Kwargs are lr_scheduler_kwargs.
	Type   string
	Kwargs map[string]any
	// LearningRate is the rate that factors multiply; lr_end and min_lr are relative to it.
	LearningRate float64
	// Warmup and Total are steps. Type constant has no warm-up.
	Warmup, Total int
	// MinRatio is the factor at which a decay ends (min_lr_ratio); not of Trainer.
	MinRatio float64
}

// scheduleKind is a registered lr_scheduler_type: the keys of its kwargs with their defaults (NaN: none, text: ""), and the
// factor at a step.
type scheduleKind struct {
	kwargs map[string]any
	check  func(s LRSchedule, k kwargs) error
	factor func(s LRSchedule, k kwargs, step int) float64
}

// schedules are the types that transformers has.
var schedules = map[string]scheduleKind{
	"constant":             {factor: func(LRSchedule, kwargs, int) float64 { return 1 }},
	"constant_with_warmup": {factor: afterWarmup(func(kwargs, float64) float64 { return 1 })},
	"linear":               {factor: afterWarmup(func(_ kwargs, p float64) float64 { return max(0, 1-p) })},
	"cosine": {kwargs: map[string]any{"num_cycles": 0.5}, check: someCycles, factor: afterWarmup(func(k kwargs, p float64) float64 {
		return max(0, cosine(2*k.number("num_cycles")*p))
	})},
	"cosine_with_restarts": {kwargs: map[string]any{"num_cycles": 1.0}, check: someCycles, factor: afterWarmup(func(k kwargs, p float64) float64 {
		if p >= 1 {
			return 0
		}
		return max(0, cosine(math.Mod(k.number("num_cycles")*p, 1)))
	})},
	"cosine_with_min_lr": {kwargs: map[string]any{"num_cycles": 0.5, "min_lr": math.NaN(), "min_lr_rate": math.NaN()}, check: oneMinimum,
		factor: func(s LRSchedule, k kwargs, step int) float64 {
			return afterWarmup(func(k kwargs, p float64) float64 {
				least := k.minimum(s)
				return max(0, cosine(2*k.number("num_cycles")*p)*(1-least)+least)
			})(s, k, step)
		}},
	"cosine_warmup_with_min_lr": {kwargs: map[string]any{"num_cycles": 0.5, "min_lr": math.NaN(), "min_lr_rate": math.NaN(), "warmup_lr_rate": math.NaN()},
		check: oneMinimum, factor: cosineWarmupWithMinLR},
	"polynomial": {kwargs: map[string]any{"lr_end": 1e-7, "power": 1.0}, check: func(s LRSchedule, k kwargs) error {
		if end := k.number("lr_end"); !(end < s.LearningRate) {
			return fmt.Errorf("lr_scheduler_kwargs: lr_end %g must be below learning_rate %g", end, s.LearningRate)
		}
		if power := k.number("power"); !(power > 0) {
			return fmt.Errorf("lr_scheduler_kwargs: power is %g; want above 0", power)
		}
		return nil
	}, factor: polynomial},
	"inverse_sqrt": {kwargs: map[string]any{"timescale": math.NaN()}, check: func(_ LRSchedule, k kwargs) error {
		if scale := k.number("timescale"); k.given("timescale") && !(scale > 0) {
			return fmt.Errorf("lr_scheduler_kwargs: timescale is %g; want above 0", scale)
		}
		return nil
	}, factor: inverseSqrt},
	"warmup_stable_decay": {kwargs: map[string]any{"num_decay_steps": math.NaN(), "num_stable_steps": math.NaN(), "warmup_type": "linear", "decay_type": "cosine",
		"min_lr_ratio": 0.0, "num_cycles": 0.5}, check: checkStable, factor: warmupStableDecay},
}

// refusedSchedules are types of Trainer that depend on more than the step.
var refusedSchedules = map[string]string{
	"greedy":               "it changes the rate by the losses seen so far",
	"reduce_lr_on_plateau": "it changes the rate by the evaluations; early_stopping_patience ends a run by them",
}

// LRFactors returns the factor of the learning rate at each step, counted from 0, as transformers computes it.
func LRFactors(s LRSchedule) (func(step int) float64, error) {
	if why, ok := refusedSchedules[s.Type]; ok {
		return nil, fmt.Errorf("lr_scheduler_type: %s is not supported: %s; supported are %s", s.Type, why, scheduleNames())
	}
	kind, ok := schedules[s.Type]
	if !ok {
		return nil, fmt.Errorf("lr_scheduler_type: %q is not known%s", s.Type, suggest.Hint(s.Type, slices.Collect(maps.Keys(schedules))))
	}
	k, err := kind.read(s)
	if err != nil {
		return nil, err
	}
	return func(step int) float64 {
		f := kind.factor(s, k, step)
		if step < s.Warmup && s.Type != "constant" {
			return f
		}
		return s.MinRatio + (1-s.MinRatio)*f
	}, nil
}

func scheduleNames() string { return strings.Join(slices.Sorted(maps.Keys(schedules)), ", ") }

// kwargs are the values of a schedule's keys.
type kwargs map[string]any

func (k kwargs) number(key string) float64 { return k[key].(float64) }

func (k kwargs) given(key string) bool { return !math.IsNaN(k.number(key)) }

// minimum is the least factor, as min_lr or min_lr_rate says.
func (k kwargs) minimum(s LRSchedule) float64 {
	if k.given("min_lr") {
		return k.number("min_lr") / s.LearningRate
	}
	return k.number("min_lr_rate")
}

// read checks lr_scheduler_kwargs and fills in their defaults.
func (kind scheduleKind) read(s LRSchedule) (kwargs, error) {
	k := maps.Clone(kwargs(kind.kwargs))
	for key, v := range s.Kwargs {
		standard, ok := k[key]
		if !ok {
			known := slices.Sorted(maps.Keys(kind.kwargs))
			if len(known) == 0 {
				return nil, fmt.Errorf("lr_scheduler_kwargs: %s has no keys; %q is not one", s.Type, key)
			}
			return nil, fmt.Errorf("lr_scheduler_kwargs: %s has no key %q%s", s.Type, key, suggest.Hint(key, known))
		}
		value, err := likeDefault(v, standard)
		if err != nil {
			return nil, fmt.Errorf("lr_scheduler_kwargs: %s: %w", key, err)
		}
		k[key] = value
	}
	if kind.check != nil {
		if err := kind.check(s, k); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// likeDefault returns v in the type of a default: a number, or a text.
func likeDefault(v, standard any) (any, error) {
	if _, text := standard.(string); text {
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, fmt.Errorf("%v is not a text", v)
	}
	switch v := v.(type) {
	case string: // YAML reads 1e-5, without a point, as a text
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return f, nil
		}
	case float64:
		return v, nil
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	}
	return nil, fmt.Errorf("%v is not a number", v)
}

// afterWarmup is step/warmup during warm-up, then f of the progress, which is 1 at the last step.
func afterWarmup(f func(k kwargs, progress float64) float64) func(s LRSchedule, k kwargs, step int) float64 {
	return func(s LRSchedule, k kwargs, step int) float64 {
		if step < s.Warmup {
			return float64(step) / float64(s.Warmup)
		}
		return f(k, float64(step-s.Warmup)/float64(max(1, s.Total-s.Warmup)))
	}
}

// cosine falls from 1 at 0 to 0 at 1.
func cosine(x float64) float64 { return 0.5 * (1 + math.Cos(math.Pi*x)) }

func someCycles(_ LRSchedule, k kwargs) error {
	if n := k.number("num_cycles"); !(n > 0) {
		return fmt.Errorf("lr_scheduler_kwargs: num_cycles is %g; want above 0", n)
	}
	return nil
}

func oneMinimum(s LRSchedule, k kwargs) error {
	if err := someCycles(s, k); err != nil {
		return err
	}
	if k.given("min_lr") == k.given("min_lr_rate") {
		return fmt.Errorf("lr_scheduler_kwargs: want one of min_lr and min_lr_rate")
	}
	if least := k.minimum(s); s.LearningRate > 0 && !(least >= 0 && least <= 1) {
		return fmt.Errorf("lr_scheduler_kwargs: the schedule would end at %g times learning_rate %g; want min_lr from 0 to learning_rate, or min_lr_rate from 0 to 1", least, s.LearningRate)
	}
	return nil
}

func cosineWarmupWithMinLR(s LRSchedule, k kwargs, step int) float64 {
	if step < s.Warmup {
		if !k.given("warmup_lr_rate") {
			return float64(step+1) / float64(max(1, s.Warmup))
		}
		start := k.number("warmup_lr_rate")
		return start + (1-start)*float64(step)/float64(max(1, s.Warmup-1))
	}
	progress, least := float64(step-s.Warmup+1)/float64(max(1, s.Total-s.Warmup)), k.minimum(s)
	return max(0, cosine(2*k.number("num_cycles")*progress)*(1-least)+least)
}

func polynomial(s LRSchedule, k kwargs, step int) float64 {
	end := k.number("lr_end") / s.LearningRate
	switch {
	case step < s.Warmup:
		return float64(step) / float64(s.Warmup)
	case step >= s.Total:
		return end
	}
	rest := 1 - float64(step-s.Warmup)/float64(s.Total-s.Warmup)
	return (1-end)*math.Pow(rest, k.number("power")) + end
}

// inverseSqrt has a timescale of the warm-up, or of 10,000 steps without one.
func inverseSqrt(s LRSchedule, k kwargs, step int) float64 {
	if step < s.Warmup {
		return float64(step) / float64(s.Warmup)
	}
	scale := k.number("timescale")
	if !k.given("timescale") {
		if scale = float64(s.Warmup); scale == 0 {
			scale = 10000
		}
	}
	return 1 / math.Sqrt((float64(step-s.Warmup)+scale)/scale)
}

var decayTypes = []string{"linear", "cosine", "1-sqrt"}

func checkStable(s LRSchedule, k kwargs) error {
	for _, key := range []string{"warmup_type", "decay_type"} {
		if t := k[key].(string); !slices.Contains(decayTypes, t) {
			return fmt.Errorf("lr_scheduler_kwargs: %s is %q; want %s", key, t, strings.Join(decayTypes, ", "))
		}
	}
	if !k.given("num_decay_steps") {
		return fmt.Errorf("lr_scheduler_kwargs: warmup_stable_decay needs num_decay_steps")
	}
	if n := k.number("num_decay_steps"); n < 0 || !k.given("num_stable_steps") && s.Total > 0 && n > float64(s.Total-s.Warmup) {
		return fmt.Errorf("lr_scheduler_kwargs: num_decay_steps is %g; the run has %d steps after warm-up", n, s.Total-s.Warmup)
	}
	return nil
}

func warmupStableDecay(s LRSchedule, k kwargs, step int) float64 {
	decay, least := k.number("num_decay_steps"), k.number("min_lr_ratio")
	stable := k.number("num_stable_steps")
	if !k.given("num_stable_steps") {
		stable = float64(s.Total-s.Warmup) - decay
	}
	at := float64(step - s.Warmup)
	switch {
	case step < s.Warmup:
		p := float64(step) / float64(s.Warmup)
		f := map[string]float64{"linear": p, "cosine": 0.5 * (1 - math.Cos(math.Pi*p)), "1-sqrt": 1 - math.Sqrt(1-p)}[k["warmup_type"].(string)]
		return max(0, f*(1-least)+least)
	case at < stable:
		return 1
	case at < stable+decay:
		p := (at - stable) / max(1, decay)
		f := map[string]float64{"linear": 1 - p, "cosine": cosine(2 * k.number("num_cycles") * p), "1-sqrt": 1 - math.Sqrt(p)}[k["decay_type"].(string)]
		return max(0, f*(1-least)+least)
	}
	return least
}

// checkWarmup refuses a warm-up that outlasts the run. It reports what the user set of it and is not used, and a learning rate of 0.
func (r *run) checkWarmup(warmup int) error {
	t := &r.config.Train
	if t.LearningRate == 0 && r.totalSteps > 0 {
		r.options.Log.Warn().Msg("learning_rate is 0: nothing is learned, the run measures the loss")
	}
	given, changed := t.WarmupSteps != nil, t.WarmupRatio != Default().Train.WarmupRatio
	if (given || changed) && !t.reachesPeak(warmup, r.totalSteps) {
		return t.warmupOutlasts(r.totalSteps)
	}
	if t.LRSchedulerType == "constant" && (given || changed) && warmup > 0 {
		r.options.Log.Warn().Int("steps", warmup).Msg("lr_scheduler_type constant has no warm-up; constant_with_warmup has one")
	}
	if given && changed {
		r.options.Log.Warn().Float64("warmup_ratio", t.WarmupRatio).Msg("warmup_ratio is not used: warmup_steps is set")
	}
	return nil
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

// The values of relora_schedule.
const (
	jaggedSchedule    = "jagged"
	restartedSchedule = "restarted"
)

// restartedFactors returns the factors of a schedule that begins again after each merge, every given number of steps, from
// the rate that it has come to and over the steps that are left, with a warm-up of its own. So does the published
// implementation of MoRA without --relora_scheduler: there the first step after a merge still has the last rate.
func restartedFactors(s LRSchedule, every, warmup int) (func(step int) float64, error) {
	var parts []func(step int) float64
	scales := []float64{1}
	for begin := 0; begin == 0 || begin < s.Total; begin += every {
		part := s
		if part.Total = s.Total - begin; begin > 0 {
			part.Warmup = warmup
			scales = append(scales, scales[len(parts)-1]*parts[len(parts)-1](every))
		}
		f, err := LRFactors(part)
		if err != nil {
			return nil, err
		}
		parts = append(parts, f)
	}
	return func(step int) float64 {
		k := min(step/every, len(parts)-1)
		since := step - k*every
		if k > 0 && since == 0 {
			return scales[k]
		}
		return scales[k] * parts[k](since)
	}, nil
}
