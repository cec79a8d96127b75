package finetune

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"unsafe"
)

// Ranks connects the processes that carry out one run together: ranks 0 to Size-1, each with some of a step's rows. All ranks
// call the same methods in the same order; a call returns when every rank has made it.
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
	text     string
	diverged bool
	own      error // on the rank whose error it is
}

func (e *rankError) Error() string { return e.text }

func (e *rankError) Unwrap() []error {
	all := []error{ErrAllRanks}
	if e.diverged {
		all = append(all, ErrDiverged)
	}
	if e.own != nil {
		all = append(all, e.own)
	}
	return all
}

// report is what a rank tells the others of what it has done.
type report struct {
	Error    string `json:",omitempty"`
	Diverged bool   `json:",omitempty"`
	// Losses are those of the rank's micro-batches, and zero elsewhere. HasGrad says which parameters have a gradient.
	Losses  []float64 `json:",omitempty"`
	HasGrad []bool    `json:",omitempty"`
	// Text and Number are what the ranks agree on in other places.
	Identity [][2]string `json:",omitempty"`
	Text     string      `json:",omitempty"`
	Number   float64     `json:",omitempty"`
}

// exchange tells every rank the reports of all, in the order of ranks. If one of them has failed, err or another's, so do all:
// with the error of the first.
func exchange(ranks Ranks, mine report, err error) ([]report, error) {
	if err != nil {
		mine = report{Error: err.Error(), Diverged: errors.Is(err, ErrDiverged)}
	}
	sent, e := json.Marshal(mine)
	if e != nil { // a number that is not finite
		err = e
		sent, _ = json.Marshal(report{Error: e.Error()}) //nolint:errcheck // a text is always valid
	}
	parts, e := gather(ranks, sent)
	if e != nil {
		return nil, e
	}
	all := make([]report, len(parts))
	for i, part := range parts {
		if e := json.Unmarshal(part, &all[i]); e != nil {
			return nil, fmt.Errorf("rank %d: its report cannot be read: %w", i, e)
		}
	}
	for i, r := range all {
		if r.Error == "" {
			continue
		}
		text, own := r.Error, error(nil)
		if i == ranks.Rank() {
			own = err
		}
		if i > 0 {
			text = fmt.Sprintf("rank %d: %s", i, r.Error)
		}
		return all, &rankError{text, r.Diverged, own}
	}
	return all, nil
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
	if longest > 0 {
		if err := ranks.Allgather(all, padded); err != nil {
			return nil, err
		}
	}
	parts := make([][]byte, ranks.Size())
	for i := range parts {
		parts[i] = all[i*longest:][:binary.LittleEndian.Uint64(counts[8*i:])]
	}
	return parts, nil
}

// asBytes is the memory of values.
func asBytes(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}
