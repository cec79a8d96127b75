package chat

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/internal/jinja"
)

// Template is a parsed Hugging Face chat template, rendered as transformers renders it: Jinja 2 in its
// sandbox with trim_blocks, lstrip_blocks and loop controls on, raise_exception, strftime_now, tojson as
// transformers defines it, and the generation tag without effect. It is safe for concurrent use.
//
// A template comes with a model, so it is not trusted: work, depth and output of a rendering are bounded and
// whatever goes wrong is an error.
type Template struct {
	template *jinja.Template
}

// Options are what a template sees besides the messages.
type Options struct {
	AddGenerationPrompt bool             // end with what opens the assistant's next turn
	Tools               json.RawMessage  // a list of JSON schemas of functions; nil: none
	BOS, EOS            string           // bos_token and eos_token; empty: not defined
	Now                 func() time.Time // the clock of strftime_now; nil: time.Now
	Extra               OrderedMap       // further variables: documents, enable_thinking, date_string …
}

// ParseTemplate parses the text of a chat template.
func ParseTemplate(template string) (*Template, error) {
	t, err := jinja.Parse(template)
	if err != nil {
		return nil, templateError(err)
	}
	return &Template{t}, nil
}

// Render renders a conversation.
func (c *Template) Render(messages []Message, opts Options) (string, error) {
	list := make([]any, len(messages))
	for i := range messages {
		m, err := messages[i].object()
		if err == nil {
			list[i], err = plain(m)
		}
		if err != nil {
			return "", fmt.Errorf("chat: message %d: %w", i, err)
		}
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
			return "", fmt.Errorf("chat: tools: %w", err)
		}
		vars["tools"] = tools
	}
	for _, k := range opts.Extra.keys {
		v, err := plain(opts.Extra.values[k])
		if err != nil {
			return "", fmt.Errorf("chat: variable %s: %w", k, err)
		}
		vars[k] = v
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	text, err := c.template.Render(vars, now)
	if err != nil {
		return "", templateError(err)
	}
	return text, nil
}

// plain is a value as templates take it; one of another Go type goes by its JSON.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int, int64, float64, json.Number:
		return v, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	case *OrderedMap:
		m := &OrderedMap{}
		for _, k := range v.keys {
			item, err := plain(v.values[k])
			if err != nil {
				return nil, err
			}
			m.Set(k, item)
		}
		return m, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decodeOrdered(data)
}
