package infer

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/internal/wording"
)

// Ranks connects the processes that work together: ranks 0 to Size-1. All of them call the same methods in the same order; a call
// returns when every rank has made it.
type Ranks interface {
	// Rank is the number of this process, Size that of all of them.
	Rank() int
	Size() int
	// Allgather fills recv with what each rank sends, in the order of ranks. All send as much, and recv is Size times as long.
	Allgather(recv, send []byte) error
	// Alltoall sends sendCounts[i] bytes to rank i, and receives recvCounts[i] bytes from it. The parts lie end to end.
	Alltoall(recv []byte, recvCounts []int, send []byte, sendCounts []int) error
}

// ErrAllRanks is wrapped by an error that every rank returns, so that one of them is enough to tell it.
var ErrAllRanks = errors.New("all ranks end")

// rankError is an error of one rank that every rank returns.
type rankError struct {
	text  string
	wraps []error
}

func (e *rankError) Error() string   { return e.text }
func (e *rankError) Unwrap() []error { return e.wraps }

// envelope is what a rank tells the others: a value, or an error and which of the sentinels it wraps.
type envelope struct {
	Value     json.RawMessage `json:",omitempty"`
	Error     string          `json:",omitempty"`
	Sentinels []int           `json:",omitempty"`
}

// Exchange tells every rank what each of them has, in the order of ranks. If one of them has failed, with err, so do all, with the
// error of the first: it wraps ErrAllRanks and, on every rank, context.Canceled and those of the sentinels that err wraps. A rank
// that fails between two calls may make the next one of any kind; so the others hear of it.
func Exchange[T any](ranks Ranks, mine T, err error, sentinels ...error) ([]T, error) {
	sentinels = append([]error{context.Canceled}, sentinels...)
	sent := envelope{}
	if err == nil {
		sent.Value, err = json.Marshal(mine)
	}
	if err != nil {
		sent = envelope{Error: err.Error()}
		for i, s := range sentinels {
			if errors.Is(err, s) {
				sent.Sentinels = append(sent.Sentinels, i)
			}
		}
	}
	text, e := json.Marshal(sent)
	if e != nil {
		return nil, e
	}
	parts, e := gather(ranks, text)
	if e != nil {
		return nil, e
	}
	received := make([]envelope, len(parts))
	for i, part := range parts {
		if e := json.Unmarshal(part, &received[i]); e != nil {
			return nil, fmt.Errorf("rank %d: what it sends cannot be read: %w", i, e)
		}
	}
	for i, r := range received {
		if r.Error != "" {
			return nil, r.failure(i, ranks.Rank(), err, sentinels)
		}
	}
	all := make([]T, len(parts))
	for i, r := range received {
		if e := json.Unmarshal(r.Value, &all[i]); e != nil {
			return nil, fmt.Errorf("rank %d: what it sends cannot be read: %w", i, e)
		}
	}
	return all, nil
}

// failure is the error of a rank as this one returns it; own is its value on that rank.
func (e envelope) failure(rank, this int, own error, sentinels []error) error {
	f := &rankError{text: e.Error, wraps: []error{ErrAllRanks}}
	for _, i := range e.Sentinels {
		if i < len(sentinels) {
			f.wraps = append(f.wraps, sentinels[i])
		}
	}
	if rank == this {
		f.wraps = append(f.wraps, own)
	}
	if rank > 0 {
		f.text = fmt.Sprintf("rank %d: %s", rank, e.Error)
	}
	return f
}

// gather tells every rank what each of them sends, of any length.
func gather(ranks Ranks, send []byte) ([][]byte, error) {
	size, counts := make([]byte, 8), make([]byte, 8*ranks.Size())
	binary.LittleEndian.PutUint64(size, uint64(len(send)))
	if err := ranks.Allgather(counts, size); err != nil {
		return nil, err
	}
	longest := 0
	for i := range ranks.Size() {
		longest = max(longest, int(binary.LittleEndian.Uint64(counts[8*i:])))
	}
	padded, all := make([]byte, longest), make([]byte, longest*ranks.Size())
	copy(padded, send)
	if err := ranks.Allgather(all, padded); err != nil {
		return nil, err
	}
	parts := make([][]byte, ranks.Size())
	for i := range parts {
		parts[i] = all[i*longest:][:binary.LittleEndian.Uint64(counts[8*i:])]
	}
	return parts, nil
}

// FromFirst returns what rank 0 has. If a rank has failed, with err, so do all; see Exchange. Without ranks, it returns its arguments.
func FromFirst[T any](ranks Ranks, mine T, err error) (T, error) {
	if ranks == nil {
		return mine, err
	}
	if ranks.Rank() > 0 {
		mine = *new(T) // need not be sent
	}
	all, err := Exchange(ranks, mine, err)
	if err != nil {
		return mine, err
	}
	return all[0], nil
}

// Share calls do for each of n parts of some work, each on one of the ranks, and give with every result on all of them, in order. The
// ranks exchange results when each has done one part. An error of do on one rank is every rank's. Without ranks (nil), one process does all.
func Share[T any](ranks Ranks, n int, do func(part int) (T, error), give func(part int, result T) error) error {
	rank, size := 0, 1
	if ranks != nil {
		rank, size = ranks.Rank(), ranks.Size()
	}
	for from := 0; from < n; from += size {
		var own T
		var err error
		if i := from + rank; i < n {
			own, err = do(i)
		}
		all := []T{own}
		if ranks != nil {
			all, err = Exchange(ranks, own, err)
		}
		for i := from; err == nil && i < min(n, from+size); i++ {
			err = give(i, all[i-from])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SameOn returns an error that names the first difference unless all ranks have the same identity: names for people, each with a
// value or a digest. Without ranks, there is none.
func SameOn(ranks Ranks, identity [][2]string) error {
	if ranks == nil {
		return nil
	}
	all, err := Exchange(ranks, identity, nil)
	if err != nil {
		return err
	}
	for rank, other := range all {
		for _, v := range slices.Concat(all[0], other) {
			first, theirs := valueOf(all[0], v[0]), valueOf(other, v[0])
			if first == theirs {
				continue
			}
			text := fmt.Sprintf("%s: rank 0 has %s, rank %d has %s; all ranks must have the same", v[0], wording.Clip(first, 100), rank, wording.Clip(theirs, 100))
			return &rankError{text, []error{ErrAllRanks}}
		}
	}
	return nil
}

// valueOf is the value of a name.
func valueOf(identity [][2]string, name string) string {
	for _, v := range identity {
		if v[0] == name {
			return cmp.Or(v[1], "none")
		}
	}
	return "none"
}
