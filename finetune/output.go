package finetune

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// openOutput creates the output folder, which is the run's alone until it ends, and opens its metrics file.
func (r *run) openOutput() error {
	dir := r.config.Save.OutputDir
	r.result.OutputDir = dir
	if !r.leads() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	fresh := r.unlock == nil
	if err := r.lock(); err != nil {
		return err
	}
	if left, err := os.ReadDir(dir); err != nil || fresh && len(left) > 1 {
		return cmp.Or(err, fmt.Errorf("output_dir: another run has used %s meanwhile", dir))
	}
	if r.options.Overwrite {
		if err := removeRun(dir); err != nil {
			return err
		}
	}
	if err := r.sweep(dir); err != nil {
		return err
	}
	path, step := filepath.Join(dir, metricsFile), r.state.Step
	if r.resumeFrom == "" {
		step = -1
	}
	if err := truncateMetrics(path, step, r.state.EvalPending && !r.evalChanged); err != nil {
		return err
	}
	if err := r.writeRecipe(); err != nil {
		return err
	}
	if r.resumeFrom != "" {
		curve, err := ReadCurve("", dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		r.result.Evaluations = curve.Evaluations
	}
	var err error
	r.metrics, err = openMetrics(path)
	return err
}

// record appends a line to metrics.jsonl.
func (r *run) record(v any) error {
	if !r.leads() {
		return nil
	}
	b, err := json.Marshal(v)
	if err == nil {
		err = r.keepFolder()
	}
	if err != nil {
		return err
	}
	before, err := r.metrics.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err = r.metrics.Write(append(b, '\n')); errors.Is(err, syscall.ENOSPC) { // the weights are what counts
		if r.unrecorded == nil {
			r.options.Log.Warn().Err(err).Msg("the disk is full: metrics.jsonl lacks lines from here on")
		}
		r.unrecorded = err
		err = r.metrics.Truncate(before) // what was written of the line
	}
	return err
}

// saveState writes the weights and whatever else the adapter needs to resume.
func (r *run) saveState(dir string) error {
	if r.adapter == nil {
		return r.saveWeights(dir)
	}
	if err := r.saveAdapter(dir); err != nil {
		return err
	}
	if err := r.adapter.SaveState(dir); err != nil {
		return err
	}
	return r.saveBase(dir)
}

// saveWeights writes the run's result into a folder: the adapter, or, if all parameters train or restarts merge the
// adapter, the whole model and its tokenizer.
func (r *run) saveWeights(dir string) error {
	ctx := context.Background() // a cancelled run is saved too
	switch {
	case r.adapter == nil:
		if err := r.model.Save(ctx, dir, "", checkpoint.DTypeF32); err != nil {
			return err
		}
	case r.config.Train.ReLoRASteps > 0:
		if err := r.model.Save(ctx, dir, infer.AdapterName, checkpoint.DTypeF32); err != nil {
			return err
		}
	default:
		return r.saveAdapter(dir)
	}
	if err := r.saveTokenizer(dir, true); err != nil {
		return err
	}
	return r.modelSetup().Write(dir)
}

// saveRandomBase writes the random weights that the adapter belongs to.
func (r *run) saveRandomBase(dir string) error {
	if err := r.model.Save(context.Background(), dir, "", checkpoint.DTypeF32); err != nil {
		return err
	}
	return r.saveTokenizer(dir, true)
}

// saveAdapter writes the adapter and how its model is opened.
func (r *run) saveAdapter(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := r.adapter.Save(dir); err != nil {
		return err
	}
	if err := r.saveTokenizer(dir, false); err != nil {
		return err
	}
	return r.modelSetup().Write(dir)
}

// addHeadToSave adds the model's head to modules_to_save, so that all of the head trains and is saved with the adapter.
// It does so for a new head and, as PEFT does, for every classifier.
func (r *run) addHeadToSave(s *adapter.Common) {
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return
	}
	kind := r.model.Head().Kind
	classifies := slices.Contains([]head.Kind{head.SequenceClassification, head.TokenClassification, head.QuestionAnswering, head.MultipleChoice}, kind)
	if !r.newHead && !classifies {
		return
	}
	own := map[string]bool{}
	r.model.Weights(func(w *model.Weight) { own[w.Name] = w.Tied() == nil })
	for _, path := range r.model.Head().Modules() {
		if own[path+".weight"] && !slices.Contains(s.ModulesToSave, path) {
			s.ModulesToSave = append(s.ModulesToSave, path)
		}
	}
}

// modelSetup returns how to open the run's model again. It is the zero ModelSetup for a causal language model.
func (r *run) modelSetup() infer.ModelSetup {
	setup := infer.ModelSetup{}
	if r.config.Model.Numerics != model.HuggingFace {
		setup.Numerics = r.config.Model.Numerics
	}
	if _, ok := r.task.(tasks.HeadTask); !ok {
		return setup
	}
	setup.Config, setup.Task = infer.HeadOf(r.model), r.config.Task.Name
	options := maps.Clone(r.config.Task.Options)
	if l, ok := r.task.(tasks.OptionLearner); ok {
		if options == nil {
			options = map[string]any{}
		}
		maps.Copy(options, l.LearnedOptions())
	}
	maps.DeleteFunc(options, func(k string, _ any) bool {
		return slices.Contains([]string{"data", "eval_data", "test_data", "eval_size", "eval_fraction", "eval_split", "labels", "class_weights", "index", "seed"}, k)
	})
	if len(options) > 0 {
		setup.TaskOptions = options
	}
	return setup
}
