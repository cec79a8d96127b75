package experiments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/process"
)

// runRow runs a row: its grid search, then its seeds with the best values found.
func (t *table) runRow(ctx context.Context, row tableRow) error {
	var best *Record
	for _, j := range row.searches() {
		rec, err := t.runJob(ctx, j)
		if err != nil {
			return err
		}
		if best == nil || rec.better(best) {
			best = rec
		}
	}
	if best != nil {
		recipe, err := row.recipe.With(best.Params)
		if err != nil {
			return err
		}
		row.recipe = recipe
	}
	for _, j := range row.seeds(t.options.Seeds) {
		if _, err := t.runJob(ctx, j); err != nil {
			return err
		}
	}
	for _, j := range row.searches() {
		if err := os.RemoveAll(t.runDir(j)); err != nil {
			return err
		}
	}
	return nil
}

// runJob runs a single run, unless it has finished before.
func (t *table) runJob(ctx context.Context, j job) (*Record, error) {
	rec, err := t.readRecord(j)
	if err == nil && rec == nil && j.search == 0 {
		rec, err = t.reuseSearchRun(j)
	}
	if err != nil {
		return nil, err
	}
	t.done++
	if rec == nil {
		t.printf("[%d/%d] %s … ", t.done, t.total(), j.file())
		if rec, err = t.trainJob(ctx, j); err != nil {
			t.printf("\n")
			return nil, err
		}
		t.printf("%s\n", rec.summary())
	}
	if err := folder.WriteJSON(t.recordFile(j), rec); err != nil {
		return nil, err
	}
	t.records = append(t.records, *rec)
	return rec, nil
}

// reuseSearchRun finds a finished run of the search that has exactly the settings of a run of the table, and makes its
// folder and its answers those of that run. It returns nil if there is none.
func (t *table) reuseSearchRun(j job) (*Record, error) {
	digest := digestOf(t.settings(j.recipe))
	for _, rec := range t.records {
		if rec.Digest != digest || rec.Group != j.row.group || rec.Row != j.row.name {
			continue
		}
		from := job{row: j.row, recipe: j.recipe, search: rec.Search}
		err := renameIfExists(t.runDir(from), t.runDir(j))
		for _, task := range j.recipe.EvalTasks {
			err = errors.Join(err, renameIfExists(t.answersFile(from, task), t.answersFile(j, task)))
		}
		rec.Search, rec.Params = 0, nil
		return &rec, err
	}
	return nil, nil
}

// renameIfExists renames a file or folder, if it exists. Whole models are not kept, and an interrupted call may have
// renamed it already.
func renameIfExists(from, to string) error {
	if err := os.Rename(from, to); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// trainJob carries out a run and returns its record.
func (t *table) trainJob(ctx context.Context, j job) (*Record, error) {
	recipe := t.withUserPaths(j.recipe)
	recipe.Config.Save.OutputDir = t.runDir(j)
	o := finetune.Options{Log: t.options.Log.Level(zerolog.WarnLevel), Progress: t.options.Progress}
	if found, err := finetune.LatestCheckpoint(recipe.Config.Save.OutputDir); err == nil && found != "" {
		o.Resume = true
	} else if err := os.RemoveAll(recipe.Config.Save.OutputDir); err != nil {
		return nil, err
	}
	measured := process.ResetPeak()
	result, err := finetune.Run(ctx, recipe.Config, o)
	switch {
	case errors.Is(err, finetune.ErrInterrupted):
		return nil, fmt.Errorf("%w in %s; continue with --resume", finetune.ErrInterrupted, j.file())
	case errors.Is(err, finetune.ErrDiverged):
		rec := t.newRecord(j, result)
		rec.Error = err.Error()
		return rec, os.RemoveAll(recipe.Config.Save.OutputDir)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", j.file(), err)
	}
	rec := t.newRecord(j, result)
	if !measured {
		rec.PeakBytes = 0
	}
	if err := rec.readMetrics(recipe.Config.Save.OutputDir); err != nil {
		return nil, err
	}
	if err := t.scoreRun(ctx, j, recipe, rec); err != nil {
		return nil, fmt.Errorf("%s: %w", j.file(), err)
	}
	return rec, removeCheckpoints(recipe)
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
