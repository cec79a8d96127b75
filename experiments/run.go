package experiments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/tasks"
)

// runJob runs a single run, unless there is a record of it.
func (t *table) runJob(ctx context.Context, j job) (*Record, error) {
	rec, err := t.readRecord(j)
	if rec != nil || err != nil {
		return rec, err
	}
	t.started++
	t.printf("%s … ", t.file(j))
	if rec, err = t.trainJob(ctx, j); err != nil {
		t.printf("\n")
		return nil, err
	}
	t.printf("%s\n", rec.summary())
	return rec, folder.WriteJSON(t.recordFile(j), rec)
}

// trainJob carries out a run and returns its record. The folder of a run of a search is removed.
func (t *table) trainJob(ctx context.Context, j job) (*Record, error) {
	recipe, err := t.withUserPaths(j.recipe)
	if err != nil {
		return nil, err
	}
	dir := t.runDir(j)
	recipe.Config.Save.OutputDir = dir
	o := finetune.Options{Log: t.options.Log.Level(zerolog.WarnLevel), Progress: t.options.Progress, Version: t.options.Version}
	stopped := ""
	if j.mayStop {
		o.Evaluated = func(e finetune.Evaluation) string {
			stopped = hopeless(j.row.finished(), e)
			return stopped
		}
	}
	if found, err := finetune.LatestCheckpoint(dir); err == nil && found != "" {
		o.Resume = true
	} else if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	measured := process.ResetPeak()
	result, err := finetune.Run(ctx, recipe.Config, o)
	switch {
	case errors.Is(err, finetune.ErrInterrupted):
		return nil, fmt.Errorf("%w in %s; the same command goes on", finetune.ErrInterrupted, t.file(j))
	case errors.Is(err, finetune.ErrDiverged):
		rec := t.newRecord(j, result)
		rec.Error = err.Error()
		return rec, os.RemoveAll(dir)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", t.file(j), err)
	}
	rec := t.newRecord(j, result)
	rec.Stopped = stopped
	if !measured {
		rec.PeakBytes = 0
	}
	if err := t.complete(ctx, j, recipe, rec, result.Task); err != nil {
		return nil, err
	}
	if j.search {
		return rec, os.RemoveAll(dir)
	}
	return rec, removeCheckpoints(recipe)
}

// complete reads a run's metrics into its record and scores it on the eval tasks.
func (t *table) complete(ctx context.Context, j job, recipe finetune.Recipe, rec *Record, task tasks.Task) error {
	if err := rec.readMetrics(recipe.Config.Save.OutputDir); err != nil {
		return err
	}
	rec.Levels = map[string]tasks.Levels{}
	if rec.lastEvaluation().Score != nil {
		if err := rec.addLevels(scoreLevel, task, recipe.Config.Eval.Examples, ""); err != nil {
			return fmt.Errorf("%s: %w", t.file(j), err)
		}
	}
	if err := t.scoreRun(ctx, j, recipe, rec, task); err != nil {
		return fmt.Errorf("%s: %w", t.file(j), err)
	}
	return nil
}

// addLevels adds what guessing and the most frequent answer get on a task, if that is known.
func (r *Record) addLevels(name string, task tasks.Task, limit int, metric string) error {
	examples, err := evaluate.FirstExamples(task, tasks.Eval, limit)
	if err != nil {
		return err
	}
	levels, err := tasks.LevelsOf(task, examples, metric)
	if levels != (tasks.Levels{}) {
		r.Levels[name] = levels
	}
	return err
}

// removeCheckpoints removes the checkpoints of a finished run. If the run's result is a whole model, it removes that
// too.
func removeCheckpoints(recipe finetune.Recipe) error {
	if recipe.Config.WholeModel() {
		return os.RemoveAll(recipe.Config.Save.OutputDir)
	}
	entries, err := os.ReadDir(recipe.Config.Save.OutputDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && (strings.HasPrefix(e.Name(), "checkpoint-") || e.Name() == "best") {
			if err := os.RemoveAll(filepath.Join(recipe.Config.Save.OutputDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
