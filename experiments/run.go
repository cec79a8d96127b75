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

// row runs a row: its search, then its seeds with what the search found.
func (t *table) row(ctx context.Context, row tableRow) error {
	var best *Record
	for _, s := range row.searches() {
		e, err := t.runJob(ctx, s)
		if err != nil {
			return err
		}
		if best == nil || e.better(best) {
			best = e
		}
	}
	if best != nil {
		c, err := row.c.With(best.Params)
		if err != nil {
			return err
		}
		row.c = c
	}
	for _, s := range row.seeds(t.o.Seeds) {
		if _, err := t.runJob(ctx, s); err != nil {
			return err
		}
	}
	for _, s := range row.searches() {
		if err := os.RemoveAll(t.runDir(s)); err != nil {
			return err
		}
	}
	return nil
}

// runJob runs a single run, unless it is finished.
func (t *table) runJob(ctx context.Context, s job) (*Record, error) {
	e, err := t.readRecord(s)
	if err == nil && e == nil && s.search == 0 {
		e, err = t.reuseSearchRun(s)
	}
	if err != nil {
		return nil, err
	}
	t.done++
	if e == nil {
		t.printf("[%d/%d] %s … ", t.done, t.total(), s.file())
		if e, err = t.trainJob(ctx, s); err != nil {
			t.printf("\n")
			return nil, err
		}
		t.printf("%s\n", e.summary())
	}
	if err := folder.WriteJSON(t.recordFile(s), e); err != nil {
		return nil, err
	}
	t.records = append(t.records, *e)
	return e, nil
}

// reuseSearchRun is a finished run of the search with the very settings of a run of the table; nil where there is none. Its folder
// and its answers become those of the run.
func (t *table) reuseSearchRun(s job) (*Record, error) {
	digest := digestOf(t.settings(s.c))
	for _, e := range t.records {
		if e.Digest != digest || e.Group != s.row.group || e.Row != s.row.name {
			continue
		}
		from := job{row: s.row, c: s.c, search: e.Search}
		err := renameIfExists(t.runDir(from), t.runDir(s))
		for _, b := range s.c.EvalTasks {
			err = errors.Join(err, renameIfExists(t.answersFile(from, b), t.answersFile(s, b)))
		}
		e.Search, e.Params = 0, nil
		return &e, err
	}
	return nil, nil
}

// renameIfExists renames what is there: a whole model is not kept, and an earlier try may have come so far.
func renameIfExists(from, to string) error {
	if err := os.Rename(from, to); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// trainJob carries a run out and makes its record.
func (t *table) trainJob(ctx context.Context, s job) (*Record, error) {
	c := t.withUserPaths(s.c)
	c.Config.Save.OutputDir = t.runDir(s)
	o := finetune.Options{Log: t.o.Log.Level(zerolog.WarnLevel), Progress: t.o.Progress}
	if found, err := finetune.LatestCheckpoint(c.Config.Save.OutputDir); err == nil && found != "" {
		o.Resume = true
	} else if err := os.RemoveAll(c.Config.Save.OutputDir); err != nil {
		return nil, err
	}
	measured := process.ResetPeak()
	r, err := finetune.Run(ctx, c.Config, o)
	e := t.newRecord(s, r)
	switch {
	case errors.Is(err, finetune.ErrInterrupted):
		return nil, fmt.Errorf("%w in %s; go on with --resume", finetune.ErrInterrupted, s.file())
	case errors.Is(err, finetune.ErrDiverged):
		e.Error = err.Error()
		return e, os.RemoveAll(c.Config.Save.OutputDir)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	if !measured {
		e.PeakBytes = 0
	}
	if err := e.readMetrics(c.Config.Save.OutputDir); err != nil {
		return nil, err
	}
	if err := t.scoreRun(ctx, s, c, e); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	return e, removeCheckpoints(c)
}

// removeCheckpoints removes what nobody will go on from: checkpoints, and whole models.
func removeCheckpoints(c finetune.Recipe) error {
	if c.Config.WholeModel() {
		return os.RemoveAll(c.Config.Save.OutputDir)
	}
	entries, err := os.ReadDir(c.Config.Save.OutputDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && (strings.HasPrefix(e.Name(), "checkpoint-") || e.Name() == "best") {
			if err := os.RemoveAll(filepath.Join(c.Config.Save.OutputDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
