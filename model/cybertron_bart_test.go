package model_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cybart "github.com/nlpodyssey/cybertron/pkg/models/bart"
	"github.com/nlpodyssey/cybertron/pkg/tasks"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textgeneration"
	"github.com/nlpodyssey/cybertron/pkg/tasks/zeroshotclassifier"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

const letters = "<s> <pad> </s> <unk> a b c d e f g h i j k l m n o p q r s t u v w x y z Ġ ."

// tinyBART makes a model with random weights, and a folder with a tokenizer of letters.
func tinyBART(t testing.TB, modelType, class, more string) *model.Model {
	t.Helper()
	n := len(strings.Fields(letters))
	m, err := model.New([]byte(fmt.Sprintf(`{"model_type": %q, "architectures": [%q], "vocab_size": %d, "d_model": 24, "encoder_layers": 2,
		"decoder_layers": 2, "encoder_ffn_dim": 37, "decoder_ffn_dim": 29, "encoder_attention_heads": 3, "decoder_attention_heads": 2,
		"max_position_embeddings": 20, "init_std": 0.4, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
		"id2label": {"0": "contradiction", "1": "neutral", "2": "entailment"}%s}`, modelType, class, n, more)), model.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	m.Dir = t.TempDir()
	var vocab []string
	for i, w := range strings.Fields(letters) {
		vocab = append(vocab, fmt.Sprintf("%q: %d", w, i))
	}
	write(t, m.Dir, "vocab.json", "{"+strings.Join(vocab, ", ")+"}")
	write(t, m.Dir, "merges.txt", "#version: 0.2\n")
	write(t, m.Dir, "generation_config.json", `{"num_beams": 3, "max_length": 12, "min_length": 4, "length_penalty": 1.5, "no_repeat_ngram_size": 2,
		"early_stopping": "never", "decoder_start_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}`)
	return m
}

var source, target = []int32{0, 4, 9, 30, 16, 25, 7, 2}, []int32{5, 6, 31, 8, 2}

// cybertronLogits are those of Cybertron's own forward pass for the source and the target.
func cybertronLogits(t testing.TB, v any) []float32 {
	t.Helper()
	ids := make([]int, len(source))
	for i, id := range source {
		ids[i] = int(id)
	}
	var ys []mat.Tensor
	switch m := v.(type) {
	case *cybart.ModelForConditionalGeneration:
		in := []int{2}
		for _, id := range target[:len(target)-1] {
			in = append(in, int(id))
		}
		states, _ := m.Bart.Decoder.Decode(m.Bart.Encoder.Encode(ids), in, nil, 1)
		ys = m.Projection.Forward(states...)
	case *cybart.ModelForSequenceClassification:
		ys = []mat.Tensor{m.Forward(ids)}
	default:
		t.Fatalf("no forward pass of %T", v)
	}
	var all []float32
	for _, y := range ys {
		all = append(all, mat.Data[float32](y.Value())...)
	}
	return all
}

// modelLogits are our model's for the same.
func modelLogits(t testing.TB, m *model.Model, name string) []float32 {
	t.Helper()
	p := &op.Pass{}
	defer p.Release()
	p.Adapter = name
	b := &model.Batch{IDs: source}
	if m.Head().Kind == head.Seq2SeqLM {
		b.Labels = target
	}
	y, err := m.Logits(p, b, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(y.Data)
}

func loadBART(t testing.TB, dir string, kind head.Kind) any {
	t.Helper()
	c := &tasks.Config{ModelsDir: filepath.Dir(dir), ModelName: filepath.Base(dir), DownloadPolicy: tasks.DownloadNever, ConversionPolicy: tasks.ConvertNever}
	var task any
	var err error
	if kind == head.Seq2SeqLM {
		task, err = tasks.Load[textgeneration.Interface](c)
	} else {
		task, err = tasks.Load[zeroshotclassifier.Interface](c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// TestCybertronBART is TestCybertronEndToEnd for the model types with an encoder and a decoder.
func TestCybertronBART(t *testing.T) {
	for _, tt := range []struct{ modelType, class, more string }{
		{"bart", "BartForConditionalGeneration", ""},
		{"bart", "BartForSequenceClassification", `, "activation_function": "relu"`},
		{"marian", "MarianMTModel", `, "scale_embedding": true, "activation_function": "swish"`},
		{"pegasus", "PegasusForConditionalGeneration", `, "scale_embedding": true, "activation_function": "relu"`},
		{"bart", "BartForConditionalGeneration", `, "tie_word_embeddings": false`},
	} {
		t.Run(tt.class+tt.more, func(t *testing.T) {
			hf := tinyBART(t, tt.modelType, tt.class, tt.more)
			task := loadBART(t, saveCybertron(t, hf, ""), hf.Head().Kind)
			m, err := model.FromCybertron(task, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			base := cybertronLogits(t, m.Cybertron())
			golden.Close(t, "base", modelLogits(t, m, ""), base, 2e-5, true)
			a, err := adapter.Attach(t.Context(), m, "a", &adapter.MoRA{Common: adapter.Common{TargetModules: adapter.AllLinear}, R: 2, Type: adapter.Rotation}, 1)
			if err != nil {
				t.Fatal(err)
			}
			stir(a)
			want, before := modelLogits(t, m, "a"), bits(m)
			if golden.MaxAbs(want, base) < 1e-2 {
				t.Fatal("the adapter does nothing")
			}
			m.Dir = hf.Dir
			again := unwrap(t, loadBART(t, saveCybertron(t, m, "a"), m.Head().Kind))
			golden.Close(t, "saved with the adapter", cybertronLogits(t, again), want, 2e-5, true)
			if err := a.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "merged, Cybertron", cybertronLogits(t, m.Cybertron()), want, 2e-5, true)
			merged := cybertronLogits(t, m.Cybertron())
			again = unwrap(t, loadBART(t, saveCybertron(t, m, ""), m.Head().Kind))
			golden.Close(t, "merged and saved", cybertronLogits(t, again), merged, 0, false)
			a.Unmerge()
			if bits(m) != before {
				t.Error("unmerged weights are not the same bits")
			}
			golden.Close(t, "unmerged, Cybertron", cybertronLogits(t, m.Cybertron()), base, 0, false)
		})
	}
}

// TestCybertronGenerationConfig: Cybertron generates as generation_config.json says.
func TestCybertronGenerationConfig(t *testing.T) {
	hf := tinyBART(t, "bart", "BartForConditionalGeneration", "")
	dir := saveCybertron(t, hf, "")
	c := unwrap(t, loadBART(t, dir, head.Seq2SeqLM)).(*cybart.ModelForConditionalGeneration).Bart.Config
	if c.NumBeams != 3 || c.MaxLength != 12 || c.MinLength != 4 || c.LengthPenalty != 1.5 || c.NoRepeatNGramSize != 2 || c.EarlyStopping || c.BosTokenID != 0 || c.EosTokenID != 2 {
		t.Errorf("config %+v", c)
	}
	m, err := model.LoadCybertron(t.Context(), dir, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "loaded", modelLogits(t, m, ""), cybertronLogits(t, m.Cybertron()), 2e-5, true)
	back := filepath.Join(t.TempDir(), "back")
	if err := m.Save(t.Context(), back, "", ""); err != nil {
		t.Fatal(err)
	}
	again, err := model.Load(t.Context(), back, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "back at Hugging Face's", modelLogits(t, again, ""), modelLogits(t, hf, ""), 1e-6, true)
}

func TestCybertronRefusesBART(t *testing.T) {
	for class, want := range map[string]string{"MBartForConditionalGeneration": "Cybertron has no mbart", "BartForQuestionAnswering": "no head for question-answering"} {
		modelType := strings.ToLower(strings.Split(class, "For")[0])
		err := tinyBART(t, modelType, class, "").SaveCybertron(t.Context(), filepath.Join(t.TempDir(), "out"), "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	m := tinyBART(t, "bart", "BartForConditionalGeneration", "")
	write(t, m.Dir, "vocab.json", `{"a": 99}`)
	if err := m.SaveCybertron(t.Context(), filepath.Join(t.TempDir(), "out"), ""); err == nil || !strings.Contains(err.Error(), `token "a" has id 99`) {
		t.Errorf("got error %v, want one about the vocabulary", err)
	}
	_ = os.Remove(filepath.Join(m.Dir, "vocab.json"))
	if err := m.SaveCybertron(t.Context(), filepath.Join(t.TempDir(), "out"), ""); err == nil || !strings.Contains(err.Error(), "no vocab.json with merges.txt") {
		t.Errorf("got error %v, want one about the tokenizer", err)
	}
}
