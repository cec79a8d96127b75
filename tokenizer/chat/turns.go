package chat

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/jinja"
)

// turns finds the turns of the assistant in the text of a conversation, but for those that are skipped.
func (v *conversation) turns(skipped []bool) ([]turn, error) {
	var all []turn
	done := 0
	for i, m := range v.views {
		if m.values["role"] != "assistant" || skipped[i] {
			continue
		}
		parts := v.turn(i, done)
		if parts == nil {
			return nil, fmt.Errorf("chat: message %d: %w", i, ErrTurnNotFound)
		}
		if !v.holds(i, parts) {
			return nil, notShown(i)
		}
		all, done = append(all, parts...), parts[len(parts)-1].end
	}
	return all, nil
}

func notShown(i int) error {
	return fmt.Errorf("chat: message %d: the chat template shows nothing of what it says: %w", i, ErrTurnNotFound)
}

// turn finds message i after position from: one part, or several where the template prints other messages, such as the
// results of tools, within a turn. nil says that it is not found.
func (v *conversation) turn(i, from int) []turn {
	before, startOK := v.prefix(i, true)
	after, endOK := v.prefix(i+1, false)
	startOK = startOK && len(before) >= from
	if startOK && endOK && len(after) >= len(before) {
		start := len(before) + v.repeated(i, len(before))
		return []turn{{i, start, max(start, v.withoutPrompt(len(after)))}}
	}
	parts := v.printedTurn(i)
	if parts == nil {
		return nil
	}
	first, last := &parts[0], &parts[len(parts)-1]
	if startOK && len(before) <= first.end {
		first.start = len(before)
	}
	if endOK && len(after) >= last.start {
		last.end = max(last.start, v.withoutPrompt(len(after)))
	}
	if first.start < from || first.end < first.start || last.end < last.start {
		return nil
	}
	return parts
}

// repeated is how much of the text at a place repeats a generation prompt. Some templates have no prompt after the result
// of a tool, but begin the turn that follows it with one.
func (v *conversation) repeated(i, at int) int {
	if i == 0 || v.views[i-1].values["role"] == "user" {
		return 0
	}
	for _, prompt := range v.generationPrompts() {
		if strings.HasPrefix(v.trace.Text[at:], prompt) {
			return len(prompt)
		}
	}
	return 0
}

// prefix renders the first n messages. ok says that the whole text begins with that.
func (v *conversation) prefix(n int, prompt bool) (text string, ok bool) {
	opts := v.opts
	opts.AddGenerationPrompt = prompt
	trace, err := v.c.render(v.views[:n], opts)
	return trace.Text, err == nil && strings.HasPrefix(v.trace.Text, trace.Text)
}

// printedTurn finds message i by what the template's loop printed for it; if no loop did, by what follows the messages
// before it, or by where the text changes with the message.
func (v *conversation) printedTurn(i int) []turn {
	if parts := printed(v.trace, i); parts != nil {
		parts[0].start += v.header(i, v.trace.Text[parts[0].start:parts[0].end])
		return parts
	}
	whole := v.trace.Text
	if before, ok := v.prefix(i, false); ok && i+1 == len(v.views) {
		return []turn{{i, len(before) + v.header(i, whole[len(before):]), len(whole)}}
	}
	start, end, ok := v.changed(i)
	if !ok {
		return nil
	}
	// What follows the message when it is the last one, and also follows it here, ends the turn.
	last := &conversation{c: v.c, views: v.views[:i+1], opts: v.opts}
	var err error
	if last.trace, err = v.c.render(last.views, v.opts); err == nil {
		if _, at, ok := last.changed(i); ok {
			end += commonPrefix(whole[end:], last.trace.Text[at:])
		}
	}
	return []turn{{i, start, end}}
}

// printed is what a loop printed for message i, without what it printed there for other messages.
func printed(trace jinja.Trace, i int) []turn {
	var longest jinja.ItemRange
	for _, r := range trace.Items {
		if r.Item == i && r.End-r.Start > longest.End-longest.Start {
			longest = r
		}
	}
	if longest.Start == longest.End {
		return nil
	}
	var parts []turn
	at := longest.Start
	for _, r := range trace.Items {
		if r.Item != i && longest.Start <= r.Start && r.End <= longest.End && r.End-r.Start < longest.End-longest.Start {
			if at < r.Start {
				parts = append(parts, turn{i, at, r.Start})
			}
			at = max(at, r.End)
		}
	}
	if at < longest.End {
		parts = append(parts, turn{i, at, longest.End})
	}
	return parts
}

// turnProbe takes the place of a content, to find where the template puts it.
const turnProbe = "\ue000\uf8ff\ue000"

// probed renders the conversation with the probe as all that message i says.
func (v *conversation) probed(i int) (jinja.Trace, error) {
	m := &OrderedMap{}
	for _, k := range v.views[i].keys {
		if k != "content" && k != "tool_calls" && !slices.Contains(reasoningNames, k) {
			m.Set(k, v.views[i].values[k])
		}
	}
	m.Set("content", turnProbe)
	views := slices.Clone(v.views)
	views[i] = m
	return v.c.render(views, v.opts)
}

// changed is the range of the text that changes with what message i says.
func (v *conversation) changed(i int) (start, end int, ok bool) {
	trace, err := v.probed(i)
	if err != nil || strings.Count(trace.Text, turnProbe) != 1 {
		return 0, 0, false
	}
	before, after, _ := strings.Cut(trace.Text, turnProbe)
	start, end = len(before), len(v.trace.Text)-len(after)
	return start, end, start <= end && strings.HasPrefix(v.trace.Text, before) && strings.HasSuffix(v.trace.Text, after)
}

// opensReasoning matches what a generation prompt has to begin the reasoning of an answer.
var opensReasoning = regexp.MustCompile(`(?i)<[^<>\s]*think[^<>\s]*>|\[think\]|<\|channel>`)

// header is how much of message i, as the template's loop prints it, belongs to the prompt. If the text does not begin
// with the whole of a generation prompt, that is the part before the reasoning that they share: a later turn has no
// reasoning where the prompt opens it, or has it empty. Before it, a template may close the results of tools.
func (v *conversation) header(i int, text string) int {
	most := 0
	for _, prompt := range v.generationPrompts() {
		if strings.HasPrefix(text, prompt) {
			most = max(most, len(prompt))
			continue
		}
		if at := opensReasoning.FindStringIndex(prompt); at != nil {
			prompt = prompt[:at[0]]
		}
		at := strings.Index(text[:v.begins(i, text)], prompt)
		if n := commonPrefix(prompt, text); at < 0 || !strings.ContainsAny(prompt, "<[") {
			at, prompt = 0, prompt[:strings.LastIndexAny(prompt[:n], "\n>]:")+1] // the content may begin like the prompt
		}
		most = max(most, at+len(prompt))
	}
	return most
}

// begins is where a text has the first of what message i says.
func (v *conversation) begins(i int, text string) int {
	first := len(text)
	reasoning, _ := v.views[i].values["reasoning_content"].(string)
	for _, said := range append(calledNames(v.views[i]), answer(v.views[i]), strings.TrimSpace(reasoning)) {
		if at := strings.Index(text, said); said != "" && at >= 0 {
			first = min(first, at)
		}
	}
	return first
}

// generationPrompts are what the template adds before the turns of the assistant to begin an answer.
func (v *conversation) generationPrompts() []string {
	if v.prompts != nil {
		return v.prompts
	}
	v.prompts = []string{}
	opts := v.opts
	opts.AddGenerationPrompt = true
	for i, m := range v.views {
		if m.values["role"] != "assistant" {
			continue
		}
		with, err := v.c.render(v.views[:i], opts)
		if err != nil {
			continue
		}
		without, _ := v.prefix(i, false)
		at := commonPrefix(with.Text, without)
		if at == len(with.Text) {
			at = loopEnd(with) // a template that always adds the prompt does so after its loop
		}
		if p := with.Text[at:]; strings.TrimSpace(p) != "" && !slices.Contains(v.prompts, p) {
			v.prompts = append(v.prompts, p)
		}
	}
	return v.prompts
}

// loopEnd is where the last of what loops printed for messages ends.
func loopEnd(trace jinja.Trace) int {
	end := 0
	for _, r := range trace.Items {
		end = max(end, r.End)
	}
	return end
}

// withoutPrompt is where the text ends, less a generation prompt that the template adds although none is wanted.
func (v *conversation) withoutPrompt(end int) int {
	at := loopEnd(v.trace)
	if tail := v.trace.Text[at:]; at > 0 && end == len(v.trace.Text) && strings.TrimSpace(tail) != "" && slices.Contains(v.generationPrompts(), tail) {
		return at
	}
	return end
}

// holds says whether parts of the text have something of what message i says. They need not have all: templates drop
// reasoning, and some the content beside a tool call.
func (v *conversation) holds(i int, parts []turn) bool {
	said := slices.DeleteFunc(append(calledNames(v.views[i]), answer(v.views[i])), func(s string) bool { return s == "" })
	if len(said) == 0 {
		return true
	}
	for _, p := range parts {
		if slices.ContainsFunc(said, func(s string) bool { return strings.Contains(v.trace.Text[p.start:p.end], s) }) {
			return true
		}
	}
	if answer(v.views[i]) == "" {
		return false
	}
	trace, err := v.probed(i) // the template may rewrite the content
	return err == nil && slices.ContainsFunc(printed(trace, i), func(t turn) bool { return strings.Contains(trace.Text[t.start:t.end], turnProbe) })
}

// answer is the content of a message without reasoning.
func answer(m *OrderedMap) string {
	content, ok := m.values["content"].(string)
	if !ok {
		content = partsText(m.values["content"])
	}
	if _, rest, found := strings.Cut(content, "</think>"); found {
		content = rest
	}
	return strings.TrimSpace(content)
}

// calledNames are the names of the functions that a message calls.
func calledNames(m *OrderedMap) []string {
	var names []string
	calls, _ := m.values["tool_calls"].([]any)
	for _, c := range calls {
		call, _ := c.(*OrderedMap)
		if call == nil {
			continue
		}
		if f, ok := call.values["function"].(*OrderedMap); ok {
			call = f
		}
		name, _ := call.values["name"].(string)
		names = append(names, name)
	}
	return names
}

// commonPrefix is the length of the whole characters that two texts begin with.
func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return n
}
