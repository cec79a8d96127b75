package finetune

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestRunEndsAtEvaluation ends a run at a score, and at the caller's word. Its record says what program it was.
func TestRunEndsAtEvaluation(t *testing.T) {
	stop := func(e Evaluation) string {
		if e.Step == 2 {
			return "enough"
		}
		return ""
	}
	for _, c := range []struct {
		set       string
		evaluated func(Evaluation) string
		steps     int
		reason    string
	}{
		{"stop_at_score=0.0001", nil, 1, "stopped early: the score is"},
		{"stop_at_score=1", nil, 4, "all 4 steps done"},
		{"stop_at_score=0", stop, 2, "stopped early: enough"},
		{"stop_at_score=0", func(e Evaluation) string {
			if e.Step == 4 {
				return "too late"
			}
			return ""
		}, 4, "all 4 steps done"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		runs, err := ParseRecipes([]byte("model: embedded\ntask: memory\ntask_options: {pairs: 4}\nmethod: lora\nr: 2\nlearning_rate: 0.03\nmax_steps: 4\nwarmup_ratio: 0\n"+
			"per_device_train_batch_size: 4\neval_steps: 1\neval_examples: 4"), []string{"output_dir=" + dir, c.set})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(context.Background(), runs[0].Config, Options{Log: zerolog.Nop(), Evaluated: c.evaluated})
		if err != nil {
			t.Fatal(err)
		}
		if r.Steps != c.steps || !strings.HasPrefix(r.Reason, c.reason) {
			t.Errorf("%s: %d steps, %q, want %d and %q", c.set, r.Steps, r.Reason, c.steps, c.reason)
		}
		record, err := ReadRecord(dir)
		if err != nil || record.Machine == "" || record.Kernel == "" || record.Threads < 1 || record.Tokens == 0 || record.Time.IsZero() {
			t.Errorf("the record is %+v (%v)", record, err)
		}
	}
	none, err := ParseRecipes([]byte("model: embedded\ntask: memory\nstop_at_score: 0.5"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := none[0].Config.Check(); err == nil || !strings.Contains(err.Error(), "nothing is scored") {
		t.Errorf("stop_at_score without scores: %v", err)
	}
}
