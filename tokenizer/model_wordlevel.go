package tokenizer

import (
	"encoding/json"
	"fmt"
)

// wordLevel maps whole pieces to ids.
type wordLevel struct {
	vocab *vocab
	unk   int32
}

func parseWordLevel(raw json.RawMessage, where string) (model, error) {
	var c struct {
		Vocab    vocab  `json:"vocab"`
		UnkToken string `json:"unk_token"`
	}
	if err := decodeObject(raw, where, &c, "vocab", "unk_token"); err != nil {
		return nil, err
	}
	unk, ok := c.Vocab.id(c.UnkToken)
	if !ok {
		return nil, fmt.Errorf("%s: unk_token %q is not in the vocab", where, c.UnkToken)
	}
	return &wordLevel{&c.Vocab, unk}, nil
}

func (m *wordLevel) lookup() *vocab { return m.vocab }

func (m *wordLevel) unknown() int32 { return m.unk }

func (m *wordLevel) tokenize(dst []tok, s string) []tok {
	id, ok := m.vocab.id(s)
	if !ok {
		id = m.unk
	}
	return append(dst, tok{id, 0, int32(len(s))})
}
