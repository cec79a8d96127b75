package finetune

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks"
)

func TestBenchRefuses(t *testing.T) {
	m := open(t, tiny(t))
	for want, o := range map[string]BenchOptions{
		"batch is 0":        {Method: "lora", Steps: 1, Dense: 8},
		"steps is 0":        {Method: "lora", Batch: 1, Dense: 8},
		"dense is 1":        {Method: "lora", Batch: 1, Steps: 1, Dense: 1},
		"did you mean lora": {Method: "lara", Batch: 1, Steps: 1, Dense: 8},
	} {
		if _, err := Bench(t.Context(), m, nil, nil, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	l, tok := bytesLoaded(t)
	task, err := TaskOn("memory", tasks.Train, "", []string{"pairs=5"})
	if err != nil {
		t.Fatal(err)
	}
	o := BenchOptions{Method: "mora1", Batch: 2, Steps: 2}
	if _, err := Bench(t.Context(), l.Model, tok, task, o); err == nil || !strings.Contains(err.Error(), "have 5 rows; 2 + 1 steps of 2 need 6") {
		t.Errorf("got %v", err)
	}
}

func TestBenchDecode(t *testing.T) {
	m := open(t, tiny(t))
	r, err := BenchDecode(t.Context(), m, 3, 5, 4)
	if err != nil {
		t.Fatal(err)
	}
	if r.Tokens != 15 || r.NewTokens != 12 || !(r.PrefillTokensPerSecond > 0 && r.DecodeTokensPerSecond > 0 && r.BandwidthUtilization > 0) {
		t.Errorf("got %+v", r)
	}
	for want, n := range map[string][3]int{"prompts is 0": {0, 5, 4}, "5 tokens and 1 new": {1, 5, 1}, "the model's length": {1, 5, 1 << 20}} {
		if _, err := BenchDecode(t.Context(), m, n[0], n[1], n[2]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", n, err, want)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cost")
	points := 0
	tables, err := Sweep(dir, func(o BenchOptions, threads int) (*BenchResult, error) {
		points++
		return &BenchResult{TokensPerSecond: float64(o.Batch*o.Dense + o.R), PeakBytes: threads << 20}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| rows | lora, tokens/s |", "| 16 | 4104 |", "| 128 | 1152 |", "| 1 | 1032 | 1 |"} {
		if !strings.Contains(tables, want) {
			t.Errorf("tables lack %q:\n%s", want, tables)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.svg"))
	if written, err := os.ReadFile(filepath.Join(dir, "sweep.md")); err != nil || string(written) != tables || len(files) != len(axes()) {
		t.Errorf("sweep.md %v, plots %v", err, files)
	}
	if _, err := Sweep(dir, func(BenchOptions, int) (*BenchResult, error) { return nil, errors.New("no") }); err == nil || !strings.Contains(err.Error(), "rows: no") {
		t.Errorf("got %v", err)
	}
}

func TestBenchForward(t *testing.T) {
	m := open(t, tiny(t))
	r, err := BenchForward(t.Context(), m, 2, 5, 3)
	if err != nil || r.Tokens != 5 || r.Batch != 2 || !(r.TokensPerSecond > 0) {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := BenchForward(t.Context(), m, 1, 1<<20, 1); err == nil || !strings.Contains(err.Error(), "up to") {
		t.Errorf("got %v", err)
	}
}
