package tasks

import (
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// UnusedField is a field of the data that says something of its record, and is not used.
type UnusedField struct {
	Name string
	// Source is the first record that has it, as "file:line".
	Source string
}

// noteUnused notes fields that are not used, each once.
func (e *encoder) noteUnused(source string, fields ...string) {
	for _, name := range fields {
		if !e.noted(name) {
			notes := e.counts.notes()
			notes.Unused = append(notes.Unused, UnusedField{name, source})
		}
	}
}

// noted says whether a field is noted as not used.
func (e *encoder) noted(name string) bool {
	return slices.ContainsFunc(e.counts.notes().Unused, func(u UnusedField) bool { return u.Name == name })
}

// bookkeeping are names of fields that say where a record comes from, or how it was sorted.
var bookkeeping = []string{
	"id", "idx", "index", "uid", "uuid", "hash", "row", "source", "origin", "dataset", "subset", "split", "file", "url", "link", "license",
	"title", "category", "categories", "topic", "topics", "tag", "tags", "task", "type", "kind", "domain", "subject", "lang", "language", "languages",
	"score", "scores", "rating", "quality", "difficulty", "length", "len", "tokens", "turns", "turn", "timestamp", "time", "date", "created",
	"created_at", "updated_at", "model", "generator", "author", "annotator", "user", "meta", "metadata", "info", "extra_info", "comment", "note", "notes",
}

// isBookkeeping says whether a field tells nothing of what is to be learned.
func isBookkeeping(name string) bool {
	name = strings.ToLower(name)
	if slices.Contains(bookkeeping, name) || strings.HasPrefix(name, "_") {
		return true
	}
	for _, affix := range []string{"num_", "n_", "is_", "has_"} {
		if strings.HasPrefix(name, affix) {
			return true
		}
	}
	for _, affix := range []string{"_id", "_idx", "_index", "_name", "_hash", "_url", "_score", "_tokens", "_length", "_len", "_count", "_at", "_model", "_source"} {
		if strings.HasSuffix(name, affix) {
			return true
		}
	}
	return false
}

// unusedFields are the fields of a record that are not among those used, and say something.
func unusedFields(o data.Object, used ...string) []string {
	var unused []string
	for name, raw := range o {
		if !slices.Contains(used, name) && !isBookkeeping(name) && !isEmpty(raw) {
			unused = append(unused, name)
		}
	}
	slices.Sort(unused)
	return unused
}

// isEmpty says whether a JSON value says nothing.
func isEmpty(raw []byte) bool {
	return slices.Contains([]string{"null", `""`, "[]", "{}"}, string(raw))
}

// noteUnshown notes the fields of a conversation that its text has nothing of.
func (e *encoder) noteUnshown(ex Example, text string) {
	if len(ex.Tools) > 0 && !e.noted("tools") && !e.showsTools(ex, text) {
		e.noteUnused(ex.Source, "tools")
	}
	source, _ := e.template.(interface{ Mentions(name string) bool })
	for _, m := range ex.Chat {
		for _, key := range m.Extra.Keys() {
			v, _ := m.Extra.Get(key)
			said, known := saidIn(key, v)
			if known && !containsAny(text, said) || !known && v != nil && !isBookkeeping(key) && source != nil && !source.Mentions(key) {
				e.noteUnused(ex.Source, key)
			}
		}
		if calls, _ := m.Extra.Get("tool_calls"); calls != nil && m.Content != "" && !strings.Contains(text, strings.TrimSpace(m.Content)) {
			e.noteUnused(ex.Source, "content beside tool_calls")
		}
	}
}

// showsTools says whether the text of a conversation differs from that without its tools. Their names alone do not tell: tool
// calls have them too.
func (e *encoder) showsTools(ex Example, text string) bool {
	if e.toolsShown { // by the template, for an earlier record
		return true
	}
	ex.Tools = nil
	parts, err := e.render(ex, false)
	var without strings.Builder
	for _, p := range parts {
		without.WriteString(p.Text)
	}
	e.toolsShown = err != nil || without.String() != text
	return e.toolsShown
}

// saidIn is what a key of a message lets the text have; known is false for keys of which only the template knows.
func saidIn(key string, v any) (said []string, known bool) {
	switch key {
	case "train", "weight":
		return nil, true
	case "tool_calls":
		return callNames(v), true
	case "reasoning_content", "thinking", "reasoning":
		s, ok := v.(string)
		return []string{strings.TrimSpace(s)}, ok
	}
	return nil, false
}

// containsAny says whether a text has one of some parts, or there is none to have.
func containsAny(text string, parts []string) bool {
	return len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}

// callNames are the names of functions in a list of tools or of tool calls.
func callNames(v any) []string {
	var names []string
	list, _ := v.([]any)
	for _, item := range list {
		call, ok := item.(*chat.OrderedMap)
		if !ok {
			continue
		}
		if f, ok := call.Get("function"); ok {
			if function, ok := f.(*chat.OrderedMap); ok {
				call = function
			}
		}
		if name, ok := call.Get("name"); ok {
			if s, ok := name.(string); ok {
				names = append(names, s)
			}
		}
	}
	return names
}
