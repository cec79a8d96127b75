package experiments

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/wording"
)

// plan prints what the table would run and how long that would take.
func (t *table) plan(ctx context.Context) error {
	known := fs.FS(noFiles{})
	if t.options.Recipes != nil {
		if sub, err := fs.Sub(t.options.Recipes, "models"); err == nil {
			known = sub
		}
	}
	t.printf("%s%s", mdRow("row", "runs of the search", "runs", "done", "steps a run", "seconds a run", "left"), mdRule(7))
	total := 0.0
	for _, row := range t.rows {
		seconds, err := t.planRow(ctx, row, known)
		if err != nil {
			return err
		}
		total += seconds
	}
	t.printf("\nIn all about %s, without evaluations and without what a search adds where its best values lie on an edge.\n", wording.Seconds(total))
	for _, m := range t.missing {
		t.printf("Missing for %s: %s\n", strings.Join(m.rows, ", "), m.why)
	}
	return nil
}

// planRow prints the line of a row and returns the seconds of the runs that have no record yet.
func (t *table) planRow(ctx context.Context, row *tableRow, known fs.FS) (float64, error) {
	recipe, err := t.withUserPaths(row.recipe)
	if err != nil {
		return 0, err
	}
	p, err := finetune.DryRun(ctx, recipe.Config, known, finetune.Options{})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", row.label(), err)
	}
	jobs := row.seedJobs(row.recipe)
	if t.searchOnly {
		jobs = nil
	}
	searches := 0
	if row.search != nil {
		for _, params := range row.search.grid() {
			for _, seed := range row.search.seeds {
				j, err := row.searchJob(row.search, params, seed)
				if err != nil {
					return 0, err
				}
				jobs, searches = append(jobs, j), searches+1
			}
		}
	}
	done := 0
	for _, j := range jobs {
		if rec, err := t.readRecord(j); err == nil && rec != nil {
			done++
		}
	}
	left := float64(len(jobs)-done) * p.Seconds
	t.printf("%s", mdRow(row.label(), fmt.Sprint(searches), fmt.Sprint(len(jobs)-searches), fmt.Sprint(done), fmt.Sprint(p.Steps), fmt.Sprintf("%.0f", p.Seconds), wording.Seconds(left)))
	return left, nil
}

// noFiles is a file system without files.
type noFiles struct{}

// Open implements fs.FS.
func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
