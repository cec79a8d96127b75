package experiments

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestBootstrap compares with the quantiles of all 4⁴ equally likely resamples of four results, and with those of four
// million resamples of twelve that NumPy drew (random.default_rng(7), integers, quantile).
func TestBootstrap(t *testing.T) {
	four := []exampleResult{{0.3, 10}, {-0.2, 40}, {0.1, 5}, {-0.5, 20}}
	var means []float64
	for n := range 256 {
		sum, weights := 0.0, 0.0
		for i := range 4 {
			r := four[n>>(2*i)&3]
			sum, weights = sum+r.value*r.weight, weights+r.weight
		}
		means = append(means, sum/weights)
	}
	slices.Sort(means)
	values := []float64{0.31, -0.12, 0.05, -0.44, -0.2, 0.11, -0.35, -0.07, -0.51, 0.02, -0.16, -0.29}
	weights := []float64{120, 45, 300, 80, 210, 64, 150, 33, 512, 96, 71, 188}
	var twelve []exampleResult
	for i := range values {
		twelve = append(twelve, exampleResult{values[i], weights[i]})
	}
	for _, tt := range []struct {
		results         []exampleResult
		mean, low, high float64
	}{
		{four, -14.5 / 75, means[6], means[249]}, // an atom each: 2.5 % of 256 are 6.4
		{twelve, -0.21575709, -0.37682805, -0.00794814},
	} {
		low, high := bootstrap(tt.results, 100_000)
		if mean := weightedMean(tt.results); math.Abs(mean-tt.mean) > 1e-8 || math.Abs(low-tt.low) > 2e-3 || math.Abs(high-tt.high) > 2e-3 {
			t.Errorf("mean %.8f, interval %.6f to %.6f; want %.8f, %.6f to %.6f", mean, low, high, tt.mean, tt.low, tt.high)
		}
		if again, _ := bootstrap(tt.results, 100_000); again != low {
			t.Errorf("drawn again, the interval begins at %g, not at %g", again, low)
		}
	}
}

// textRecipes returns a table of two rows on documents, five of which are held out.
func textRecipes(t *testing.T, more string) fstest.MapFS {
	t.Helper()
	var lines strings.Builder
	for i := range 12 {
		line, err := json.Marshal(map[string]string{"text": strings.Repeat(fmt.Sprintf("document %d says %d. ", i, i*i), 1+i%4)})
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	file := filepath.Join(t.TempDir(), "documents.jsonl")
	if err := os.WriteFile(file, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(stubKeys, "task: memory\ntask_options: {pairs: 5}", "task: text\ntask_options: {data: [{path: "+file+", eval_size: 5}], block_size: 32, pack: false}", 1)
	text = strings.Replace(text, "eval_examples: 2\n", "", 1)
	return fstest.MapFS{"tiny/memory.yaml": {Data: []byte("columns: [document loss, loss]\nbaseline: lora\nbootstrap: 1000\n" + text + more)}}
}

// TestBootstrapOverDocuments makes a table with an interval over documents. Without packing, the mean of the documents'
// losses is the held-out loss of the last evaluation; the difference is that of the files.
func TestBootstrapOverDocuments(t *testing.T) {
	o := stubOptions(t, textRecipes(t, "  - {name: lora, method: lora, learning_rate: 0.01, search: {learning_rate: [0.01, 0.02], widen: 0}}\n  - {name: mora, method: mora, learning_rate: 0.05}\n"))
	if err := Run(context.Background(), "memory", o); err != nil {
		t.Fatal(err)
	}
	sums, n := map[string]float64{}, 0
	for name, rec := range readRecords(t, o.Output) {
		if rec.Search {
			if rec.DocumentLoss != 0 {
				t.Errorf("%s: a run of the search has scored documents", name)
			}
			continue
		}
		if rec.DocumentLoss == 0 || math.Abs(rec.DocumentLoss-rec.lastEvaluation().Loss) > 1e-5 {
			t.Errorf("%s: the documents' loss is %g, that of the last evaluation %g", name, rec.DocumentLoss, rec.lastEvaluation().Loss)
		}
		sums[rec.Row] += rec.DocumentLoss / 2
	}
	files, err := filepath.Glob(filepath.Join(o.Output, "rows", "*"+documentsFile))
	if err != nil || len(files) != 4 {
		t.Fatalf("files are %v (%v), want one for each row and seed", files, err)
	}
	for line := range strings.Lines(readText(t, files[0], "")) {
		var d struct {
			Where  string
			Loss   float64
			Tokens int
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.Where != fmt.Sprintf("documents.jsonl:%d", 8+n) || d.Loss <= 0 || d.Tokens < 10 {
			t.Errorf("line %d is %s (%v)", n, line, err)
		}
		n++
	}
	md := readText(t, o.Output, "memory.md")
	if want := fmt.Sprintf("| mora | lora | document loss | 5 | 2 | %+.4f | ", sums["mora"]-sums["lora"]); n != 5 || !strings.Contains(md, want) || !strings.Contains(md, "1,000 resamples") {
		t.Errorf("%q is missing in\n%s", want, md)
	}
	if err := Run(context.Background(), "memory", o); err != nil || readText(t, o.Output, "memory.md") != md {
		t.Errorf("made again from its records, the table is another one (%v)", err)
	}
	o.Settings = []string{"bootstrap=5"}
	if err := Run(context.Background(), "memory", o); err == nil || !strings.Contains(err.Error(), "bootstrap is 5; want 0 (none), or 100 to 1000000 resamples") {
		t.Errorf("got %v", err)
	}
}

// TestBootstrapOverAnswers: intervals over questions; with other questions than the baseline's, or a figure that is no mean
// over them, there is none.
func TestBootstrapOverAnswers(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Output: dir}
	tb := &table{name: "t", options: o}
	if err := os.MkdirAll(filepath.Join(dir, "rows"), 0o777); err != nil {
		t.Fatal(err)
	}
	answers := func(file string, scores ...int) string {
		var b strings.Builder
		for i, s := range scores {
			fmt.Fprintf(&b, `{"where": "/somewhere/%s:%d", "score": %d, "prompt": "p"}`+"\n", file, i, s)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, answers string
		figure        float64
		want          string
	}{
		{"the same questions", answers("a", 1, 1, 0, 1), 0.75, "| row | base | Q, % | 4 | 1 | +50.0 | "},
		{"others", answers("b", 1, 1, 0, 1), 0.75, ""},
		{"fewer", answers("a", 1, 1, 0), 2.0 / 3, ""},
		{"no mean of the answers", answers("a", 1, 1, 0, 1), 0.6, ""},
		{"not there", "", 0.75, ""},
		{"the second seed alone", answers("a", 1, 1, 0, 1), 0.75, "| row | base | Q, % | 4 | 1 | +50.0 | "},
	} {
		seed := 0
		if tt.name == "the second seed alone" {
			seed = 1
		}
		text := "baseline: base\nseeds: 2\nbootstrap: 1000\nbenchmarks: [{name: Q, task: memory}]\n" + stubKeys + "  - {name: base, method: lora}\n  - {name: row, method: mora}\n"
		tb.rows = nil
		if err := tb.addRows("t.yaml", "", []byte(text)); err != nil {
			t.Fatal(err)
		}
		for i, rec := range []*Record{{Seed: 1, EvalTasks: map[string]float64{"Q": 0.25}}, {Seed: 1, EvalTasks: map[string]float64{"Q": tt.figure}}} {
			row := tb.rows[i]
			rec.Seed += uint64(seed)
			row.runs = []*Record{rec}
			write(tb.recordFile(row.seedJobs(row.recipe)[seed])+".Q.jsonl", []string{answers("a", 0, 1, 0, 0), tt.answers}[i])
		}
		if got := tb.bootstrapSection(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
