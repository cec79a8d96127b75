package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/recipes"
)

// runFlags describe a run, for the verbs train and doctor.
type runFlags struct {
	Recipe    string   `arg:"" optional:"" help:"YAML recipe. The default is the quickstart, unless --model, --task or --data is given."`
	Set       []string `short:"s" sep:"none" placeholder:"KEY=VALUE" help:"Set a key of the recipe; may be repeated."`
	Model     string   `placeholder:"NAME" help:"Hugging Face folder, GGUF file, name on the Hub (org/name[@revision]), or \"embedded\"."`
	Method    string   `placeholder:"NAME" help:"Adapter method: ${methods}; or full."`
	Adapter   string   `placeholder:"DIR" help:"Continue from the adapter in a folder, with its method and settings."`
	Task      string   `placeholder:"NAME" help:"Task: ${tasks}."`
	Data      []string `sep:"none" placeholder:"PATH" help:"Training data: a path, or org/name[:config/split] on the Hub; several are read one after the other."`
	Columns   []string `sep:"none" placeholder:"FIELD=COLUMN" help:"Column of the data that holds a field of the task, such as messages=conversations; may be repeated."`
	Output    string   `placeholder:"DIR" help:"Folder of the run."`
	Memory    string   `placeholder:"SIZE" help:"Maximum memory, such as 4GiB. Layers are recomputed in the backward pass if that is needed."`
	Resume    bool     `help:"Continue the run in the output folder. Without a recipe, with the one that the folder keeps."`
	Overwrite bool     `help:"Replace the run in the output folder."`
}

// settings returns the flags as settings of the recipe's keys.
func (c *runFlags) settings() []string {
	var s []string
	for _, kv := range [][2]string{{"model", c.Model}, {"method", c.Method}, {"adapter", c.Adapter}, {"task", c.Task}, {"output_dir", c.Output}, {"memory", c.Memory}} {
		if kv[1] != "" {
			s = append(s, fmt.Sprintf("%s=%q", kv[0], kv[1]))
		}
	}
	if len(c.Data) > 0 {
		s = append(s, "data="+flowList(c.Data))
	}
	s = append(s, columnSettings(c.Columns)...)
	return append(s, c.Set...)
}

// flowList is a list of strings as YAML has it in one line; a single one is the string itself.
func flowList(all []string) string {
	quoted := make([]string, len(all))
	for i, v := range all {
		quoted[i] = strconv.Quote(v)
	}
	if len(all) == 1 {
		return quoted[0]
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// recipe reads the recipe that the arguments name, or that of the run to resume. It returns nil if flags alone describe the run.
func (c *runFlags) recipe() ([]byte, error) {
	switch {
	case c.Recipe != "":
		return input.ReadFile(c.Recipe)
	case c.Resume && c.Output != "":
		raw, err := input.ReadFile(filepath.Join(c.Output, finetune.RecipeFile))
		if errors.Is(err, fs.ErrNotExist) {
			if !c.describesRun() {
				return nil, fmt.Errorf("--resume: %s has no %s; name the recipe, or the flags that the run was begun with", c.Output, finetune.RecipeFile)
			}
			return nil, nil
		}
		return raw, err
	case !c.describesRun():
		return recipes.Files.ReadFile(recipes.Quickstart)
	}
	return nil, nil
}

// describesRun reports whether flags describe a run, and not only how the quickstart is to be run.
func (c *runFlags) describesRun() bool {
	return c.Model != "" || c.Adapter != "" || c.Task != "" || len(c.Data) > 0
}

// refuseSearch returns an error if a run is to be searched for its settings: train runs it with one of them.
func refuseSearch(file string, runs []finetune.Recipe) error {
	for _, r := range runs {
		if len(r.Search) > 0 {
			return fmt.Errorf("recipe: search: train runs one setting, it does not search; `finetune search %s` finds the best, `finetune table %[1]s` compares the rows at theirs, "+
				"and --set search={} trains with the recipe's own values", file)
		}
	}
	return nil
}

// parse parses the recipe with the flags over it.
func (c *runFlags) parse() ([]finetune.Recipe, error) {
	raw, err := c.recipe()
	if err != nil {
		return nil, err
	}
	runs, err := finetune.ParseRecipes(raw, c.settings())
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	return runs, nil
}

// inFolder is the config of a run, whose folder is that of the recipe or, for one of several runs, a folder in it.
func inFolder(r finetune.Recipe) finetune.Config {
	c := r.Config
	if r.Name != "" && c.Save.OutputDir != "" {
		c.Save.OutputDir = filepath.Join(c.Save.OutputDir, r.Name)
	}
	return c
}
