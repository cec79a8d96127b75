package tasks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/tokenizer/chat"
)

// conversation makes a row of a conversation: its text as the model's template writes it, tokenised as a whole.
func (e *encoder) conversation(ex Example) (Features, error) {
	parts, err := e.render(ex, false)
	if err != nil {
		return Features{}, err
	}
	var text strings.Builder
	var scored [][2]int
	at := 0
	for _, p := range parts {
		text.WriteString(p.Text)
		n := utf8.RuneCountInString(p.Text)
		if p.Assistant {
			scored = append(scored, [2]int{at, at + n})
		}
		at += n
	}
	e.noteUnshown(ex, text.String())
	for _, m := range ex.Chat {
		if learned, err := m.Learned(); err == nil && learned && m.SaysNothing() {
			e.remark(ex.Source, emptyAnswer)
		}
		if m.Contradicts() {
			e.remark(ex.Source, contradiction)
		}
	}
	enc := e.tok.EncodePlus(text.String(), false)
	var row Features
	for i, in := range overlaps(enc.Offsets, scored) {
		row.append(enc.IDs[i:i+1], in)
	}
	e.countEnds([]rune(text.String()), enc.IDs, enc.Offsets, scored)
	return row, nil
}

// countEnds counts the tokens in which the assistant's turns end, but for white space.
func (e *encoder) countEnds(text []rune, ids []int32, offsets, turns [][2]int) {
	i := 0
	for _, turn := range turns {
		last := int32(-1)
		for ; i < len(ids) && offsets[i][0] < turn[1]; i++ {
			from, to := max(offsets[i][0], turn[0]), min(offsets[i][1], turn[1])
			if from < to && to <= len(text) && strings.TrimSpace(string(text[from:to])) != "" {
				last = ids[i]
			}
		}
		if last >= 0 {
			e.counts.notes().Ends[last]++
		}
	}
}

// render is a conversation as the model's template writes it. With generate it ends where a turn of the assistant
// begins.
func (e *encoder) render(ex Example, generate bool) ([]chat.Segment, error) {
	if e.template == nil {
		return nil, fmt.Errorf("%s: chat messages need a chat template, and the model has none; chat_template gives it one", ex.Source)
	}
	opts := chat.Options{AddGenerationPrompt: generate, Tools: ex.Tools, Extra: ex.TemplateArgs, BOS: e.bos, EOS: e.eos}
	parts, err := e.template.Segments(e.withoutDoubles(ex, opts), opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ex.Source, err)
	}
	return parts, nil
}

// withoutDoubles takes the tokens that begin and end a sequence off the messages, if the template writes them itself.
func (e *encoder) withoutDoubles(ex Example, opts chat.Options) []chat.Message {
	messages := ex.Chat
	for _, end := range []struct {
		token string
		cut   func(text, token string) string
		last  bool
	}{{e.bos, trimStarts, false}, {e.eos, trimEnds, true}} {
		if end.token == "" {
			continue
		}
		cut, changed := slices.Clone(messages), false
		for i := range cut {
			was := cut[i].Content
			cut[i].Content = end.cut(was, end.token)
			if cut[i].Content != was {
				changed = true
				cut[i].Parts = cutParts(cut[i].Parts, end.last, func(text string) string { return end.cut(text, end.token) })
			}
		}
		if changed && e.writes(cut, opts, end.token) {
			messages = cut
			e.remark(ex.Source, doubleToken)
		}
	}
	return messages
}

// cutParts changes the text of the first or the last of a content's parts.
func cutParts(raw json.RawMessage, last bool, cut func(string) string) json.RawMessage {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil || len(parts) == 0 {
		return raw
	}
	i := 0
	if last {
		i = len(parts) - 1
	}
	var part map[string]any
	if json.Unmarshal(parts[i], &part) != nil {
		return raw
	}
	if text, ok := part["text"].(string); ok {
		part["text"] = cut(text)
		parts[i], _ = json.Marshal(part) // it was JSON before
		raw, _ = json.Marshal(parts)
	}
	return raw
}

// writes says whether the template writes a token around messages.
func (e *encoder) writes(messages []chat.Message, opts chat.Options, token string) bool {
	parts, err := e.template.Segments(messages, opts)
	return err == nil && slices.ContainsFunc(parts, func(p chat.Segment) bool { return strings.Contains(p.Text, token) })
}
