package tasks

import "fmt"

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

// Windows encodes the tokens of a text as rows of at most the encoder's length. A text that fits is one row. Otherwise
// neighbours share a quarter of a window. The error is ErrNotScored if there is no token.
func (t *PairEncoder) Windows(ids []int32) ([]Window, error) {
	room, err := t.room(t.one)
	if err != nil {
		return nil, err
	}
	if room == 0 {
		room = len(ids)
	}
	return windows(ids, room, room/4, func(ids []int32) (Features, int) {
		row, starts := t.one.row(ids)
		return row, starts[0]
	})
}

// PairWindows encodes two texts, given as tokens, as rows of at most maxLen tokens: each has all of the first text and a
// part of the second. Neighbours share as many tokens of the second text as given. The error is ErrNotScored if the second
// text has no token.
func (t *PairEncoder) PairWindows(first, second []int32, maxLen, shared int) ([]Window, error) {
	room := t.pairRoom(first, maxLen)
	if fits := room > 0 && len(second) <= room; !fits && (room < 2 || shared >= room) {
		return nil, fmt.Errorf("windows of %d tokens leave no place for the text after a question of %d", maxLen, len(first))
	}
	return windows(second, room, shared, func(ids []int32) (Features, int) {
		row, starts := t.two.row(first, ids)
		return row, starts[1]
	})
}

// pairRoom is how many tokens of a second text fit into a row.
func (t *PairEncoder) pairRoom(first []int32, maxLen int) int {
	return maxLen - t.two.extra() - len(first)
}

// windows makes rows of a text's tokens, each with up to room of them. row also returns where the tokens begin in the row.
func windows(ids []int32, room, shared int, row func(ids []int32) (Features, int)) ([]Window, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: the text has no token", ErrNotScored)
	}
	all := bounds(len(ids), room, shared)
	keep := kept(all)
	rows := make([]Window, len(all))
	for i, b := range all {
		w := Window{From: b[0], To: b[1], KeepFrom: keep[i][0], KeepTo: keep[i][1]}
		w.Features, w.First = row(ids[b[0]:b[1]])
		rows[i] = w
	}
	return rows, nil
}
