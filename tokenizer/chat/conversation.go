package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jinja"
)

// conversation is messages in the form that a template takes, and their text.
type conversation struct {
	c     *Template
	views []*OrderedMap // the messages as the template sees them
	opts  Options
	trace jinja.Trace // of all messages

	prompts []string // what begins an answer; nil: not looked for yet
}

// conversation renders messages. If the template does not take them as they are, it gets them in another form.
func (c *Template) conversation(messages []Message, opts Options) (*conversation, error) {
	v := &conversation{c: c, opts: opts, views: make([]*OrderedMap, len(messages))}
	for i := range messages {
		m, err := messages[i].object()
		if err != nil {
			return nil, fmt.Errorf("chat: message %d: %w", i, err)
		}
		v.views[i] = seen(m)
	}
	var err error
	v.trace, err = c.render(v.views, opts)
	if e := (*TemplateError)(nil); err != nil && !errors.As(err, &e) {
		return nil, err
	}
	if f := formFor(v.views, v.trace.Text, err != nil); f != (form{}) {
		views := make([]*OrderedMap, len(v.views))
		for i, m := range v.views {
			views[i] = f.apply(m)
		}
		trace, again := c.render(views, opts)
		if again == nil && (!f.parts || strings.Contains(trace.Text, longestText(v.views))) {
			v.views, v.trace, err = views, trace, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// reasoningNames are the keys under which a message may have its reasoning. The first that is set counts.
var reasoningNames = []string{"reasoning_content", "thinking", "reasoning"}

// seen returns a message as transformers 5 shows it to templates: without nulls, and with its reasoning under two names.
func seen(m *OrderedMap) *OrderedMap {
	out := &OrderedMap{}
	var reasoning any
	for _, name := range slices.Backward(reasoningNames) {
		if v := m.values[name]; v != nil {
			reasoning = v
		}
	}
	if reasoning != nil {
		out.Set("thinking", reasoning)
	}
	for _, k := range m.keys {
		if v := m.values[k]; v != nil {
			out.Set(k, v)
		}
	}
	if reasoning != nil {
		out.Set("reasoning_content", reasoning)
	}
	return out
}

// form says how messages must change for a template that does not take them as they are.
type form struct {
	empty bool // a message without a content, such as one of tool calls alone, has an empty one
	text  bool // a content that is a list of parts becomes the text of its parts
	parts bool // a content that is a text becomes a list of one part
	calls bool // the arguments of a tool call that are the text of a JSON object become that object
}

// formFor looks at what a template made of messages: at its text, or at its failure.
func formFor(views []*OrderedMap, text string, failed bool) form {
	var f form
	for _, m := range views {
		f.empty = f.empty || failed && m.values["content"] == nil
		if content, ok := m.values["content"].([]any); ok {
			f.text = f.text || failed || len(content) > 0 && showsParts(content, text)
		}
		eachArguments(m, func(arguments string) any {
			quoted, err := json.Marshal(arguments)
			f.calls = f.calls || failed || !strings.Contains(text, arguments) || err == nil && strings.Contains(text, string(quoted))
			return arguments
		})
	}
	f.parts = !failed && !strings.Contains(text, longestText(views))
	return f
}

// longestText is the longest content that is a text, without reasoning, which templates drop; a short one may be in a
// rendering by chance.
func longestText(views []*OrderedMap) string {
	longest := ""
	for _, m := range views {
		s, _ := m.values["content"].(string)
		if _, rest, found := strings.Cut(s, "</think>"); found {
			s = rest
		}
		if s = strings.TrimSpace(s); len(s) > len(longest) {
			longest = s
		}
	}
	return longest
}

// showsParts says whether a template printed a list of parts as Python or JSON would.
func showsParts(parts []any, text string) bool {
	for _, part := range parts {
		p, ok := part.(*OrderedMap)
		if !ok {
			continue
		}
		if s, ok := p.values["text"].(string); ok && !strings.Contains(text, strings.TrimSpace(s)) {
			return true
		}
	}
	return strings.Contains(text, "{'type': '") || strings.Contains(text, `{"type": "text"`)
}

// eachArguments calls f for the arguments of each tool call that are the text of a JSON object, and returns the tool
// calls with what f returns in their place.
func eachArguments(m *OrderedMap, f func(arguments string) any) []any {
	calls, _ := m.values["tool_calls"].([]any)
	out := slices.Clone(calls)
	for i := range out {
		call, ok := out[i].(*OrderedMap)
		if !ok {
			continue
		}
		out[i] = changed(call, f)
		if function, ok := call.values["function"].(*OrderedMap); ok {
			out[i] = call.with("function", changed(function, f))
		}
	}
	return out
}

func changed(function *OrderedMap, f func(string) any) *OrderedMap {
	if s, ok := function.values["arguments"].(string); ok {
		if v, err := decodeObject([]byte(s)); err == nil && v != nil {
			return function.with("arguments", f(s))
		}
	}
	return function
}

// apply changes a message.
func (f form) apply(m *OrderedMap) *OrderedMap {
	switch content := m.values["content"].(type) {
	case nil:
		if f.empty {
			m = m.with("content", "")
		}
	case []any:
		if f.text {
			m = m.with("content", partsText(content))
		}
	case string:
		if f.parts {
			part := &OrderedMap{}
			part.Set("type", "text")
			part.Set("text", content)
			m = m.with("content", []any{part})
		}
	}
	if f.calls && m.values["tool_calls"] != nil {
		m = m.with("tool_calls", eachArguments(m, func(arguments string) any {
			v, _ := decodeObject([]byte(arguments))
			return v
		}))
	}
	return m
}
