package experiments

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// scoreRun scores a finished run on the row's eval tasks and, if the table is about ranks, counts its singular values.
func (t *table) scoreRun(ctx context.Context, j job, recipe finetune.Recipe, rec *Record) error {
	if slices.Contains(recipe.Table.Columns, "singular values") {
		var err error
		if rec.SingularValues, err = singularValues(ctx, recipe); err != nil {
			return err
		}
	}
	if len(recipe.EvalTasks) == 0 {
		return nil
	}
	evalRun := evaluate.Run{Model: recipe.Config.Base(), Adapter: recipe.Config.Save.OutputDir}
	if recipe.Config.WholeModel() {
		evalRun = evaluate.Run{Model: recipe.Config.Save.OutputDir}
	}
	session, err := infer.Open(ctx, evalRun.Model, evalRun.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	if evalRun.Model, err = infer.ModelDir(evalRun.Model); err != nil {
		return err
	}
	rec.EvalTasks = map[string]float64{}
	for _, task := range recipe.EvalTasks {
		err = t.scoreTask(ctx, session, task, evalRun, j, rec)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w; the same command goes on", finetune.ErrInterrupted)
		case err != nil:
			return fmt.Errorf("%s: %w", task.Name, err)
		}
	}
	return nil
}

// answersFile returns the path of a run's answers to an eval task.
func (t *table) answersFile(j job, task finetune.EvalTask) string {
	return t.recordFile(j) + "." + strings.ReplaceAll(task.Name, " ", "-") + ".jsonl"
}

// scoreTask scores the session on an eval task, logs the answers to a file and puts the wanted metric into the record.
func (t *table) scoreTask(ctx context.Context, session *infer.Session, evalTask finetune.EvalTask, run evaluate.Run, j job, rec *Record) error {
	task, err := tasks.New(evalTask.Task, evalTask.Options)
	if err != nil {
		return err
	}
	run.Tasks, run.Limit = []evaluate.NamedTask{{Name: evalTask.Task, Task: task}}, evalTask.Limit
	file, err := evaluate.OpenPredictionLog(t.answersFile(j, evalTask), run)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	results, err := evaluate.All(ctx, session, run.Tasks, evaluate.Options{Limit: evalTask.Limit, Log: file})
	if err != nil {
		return err
	}
	if err := rec.addLevels(evalTask.Name, task, evalTask.Limit, evalTask.Metric); err != nil {
		return err
	}
	v, ok := results[0].Metrics[evalTask.Metric]
	switch {
	case evalTask.Metric == "" && results[0].Score == nil:
		return fmt.Errorf("task %s has no score", evalTask.Task)
	case evalTask.Metric == "":
		v = *results[0].Score
	case !ok:
		return fmt.Errorf("task %s has no metric %s%s", evalTask.Task, evalTask.Metric, suggest.Hint(evalTask.Metric, results[0].Names))
	}
	rec.EvalTasks[evalTask.Name] = v
	return nil
}

// singularValues returns the number of singular values of the run's ΔW above inspect.SingularValueThreshold, by module,
// as means over the layers. ΔW is that of the adapter, or the difference between the whole model and the base.
func singularValues(ctx context.Context, recipe finetune.Recipe) (map[string]float64, error) {
	_, open, err := recipe.Config.Source(ctx)
	if err != nil {
		return nil, err
	}
	base, err := open(model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	all, err := spectra(ctx, recipe, base)
	if err != nil {
		return nil, err
	}
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, s := range all {
		name := s.Path[strings.LastIndexByte(s.Path, '.')+1:]
		sums[name] += float64(s.Rank)
		counts[name]++
	}
	for name := range sums {
		sums[name] /= counts[name]
	}
	return sums, nil
}

// spectra returns the spectrum of ΔW of every layer of a run.
func spectra(ctx context.Context, recipe finetune.Recipe, base *model.Model) ([]adapter.Spectrum, error) {
	if !recipe.Config.WholeModel() {
		a, err := adapter.Load(ctx, base, recipe.Config.Save.OutputDir, infer.AdapterName)
		if err != nil {
			return nil, err
		}
		return a.Spectra(ctx, inspect.SingularValueThreshold)
	}
	after, err := model.Load(ctx, recipe.Config.Save.OutputDir, model.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = after.Close() }()
	return adapter.DiffSpectra(ctx, base, after, inspect.SingularValueThreshold)
}
