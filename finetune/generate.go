package finetune

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

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

// Generate continues a prompt; emit, where not nil, is given the text piece by piece as it comes, always whole UTF-8
// characters. Stop tokens are those of the model's folder; of a sequence-to-sequence model the prompt is the source, and the
// search is the folder's.
func (l *Session) Generate(ctx context.Context, tok *tokenizer.Tokenizer, prompt []int32, s model.GenerationConfig, emit func(piece string)) (Completion, error) {
	var err error
	if s.EOSTokenIDs, err = l.stopTokens(tok); err != nil {
		return Completion{}, err
	}
	s.Adapter = l.Adapter
	if s, err = targetSampling(l.Model, s); err != nil {
		return Completion{}, err
	}
	w := &textStream{tok: tok.Target(), emit: emit}
	out, err := l.Model.Generate(ctx, [][]int32{prompt}, s, func(_ int, id int32) bool {
		w.add(id)
		return true
	})
	if err != nil {
		return Completion{}, err
	}
	w.end()
	t := Completion{Prompt: tok.Decode(prompt, false), Text: w.text, Tokens: out[0], Reason: "stop"}
	if n := len(out[0]); n == s.MaxNewTokens || l.Head().Kind == head.CausalLM && len(prompt)+n > l.Config().MaxPositionEmbeddings {
		t.Reason = "length"
	}
	return t, nil
}

// EncodePrompt makes the tokens of a prompt for the model: of a sequence-to-sequence model the source, with its special
// tokens, else those of the function of that name.
func (l *Session) EncodePrompt(tok *tokenizer.Tokenizer, prompt string, applyTemplate bool, system string) ([]int32, error) {
	if l.Head().Kind != head.Seq2SeqLM || prompt == "" {
		return EncodePrompt(tok, prompt, applyTemplate, system)
	}
	if applyTemplate || system != "" {
		return nil, errors.New("a sequence-to-sequence model has no chat template")
	}
	return tok.Encode(prompt, true), nil
}

// targetSampling is s, for a sequence-to-sequence model with what its generation_config.json says besides: beams,
// lengths, forced and forbidden tokens. Sampled texts have no beams.
func targetSampling(m *model.Model, s model.GenerationConfig) (model.GenerationConfig, error) {
	if m.Head().Kind != head.Seq2SeqLM {
		return s, nil
	}
	own, err := m.GenerationConfig()
	if err != nil {
		return s, err
	}
	own.Temperature, own.TopK, own.TopP, own.Seed = s.Temperature, s.TopK, s.TopP, s.Seed
	own.EOSTokenIDs, own.Adapter = s.EOSTokenIDs, s.Adapter
	if s.MaxNewTokens > 0 {
		own.MaxNewTokens = s.MaxNewTokens
	}
	if s.Temperature > 0 {
		own.NumBeams = 0
	}
	return own, nil
}

// EncodePrompt makes the tokens of a prompt: the text behind the special tokens that the tokenizer puts before one, or
// with chat the user's message in the model's chat template, after the system's message where that is not "".
func EncodePrompt(tok *tokenizer.Tokenizer, prompt string, applyTemplate bool, system string) ([]int32, error) {
	ex := tasks.Example{Source: "prompt", Prompt: prompt}
	switch {
	case prompt == "":
		return nil, errors.New("the prompt is empty")
	case applyTemplate:
		if system != "" {
			ex.Chat = append(ex.Chat, chat.Message{Role: "system", Content: system})
		}
		ex.Chat = append(ex.Chat, chat.Message{Role: "user", Content: prompt})
	case system != "":
		return nil, errors.New("a system message needs the chat template")
	}
	template, err := chatTemplate(tok)
	if err != nil {
		return nil, err
	}
	return tasks.EncodePrompt(tok, template, ex)
}

// textStream decodes tokens as they come. A character may need several tokens: what does not end in a whole one waits.
type textStream struct {
	tok  *tokenizer.Tokenizer
	emit func(string)
	ids  []int32
	text string // given out
}

func (w *textStream) add(id int32) {
	w.ids = append(w.ids, id)
	text := w.tok.Decode(w.ids, true)
	if r, _ := utf8.DecodeLastRuneInString(text); r != utf8.RuneError {
		w.give(text)
	}
}

// end gives out what is left.
func (w *textStream) end() { w.give(w.tok.Decode(w.ids, true)) }

func (w *textStream) give(text string) {
	if more, ok := strings.CutPrefix(text, w.text); ok && more != "" && w.emit != nil {
		w.emit(more)
	}
	w.text = text
}
