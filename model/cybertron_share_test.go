package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cybert "github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
	"github.com/nlpodyssey/spago/nn/linear"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func fromCybertron(t testing.TB, v any, o model.Options) *model.Model {
	t.Helper()
	m, err := model.FromCybertron(v, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func weight(t testing.TB, m *model.Model, name string) []float32 {
	t.Helper()
	var found []float32
	m.Weights(func(w *model.Weight) {
		if w.Name == name {
			found = w.Source("").(tensor.Matrix).Data
		}
	})
	if found == nil {
		t.Fatalf("no weight %s", name)
	}
	return found
}

// TestCybertronSharesMemory: the parameters of heads and the rows of embeddings are views of the model's weights, also for a
// second model over the same Cybertron model.
func TestCybertronSharesMemory(t *testing.T) {
	task := loadTask(t, saveCybertron(t, tinyBERT(t, "BertForTokenClassification", ""), ""), head.TokenClassification)
	m := fromCybertron(t, task, model.Options{})
	second := fromCybertron(t, m.Cybertron(), model.Options{})
	b := m.Cybertron().(*cybert.ModelForTokenClassification)
	layer := b.Bert.Encoder.Layers[1]
	for name, part := range map[string]struct {
		p  *nn.Param
		at int
	}{
		"bert.encoder.layer.1.attention.self.value.weight": {layer.SelfAttention.Attention.Heads[2].Value.W, 2 * 8 * 24},
		"bert.encoder.layer.1.attention.self.key.bias":     {layer.SelfAttention.Attention.Heads[1].Key.B, 8},
		"bert.encoder.layer.1.output.dense.weight":         {layer.FF.MLP[2].(*linear.Model).W, 0},
		"bert.encoder.layer.1.output.LayerNorm.weight":     {layer.FF.Norm.W, 0},
		"bert.embeddings.word_embeddings.weight":           {b.Bert.Embeddings.Tokens.Weights[19], 19 * 24},
		"classifier.bias":                                  {b.Classifier.B, 0},
	} {
		d := mat.Data[float32](part.p.Matrix)
		for i, h := range []*model.Model{m, second} {
			if w := weight(t, h, name); &w[part.at] != &d[0] || len(w) < part.at+len(d) {
				t.Errorf("model %d: %s is not the same memory", i, name)
			}
		}
	}
}

// TestCybertronTrains: full fine-tuning changes what Cybertron computes.
func TestCybertronTrains(t *testing.T) {
	task := loadTask(t, saveCybertron(t, tinyBERT(t, "BertForSequenceClassification", ""), ""), head.SequenceClassification)
	m := fromCybertron(t, task, model.Options{})
	before := cybertronOutputs(t, m.Cybertron())
	m.Weights(func(w *model.Weight) {
		d := op.Data(w.Train())
		for i := range d.Data {
			d.Data[i] *= 1.1
		}
	})
	golden.Close(t, "trained", modelOutputs(t, m, ""), cybertronOutputs(t, m.Cybertron()), 1e-5, true)
	if golden.MaxAbs(before, cybertronOutputs(t, m.Cybertron())) < 1e-3 {
		t.Error("training changed nothing")
	}
}

// TestCybertronNewHead: an encoder gets a head for sequence classification, and Cybertron runs it.
func TestCybertronNewHead(t *testing.T) {
	source := tinyBERT(t, "BertModel", "")
	task := loadTask(t, saveCybertron(t, source, ""), head.FeatureExtraction)
	newHead := head.Config{Kind: head.SequenceClassification, Labels: []string{"no", "yes"}}
	m := fromCybertron(t, task, model.Options{Head: newHead, Seed: 3})
	if !m.NewlyInitialized || !slices.Equal(m.Head().Labels, newHead.Labels) {
		t.Errorf("fresh %v, labels %v", m.NewlyInitialized, m.Head().Labels)
	}
	golden.Close(t, "new head", modelOutputs(t, m, ""), cybertronOutputs(t, m.Cybertron()), 1e-5, true)
	if y := cybertronOutputs(t, m.Cybertron()); len(y) != 2 || y[0] == y[1] {
		t.Errorf("outputs %v", y)
	}
	m.Dir = source.Dir
	dir := saveCybertron(t, m, "")
	golden.Close(t, "saved", cybertronOutputs(t, unwrap(t, loadTask(t, dir, head.SequenceClassification))), cybertronOutputs(t, m.Cybertron()), 0, false)
	var config struct{ ID2Label map[string]string }
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(raw, &config)
	}
	if err != nil || config.ID2Label["1"] != "yes" {
		t.Errorf("labels %v, %v", config.ID2Label, err)
	}
	if y := cybertronOutputs(t, unwrap(t, task)); len(y) != 24 {
		t.Errorf("the encoder's task now has %d outputs", len(y))
	}
}

// TestCybertronHuggingFaceNumerics: with those numerics the model computes GELU and norms as the config says.
func TestCybertronHuggingFaceNumerics(t *testing.T) {
	source := tinyBERT(t, "BertForQuestionAnswering", "")
	task := loadTask(t, saveCybertron(t, source, ""), head.QuestionAnswering)
	golden.Close(t, "model", modelOutputs(t, fromCybertron(t, task, model.Options{Numerics: model.HuggingFace}), ""), modelOutputs(t, source, ""), 1e-6, true)
	if d := golden.MaxAbs(cybertronOutputs(t, unwrap(t, task)), modelOutputs(t, source, "")); d < 1e-5 {
		t.Errorf("Cybertron's numerics are Hugging Face's (%g)", d)
	}
}

// TestCybertronLastRow: rows that Cybertron's converter leaves zero give a warning.
func TestCybertronLastRow(t *testing.T) {
	task := loadTask(t, saveCybertron(t, tinyBERT(t, "BertModel", ""), ""), head.FeatureExtraction)
	b := unwrap(t, task).(*cybert.ModelForSequenceEncoding).Bert
	row := mat.Data[float32](b.Embeddings.Tokens.Weights[19].Matrix)
	clear(row)
	m := fromCybertron(t, task, model.Options{})
	if len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], "word_embeddings.weight: the last 1 of 20 rows are zero") {
		t.Errorf("warnings %q", m.Warnings)
	}
}

func TestFromCybertronRefuses(t *testing.T) {
	config := cybert.Config{ModelType: "bert", VocabSize: 20, HiddenSize: 24, EmbeddingsSize: 24, IntermediateSize: 37, NumHiddenLayers: 1,
		NumAttentionHeads: 3, MaxPositionEmbeddings: 20, TypeVocabSize: 2, HiddenAct: "gelu"}
	made := func(change func(b *cybert.Model)) *cybert.ModelForSequenceEncoding {
		b := cybert.New[float32](config)
		change(b)
		return cybert.NewModelForSequenceEncoding(b)
	}
	for name, tt := range map[string]struct {
		v    any
		o    model.Options
		want string
	}{
		"nothing":      {nil, model.Options{}, "<nil> is not supported"},
		"a number":     {3, model.Options{}, "int is not supported"},
		"a nil model":  {(*cybert.ModelForQuestionAnswering)(nil), model.Options{}, "incomplete"},
		"without BERT": {&cybert.ModelForQuestionAnswering{}, model.Options{}, "incomplete"},
		"float64":      {cybert.New[float64](config), model.Options{}, "want 32-bit precision"},
		"no layers":    {made(func(b *cybert.Model) { b.Encoder.Layers = nil }), model.Options{}, "has 0 layers, config.json 1"},
		"a head less": {made(func(b *cybert.Model) {
			a := b.Encoder.Layers[0].SelfAttention.Attention
			a.Heads = a.Heads[:2]
		}), model.Options{}, "has 2 heads, config.json 3"},
		"sizes": {made(func(b *cybert.Model) { b.Config.VocabSize = 21 }), model.Options{}, "word_embeddings.weight has 480 values, want [21 24]"},
		"a transposed layer": {made(func(b *cybert.Model) {
			w := b.Encoder.Layers[0].FF.MLP[0].(*linear.Model).W
			w.ReplaceValue(mat.NewDense[float32](mat.WithShape(24, 37)))
		}), model.Options{}, "shape [24 37]; want rows of 24 values"},
		"activation": {made(func(b *cybert.Model) { b.Config.HiddenAct = "relu" }), model.Options{}, "activation is number"},
		"unknown activation": {made(func(b *cybert.Model) { b.Config.HiddenAct = "mish" }), model.Options{},
			`activation "mish" is not known`},
		"not finite": {made(func(b *cybert.Model) {
			mat.Data[float32](b.Embeddings.Norm.B.Matrix)[3] = float32(nan())
		}), model.Options{}, "embeddings.LayerNorm.bias holds NaN"},
		"a projector": {made(func(b *cybert.Model) { b.Embeddings.Projector = linear.New[float32](24, 24) }), model.Options{}, "embedding_size"},
		"numerics":    {made(func(*cybert.Model) {}), model.Options{Numerics: "exact"}, `numerics "exact" is not known`},
		"causal":      {made(func(*cybert.Model) {}), model.Options{Head: head.Config{Kind: head.CausalLM}}, "no head for causal-lm"},
		"masked":      {made(func(*cybert.Model) {}), model.Options{Head: head.Config{Kind: head.MaskedLM}}, "new head for masked-lm"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := model.FromCybertron(tt.v, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func nan() float64 { z := 0.0; return z / z }

func TestSaveCybertronRefuses(t *testing.T) {
	m := tinyBERT(t, "BertModel", "")
	if err := m.SaveCybertron(t.Context(), m.Dir, ""); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got error %v, want one about the folder", err)
	}
	m.Dir = ""
	out := filepath.Join(t.TempDir(), "out")
	if err := m.SaveCybertron(t.Context(), out, ""); err == nil || !strings.Contains(err.Error(), "set Model.Dir") {
		t.Errorf("got error %v, want one about the tokenizer", err)
	}
	relu := tinyBERT(t, "BertForMaskedLM", "")
	if err := os.Remove(filepath.Join(relu.Dir, "vocab.txt")); err != nil {
		t.Fatal(err)
	}
	if err := relu.SaveCybertron(t.Context(), out, ""); err == nil || !strings.Contains(err.Error(), "no vocab.txt") {
		t.Errorf("got error %v, want one about the vocabulary", err)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Error("a refused Save left a folder")
	}
}

// TestCybertronModulesToSave: merging brings trained copies to Cybertron, also of tensors that Hugging Face ties.
func TestCybertronModulesToSave(t *testing.T) {
	for kind, modules := range map[head.Kind][]string{
		head.MaskedLM: {"cls.predictions", "embeddings.LayerNorm"}, head.SequenceClassification: {"classifier", "pooler", "word_embeddings"},
	} {
		task := loadTask(t, saveCybertron(t, tinyBERT(t, classes[kind], ""), ""), kind)
		m := fromCybertron(t, task, model.Options{})
		a, err := adapter.Attach(t.Context(), m, "a", &adapter.LoRA{Common: adapter.Common{TargetModules: adapter.AllLinear, ModulesToSave: modules}, R: 2, Alpha: 2}, 1)
		if err != nil {
			t.Fatal(err)
		}
		stir(a)
		want, before := modelOutputs(t, m, "a"), bits(m)
		m.Dir = tinyBERT(t, classes[kind], "").Dir
		golden.Close(t, "saved with the adapter", cybertronOutputs(t, unwrap(t, loadTask(t, saveCybertron(t, m, "a"), kind))), want, 1e-5, true)
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "merged, Cybertron", cybertronOutputs(t, m.Cybertron()), want, 1e-5, true)
		golden.Close(t, "merged", modelOutputs(t, m, ""), want, 1e-5, true)
		a.Unmerge()
		if bits(m) != before {
			t.Error("unmerged weights are not the same bits")
		}
	}
}
