// Package ranktest connects goroutines of one process as package mpi connects processes, for tests.
package ranktest

import (
	"errors"
	"fmt"
	"sync"
)

// Loopback is ranks that are goroutines of this process.
type Loopback struct {
	size    int
	mu      sync.Mutex
	changed sync.Cond
	parts   [][]byte // of the call that the ranks are in
	counts  [][]int
	arrived int
	left    int
	dead    error
	sent    int
}

// Rank is one of the ranks of a Loopback.
type Rank struct {
	*Loopback
	rank int
}

// New returns ranks of a Loopback.
func New(size int) []Rank {
	l := &Loopback{size: size, parts: make([][]byte, size), counts: make([][]int, size)}
	l.changed.L = &l.mu
	all := make([]Rank, size)
	for i := range all {
		all[i] = Rank{l, i}
	}
	return all
}

// Run calls f on ranks, and returns the error of each.
func Run(size int, f func(r Rank) error) (l *Loopback, errs []error) {
	ranks := New(size)
	errs = make([]error, size)
	var wait sync.WaitGroup
	for i, r := range ranks {
		wait.Go(func() { errs[i] = f(r) })
	}
	wait.Wait()
	return ranks[0].Loopback, errs
}

// Rank is the rank's number.
func (r Rank) Rank() int { return r.rank }

// Size is the number of ranks.
func (r Rank) Size() int { return r.size }

// Sent is the number of bytes that ranks have sent to others in Alltoall.
func (l *Loopback) Sent() int { return l.sent }

// Kill ends every call that waits, and those to come.
func (l *Loopback) Kill(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = err
	l.changed.Broadcast()
}

// meet waits for all ranks, runs read, and waits until all have.
func (r Rank) meet(send []byte, counts []int, read func()) error {
	l := r.Loopback
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.left > 0 && l.dead == nil { // of the call before
		l.changed.Wait()
	}
	l.parts[r.rank], l.counts[r.rank] = send, counts
	if l.arrived++; l.arrived == l.size {
		l.left, l.arrived = l.size, 0
		l.changed.Broadcast()
	}
	for l.left == 0 && l.dead == nil {
		l.changed.Wait()
	}
	if l.dead != nil {
		return l.dead
	}
	read()
	if l.left--; l.left == 0 {
		l.changed.Broadcast()
	}
	for l.left > 0 && l.dead == nil { // what others still read must not change
		l.changed.Wait()
	}
	return l.dead
}

// Allgather is that of infer.Ranks.
func (r Rank) Allgather(recv, send []byte) error {
	if len(recv) != r.size*len(send) {
		return fmt.Errorf("allgather: %d bytes for %d times %d", len(recv), r.size, len(send))
	}
	return r.meet(send, nil, func() {
		for i, part := range r.parts {
			if len(part) != len(send) {
				r.dead = errors.New("allgather: the ranks send other numbers of bytes")
				return
			}
			copy(recv[i*len(send):], part)
		}
	})
}

// Alltoall is that of infer.Ranks.
func (r Rank) Alltoall(recv []byte, recvCounts []int, send []byte, sendCounts []int) error {
	return r.meet(send, sendCounts, func() {
		at := 0
		for i, part := range r.parts {
			from := 0
			for _, n := range r.counts[i][:r.rank] {
				from += n
			}
			n := r.counts[i][r.rank]
			if n != recvCounts[i] {
				r.dead = fmt.Errorf("alltoall: rank %d sends %d bytes to rank %d, which expects %d", i, n, r.rank, recvCounts[i])
				return
			}
			if i != r.rank {
				r.sent += n
			}
			at += copy(recv[at:], part[from:from+n])
		}
	})
}
