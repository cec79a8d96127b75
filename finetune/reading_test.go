package finetune

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks/data"
)

// largeText is a run on a text of some MB.
func largeText(t *testing.T, mb int) Config {
	t.Helper()
	c := smallRun(t, "lora")
	path := tiny.Write(t, filepath.Join(t.TempDir(), "large.txt"), strings.Repeat("some words of a long text\n", mb<<20/26))
	c.Task = TaskSpec{Name: "text", Data: data.Sources{{Path: path}}}
	return c
}

// TestReadingEnds checks that data are read no further once the run is to end, by Run, DryRun and Doctor.
func TestReadingEnds(t *testing.T) {
	c := largeText(t, 24)
	for how, f := range map[string]func(ctx context.Context) error{
		"Run":    func(ctx context.Context) error { _, err := Run(ctx, c, quiet()); return err },
		"DryRun": func(ctx context.Context) error { _, err := DryRun(ctx, c, nil, quiet()); return err },
		"Doctor": func(ctx context.Context) error {
			all := Doctor(ctx, c, quiet())
			if got := append(found(all, "steps", StatusOK), found(all, "memory", StatusOK)...); len(got) > 0 {
				t.Errorf("Doctor goes on: %q", got)
			}
			return ErrInterrupted
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := f(ctx); !errors.Is(err, ErrInterrupted) || how == "Run" && !strings.Contains(err.Error(), "while the data were read") {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// TestReadingKeepsToTheLimit checks that reading ends once the data take more memory than the run may, and not after it.
func TestReadingKeepsToTheLimit(t *testing.T) {
	c, o := largeText(t, 6), quiet()
	o.memory = func() int { return 16 << 20 }
	_, trained := Run(t.Context(), c, o)
	_, planned := DryRun(t.Context(), c, nil, o)
	for how, err := range map[string]error{"Run": trained, "DryRun": planned} {
		if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "MiB: data ") || !strings.Contains(err.Error(), "streaming: true") {
			t.Errorf("%s: %v", how, err)
		}
	}
	checks := Doctor(t.Context(), c, o)
	if got := append(found(checks, "data", StatusError), found(checks, "model", StatusError)...); len(got) == 0 || !strings.Contains(got[0], "has 16 MiB") {
		t.Errorf("Doctor: %q", got)
	}
}

// TestCompactRows checks that rows in one memory are the rows that were given, and that labels are kept once where they are the tokens.
func TestCompactRows(t *testing.T) {
	var kept compactRows
	rows := rowsOf(3, 70000, 5)
	rows[1].Labels = slices.Clone(rows[1].Labels)
	rows[1].Labels[2] = -100
	for i, row := range rows {
		got := kept.row(row)
		if len(got.IDs) != len(row.IDs) || got.IDs[len(got.IDs)-1] != row.IDs[len(row.IDs)-1] || got.Labels[2] != row.Labels[2] {
			t.Errorf("row %d is another one", i)
		}
		if shared := &got.IDs[0] == &got.Labels[0]; shared != (i != 1) {
			t.Errorf("row %d shares its labels: %t", i, shared)
		}
	}
}
