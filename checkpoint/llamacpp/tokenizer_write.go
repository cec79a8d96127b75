package llamacpp

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/wording"
)

// tokenizerJSON is the part of a tokenizer.json that llama.cpp knows.
type tokenizerJSON struct {
	Model struct {
		Type         string          `json:"type"`
		Vocab        json.RawMessage `json:"vocab"`
		Unk          string          `json:"unk_token"`
		Merges       json.RawMessage `json:"merges"`
		IgnoreMerges bool            `json:"ignore_merges"`
		ByteFallback bool            `json:"byte_fallback"`
	} `json:"model"`
	Added []struct {
		ID      int    `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Processor    json.RawMessage `json:"post_processor"`
}

// tokenizerSettings are the keys of tokenizer_config.json.
type tokenizerSettings struct {
	BOS      any             `json:"bos_token"`
	EOS      any             `json:"eos_token"`
	Unk      any             `json:"unk_token"`
	Pad      any             `json:"pad_token"`
	Sep      any             `json:"sep_token"`
	Cls      any             `json:"cls_token"`
	Mask     any             `json:"mask_token"`
	AddBOS   *bool           `json:"add_bos_token"`
	AddEOS   *bool           `json:"add_eos_token"`
	Template json.RawMessage `json:"chat_template"`
}

// text is a special token's, which is a text or an object with its content.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		s, _ := v["content"].(string)
		return s
	}
	return ""
}

// setTokenizer adds tokenizer.*.
func (l *Layout) setTokenizer(m *gguf.Metadata, read func(name string) ([]byte, error)) error {
	raw, err := read("tokenizer.json")
	if err != nil {
		return err
	}
	if raw == nil {
		return errNoTokenizer
	}
	var t tokenizerJSON
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("tokenizer.json: %w", err)
	}
	var s tokenizerSettings
	if raw, err = read("tokenizer_config.json"); err != nil {
		return err
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	if t.Model.Type != "BPE" && t.Model.Type != "WordPiece" {
		return fmt.Errorf("tokenizer.json: model %q is not written to GGUF: %w; BPE and WordPiece are", t.Model.Type, ErrUnsupported)
	}
	if text(s.Unk) == "" {
		s.Unk = t.Model.Unk
	}
	w := &tokenizerWriter{m: m, t: &t, s: &s}
	if err := w.list(l.vocab); err != nil {
		return err
	}
	if err := w.kind(); err != nil {
		return err
	}
	w.roles()
	return w.template(read)
}

// tokenizerWriter makes the keys tokenizer.*.
type tokenizerWriter struct {
	m      *gguf.Metadata
	t      *tokenizerJSON
	s      *tokenizerSettings
	tokens []string
	types  []int32
}

// list puts the tokens in order; n is how many the model has. Ids that the tokenizer leaves out are unused.
func (w *tokenizerWriter) list(n int) error {
	w.tokens, w.types = make([]string, n), make([]int32, n)
	set := func(text string, id int, kind tokenType) error {
		if id < 0 || id >= n {
			return fmt.Errorf("tokenizer.json: token %q has id %d; the model has %d tokens", wording.Clip(text, 40), id, n)
		}
		w.tokens[id], w.types[id] = text, int32(kind)
		return nil
	}
	var ids map[string]int
	if err := json.Unmarshal(w.t.Model.Vocab, &ids); err != nil {
		return fmt.Errorf("tokenizer.json: vocab: %w", err)
	}
	for text, id := range ids {
		if err := set(text, id, normalToken); err != nil {
			return err
		}
	}
	for _, a := range w.t.Added {
		kind := userToken
		if a.Special {
			kind = controlToken
		}
		if err := set(a.Content, a.ID, kind); err != nil {
			return err
		}
	}
	for i := range w.tokens {
		if w.types[i] == 0 {
			w.tokens[i], w.types[i] = fmt.Sprintf("[PAD%d]", i), int32(unusedToken)
		}
	}
	return nil
}

// kind adds what the kind of tokenizer needs.
func (w *tokenizerWriter) kind() error {
	bos := w.begins() || w.s.AddBOS != nil && *w.s.AddBOS
	switch t := w.t.Model.Type; {
	case t == "BPE" && w.t.Model.ByteFallback:
		return w.sentencePiece(bos)
	case t == "BPE":
		return w.byteLevel(bos)
	default:
		w.wordPiece()
		return nil
	}
}

// begins says whether texts begin with bos_token by the post-processor, which names it where tokenizer_config.json does not.
func (w *tokenizerWriter) begins() bool {
	var p struct {
		Type       string `json:"type"`
		Processors []struct {
			Type   string           `json:"type"`
			Single []map[string]any `json:"single"`
		} `json:"processors"`
		Single []map[string]any `json:"single"`
	}
	if w.t.Processor == nil || json.Unmarshal(w.t.Processor, &p) != nil {
		return false
	}
	single := p.Single
	for _, part := range p.Processors {
		if part.Type == "TemplateProcessing" {
			single = part.Single
		}
	}
	if len(single) == 0 {
		return false
	}
	first, ok := single[0]["SpecialToken"].(map[string]any)
	if ok && text(w.s.BOS) == "" {
		w.s.BOS = first["id"]
	}
	return ok && text(w.s.BOS) != "" && first["id"] == text(w.s.BOS)
}

func (w *tokenizerWriter) byteLevel(bos bool) error {
	merges, err := w.merges()
	if err != nil {
		return err
	}
	pre := preTokenizers[0] // with single bytes alone, it is the same wherever a text is cut
	if len(merges) > 0 {
		if pre, err = preTokenizerOf(w.t.PreTokenizer, w.t.Model.IgnoreMerges, strings.Contains(string(w.t.Normalizer), `"NFC"`)); err != nil {
			return err
		}
	}
	w.vocabulary("gpt2", pre.names[0])
	w.m.Set("tokenizer.ggml.merges", merges)
	w.m.Set("tokenizer.ggml.add_bos_token", bos)
	w.m.Set("tokenizer.ggml.add_eos_token", w.s.AddEOS != nil && *w.s.AddEOS)
	return nil
}

// merges reads merges in their older form, "a b", or as pairs.
func (w *tokenizerWriter) merges() ([]string, error) {
	var old []string
	if json.Unmarshal(w.t.Model.Merges, &old) == nil {
		return old, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal(w.t.Model.Merges, &pairs); err != nil {
		return nil, fmt.Errorf("tokenizer.json: merges: %w", err)
	}
	lines := make([]string, 0, len(pairs))
	for _, p := range pairs {
		if strings.Contains(p[0]+p[1], " ") {
			return nil, fmt.Errorf("tokenizer.json: the merge of %q and %q has a space, which GGUF cannot hold: %w", p[0], p[1], ErrUnsupported)
		}
		lines = append(lines, p[0]+" "+p[1])
	}
	return lines, nil
}

// sentencePiece writes a BPE whose merges are in the order of the ids, as Llama's: the lower the id, the better its score.
func (w *tokenizerWriter) sentencePiece(bos bool) error {
	scores := make([]float32, len(w.tokens))
	for i, t := range w.tokens {
		scores[i] = -float32(i)
		var b byte
		if n, err := fmt.Sscanf(t, "<0x%02X>", &b); n == 1 && err == nil && len(t) == 6 && w.types[i] == int32(normalToken) {
			w.types[i] = int32(byteToken)
		}
		if t == text(w.s.Unk) {
			w.types[i] = int32(unknownToken)
		}
	}
	w.vocabulary("llama", "default")
	w.m.Set("tokenizer.ggml.scores", scores)
	w.m.Set("tokenizer.ggml.add_bos_token", bos)
	w.m.Set("tokenizer.ggml.add_eos_token", w.s.AddEOS != nil && *w.s.AddEOS)
	prefix := strings.Contains(string(w.t.Normalizer), `"Prepend"`) || strings.Contains(string(w.t.PreTokenizer), `"Metaspace"`)
	w.m.Set("tokenizer.ggml.add_space_prefix", prefix)
	return nil
}

// wordPiece marks the pieces that begin words, where BERT marks those that do not.
func (w *tokenizerWriter) wordPiece() {
	special := []string{text(w.s.Cls), text(w.s.Sep), text(w.s.Pad), text(w.s.Mask), text(w.s.Unk)}
	for i, t := range w.tokens {
		switch rest, inside := strings.CutPrefix(t, "##"); {
		case w.types[i] == int32(controlToken), w.types[i] == int32(unusedToken):
		case slices.Contains(special, t):
			w.types[i] = int32(controlToken)
		case inside:
			w.tokens[i] = rest
		default:
			w.tokens[i] = "▁" + t
		}
	}
	w.vocabulary("bert", "jina-v2-en")
	w.m.Set("tokenizer.ggml.token_type_count", uint32(2))
}

func (w *tokenizerWriter) vocabulary(model, pre string) {
	w.m.Set("tokenizer.ggml.model", model)
	w.m.Set("tokenizer.ggml.pre", pre)
	w.m.Set("tokenizer.ggml.tokens", w.tokens)
	w.m.Set("tokenizer.ggml.token_type", w.types)
}

// roles adds the ids of special tokens.
func (w *tokenizerWriter) roles() {
	ids := map[string]int{}
	for i, t := range w.tokens {
		ids[t] = i
	}
	for _, r := range []struct {
		key   string
		token any
	}{{"bos", w.s.BOS}, {"eos", w.s.EOS}, {"unknown", w.s.Unk}, {"padding", w.s.Pad}, {"seperator", w.s.Sep}, {"cls", w.s.Cls}, {"mask", w.s.Mask}} {
		if id, ok := ids[text(r.token)]; ok && text(r.token) != "" && id <= math.MaxInt32 {
			w.m.Set("tokenizer.ggml."+r.key+"_token_id", uint32(id))
		}
	}
}

// template adds the chat template: the file's, or that of tokenizer_config.json.
func (w *tokenizerWriter) template(read func(name string) ([]byte, error)) error {
	raw, err := read("chat_template.jinja")
	if err != nil {
		return err
	}
	one := string(raw)
	if raw == nil && len(w.s.Template) > 0 {
		var named []struct{ Name, Template string }
		if json.Unmarshal(w.s.Template, &one) != nil && json.Unmarshal(w.s.Template, &named) == nil {
			for _, n := range named {
				if n.Name == "default" {
					one = n.Template
				}
			}
		}
	}
	if one != "" {
		w.m.Set("tokenizer.chat_template", one)
	}
	return nil
}
