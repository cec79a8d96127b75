package finetune

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks/data"
)

// TestUndefinedScore: where all references are equal no correlation is defined; the run goes on to its result.
func TestUndefinedScore(t *testing.T) {
	for name, lines := range map[string]string{"regression": `{"text": "good", "label": 1.5}`, "pairs": `{"text": "good", "text_pair": "film", "score": 1}`} {
		h := headCases[name]
		h.data, h.options = strings.Repeat(lines+"\n", 24), nil
		c := h.config(t, h.base(t), 2)
		c.Eval.Steps, c.Train.MetricForBestModel, c.Train.LoadBestModelAtEnd = 1, "score", true
		res, err := Run(t.Context(), c, quiet())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		last := res.Evaluations[len(res.Evaluations)-1]
		if last.Score != nil || len(last.Metrics) == 0 || res.Steps != 2 {
			t.Errorf("%s: the score is %v, metrics are %v after %d steps", name, last.Score, last.Metrics, res.Steps)
		}
		if _, err := ReadRecord(c.Save.OutputDir); err != nil {
			t.Errorf("%s: no result: %v", name, err)
		}
	}
}

// TestClassWeightsThatDoNotFit: weights that fit no class are an error, whether the head is new or was trained before; it is never
// replaced by another one.
func TestClassWeightsThatDoNotFit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		weights any
		want    string
	}{
		{"classify", map[string]any{"poz": 3}, `no class is named "poz"; did you mean pos?`},
		{"tokens", map[string]any{"B-PRE": 9}, `no class is named "B-PRE"; did you mean B-PER?`},
		{"regression", "balanced", "is for texts with one class"},
	} {
		h := headCases[tt.name]
		h.options = map[string]any{"class_weights": tt.weights}
		if _, err := Run(t.Context(), h.config(t, h.base(t), 2), quiet()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	h := headCases["classify"]
	base := h.base(t)
	c := h.config(t, base, 1)
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	trained := filepath.Join(t.TempDir(), "trained")
	if _, err := convert.Merge(t.Context(), base, c.Save.OutputDir, trained, ""); err != nil {
		t.Fatal(err)
	}
	c = h.config(t, trained, 1)
	c.Task.Options = map[string]any{"class_weights": "balanced"}
	c.Task.Data = data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "one.csv"), "text,label\n"+strings.Repeat("a good film,pos\n", 12)))
	_, err := Run(t.Context(), c, quiet())
	if err == nil || !strings.Contains(err.Error(), "the data have none of neg") {
		t.Errorf("a trained head: %v", err)
	}
}
