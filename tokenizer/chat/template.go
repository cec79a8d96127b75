package chat

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/internal/jinja"
)

// Template is a parsed chat template. It is Jinja 2 as transformers sets it up: in a sandbox, with trim_blocks,
// lstrip_blocks and loop controls on, with raise_exception and strftime_now, with transformers' own tojson, and with a
// generation tag that prints what is inside. Goroutines can share it.
//
// A template comes with a model, so it is not trusted. The work, the depth and the output of a rendering are bounded,
// and whatever goes wrong is an error.
type Template struct {
	template *jinja.Template
}

// Options are what a template sees in addition to the messages. The zero value is a good default.
type Options struct {
	// AddGenerationPrompt ends the text with what begins the assistant's next turn.
	AddGenerationPrompt bool
	// Tools is a list of JSON schemas of functions; nil means none.
	Tools json.RawMessage
	// BOS and EOS are bos_token and eos_token. If empty, the template sees them as undefined.
	BOS, EOS string
	// Now is the clock of strftime_now; nil means time.Now.
	Now func() time.Time
	// Extra has further variables: documents, enable_thinking, date_string …
	Extra OrderedMap
}

// ParseTemplate parses the source of a chat template. What is wrong with it is a *TemplateError.
func ParseTemplate(source string) (*Template, error) {
	t, err := jinja.Parse(source)
	if err != nil {
		return nil, templateError(err)
	}
	return &Template{t}, nil
}

// Render returns the text of a conversation. An error of the template, or its refusal of the conversation, is a
// *TemplateError.
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

// plain returns a value as templates take it. A value of another Go type is taken by its JSON.
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
