package finetune

import (
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

// TestGradientsOfTheBias: a bias that no softmax sees may have no gradient, that of classes must have one.
func TestGradientsOfTheBias(t *testing.T) {
	base := tiny.Encoder(t)
	for kind, want := range map[head.Kind]string{head.MultipleChoice: "", head.SequenceClassification: "the gradient of classifier.bias is zero everywhere"} {
		c := head.Config{Kind: kind}
		if kind == head.SequenceClassification {
			c.Labels = []string{"a", "b"}
		}
		m, err := model.Load(t.Context(), base, model.Options{Head: c})
		if err != nil {
			t.Fatal(err)
		}
		params := []model.Param{{Name: "classifier.weight"}, {Name: "classifier.bias"}}
		if err := checkGradients(m.Head(), params, []float64{1, 0}); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", kind, err, want)
		}
		if err := checkGradients(m.Head(), params, []float64{1, -1}); err == nil || !strings.Contains(err.Error(), "classifier.bias has no gradient") {
			t.Errorf("%s: got %v", kind, err)
		}
		_ = m.Close()
	}
}

// TestTwoChoices: with one question of two choices a step, the gradient of the bias is often 0.
func TestTwoChoices(t *testing.T) {
	h := headCases["choices"]
	h.data = strings.Repeat(`{"text": "where is ann", "choices": ["in ulm", "the film"], "label": 0}`+"\n", 8)
	for _, method := range []string{"lora", "full"} {
		for seed := range uint64(4) {
			c := h.config(t, h.base(t), 1)
			c.Method.Name, c.Train.Seed, c.Train.PerDeviceTrainBatchSize = method, seed, 1
			if method == "full" {
				c.Method.Settings = nil
			}
			if _, err := Run(t.Context(), c, quiet()); err != nil {
				t.Errorf("%s, seed %d: %v", method, seed, err)
			}
		}
	}
}
