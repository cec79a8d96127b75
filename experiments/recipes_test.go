package experiments

import (
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
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
		if path.Ext(name) == ".yaml" && name != publishedFile {
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
			expanded, _, err := expandGrid(c)
			if err != nil {
				t.Errorf("%s %s: search: %v", f, c.Name, err)
			}
			for _, s := range expanded {
				if err := checkRecipe(s); err != nil {
					t.Errorf("%s %s: search: %v", f, c.Name, err)
				}
			}
		}
	}
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

// TestPublishedRowsHaveRecipes checks that every row of every preset has a valid recipe, and that every published row
// is in the preset paper.
func TestPublishedRowsHaveRecipes(t *testing.T) {
	for name, kind := range tableKinds {
		all, err := readPublished(recipes.Files, kind.published...)
		if err != nil {
			t.Fatal(err)
		}
		for _, preset := range Presets() {
			tb := &table{name: name, options: Options{Recipes: recipes.Files, Preset: preset}}
			rows, err := tb.readRows()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for i := range rows {
				if err := rows[i].expandSearch(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, p := range all {
				for row := range p.Rows {
					if preset == "paper" && !slices.ContainsFunc(rows, func(r tableRow) bool { return r.name == row }) {
						t.Errorf("%s: the published row %s has no recipe", name, row)
					}
				}
			}
		}
	}
}
