package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cybert "github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks"
	"github.com/nlpodyssey/cybertron/pkg/tasks/languagemodeling"
	"github.com/nlpodyssey/cybertron/pkg/tasks/questionanswering"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"
	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

var words = strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ##s ran ##ning fast . , who where home")

// classes are Hugging Face's, one for each kind of head that Cybertron has.
var classes = map[head.Kind]string{head.FeatureExtraction: "BertModel", head.SequenceClassification: "BertForSequenceClassification",
	head.TokenClassification: "BertForTokenClassification", head.QuestionAnswering: "BertForQuestionAnswering", head.MaskedLM: "BertForMaskedLM"}

// tinyBERT makes a model with random weights and three labels, and a folder with a tokenizer.
func tinyBERT(t testing.TB, class, more string) *model.Model {
	t.Helper()
	config := fmt.Sprintf(`{"model_type": "bert", "architectures": [%q], "vocab_size": %d, "hidden_size": 24, "intermediate_size": 37,
		"num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 20, "type_vocab_size": 2, "initializer_range": 0.4,
		"id2label": {"0": "cold", "1": "warm", "2": "hot"}, "hidden_act": "gelu"%s}`, class, len(words), more)
	m, err := model.New([]byte(config), model.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	m.Dir = t.TempDir()
	write(t, m.Dir, "vocab.txt", strings.Join(words, "\n")+"\n")
	write(t, m.Dir, "tokenizer_config.json", `{"do_lower_case": true}`)
	return m
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// saveCybertron saves into a new folder.
func saveCybertron(t testing.TB, m *model.Model, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "saved")
	if err := m.SaveCybertron(t.Context(), dir, name); err != nil {
		t.Fatal(err)
	}
	return dir
}

// loadTask calls tasks.Load for the task of a kind of head.
func loadTask(t testing.TB, dir string, kind head.Kind) any {
	t.Helper()
	c := &tasks.Config{ModelsDir: filepath.Dir(dir), ModelName: filepath.Base(dir), DownloadPolicy: tasks.DownloadNever, ConversionPolicy: tasks.ConvertNever}
	var task any
	var err error
	switch kind {
	case head.SequenceClassification:
		task, err = tasks.Load[textclassification.Interface](c)
	case head.TokenClassification:
		task, err = tasks.Load[tokenclassification.Interface](c)
	case head.QuestionAnswering:
		task, err = tasks.Load[questionanswering.Interface](c)
	case head.MaskedLM:
		task, err = tasks.Load[languagemodeling.Interface](c)
	default:
		task, err = tasks.Load[textencoding.Interface](c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return task
}

var sentence = strings.Fields("[CLS] the cat ##s sat on [MASK] . [SEP] where home [SEP]")

// cybertronOutputs are those of Cybertron's own forward pass for the sentence.
func cybertronOutputs(t testing.TB, v any) []float32 {
	t.Helper()
	var ys []mat.Tensor
	switch m := v.(type) {
	case *cybert.ModelForSequenceClassification:
		ys = []mat.Tensor{m.Classify(sentence)}
	case *cybert.ModelForTokenClassification:
		ys = m.Classify(sentence)
	case *cybert.ModelForQuestionAnswering:
		starts, ends := m.Answer(sentence)
		for i := range starts {
			ys = append(ys, starts[i], ends[i])
		}
	case *cybert.ModelForMaskedLM:
		ys = []mat.Tensor{m.Predict(sentence)[6]}
	case *cybert.ModelForSequenceEncoding:
		y, err := m.Encode(sentence, cybert.MeanPooling)
		if err != nil {
			t.Fatal(err)
		}
		ys = []mat.Tensor{y}
	default:
		t.Fatalf("no forward pass of %T", v)
	}
	var all []float32
	for _, y := range ys {
		all = append(all, mat.Data[float32](y.Value())...)
	}
	return all
}

// modelOutputs are our model's for the same.
func modelOutputs(t testing.TB, m *model.Model, name string) []float32 {
	t.Helper()
	p := &op.Pass{}
	defer p.Release()
	p.Adapter = name
	b := &model.Batch{}
	segment := int32(0)
	for _, w := range sentence {
		b.IDs, b.TokenTypeIDs = append(b.IDs, int32(slices.Index(words, w))), append(b.TokenTypeIDs, segment)
		if w == "[SEP]" {
			segment = 1
		}
	}
	var rows []int
	if m.Head().Kind == head.MaskedLM {
		rows = []int{6}
	}
	y, err := m.Logits(p, b, rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y.Data)
}

// stir gives an adapter random parameters.
func stir(a *adapter.Adapter) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] += float32(r.NormFloat64()) * 0.2
		}
	}
	a.ParamsChanged()
}

func bits(m *model.Model) string {
	var s strings.Builder
	m.Weights(func(w *model.Weight) {
		for _, v := range w.Values("") {
			fmt.Fprintf(&s, "%x ", math.Float32bits(v))
		}
	})
	return s.String()
}

// TestCybertronEndToEnd loads, attaches, merges, saves and loads again, for every head: our model computes what Cybertron
// computes.
func TestCybertronEndToEnd(t *testing.T) {
	for kind, class := range classes {
		t.Run(class, func(t *testing.T) {
			task := loadTask(t, saveCybertron(t, tinyBERT(t, class, ""), ""), kind)
			m, err := model.FromCybertron(task, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Warnings) != 0 || m.NewlyInitialized {
				t.Errorf("warnings %q, newly initialized %v", m.Warnings, m.NewlyInitialized)
			}
			base := cybertronOutputs(t, m.Cybertron())
			golden.Close(t, "base", modelOutputs(t, m, ""), base, 1e-5, true)

			a, err := adapter.Attach(t.Context(), m, "a", &adapter.MoRA{Common: adapter.Common{TargetModules: adapter.AllLinear}, R: 2, Type: adapter.Rotation}, 1)
			if err != nil {
				t.Fatal(err)
			}
			stir(a)
			want, before := modelOutputs(t, m, "a"), bits(m)
			if golden.MaxAbs(want, base) < 1e-2 {
				t.Fatal("the adapter does nothing")
			}
			golden.Close(t, "unmerged, Cybertron", cybertronOutputs(t, m.Cybertron()), base, 0, false)
			m.Dir = tinyBERT(t, class, "").Dir
			golden.Close(t, "saved with the adapter", cybertronOutputs(t, unwrap(t, loadTask(t, saveCybertron(t, m, "a"), kind))), want, 1e-5, true)
			if err := a.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "merged, Cybertron", cybertronOutputs(t, m.Cybertron()), want, 1e-5, true)
			golden.Close(t, "merged", modelOutputs(t, m, ""), want, 1e-5, true)
			merged := cybertronOutputs(t, m.Cybertron())
			golden.Close(t, "merged and saved", cybertronOutputs(t, unwrap(t, loadTask(t, saveCybertron(t, m, ""), kind))), merged, 0, false)
			a.Unmerge()
			if bits(m) != before {
				t.Error("unmerged weights are not the same bits")
			}
			golden.Close(t, "unmerged, Cybertron", cybertronOutputs(t, m.Cybertron()), base, 0, false)
		})
	}
}

// unwrap is the model of a task.
func unwrap(t testing.TB, task any) any {
	t.Helper()
	m, err := model.FromCybertron(task, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Cybertron()
}
