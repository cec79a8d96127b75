package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/wording"
)

// unigram cuts a piece into the tokens whose scores have the highest sum.
type unigram struct {
	vocab        *vocab
	viterbi      *viterbi[float64]
	unk          int32
	bytes        [256]int32 // ids of <0x00> to <0xFF>, or -1
	byteFallback bool
	cache        *wordCache
}

// scoredToken is one entry of the vocabulary: ["token", score].
type scoredToken struct {
	token string
	score float64
}

func (s *scoredToken) UnmarshalJSON(raw []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil {
		return fmt.Errorf("want [token, score]: %w", err)
	}
	if len(pair) != 2 {
		return fmt.Errorf("want [token, score], got %d values", len(pair))
	}
	if jsonvalue.IsNull(pair[0]) || jsonvalue.IsNull(pair[1]) {
		return fmt.Errorf("want [token, score], got %s", wording.Clip(string(raw), 30))
	}
	if err := json.Unmarshal(pair[0], &s.token); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if err := json.Unmarshal(pair[1], &s.score); err != nil {
		return fmt.Errorf("score of %q: %w", s.token, err)
	}
	return nil
}

func parseUnigram(raw json.RawMessage, where string) (model, error) {
	var c struct {
		Vocab        []scoredToken `json:"vocab"`
		UnkID        *int64        `json:"unk_id"`
		ByteFallback bool          `json:"byte_fallback"`
	}
	if err := decodeObject(raw, where, &c, "vocab"); err != nil {
		return nil, err
	}
	if c.UnkID == nil {
		return nil, fmt.Errorf("%s: unk_id is null; without an unknown token a new character could not be encoded", where)
	}
	if *c.UnkID < 0 || *c.UnkID >= int64(len(c.Vocab)) {
		return nil, fmt.Errorf("%s: unk_id %d is out of range, the vocab has %d tokens", where, *c.UnkID, len(c.Vocab))
	}
	v := &vocab{ids: make(map[string]int32, len(c.Vocab))}
	best := &viterbi[float64]{trie: newTrie(4 * len(c.Vocab)), unk: int32(*c.UnkID)}
	worst := math.Inf(1)
	for id, t := range c.Vocab {
		v.ids[t.token] = int32(id)
		v.tokens = append(v.tokens, t.token)
		v.used = append(v.used, true)
		best.scores = append(best.scores, t.score)
		worst = min(worst, t.score)
		if t.token != "" {
			best.trie.put(t.token, int32(id))
		}
	}
	best.unkScore = worst - unkPenalty
	m := &unigram{vocab: v, viterbi: best, unk: best.unk, byteFallback: c.ByteFallback, cache: newWordCache()}
	m.bytes, _ = v.byteIDs()
	return m, nil
}

func (m *unigram) lookup() *vocab { return m.vocab }

func (m *unigram) unknown() int32 { return m.unk }

func (m *unigram) tokenize(dst []tok, s string) []tok {
	return m.cache.tokenize(dst, s, m.cut)
}

// cut appends the best tokens of s. A run of unknown characters becomes one token, or its bytes.
func (m *unigram) cut(dst []tok, s string) []tok {
	first := len(dst)
	dst = m.viterbi.cut(dst, s)
	unknown := func(t tok) bool { return t.id == m.unk }
	if !slices.ContainsFunc(dst[first:], unknown) {
		return dst
	}
	toks := slices.Clone(dst[first:])
	dst = dst[:first]
	for i, t := range toks {
		switch {
		case !unknown(t):
			dst = append(dst, t)
		case i+1 < len(toks) && unknown(toks[i+1]):
			toks[i+1].start = t.start
		default:
			dst = m.appendUnknown(dst, t, s)
		}
	}
	return dst
}

// appendUnknown appends a run t of unknown characters: as the token with that text, as its bytes, or as the unknown
// token.
func (m *unigram) appendUnknown(dst []tok, t tok, s string) []tok {
	text := s[t.start:t.end]
	if id, ok := m.vocab.id(text); ok {
		return append(dst, tok{id, t.start, t.end})
	}
	first := len(dst)
	for _, b := range []byte(text) {
		if !m.byteFallback || m.bytes[b] < 0 {
			return append(dst[:first], t)
		}
		dst = append(dst, tok{m.bytes[b], t.start, t.end})
	}
	return dst
}
