package adapter

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

// TestLoadRefusesOtherHeads checks that an adapter which was trained with another head than the model's is refused.
func TestLoadRefusesOtherHeads(t *testing.T) {
	dir := tiny.Encoder(t)
	options := model.Options{Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"pos", "neg"}}}
	m, err := model.Load(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	a, err := Attach(t.Context(), m, "a", &LoRA{Common: Common{TargetModules: AllLinear}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct{ setup, want string }{
		{`{"kind": "sequence-classification", "labels": ["pos", "neg"]}`, ""},
		{`{"kind": "sequence-classification", "labels": ["pos", "neg"], "problem_type": "single_label_classification"}`, ""},
		{`{}`, ""},
		{`{"kind": "sequence-classification", "labels": ["neg", "pos"]}`, "the labels neg, pos, and the model has pos, neg"},
		{`{"kind": "sequence-classification", "labels": ["pos", "neg"], "problem_type": "multi_label_classification"}`, "problem_type multi_label_classification"},
		{`{"kind": "question-answering"}`, "a head for question-answering"},
		{`{"numerics": "cybertron"}`, "numerics cybertron, and the model has huggingface"},
		{`[`, "host.json"},
	} {
		saved := filepath.Join(t.TempDir(), "a")
		if err := a.Save(saved); err != nil {
			t.Fatal(err)
		}
		tiny.Write(t, filepath.Join(saved, SetupFile), tt.setup)
		_, err := Load(t.Context(), m, saved, fmt.Sprint("b", i))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.setup, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.HasPrefix(tt.setup, "{") && !errors.Is(err, ErrOtherHead)):
			t.Errorf("%s: got %v, want %q", tt.setup, err, tt.want)
		}
	}
}
