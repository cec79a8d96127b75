package finetune

import (
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks"
)

func TestBenchRefuses(t *testing.T) {
	m := causal(t, tiny(t))
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
