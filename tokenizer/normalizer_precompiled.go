package tokenizer

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/spagotune/spagotune/internal/charclass"
)

// precompiled rewrites text by the rules in a SentencePiece model. They are a double array (a trie of bytes as
// Darts-clone stores it), whose values are places in a list of zero-terminated texts.
type precompiled struct {
	units []uint32
	texts string
}

func parsePrecompiled(raw json.RawMessage, where string) (normalizer, error) {
	var c struct {
		Charsmap *string `json:"precompiled_charsmap"`
	}
	if err := decodeObject(raw, where, &c); err != nil {
		return nil, err
	}
	if c.Charsmap == nil || *c.Charsmap == "" {
		return normalizerList(nil), nil
	}
	blob, err := base64.StdEncoding.DecodeString(*c.Charsmap)
	if err != nil {
		return nil, fmt.Errorf("%s: precompiled_charsmap: %w", where, err)
	}
	n, err := newPrecompiled(blob)
	if err != nil {
		return nil, fmt.Errorf("%s: precompiled_charsmap: %w", where, err)
	}
	return n, nil
}

// newPrecompiled reads the size of the double array, the array, and the texts.
func newPrecompiled(blob []byte) (*precompiled, error) {
	if len(blob) < 4 {
		return nil, fmt.Errorf("has %d bytes, want 4 at least", len(blob))
	}
	size := uint64(binary.LittleEndian.Uint32(blob))
	blob = blob[4:]
	if size < 4 || size%4 != 0 || size > uint64(len(blob)) {
		return nil, fmt.Errorf("says that its trie has %d bytes, want a multiple of 4 from 4 to the %d bytes that follow", size, len(blob))
	}
	p := &precompiled{units: make([]uint32, size/4), texts: string(blob[size:])}
	for i := range p.units {
		p.units[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	for text := range strings.SplitSeq(p.texts, "\x00") {
		if len(text) > maxReplacement {
			return nil, fmt.Errorf("has a replacement of %d bytes, want at most %d", len(text), maxReplacement)
		}
	}
	if !utf8.ValidString(p.texts) {
		return nil, fmt.Errorf("its texts are not valid UTF-8")
	}
	return p, nil
}

// lookup returns the replacement of the SHORTEST key that s begins with. (The tokenizers library takes the first match
// too, and models are used with it.)
func (n *precompiled) lookup(s string) (string, bool) {
	text, ok := "", false
	n.match(s, func(_ int, t string) bool {
		text, ok = t, utf8.ValidString(t)
		return false
	})
	return text, ok
}

// longest returns the replacement of the longest key that s begins with, and the length of that key, 0 if there is
// none. SentencePiece itself does this.
func (n *precompiled) longest(s string) (text string, size int) {
	n.match(s, func(i int, t string) bool {
		text, size = t, i
		return true
	})
	if !utf8.ValidString(text) {
		return "", 0
	}
	return text, size
}

// plainASCII says that c alone is not a key, and that no key goes on from c with ASCII.
func (n *precompiled) plainASCII(c byte) bool {
	key := []byte{c, 0}
	plain := c != 0
	for d := byte(1); d < utf8.RuneSelf && plain; d++ {
		key[1] = d
		plain = n.match(string(key), func(int, string) bool { return false }) < 2
	}
	return plain
}

// match calls found with the length and the replacement of each key that s begins with, the shortest first, until found
// returns false. It returns how many bytes of s some key begins with, or len(s) if found returned false.
func (n *precompiled) match(s string, found func(size int, text string) bool) int {
	at := unitOffset(n.units[0])
	for i := 0; i < len(s) && s[i] != 0; i++ {
		at ^= uint32(s[i])
		if uint64(at) >= uint64(len(n.units)) {
			return i
		}
		unit := n.units[at]
		if unit&(1<<31|0xFF) != uint32(s[i]) {
			return i
		}
		at ^= unitOffset(unit)
		if unit>>8&1 == 0 {
			continue
		}
		if uint64(at) >= uint64(len(n.units)) {
			return i
		}
		start := uint64(n.units[at] & (1<<31 - 1))
		if start > uint64(len(n.texts)) {
			return i
		}
		text, _, _ := strings.Cut(n.texts[start:], "\x00")
		if !found(i+1, text) {
			return len(s)
		}
	}
	return len(s)
}

// maxReplacement bounds a replacement, in bytes, so that short texts cannot become huge ones. Unicode's longest has 33.
const maxReplacement = 512

func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }

func (n *precompiled) normalize(p *piece) {
	var changes []change
	start := 0 // the text before this is in changes, once there are any
	keep := func(to int) {
		for _, r := range p.s[start:to] {
			changes = append(changes, change{r, 0})
		}
	}
	modified := false
	replace := func(i, j int, text string) {
		if text == p.s[i:j] {
			return
		}
		if !modified {
			changes = make([]change, 0, len(p.s))
			modified = true
		}
		keep(i)
		changes = appendReplacement(changes, p.s[i:j], text)
		start = j
	}
	for i := 0; i < len(p.s); {
		j := i + clusterLen(p.s[i:])
		text, ok := "", false
		if j-i < 6 {
			text, ok = n.lookup(p.s[i:j])
		}
		if ok {
			replace(i, j, text)
		} else {
			for ; i < j; i += charclass.RuneLen(p.s[i:]) {
				if text, ok := n.lookup(p.s[i : i+charclass.RuneLen(p.s[i:])]); ok {
					replace(i, i+charclass.RuneLen(p.s[i:]), text)
				}
			}
		}
		i = j
	}
	if modified {
		keep(len(p.s))
		p.transform(changes, 0)
	}
}

// appendReplacement appends the changes that turn old into text. If old is longer, its surplus goes with the character
// before.
func appendReplacement(changes []change, old, text string) []change {
	surplus := utf8.RuneCountInString(text) - utf8.RuneCountInString(old)
	for _, r := range text {
		changes = append(changes, change{r, 0})
	}
	for i := range surplus {
		changes[len(changes)-1-i].d = 1
	}
	if surplus < 0 && len(changes) > 0 {
		changes[len(changes)-1].d += int32(surplus)
	}
	return changes
}

// clusterLen returns the number of bytes of the first grapheme cluster of s.
func clusterLen(s string) int {
	if s[0] < utf8.RuneSelf && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		if s[0] == '\r' && len(s) > 1 && s[1] == '\n' {
			return 2
		}
		return 1
	}
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(s, -1)
	return max(1, len(cluster))
}
