package experiments

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/recipes"
	"github.com/spagotune/spagotune/tasks"
)

// TestRecipes reads every embedded recipe as a run does.
func TestRecipes(t *testing.T) {
	files := []string{}
	err := fs.WalkDir(recipes.Files, ".", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".yaml" && name != "published.yaml" {
			files = append(files, name)
		}
		return err
	})
	if err != nil || !slices.Contains(files, recipes.Quickstart) || !slices.Contains(files, "paper/memory.yaml") {
		t.Fatalf("recipes are %v (%v)", files, err)
	}
	for _, f := range files {
		raw, err := recipes.Files.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := finetune.ParseRecipes(raw, nil)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		for _, c := range runs {
			if err := checkRecipe(c); err != nil {
				t.Errorf("%s %s: %v", f, c.Name, err)
			}
			if again, err := c.With(); err != nil || !reflect.DeepEqual(again.Keys(), c.Keys()) || digestOf(again.Keys()) != digestOf(c.Keys()) {
				t.Errorf("%s %s: the recipe made from its keys is %v, want %v (%v)", f, c.Name, again, c, err)
			}
			for _, searched := range searchedRecipes(t, c) {
				if err := checkRecipe(searched); err != nil {
					t.Errorf("%s %s: search: %v", f, c.Name, err)
				}
			}
		}
	}
}

// searchedRecipes returns the recipes of the runs of a recipe's search.
func searchedRecipes(t *testing.T, c finetune.Recipe) []finetune.Recipe {
	t.Helper()
	row := &tableRow{name: c.Name, recipe: c}
	if err := row.check(false); err != nil || row.search == nil {
		if err != nil {
			t.Error(err)
		}
		return nil
	}
	var all []finetune.Recipe
	for _, params := range row.search.grid() {
		j, err := row.searchJob(row.search, params, 1)
		if err != nil {
			t.Errorf("%s: search: %v", c.Name, err)
		}
		all = append(all, j.recipe)
	}
	return all
}

// checkRecipe checks everything that can be checked without the data.
func checkRecipe(r finetune.Recipe) error {
	c := r.Config
	if err := c.Check(); err != nil {
		return err
	}
	if err := checkTask(c.Task.Name, c.Task.Options); err != nil {
		return err
	}
	for _, b := range r.EvalTasks {
		if err := checkTask(b.Task, b.Options); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	if c.Method.Name == "full" {
		return nil
	}
	_, err := adapter.New(c.Method.Name, c.Method.Settings)
	return err
}

// checkTask checks a task's name and the names of its options.
func checkTask(name string, options map[string]any) error {
	if !slices.Contains(tasks.Names(), name) {
		return fmt.Errorf("task %q is not known", name)
	}
	for k := range options {
		if !slices.Contains(tasks.Options(name), k) {
			return fmt.Errorf("task %s has no option %s", name, k)
		}
	}
	return nil
}

// TestPublishedRowsHaveRecipes checks that every table of every preset has valid recipes, that every published row is
// named by a row of the preset paper, that AsyLoRA's trains A, as the paper's code does, and that small presets search LoRA's
// alpha wherever they search its rate (the paper searches none).
func TestPublishedRowsHaveRecipes(t *testing.T) {
	for _, name := range Tables(recipes.Files) {
		for _, preset := range Presets() {
			tb, err := prepare(name, Options{Recipes: recipes.Files, Preset: preset, Output: filepath.Join(t.TempDir(), "t")}, false)
			if preset == "released" && err != nil && strings.Contains(err.Error(), "has no recipe for it") {
				continue // two commands were released
			}
			if err != nil {
				t.Errorf("%s %s: %v", name, preset, err)
				continue
			}
			for _, r := range tb.rows {
				m, published := r.recipe.Config.Method, r.recipe.Table.PublishedRow
				if strings.HasPrefix(published, "asylora") && m.Settings["freeze_a"] != false {
					t.Errorf("%s %s: %s freezes A", name, preset, r.name)
				}
				small := preset == "tiny" || preset == "smollm2"
				if small && published != "" && m.Name == "lora" && (r.search == nil || !slices.ContainsFunc(r.search.axes, func(a axis) bool { return a.key == "lora_alpha" })) {
					t.Errorf("%s %s: %s searches no alpha", name, preset, r.name)
				}
			}
			for _, p := range tb.published {
				for key := range p.Rows {
					if preset == "paper" && !slices.ContainsFunc(tb.rows, func(r *tableRow) bool { return r.recipe.Table.PublishedRow == key }) {
						t.Errorf("%s: no recipe names the published row %s", name, key)
					}
				}
			}
		}
	}
}
