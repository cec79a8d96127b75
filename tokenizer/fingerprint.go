package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// fingerprintText has what normalizers and pre-tokenizers treat in different ways.
const fingerprintText = " The quick brown fox's 12345 jumps,\tover\n\nthe LAZY dog — naïve café, ＡＢＣ 漢字 🙂 don't\r\n"

// Fingerprint tells tokenizers apart by what they do, whatever their files look like: it is a hash of the tokens and their ids, of the
// tokens that begin, end and separate texts, and of how a text is encoded.
func (t *Tokenizer) Fingerprint() string {
	h := sha256.New()
	t.writeTo(h)
	if target := t.Target(); target != t {
		target.writeTo(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// writeTo writes what the fingerprint covers. A hash returns no error.
func (t *Tokenizer) writeTo(h hash.Hash) {
	number := func(n int32) { _ = binary.Write(h, binary.LittleEndian, n) }
	left := t.VocabSize()
	for id := int32(0); left > 0 && id < int32(2*t.VocabSize()); id++ {
		if token, ok := t.Token(id); ok {
			number(id)
			number(int32(len(token)))
			_, _ = h.Write([]byte(token))
			left--
		}
	}
	for _, named := range []func() (int32, bool){t.BOS, t.EOS, t.CLS, t.SEP, t.Mask} {
		if id, ok := named(); ok {
			number(id)
		} else {
			number(-1)
		}
	}
	for _, special := range []bool{false, true} {
		for _, id := range t.Encode(fingerprintText, special) {
			number(id)
		}
		number(-1)
	}
}
