package infer

import (
	"reflect"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
)

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
