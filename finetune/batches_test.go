package finetune

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// numbered yields n rows, whose first tokens are their numbers.
func numbered(n int) iter.Seq2[tasks.Features, error] {
	return func(yield func(tasks.Features, error) bool) {
		for i := range n {
			if !yield(tasks.Features{IDs: []int32{int32(i)}}, nil) {
				return
			}
		}
	}
}

// TestThroughBuffer: each row comes once, none before its number allows, and the seed decides the order.
func TestThroughBuffer(t *testing.T) {
	order := func(n, size int, seed uint64) (all []int32) {
		for row, err := range throughBuffer(numbered(n), size, rand.New(rand.NewPCG(seed, 0))) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, row.IDs[0])
		}
		return all
	}
	for _, c := range []struct{ n, size int }{{0, 5}, {1, 5}, {3, 5}, {5, 5}, {100, 5}, {100, 1}, {100, 1000}} {
		got := order(c.n, c.size, 7)
		for place, i := range got {
			if int(i) > place+c.size {
				t.Errorf("%+v: row %d came in place %d", c, i, place)
			}
		}
		sorted := slices.Sorted(slices.Values(got))
		if len(sorted) != c.n || c.n > 0 && int(sorted[c.n-1]) != c.n-1 || len(slices.Compact(sorted)) != c.n {
			t.Errorf("%+v: the rows are %v", c, got)
		}
		if !slices.Equal(got, order(c.n, c.size, 7)) {
			t.Errorf("%+v: the same seed gave another order", c)
		}
		if inOrder := slices.IsSorted(got); inOrder != (c.size == 1 || c.n < 2) && c.n > 3 {
			t.Errorf("%+v: in order: %v", c, inOrder)
		}
	}
	if slices.Equal(order(100, 10, 1), order(100, 10, 2)) {
		t.Error("two seeds gave the same order")
	}
}

// streamedFiles writes 40 records in each form that can be streamed and returns their paths. The short ones lie in a folder.
func streamedFiles(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	type record struct {
		Prompt   string `parquet:"prompt"`
		Response string `parquet:"response"`
	}
	var records []record
	var lines, table strings.Builder
	table.WriteString("prompt,response\n")
	for i := range 40 {
		r := record{fmt.Sprintf("question %d", i), fmt.Sprintf("answer %d", i*i)}
		records = append(records, r)
		fmt.Fprintf(&lines, "{\"prompt\": %q, \"response\": %q}\n", r.Prompt, r.Response)
		fmt.Fprintf(&table, "%s,%s\n", r.Prompt, r.Response)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(lines.String())); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	all := strings.SplitAfter(lines.String(), "\n")
	for name, content := range map[string]string{"a.jsonl": lines.String(), "a.jsonl.gz": packed.String(), "a.csv": table.String(),
		"parts/1.jsonl": strings.Join(all[:15], ""), "parts/2.jsonl": strings.Join(all[15:], "")} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := parquet.WriteFile(filepath.Join(dir, "a.parquet"), records); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"jsonl": filepath.Join(dir, "a.jsonl"), "gzip": filepath.Join(dir, "a.jsonl.gz"), "csv": filepath.Join(dir, "a.csv"),
		"parquet": filepath.Join(dir, "a.parquet"), "folder": filepath.Join(dir, "parts"), "pattern": filepath.Join(dir, "parts", "*.jsonl")}
}

// streamedRun is a run over 40 records: 3 rows a step, and more than one pass over the 36 that are not held out.
func streamedRun(t *testing.T, path string) Config {
	c := smallRun(t, "lora")
	c.Task = TaskSpec{Name: "instruct", Data: data.Files(path), Streaming: true, ShuffleBufferSize: 8, Options: map[string]any{"eval_size": 4}}
	c.Train.MaxSteps, c.Eval.Steps, c.Save.Steps = 15, 0, 6
	return c
}

// TestStreamedRuns: a streamed run has the same bits from every kind of file and after an interruption in its first or second pass.
func TestStreamedRuns(t *testing.T) {
	files := streamedFiles(t)
	var want []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c := streamedRun(t, files[name])
		if _, err := Run(context.Background(), c, quiet()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, metrics := content(t, c)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the run has other bits", name)
		}
		if len(metrics) != 15+2 {
			t.Errorf("%s: metrics %q", name, metrics)
		}
	}
	for _, name := range []string{"gzip", "parquet"} {
		checkResume(t, name, []int{5, 14}, streamedRun(t, files[name]))
	}
	c := streamedRun(t, files["jsonl"])
	c.Task.Name, c.Task.Options = "text", map[string]any{"block_size": 20, "pack": true, "eval_fraction": 0, "field": []any{"prompt", "response"}}
	checkResume(t, "blocks", []int{5}, c)
}

// TestStreamedRowsComeOnce: a pass has each row once, the held-out ones never, and the second one another order.
func TestStreamedRowsComeOnce(t *testing.T) {
	c := streamedRun(t, streamedFiles(t)["csv"])
	r := &run{config: c, options: quiet()}
	defer r.close()
	for _, step := range []func() error{func() error { return r.load(t.Context()) }, r.encode} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	var passes [2][]string
	for step := range 24 {
		rows, err := r.batches.batch(t.Context(), step)
		if err != nil || len(rows) != 3 {
			t.Fatalf("step %d: %d rows, %v", step, len(rows), err)
		}
		for _, row := range rows {
			passes[step/12] = append(passes[step/12], row.Source)
		}
	}
	for i := range passes {
		sorted := slices.Compact(slices.Sorted(slices.Values(passes[i])))
		if len(sorted) != 36 || slices.ContainsFunc(r.evalRows, func(row tasks.Features) bool { return slices.Contains(sorted, row.Source) }) {
			t.Errorf("pass %d has the rows %q", i, sorted)
		}
	}
	if slices.Equal(passes[0], passes[1]) || len(r.evalRows) != 4 || !strings.HasSuffix(r.evalRows[0].Source, ".csv:2") {
		t.Errorf("held out: %+v; both passes: %q", r.evalRows, passes[0])
	}
}

// TestStreamedOverlap: a streamed run says so where it trains on what it is evaluated on.
func TestStreamedOverlap(t *testing.T) {
	path := streamedFiles(t)["jsonl"]
	for _, same := range []bool{true, false} {
		c := streamedRun(t, path)
		if same {
			c.Task.EvalData, c.Task.Options = data.Files(path), nil
		}
		var log bytes.Buffer
		if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&log)}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "an evaluation row occurs in the training data"); n != map[bool]int{true: 1, false: 0}[same] {
			t.Errorf("the same data: %v; said %d times in %s", same, n, log.String())
		}
	}
}

// TestStreamingRefused: what needs all records at once is refused by name, and so are data that changed before a run is resumed.
func TestStreamingRefused(t *testing.T) {
	path := streamedFiles(t)["jsonl"]
	for _, tt := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) { c.Train.MaxSteps = 0 }, "streaming: max_steps is not set"},
		{func(c *Config) { c.Task.ShuffleBufferSize = -1 }, "shuffle_buffer_size is -1; want"},
		{func(c *Config) { c.Task = TaskSpec{Name: "memory", Streaming: true} }, "streaming: the task memory has no files"},
		{func(c *Config) { c.Task.Data[0].Weight = 2 }, "has a weight"},
		{func(c *Config) { c.Task.Options["index"] = "x" }, "has an index"},
		{func(c *Config) { c.Task.Data[0].Path = "-" }, "standard input cannot be read again"},
		{func(c *Config) { c.Task.Options["eval_split"] = "tail" }, "eval_split is tail"},
		{func(c *Config) { c.Task.Options["eval_size"] = 40 }, "holds out the first 40 records, but " + path + " has 40: none is left"},
		{func(c *Config) { c.Task.Options = nil }, "holds out the first 100 records"},
		{func(c *Config) { c.Task.Name, c.Task.Options = "text", nil }, "eval_fraction holds out the end of the data"},
		{func(c *Config) {
			c.Task.Name, c.Task.Options, c.Task.Data = "text", nil, data.Files("embedded:corpus.txt")
		}, "is plain text"},
	} {
		c := streamedRun(t, path)
		tt.change(&c)
		if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want an error with %q", err, tt.want)
		}
	}
	c := streamedRun(t, path)
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("{\"prompt\": \"new\", \"response\": \"one\"}\n")
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	c.Train.MaxSteps = 20
	if _, err := Run(t.Context(), c, Options{Resume: true}); err == nil || !strings.Contains(err.Error(), "the content of its files") {
		t.Errorf("resumed on a longer file: %v", err)
	}
}

// TestStreamedDataChange: files that change are noticed when a run is resumed, also in rows after those that it looks at first, and
// while it goes on. One whose time alone has changed is trained on, and that is said.
func TestStreamedDataChange(t *testing.T) {
	rewrite := func(path string, from, to string) {
		raw, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(raw, []byte(from)) {
			t.Fatalf("%s has no %q", path, from)
		}
		if err == nil {
			err = os.WriteFile(path, bytes.Replace(raw, []byte(from), []byte(to), 1), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var lines strings.Builder // more than the first rows that are kept
	for i := range 600 {
		fmt.Fprintf(&lines, "{\"prompt\": \"q%d\", \"response\": \"a%d\"}\n", i, i)
	}
	begun := func() Config {
		path := filepath.Join(t.TempDir(), "data.jsonl")
		if err := os.WriteFile(path, []byte(lines.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		c := streamedRun(t, path)
		c.Task.ShuffleBufferSize, c.Train.MaxSteps = 400, 15
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		c.Train.MaxSteps = 20
		return c
	}
	c := begun()
	for i := 270; i < 440; i++ { // after the rows that are kept, and some of them come within 15 steps
		rewrite(c.Task.Data[0].Path, fmt.Sprintf(`"a%d"`, i), fmt.Sprintf(`"b%d"`, i))
	}
	if _, err := Run(t.Context(), c, Options{Resume: true}); err == nil || !strings.Contains(err.Error(), "the rows of the first 15 steps are not those that the run was trained on") {
		t.Errorf("resumed on other rows: %v", err)
	}
	c = begun()
	rewrite(c.Task.Data[0].Path, `"a599"`, `"b599"`)
	var log bytes.Buffer
	if _, err := Run(t.Context(), c, Options{Resume: true, Log: zerolog.New(&log)}); err != nil || !strings.Contains(log.String(), "a file of the data was modified since the run began") {
		t.Errorf("resumed on a file with another end: %v, %s", err, log.String())
	}
	for what, tt := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"longer":  {func(path string) error { return os.WriteFile(path, []byte(lines.String()+"\n"), 0o666) }, "data.jsonl has changed while the run reads it: it had "},
		"touched": {func(path string) error { return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)) }, "data.jsonl has changed while the run reads it: it was modified at "},
		"gone":    {os.Remove, "data.jsonl was there when the run began, and is gone"},
	} {
		path := filepath.Join(t.TempDir(), "data.jsonl")
		if err := os.WriteFile(path, []byte(lines.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		c := streamedRun(t, path)
		c.Train.MaxSteps = 400
		r := &run{config: c, options: quiet()}
		for _, step := range []func() error{func() error { return r.load(t.Context()) }, r.encode} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		for step := 0; step < 400 && err == nil; step++ {
			if step == 5 {
				err = tt.change(path)
			}
			if err == nil {
				_, err = r.batches.batch(t.Context(), step)
			}
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", what, err, tt.want)
		}
		r.close()
	}
}

// TestStreamedFooters: a Parquet file that cannot be read is found before the first step, whatever comes before it.
func TestStreamedFooters(t *testing.T) {
	files := streamedFiles(t)
	dir := t.TempDir()
	raw, err := os.ReadFile(files["parquet"])
	if err != nil {
		t.Fatal(err)
	}
	lz4, err := os.ReadFile(filepath.Join("..", "testdata", "golden", "parquet", "lz4.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"0.parquet": raw, "1.parquet": raw, "2.parquet": lz4} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c := streamedRun(t, dir)
	c.Train.MaxSteps = 1
	if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), "2.parquet: compressed with LZ4_RAW, which is not supported") {
		t.Errorf("got %v", err)
	}
}

// TestColumns: the columns of the data have other names than the task's fields.
func TestColumns(t *testing.T) {
	c := streamedRun(t, streamedFiles(t)["jsonl"])
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	want, _ := content(t, c)
	raw, err := os.ReadFile(c.Task.Data[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	renamed := filepath.Join(t.TempDir(), "renamed.jsonl")
	if err := os.WriteFile(renamed, []byte(strings.NewReplacer(`"prompt"`, `"ask"`, `"response"`, `"say"`).Replace(string(raw))), 0o666); err != nil {
		t.Fatal(err)
	}
	c = streamedRun(t, renamed)
	c.Task.Columns = data.ColumnMapping{"prompt": "ask", "response": "say"}
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	if got, _ := content(t, c); !bytes.Equal(got, want) {
		t.Error("with columns the run has other bits")
	}
	for _, streaming := range []bool{false, true} {
		c := streamedRun(t, renamed)
		c.Task.Streaming = streaming
		c.Task.Columns = data.ColumnMapping{"prompt": "ask", "response": "sya"}
		if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), `renamed.jsonl has no column "sya"; it has ask, say; did you mean "say"?`) {
			t.Errorf("a misspelt column: %v", err)
		}
	}
}
