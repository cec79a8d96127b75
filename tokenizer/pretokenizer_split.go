package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// behavior is what happens to the matches when a text is split at them.
type behavior int

const (
	removed            behavior = iota // dropped
	isolated                           // pieces by themselves
	mergedWithPrevious                 // at the end of the piece before
	mergedWithNext                     // at the start of the piece after
	contiguous                         // matches in a row are one piece
)

var behaviorNames = map[string]behavior{
	"removed": removed, "isolated": isolated, "mergedwithprevious": mergedWithPrevious,
	"mergedwithnext": mergedWithNext, "contiguous": contiguous,
}

func (b *behavior) UnmarshalJSON(raw []byte) error {
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return err
	}
	v, ok := behaviorNames[strings.ToLower(strings.ReplaceAll(name, "_", ""))]
	if !ok {
		return fmt.Errorf("behavior %q is %w; known: Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous", name, ErrUnsupported)
	}
	*b = v
	return nil
}

// part is a match or the text between two of them.
type part struct {
	i, j  int
	match bool
}

// parts cuts s into matches and the rest.
func parts(s string, m matcher, invert bool) []part {
	var out []part
	last := 0
	m.matches(s, func(i, j int) {
		if last < i {
			out = append(out, part{last, i, invert})
		}
		out = append(out, part{i, j, !invert})
		last = j
	})
	if last < len(s) {
		out = append(out, part{last, len(s), invert})
	}
	return out
}

// split appends the parts of p. With invert, matches and the text between them change places.
func (b behavior) split(dst []piece, p piece, m matcher, invert bool) []piece {
	ps := parts(p.s, m, invert)
	switch b {
	case removed:
		for _, c := range ps {
			if !c.match {
				dst = appendSlice(dst, p, c.i, c.j)
			}
		}
		return dst
	case isolated:
	case contiguous:
		ps = fold(ps, func(match, previous bool) bool { return match == previous })
	case mergedWithPrevious:
		ps = fold(ps, func(match, previous bool) bool { return match && !previous })
	case mergedWithNext:
		reverse(ps)
		ps = fold(ps, func(match, previous bool) bool { return match && !previous })
		reverse(ps)
	}
	for _, c := range ps {
		dst = appendSlice(dst, p, c.i, c.j)
	}
	return dst
}

// fold joins each part to the one before it where join says so. The first part counts as following one that is not a
// match.
func fold(ps []part, join func(match, previous bool) bool) []part {
	out := ps[:0]
	previous := false
	for _, c := range ps {
		match := c.match
		if n := len(out); n > 0 && join(match, previous) {
			out[n-1].i, out[n-1].j = min(out[n-1].i, c.i), max(out[n-1].j, c.j)
		} else {
			out = append(out, c)
		}
		previous = match
	}
	return out
}

func reverse(ps []part) {
	for i, j := 0, len(ps)-1; i < j; i, j = i+1, j-1 {
		ps[i], ps[j] = ps[j], ps[i]
	}
}

// parseSplit reads a Split. The well-known patterns of GPT-2, Llama 3 and Qwen2 run without a regular expression.
func parseSplit(raw json.RawMessage, where string) ([]preTokenizer, error) {
	var c struct {
		Pattern  json.RawMessage `json:"pattern"`
		Behavior *behavior       `json:"behavior"`
		Invert   bool            `json:"invert"`
	}
	if err := decodeObject(raw, where, &c, "pattern", "behavior"); err != nil {
		return nil, err
	}
	m, err := parsePattern(c.Pattern, where+".pattern")
	if err != nil {
		return nil, err
	}
	if w, ok := m.(wordPattern); ok && (*c.Behavior == isolated || *c.Behavior == removed && c.Invert) {
		return []preTokenizer{wordSplit{w.split}}, nil
	}
	return []preTokenizer{splitFunc(func(dst []piece, p piece) []piece {
		return c.Behavior.split(dst, p, m, c.Invert)
	})}, nil
}
