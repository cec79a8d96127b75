package chat

import (
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/internal/jinja"
)

// ErrTurnNotFound says that Segments cannot tell which part of the rendered conversation an assistant's message is, or
// that the template leaves the message out.
var ErrTurnNotFound = errors.New("the assistant's turn is not found in the rendered conversation")

// TemplateError says what is wrong with a template, or why a template refuses a conversation.
type TemplateError struct {
	// Line is the line of the template, from 1; 0 if the error belongs to no line.
	Line    int
	Message string
	// Raised says that the template called raise_exception: it refuses the conversation (two user messages in a row,
	// say). The template itself is fine.
	Raised bool
}

func (e *TemplateError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// templateError makes a TemplateError of the interpreter's error.
func templateError(err error) error {
	if e := (*jinja.Error)(nil); errors.As(err, &e) {
		err = &TemplateError{e.Line, e.Message, e.Raised}
	}
	return fmt.Errorf("chat: template: %w", err)
}
