package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// vocab maps the tokens of a model to ids and back.
type vocab struct {
	ids    map[string]int32
	tokens []string // by id; holes are ""
	used   []bool   // which ids have a token
}

// maxID is the largest id that is accepted for n tokens. A vocabulary may have holes, but one that is far larger than
// its number of tokens is a mistake.
func maxID(n int) int64 { return 2*int64(n) + 1<<16 }

// UnmarshalJSON reads {"token": id, …}. A token that is listed twice is an error.
func (v *vocab) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("vocab: want an object of token: id")
	}
	v.ids = map[string]int32{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("vocab: %w", err)
		}
		token := key.(string)
		var p *int64
		if err := dec.Decode(&p); err != nil {
			return fmt.Errorf("vocab: id of %q: want a whole number: %w", token, err)
		}
		if p == nil {
			return fmt.Errorf("vocab: id of %q is null, want a whole number", token)
		}
		id := *p
		if id < 0 || id != int64(int32(id)) {
			return fmt.Errorf("vocab: id %d of %q is out of range, want 0 or more and less than 2³¹", id, token)
		}
		if _, ok := v.ids[token]; ok {
			return fmt.Errorf("vocab: token %q is listed twice", token)
		}
		v.ids[token] = int32(id)
	}
	return v.invert()
}

// invert fills the table from ids to tokens.
func (v *vocab) invert() error {
	top := int32(-1)
	for token, id := range v.ids {
		if limit := maxID(len(v.ids)); int64(id) > limit {
			return fmt.Errorf("vocab: id %d of %q is out of range for %d tokens, want at most %d", id, token, len(v.ids), limit)
		}
		top = max(top, id)
	}
	v.tokens = make([]string, top+1)
	v.used = make([]bool, top+1)
	for token, id := range v.ids {
		if v.used[id] {
			return fmt.Errorf("vocab: id %d belongs to %q and to %q", id, v.tokens[id], token)
		}
		v.tokens[id], v.used[id] = token, true
	}
	return nil
}

// extend adds tokens after the others.
func (v *vocab) extend(tokens []string) error {
	n := int32(len(v.ids))
	for i, token := range tokens {
		if id, ok := v.ids[token]; ok {
			return fmt.Errorf("token %q has id %d; want it left out, since it comes after all %d tokens", token, id, n)
		}
		v.ids[token] = n + int32(i)
	}
	return v.invert()
}

func (v *vocab) size() int { return len(v.ids) }

func (v *vocab) id(token string) (int32, bool) {
	id, ok := v.ids[token]
	return id, ok
}

func (v *vocab) token(id int32) (string, bool) {
	if id < 0 || int(id) >= len(v.tokens) || !v.used[id] {
		return "", false
	}
	return v.tokens[id], true
}

// byteIDs returns the ids of <0x00> to <0xFF>, -1 for those that are missing.
func (v *vocab) byteIDs() (ids [256]int32, complete bool) {
	complete = true
	for b := range ids {
		id, ok := v.ids[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			id, complete = -1, false
		}
		ids[b] = id
	}
	return ids, complete
}
