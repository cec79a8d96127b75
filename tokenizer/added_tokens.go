package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// addedToken is a token that is looked for in the text before anything else.
type addedToken struct {
	ID         *int64  `json:"id"`
	Content    *string `json:"content"`
	SingleWord bool    `json:"single_word"` // only where no word goes on
	LStrip     bool    `json:"lstrip"`      // takes the white space on its left
	RStrip     bool    `json:"rstrip"`      // and on its right
	Normalized bool    `json:"normalized"`  // looked for in the normalized text
	Special    bool    `json:"special"`     // dropped by Decode when asked to
}

// addedVocab holds all added tokens.
type addedVocab struct {
	byID    map[int32]*addedToken
	ids     map[string]int32
	decoded map[int32]string // what the decoder gets for a normalized token
	special map[string]bool
	raw     tokenFinder // finds tokens in the text as it is
	normal  tokenFinder // finds tokens in the normalized text
	fresh   int         // how many tokens the model does not have
}

// add adds a token. A token that the model has keeps the model's id.
func (a *addedVocab) add(t addedToken, words *vocab, where string) error {
	if t.Content == nil || t.ID == nil {
		return fmt.Errorf("%s: an added token wants an id and a content", where)
	}
	content, id := *t.Content, *t.ID
	if content == "" {
		return nil
	}
	if err := a.checkID(content, id, words); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if _, known := words.id(content); !known && a.byID[int32(id)] == nil {
		a.fresh++
	}
	a.byID[int32(id)] = &t
	a.ids[content] = int32(id)
	if t.Special {
		a.special[content] = true
	}
	return nil
}

// checkID makes sure that the model and the added tokens agree on the id of a token and on the token of an id.
func (a *addedVocab) checkID(content string, id int64, words *vocab) error {
	if limit := maxID(words.size()); id < 0 || id > limit {
		return fmt.Errorf("id %d of %q is out of range, want 0 to %d", id, content, limit)
	}
	known, ok := words.id(content)
	if ok && int64(known) != id {
		return fmt.Errorf("id of %q is %d, but the model's vocab says %d", content, id, known)
	}
	if other, taken := words.token(int32(id)); taken && !ok {
		return fmt.Errorf("id %d of %q belongs to %q in the model's vocab", id, content, other)
	}
	if other := a.byID[int32(id)]; other != nil && *other.Content != content {
		return fmt.Errorf("id %d belongs to %q and to %q", id, *other.Content, content)
	}
	if known, ok := a.ids[content]; ok && int64(known) != id {
		return fmt.Errorf("token %q has the ids %d and %d", content, known, id)
	}
	return nil
}

func newAddedVocab() *addedVocab {
	return &addedVocab{
		byID: map[int32]*addedToken{}, ids: map[string]int32{},
		decoded: map[int32]string{}, special: map[string]bool{},
	}
}

// parseAdded reads the "added_tokens" section.
func parseAdded(raw json.RawMessage, words *vocab) (*addedVocab, error) {
	a := newAddedVocab()
	if jsonvalue.IsNull(raw) {
		return a, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("added_tokens: want a list: %w", err)
	}
	for i, r := range list {
		where := fmt.Sprintf("added_tokens[%d]", i)
		t := addedToken{}
		if err := decodeObject(r, where, &t, "id", "content"); err != nil {
			return nil, err
		}
		if err := a.add(t, words, where); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// index builds the finders. All tokens must be there.
func (a *addedVocab) index(n normalizer) error {
	a.raw, a.normal = newTokenFinder(a.byID), newTokenFinder(a.byID)
	for id, t := range a.byID {
		if !t.Normalized {
			a.raw.put(*t.Content, id)
			continue
		}
		p := newPiece(validUTF8(*t.Content), false)
		if n != nil {
			n.normalize(&p)
		}
		if p.s != *t.Content {
			a.decoded[id] = p.s
		}
		if p.s == "" {
			return fmt.Errorf("added_tokens: nothing of %q is left after normalization", *t.Content)
		}
		if v := a.normal.trie.walk(p.s); v > 0 && a.normal.trie.value[v] >= 0 {
			other := a.byID[a.normal.trie.value[v]]
			return fmt.Errorf("added_tokens: %q and %q are the same after normalization", *other.Content, *t.Content)
		}
		a.normal.put(p.s, id)
	}
	return nil
}

// tokenFinder finds added tokens in a text, from left to right. Of several that begin at the same place it takes the
// longest.
type tokenFinder struct {
	tokens map[int32]*addedToken
	trie   *trie
	empty  bool
}

func newTokenFinder(tokens map[int32]*addedToken) tokenFinder {
	return tokenFinder{tokens, newTrie(16), true}
}

func (f *tokenFinder) put(content string, id int32) {
	f.trie.put(content, id)
	f.empty = false
}

// split appends the tokens in p, and the text between them.
func (f *tokenFinder) split(dst []piece, p piece) []piece {
	if f.empty {
		return appendSlice(dst, p, 0, len(p.s))
	}
	last := 0
	for at := 0; at < len(p.s); {
		if f.trie.root[p.s[at]] == 0 {
			at++
			continue
		}
		id, n := f.trie.longest(0, p.s[at:])
		if id < 0 {
			at++
			continue
		}
		i, j := at, at+n
		at = j
		t := f.tokens[id]
		if t.SingleWord && (endsInWord(p.s[:i]) || startsWithWord(p.s[j:])) {
			continue
		}
		if t.LStrip {
			i = max(len(strings.TrimRightFunc(p.s[:i], unicode.IsSpace)), last)
		}
		if t.RStrip {
			j = len(p.s) - len(strings.TrimLeftFunc(p.s[j:], unicode.IsSpace))
		}
		dst = appendSlice(dst, p, last, i)
		token := p.slice(i, j)
		token.id = id
		dst = append(dst, token)
		last = j
	}
	return appendSlice(dst, p, last, len(p.s))
}

func startsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && charclass.IsWord(r)
}

func endsInWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && charclass.IsWord(r)
}
