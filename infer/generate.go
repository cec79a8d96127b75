package infer

import (
	"cmp"
	"context"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
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
	return s.CompleteUntil(ctx, prompt, g, nil, emit)
}

// CompleteUntil is Complete with strings that end a text. The first of them is cut off, with all that follows.
func (s *Session) CompleteUntil(ctx context.Context, prompt []int32, g model.GenerationConfig, stop []string, emit func(piece string)) (Completion, error) {
	all, err := s.continuations(ctx, [][]int32{prompt}, g, stop, emit)
	if err != nil {
		return Completion{}, err
	}
	return all[0], nil
}

// CompleteAll is CompleteUntil for several prompts side by side. Each gets the tokens that it would get alone; samples
// depend on its place among the prompts, too.
func (s *Session) CompleteAll(ctx context.Context, prompts [][]int32, g model.GenerationConfig, stop []string) ([]Completion, error) {
	return s.continuations(ctx, prompts, g, stop, nil)
}

// continuations generates the continuations of prompts; emit is for the first one.
func (s *Session) continuations(ctx context.Context, prompts [][]int32, g model.GenerationConfig, stop []string, emit func(piece string)) ([]Completion, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	if g, err = s.Generation(g); err != nil {
		return nil, err
	}
	texts := make([]text, len(prompts))
	for i := range texts {
		texts[i] = text{stream: tok.Target().NewStream(true), stop: stop}
		if i == 0 {
			texts[i].emit = emit
		}
	}
	out, err := s.Model.Generate(ctx, prompts, g, func(i int, id int32) bool { return texts[i].add(texts[i].stream.Add(id)) })
	if err != nil {
		return nil, err
	}
	all := make([]Completion, len(prompts))
	for i, prompt := range prompts {
		texts[i].end()
		c := Completion{Prompt: tok.Decode(prompt, false), Text: texts[i].String(), Tokens: out[i], Reason: "stop"}
		most, err := g.MostTokens(s.Model, prompt)
		if err != nil {
			return nil, err
		}
		if len(out[i]) >= most && !texts[i].stopped {
			c.Reason = "length"
		}
		all[i] = c
	}
	return all, nil
}

// text is a text that grows until a stop string comes. What may be the beginning of one is held back.
type text struct {
	strings.Builder
	stream  *tokenizer.Stream
	stop    []string
	emit    func(piece string) // nil: nobody listens
	held    string
	stopped bool
}

// add takes the next piece and says whether the text goes on.
func (t *text) add(piece string) bool {
	if t.stopped {
		return false
	}
	t.held += piece
	first := len(t.held)
	for _, s := range t.stop {
		if i := strings.Index(t.held, s); i >= 0 && s != "" {
			t.stopped, first = true, min(first, i)
		}
	}
	if t.stopped {
		t.give(first)
		return false
	}
	t.give(len(t.held) - t.begun())
	return true
}

// begun is how many of the last bytes may be the beginning of a stop string.
func (t *text) begun() int {
	most := 0
	for _, s := range t.stop {
		for n := min(len(s)-1, len(t.held)); n > most; n-- {
			if strings.HasSuffix(t.held, s[:n]) {
				most = n
			}
		}
	}
	return most
}

// give passes on the first bytes that are held.
func (t *text) give(n int) {
	piece := t.held[:n]
	t.held = t.held[n:]
	t.WriteString(piece)
	if piece != "" && t.emit != nil {
		t.emit(piece)
	}
}

// end passes on what is left.
func (t *text) end() {
	if t.add(t.stream.Flush()) {
		t.give(len(t.held))
	}
}

// Generation returns g with the session's adapter and stop tokens. For a sequence-to-sequence model it adds what
// generation_config.json says, beams, lengths, forced and forbidden tokens, where g says nothing. Sampling turns beams off.
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
	if g.NumBeams > 0 {
		own.NumBeams, own.LengthPenalty = g.NumBeams, g.LengthPenalty
	}
	if g.MaxNewTokens > 0 || g.MaxLength > 0 {
		own.MaxNewTokens, own.MaxLength = g.MaxNewTokens, g.MaxLength
	}
	if g.RepetitionPenalty > 0 {
		own.RepetitionPenalty = g.RepetitionPenalty
	}
	own.MinLength, own.NoRepeatNgramSize = cmp.Or(g.MinLength, own.MinLength), cmp.Or(g.NoRepeatNgramSize, own.NoRepeatNgramSize)
	own.EarlyStopping = cmp.Or(g.EarlyStopping, own.EarlyStopping)
	for _, ids := range []struct{ own, given *[]int32 }{{&own.ForcedBOSTokenID, &g.ForcedBOSTokenID}, {&own.ForcedEOSTokenID, &g.ForcedEOSTokenID},
		{&own.DecoderInputIDs, &g.DecoderInputIDs}} {
		if *ids.given != nil {
			*ids.own = *ids.given
		}
	}
	if g.BadWordsIDs != nil {
		own.BadWordsIDs = g.BadWordsIDs
	}
	if g.Temperature > 0 {
		own.NumBeams = 0
	}
	return own, nil
}
