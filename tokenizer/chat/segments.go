package chat

import (
	"fmt"
	"regexp"
	"strings"
)

// Segment is a piece of a rendered conversation; Assistant marks what the assistant writes: the text from
// behind the prompt of its turn to the end of the turn, the end token included.
type Segment struct {
	Text      string
	Assistant bool
}

// Segments renders a conversation in pieces that concatenate to what Render returns.
//
// A turn begins where the rendering of the messages before it, with the generation prompt, ends, and ends where
// the rendering up to and with its message ends. A template that renders earlier turns differently later on
// (that drops their reasoning, say) breaks this; then the turn is found by its content and by the marker that
// follows it. Where that fails too, Segments returns an error.
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

// prefix renders the first n messages; ok is false where that is no beginning of the whole.
func (f *turnFinder) prefix(n int, prompt bool) (text string, ok bool) {
	opts := f.opts
	opts.AddGenerationPrompt = prompt
	text, err := f.c.Render(f.messages[:n], opts)
	return text, err == nil && strings.HasPrefix(f.whole, text)
}

// turn finds message i behind position from.
func (f *turnFinder) turn(i, from int) (start, end int, ok bool) {
	before, startOK := f.prefix(i, true)
	after, endOK := f.prefix(i+1, false)
	start, end = len(before), len(after)
	if startOK = startOK && start >= from; startOK && endOK && end >= start {
		return start, end, true
	}
	said, answer := f.said(i)
	turn, found := strings.CutPrefix(after, before) // as it is rendered where it is the last one
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

// said is the content of message i, and what remains of it without reasoning.
func (f *turnFinder) said(i int) (said, answer string) {
	said = strings.TrimSpace(f.messages[i].Content)
	_, answer, found := strings.Cut(said, "</think>")
	if !found {
		answer = said
	}
	return said, strings.TrimSpace(answer)
}

// turnProbe stands for a content to find where the template puts it.
const turnProbe = "\ue000\uf8ff\ue000"

// content finds the text that the content of message i renders to.
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

// turnNear is how many bytes may stand between a content and the marker before or behind it.
const turnNear = 16

// lead returns how many bytes at the end of text, before a content, already belong to the turn: those behind
// the end of the prompt that before ends with.
func (f *turnFinder) lead(before, text string) (n int) {
	longest := 3 // shorter agreement says nothing
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

// endOfTurn returns how much of the text at stop still belongs to the turn: up to and with the marker that is
// also in tail, what follows the content where the conversation ends with this turn.
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
