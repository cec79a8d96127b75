package finetune

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
)

// attach makes what trains.
func (r *run) attach(ctx context.Context) error {
	total := r.m.NumParameters()
	if r.c.Method.Name == "full" {
		r.result.Trainable = total
		_, _ = fmt.Fprintf(r.o.Out, "trainable parameters: %s of %s (100 %%)\n", wording.Number(total), wording.Number(total))
	} else {
		if err := r.attachAdapter(ctx); err != nil {
			return err
		}
		r.result.Trainable = r.a.NumTrainable()
		for _, line := range r.a.Describe() {
			_, _ = fmt.Fprintln(r.o.Out, line)
		}
	}
	r.suggestLR()
	c := &r.c.Train
	r.t = NewTrainer(r.m, r.a, TrainerOptions{AdamBeta1: c.AdamBeta1, AdamBeta2: c.AdamBeta2, AdamEpsilon: c.AdamEpsilon,
		WeightDecay: c.WeightDecay, MaxGradNorm: c.MaxGradNorm, MaxTokensPerMicroBatch: c.MaxTokensPerMicroBatch, Seed: c.Seed})
	r.s = infer.NewSession(r.m, r.tok, r.t.adapter)
	return nil
}

// suggestLR prints the rates that are usual for the method, and warns of one that is far from them. They are those of
// models from some hundred million parameters on.
func (r *run) suggestLR() {
	var settings struct{ R int }
	if b, err := json.Marshal(r.c.Method.Settings); err != nil || json.Unmarshal(b, &settings) != nil {
		return
	}
	s, err := adapter.SuggestLR(r.c.Method.Name, cmp.Or(settings.R, 8))
	if err != nil || r.c.Model.Path == infer.Embedded || r.c.Model.Path == "" || r.m.Head().Kind != head.CausalLM {
		return
	}
	_, _ = fmt.Fprintf(r.o.Out, "learning_rate %.3g; usual are %.2g to %.2g (%s)\n", r.c.Train.LearningRate, s.Low, s.High, s.Reason)
	if advice := s.Warn(r.c.Train.LearningRate); advice != "" {
		r.o.Log.Warn().Msg(advice)
	}
}

// attachAdapter puts the run's adapter on the model, new or from the checkpoint.
func (r *run) attachAdapter(ctx context.Context) error {
	method, err := r.methodAt(0)
	if err != nil {
		return err
	}
	if r.resumeFrom != "" {
		if r.a, err = adapter.Load(ctx, r.m, r.resumeFrom, infer.AdapterName); err == nil {
			err = r.loadBase(r.resumeFrom)
		}
	} else {
		r.a, err = adapter.Attach(ctx, r.m, infer.AdapterName, method, deriveSeed(r.c.Train.Seed, purposeAdapter, 0))
	}
	if err != nil {
		return err
	}
	return r.a.OnTrainBegin(r.totalSteps)
}
