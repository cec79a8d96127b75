package tasks

import (
	"fmt"

	"github.com/spagotune/spagotune/tokenizer"
)

// Window is a row with a part of a text's tokens. Neighbours overlap, so that every token has context on both sides.
type Window struct {
	Features
	// From and To are the tokens of the text that the row holds. First is where they begin in the row.
	From, To, First int
	// KeepFrom and KeepTo are the tokens of the text for which this window counts: those that are further from its ends than
	// from those of its neighbours. Each token belongs to one window.
	KeepFrom, KeepTo int
}

// bounds are the windows of n tokens, with up to room tokens each, of which neighbours share shared.
func bounds(n, room, shared int) [][2]int {
	var all [][2]int
	for from := 0; ; from += room - shared {
		to := min(from+room, n)
		all = append(all, [2]int{from, to})
		if to == n {
			return all
		}
	}
}

// kept are the tokens for which each window counts: an overlap belongs to its two windows by halves.
func kept(windows [][2]int) [][2]int {
	all := make([][2]int, len(windows))
	from := 0
	for i, w := range windows {
		to := w[1]
		if i+1 < len(windows) {
			to = (windows[i+1][0] + w[1] + 1) / 2
		}
		all[i] = [2]int{from, to}
		from = to
	}
	return all
}

// Windows encodes a text as rows of at most the encoder's length. A text that fits is one row. Otherwise neighbours share a
// quarter of their tokens.
func (t *PairEncoder) Windows(e tokenizer.Encoding) ([]Window, error) {
	n := len(e.IDs)
	if n == 0 {
		return nil, fmt.Errorf("%w: the text has no token", ErrNotScored)
	}
	room, err := t.room(t.one)
	if err != nil {
		return nil, err
	}
	if room == 0 {
		room = n
	}
	all := bounds(n, room, room/4)
	keep := kept(all)
	windows := make([]Window, len(all))
	for i, b := range all {
		row, starts := t.one.row(e.IDs[b[0]:b[1]])
		windows[i] = Window{Features: row, From: b[0], To: b[1], First: starts[0], KeepFrom: keep[i][0], KeepTo: keep[i][1]}
	}
	return windows, nil
}
