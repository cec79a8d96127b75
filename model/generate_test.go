package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// generated is a text that transformers made (scripts/golden/generate.py).
type generated struct {
	Model    string          `json:"model"`
	Prompt   []int32         `json:"prompt"`
	Settings json.RawMessage `json:"settings"`
	Tokens   []int32         `json:"tokens"`
}

// TestGoldenTexts compares greedy texts and those of beams with transformers', for settings of every kind.
func TestGoldenTexts(t *testing.T) {
	for _, root := range golden.Roots(t, "generate") {
		files, err := filepath.Glob(filepath.Join(root, "*.json"))
		if err != nil || files == nil {
			t.Fatalf("%s has no files (%v)", root, err)
		}
		for _, file := range files {
			checkTexts(t, filepath.Dir(root), file)
		}
	}
}

func checkTexts(t *testing.T, root, file string) {
	var cases []generated
	golden.JSON(t, golden.Case{Dir: filepath.Dir(file)}.Path(filepath.Base(file)), &cases)
	models := map[string]*Model{}
	for i, c := range cases {
		m := models[c.Model]
		if m == nil {
			var err error
			if m, err = Load(t.Context(), filepath.Join(root, "models", c.Model), Options{}); err != nil {
				t.Fatal(err)
			}
			models[c.Model] = m
		}
		s := asTold(t, m, c.Settings)
		got, err := m.Generate(context.Background(), [][]int32{c.Prompt, c.Prompt[:1]}, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[0], c.Tokens) {
			t.Errorf("%s %d, %s: got %v, want %v", c.Model, i, c.Settings, got[0], c.Tokens)
		}
	}
}

// asTold makes a GenerationConfig of settings, which are keys of generation_config.json; the rest is the model's.
func asTold(t *testing.T, m *Model, settings json.RawMessage) GenerationConfig {
	own, err := m.GenerationConfig()
	if err != nil {
		t.Fatal(err)
	}
	s, err := (&Model{ConfigJSON: settings}).GenerationConfig()
	if err != nil {
		t.Fatal(err)
	}
	s.DecoderInputIDs = own.DecoderInputIDs
	return s
}

// drawn is the model of a config with random weights.
func drawn(t *testing.T, config []byte) *Model {
	t.Helper()
	m, err := New(config, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGenerateRefuses(t *testing.T) {
	m, seq, broken := drawn(t, with(t)), drawn(t, tinyBART(t)), drawn(t, with(t))
	language := drawn(t, tinyBART(t, "model_type", "mbart", "decoder_start_token_id", nil))
	broken.Weights(func(w *Weight) { w.SetValues(slices.Repeat([]float32{float32(math.NaN())}, w.Size())) })
	for _, tt := range []struct {
		m    *Model
		s    GenerationConfig
		want string
	}{
		{m, GenerationConfig{NumBeams: -1}, "num_beams is -1"},
		{m, GenerationConfig{NumBeams: 2, Temperature: 1}, "beams are not sampled"},
		{m, GenerationConfig{EarlyStopping: "maybe"}, "early_stopping"},
		{m, GenerationConfig{BadWordsIDs: [][]int32{{1, 11}}}, "bad_words_ids has token 11; the vocabulary ends at 10"},
		{m, GenerationConfig{MaxLength: 2}, "prompt 0 has 3 tokens; max_length is 2"},
		{m, GenerationConfig{Temperature: math.NaN()}, "temperature is NaN"},
		{m, GenerationConfig{Temperature: math.Inf(1)}, "temperature is +Inf"},
		{m, GenerationConfig{TopP: math.NaN()}, "top_p is NaN"},
		{m, GenerationConfig{Adapter: "typo"}, `the model has no adapter "typo"`},
		{m, GenerationConfig{RepetitionPenalty: math.NaN()}, "repetition_penalty is NaN"},
		{broken, GenerationConfig{}, "the logits hold NaN or infinity"},
		{broken, GenerationConfig{Temperature: 1}, "the logits hold NaN or infinity"},
		{broken, GenerationConfig{NumBeams: 2}, "the logits hold NaN or infinity"},
		{seq, GenerationConfig{DecoderInputIDs: []int32{11}}, "decoder_input_ids has token 11"},
		{language, GenerationConfig{}, "no decoder_start_token_id"},
	} {
		if _, err := tt.m.Generate(context.Background(), [][]int32{{3, 4, 5}}, tt.s, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.s, err, tt.want)
		}
	}
}

// TestBoundsThatDivideNothing are refused, also those of no document.
func TestBoundsThatDivideNothing(t *testing.T) {
	m := drawn(t, with(t))
	for _, bounds := range [][]int{{0}, {3}, {0, 2}, {1, 3}, {0, 3, 3}} {
		err := op.Inference("", func(p *op.Pass) error {
			_, err := m.Logits(p, &Batch{IDs: []int32{1, 2, 3}, CuSeqLens: bounds}, nil, nil)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "do not divide 3 tokens") {
			t.Errorf("%v: got %v", bounds, err)
		}
	}
}

// TestColdSamples: the colder the nearer to the most likely token, without an end.
func TestColdSamples(t *testing.T) {
	m := drawn(t, with(t))
	var want [][]int32
	for _, temperature := range []float64{0, 1e-6, 1e-29, 1e-39, math.SmallestNonzeroFloat64} {
		got, err := m.Generate(t.Context(), [][]int32{{3, 4, 5}}, GenerationConfig{MaxNewTokens: 4, Temperature: temperature}, nil)
		if temperature == 0 {
			want = got
		}
		if err != nil || !reflect.DeepEqual(got, want) || len(got[0]) != 4 {
			t.Errorf("%g: got %v, %v; want %v", temperature, got, err, want)
		}
	}
}

// TestMostTokens are those of a text that nothing else ends.
func TestMostTokens(t *testing.T) {
	m, seq := drawn(t, with(t)), drawn(t, tinyBART(t))
	for _, tt := range []struct {
		m *Model
		s GenerationConfig
	}{{m, GenerationConfig{}}, {m, GenerationConfig{MaxNewTokens: 2}}, {m, GenerationConfig{MaxLength: 5}}, {seq, GenerationConfig{}},
		{seq, GenerationConfig{MaxLength: 5}}, {seq, GenerationConfig{MaxLength: 5, MaxNewTokens: 3}}, {seq, GenerationConfig{MaxLength: 5, DecoderInputIDs: []int32{1, 2, 3}, NumBeams: 2}}} {
		prompt := []int32{3, 4, 5}
		got, err := tt.m.Generate(t.Context(), [][]int32{prompt}, tt.s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if most, err := tt.s.MostTokens(tt.m, prompt); err != nil || most != len(got[0]) {
			t.Errorf("%+v: %d tokens at most, %v; there are %d", tt.s, most, err, len(got[0]))
		}
	}
}

func TestSamplingIsReadOrRefused(t *testing.T) {
	for _, tt := range []struct {
		config string
		want   GenerationConfig
		err    string
	}{
		{`{"num_beams": 4, "early_stopping": "never", "eos_token_id": [2, 3], "max_length": 9}`,
			GenerationConfig{MaxLength: 9, NumBeams: 4, LengthPenalty: 1, EarlyStopping: "never", EOSTokenIDs: []int32{2, 3}}, ""},
		{`{"early_stopping": true, "length_penalty": 0, "forced_bos_token_id": 5}`,
			GenerationConfig{ForcedBOSTokenID: []int32{5}, EarlyStopping: "true"}, ""},
		{`{"force_bos_token_to_be_generated": true, "bos_token_id": 0}`, GenerationConfig{ForcedBOSTokenID: []int32{0}, LengthPenalty: 1}, ""},
		{`{"do_sample": true, "top_p": 0.9}`, GenerationConfig{Temperature: 1, TopK: 50, TopP: 0.9, LengthPenalty: 1}, ""},
		{`{"temperature": 0.7, "eos_token_id": null}`, GenerationConfig{LengthPenalty: 1}, ""},
		{`{"early_stopping": 3}`, GenerationConfig{}, "early_stopping is 3"},
		{`{"eos_token_id": "x"}`, GenerationConfig{}, `"x" is not a token`},
		{`{"encoder_repetition_penalty": 1.0, "penalty_alpha": 0, "forced_decoder_ids": null, "stop_strings": []}`, GenerationConfig{LengthPenalty: 1}, ""},
		{`{"encoder_repetition_penalty": 2, "penalty_alpha": 0.6, "forced_decoder_ids": [[1, 2]], "stop_strings": ["x"], "epsilon_cutoff": 0.1, "eta_cutoff": 0.1, "do_sample": true}`,
			GenerationConfig{}, "not supported: encoder_repetition_penalty, epsilon_cutoff, eta_cutoff, forced_decoder_ids, penalty_alpha, stop_strings"},
		{`{"num_beam_groups": 2, "suppress_tokens": [1], "do_sample": true, "min_p": 0.1}`, GenerationConfig{},
			"not supported: min_p, num_beam_groups, suppress_tokens"},
	} {
		got, err := (&Model{ConfigJSON: json.RawMessage(tt.config)}).GenerationConfig()
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want %q", tt.config, err, tt.err)
			}
		} else if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v (%v), want %+v", tt.config, got, err, tt.want)
		}
	}
}

// TestReorderedCache decodes targets token by token with a cache that was reordered, one document twice, and compares the
// logits with those of the whole targets.
func TestReorderedCache(t *testing.T) {
	m := goldenModel(t, "bart")
	sources := [][]int32{{5, 6, 7, 8}, {9, 10}, {11, 12, 13}}
	order := []int{2, 0, 2}
	targets := [][]int32{{20, 21, 22, 23}, {30, 31, 32, 33}, {20, 21, 42, 43}} // the third differs from the first in the last two
	p := &op.Pass{}
	defer p.Release()
	b, _ := Documents(sources)
	cache := m.NewCache(3)
	if err := m.Encode(p, b, cache); err != nil {
		t.Fatal(err)
	}
	step := func(ids []int32) []float32 {
		logits, err := m.Logits(p, &Batch{IDs: ids, CuSeqLens: []int{0, 1, 2, 3}}, nil, cache)
		if err != nil {
			t.Fatal(err)
		}
		return logits.Data
	}
	step([]int32{2, 2, 2})
	step([]int32{30, 0, 20})
	step([]int32{31, 0, 21})
	cache.Reorder(order)
	got := step([]int32{22, 32, 42})
	for d, doc := range order {
		whole := &Batch{IDs: sources[doc], Labels: targets[d]}
		want, err := m.Logits(p, whole, []int{3}, nil)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, fmt.Sprintf("document %d", d), got[d*want.Cols:(d+1)*want.Cols], want.Data, 1e-5, false)
	}
}
