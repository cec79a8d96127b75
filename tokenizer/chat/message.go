package chat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Message is one message of a conversation.
type Message struct {
	Role string // "system", "user", "assistant", "tool" …
	// Content is the text. If the content is a list of parts, it is the text of its text parts, joined.
	Content string
	// Parts is a content that is not a string: a list of parts, or null. If it is set, templates see it instead of
	// Content.
	Parts json.RawMessage
	// Extra has the other keys: tool_calls, name, reasoning_content …
	Extra OrderedMap

	keys []string // all keys, in the order in which they were decoded
}

// UnmarshalJSON decodes a message, and keeps the order of its keys.
func (m *Message) UnmarshalJSON(data []byte) error {
	all, err := decodeObject(data)
	if err != nil {
		return fmt.Errorf("chat: message: %w", err)
	}
	*m = Message{keys: all.keys}
	for _, k := range all.keys {
		v := all.values[k]
		switch s, ok := v.(string); {
		case k == "role" && ok:
			m.Role = s
		case k == "content" && ok:
			m.Content = s
		case k == "content":
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			m.Parts, m.Content = raw, partsText(v)
		default:
			m.Extra.Set(k, v)
		}
	}
	return nil
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (m Message) MarshalJSON() ([]byte, error) {
	all, err := m.object()
	if err != nil {
		return nil, fmt.Errorf("chat: message: %w", err)
	}
	return json.Marshal(all)
}

// object returns the message as templates see it.
func (m *Message) object() (*OrderedMap, error) {
	all := &OrderedMap{}
	set := func(k string) error {
		switch v, ok := m.Extra.Get(k); {
		case ok:
			all.Set(k, v)
		case k == "role":
			all.Set(k, m.Role)
		case k == "content" && m.Parts != nil:
			parts, err := decodeOrdered(m.Parts)
			if err != nil {
				return fmt.Errorf("content: %w", err)
			}
			all.Set(k, parts)
		case k == "content":
			all.Set(k, m.Content)
		}
		return nil
	}
	keys := slices.Clone(m.keys)
	if m.keys == nil || m.Role != "" {
		keys = append(keys, "role")
	}
	if m.keys == nil || m.Content != "" || m.Parts != nil {
		keys = append(keys, "content")
	}
	for _, k := range append(keys, m.Extra.keys...) {
		if err := set(k); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// partsText joins the text parts of a list of parts.
func partsText(v any) string {
	list, _ := v.([]any)
	var b strings.Builder
	for _, part := range list {
		switch p := part.(type) {
		case string:
			b.WriteString(p)
		case *OrderedMap:
			s, _ := p.values["text"].(string)
			b.WriteString(s)
		}
	}
	return b.String()
}
