package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks/data"
)

const stubKeys = `
model_config: {model_type: llama, vocab_size: 256, hidden_size: 16, intermediate_size: 24, initializer_range: 0.2,
  num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 128}
tokenizer: embedded
task: memory
task_options: {pairs: 5}
r: 2
max_steps: 6
per_device_train_batch_size: 3
eval_steps: 3
eval_examples: 2
save_steps: 2
logging_steps: 2
seed: 1
compare:
`

// stubRecipes returns recipes with the given rows, by default two rows of a few steps, the first with a search of two
// rates.
func stubRecipes(rows ...string) fs.FS {
	if rows == nil {
		rows = []string{"{name: lora-8, method: lora, search: {learning_rate: [1.0e-3, 1.0e-2], max_steps: 4, widen: 0}}", "{name: mora-8, method: mora, mora_type: 1, learning_rate: 0.02}"}
	}
	text := "columns: [score by step, loss]\npublished: published.yaml#memory\n" + stubKeys
	for _, r := range rows {
		if name, _, _ := strings.Cut(strings.TrimPrefix(r, "{name: "), ","); name == "lora-8" || name == "mora-8" {
			r = "{published_row: " + name + ", " + strings.TrimPrefix(r, "{")
		}
		text += "  - " + r + "\n"
	}
	files := fstest.MapFS{"published.yaml": {Data: []byte(`
memory: {source: Table 2, columns: ["300", "900"], rows: {lora-8: {label: LoRA r=8, values: [9.9, 54]}, mora-8: {label: MoRA r=8, values: [null, 100]}}}
`)}}
	for _, name := range []string{"memory", "ablation", "rank"} {
		files["tiny/"+name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	files["tiny/rank.yaml"].Data = []byte(strings.Replace(text, "score by step", "singular values", 1))
	return files
}

// stubOptions returns options to make a table of recipes in a temporary folder.
func stubOptions(t *testing.T, recipes fs.FS) Options {
	t.Helper()
	return Options{Recipes: recipes, Preset: "tiny", Output: filepath.Join(t.TempDir(), "table"), Seeds: 2, Log: zerolog.Nop()}
}

// readRecords reads the records of a table by row and seed, and with "search" by the values tried in place of the seed,
// without what differs from run to run.
func readRecords(t *testing.T, dir string) map[string]Record {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "rows", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Record{}
	for _, f := range files {
		var e Record
		if err := readJSON(f, &e); err != nil {
			t.Fatal(err)
		}
		if e.Threads < 1 || e.Kernel == "" || e.Machine == "" || e.Time.IsZero() || e.Digest != digestOf(e.Settings) {
			t.Errorf("%s is not complete: %+v", f, e)
		}
		name := fmt.Sprintf("%s.seed-%d", joinGroup(e.Group, ".", e.Row), e.Seed)
		if e.Search {
			name = fmt.Sprintf("%s.search-%v", joinGroup(e.Group, ".", e.Row), e.Settings["learning_rate"])
		}
		all[name] = Record{Row: e.Row, Search: e.Search, Seed: e.Seed, Digest: e.Digest, Steps: e.Steps,
			Trainable: e.Trainable, Tokens: e.Tokens, Evaluations: e.Evaluations, EvalTasks: e.EvalTasks, SingularValues: e.SingularValues, DocumentLoss: e.DocumentLoss, Error: e.Error, Levels: e.Levels}
	}
	return all
}

// readText reads a file.
func readText(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTable makes a table. Made again, the table is the same and nothing runs.
func TestTable(t *testing.T) {
	o := stubOptions(t, stubRecipes())
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	want := []string{"lora-8.search-0.001", "lora-8.search-0.01", "lora-8.seed-1", "lora-8.seed-2", "mora-8.seed-1", "mora-8.seed-2"}
	got := readRecords(t, o.Output)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Fatalf("records are %v, want %v", names, want)
	}
	if a, b := got["lora-8.search-0.001"], got["lora-8.seed-1"]; a.Steps != 4 || a.Seed != 101 || b.Steps != 6 || len(b.Evaluations) != 3 || b.Tokens == 0 {
		t.Errorf("a search has %d steps, its row %+v", a.Steps, b)
	}
	md := readText(t, o.Output, "memory.md")
	for _, want := range []string{"| row | n | 3 | 6 | held-out loss | published | 300 | 900 |", "| chance | – | 9.8 | 9.8 | – |", " ± ", "| LoRA r=8 | 9.9 | 54.0 |", "| MoRA r=8 | – | 100.0 |", "learning_rate 0.001", "| chosen, learning_rate at the edge |", "method mora, r 2, mora_type 1, learning_rate 0.02"} {
		if !strings.Contains(md, want) {
			t.Errorf("%q is missing in\n%s", want, md)
		}
	}
	if csv := readText(t, o.Output, "memory.csv"); !strings.Contains(csv, "run,,mora-8,false,2,6,score,") || !strings.Contains(csv, "published,,lora-8,,,,900,54.0") {
		t.Errorf("CSV is\n%s", csv)
	}
	if svg := readText(t, o.Output, "memory.svg"); !strings.Contains(svg, "mora-8") || !strings.HasPrefix(readText(t, o.Output, "memory.png"), "\x89PNG") {
		t.Error("the plots are not complete")
	}
	o.Progress = func(finetune.Progress) { t.Fatal("a finished run ran again") }
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	if again := readText(t, o.Output, "memory.md"); again != md {
		t.Errorf("made again, the table is\n%s\nwant\n%s", again, md)
	}
}

// TestTableResumes checks that a table that was interrupted and resumed is that of an uninterrupted run.
func TestTableResumes(t *testing.T) {
	whole := stubOptions(t, stubRecipes())
	if err := Run(context.Background(), "memory", whole); err != nil {
		t.Fatal(err)
	}
	stops := []int{1, 4, 11, 23} // in the search, in its last evaluation, in the first row's seeds, in the second row
	if testing.Short() {
		stops = stops[2:3]
	}
	for _, stop := range stops {
		cut := stubOptions(t, stubRecipes())
		ctx, cancel := context.WithCancel(context.Background())
		steps := 0
		cut.Progress = func(finetune.Progress) {
			if steps++; steps == stop {
				cancel()
			}
		}
		err := Run(ctx, "memory", cut)
		if !errors.Is(err, finetune.ErrInterrupted) || !strings.Contains(err.Error(), "the same command goes on") {
			t.Fatalf("stopped after step %d: got %v", stop, err)
		}
		if err := Run(context.Background(), "memory", cut); err != nil {
			t.Fatal(err)
		}
		want, got := readRecords(t, whole.Output), readRecords(t, cut.Output)
		for name := range want {
			if a, b := outcome(want[name]), outcome(got[name]); a != b {
				t.Errorf("resumed after step %d, %s is\n%s\nwant\n%s", stop, name, b, a)
			}
		}
		if atLeast := 30 - stop - 2; steps-stop < atLeast || steps-stop > 32-stop { // a checkpoint is at most two steps back
			t.Errorf("resumed after step %d, %d steps followed, want about %d", stop, steps-stop, atLeast)
		}
	}
}

// outcome returns a record as JSON, without Tokens: an interruption loses the tokens that were not logged yet.
func outcome(e Record) string {
	e.Tokens = 0
	b, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestTableErrors(t *testing.T) {
	made := stubOptions(t, stubRecipes())
	made.Seeds = 1
	if err := Run(context.Background(), "memory", made); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"memroy", nil, "did you mean memory?"},
		{"memory", func(o *Options) { o.Preset = "tinny" }, "did you mean tiny?"},
		{"memory", func(o *Options) { o.Preset = "paper" }, "no recipe for it"},
		{"memory", func(o *Options) { o.Seeds = -1 }, "seeds is -1"},
		{"ablation", nil, "holds the table memory, preset tiny"},
		{"memory", func(o *Options) { o.Output = foreign }, "not the folder of a table"},
		{"memory", func(o *Options) { o.Settings = []string{"max_step=7"} }, `unknown key "max_step"`},
		{"memory", func(o *Options) { o.Settings = []string{"columns=[los]"} }, "did you mean loss?"},
		{"memory", func(o *Options) { o.Settings = []string{"baseline=lora"} }, "did you mean lora-8?"},
		{"memory", func(o *Options) { o.Settings = []string{"published=published.yaml#memry"} }, "published.yaml has no table memry"},
		{"memory", func(o *Options) { o.Settings = []string{"published={source: S, columns: [a], rows: {}}"} }, "no published table has a row \"lora-8\""},
		{"memory", func(o *Options) { o.Settings = []string{"search={learning_rate: [1, 2], metric: los}"} }, "did you mean loss?"},
		{"memory", func(o *Options) { o.Settings = []string{"search={learning_rate: [1, 2], metric: benchmarks}"} }, "several figures a run"},
		{"memory", func(o *Options) { o.Settings = []string{"search={learning_rate: []}"} }, "is empty"},
		{"memory", func(o *Options) { o.Settings = []string{"search={r: [4, 8.5]}"} }, "search: adapter: r: 8.5"},
		{"memory", func(o *Options) { o.Settings = []string{"seeds=-1"} }, "seeds is -1"},
		{"memory", func(o *Options) { o.Settings = []string{"columns=[loss, loss]"} }, "loss is there twice"},
		{"memory", func(o *Options) { o.Settings = []string{"columns=[steps to 85]"} }, "want a score above 0 up to 1"},
		{"memory", func(o *Options) { o.Settings = []string{"search={learning_rat: [1, 2]}"} }, "unknown key"},
		{"missing.yaml", nil, "no such file"},
		{"memory", func(o *Options) { o.Seeds = 2 }, ""},
	} {
		o := made
		if tt.change != nil {
			tt.change(&o)
		}
		err := Run(context.Background(), tt.name, o)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// TestFilesOfTables makes tables of files that cannot be made, or not in whole.
func TestFilesOfTables(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct{ recipe, want string }{
		{"", "no row can be run: 0: model: none is named"},
		{stubKeys + "  - {name: a, search: {learning_rate: [1.0e-3, 1.0e-2], task: text, task_options: {data: none.txt}}}", "no row can be run: a: data: none.txt does not exist"},
		{stubKeys + "  - {name: " + strings.Repeat("a", 101) + "}", "has 101 letters; want at most 100"},
	} {
		file, out := filepath.Join(dir, fmt.Sprint(i, ".yaml")), filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(file, []byte(c.recipe), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := Run(context.Background(), file, Options{Output: out}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.recipe, err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a folder was made", c.recipe)
		}
	}
}

// TestLackingColumns: a column that no run has a figure for stays, with the reason; so do rows without held-out rows.
func TestLackingColumns(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: a|b}"))
	o.Seeds, o.Settings = 2, []string{"columns=[loss]"}
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	o.Settings = []string{"columns=[loss, document loss, steps to 1]"}
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	md := readText(t, o.Output, "memory.md")
	for _, want := range []string{"| row | n | held-out loss | document loss | steps to 1 |", `| a\|b | 2 | `, " | – | – |", "No figure for document loss: the runs were made when", "No figure for steps to 1: no run reached it."} {
		if !strings.Contains(md, want) {
			t.Errorf("%q is missing in\n%s", want, md)
		}
	}
	record, err := filepath.Glob(filepath.Join(o.Output, "rows", "*.json"))
	if err != nil || len(record) != 2 {
		t.Fatal(record, err)
	}
	if err := os.Truncate(record[0], 20); err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), "memory", o); err == nil || !strings.Contains(err.Error(), record[0]) || !strings.Contains(err.Error(), "remove the file to run it again") {
		t.Errorf("a record that is cut off: %v", err)
	}
}

// TestPlan: what is left is counted by the records that are there, and each run has its own time.
func TestPlan(t *testing.T) {
	var out strings.Builder
	o := stubOptions(t, stubRecipes("{name: a, search: {learning_rate: [1.0e-3, 1.0e-2], max_steps: 9, widen: 0, r: [2, 4]}}"))
	o.Seeds, o.Out, o.DryRun = 2, &out, true
	plan := func(want string) {
		t.Helper()
		out.Reset()
		if err := Run(context.Background(), "memory", o); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing (%v) in\n%s", want, err, out.String())
		}
	}
	plan("| a | 4 | 2 | 0 | 9, 6 |")
	o.DryRun = false
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	o.DryRun = true
	plan("| a | 4 | 2 | 6 | – | – | 0 s |")
	o.Seeds = 3
	plan("| a | 4 | 3 | 6 | 6 |")
}

// TestMissingInputs checks that rows without model or data are listed and that the others run.
func TestMissingInputs(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: lora-8, method: lora, model: llama-9}", "{name: mora-8, method: mora, mora_type: 1}",
		"{name: full, method: full, task: text, task_options: {data: data/c4.jsonl}, eval_examples: 0}"))
	o.Seeds, o.Data = 1, "elsewhere"
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	md := readText(t, o.Output, "memory.md")
	for _, want := range []string{"- lora-8: model: llama-9 does not exist\n", "- full: data: elsewhere/c4.jsonl does not exist\n", "| lora-8 | 0 | – | – | – | LoRA r=8 | 9.9 | 54.0 |"} {
		if !strings.Contains(md, want) {
			t.Errorf("%q is missing in\n%s", want, md)
		}
	}
	if got := readRecords(t, o.Output); len(got) != 1 || got["mora-8.seed-1"].Steps != 6 {
		t.Errorf("records are %+v", got)
	}
}

// TestDivergedRun checks that a run that diverges is recorded and that the table continues.
func TestDivergedRun(t *testing.T) {
	o := stubOptions(t, stubRecipes("{name: lora-8, method: full, learning_rate: 1.0e+20, lr_scheduler_type: constant, max_grad_norm: 0}", "{name: mora-8, method: mora, mora_type: 1}"))
	o.Seeds = 1
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	got := readRecords(t, o.Output)
	if !strings.Contains(got["lora-8.seed-1"].Error, "diverged") || got["mora-8.seed-1"].Error != "" {
		t.Errorf("records are %+v", got)
	}
	if md := readText(t, o.Output, "memory.md"); !strings.Contains(md, "lora-8, seed 1, failed:") {
		t.Errorf("the table does not name the failure:\n%s", md)
	}
}

// TestUserPaths checks that the user's folders replace those of the recipe, in every form of data, and nothing else.
func TestUserPaths(t *testing.T) {
	tb := &table{options: Options{Model: "/models/m", Data: "/d"}}
	r := finetune.Recipe{EvalTasks: []finetune.EvalTask{{Options: map[string]any{"eval_data": "data/e", "other": "embedded:data/f"}}}}
	r.Config.Model.Path, r.Config.Task.Data = "smollm2", data.Files("data/a")
	r.Config.Task.Options = map[string]any{"data": []any{"data/b", map[string]any{"path": "data/c", "weight": 0.5}}, "form": "raw"}
	got, err := tb.withUserPaths(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/models/m /d/a map[data:[/d/b map[path:/d/c weight:0.5]] form:raw] [{  map[eval_data:/d/e other:embedded:data/f] 0 }]"; fmt.Sprint(got.Config.Model.Path, " ", got.Config.Task.Data.Plain(), " ", got.Config.Task.Options, " ", got.EvalTasks) != want {
		t.Errorf("got %+v, want %s", got, want)
	}
	if s := tb.settings(r); s["model"] != "m" || s["data"] != "data/a" || r.EvalTasks[0].Options["eval_data"] != "data/e" {
		t.Errorf("settings are %v, and the recipe is %v now", s, r)
	}
	random := finetune.Recipe{}
	random.Config.Model.Tokenizer = infer.Embedded
	if got, err := tb.withUserPaths(random); err != nil || got.Config.Model.Tokenizer != infer.Embedded || got.Config.Model.Path != "" {
		t.Errorf("a model from random weights became %q with the tokenizer %q (%v)", got.Config.Model.Path, got.Config.Model.Tokenizer, err)
	}
}

// TestEvalTasksAndSingularValues scores rows with adapters and with whole models and counts their singular values.
func TestEvalTasksAndSingularValues(t *testing.T) {
	base, err := filepath.Abs(filepath.Join("..", "evaldata", "base"))
	if err != nil {
		t.Fatal(err)
	}
	bench := "benchmarks: [{name: pairs, task: memory, options: {pairs: 3}, limit: 2}]"
	var rows []string
	for _, r := range []string{"{name: lora, method: lora", "{name: mora, method: mora, mora_type: 6", "{name: relora, method: lora, relora_steps: 3, relora_warmup_steps: 1"} {
		rows = append(rows, r+", learning_rate: 0.02, warmup_ratio: 0, model: "+base+", "+bench+"}")
	}
	o := stubOptions(t, stubRecipes(rows...))
	o.Seeds = 1
	if err := Run(context.Background(), "rank", o); err != nil {
		t.Fatal(err)
	}
	got := readRecords(t, o.Output)
	for name, e := range got {
		if _, ok := e.EvalTasks["pairs"]; !ok || len(e.SingularValues) != 7 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	sum := func(name string) float64 {
		n := 0.0
		for _, v := range got[name+".seed-1"].SingularValues {
			n += v
		}
		return n
	}
	if lora, mora, relora := sum("lora"), sum("mora"), sum("relora"); !(lora > 0 && lora <= 7*2 && mora > lora && relora > 0 && relora <= 2*7*2) {
		t.Errorf("singular values of LoRA %g, MoRA %g, ReLoRA %g", lora, mora, relora)
	}
	if md := readText(t, o.Output, "rank.md"); !strings.Contains(md, "| row | n | down_proj | gate_proj | k_proj | o_proj | q_proj | up_proj | v_proj | held-out loss |") {
		t.Errorf("the table is\n%s", md)
	}
}

// TestSelectedRows checks that only the rows that are selected by name, group or both run.
func TestSelectedRows(t *testing.T) {
	recipes := stubRecipes("{name: lora-8, method: lora}", "{name: mora-8, method: mora}", "{name: mora-high, method: mora, r: 4}").(fstest.MapFS)
	recipes["tiny/memory-more.yaml"] = recipes["tiny/memory.yaml"]
	for _, c := range []struct {
		only []string
		want []string
	}{
		{[]string{"mora-8"}, []string{"mora-8.seed-1", "more.mora-8.seed-1"}},
		{[]string{"more/mora-8", "more/lora-8"}, []string{"more.lora-8.seed-1", "more.mora-8.seed-1"}},
		{[]string{"more"}, []string{"more.lora-8.seed-1", "more.mora-8.seed-1", "more.mora-high.seed-1"}},
	} {
		o := stubOptions(t, recipes)
		o.Seeds, o.Only, o.Settings = 1, c.only, []string{"max_steps=1", "eval_steps=0"}
		if err := Run(context.Background(), "memory", o); err != nil {
			t.Fatal(err)
		}
		if names := slices.Sorted(maps.Keys(readRecords(t, o.Output))); !slices.Equal(names, c.want) {
			t.Errorf("%v: records are %v, want %v", c.only, names, c.want)
		}
	}
	o := stubOptions(t, stubRecipes("{name: full, method: full}", "{name: lora-8, method: lora}"))
	o.Seeds, o.Only, o.Settings = 1, []string{"lora-8"}, []string{"max_steps=2", "eval_steps=0", "relora_steps=1", "relora_warmup_steps=0"} // full takes no restarts
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Errorf("a setting that only the selected rows support: %v", err)
	}
	o = stubOptions(t, recipes)
	o.Only = []string{"more/mora8"}
	if err := Run(context.Background(), "memory", o); err == nil || !strings.Contains(err.Error(), `no row "more/mora8"; did you mean more/mora-8?`) {
		t.Errorf("an unknown row: %v", err)
	}
}

// TestShortSettings checks that a row's settings include its method and rate, even by default, and no key that the
// method lacks.
func TestShortSettings(t *testing.T) {
	for want, s := range map[string]map[string]any{
		"method full, learning_rate 0.0003, lr_scheduler_type cosine, max_steps 6":                        {"method": "full", "r": 8, "lora_alpha": 16, "max_steps": 6},
		"method mora, r 8, mora_type 6, learning_rate 0.01, lr_scheduler_type cosine":                     {"r": 8, "lora_alpha": 16, "mora_type": 6, "learning_rate": 0.01},
		"method lora, r 4, lora_alpha 16, relora_steps 3, learning_rate 0.0003, lr_scheduler_type cosine": {"method": "lora", "r": 4, "lora_alpha": 16, "relora_steps": 3},
	} {
		if got := shortSettings(s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
}

// TestStepReaching checks that the step of a score is interpolated between two evaluations.
func TestStepReaching(t *testing.T) {
	at := func(step int, score float64) finetune.Evaluation {
		return finetune.Evaluation{Step: step, Score: &score}
	}
	for _, c := range []struct {
		course []finetune.Evaluation
		step   float64
		ok     bool
	}{
		{[]finetune.Evaluation{at(0, 0), at(100, 0.5), at(200, 0.9), at(300, 0.8)}, 187.5, true},
		{[]finetune.Evaluation{at(0, 0.9), at(100, 1)}, 0, true},
		{[]finetune.Evaluation{{Step: 0}, at(100, 0.85)}, 100, true},
		{[]finetune.Evaluation{at(0, 0), at(100, 0.84)}, 0, false},
		{nil, 0, false},
	} {
		if step, ok := (&Record{Evaluations: c.course}).stepReaching(0.85); ok != c.ok || math.Abs(step-c.step) > 1e-9 {
			t.Errorf("%v: %g, %t, want %g, %t", c.course, step, ok, c.step, c.ok)
		}
	}
}
