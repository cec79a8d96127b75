package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/models/bart"
	"github.com/nlpodyssey/cybertron/pkg/tasks"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textgeneration"
	"github.com/nlpodyssey/cybertron/pkg/tasks/zeroshotclassifier"
	"github.com/nlpodyssey/cybertron/pkg/utils/nullable"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tokenizer"
)

// tinyBART returns a BART with random weights, its byte-level tokenizer, and Cybertron's task with the same model.
func tinyBART[T any](t testing.TB, class, generation string) (*model.Model, *tokenizer.Tokenizer, T) {
	t.Helper()
	m, err := model.New([]byte(fmt.Sprintf(`{"model_type": "bart", "architectures": [%q], "vocab_size": %d, "d_model": 24, "encoder_layers": 1,
		"decoder_layers": 2, "encoder_ffn_dim": 37, "decoder_ffn_dim": 29, "encoder_attention_heads": 3, "decoder_attention_heads": 2,
		"max_position_embeddings": 64, "init_std": 0.3, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
		"id2label": {"0": "contradiction", "1": "neutral", "2": "entailment"}}`, class, 5001)), model.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	m.Dir = t.TempDir()
	if err := os.CopyFS(m.Dir, os.DirFS("../testdata/golden/tokenizers/bart_bytelevel")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"generation_config.json": generation, "tokenizer_config.json": `{"pad_token": "<pad>", "eos_token": "</s>"}`} {
		if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "served")
	if err := m.SaveCybertron(t.Context(), dir, ""); err != nil {
		t.Fatal(err)
	}
	task, err := tasks.Load[T](&tasks.Config{ModelsDir: filepath.Dir(dir), ModelName: "served", DownloadPolicy: tasks.DownloadNever, ConversionPolicy: tasks.ConvertNever})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = model.FromCybertron(task, model.Options{}); err != nil {
		t.Fatal(err)
	}
	m.Dir = dir
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m, tok, task
}

func TestZeroShotBART(t *testing.T) {
	m, tok, task := tinyBART[zeroshotclassifier.Interface](t, "BartForSequenceClassification", "{}")
	c := must[*pipeline.ZeroShotClassifier](t)(pipeline.NewZeroShotClassifier(m, tok, pipeline.Options{}))
	got := must[zeroshotclassifier.Response](t)
	for _, p := range []zeroshotclassifier.Parameters{
		{CandidateLabels: []string{"cat", "dog", "home"}, HypothesisTemplate: "it is a {}."},
		{CandidateLabels: []string{"cat", "dog"}, HypothesisTemplate: "it is a {}.", MultiLabel: true},
		{CandidateLabels: []string{"cat"}, HypothesisTemplate: "a {}"},
	} {
		for _, text := range []string{"the cat ran.", "who is home", "x"} {
			same(t, text, got(c.Classify(t.Context(), text, p)), got(task.Classify(t.Context(), text, p)))
		}
	}
	if _, err := c.Classify(t.Context(), strings.Repeat("cat ", 99), zeroshotclassifier.Parameters{CandidateLabels: []string{"a"}}); !errors.Is(err, zeroshotclassifier.ErrInputSequenceTooLong) {
		t.Errorf("got error %v", err)
	}
}

// TestTextGeneration compares greedy texts and their scores with Cybertron's.
func TestTextGeneration(t *testing.T) {
	m, tok, task := tinyBART[textgeneration.Interface](t, "BartForConditionalGeneration",
		`{"num_beams": 1, "early_stopping": true, "max_length": 40, "min_length": 7, "length_penalty": 1.5, "decoder_start_token_id": 2, "eos_token_id": 2, "forced_eos_token_id": 2, "bad_words_ids": [[1]]}`)
	bias := m.Cybertron().(*bart.ModelForConditionalGeneration).Projection.B // makes texts end as early as possible
	mat.Data[float32](bias.Matrix)[2] = 9
	c := must[*pipeline.TextGenerator](t)(pipeline.NewTextGenerator(m, tok, pipeline.Options{}))
	got := must[textgeneration.Response](t)
	var each []textgeneration.Response
	texts := []string{"the cat ran.", "who is home", "x"}
	for _, text := range texts {
		r := got(c.Generate(t.Context(), text, nil))
		same(t, text, r, got(task.Generate(t.Context(), text, nil)))
		each = append(each, r)
	}
	same(t, "all at once", must[[]textgeneration.Response](t)(c.GenerateAll(t.Context(), texts, textgeneration.DefaultOptions())), each)
	sample := textgeneration.DefaultOptions()
	sample.Sample = nullable.Type[bool]{Value: true, Valid: true}
	sample.TopK = nullable.Type[int]{Value: 5, Valid: true}
	drawn := map[string]bool{}
	for range 8 {
		drawn[got(c.Generate(t.Context(), texts[0], sample)).Texts[0]] = true
	}
	if len(drawn) < 2 {
		t.Errorf("8 samples gave %v", drawn)
	}
	sample.Temperature.Value = 0
	_, cold := c.Generate(t.Context(), "x", sample)
	_, long := c.Generate(t.Context(), strings.Repeat("cat ", 99), nil)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, stopped := c.Generate(cancelled, "x", nil)
	if cold == nil || !errors.Is(long, textgeneration.ErrInputSequenceTooLong) || !errors.Is(stopped, context.Canceled) {
		t.Errorf("got errors %v, %v, %v", cold, long, stopped)
	}
}
