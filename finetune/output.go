package finetune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// openOutput makes the output folder and its metrics file.
func (r *run) openOutput() error {
	dir := r.c.Save.OutputDir
	r.result.OutputDir = dir
	if r.o.Overwrite {
		if err := removeRun(dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	path := filepath.Join(dir, "metrics.jsonl")
	if err := truncateMetrics(path, r.state.Step); err != nil {
		return err
	}
	var err error
	r.metrics, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	return err
}

// removeRun removes a run's folder, but only if that is what it is.
func removeRun(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "metrics.jsonl")); err != nil {
		return fmt.Errorf("output_dir: %s is not empty and is no run's folder (it has no metrics.jsonl); it is not overwritten", dir)
	}
	return os.RemoveAll(dir)
}

// record appends a line to metrics.jsonl.
func (r *run) record(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = r.metrics.Write(append(b, '\n'))
	return err
}

// saveState writes the weights and what else training needs to go on.
func (r *run) saveState(dir string) error {
	if r.a == nil {
		return r.saveWeights(dir)
	}
	if err := r.saveAdapter(dir); err != nil {
		return err
	}
	if err := r.a.SaveState(dir); err != nil {
		return err
	}
	return r.saveBase(dir)
}

// saveWeights writes into a folder what the run results in: the adapter, or the whole model with the tokenizer beside it
// where all of it trains or the adapter is folded in by restarts.
func (r *run) saveWeights(dir string) error {
	ctx := context.Background() // after Ctrl-C above all
	switch {
	case r.a == nil:
		if err := r.m.Save(ctx, dir, "", checkpoint.DTypeF32); err != nil {
			return err
		}
	case r.c.Train.ReLoRASteps > 0:
		if err := r.m.Save(ctx, dir, infer.AdapterName, checkpoint.DTypeF32); err != nil {
			return err
		}
	default:
		return r.saveAdapter(dir)
	}
	return r.modelSetup().Write(dir)
}

func (r *run) saveAdapter(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := r.a.Save(dir); err != nil {
		return err
	}
	return r.modelSetup().Write(dir)
}

// saveHead lets an adapter take a head along that trains whole: a new one, and as in PEFT that of every classifier.
func (r *run) saveHead(s *adapter.Common) {
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return
	}
	kind := r.m.Head().Kind
	if s.TaskType == "" {
		s.TaskType = infer.TaskType(kind)
	}
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

// modelSetup is how the run's model is opened again; the zero record for a causal language model.
func (r *run) modelSetup() infer.ModelSetup {
	rec := infer.ModelSetup{}
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
