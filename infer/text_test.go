package infer

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTextStops gives texts in random pieces: what is emitted is the text before the first stop string, in whole.
func TestTextStops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "b", "ab", "\n", "abb"}
	for range 2000 {
		var pieces []string
		for range r.IntN(8) {
			pieces = append(pieces, letters[r.IntN(len(letters))])
		}
		stop := []string{letters[r.IntN(5)] + letters[r.IntN(5)], letters[r.IntN(5)] + letters[r.IntN(5)] + "a"}
		emitted := ""
		x := text{stop: stop, emit: func(piece string) { emitted += piece }}
		for _, p := range pieces {
			if !x.add(p) {
				break
			}
		}
		if !x.stopped {
			x.give(len(x.held))
		}
		whole := strings.Join(pieces, "")
		want := len(whole)
		for _, s := range stop {
			if i := strings.Index(whole, s); i >= 0 {
				want = min(want, i)
			}
		}
		// A stop string that ends earlier may begin later.
		if got := x.String(); got != emitted || !strings.HasPrefix(whole, got) || (want == len(whole)) != !x.stopped || len(got) < want {
			t.Fatalf("%q until %q: got %q, emitted %q", pieces, stop, got, emitted)
		}
		if x.stopped && (strings.Contains(emitted, stop[0]) || strings.Contains(emitted, stop[1])) {
			t.Fatalf("%q until %q: emitted %q", pieces, stop, emitted)
		}
	}
}
