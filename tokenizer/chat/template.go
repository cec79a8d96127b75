package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/jinja"
)

// Template is a parsed chat template. It is Jinja 2 as transformers sets it up: in a sandbox, with trim_blocks,
// lstrip_blocks and loop controls on, with raise_exception and strftime_now, with transformers' own tojson, and with a
// generation tag, which says what the assistant writes. Goroutines can share it.
//
// A template comes with a model, so it is not trusted. The work, the depth and the output of a rendering are bounded,
// and whatever goes wrong is an error.
type Template struct {
	template *jinja.Template
	source   string
	now      func() time.Time
}

// Options are what a template sees in addition to the messages. The zero value is a good default.
type Options struct {
	// AddGenerationPrompt ends the text with what begins the assistant's next turn.
	AddGenerationPrompt bool
	// Tools is a list of JSON schemas of functions; nil means none.
	Tools json.RawMessage
	// BOS and EOS are bos_token and eos_token. If empty, the template sees them as undefined.
	BOS, EOS string
	// Now is the clock of strftime_now; nil means the time of At, or else time.Now.
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
	return &Template{t, source, time.Now}, nil
}

// At is the template with another time for strftime_now than that of a rendering. The zero time changes nothing.
func (c *Template) At(now time.Time) *Template {
	if now.IsZero() {
		return c
	}
	return &Template{c.template, c.source, func() time.Time { return now }}
}

// Render returns the text of a conversation. An error of the template, or its refusal of the conversation, is a
// *TemplateError.
//
// Templates see messages as transformers 5 gives them: a key whose value is null is not there, and a message's
// reasoning is there as reasoning_content and as thinking, whichever of reasoning_content, thinking and reasoning it
// came as. Beyond that, a content or the arguments of a tool call get the form that the template takes (see form).
func (c *Template) Render(messages []Message, opts Options) (string, error) {
	v, err := c.conversation(messages, opts)
	if err != nil {
		return "", err
	}
	return v.trace.Text, nil
}

// HasGeneration says whether the template marks what the assistant writes, with {% generation %} tags.
func (c *Template) HasGeneration() bool { return c.template.HasGeneration() }

// Mentions says whether a name stands in the template's source. A key of a message that the source does not mention is
// not used.
func (c *Template) Mentions(name string) bool {
	for rest := c.source; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(name):]
		if !endsInWord(before) && !beginsWithWord(after) {
			return true
		}
		rest = after
	}
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func endsInWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isWord(r)
}

func beginsWithWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isWord(r)
}

// variables are what a template sees.
func (c *Template) variables(views []*OrderedMap, opts Options) (map[string]any, error) {
	list := make([]any, len(views))
	for i, m := range views {
		var err error
		if list[i], err = plain(m); err != nil {
			return nil, fmt.Errorf("chat: message %d: %w", i, err)
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
			return nil, fmt.Errorf("chat: tools: %w", err)
		}
		vars["tools"] = tools
	}
	for _, k := range opts.Extra.keys {
		v, err := plain(opts.Extra.values[k])
		if err != nil {
			return nil, fmt.Errorf("chat: variable %s: %w", k, err)
		}
		vars[k] = v
	}
	return vars, nil
}

// render runs the template on messages as it sees them.
func (c *Template) render(views []*OrderedMap, opts Options) (jinja.Trace, error) {
	vars, err := c.variables(views, opts)
	if err != nil {
		return jinja.Trace{}, err
	}
	now := opts.Now
	if now == nil {
		now = c.now
	}
	trace, err := c.template.RenderTraced(vars, now, "messages")
	if err != nil {
		return trace, templateError(err)
	}
	return trace, nil
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
