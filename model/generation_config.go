package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// GenerationConfig says how tokens are chosen and when generation ends. The zero value is greedy and ends at the model's
// length; Model.GenerationConfig is that of the model's folder.
type GenerationConfig struct {
	// MaxNewTokens is the most tokens to generate. MaxLength, used if MaxNewTokens is 0, also counts those of the prompt, or
	// of DecoderInputIDs. If both are 0 the model's length is the limit.
	MaxNewTokens, MaxLength int
	// MinLength is the number of tokens, counted as for MaxLength, before one of EOSTokenIDs may come.
	MinLength int
	// Temperature divides the logits before sampling; 0 takes the most likely token.
	Temperature float64
	// TopK keeps the k most likely tokens; 0 keeps all.
	TopK int
	// TopP keeps the most likely tokens that together reach this probability; 0 or 1 keeps all.
	TopP float64
	// RepetitionPenalty divides the positive logits of earlier tokens, and multiplies the negative ones (Keskar et al. 2019,
	// section 4.1); 0 or 1 is none.
	RepetitionPenalty float64
	// NoRepeatNgramSize is the length of n-grams that come at most once; 0 is none.
	NoRepeatNgramSize int
	// BadWordsIDs are sequences of tokens that never come.
	BadWordsIDs [][]int32
	// ForcedBOSTokenID is the token after a single first one. ForcedEOSTokenID holds tokens, one of which is the last of a
	// text that uses up its length. Empty is none.
	ForcedBOSTokenID, ForcedEOSTokenID []int32
	// NumBeams is the number of texts that a beam search follows; 0 or 1 is greedy or sampled. A text's score is its
	// log-probability divided by its length to the power of LengthPenalty. transformers' default is 1; 0 is no penalty.
	NumBeams      int
	LengthPenalty float64
	// EarlyStopping says when a beam search ends: "true" as soon as NumBeams texts have ended, "never" when no text can become
	// better, "" or "false" when none could at its present length.
	EarlyStopping string
	// DecoderInputIDs begin the target of a sequence-to-sequence model; nil is the model's decoder_start_token_id.
	DecoderInputIDs []int32
	// EOSTokenIDs are tokens that end the text; they are not part of it.
	EOSTokenIDs []int32
	// Seed decides the samples.
	Seed uint64
	// Adapter names the adapter to apply; "" is the base alone.
	Adapter string
}

// check says what is wrong with the settings.
func (s GenerationConfig) check(m *Model) error {
	for _, n := range []struct {
		name  string
		value int
	}{
		{"max_new_tokens", s.MaxNewTokens}, {"max_length", s.MaxLength}, {"min_length", s.MinLength}, {"top_k", s.TopK},
		{"no_repeat_ngram_size", s.NoRepeatNgramSize}, {"num_beams", s.NumBeams},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s is %d; want 0 or more", n.name, n.value)
		}
	}
	switch { // NaN is in no range
	case !(s.Temperature >= 0 && s.Temperature <= math.MaxFloat64):
		return fmt.Errorf("temperature is %g; want 0 or more", s.Temperature)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("top_p is %g; want 0 to 1", s.TopP)
	case !(s.RepetitionPenalty >= 0 && s.RepetitionPenalty <= math.MaxFloat64):
		return fmt.Errorf("repetition_penalty is %g; want more than 0", s.RepetitionPenalty)
	case s.NumBeams > 1 && s.Temperature > 0:
		return fmt.Errorf("num_beams %d with temperature %g; beams are not sampled", s.NumBeams, s.Temperature)
	case !slices.Contains([]string{"", "false", "true", "never"}, s.EarlyStopping):
		return fmt.Errorf("early_stopping is %q; want false, true or never", s.EarlyStopping)
	case !m.HasAdapter(s.Adapter):
		return fmt.Errorf("the model has no adapter %q", s.Adapter)
	case m.Head().Kind != head.CausalLM && m.Head().Kind != head.Seq2SeqLM:
		return fmt.Errorf("the model's head is for %s; want %s or %s", m.Head().Kind, head.CausalLM, head.Seq2SeqLM)
	}
	return s.checkTokens(m)
}

// checkTokens says which token the vocabulary does not have.
func (s GenerationConfig) checkTokens(m *Model) error {
	vocab, _ := m.Head().Out.Dims()
	for name, ids := range map[string][]int32{"decoder_input_ids": s.DecoderInputIDs, "forced_bos_token_id": s.ForcedBOSTokenID, "forced_eos_token_id": s.ForcedEOSTokenID,
		"bad_words_ids": slices.Concat(s.BadWordsIDs...)} {
		for _, id := range ids {
			if id < 0 || int(id) >= vocab {
				return fmt.Errorf("%s has token %d; the vocabulary ends at %d", name, id, vocab-1)
			}
		}
	}
	return nil
}

// MostTokens is the most tokens that Generate makes for a prompt.
func (s GenerationConfig) MostTokens(m *Model, prompt []int32) (int, error) {
	if d, ok := m.Backbone.(EncoderDecoder); ok {
		var err error
		if prompt, err = s.start(d); err != nil {
			return 0, err
		}
	}
	return s.room(m, len(prompt)) - len(prompt), nil
}

// room is the most tokens of a text together with its beginning of n tokens. The last token is not read again, so it may be one
// more than the model's positions.
func (s GenerationConfig) room(m *Model, n int) int {
	most := m.Config().MaxPositionEmbeddings + 1
	switch {
	case s.MaxNewTokens > 0:
		return min(most, n+s.MaxNewTokens)
	case s.MaxLength > 0:
		return min(most, s.MaxLength)
	}
	return most
}

// start is the beginning of the targets of a sequence-to-sequence model.
func (s GenerationConfig) start(m EncoderDecoder) ([]int32, error) {
	if len(s.DecoderInputIDs) > 0 {
		return s.DecoderInputIDs, nil
	}
	if id := m.DecoderStartTokenID(); id != nil {
		return []int32{*id}, nil
	}
	return nil, fmt.Errorf("the model has no decoder_start_token_id; set DecoderInputIDs, for example to the token of the target's language")
}
