package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// bpe is byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909). A piece starts as its characters. The pair of
// neighbours that was learned first is merged first.
type bpe struct {
	vocab        *vocab
	pairs        *table // left id<<32 | right id → rank<<32 | merged id
	ascii        [utf8.RuneSelf]int32
	bytes        [256]int32 // ids of <0x..>
	unk          int32      // or -1: unknown characters are left out
	prefix       string     // stands before each character but the first
	suffix       string     // stands after the last character
	fuseUnk      bool
	byteFallback bool
	allBytes     bool // byteFallback, and every byte has a token
	ignoreMerges bool
	characters   bool // nothing is merged: each character is a token
	cutAtMeta    bool // no merge goes over the start of a run of ▁
	cache        *wordCache
	scratch      sync.Pool // of *mergeState
}

type bpeConfig struct {
	Vocab        vocab     `json:"vocab"`
	Merges       mergeList `json:"merges"`
	Dropout      *float64  `json:"dropout"`
	UnkToken     *string   `json:"unk_token"`
	Prefix       string    `json:"continuing_subword_prefix"`
	Suffix       string    `json:"end_of_word_suffix"`
	FuseUnk      bool      `json:"fuse_unk"`
	ByteFallback bool      `json:"byte_fallback"`
	IgnoreMerges bool      `json:"ignore_merges"`
}

// mergeList reads merges, each as "a b" or as ["a", "b"].
type mergeList [][2]string

func (m *mergeList) UnmarshalJSON(raw []byte) error {
	var lines []string
	if json.Unmarshal(raw, &lines) == nil {
		for i, line := range lines {
			if strings.HasPrefix(line, "#version") {
				continue
			}
			a, b, ok := strings.Cut(line, " ")
			if !ok || strings.Contains(b, " ") {
				return fmt.Errorf("merges[%d] is %q, want two tokens and one space between them", i, line)
			}
			*m = append(*m, [2]string{a, b})
		}
		return nil
	}
	var pairs [][]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return fmt.Errorf("merges: want a list of \"a b\" or of [\"a\", \"b\"]: %w", err)
	}
	for i, p := range pairs {
		if len(p) != 2 {
			return fmt.Errorf("merges[%d] has %d tokens, want 2", i, len(p))
		}
		*m = append(*m, [2]string{p[0], p[1]})
	}
	return nil
}

func parseBPE(raw json.RawMessage, where string, traits modelTraits) (model, error) {
	var c bpeConfig
	if err := decodeObject(raw, where, &c, "vocab", "merges"); err != nil {
		return nil, err
	}
	return newBPE(&c, where, traits)
}

func newBPE(c *bpeConfig, where string, traits modelTraits) (*bpe, error) {
	if c.Dropout != nil && *c.Dropout != 0 {
		return nil, fmt.Errorf("%s: dropout is %g, which is %w; want null or 0", where, *c.Dropout, ErrUnsupported)
	}
	m := &bpe{
		vocab: &c.Vocab, unk: -1, prefix: c.Prefix, suffix: c.Suffix,
		fuseUnk: c.FuseUnk, ignoreMerges: c.IgnoreMerges, cache: newWordCache(),
	}
	m.characters = len(c.Merges) == 0 && !c.FuseUnk && !c.IgnoreMerges && c.Prefix == "" && c.Suffix == ""
	m.scratch.New = func() any { return new(mergeState) }
	if c.ByteFallback {
		m.bytes, m.allBytes = c.Vocab.byteIDs()
		m.byteFallback = true
	}
	if c.UnkToken != nil {
		id, ok := c.Vocab.id(*c.UnkToken)
		if !ok && !m.allBytes && !(traits.byteLevel && m.knowsByteLevel()) {
			return nil, fmt.Errorf("%s: unk_token %q is not in the vocab", where, *c.UnkToken)
		}
		if ok {
			m.unk = id
		}
	}
	for b := range m.ascii {
		id, ok := c.Vocab.id(string(rune(b)))
		if !ok {
			id = -1
		}
		m.ascii[b] = id
	}
	return m, m.addMerges(c.Merges, where)
}

// knowsByteLevel says whether every character of the byte-level alphabet is a token.
func (m *bpe) knowsByteLevel() bool {
	for _, r := range byteToRune {
		if _, ok := m.vocab.id(string(r)); !ok {
			return false
		}
	}
	return true
}

// addMerges fills the table of pairs.
func (m *bpe) addMerges(merges mergeList, where string) error {
	m.pairs = newTable(len(merges))
	meta := m.prefix == "" && m.suffix == ""
	for rank, p := range merges {
		var ids [2]int32
		for i, token := range p {
			id, ok := m.vocab.id(token)
			if !ok {
				return fmt.Errorf("%s: merges[%d] is (%q, %q), but %q is not in the vocab", where, rank, p[0], p[1], token)
			}
			ids[i] = id
		}
		if len(p[1]) < len(m.prefix) {
			return fmt.Errorf("%s: merges[%d]: %q is shorter than the continuing_subword_prefix %q", where, rank, p[1], m.prefix)
		}
		merged := p[0] + p[1][len(m.prefix):]
		id, ok := m.vocab.id(merged)
		if !ok {
			return fmt.Errorf("%s: merges[%d] makes %q, which is not in the vocab", where, rank, merged)
		}
		m.pairs.put(pairKey(ids[0], ids[1]), uint64(rank)<<32|uint64(uint32(id)))
		meta = meta && !metaInside(merged)
	}
	if _, ok := m.vocab.id(metaspace); ok {
		m.cutAtMeta = meta && (m.unk >= 0 || m.allBytes) // otherwise characters may be left out, which would move offsets
	}
	return nil
}

// metaspace is the character that stands for a space in SentencePiece's vocabularies.
const metaspace = "▁"

// metaInside says whether a ▁ follows another character in token.
func metaInside(token string) bool {
	return strings.Contains(strings.TrimLeft(token, metaspace), metaspace)
}

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

func (m *bpe) lookup() *vocab { return m.vocab }

func (m *bpe) unknown() int32 { return m.unk }

func (m *bpe) tokenize(dst []tok, s string) []tok {
	if m.ignoreMerges {
		if id, ok := m.vocab.id(s); ok {
			return append(dst, tok{id, 0, int32(len(s))})
		}
	}
	if !m.cutAtMeta {
		return m.cache.tokenize(dst, s, m.merge)
	}
	return m.cache.tokenizeWords(dst, s, m.merge)
}
