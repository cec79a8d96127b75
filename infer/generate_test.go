package infer

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

// TestOwnGeneration: what a caller asks for goes before what generation_config.json says.
func TestOwnGeneration(t *testing.T) {
	_, tok := tiny.Bytes(t)
	request := model.GenerationConfig{MaxLength: 7, MinLength: 3, NoRepeatNgramSize: 2, BadWordsIDs: [][]int32{{5}}, ForcedBOSTokenID: []int32{7}, ForcedEOSTokenID: []int32{4},
		EarlyStopping: "never", DecoderInputIDs: []int32{2, 3}, NumBeams: 2, LengthPenalty: 0.5, RepetitionPenalty: 1.5}
	want := request
	want.EOSTokenIDs, want.Adapter = []int32{2, 0}, "a"
	got, err := NewSession(tiny.Load(t, golden.Roots(t, "models", "bart")[0]), tok, "a").Generation(request)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

// TestGeneration checks what is taken from generation_config.json: all of it for a sequence-to-sequence model, the stop
// tokens for a causal one. The tokenizer's end of sequence (0 here) stops both.
func TestGeneration(t *testing.T) {
	_, tok := tiny.Bytes(t)
	request := model.GenerationConfig{MaxNewTokens: 5}
	for dir, want := range map[string]model.GenerationConfig{
		golden.Roots(t, "models", "bart")[0]: {MaxNewTokens: 5, EOSTokenIDs: []int32{2, 0}, Adapter: "a", DecoderInputIDs: []int32{2}, ForcedEOSTokenID: []int32{2}, LengthPenalty: 1},
		tiny.Llama(t):                        {MaxNewTokens: 5, EOSTokenIDs: []int32{2, 0}, Adapter: "a"},
	} {
		got, err := NewSession(tiny.Load(t, dir), tok, "a").Generation(request)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v (%v), want %+v", dir, got, err, want)
		}
	}
}

// TestChoicesThatCannotBe have an error that says which.
func TestChoicesThatCannotBe(t *testing.T) {
	_, tok := tiny.Bytes(t)
	s := NewSession(tiny.Load(t, tiny.Llama(t)), tok, "")
	for want, ids := range map[string][]int32{"question 1: choice 0: it has no tokens": {}, "question 1: choice 0: token 99999; the vocabulary ends at": {1, 99999}} {
		_, err := s.LogLikelihoods(t.Context(), []Question{{Prompt: []int32{1}, Choices: [][]int32{{1}}}, {Prompt: []int32{1}, Choices: [][]int32{ids}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
