package model_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// headOutputs are the head's outputs for a short text.
func headOutputs(t *testing.T, m *model.Model, adapterName string) []float32 {
	t.Helper()
	var y []float32
	err := op.Inference(adapterName, func(p *op.Pass) error {
		l, err := m.Logits(p, &model.Batch{IDs: []int32{2, 5, 6, 7, 3}}, nil, nil)
		for i := range l.Rows {
			y = append(y, l.Row(i)...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// TestShare checks that a model on another one's weights is what Load makes of the folder, whatever happens to the other
// one, and that the backbone's matrices are in memory once.
func TestShare(t *testing.T) {
	dir := t.TempDir()
	if err := tinyBERT(t, "BertForMaskedLM", "").Save(t.Context(), dir, "", ""); err != nil {
		t.Fatal(err)
	}
	load := func(o model.Options) *model.Model {
		m, err := model.Load(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		return m
	}
	base := load(model.Options{})
	for _, o := range []model.Options{
		{}, {Numerics: model.Cybertron}, {Head: head.Config{Kind: head.FeatureExtraction}},
		{Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"a", "b"}}, Seed: 5},
		{Head: head.Config{Kind: head.TokenClassification, Labels: []string{"O", "B-X", "I-X", "B-Y"}}, Seed: 6},
		{Head: head.Config{Kind: head.QuestionAnswering}, Numerics: model.Cybertron, Seed: 7},
	} {
		s, err := base.Share(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		want := load(o)
		if !slices.Equal(headOutputs(t, s, ""), headOutputs(t, want, "")) {
			t.Errorf("%+v: the outputs are not those of a model that is loaded", o)
		}
		if s.NewlyInitialized != want.NewlyInitialized || !slices.Equal(s.Untrained(""), want.Untrained("")) || s.NewlyInitialized != (len(s.Untrained("")) > 0) {
			t.Errorf("%+v: new %t, untrained %v; want %t, %v", o, s.NewlyInitialized, s.Untrained(""), want.NewlyInitialized, want.Untrained(""))
		}
		before := headOutputs(t, s, "")
		a, err := adapter.Attach(t.Context(), base, "x", &adapter.LoRA{Common: adapter.Common{TargetModules: adapter.AllLinear}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range a.Params() { // instead of training
			for i := range op.Data(p.Param).Data {
				op.Data(p.Param).Data[i] = 0.5
			}
		}
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(headOutputs(t, s, ""), before) {
			t.Errorf("%+v: what is merged into the other model changes this one", o)
		}
		a.Detach()
	}
}

// TestShareKeepsOneCopy checks that the matrices of two models have the same memory.
func TestShareKeepsOneCopy(t *testing.T) {
	m := tinyBERT(t, "BertForMaskedLM", "")
	s, err := m.Share(t.Context(), model.Options{Head: head.Config{Kind: head.QuestionAnswering}})
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]*float32{}
	m.Weights(func(w *model.Weight) {
		if d, ok := w.Source("").(tensor.Matrix); ok {
			first[w.Name] = &d.Data[0]
		}
	})
	shared := 0
	s.Weights(func(w *model.Weight) {
		if d, ok := w.Source("").(tensor.Matrix); ok && first[w.Name] != nil {
			if first[w.Name] != &d.Data[0] {
				t.Errorf("%s has memory of its own", w.Name)
			}
			shared++
		}
	})
	if shared < 30 {
		t.Errorf("%d weights are shared", shared)
	}
	if got := s.Untrained(""); !slices.Equal(got, []string{"qa_outputs.weight"}) {
		t.Errorf("untrained: %v", got)
	}
}

// TestUntrained checks what ends a new head's being untrained: a trained copy, training, and merged values.
func TestUntrained(t *testing.T) {
	fresh := func() (*model.Model, *model.Weight) {
		m, err := tinyBERT(t, "BertModel", "").Share(t.Context(), model.Options{Head: head.Config{Kind: head.QuestionAnswering}})
		if err != nil {
			t.Fatal(err)
		}
		var w *model.Weight
		m.Weights(func(v *model.Weight) {
			if v.Name == "qa_outputs.weight" {
				w = v
			}
		})
		return m, w
	}
	m, w := fresh()
	w.SetOverride("a", w.Values(""))
	if len(m.Untrained("a")) != 0 || len(m.Untrained("")) != 1 {
		t.Errorf("with a copy %v, without %v", m.Untrained("a"), m.Untrained(""))
	}
	restore := w.Replace(tensor.View(w.Values("a"), 2, 24))
	if len(m.Untrained("")) != 0 {
		t.Error("a merged head counts as untrained")
	}
	restore()
	if len(m.Untrained("")) != 1 {
		t.Error("a head that is unmerged again counts as trained")
	}
	m, w = fresh()
	w.Train()
	if len(m.Untrained("")) != 0 {
		t.Error("a head that trains counts as untrained")
	}
}

func TestCybertronFolderIsRefusedWithTheCommand(t *testing.T) {
	dir := saveCybertron(t, tinyBERT(t, "BertForTokenClassification", ""), "served")
	_, err := model.Load(t.Context(), dir, model.Options{})
	want := "finetune convert --model " + filepath.Clean(dir) + " --output " + filepath.Clean(dir) + "-huggingface --to huggingface"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

func TestMaxLength(t *testing.T) {
	for _, tt := range []struct {
		class, file, err string
		want             int
	}{
		{"BertModel", "", "", 20}, {"BertModel", `{"max_seq_length": 8}`, "", 8}, {"BertModel", `{"max_seq_length": null}`, "", 20},
		{"BertModel", `{"max_seq_length": 512, "do_lower_case": false}`, "", 20}, {"BertForMaskedLM", `{"max_seq_length": 8}`, "", 20},
		{"BertModel", `{"max_seq_length": 1}`, "want 3 or more", 0}, {"BertModel", `[`, "sentence_bert_config.json", 0},
	} {
		dir := t.TempDir()
		if err := tinyBERT(t, tt.class, "").Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		if tt.file != "" {
			write(t, dir, "sentence_bert_config.json", tt.file)
		}
		m, err := model.Load(t.Context(), dir, model.Options{})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got error %v", tt.file, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := m.MaxLength(); got != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.class, tt.file, got, tt.want)
		}
		_ = m.Close()
	}
}
