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
	file        string // its recipe
	group, name string
	c           finetune.Recipe
	grid        []finetune.Recipe // the runs of its search
	values      []map[string]any  // what they try
}

func (r tableRow) label() string { return joined(r.group, " ", r.name) }

// joined is a name within a group; most tables have no groups.
func joined(group, between, name string) string {
	return strings.TrimPrefix(group+between+name, between)
}

// matches says whether a row is meant by NAME, GROUP or GROUP/NAME.
func (r tableRow) matches(what string) bool {
	return what == r.name || what == r.group || what == r.group+"/"+r.name
}

// selectRows are the rows that are meant by only; all of them where that is empty.
func selectRows(rows []tableRow, only []string) ([]tableRow, error) {
	if len(only) == 0 {
		return rows, nil
	}
	var known []string
	for _, r := range rows {
		known = append(known, joined(r.group, "/", r.name))
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
	c      finetune.Recipe
	search int // from 1; 0: a run of the table itself
}

// file is the name of its record and of its folder.
func (s job) file() string {
	name := joined(s.row.group, ".", s.row.name)
	if s.search > 0 {
		return fmt.Sprintf("%s.search-%d", name, s.search)
	}
	return fmt.Sprintf("%s.seed-%d", name, s.c.Config.Train.Seed)
}

// searches are the runs of the row's search.
func (r tableRow) searches() []job {
	var all []job
	for i, c := range r.grid {
		all = append(all, job{r, c, i + 1})
	}
	return all
}

// seeds are the runs of the row with its own values and n seeds.
func (r tableRow) seeds(n int) []job {
	var all []job
	for i := range n {
		c := r.c
		c.Config.Train.Seed += uint64(i)
		all = append(all, job{row: r, c: c})
	}
	return all
}

// readRows reads the preset's recipes of the table: PRESET/NAME.yaml, or PRESET/NAME-GROUP.yaml.
func (t *table) readRows() ([]tableRow, error) {
	files, err := fs.Glob(t.o.Recipes, path.Join(t.o.Preset, t.name+"*.yaml"))
	if err != nil {
		return nil, err
	}
	var rows []tableRow
	for _, f := range files {
		stem := strings.TrimSuffix(path.Base(f), ".yaml")
		if stem != t.name && !strings.HasPrefix(stem, t.name+"-") {
			continue
		}
		raw, err := fs.ReadFile(t.o.Recipes, f)
		if err != nil {
			return nil, err
		}
		runs, err := finetune.ParseRecipes(raw, t.o.Settings)
		if err != nil {
			return nil, fmt.Errorf("recipe: %s: %w", f, err)
		}
		for _, c := range runs {
			rows = append(rows, tableRow{file: f, group: strings.TrimPrefix(strings.TrimPrefix(stem, t.name), "-"), name: c.Name, c: c})
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the preset %s has no recipe of it", t.o.Preset)
	}
	return rows, nil
}

// expandSearch makes the runs of the row's search, and checks its recipe.
func (r *tableRow) expandSearch() error {
	var err error
	if r.grid, r.values, err = expand(r.c); err != nil {
		return fmt.Errorf("recipe: %s: %s: search: %w", r.file, r.name, err)
	}
	r.c.Search = nil
	if err := r.c.Config.Check(); err != nil {
		return fmt.Errorf("recipe: %s: %s: %w", r.file, r.name, err)
	}
	return nil
}

// expand makes the runs of a recipe's search: one for every combination of the values that it lists. values are those. A
// search of a single combination is none.
func expand(c finetune.Recipe) (grid []finetune.Recipe, values []map[string]any, err error) {
	values = []map[string]any{{}}
	override := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(c.Search)) {
		list, ok := c.Search[k].([]any)
		if !ok {
			override[k] = c.Search[k]
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
	if len(override) > 0 { // shorter runs are judged by their end alone
		override["eval_steps"] = 0
	}
	for _, v := range values {
		one, err := c.With(override, v)
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
