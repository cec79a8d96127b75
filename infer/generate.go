package infer

import (
	"context"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Completion is a prompt and what a model made of it.
type Completion struct {
	// Prompt is the text that the model saw, a chat template rendered.
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
	// Tokens are the new tokens.
	Tokens []int32 `json:"tokens"`
	// Reason is "stop" where a stop token ended the text, "length" where the room did.
	Reason string `json:"finish_reason"`
}

// Complete continues a prompt; emit, where not nil, is given the text piece by piece as it comes: the pieces add up to the
// completion's text. Stop tokens are those of the model's folder; of a sequence-to-sequence model the prompt is the source,
// and the search is the folder's.
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

// Generation is g with the session's adapter and stop tokens, and for a sequence-to-sequence model with what its
// generation_config.json says besides: beams, lengths, forced and forbidden tokens. Sampled texts have no beams.
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

// Prompt says how the text of a prompt is put.
type Prompt struct {
	// Chat puts the text as the user's message into the model's chat template, after System where that is not "".
	Chat   bool
	System string
}

// EncodePrompt makes the tokens of a prompt: of a sequence-to-sequence model the source, with its special tokens, else those
// of the function of that name.
func (s *Session) EncodePrompt(text string, p Prompt) ([]int32, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	if s.Model.Head().Kind != head.Seq2SeqLM || text == "" {
		return EncodePrompt(tok, text, p)
	}
	if p.Chat || p.System != "" {
		return nil, errors.New("a sequence-to-sequence model has no chat template")
	}
	return tok.Encode(text, true), nil
}

// EncodePrompt makes the tokens of a prompt: the text after the special tokens that the tokenizer puts before one, or a
// conversation in the tokenizer's chat template.
func EncodePrompt(tok *tokenizer.Tokenizer, text string, p Prompt) ([]int32, error) {
	ex := tasks.Example{Source: "prompt", Prompt: text}
	switch {
	case text == "":
		return nil, errors.New("the prompt is empty")
	case p.Chat:
		if p.System != "" {
			ex.Chat = append(ex.Chat, chat.Message{Role: "system", Content: p.System})
		}
		ex.Chat = append(ex.Chat, chat.Message{Role: "user", Content: text})
	case p.System != "":
		return nil, errors.New("a system message needs the chat template")
	}
	template, err := ChatTemplate(tok)
	if err != nil {
		return nil, err
	}
	return tasks.EncodePrompt(tok, template, ex)
}

// ChatTemplate is the tokenizer's, or nil where it has none.
func ChatTemplate(tok *tokenizer.Tokenizer) (tasks.Template, error) {
	source := tok.ChatTemplate
	if source == "" {
		return nil, nil
	}
	return chat.ParseTemplate(source)
}

// TooLong says that a prompt leaves no room for an answer.
func TooLong(source string, tokens, most int) error {
	return fmt.Errorf("%s: the prompt has %d tokens; the model takes %d, prompt and answer together", source, tokens, most)
}
