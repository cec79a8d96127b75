package finetune

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// saveHead lets an adapter take a head along that trains whole: a new one, and as in PEFT that of every classifier.
func (r *run) saveHead(s *adapter.Common) {
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return
	}
	kind := r.m.Head().Kind
	classifies := slices.Contains([]head.Kind{head.SequenceClassification, head.TokenClassification, head.QuestionAnswering}, kind)
	if !r.newHead && !classifies {
		return
	}
	own := map[string]bool{}
	r.m.Weights(func(w *model.Weight) { own[w.Name] = w.Tied() == nil })
	for _, path := range r.m.Head().Modules() {
		if own[path+".weight"] && !slices.Contains(s.ModulesToSave, path) {
			s.ModulesToSave = append(s.ModulesToSave, path)
		}
	}
}

// host is how the run's model is opened again; the zero record for a causal language model.
func (r *run) host() infer.Host {
	rec := infer.Host{}
	if r.c.Model.Numerics != model.HuggingFace {
		rec.Numerics = r.c.Model.Numerics
	}
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return rec
	}
	rec.Config, rec.Task = infer.HeadOf(r.m), r.c.Task.Name
	for k, v := range r.c.Task.Options {
		if !slices.Contains([]string{"data", "eval_data", "test_data", "eval_size", "eval_fraction", "labels", "index", "seed"}, k) {
			if rec.TaskOptions == nil {
				rec.TaskOptions = map[string]any{}
			}
			rec.TaskOptions[k] = v
		}
	}
	return rec
}

// draw is a row as it is trained on at a place of a step.
func (r *run) draw(row tasks.Features, step, at int) tasks.Features {
	if d, ok := r.task.(tasks.Collator); ok {
		return d.Collate(r.texts, row, stream(r.c.Train.Seed, forDraw, step<<16|at))
	}
	return row
}

// scoresFromHead says whether a task's answers are read off the head and judged: that costs little.
func scoresFromHead(task string) bool {
	t, err := tasks.NewPromptBuilder(task, nil)
	_, reads := t.(tasks.Postprocessor)
	_, judges := t.(tasks.Metrics)
	return err == nil && reads && judges
}

// planPairs fits the plan to contrastive batches: none has a single pair.
func (r *run) planPairs() error {
	window := r.c.Train.batch()
	switch {
	case window < 2:
		return errors.New("per_device_train_batch_size is 1; a pair is told from the others of its batch: want 2 or more")
	case len(r.rows) < 2:
		return fmt.Errorf("there is %d pair to train on; want 2 or more", len(r.rows))
	case len(r.held) == 1:
		r.o.Log.Warn().Msg("a single held-out pair cannot be evaluated; it is left out")
		r.held = nil
	}
	if len(r.rows)%window == 1 {
		r.perEpoch-- // the last pair of an epoch is left out
	}
	return nil
}
