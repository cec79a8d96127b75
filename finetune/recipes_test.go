package finetune

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/recipes"
	"github.com/spagotune/spagotune/tasks"
)

// TestRecipesAreWhole reads every recipe that comes with the binary as a run would.
func TestRecipesAreWhole(t *testing.T) {
	files, err := fs.Glob(recipes.Files, "*.yaml")
	if err != nil || !slices.Contains(files, recipes.Quickstart) {
		t.Fatalf("recipes are %v (%v)", files, err)
	}
	for _, f := range files {
		raw, err := recipes.Files.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, runs, err := Runs(raw, nil)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		for _, c := range runs {
			if err := c.Check(); err != nil {
				t.Errorf("%s: %v", f, err)
			}
			if !slices.Contains(tasks.Names(), c.Task) {
				t.Errorf("%s: task %q is not known", f, c.Task)
			}
			for k := range c.TaskOptions {
				if !slices.Contains(tasks.Options(c.Task), k) {
					t.Errorf("%s: task %s has no option %s", f, c.Task, k)
				}
			}
			if c.Method == "full" {
				continue
			}
			if _, err := adapter.New(c.Method, c.Adapter); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
}
