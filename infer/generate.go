package infer

import (
	"context"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
)

// Completion is a prompt and the text that a model generated for it.
type Completion struct {
	// Prompt is the text that the model saw, with the chat template rendered.
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
	// Tokens are the generated tokens.
	Tokens []int32 `json:"tokens"`
	// Reason is "stop" if a stop token ended the text, "length" if the maximum length did.
	Reason string `json:"finish_reason"`
}

// Complete generates a continuation of a prompt. emit, if not nil, is called with each piece of text as it is
// generated; the pieces add up to the completion's text. g is completed by Generation. For a sequence-to-sequence model
// the prompt is the source text.
func (s *Session) Complete(ctx context.Context, prompt []int32, g model.GenerationConfig, emit func(piece string)) (Completion, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return Completion{}, err
	}
	if g, err = s.Generation(g); err != nil {
		return Completion{}, err
	}
	target := tok.Target()
	stream := target.NewStream(true)
	give := func(piece string) {
		if piece != "" && emit != nil {
			emit(piece)
		}
	}
	out, err := s.Model.Generate(ctx, [][]int32{prompt}, g, func(_ int, id int32) bool {
		give(stream.Add(id))
		return true
	})
	if err != nil {
		return Completion{}, err
	}
	give(stream.Flush())
	c := Completion{Prompt: tok.Decode(prompt, false), Text: target.Decode(out[0], true), Tokens: out[0], Reason: "stop"}
	if n := len(out[0]); n == g.MaxNewTokens || s.Model.Head().Kind == head.CausalLM && len(prompt)+n > s.Model.Config().MaxPositionEmbeddings {
		c.Reason = "length"
	}
	return c, nil
}

// Generation returns g with the session's adapter and stop tokens. For a sequence-to-sequence model it adds what
// generation_config.json says: beams, lengths, forced and forbidden tokens. Sampling turns beams off.
func (s *Session) Generation(g model.GenerationConfig) (model.GenerationConfig, error) {
	stop, err := s.StopTokens()
	if err != nil {
		return g, err
	}
	g.EOSTokenIDs, g.Adapter = stop, s.Adapter
	if s.Model.Head().Kind != head.Seq2SeqLM {
		return g, nil
	}
	own, err := s.Model.GenerationConfig()
	if err != nil {
		return g, err
	}
	own.Temperature, own.TopK, own.TopP, own.Seed = g.Temperature, g.TopK, g.TopP, g.Seed
	own.EOSTokenIDs, own.Adapter = g.EOSTokenIDs, g.Adapter
	if g.MaxNewTokens > 0 {
		own.MaxNewTokens = g.MaxNewTokens
	}
	if g.Temperature > 0 {
		own.NumBeams = 0
	}
	return own, nil
}
