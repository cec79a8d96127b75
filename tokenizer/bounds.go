package tokenizer

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2"
)

// A tokenizer comes with a model, so it is not trusted: what its regular expressions and its steps may do is bounded.
const (
	// matchTimeout is the longest that one match of a regular expression may take, twice.
	matchTimeout = time.Second
	// A step may make a text growFactor times as long, and growBytes longer.
	growFactor = 64
	growBytes  = 1 << 20
)

// ErrUnbounded is wrapped by Tokenizer.Err.
var ErrUnbounded = errors.New("takes too much")

// stop is what a step panics with to leave a text that takes too much; guard recovers it.
type stop struct{ error }

// failure is the first error of a tokenizer; goroutines share it.
type failure struct{ atomic.Pointer[error] }

// guard keeps the error of a step that stops. It is deferred.
func (f *failure) guard() {
	switch v := recover().(type) {
	case nil:
	case stop:
		f.CompareAndSwap(nil, &v.error)
	default:
		panic(v)
	}
}

// Err returns an error that wraps ErrUnbounded if, for a text that the tokenizer was given, a regular expression of its files
// took too long or a step of theirs grew it too far. Such a text has no tokens. Programs that open the files of others look at
// it after encoding.
func (t *Tokenizer) Err() error {
	if e := t.failed.Load(); e != nil {
		return fmt.Errorf("tokenizer: %w", *e)
	}
	return nil
}

// bounded stops at a text that steps have made too long of one of from bytes.
func bounded(from, to int) {
	if to > growFactor*from+growBytes {
		panic(stop{fmt.Errorf("a step that makes %d bytes of a text of %d %w", to, from, ErrUnbounded)})
	}
}

// bytesOf is the length of all pieces.
func bytesOf(pieces []piece) int {
	n := 0
	for _, p := range pieces {
		n += len(p.s)
	}
	return n
}

// inTime stops at a match that takes too long. A process may stand still for a while: so a match is tried twice.
func inTime(re *regexp2.Regexp, match func() (*regexp2.Match, error)) *regexp2.Match {
	g, err := match()
	if err != nil {
		g, err = match()
	}
	if err != nil {
		panic(stop{fmt.Errorf("the regular expression %q %w: more than %s for one match", re, ErrUnbounded, matchTimeout)})
	}
	return g
}
