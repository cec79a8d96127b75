package infer

import (
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// PromptOptions say how a prompt is built from a text.
type PromptOptions struct {
	// Chat renders the text as the user's message with the model's chat template, after the system message System
	// unless that is "".
	Chat   bool
	System string
}

// EncodePrompt returns the tokens of a prompt as the model needs them: for a sequence-to-sequence model the text with
// its special tokens, otherwise the result of the function EncodePrompt.
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
	return tok.Encode(text, true), tok.Err()
}

// EncodePrompt returns the tokens of a prompt: the special tokens that begin a text and the text, or a conversation
// rendered with the tokenizer's chat template.
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

// ChatTemplate returns the tokenizer's chat template, nil if it has none. Its clock is the tokenizer's.
func ChatTemplate(tok *tokenizer.Tokenizer) (tasks.Template, error) {
	source := tok.ChatTemplate
	if source == "" {
		return nil, nil
	}
	template, err := chat.ParseTemplate(source)
	if err != nil {
		return nil, err
	}
	return template.At(tok.Now), nil
}

// PromptTooLongError is the error for a prompt that leaves no room for an answer.
type PromptTooLongError struct {
	// Source names the prompt, such as by file and line.
	Source string
	// Tokens is the length of the prompt, Max the model's maximum length.
	Tokens, Max int
}

// Error implements error.
func (e *PromptTooLongError) Error() string {
	return fmt.Sprintf("%s: the prompt has %d tokens; the model takes %d, prompt and answer together", e.Source, e.Tokens, e.Max)
}
