package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/wording"
)

// unigram cuts a piece into the tokens whose scores have the highest sum
// (Viterbi's algorithm over the vocabulary's trie).
type unigram struct {
	vocab        *vocab
	scores       []float64
	trie         *trie
	unk          int32
	unkScore     float64
	bytes        [256]int32
	byteFallback bool
	cache        *wordCache
	scratch      sync.Pool // of *[]bestPath
}

// bestPath is the best way to reach a byte of the text: its last token.
type bestPath struct {
	score float64
	start int32 // of that token, or -1: not reached
	id    int32
}

// unkPenalty is how far an unknown character scores below the worst token.
const unkPenalty = 10.0

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
	m := &unigram{
		vocab: &vocab{ids: make(map[string]int32, len(c.Vocab))}, trie: newTrie(4 * len(c.Vocab)),
		unk: int32(*c.UnkID), byteFallback: c.ByteFallback, cache: newWordCache(),
	}
	m.scratch.New = func() any { return new([]bestPath) }
	worst := math.Inf(1)
	for id, t := range c.Vocab {
		m.vocab.ids[t.token] = int32(id)
		m.vocab.tokens = append(m.vocab.tokens, t.token)
		m.vocab.used = append(m.vocab.used, true)
		m.scores = append(m.scores, t.score)
		worst = min(worst, t.score)
		if t.token != "" {
			m.trie.put(t.token, int32(id))
		}
	}
	m.unkScore = worst - unkPenalty
	m.bytes, _ = m.vocab.byteIDs()
	return m, nil
}

func (m *unigram) lookup() *vocab { return m.vocab }
func (m *unigram) unknown() int32 { return m.unk }

func (m *unigram) tokenize(dst []tok, s string) []tok {
	return m.cache.tokenize(dst, s, m.cut)
}

// cut appends the best tokens of s.
func (m *unigram) cut(dst []tok, s string) []tok {
	scratch := m.scratch.Get().(*[]bestPath)
	defer m.scratch.Put(scratch)
	best := m.paths((*scratch)[:0], s)
	*scratch = best
	first := len(dst)
	for end := int32(len(s)); end > 0; {
		start, id := best[end].start, best[end].id
		for id == m.unk && start > 0 && best[start].id == m.unk {
			start = best[start].start // unknown characters become one token
		}
		dst = m.appendReversed(dst, tok{id, start, end}, s)
		end = start
	}
	for i, j := first, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

// paths finds the best path to every byte of s that can be reached.
func (m *unigram) paths(best []bestPath, s string) []bestPath {
	for range len(s) + 1 {
		best = append(best, bestPath{start: -1})
	}
	for at := 0; at < len(s); {
		_, width := utf8.DecodeRuneInString(s[at:])
		here, single := best[at].score, false
		node := int32(0)
		for i := at; i < len(s); i++ {
			if node = m.trie.next(node, s[i]); node < 0 {
				break
			}
			id := m.trie.value[node]
			if id < 0 {
				continue
			}
			best[i+1].offer(here+m.scores[id], at, id)
			single = single || i+1-at == width
		}
		if !single {
			best[at+width].offer(here+m.unkScore, at, m.unk)
		}
		at += width
	}
	return best
}

// offer takes the path over if it is the first or a better one.
func (b *bestPath) offer(score float64, start int, id int32) {
	if b.start < 0 || score > b.score {
		*b = bestPath{score, int32(start), id}
	}
}

// appendReversed appends t, an unknown one as its bytes (last one first) where it can.
func (m *unigram) appendReversed(dst []tok, t tok, s string) []tok {
	if t.id != m.unk {
		return append(dst, t)
	}
	text := s[t.start:t.end]
	if id, ok := m.vocab.id(text); ok {
		t.id = id
		return append(dst, t)
	}
	if !m.byteFallback {
		return append(dst, t)
	}
	for i := range len(text) {
		if m.bytes[text[i]] < 0 {
			return append(dst, t)
		}
	}
	for i := len(text) - 1; i >= 0; i-- {
		dst = append(dst, tok{m.bytes[text[i]], t.start, t.end})
	}
	return dst
}
