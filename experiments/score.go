package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// scoreRun scores a finished run on the row's eval tasks and, if the table asks for it, counts its singular values and
// computes the loss of each held-out document.
func (t *table) scoreRun(ctx context.Context, j job, recipe finetune.Recipe, rec *Record, task tasks.Task) error {
	if j.reports("singular values") {
		var err error
		if rec.SingularValues, err = singularValues(ctx, recipe); err != nil {
			return err
		}
	}
	if len(recipe.EvalTasks) == 0 && !j.reports(documentLoss) {
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
	if j.reports(documentLoss) {
		if err := t.scoreDocuments(ctx, session, task, j, rec); err != nil {
			return err
		}
	}
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

// answersSuffix is what the name of a file of answers to an eval task has after that of its record.
func answersSuffix(task finetune.EvalTask) string {
	return "." + strings.ReplaceAll(task.Name, " ", "-") + ".jsonl"
}

// scoreDocuments computes the loss of each held-out document of a run, puts the mean into the record and the losses into
// a file beside it.
func (t *table) scoreDocuments(ctx context.Context, session *infer.Session, task tasks.Task, j job, rec *Record) error {
	all, err := evaluate.DocumentLosses(ctx, session, task, j.recipe.Config.Task.MaxLength)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w; the same command goes on", finetune.ErrInterrupted)
	case err != nil:
		return fmt.Errorf("%s: %w", documentLoss, err)
	}
	var lines bytes.Buffer
	for i := range all {
		all[i].Source = filepath.Base(all[i].Source) // the folder is the user's
		line, err := json.Marshal(all[i])
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	rec.DocumentLoss = evaluate.MeanDocumentLoss(all)
	return folder.WriteFile(t.recordFile(j)+documentsFile, lines.Bytes())
}

// scoreTask scores the session on an eval task, logs the answers to a file and puts the wanted metric into the record.
func (t *table) scoreTask(ctx context.Context, session *infer.Session, evalTask finetune.EvalTask, run evaluate.Run, j job, rec *Record) error {
	task, err := tasks.New(evalTask.Task, evalTask.Options)
	if err != nil {
		return err
	}
	run.Tasks, run.Limit = []evaluate.NamedTask{{Name: evalTask.Task, Task: task}}, evalTask.Limit
	file, err := evaluate.OpenPredictionLog(t.recordFile(j)+answersSuffix(evalTask), run)
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
	r, name := results[0], evalTask.Metric
	if name == "" && r.Answered > 0 && len(r.Names) > 0 {
		name = r.Names[0]
	}
	v, ok := r.Metrics[name]
	switch {
	case ok:
	case slices.Contains(r.Names, name): // it is not defined on these examples
		return nil
	case evalTask.Metric == "" && r.Score != nil:
		v = *r.Score
	case evalTask.Metric == "":
		return fmt.Errorf("task %s has no score", evalTask.Task)
	default:
		return fmt.Errorf("task %s has no metric %s%s", evalTask.Task, evalTask.Metric, suggest.Hint(evalTask.Metric, r.Names))
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
