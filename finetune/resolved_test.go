package finetune

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// TestEncodeRecipes: what is written reads back as the same run, for every method and task, and for values that YAML would read
// as something else.
func TestEncodeRecipes(t *testing.T) {
	plain := Default()
	plain.Model.Path, plain.Task.Name, plain.Task.Data, plain.Save.OutputDir = "models/tiny", "instruct", data.Files("a b.jsonl"), "secret-output"
	configs := map[string]Config{}
	for _, m := range adapter.Methods() {
		c := plain
		c.Method.Name = m
		configs["method "+m] = c
	}
	for _, task := range tasks.Names() {
		c := plain
		c.Task.Name = task
		if task == "memory" {
			c.Task.Data = nil
		}
		configs["task "+task] = c
	}
	odd, err := ParseRecipes([]byte(`
model_config: {model_type: llama, rms_norm_eps: 1.0e-5, rope_scaling: {type: "linear", factor: 2.5}, eos_token_id: [1, 2]}
tokenizer: "yes"
task: seq2seq
data: [a.csv*0.5, {path: "b: c.csv", weight: 2, eval_size: 3}]
eval_data: "1e-5"
task_options: {source_prefix: "summarize: ", target_field: "null", metric: rouge_l}
method: lora
rank_pattern: {z.q_proj: 4, a: 2}
target_modules: [q_proj, "[a-z]+ # \"x\"", "ü\n<|im|>"]
lr_scheduler_type: polynomial
lr_scheduler_kwargs: {lr_end: 1.0e-12, power: 2}
learning_rate: 1.0e-7
warmup_steps: 0
seed: 18446744073709551615
memory: 4GiB
relora_steps: 5
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	configs["odd values"] = odd[0].Config
	for name, c := range configs {
		text, err := EncodeRecipes(Recipe{Config: c})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Contains(string(text), "output_dir") {
			t.Errorf("%s: the recipe names its output folder:\n%s", name, text)
		}
		read, err := ParseRecipes(text, nil)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if again, err := EncodeRecipes(read...); err != nil || string(again) != string(text) {
			t.Errorf("%s: read back, it is (%v)\n%s\nwant\n%s", name, err, again, text)
		}
		if all, err := c.changes(asMap(settingsOf(t, read[0].Config))); err != nil || len(all) > 0 {
			t.Errorf("%s: read back, it has changes %v (%v)", name, all, err)
		}
	}
	a, b := Recipe{Name: "on", Config: plain}, Recipe{Name: "b 1", Config: odd[0].Config}
	text, err := EncodeRecipes(a, b)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := ParseRecipes(text, nil)
	if err != nil || len(runs) != 2 || runs[0].Name != "on" || runs[1].Name != "b 1" {
		t.Fatalf("several runs are read back as %v, %v:\n%s", runs, err, text)
	}
	if again, err := EncodeRecipes(runs...); err != nil || string(again) != string(text) {
		t.Errorf("several runs, read back, are (%v)\n%s\nwant\n%s", err, again, text)
	}
}

func settingsOf(t *testing.T, c Config) []setting {
	t.Helper()
	all, err := c.resolved()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRunKeepsItsRecipe: two same runs keep the same recipe and environment, byte by byte, with defaults and without the folder.
func TestRunKeepsItsRecipe(t *testing.T) {
	kept := map[string][]string{}
	c := smallRun(t, "lora")
	c.Train.MaxSteps = 2
	for range 2 {
		c.Save.OutputDir = filepath.Join(t.TempDir(), "here")
		o := quiet()
		o.Version = "v1.2.3"
		if _, err := Run(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{RecipeFile, EnvironmentFile, "checkpoint-2/trainer_state.json"} {
			b, err := os.ReadFile(filepath.Join(c.Save.OutputDir, name))
			if err != nil {
				t.Fatal(err)
			}
			kept[name] = append(kept[name], string(b))
		}
	}
	for name, texts := range kept {
		if texts[0] != texts[1] {
			t.Errorf("%s is %s in one run and %s in the other", name, texts[0], texts[1])
		}
	}
	recipe, environment := kept[RecipeFile][0], kept[EnvironmentFile][0]
	for _, want := range []string{"task: memory\n", "  pairs: 7\n", "  format: lines\n", "method: lora\n", "\nr: 2\n", "lora_alpha: 8\n", "learning_rate: 0.0003\n", "seed: 42\n"} {
		if !strings.Contains(recipe, want) {
			t.Errorf("the recipe lacks %q:\n%s", want, recipe)
		}
	}
	if strings.Contains(recipe, c.Save.OutputDir) {
		t.Errorf("the recipe names the output folder:\n%s", recipe)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(environment, `"version": "v1.2.3"`) || !strings.Contains(environment, `"kernel"`) || strings.Contains(environment, host) {
		t.Errorf("the environment is %s", environment)
	}
}
