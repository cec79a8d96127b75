package evaluate

import (
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks"
)

func TestTasks(t *testing.T) {
	gsm := "embedded:gsm8k/test.jsonl"
	all, err := Tasks([]string{"math", "gsm8k", "memory"}, []string{"math=" + gsm, "gsm8k=" + gsm}, []string{"pairs=3", "gsm8k.form=raw", "max_new_tokens=9"})
	if err != nil || len(all) != 3 || all[2].Name != "memory" {
		t.Fatalf("got %v, %v", all, err)
	}
	m, g := all[0].Task.(*tasks.Math), all[1].Task.(*tasks.Math)
	if m.Form != "metamath" || g.Form != "raw" || m.MaxNewTokens != 9 || g.MaxNewTokens != 9 || all[2].Task.(*tasks.Memory).Pairs != 3 || g.EvalData[0].Path != gsm {
		t.Errorf("got %+v, %+v", m, g)
	}
	if all, err = Tasks([]string{"math"}, []string{"a=b.jsonl"}, nil); err != nil || all[0].Task.(*tasks.Math).EvalData[0].Path != "a=b.jsonl" {
		t.Errorf("got %+v, %v", all, err)
	}
	all, err = Tasks([]string{"math", "gsm8k"}, []string{"math=" + gsm, "gsm8k=" + gsm, "math=embedded:gsm8k/train.jsonl"}, nil)
	if err != nil || len(all[0].Task.(*tasks.Math).EvalData) != 2 || len(all[1].Task.(*tasks.Math).EvalData) != 1 {
		t.Errorf("data given twice: got %+v, %v", all, err)
	}
	for _, c := range []struct {
		names, data, settings []string
		want                  string
	}{
		{nil, nil, nil, "no task is named"},
		{[]string{"math", "mmul"}, nil, nil, `"mmul" is not known; did you mean mmlu?`},
		{[]string{"math", "math"}, []string{gsm}, nil, "task math is named twice"},
		{[]string{"math", "gsm8k"}, []string{gsm}, nil, "with several tasks, want NAME=PATH"},
		{[]string{"math", "gsm8k"}, []string{"gsm8=" + gsm}, nil, `"gsm8" is not a task of this run; did you mean gsm8k?`},
		{[]string{"mmlu"}, []string{"a", "b"}, nil, "task mmlu takes one folder of data; --data names a and b"},
		{[]string{"math", "memory"}, []string{"math=" + gsm}, []string{"peirs=3"}, "none of the tasks math, memory has an option peirs"},
		{[]string{"memory"}, nil, []string{"peirs=3"}, "did you mean pairs?"},
		{[]string{"math", "gsm8k"}, []string{"math=" + gsm}, nil, "task gsm8k: option data is missing"},
	} {
		if _, err := Tasks(c.names, c.data, c.settings); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v %v: got %v, want %q", c.names, c.data, c.settings, err, c.want)
		}
	}
}
