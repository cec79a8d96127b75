package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// wordCache remembers the tokens of words. The hash of a word selects one slot, and a newer word replaces an older one
// there, so the cache never grows.
type wordCache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[word]
}

type word struct {
	text string
	toks []tok
}

const (
	cacheSlots   = 1 << 15
	maxCachedLen = 96 // in bytes; longer words seldom occur twice
)

func newWordCache() *wordCache {
	return &wordCache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[word], cacheSlots)}
}

// tokenize appends the tokens of s. If it does not have them, compute finds them.
func (c *wordCache) tokenize(dst []tok, s string, compute func([]tok, string) []tok) []tok {
	if len(s) > maxCachedLen {
		return compute(dst, s)
	}
	at := &c.slots[maphash.String(c.seed, s)%cacheSlots]
	if w := at.Load(); w != nil && w.text == s {
		return append(dst, w.toks...)
	}
	n := len(dst)
	dst = compute(dst, s)
	at.Store(&word{strings.Clone(s), append([]tok(nil), dst[n:]...)})
	return dst
}

// tokenizeWords appends the tokens of s, cut before each run of ▁.
func (c *wordCache) tokenizeWords(dst []tok, s string, compute func([]tok, string) []tok) []tok {
	for at := 0; at < len(s); {
		end := metaEnd(s, at)
		first := len(dst)
		dst = c.tokenize(dst, s[at:end], compute)
		shift(dst[first:], at)
		at = end
	}
	return dst
}

// shift moves tokens by n bytes.
func shift(toks []tok, n int) {
	for i := range toks {
		toks[i].start += int32(n)
		toks[i].end += int32(n)
	}
}

// metaEnd returns the end of the run of ▁ at s[at:] and of the text up to the next ▁.
func metaEnd(s string, at int) int {
	for strings.HasPrefix(s[at:], metaspace) {
		at += len(metaspace)
	}
	if i := strings.Index(s[at:], metaspace); i >= 0 {
		return at + i
	}
	return len(s)
}
