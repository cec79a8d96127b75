package finetune

import (
	"encoding/json"
	"testing"
)

// FuzzRecipes: a recipe is refused or has runs, which can be written as a recipe again.
func FuzzRecipes(f *testing.F) {
	for _, s := range []string{"model: embedded\ntask: memory\nr: 4\n", "compare: [{name: a, r: 2}, {name: b, method: full}]\nmax_steps: 3",
		"a: &a {b: 1}\nmodel_config: {<<: *a}", "data: [a, {path: b, weight: 2}]\ntask_options: {x: [1, 2.5, null]}", "search: {learning_rate: [1.0e-3]}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		runs, err := ParseRecipes(raw, nil)
		if err != nil {
			return
		}
		if len(runs) == 0 {
			t.Error("no run, and no error")
		}
		for _, r := range runs {
			_ = r.Config.Check()
			_ = r.Keys()
		}
	})
}

// FuzzTrainerState: a state is refused, or it is that of the folder and comes back as it is.
func FuzzTrainerState(f *testing.F) {
	good := TrainerState{Step: 7, Recipe: map[string]json.RawMessage{"seed": json.RawMessage("1")}, Files: map[string]string{"a": "b"}}
	sum, err := good.digest()
	if err != nil {
		f.Fatal(err)
	}
	good.SHA256 = sum
	raw, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"global_step": 7, "files": {}}`))
	f.Add([]byte(`{"global_step": -7, "best_metric": 1e400, "recipe": {"seed": {}}}`))
	dir := checkpointDir("run", 7)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := parseState(raw, dir)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseState(again, dir); err != nil || s.Step != 7 || back.Step != s.Step {
			t.Errorf("%s comes back as %s, %v", raw, again, err)
		}
	})
}
