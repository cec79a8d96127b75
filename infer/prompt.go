package infer

import (
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// PromptOptions says how the text of a prompt is put.
type PromptOptions struct {
	// Chat puts the text as the user's message into the model's chat template, after System where that is not "".
	Chat   bool
	System string
}

// EncodePrompt makes the tokens of a prompt: of a sequence-to-sequence model the source, with its special tokens, else those
// of the function of that name.
func (s *Session) EncodePrompt(text string, p PromptOptions) ([]int32, error) {
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
func EncodePrompt(tok *tokenizer.Tokenizer, text string, p PromptOptions) ([]int32, error) {
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
