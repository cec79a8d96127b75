package experiments

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/suggest"
)

// tableRow is a row of a table: an entry of a recipe's compare.
type tableRow struct {
	file        string // the recipe's
	group, name string
	recipe      finetune.Recipe
	grid        []finetune.Recipe // the recipes of its grid search
	values      []map[string]any  // the values that each of them tries
}

// label returns the row's name with its group.
func (r tableRow) label() string { return joinGroup(r.group, " ", r.name) }

// joinGroup joins a group and a name. Most tables have no groups; group is then "".
func joinGroup(group, between, name string) string {
	return strings.TrimPrefix(group+between+name, between)
}

// matches reports whether a row is selected by NAME, GROUP or GROUP/NAME.
func (r tableRow) matches(what string) bool {
	return what == r.name || what == r.group || what == r.group+"/"+r.name
}

// selectRows returns the rows that only selects, or all of them if it is empty.
func selectRows(rows []tableRow, only []string) ([]tableRow, error) {
	if len(only) == 0 {
		return rows, nil
	}
	var known []string
	for _, r := range rows {
		known = append(known, joinGroup(r.group, "/", r.name))
	}
	for _, what := range only {
		if !slices.ContainsFunc(rows, func(r tableRow) bool { return r.matches(what) }) {
			return nil, fmt.Errorf("no row %q%s", what, suggest.Hint(what, known))
		}
	}
	return slices.DeleteFunc(rows, func(r tableRow) bool { return !slices.ContainsFunc(only, r.matches) }), nil
}

// job is a run of a row: one of its search, or one of its seeds.
type job struct {
	row    tableRow
	recipe finetune.Recipe
	search int // the number in the search, from 1; 0 for a run of the table itself
}

// file returns the name of the run's record and folder, without an extension.
func (j job) file() string {
	name := joinGroup(j.row.group, ".", j.row.name)
	if j.search > 0 {
		return fmt.Sprintf("%s.search-%d", name, j.search)
	}
	return fmt.Sprintf("%s.seed-%d", name, j.recipe.Config.Train.Seed)
}

// searches returns the runs of the row's search.
func (r tableRow) searches() []job {
	var all []job
	for i, recipe := range r.grid {
		all = append(all, job{r, recipe, i + 1})
	}
	return all
}

// seeds returns the row's own runs, with n seeds.
func (r tableRow) seeds(n int) []job {
	var all []job
	for i := range n {
		recipe := r.recipe
		recipe.Config.Train.Seed += uint64(i)
		all = append(all, job{row: r, recipe: recipe})
	}
	return all
}

// readRows reads the table's recipes in the preset: PRESET/NAME.yaml or PRESET/NAME-GROUP.yaml.
func (t *table) readRows() ([]tableRow, error) {
	files, err := fs.Glob(t.options.Recipes, path.Join(t.options.Preset, t.name+"*.yaml"))
	if err != nil {
		return nil, err
	}
	var rows []tableRow
	for _, f := range files {
		stem := strings.TrimSuffix(path.Base(f), ".yaml")
		if stem != t.name && !strings.HasPrefix(stem, t.name+"-") {
			continue
		}
		raw, err := fs.ReadFile(t.options.Recipes, f)
		if err != nil {
			return nil, err
		}
		runs, err := finetune.ParseRecipes(raw, t.options.Settings)
		if err != nil {
			return nil, fmt.Errorf("recipe: %s: %w", f, err)
		}
		for _, recipe := range runs {
			rows = append(rows, tableRow{file: f, group: strings.TrimPrefix(strings.TrimPrefix(stem, t.name), "-"), name: recipe.Name, recipe: recipe})
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the preset %s has no recipe for it", t.options.Preset)
	}
	return rows, nil
}

// expandSearch builds the recipes of the row's grid search and checks the row's own recipe.
func (r *tableRow) expandSearch() error {
	var err error
	if r.grid, r.values, err = expandGrid(r.recipe); err != nil {
		return fmt.Errorf("recipe: %s: %s: search: %w", r.file, r.name, err)
	}
	r.recipe.Search = nil
	if err := r.recipe.Config.Check(); err != nil {
		return fmt.Errorf("recipe: %s: %s: %w", r.file, r.name, err)
	}
	return nil
}

// expandGrid returns a recipe for every combination of the values that a recipe's search lists, and these values. A
// search of a single combination is no search.
func expandGrid(recipe finetune.Recipe) (grid []finetune.Recipe, values []map[string]any, err error) {
	values = []map[string]any{{}}
	override := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(recipe.Search)) {
		list, ok := recipe.Search[k].([]any)
		if !ok {
			override[k] = recipe.Search[k]
			continue
		}
		var next []map[string]any
		for _, have := range values {
			for _, v := range list {
				one := maps.Clone(have)
				one[k] = v
				next = append(next, one)
			}
		}
		values = next
	}
	if len(values) < 2 {
		return nil, nil, nil
	}
	if len(override) > 0 { // shorter runs are compared by their last evaluation only
		override["eval_steps"] = 0
	}
	for _, v := range values {
		one, err := recipe.With(override, v)
		if err != nil {
			return nil, nil, err
		}
		if len(override) > 0 {
			one.EvalTasks = nil
		}
		grid = append(grid, one)
	}
	return grid, values, nil
}
