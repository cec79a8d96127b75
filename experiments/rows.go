package experiments

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks"
)

// tableRow is a row of a table: an entry of a recipe's compare.
type tableRow struct {
	file        string // the recipe's
	group, name string
	recipe      finetune.Recipe
	search      *search // nil for none
	searched    bool    // the search is finished, and recipe has the best values
	failed      string  // why the search has found none; the row is not run then
	trials      []trial // what the search has tried
	tried       int     // the finished runs of the search
	seeds       int
	runs        []*Record // of the row itself, one for each seed
}

// label returns the row's name with its group.
func (r *tableRow) label() string { return joinGroup(r.group, " ", r.name) }

// joinGroup joins a group and a name. Most tables have no groups; group is then "".
func joinGroup(group, between, name string) string {
	return strings.TrimPrefix(group+between+name, between)
}

// hasColumn reports whether the row's table asks for a column.
func (r *tableRow) hasColumn(name string) bool { return slices.Contains(r.recipe.Table.Columns, name) }

// matches reports whether a row is selected by NAME, GROUP or GROUP/NAME.
func (r *tableRow) matches(what string) bool {
	return what == r.name || what == r.group || what == r.group+"/"+r.name
}

// selectRows returns the rows that only selects, or all of them if it is empty.
func selectRows(rows []*tableRow, only []string) ([]*tableRow, error) {
	if len(only) == 0 {
		return rows, nil
	}
	var known []string
	for _, r := range rows {
		known = append(known, joinGroup(r.group, "/", r.name))
	}
	for _, what := range only {
		if !slices.ContainsFunc(rows, func(r *tableRow) bool { return r.matches(what) }) {
			return nil, fmt.Errorf("no row %q%s", what, suggest.Hint(what, known))
		}
	}
	return slices.DeleteFunc(rows, func(r *tableRow) bool { return !slices.ContainsFunc(only, r.matches) }), nil
}

// job is a run of a row: one of its search, or one of its seeds.
type job struct {
	row    *tableRow
	recipe finetune.Recipe
	search bool
	// mayStop says that the run may end early if it looks hopeless.
	mayStop bool
}

// reports reports whether a run has to have a column of its own that takes time after the training. A run of a search needs
// it to choose by, or because the row may take the run for one of its seeds.
func (j job) reports(column string) bool {
	if j.search && j.row.search.metric == column {
		return true
	}
	return j.row.hasColumn(column) && (!j.search || j.row.reportsSeed(j.recipe.Config.Train.Seed))
}

// reportsSeed reports whether a seed is one of the row's own runs.
func (r *tableRow) reportsSeed(seed uint64) bool {
	first := r.recipe.Config.Train.Seed
	return seed >= first && seed < first+uint64(r.seeds)
}

// seedJobs returns the row's own runs with the recipe that its search found.
func (r *tableRow) seedJobs(recipe finetune.Recipe) []job {
	var all []job
	for i := range r.seeds {
		all = append(all, job{row: r, recipe: withSeed(recipe, recipe.Config.Train.Seed+uint64(i))})
	}
	return all
}

// withSeed returns the recipe with a seed: that of training and, if the task draws its data by a seed that the recipe
// does not set, that of the data.
func withSeed(recipe finetune.Recipe, seed uint64) finetune.Recipe {
	recipe.Config.Train.Seed = seed
	if _, fixed := recipe.Config.Task.Options["seed"]; fixed || !slices.Contains(tasks.Options(recipe.Config.Task.Name), "seed") {
		return recipe
	}
	options := maps.Clone(recipe.Config.Task.Options)
	if options == nil {
		options = map[string]any{}
	}
	options["seed"] = seed
	recipe.Config.Task.Options = options
	return recipe
}

// ofFile reports whether the name of a table is that of a file, not of a table in Options.Recipes.
func ofFile(name string) bool { return slices.Contains([]string{".yaml", ".yml"}, path.Ext(name)) }

// tableName returns the name of the table in a file.
func tableName(file string) string {
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
}

// readRows reads the table's recipes: its file, or PRESET/NAME.yaml and PRESET/NAME-GROUP.yaml.
func (t *table) readRows(name string) error {
	if ofFile(name) {
		raw, err := input.ReadFile(name)
		if err != nil {
			return err
		}
		return t.addRows(name, "", raw)
	}
	files, err := fs.Glob(t.options.Recipes, path.Join(t.options.Preset, name+"*.yaml"))
	if err != nil {
		return err
	}
	for _, f := range files {
		stem := tableName(f)
		if stem != name && !strings.HasPrefix(stem, name+"-") {
			continue
		}
		raw, err := fs.ReadFile(t.options.Recipes, f)
		if err != nil {
			return err
		}
		if err := t.addRows(f, strings.TrimPrefix(strings.TrimPrefix(stem, name), "-"), raw); err != nil {
			return err
		}
	}
	if len(t.rows) == 0 {
		return fmt.Errorf("the preset %s has no recipe for it", t.options.Preset)
	}
	return nil
}

// addRows adds the rows of a recipe.
func (t *table) addRows(file, group string, raw []byte) error {
	runs, err := finetune.ParseRecipes(raw, t.options.Settings)
	if err != nil {
		return fmt.Errorf("recipe: %s: %w", file, err)
	}
	for _, recipe := range runs {
		row := &tableRow{file: file, group: group, name: recipe.Name, recipe: recipe, seeds: max(1, recipe.Table.Seeds)}
		if row.name == "" {
			row.name = tableName(file)
		}
		if t.options.Seeds > 0 {
			row.seeds = t.options.Seeds
		}
		t.rows = append(t.rows, row)
	}
	return nil
}

// maxName bounds a row's name in bytes.
const maxName = 100

// check reads the row's search and checks its recipes.
func (r *tableRow) check(stopEarly bool) error {
	if n := len(r.name); n > maxName {
		return fmt.Errorf("recipe: %s: name: %.20s… has %d letters; want at most %d, since it is part of files' names", r.file, r.name, n, maxName)
	}
	s, err := parseSearch(r.recipe.Search, stopEarly)
	if err == nil {
		r.search, r.recipe.Search = s, nil
		err = r.recipe.Config.Check()
	}
	if err == nil && s != nil {
		for _, params := range s.grid() {
			if err := r.allows(s, params); err != nil {
				return fmt.Errorf("recipe: %s: %s: search: %w", r.file, r.name, err)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("recipe: %s: %s: %w", r.file, r.name, err)
	}
	return nil
}
