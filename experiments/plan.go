package experiments

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/wording"
)

// planner knows how long runs take.
type planner struct {
	known fs.FS
	plans map[string]*finetune.Plan // by the settings that decide the time
}

// plan prints what the table would run and how long that would take.
func (t *table) plan(ctx context.Context) error {
	p := planner{known: noFiles{}, plans: map[string]*finetune.Plan{}}
	if t.options.Recipes != nil {
		if sub, err := fs.Sub(t.options.Recipes, "models"); err == nil {
			p.known = sub
		}
	}
	t.printf("%s%s", mdRow("row", "runs of the search", "runs", "done", "steps a run", "seconds a run", "left"), mdRule(7))
	total := 0.0
	for _, row := range t.rows {
		seconds, err := t.planRow(ctx, row, &p)
		if err != nil {
			return fmt.Errorf("%s: %w", row.label(), err)
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
func (t *table) planRow(ctx context.Context, row *tableRow, p *planner) (float64, error) {
	todo, err := t.pendingOf(row)
	if err != nil {
		return 0, err
	}
	seeds, searches, done := row.seeds, row.tried, row.tried+len(row.runs)
	switch {
	case t.searchOnly || row.failed != "":
		seeds, searches = 0, searches+len(todo)
	case row.search != nil && !row.searched: // then come the seeds, with values that are not known yet
		searches += len(todo)
		todo = append(todo, row.seedJobs(row.recipe)...)
	}
	var steps, seconds []string
	left := 0.0
	for _, j := range todo {
		plan, err := t.planRun(ctx, j, p)
		if err != nil {
			return 0, err
		}
		left += plan.Seconds
		steps, seconds = append(steps, strconv.Itoa(plan.Steps)), append(seconds, fmt.Sprintf("%.0f", plan.Seconds))
	}
	t.printf("%s", mdRow(row.label(), strconv.Itoa(searches), strconv.Itoa(seeds), strconv.Itoa(done), different(steps), different(seconds), wording.Seconds(left)))
	return left, nil
}

// different lists what is not the same, in the order in which it comes.
func different(all []string) string {
	var kinds []string
	for _, s := range all {
		if !slices.Contains(kinds, s) {
			kinds = append(kinds, s)
		}
	}
	if len(kinds) == 0 {
		return "–"
	}
	return strings.Join(kinds, ", ")
}

// timeless are settings that do not change how long a run takes: runs that differ only in these are planned once.
var timeless = []string{"seed", "learning_rate", "lora_alpha", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "warmup_ratio", "loraplus_lr_ratio"}

// planRun plans a run.
func (t *table) planRun(ctx context.Context, j job, p *planner) (*finetune.Plan, error) {
	recipe, err := t.withUserPaths(j.recipe)
	if err != nil {
		return nil, err
	}
	keys := maps.Clone(recipe.Keys())
	options, _ := keys["task_options"].(map[string]any)
	if options = maps.Clone(options); options != nil {
		delete(options, "seed")
		keys["task_options"] = options
	}
	for _, k := range timeless {
		delete(keys, k)
	}
	key := digestOf(keys)
	if p.plans[key] == nil {
		if p.plans[key], err = finetune.DryRun(ctx, recipe.Config, p.known, finetune.Options{}); err != nil {
			return nil, err
		}
	}
	return p.plans[key], nil
}

// noFiles is a file system without files.
type noFiles struct{}

// Open implements fs.FS.
func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
