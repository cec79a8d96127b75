package tokenizer

import (
	"encoding/json"
	"fmt"
	"runtime"
	"time"
)

// ChatTemplate is a parsed Hugging Face chat template, rendered as transformers renders it: Jinja 2 in its
// sandbox with trim_blocks, lstrip_blocks and loop controls on, raise_exception, strftime_now, tojson as
// transformers defines it, and the generation tag without effect. It is safe for concurrent use.
//
// A template comes with a model, so it is not trusted: work, depth and output of a rendering are bounded and
// whatever goes wrong is an error.
type ChatTemplate struct {
	body []jinjaStmt
}

// ChatOptions are what a template sees besides the messages.
type ChatOptions struct {
	AddGenerationPrompt bool             // end with what opens the assistant's next turn
	Tools               json.RawMessage  // a list of JSON schemas of functions; nil: none
	BOS, EOS            string           // bos_token and eos_token; empty: not defined
	Now                 func() time.Time // the clock of strftime_now; nil: time.Now
	Extra               OrderedMap       // further variables: documents, enable_thinking, date_string …
}

// ParseChat parses the text of a chat template.
func ParseChat(template string) (c *ChatTemplate, err error) {
	defer func() { err = jinjaRecover(recover(), err) }()
	return &ChatTemplate{body: jinjaParse(template)}, nil
}

// Render renders a conversation.
func (c *ChatTemplate) Render(messages []Message, opts ChatOptions) (string, error) {
	list := make([]any, len(messages))
	for i := range messages {
		m, err := messages[i].object()
		if err != nil {
			return "", err
		}
		list[i] = m
	}
	vars := map[string]any{"messages": list, "tools": nil, "documents": nil, "add_generation_prompt": opts.AddGenerationPrompt}
	if opts.BOS != "" {
		vars["bos_token"] = opts.BOS
	}
	if opts.EOS != "" {
		vars["eos_token"] = opts.EOS
	}
	if len(opts.Tools) > 0 {
		tools, err := decodeOrdered(opts.Tools)
		if err != nil {
			return "", fmt.Errorf("tokenizer: the tools of a chat: %w", err)
		}
		vars["tools"] = tools
	}
	for _, k := range opts.Extra.keys {
		vars[k] = opts.Extra.values[k]
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	return jinjaRender(c.body, vars, now)
}

// jinjaError is what the parser and the interpreter panic with.
type jinjaError struct{ text string }

func (e jinjaError) Error() string { return e.text }

// jinjaRecover turns a recovered panic into an error.
func jinjaRecover(r any, err error) error {
	switch r := r.(type) {
	case nil:
		return err
	case jinjaError:
		return fmt.Errorf("tokenizer: chat template: %w", r)
	case runtime.Error:
		return fmt.Errorf("tokenizer: chat template: internal error: %w", r)
	default:
		return fmt.Errorf("tokenizer: chat template: internal error: %v", r)
	}
}
