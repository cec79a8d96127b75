package experiments

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/finetune"
)

// TestSearch checks that a row is run with the values of the search's best run, on other seeds than those that chose,
// and that the search goes on beyond the grid while the best rate is at its edge.
func TestSearch(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: lora-8, method: lora, search: {learning_rate: [1.0e-4, 1.0e-2], max_steps: 5, warmup_ratio: 0, widen: 1}, eval_examples: 0}"))
	o.Seeds = 1
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	got := readRecords(t, o.Output)
	best, least := "", math.Inf(1)
	for _, rate := range []string{"0.0001", "0.01", "1"} { // 1 is beyond the edge, by the ratio of the two values
		rec, ok := got["lora-8.search-"+rate]
		if loss := rec.lastEvaluation().Loss; loss < least {
			best, least = rate, loss
		}
		if !ok || rec.Seed != searchSeed {
			t.Errorf("rate %s was not tried, or with another seed: %+v", rate, rec)
		}
	}
	files, err := filepath.Glob(filepath.Join(o.Output, "rows", "lora-8.seed-1.*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("records of seed 1 are %v (%v)", files, err)
	}
	var e Record
	if err := readJSON(files[0], &e); err != nil {
		t.Fatal(err)
	}
	options, _ := e.Settings["task_options"].(map[string]any)
	if fmt.Sprint(e.Settings["learning_rate"]) != best || best == "0.0001" || e.Settings["max_steps"] != 6.0 || options["seed"] != 1.0 {
		t.Errorf("the row was run with %v", e.Settings)
	}
}

// TestWiden follows a search over a made-up surface whose best point lies outside the grid.
func TestWiden(t *testing.T) {
	s, err := parseSearch(map[string]any{"learning_rate": []any{1e-3, 2e-3}, "lora_alpha": []any{uint64(16), uint64(64)}, "mora_type": []any{uint64(1), uint64(6)}}, false)
	if err != nil || s.size() != 8 {
		t.Fatalf("%+v (%v)", s, err)
	}
	loss := func(p map[string]any) float64 { // the best is rate 8e-3, alpha 64, type 6
		rate, _ := number(p["learning_rate"])
		alpha, _ := number(p["lora_alpha"])
		return math.Abs(math.Log(rate/8e-3)) + math.Abs(math.Log(alpha/64)) + map[any]float64{uint64(1): 1}[p["mora_type"]]
	}
	best := slices.MinFunc(s.grid(), func(a, b map[string]any) int { return int(math.Copysign(1, loss(a)-loss(b))) })
	var tried []string
	for range 4 {
		for _, p := range s.beyond(best, func(map[string]any) bool { return true }) {
			tried = append(tried, fmt.Sprint(p["learning_rate"], "/", p["lora_alpha"]))
			if p["mora_type"] != uint64(6) {
				t.Errorf("tried type %v: it is no scale", p["mora_type"])
			}
			if loss(p) < loss(best) {
				best = p
			}
		}
	}
	if best["learning_rate"] != 0.008 || best["lora_alpha"] != uint64(64) || len(s.edges(best)) > 0 {
		t.Errorf("the best is %v, at the edges %v; tried %v", best, s.edges(best), tried)
	}
	if !slices.Contains(tried, "0.004/64") || !slices.Contains(tried, "0.004/16") || slices.Contains(tried, "0.0005/16") {
		t.Errorf("tried %v", tried)
	}
}

// TestAxis checks the value beyond each end of a scale.
func TestAxis(t *testing.T) {
	for _, c := range []struct {
		list []any
		at   any
		want any
	}{
		{[]any{1e-3, 3e-3, 1e-2}, 1e-2, 0.033},
		{[]any{1e-2, 1e-3, 3e-3}, 1e-3, 0.00033},
		{[]any{1e-3, 3e-3, 1e-2}, 3e-3, nil},
		{[]any{uint64(2), uint64(4)}, uint64(4), uint64(8)},
		{[]any{uint64(2), uint64(1)}, uint64(1), nil}, // half of one
		{[]any{"cosine", "linear"}, "linear", nil},
		{[]any{1e-3}, 1e-3, nil},
		{[]any{1e-2, 1.02e-2}, 1.02e-2, 0.010404}, // two digits would be another rate
		{[]any{[]any{"q_proj"}, []any{"q_proj", "v_proj"}, []any{"q_proj"}}, []any{"q_proj"}, nil},
	} {
		a := newAxis("learning_rate", c.list)
		if got, ok := a.next(c.at); ok != (c.want != nil) || ok && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v beyond %v: %v %t, want %v", c.list, c.at, got, ok, c.want)
		}
	}
}

// TestMetricOf checks that every metric is such that lower is better, and that runs that did not end are the worst.
func TestMetricOf(t *testing.T) {
	score := func(step int, s, loss float64) finetune.Evaluation {
		return finetune.Evaluation{Step: step, Loss: loss, Score: &s}
	}
	r := &Record{Evaluations: []finetune.Evaluation{score(0, 0, 9), score(10, 0.9, 1), score(20, 0.8, 2)}}
	for name, want := range map[string]float64{"loss": 2, "best loss": 1, "score": -80, "best score": -90, "perplexity": math.Exp(2), "best step": 10,
		"steps to 0.45": 5, "steps to 0.95": math.Inf(1), "benchmarks": math.Inf(1)} {
		if got := metricOf(r, name); math.Abs(got-want) > 1e-9 && got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	r.Stopped = "hopeless"
	if got := metricOf(r, "loss"); !math.IsInf(got, 1) {
		t.Errorf("a run that was ended has the loss %g", got)
	}
}

// TestHopeless checks when a run is ended.
func TestHopeless(t *testing.T) {
	run := func(losses ...float64) *Record {
		r := &Record{Evaluations: []finetune.Evaluation{{Step: 0, Loss: 100}}}
		for i, l := range losses {
			r.Evaluations = append(r.Evaluations, finetune.Evaluation{Step: 10 * (i + 1), Loss: l})
		}
		return r
	}
	finished := []*Record{run(5, 1), run(6, 4), run(9, 9)} // means up to step 20: 3, 5, 9
	if hopeless(finished[:2], finetune.Evaluation{Step: 20, Loss: 50}) != "" {
		t.Error("two runs are enough")
	}
	for _, c := range []struct {
		step int
		loss float64
		ends bool
	}{{0, 100, false}, {10, 6, false}, {10, 6.1, true}, {20, 5, false}, {20, 5.1, true}} {
		if why := hopeless(finished, finetune.Evaluation{Step: c.step, Loss: c.loss}); (why != "") != c.ends {
			t.Errorf("step %d, loss %g: %q", c.step, c.loss, why)
		}
	}
}

// TestValuesBeyond: where the next value of a key cannot be, the search ends at the edge.
func TestValuesBeyond(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: lora-8, method: lora, learning_rate: 0.02, search: {adam_beta2: [0.9, 0.99], max_steps: 2, widen: 3}}"))
	o.Seeds = 1
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	for name, rec := range readRecords(t, o.Output) {
		if b, _ := number(rec.Settings["adam_beta2"]); b >= 1 {
			t.Errorf("%s has adam_beta2 %g", name, b)
		}
	}
}

// TestHopelessRow: a row whose search finds nothing is named, the others are run, and the table ends with an error.
func TestHopelessRow(t *testing.T) {
	const wild = "method: full, lr_scheduler_type: constant, max_grad_norm: 0, search: {learning_rate: [1.0e+20, 1.0e+21]}"
	for _, c := range []struct{ row, want string }{
		{wild, "search: no run came to a figure for loss; try other values"},
		{"search: {learning_rate: [1.0e-3, 1.0e-2], metric: document loss, task_options: {pairs: 3}}", ""},
		{"search: {learning_rate: [1.0e-3, 1.0e-2], metric: score}, eval_examples: 0", "search: metric: score: nothing is scored: set eval_examples"},
		{"search: {learning_rate: [1.0e-3, 1.0e-2], metric: steps to 1}, method: lora", "search: no run came to a figure for steps to 1"},
	} {
		o := stubOptions(t, stubRecipes("{name: lora-8, "+c.row+"}", "{name: mora-8, method: mora, mora_type: 1}"))
		o.Seeds = 1
		err := Run(context.Background(), "memory", o)
		if (c.want != "") != (err != nil) || err != nil && !strings.Contains(err.Error(), "lora-8: "+c.want) {
			t.Errorf("%s: %v", c.row, err)
		}
		if got := readRecords(t, o.Output); got["mora-8.seed-1"].Steps != 6 {
			t.Errorf("%s: the other row is not run: %v", c.row, got)
		}
		if md := readText(t, o.Output, "memory.md"); c.want != "" && !strings.Contains(md, "lora-8 is not run: "+c.want) {
			t.Errorf("%s: the table does not say why:\n%s", c.row, md)
		}
	}
}

// TestSearchCommand searches a recipe of a file: hopeless runs end early, and the best recipe is one that train takes.
func TestSearchCommand(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine.yaml")
	text := strings.Replace(stubKeys, "compare:\n", "learning_rate: 0.02\nsearch: {weight_decay: [0, 0.1, 0.2, 40], widen: 0, seeds: [7]}\nmethod: lora\n", 1)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	o := Options{Output: filepath.Join(dir, "out of it"), Out: &out}
	if err := Search(context.Background(), path, o); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"chosen", "finetune train '" + filepath.Join(o.Output, "mine.yaml") + "' --output '", "weight_decay 0", "ended after step 3", "full ones but for those that were ended, with seeds"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	raw, err := os.ReadFile(filepath.Join(o.Output, "mine.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	runs, err := finetune.ParseRecipes(raw, nil)
	if err != nil || len(runs) != 1 || len(runs[0].Search) > 0 || runs[0].Config.Train.LearningRate != 0.02 || runs[0].Config.Train.WeightDecay > 1 || runs[0].Config.Train.Seed != 1 {
		t.Errorf("the best recipe is %+v (%v)\n%s", runs, err, raw)
	}
	plain := strings.Replace(text, "search:", "title: x #", 1)
	if err := os.WriteFile(path, []byte(plain), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Search(context.Background(), path, o); err == nil || !strings.Contains(err.Error(), "has no key search") {
		t.Errorf("without a search: %v", err)
	}
}

// TestRecipeText checks that numbers of every size come back as numbers.
func TestRecipeText(t *testing.T) {
	keys := map[string]any{"learning_rate": 1e-5, "adam_epsilon": 1.5e-8, "max_steps": 7, "warmup_ratio": 0.0}
	raw, err := recipeText(keys)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := finetune.ParseRecipes(raw, nil)
	if err != nil || runs[0].Config.Train.LearningRate != 1e-5 || runs[0].Config.Train.AdamEpsilon != 1.5e-8 || runs[0].Config.Train.MaxSteps != 7 {
		t.Errorf("%+v (%v)\n%s", runs, err, raw)
	}
}
