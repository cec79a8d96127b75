package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/wording"
)

// postProcessor adds special tokens to one or two encodings, and joins them. Without a template it adds nothing.
type postProcessor struct {
	trims    []trimmer // in order, before the template
	template *template
}

// trimmer takes white space out of the offsets of byte-level tokens.
type trimmer struct{ prefixSpace bool }

// template is what stands before, between and after the texts.
type template struct {
	single, pair []templatePart
}

// templatePart is the text number seq (0 or 1), or special tokens if seq is -1.
type templatePart struct {
	seq    int
	typeID int32
	ids    []int32
	tokens []string
}

// parse reads the "post_processor" section.
func (post *postProcessor) parse(raw json.RawMessage, where string) error {
	kind, err := kindOf(raw, where)
	if err != nil {
		return err
	}
	switch kind {
	case "Sequence":
		return post.parseSequence(raw, where)
	case "ByteLevel":
		c, err := parseByteLevel(raw, where)
		if orTrue(c.TrimOffsets) {
			post.trims = append(post.trims, trimmer{orTrue(c.AddPrefixSpace)})
		}
		if post.template != nil {
			return fmt.Errorf("%s: a ByteLevel after a template is %w", where, ErrUnsupported)
		}
		return err
	}
	if post.template != nil {
		return fmt.Errorf("%s: %s after another template is %w", where, kind, ErrUnsupported)
	}
	switch kind {
	case "TemplateProcessing":
		post.template, err = parseTemplate(raw, where)
	case "BertProcessing":
		err = post.parseClsSep(raw, where, false)
	case "RobertaProcessing":
		err = post.parseClsSep(raw, where, true)
	default:
		err = fmt.Errorf("%s: type %q is %w; known: BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing", where, kind, ErrUnsupported)
	}
	return err
}

func (post *postProcessor) parseSequence(raw json.RawMessage, where string) error {
	var c struct {
		Processors []json.RawMessage `json:"processors"`
	}
	if err := decodeObject(raw, where, &c, "processors"); err != nil {
		return err
	}
	for i, r := range c.Processors {
		if err := post.parse(r, fmt.Sprintf("%s.processors[%d]", where, i)); err != nil {
			return err
		}
	}
	return nil
}

// namedToken is ["token", id].
type namedToken struct {
	token string
	id    int32
}

func (t *namedToken) UnmarshalJSON(raw []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 || jsonvalue.IsNull(pair[0]) || jsonvalue.IsNull(pair[1]) {
		return fmt.Errorf("want [token, id], got %s", wording.Clip(string(raw), 30))
	}
	if err := json.Unmarshal(pair[0], &t.token); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &t.id)
}

// parseClsSep reads a BertProcessing or a RobertaProcessing.
func (post *postProcessor) parseClsSep(raw json.RawMessage, where string, roberta bool) error {
	var c struct {
		Sep            *namedToken `json:"sep"`
		Cls            *namedToken `json:"cls"`
		TrimOffsets    *bool       `json:"trim_offsets"`
		AddPrefixSpace *bool       `json:"add_prefix_space"`
	}
	if err := decodeObject(raw, where, &c, "sep", "cls"); err != nil {
		return err
	}
	token := func(t *namedToken, typeID int32) templatePart {
		return templatePart{-1, typeID, []int32{t.id}, []string{t.token}}
	}
	a, b := templatePart{seq: 0}, templatePart{seq: 1, typeID: 1}
	single := []templatePart{token(c.Cls, 0), a, token(c.Sep, 0)}
	if roberta {
		b.typeID = 0
		post.template = &template{single, append(single[:3:3], token(c.Sep, 0), b, token(c.Sep, 0))}
		if orTrue(c.TrimOffsets) {
			post.trims = append(post.trims, trimmer{orTrue(c.AddPrefixSpace)})
		}
		return nil
	}
	post.template = &template{single, append(single[:3:3], b, token(c.Sep, 1))}
	return nil
}

// specialTokens is an entry of a template's "special_tokens".
type specialTokens struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

func parseTemplate(raw json.RawMessage, where string) (*template, error) {
	var c struct {
		Single  []json.RawMessage        `json:"single"`
		Pair    []json.RawMessage        `json:"pair"`
		Special map[string]specialTokens `json:"special_tokens"`
	}
	if err := decodeObject(raw, where, &c, "single", "pair", "special_tokens"); err != nil {
		return nil, err
	}
	for name, s := range c.Special {
		if len(s.IDs) != len(s.Tokens) {
			return nil, fmt.Errorf("%s: special token %q has %d ids and %d tokens", where, name, len(s.IDs), len(s.Tokens))
		}
	}
	var t template
	var err error
	if t.single, err = parseParts(c.Single, c.Special, 1, where+".single"); err != nil {
		return nil, err
	}
	t.pair, err = parseParts(c.Pair, c.Special, 2, where+".pair")
	return &t, err
}

// partRef is what a part of a template refers to.
type partRef struct {
	ID     string `json:"id"`
	TypeID typeID `json:"type_id"`
}

// typeID is a type id. It is not negative.
type typeID int32

func (t *typeID) UnmarshalJSON(raw []byte) error {
	var v int32
	if err := json.Unmarshal(raw, &v); err != nil || v < 0 || jsonvalue.IsNull(raw) {
		return fmt.Errorf("type_id is %s, want a whole number, 0 or more", wording.Clip(string(raw), 30))
	}
	*t = typeID(v)
	return nil
}

// parseParts reads the parts of a template for n texts.
func parseParts(raws []json.RawMessage, special map[string]specialTokens, n int, where string) ([]templatePart, error) {
	var out []templatePart
	for i, raw := range raws {
		where := fmt.Sprintf("%s[%d]", where, i)
		var c struct {
			Sequence     *partRef `json:"Sequence"`
			SpecialToken *partRef `json:"SpecialToken"`
		}
		if err := decodeObject(raw, where, &c); err != nil {
			return nil, err
		}
		switch {
		case (c.Sequence == nil) == (c.SpecialToken == nil):
			return nil, fmt.Errorf("%s: want either \"Sequence\" or \"SpecialToken\"", where)
		case c.Sequence != nil:
			seq := strings.Index("AB", c.Sequence.ID)
			if len(c.Sequence.ID) != 1 || seq < 0 || seq >= n {
				return nil, fmt.Errorf("%s: Sequence %q is not one of the %d texts (A, B)", where, c.Sequence.ID, n)
			}
			out = append(out, templatePart{seq: seq, typeID: int32(c.Sequence.TypeID)})
		default:
			s, ok := special[c.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("%s: SpecialToken %q is not in special_tokens, which has %q", where,
					c.SpecialToken.ID, slices.Sorted(maps.Keys(special)))
			}
			out = append(out, templatePart{-1, int32(c.SpecialToken.TypeID), s.IDs, s.Tokens})
		}
	}
	return out, nil
}

// process runs over the encodings of one or two texts. If they have only ids, so does the result.
func (post *postProcessor) process(texts []Encoding, addSpecialTokens bool) Encoding {
	for _, t := range post.trims {
		for i := range texts {
			t.trim(&texts[i])
		}
	}
	if post.template == nil {
		return join(texts)
	}
	if !addSpecialTokens && len(texts) == 1 && texts[0].Tokens == nil {
		return texts[0]
	}
	parts := post.template.single
	if len(texts) == 2 {
		parts = post.template.pair
	}
	var out []Encoding
	for _, p := range parts {
		if p.seq >= 0 {
			out = append(out, texts[p.seq].withType(p.typeID))
		} else if addSpecialTokens {
			out = append(out, p.encoding())
		}
	}
	e := join(out)
	if texts[0].Tokens == nil && len(texts[0].IDs) > 0 {
		return Encoding{IDs: e.IDs}
	}
	return e
}

// encoding returns the special tokens of p.
func (p templatePart) encoding() Encoding {
	e := Encoding{IDs: p.ids, Tokens: p.tokens, Offsets: make([][2]int, len(p.ids))}
	for range p.ids {
		e.WordIDs = append(e.WordIDs, -1)
		e.SpecialTokensMask = append(e.SpecialTokensMask, true)
	}
	return e.withType(p.typeID)
}

// trim takes the spaces at the ends of each token out of its offsets.
func (t trimmer) trim(e *Encoding) {
	isSpace := func(r rune) bool { return r == byteToRune[' '] || unicode.IsSpace(r) }
	for i := range e.Offsets {
		token, at := e.Tokens[i], &e.Offsets[i]
		before := len([]rune(token)) - len([]rune(strings.TrimLeftFunc(token, isSpace)))
		after := len([]rune(token)) - len([]rune(strings.TrimRightFunc(token, isSpace)))
		if before == 1 && t.prefixSpace && (i == 0 || at[0] == 0) {
			before = 0 // the space was added
		}
		if before > 0 {
			at[0] = min(at[0]+before, at[1])
		}
		if after > 0 && at[1] >= after {
			at[1] = max(at[1]-after, at[0])
		}
	}
}
