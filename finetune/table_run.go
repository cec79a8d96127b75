package finetune

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
)

// row runs a row: its search, then its seeds with what the search found.
func (t *table) row(ctx context.Context, row tableRow) error {
	var best *Entry
	for _, s := range row.searches() {
		e, err := t.one(ctx, s)
		if err != nil {
			return err
		}
		if best == nil || e.better(best) {
			best = e
		}
	}
	if best != nil {
		c, err := row.c.with(best.Tried)
		if err != nil {
			return err
		}
		row.c = c
	}
	for _, s := range row.seeds(t.o.Seeds) {
		if _, err := t.one(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// one runs a single run, unless it is finished.
func (t *table) one(ctx context.Context, s slot) (*Entry, error) {
	e, err := t.record(s)
	if err == nil && e == nil {
		e = t.same(s)
	}
	if err != nil {
		return nil, err
	}
	t.done++
	if e == nil {
		t.say("[%d/%d] %s … ", t.done, t.total(), s.file())
		if e, err = t.train(ctx, s); err != nil {
			t.say("\n")
			return nil, err
		}
		t.say("%s\n", e.summary())
	}
	if err := writeJSON(t.recordFile(s), e); err != nil {
		return nil, err
	}
	t.entries = append(t.entries, *e)
	return e, nil
}

// same is a finished run of the search with the very settings of a run of the table.
func (t *table) same(s slot) *Entry {
	digest := digestOf(t.settings(s.c))
	for _, e := range t.entries {
		if e.Digest == digest && e.Group == s.row.group && e.Row == s.row.name {
			e.Search, e.Tried = s.search, nil
			return &e
		}
	}
	return nil
}

// train carries a run out and makes its record.
func (t *table) train(ctx context.Context, s slot) (*Entry, error) {
	c := t.located(s.c)
	c.OutputDir = t.runDir(s)
	o := Options{Log: t.o.Log.Level(zerolog.WarnLevel), Progress: t.o.Progress}
	if found, _, _, err := latest(c.OutputDir); err == nil && found != "" {
		o.Resume = true
	} else if err := os.RemoveAll(c.OutputDir); err != nil {
		return nil, err
	}
	measured := resetPeak()
	r, err := Run(ctx, c, o)
	e := t.entry(s, r)
	switch {
	case errors.Is(err, ErrInterrupted):
		return nil, fmt.Errorf("%w in %s; go on with --resume", ErrInterrupted, s.file())
	case errors.Is(err, ErrDiverged):
		e.Failed = err.Error()
		return e, os.RemoveAll(c.OutputDir)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	if !measured {
		e.PeakBytes = 0
	}
	if err := e.read(c.OutputDir); err != nil {
		return nil, err
	}
	if err := t.score(ctx, s, c, e); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	return e, t.tidy(c, s)
}

// tidy removes what nobody will go on from: all of a run of a search, else checkpoints, and whole models.
func (t *table) tidy(c Config, s slot) error {
	if s.search > 0 || c.WholeModel() {
		return os.RemoveAll(c.OutputDir)
	}
	entries, err := os.ReadDir(c.OutputDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && (strings.HasPrefix(e.Name(), "checkpoint-") || e.Name() == "best") {
			if err := os.RemoveAll(filepath.Join(c.OutputDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
