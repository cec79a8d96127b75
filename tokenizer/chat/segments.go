package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Segment is a part of a rendered conversation.
type Segment struct {
	Text string
	// Assistant says that the assistant writes this, and that it is to be learned: a part that the template marks with
	// {% generation %}, or else the text from the end of the prompt to the end of the turn, with the token that ends the
	// turn. A message with "train": false or "weight": 0 is not to be learned.
	Assistant bool
	// Message is the index of the message that the assistant writes here, or -1.
	Message int
}

// Segments renders a conversation in parts that add up to what Render returns.
//
// Where the template has {% generation %} tags, they say what the assistant writes. Otherwise a turn begins where the
// rendering of the messages before it, with the generation prompt, ends. It ends where the rendering up to and including
// its message ends. That does not hold where a template renders a turn differently once there are later ones (without
// its reasoning, say). The turn is then what the template's loop prints for the message, without the generation prompt.
// If a turn is not found, or has nothing of what its message says, the error is ErrTurnNotFound.
func (c *Template) Segments(messages []Message, opts Options) ([]Segment, error) {
	v, err := c.conversation(messages, opts)
	if err != nil {
		return nil, err
	}
	skipped := make([]bool, len(messages))
	for i, m := range messages {
		learned, err := m.Learned()
		if err != nil {
			return nil, fmt.Errorf("chat: message %d: %w", i, err)
		}
		skipped[i] = m.Role == "assistant" && !learned
	}
	find := v.turns
	if c.HasGeneration() {
		find = v.generated
	}
	found, err := find(skipped)
	if err != nil {
		return nil, err
	}
	return cut(v.trace.Text, found), nil
}

// cut cuts a text into its turns and what lies between them.
func cut(text string, turns []turn) []Segment {
	var out []Segment
	done := 0
	for _, t := range turns {
		if done < t.start {
			out = append(out, Segment{text[done:t.start], false, -1})
		}
		if t.start < t.end {
			out = append(out, Segment{text[t.start:t.end], true, t.message})
		}
		done = t.end
	}
	if done < len(text) {
		out = append(out, Segment{text[done:], false, -1})
	}
	return out
}

// Learned says whether fine-tuning learns a message: it is the assistant's, and neither train nor weight says no. Another
// value of these keys is an error.
func (m *Message) Learned() (bool, error) {
	_, no, err := m.learnedBy()
	return m.Role == "assistant" && no == "", err
}

// Contradicts says whether train and weight of a message contradict each other. It is not learned then.
func (m *Message) Contradicts() bool {
	yes, no, _ := m.learnedBy()
	return yes != "" && no != ""
}

// learnedBy returns the keys that say that a message is learned, and that it is not.
func (m *Message) learnedBy() (yes, no string, err error) {
	for _, key := range []string{"train", "weight"} {
		switch v, _ := m.Extra.Get(key); v {
		case nil:
		case true, 1, int64(1), 1.0:
			yes = key
		case false, 0, int64(0), 0.0:
			no = key
		default:
			b, err := json.Marshal(v)
			return "", "", errors.Join(err, fmt.Errorf("%s is %s; want true or 1 (the message is learned), or false or 0 (it is not)", key, b))
		}
	}
	return yes, no, nil
}

// SaysNothing says whether a message has neither a content but for white space, nor a tool call, nor a reasoning.
func (m *Message) SaysNothing() bool {
	if strings.TrimSpace(m.Content) != "" {
		return false
	}
	for _, key := range append([]string{"tool_calls", "function_call"}, reasoningNames...) {
		switch v, _ := m.Extra.Get(key); v := v.(type) {
		case nil:
		case string:
			if v != "" {
				return false
			}
		case []any:
			if len(v) > 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// turn is a part of a conversation's text that the assistant writes.
type turn struct{ message, start, end int }

// generated are the parts that the template marks, but for those of messages that are skipped.
func (v *conversation) generated(skipped []bool) ([]turn, error) {
	for i, m := range v.views {
		parts := printed(v.trace, i)
		if parts == nil {
			parts = []turn{{i, 0, len(v.trace.Text)}}
		}
		if m.values["role"] == "assistant" && !skipped[i] && !v.holds(i, parts) {
			return nil, notShown(i)
		}
	}
	var all []turn
	for _, g := range v.trace.Generation {
		all = append(all, turn{v.messageAt(g[0], g[1]), g[0], g[1]})
	}
	if !slices.Contains(skipped, true) {
		return all, nil
	}
	if slices.ContainsFunc(all, func(t turn) bool { return t.message < 0 }) {
		return nil, fmt.Errorf("chat: a message is not to be learned, but the template's generation tags do not tell which message they are about: %w", ErrTurnNotFound)
	}
	return slices.DeleteFunc(all, func(t turn) bool { return skipped[t.message] }), nil
}

// messageAt is the message for which a loop printed a range of the text, or -1.
func (v *conversation) messageAt(start, end int) int {
	at := -1
	for _, r := range v.trace.Items { // an inner range comes after the outer one
		if r.Start <= start && end <= r.End {
			at = r.Item
		}
	}
	return at
}
