package finetune

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/optim"
)

// attach attaches the adapter, if the method has one, and creates the trainer.
func (r *run) attach(ctx context.Context) error {
	total := r.model.NumParameters()
	if r.config.Method.Name == "full" {
		r.result.Trainable = total
		_, _ = fmt.Fprintf(r.options.Out, "trainable parameters: %s of %s (100 %%)\n", wording.Number(total), wording.Number(total))
	} else {
		if err := r.attachAdapter(ctx); err != nil {
			return err
		}
		r.result.Trainable = r.adapter.NumTrainable()
		for _, line := range r.adapter.Describe() {
			_, _ = fmt.Fprintln(r.options.Out, line)
		}
	}
	for _, key := range r.config.Method.noEffect() {
		r.options.Log.Warn().Str("key", key).Msgf("%s has no effect: %s does not use it", key, r.config.Method.Name)
	}
	for _, key := range r.config.Train.noEffect() {
		r.options.Log.Warn().Str("key", key).Msgf("%s has no effect: %s does not use it", key, r.config.Train.Optim)
	}
	r.suggestLR()
	if err := r.regularize(); err != nil {
		return err
	}
	c := &r.config.Train
	rule, err := c.optimizer()
	if err != nil {
		return err
	}
	if r.config.Memory.Prepack {
		r.model.Prepack(c.BF16)
	}
	r.trainer = NewTrainer(r.model, r.adapter, TrainerOptions{Optimizer: rule,
		WeightDecay: c.WeightDecay, WeightDecayAll: c.WeightDecayAll, MaxGradNorm: c.MaxGradNorm, MaxTokensPerMicroBatch: c.MaxTokensPerMicroBatch, Seed: c.Seed,
		Regularization: c.regularization(), BF16: c.BF16, Ranks: r.options.Ranks})
	r.session = infer.NewSession(r.model, r.tok, r.trainer.adapter)
	r.session.Ranks = r.options.Ranks
	return nil
}

// noEffect lists the settings that the method does not use: method full uses none.
func (m *MethodSpec) noEffect() []string {
	if m.Name == "full" {
		return slices.Sorted(maps.Keys(m.Settings))
	}
	return adapter.NoEffect(m.Name, m.Settings)
}

// noEffect lists the constants that the recipe gives and the optimizer does not use: another one would give the same rule.
func (t TrainSpec) noEffect() []string {
	rule, err := t.optimizer()
	if err != nil {
		return nil
	}
	defaults, keys := Default().Train, []string(nil)
	for _, c := range []struct {
		key   string
		value *float64
		usual float64
	}{{"adam_beta1", &t.AdamBeta1, defaults.AdamBeta1}, {"adam_beta2", &t.AdamBeta2, defaults.AdamBeta2}, {"adam_epsilon", &t.AdamEpsilon, defaults.AdamEpsilon}} {
		given := *c.value
		*c.value = c.usual
		if other, err := t.optimizer(); given != c.usual && err == nil && reflect.DeepEqual(other, rule) {
			keys = append(keys, c.key)
		}
		*c.value = given
	}
	return keys
}

// suggestLR prints the usual learning rates for the method, and warns if the run's rate is far from them. They hold for AdamW, and for
// causal models with a hundred million parameters or more, so tiny and new models are skipped.
func (r *run) suggestLR() {
	if !strings.HasPrefix(cmp.Or(r.config.Train.Optim, optim.Default), "adamw") {
		return
	}
	var settings struct{ R int }
	if b, err := json.Marshal(r.config.Method.Settings); err != nil || json.Unmarshal(b, &settings) != nil {
		return
	}
	s, err := adapter.SuggestLR(r.config.Method.Name, cmp.Or(settings.R, 8))
	if err != nil || r.config.Method.Adapter != "" || r.config.Model.Path == infer.Embedded || r.config.Model.Path == "" || r.model.Head().Kind != head.CausalLM {
		return
	}
	_, _ = fmt.Fprintf(r.options.Out, "learning_rate %.3g; the usual range is %.2g to %.2g (%s)\n", r.config.Train.LearningRate, s.Low, s.High, s.Reason)
	if advice := s.Warn(r.config.Train.LearningRate); advice != "" {
		r.options.Log.Warn().Msg(advice)
	}
}

// attachAdapter attaches the run's adapter: a new one, or that of the checkpoint.
func (r *run) attachAdapter(ctx context.Context) error {
	if r.resumeFrom == "" && r.config.Method.Adapter != "" {
		return r.continueAdapter(ctx)
	}
	method, err := r.methodAt(0)
	if err != nil {
		return err
	}
	if r.resumeFrom != "" {
		if r.adapter, err = r.loadAdapter(ctx, r.resumeFrom); err == nil && r.adapter.OtherBase {
			err = fmt.Errorf("model: the files of %s have changed since %s was written: the run cannot go on with other weights; use --overwrite to start again", r.config.Model.Path, r.resumeFrom)
		}
		if err == nil {
			err = r.loadBase(r.resumeFrom)
		}
	} else {
		r.adapter, err = adapter.Attach(ctx, r.model, infer.AdapterName, method, deriveSeed(r.config.Train.Seed, purposeAdapter, 0))
	}
	if err != nil {
		return err
	}
	if r.config.Train.ReLoRASteps > 0 {
		if err := r.adapter.CanRestart(); err != nil {
			return fmt.Errorf("relora_steps: %w", err)
		}
	}
	r.adapter.Method.Settings().BaseModel = r.config.baseModel()
	r.adapter.TokenizerFingerprint = r.tok.Fingerprint()
	if m, ok := r.adapter.Method.(*adapter.AdaLoRA); ok && r.rescaled && r.config.Method.Settings["total_step"] == nil {
		m.TotalStep = 0 // so that the budget, too, follows the run's new length
	}
	return r.adapter.OnTrainBegin(r.totalSteps)
}

// continueAdapter loads the adapter that the run goes on from.
func (r *run) continueAdapter(ctx context.Context) error {
	a, err := r.loadAdapter(ctx, r.config.Method.Adapter)
	if err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	if lacks := infer.Lacks(r.model, a); lacks != nil {
		return fmt.Errorf("adapter: %s holds no %s, which task %s needs", r.config.Method.Adapter, strings.Join(lacks, ", "), r.config.Task.Name)
	}
	if a.OtherBase {
		r.options.Log.Warn().Str("adapter", r.config.Method.Adapter).Msg(a.BaseWarning())
	}
	own := r.tok.Fingerprint()
	if w := a.TokenizerWarning(own); w != "" {
		r.options.Log.Warn().Str("adapter", r.config.Method.Adapter).Msg(w)
	}
	r.adapter, a.TokenizerFingerprint = a, own
	a.Method.Settings().BaseModel = r.config.baseModel()
	return a.OnTrainBegin(r.totalSteps)
}

// loadAdapter loads the adapter in a folder. If it has resized embeddings, the model gets as many tokens.
func (r *run) loadAdapter(ctx context.Context, dir string) (*adapter.Adapter, error) {
	a, err := adapter.Load(ctx, r.model, dir, infer.AdapterName)
	var bad *adapter.MismatchError
	if !errors.As(err, &bad) || bad.VocabSize == 0 {
		return a, err
	}
	if err := r.resize(bad.VocabSize); err != nil {
		return nil, err
	}
	return adapter.Load(ctx, r.model, dir, infer.AdapterName)
}
