package chat

import (
	"fmt"
	"regexp"
	"strings"
)

// Segment is a part of a rendered conversation.
type Segment struct {
	Text string
	// Assistant says that the assistant writes this: the text from the end of the prompt to the end of the turn, with
	// the token that ends the turn.
	Assistant bool
}

// Segments renders a conversation in parts that add up to what Render returns.
//
// A turn of the assistant begins where the rendering of the messages before it, with the generation prompt, ends. It
// ends where the rendering up to and including its message ends. This fails with a template that renders a turn
// differently once there are later ones (that drops its reasoning, say). The turn is then found by its content, and by
// the marker that follows. If that fails, too, the error is ErrTurnNotFound.
func (c *Template) Segments(messages []Message, opts Options) ([]Segment, error) {
	whole, err := c.Render(messages, opts)
	if err != nil {
		return nil, err
	}
	f := &turnFinder{c: c, messages: messages, opts: opts, whole: whole}
	var out []Segment
	add := func(text string, assistant bool) {
		if text != "" {
			out = append(out, Segment{text, assistant})
		}
	}
	done := 0
	for i, m := range messages {
		if m.Role != "assistant" {
			continue
		}
		start, end, ok := f.turn(i, done)
		if _, answer := f.said(i); !ok || start == end && answer != "" {
			return nil, fmt.Errorf("chat: message %d: %w", i, ErrTurnNotFound)
		}
		add(whole[done:start], false)
		add(whole[start:end], true)
		done = end
	}
	add(whole[done:], false)
	return out, nil
}

// turnFinder looks for assistant turns in the text of a whole conversation.
type turnFinder struct {
	c        *Template
	messages []Message
	opts     Options
	whole    string
}

// prefix renders the first n messages. ok says that the whole text begins with that.
func (f *turnFinder) prefix(n int, prompt bool) (text string, ok bool) {
	opts := f.opts
	opts.AddGenerationPrompt = prompt
	text, err := f.c.Render(f.messages[:n], opts)
	return text, err == nil && strings.HasPrefix(f.whole, text)
}

// turn finds message i after position from.
func (f *turnFinder) turn(i, from int) (start, end int, ok bool) {
	before, startOK := f.prefix(i, true)
	after, endOK := f.prefix(i+1, false)
	start, end = len(before), len(after)
	if startOK = startOK && start >= from; startOK && endOK && end >= start {
		return start, end, true
	}
	said, answer := f.said(i)
	turn, found := strings.CutPrefix(after, before) // as it is rendered when it is the last one
	if k := strings.LastIndex(after, answer); !found && k >= 0 {
		turn = after[k:]
	}
	at, stop := start, start
	if answer != "" || !startOK {
		if at, stop, ok = f.content(i, from); !ok || startOK && at < start {
			return 0, 0, false
		}
	}
	_, tail, found := strings.Cut(turn, said)
	if !found {
		_, tail, _ = strings.Cut(turn, answer)
	}
	if !startOK {
		start = at - f.lead(before, f.whole[from:at])
	}
	if !endOK || end < stop {
		end = stop + f.endOfTurn(tail, stop)
	}
	return start, end, true
}

// said returns the content of message i, and what remains of it without reasoning.
func (f *turnFinder) said(i int) (said, answer string) {
	said = strings.TrimSpace(f.messages[i].Content)
	_, answer, found := strings.Cut(said, "</think>")
	if !found {
		answer = said
	}
	return said, strings.TrimSpace(answer)
}

// turnProbe takes the place of a content, to find where the template puts it.
const turnProbe = "\ue000\uf8ff\ue000"

// content finds the text that the content of message i is rendered to.
func (f *turnFinder) content(i, from int) (start, end int, ok bool) {
	said, answer := f.said(i)
	if answer == "" {
		return 0, 0, false
	}
	probed := append([]Message(nil), f.messages...)
	probed[i].Content, probed[i].Parts = turnProbe, nil
	if text, err := f.c.Render(probed, f.opts); err == nil && strings.Count(text, turnProbe) == 1 {
		start = commonPrefix(f.whole, text)
		end = len(f.whole) - (len(text) - strings.Index(text, turnProbe) - len(turnProbe))
		if start >= from && end > start && end <= len(f.whole) && strings.HasSuffix(f.whole, text[len(text)-len(f.whole)+end:]) &&
			strings.Contains(f.whole[start:end], answer) {
			return start, end, true
		}
	}
	for _, want := range []string{said, answer} {
		if k := strings.Index(f.whole[from:], want); k >= 0 {
			return from + k, from + k + len(want), true
		}
	}
	return 0, 0, false
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

var turnMarker = regexp.MustCompile(`(?:<[^<>\n]{1,40}>|\[/?[A-Z_]{1,40}\])\s*`)

// turnNear is how many bytes there may be between a content and the marker before or after it.
const turnNear = 16

// lead returns how many bytes at the end of text, before a content, already belong to the turn: those after the prompt,
// which is the end of before.
func (f *turnFinder) lead(before, text string) (n int) {
	longest := 3 // a shorter match says nothing
	for k := range min(turnNear, len(text)) {
		same := 0
		for end := len(text) - k; same < min(end, len(before)) && text[end-1-same] == before[len(before)-1-same]; {
			same++
		}
		if same > longest {
			longest, n = same, k
		}
	}
	return n
}

// endOfTurn returns how much of the text at stop still belongs to the turn: everything up to and including the marker
// that is also in tail, which is what follows the content when the conversation ends with this turn.
func (f *turnFinder) endOfTurn(tail string, stop int) int {
	rest := f.whole[stop:]
	m := turnMarker.FindStringIndex(tail)
	if m != nil && m[0] <= turnNear {
		marker := strings.TrimSpace(tail[m[0]:m[1]])
		if k := strings.Index(rest, marker); k >= 0 && k <= turnNear {
			k += len(marker)
			return k + commonPrefix(rest[k:], tail[m[0]+len(marker):m[1]])
		}
	}
	if eos := f.opts.EOS; eos != "" {
		if k := len(rest) - len(strings.TrimLeft(rest, " \n")); strings.HasPrefix(rest[k:], eos) {
			return k + len(eos)
		}
	}
	return 0
}
