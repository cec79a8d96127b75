package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/wording"
)

// tokenizerConfig is the part of tokenizer_config.json and special_tokens_map.json that matters here.
type tokenizerConfig struct {
	Class        string                     `json:"tokenizer_class"`
	AddBOS       *bool                      `json:"add_bos_token"`
	AddEOS       *bool                      `json:"add_eos_token"`
	CleanUp      bool                       `json:"clean_up_tokenization_spaces"`
	CleanUpBPE   bool                       `json:"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"`
	ChatTemplate json.RawMessage            `json:"chat_template"`
	Decoder      map[string]json.RawMessage `json:"added_tokens_decoder"`
	Additional   []specialToken             `json:"additional_special_tokens"`
	BOS          *specialToken              `json:"bos_token"`
	EOS          *specialToken              `json:"eos_token"`
	Unk          *specialToken              `json:"unk_token"`
	Sep          *specialToken              `json:"sep_token"`
	Pad          *specialToken              `json:"pad_token"`
	Cls          *specialToken              `json:"cls_token"`
	Mask         *specialToken              `json:"mask_token"`

	// Of mBART, NLLB and M2M-100: the languages of texts and of targets, and what stands around them, as in tokenClass.
	source, target, single, pair string

	followsBOS bool // add_bos_token and add_eos_token count, whatever the class is
}

// specialToken is a token that is given as text or as an object.
type specialToken struct {
	addedToken
	plain bool // as text
}

func (s *specialToken) UnmarshalJSON(raw []byte) error {
	s.addedToken = addedToken{Special: true}
	if len(raw) > 0 && raw[0] == '"' {
		s.plain = true
		return json.Unmarshal(raw, &s.Content)
	}
	if err := json.Unmarshal(raw, &s.addedToken); err != nil {
		return err
	}
	if s.Content == nil {
		return fmt.Errorf("special token %s: want a text or an object with a \"content\"", wording.Clip(string(raw), 30))
	}
	s.Special = true
	return nil
}

// namedTokens returns the special tokens that have a role, in the order in which transformers adds them.
func (c *tokenizerConfig) namedTokens() (names []string, tokens []*specialToken) {
	return []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"},
		[]*specialToken{c.BOS, c.EOS, c.Unk, c.Sep, c.Pad, c.Cls, c.Mask}
}

// readConfig reads tokenizer_config.json and special_tokens_map.json. Where both say something, the first counts.
func readConfig(config, specialMap []byte) (*tokenizerConfig, error) {
	var c tokenizerConfig
	for _, file := range []struct {
		name string
		raw  []byte
	}{{"special_tokens_map.json", specialMap}, {"tokenizer_config.json", config}} {
		if file.raw == nil {
			continue
		}
		if err := json.Unmarshal(file.raw, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", file.name, err)
		}
	}
	return &c, nil
}

// configure applies tokenizer_config.json and special_tokens_map.json.
func (t *Tokenizer) configure(c *tokenizerConfig) error {
	t.cleanUp = c.CleanUp && (c.CleanUpBPE || !t.isBPE())
	if err := t.addNumbered(c); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	if err := t.addSpecial(c); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	t.named = map[string]int32{}
	names, tokens := c.namedTokens()
	for i, name := range names {
		if tokens[i] != nil && tokens[i].Content != nil {
			if id, ok := t.ID(*tokens[i].Content); ok {
				t.named[name] = id
			}
		}
	}
	if err := t.setBOSAndEOS(c); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	if err := t.readChatTemplates(c.ChatTemplate); err != nil {
		return fmt.Errorf("tokenizer_config.json: chat_template: %w", err)
	}
	return nil
}

// addNumbered adds the tokens that only added_tokens_decoder has, as transformers does.
func (t *Tokenizer) addNumbered(c *tokenizerConfig) error {
	const where = "added_tokens_decoder"
	ids := map[int64]addedToken{}
	for key, raw := range c.Decoder {
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return fmt.Errorf("%s: key %q is not an id", where, key)
		}
		a := addedToken{ID: &id}
		if err := json.Unmarshal(raw, &a); err != nil {
			return fmt.Errorf("%s: token %d: %w", where, id, err)
		}
		a.ID = &id
		ids[id] = a
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		a := ids[id]
		if a.Content == nil {
			return fmt.Errorf("%s: token %d has no content", where, id)
		}
		if _, ok := t.added.ids[*a.Content]; ok {
			continue
		}
		if err := t.added.add(a, t.model.lookup(), where); err != nil {
			return err
		}
	}
	return nil
}

// addSpecial adds the special tokens that only the configuration has, as transformers does.
func (t *Tokenizer) addSpecial(c *tokenizerConfig) error {
	_, special := c.namedTokens()
	for i := range c.Additional {
		special = append(special, &c.Additional[i])
	}
	for _, s := range special {
		if s == nil || s.Content == nil || *s.Content == "" {
			continue
		}
		if _, ok := t.added.ids[*s.Content]; ok {
			continue
		}
		id := t.nextID()
		if known, ok := t.model.lookup().id(*s.Content); ok {
			id = int64(known)
		}
		a := s.addedToken
		a.ID = &id
		if err := t.added.add(a, t.model.lookup(), "special tokens"); err != nil {
			return err
		}
	}
	return nil
}

// nextID returns the first id after those of the model and of the added tokens.
func (t *Tokenizer) nextID() int64 {
	next := int64(len(t.model.lookup().tokens))
	for id := range t.added.byID {
		next = max(next, int64(id)+1)
	}
	return next
}

// setBOSAndEOS makes the post-processor follow add_bos_token and add_eos_token, for the classes of transformers that do
// so.
func (t *Tokenizer) setBOSAndEOS(c *tokenizerConfig) error {
	switch strings.TrimSuffix(c.Class, "Fast") {
	case "LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer":
	default:
		if !c.followsBOS {
			return nil
		}
	}
	if c.AddBOS == nil && c.AddEOS == nil {
		return nil
	}
	part := func(name string, token *specialToken, on bool) ([]templatePart, error) {
		if !on {
			return nil, nil
		}
		id, ok := t.named[name]
		if !ok {
			return nil, fmt.Errorf("add_%s is set, but there is no %s", name, name)
		}
		return []templatePart{{-1, 0, []int32{id}, []string{*token.Content}}}, nil
	}
	bos, err := part("bos_token", c.BOS, orTrue(c.AddBOS))
	if err != nil {
		return err
	}
	eos, err := part("eos_token", c.EOS, c.AddEOS != nil && *c.AddEOS)
	if err != nil {
		return err
	}
	text := func(seq int) []templatePart {
		out := append(slices.Clone(bos), templatePart{seq: seq})
		out = append(out, eos...)
		for i := range out {
			out[i].typeID = int32(seq)
		}
		return out
	}
	t.post = postProcessor{template: &template{single: text(0), pair: append(text(0), text(1)...)}}
	return nil
}

// readChatTemplates reads one template, or a list of named ones.
func (t *Tokenizer) readChatTemplates(raw json.RawMessage) error {
	if jsonvalue.IsNull(raw) {
		return nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		t.setChatTemplate("default", one)
		return nil
	}
	var list []struct {
		Name     *string `json:"name"`
		Template *string `json:"template"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("want a text or a list of {\"name\", \"template\"}: %w", err)
	}
	for i, e := range list {
		if e.Name == nil || e.Template == nil {
			return fmt.Errorf("entry %d wants a \"name\" and a \"template\"", i)
		}
		t.setChatTemplate(*e.Name, *e.Template)
	}
	return nil
}

func (t *Tokenizer) setChatTemplate(name, text string) {
	if t.ChatTemplates == nil {
		t.ChatTemplates = map[string]string{}
	}
	t.ChatTemplates[name] = text
	if name == "default" {
		t.ChatTemplate = text
	}
}
