package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// tokenIDs is one token or a list of them in JSON.
type tokenIDs []int32

// UnmarshalJSON implements json.Unmarshaler.
func (t *tokenIDs) UnmarshalJSON(raw []byte) error {
	var one int32
	if string(raw) == "null" {
		*t = nil
		return nil
	}
	if json.Unmarshal(raw, &one) == nil {
		*t = tokenIDs{one}
		return nil
	}
	var many []int32
	if err := json.Unmarshal(raw, &many); err != nil {
		return fmt.Errorf("%s is not a token; want a number or a list of numbers", raw)
	}
	*t = many
	return nil
}

// generationConfig has the keys of generation_config.json, which older models have in config.json.
type generationConfig struct {
	EosTokenID           tokenIDs        `json:"eos_token_id"`
	BosTokenID           tokenIDs        `json:"bos_token_id"`
	DecoderStartTokenID  tokenIDs        `json:"decoder_start_token_id"`
	ForcedBosTokenID     tokenIDs        `json:"forced_bos_token_id"`
	ForcedEosTokenID     tokenIDs        `json:"forced_eos_token_id"`
	ForceBos             bool            `json:"force_bos_token_to_be_generated"`
	MaxNewTokens         int             `json:"max_new_tokens"`
	MaxLength            int             `json:"max_length"`
	MinLength            int             `json:"min_length"`
	DoSample             bool            `json:"do_sample"`
	Temperature          *float64        `json:"temperature"`
	TopK                 *int            `json:"top_k"`
	TopP                 float64         `json:"top_p"`
	RepetitionPenalty    float64         `json:"repetition_penalty"`
	NoRepeatNGramSize    int             `json:"no_repeat_ngram_size"`
	BadWordsIDs          [][]int32       `json:"bad_words_ids"`
	NumBeams             int             `json:"num_beams"`
	LengthPenalty        *float64        `json:"length_penalty"`
	EarlyStopping        json.RawMessage `json:"early_stopping"`
	NumBeamGroups        int             `json:"num_beam_groups"`
	EncoderNoRepeatNGram int             `json:"encoder_no_repeat_ngram_size"`
	SuppressTokens       []int32         `json:"suppress_tokens"`
	BeginSuppressTokens  []int32         `json:"begin_suppress_tokens"`
	ExponentialDecay     json.RawMessage `json:"exponential_decay_length_penalty"`
	SequenceBias         json.RawMessage `json:"sequence_bias"`
	TypicalP             *float64        `json:"typical_p"`
	MinP                 float64         `json:"min_p"`
	GuidanceScale        float64         `json:"guidance_scale"`
	MinNewTokens         int             `json:"min_new_tokens"`
	EncoderRepetition    *float64        `json:"encoder_repetition_penalty"`
	PenaltyAlpha         float64         `json:"penalty_alpha"`
	EpsilonCutoff        float64         `json:"epsilon_cutoff"`
	EtaCutoff            float64         `json:"eta_cutoff"`
	ForcedDecoderIDs     json.RawMessage `json:"forced_decoder_ids"`
	StopStrings          json.RawMessage `json:"stop_strings"`
}

// readGenerationConfig reads generation_config.json, or config.json where the folder has none.
func (m *Model) readGenerationConfig() (c generationConfig, err error) {
	raw, name := []byte(m.ConfigJSON), "config.json"
	if m.Dir != "" {
		g, err := fs.ReadFile(m.Files(), "generation_config.json")
		if err == nil {
			raw, name = g, "generation_config.json"
		} else if !errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("model: %w", err)
		}
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("model: %s: %w", name, err)
	}
	return c, nil
}

// EOSTokenIDs are the eos_token_id of generation_config.json, or else of config.json.
func (m *Model) EOSTokenIDs() ([]int32, error) {
	c, err := m.readGenerationConfig()
	return c.EosTokenID, err
}

// GenerationConfig reads generation_config.json, or config.json where the folder has none, with transformers' defaults but
// for the length: without one the model's is the limit.
func (m *Model) GenerationConfig() (GenerationConfig, error) {
	c, err := m.readGenerationConfig()
	if err != nil {
		return GenerationConfig{}, err
	}
	if bad := c.unsupported(); bad != nil {
		return GenerationConfig{}, notSupported("model: generation_config.json: not supported: %s", strings.Join(bad, ", "))
	}
	s := GenerationConfig{
		MaxNewTokens: c.MaxNewTokens, MaxLength: c.MaxLength, MinLength: c.MinLength, RepetitionPenalty: c.RepetitionPenalty,
		NoRepeatNgramSize: c.NoRepeatNGramSize, BadWordsIDs: c.BadWordsIDs, ForcedBOSTokenID: c.ForcedBosTokenID, ForcedEOSTokenID: c.ForcedEosTokenID,
		NumBeams: c.NumBeams, LengthPenalty: 1, DecoderInputIDs: c.DecoderStartTokenID, EOSTokenIDs: c.EosTokenID,
	}
	if c.ForceBos && s.ForcedBOSTokenID == nil {
		s.ForcedBOSTokenID = c.BosTokenID
	}
	if c.LengthPenalty != nil {
		s.LengthPenalty = *c.LengthPenalty
	}
	if c.DoSample {
		s.Temperature, s.TopK, s.TopP = 1, 50, c.TopP
		if c.Temperature != nil {
			s.Temperature = *c.Temperature
		}
		if c.TopK != nil {
			s.TopK = *c.TopK
		}
	}
	switch stop := strings.Trim(string(c.EarlyStopping), `"`); stop {
	case "", "null", "false":
	case "true", "never":
		s.EarlyStopping = stop
	default:
		return s, fmt.Errorf("model: generation_config.json: early_stopping is %s; want false, true or \"never\"", c.EarlyStopping)
	}
	return s, nil
}

// unsupported lists the keys that would change the text and are not supported.
func (c generationConfig) unsupported() []string {
	var bad []string
	for key, on := range map[string]bool{
		"num_beam_groups": c.NumBeamGroups > 1, "encoder_no_repeat_ngram_size": c.EncoderNoRepeatNGram > 0,
		"suppress_tokens": len(c.SuppressTokens) > 0, "begin_suppress_tokens": len(c.BeginSuppressTokens) > 0,
		"exponential_decay_length_penalty": len(c.ExponentialDecay) > 0 && !jsonvalue.IsOff(c.ExponentialDecay),
		"sequence_bias":                    len(c.SequenceBias) > 0 && !jsonvalue.IsOff(c.SequenceBias),
		"typical_p":                        c.DoSample && c.TypicalP != nil && *c.TypicalP < 1,
		"min_p":                            c.DoSample && c.MinP > 0,
		"guidance_scale":                   c.GuidanceScale != 0 && c.GuidanceScale != 1,
		"min_new_tokens":                   c.MinNewTokens > 0,
		"encoder_repetition_penalty":       c.EncoderRepetition != nil && *c.EncoderRepetition != 1,
		"penalty_alpha":                    c.PenaltyAlpha > 0,
		"epsilon_cutoff":                   c.DoSample && c.EpsilonCutoff > 0,
		"eta_cutoff":                       c.DoSample && c.EtaCutoff > 0,
		"forced_decoder_ids":               len(c.ForcedDecoderIDs) > 0 && !jsonvalue.IsOff(c.ForcedDecoderIDs),
		"stop_strings":                     len(c.StopStrings) > 0 && !jsonvalue.IsOff(c.StopStrings),
		"do_sample with num_beams":         c.DoSample && c.NumBeams > 1,
	} {
		if on {
			bad = append(bad, key)
		}
	}
	slices.Sort(bad)
	return bad
}
