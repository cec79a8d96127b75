package llamacpp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/wording"
)

// tokenType is an entry of tokenizer.ggml.token_type, as SentencePiece numbers them.
type tokenType int

const (
	normalToken tokenType = 1 + iota
	unknownToken
	controlToken
	userToken
	unusedToken
	byteToken
)

// vocabulary is the part of the metadata with the tokenizer.
type vocabulary struct {
	m      *Model
	model  string // gpt2, llama, bert
	tokens []string
	types  []int
}

// separatorKey is spelt so in GGUF.
const separatorKey = "seperator" //nolint:misspell // GGUF's own

// special are the roles of tokens: Hugging Face's name, and llama.cpp's key without tokenizer.ggml. and _token_id.
var special = []names{{"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"},
	{"sep_token", separatorKey}, {"cls_token", "cls"}, {"mask_token", "mask"}}

// makeFiles lists config.json, the tokenizer's files and what else a folder would have.
func (m *Model) makeFiles() files {
	f := files{"config.json": func() ([]byte, error) { return m.config, nil }}
	if m.arch.encoder {
		f["1_Pooling/config.json"] = m.pooling
	}
	v := &vocabulary{m: m}
	var err error
	if v.model, err = m.meta.String("tokenizer.ggml.model"); err != nil {
		return f // whoever needs a tokenizer says that there is none
	}
	list := []string{"tokenizer.json", "tokenizer_config.json"}
	build := v.byteLevel
	switch v.model {
	case "gpt2":
	case "llama":
		list[0], build = "tokenizer.model", v.sentencePiece
	case "bert":
		list[0], build = "vocab.txt", v.wordPiece
	default:
		build = func() (texts, error) {
			return nil, fmt.Errorf("tokenizer.ggml.model %q is %w; supported are gpt2, llama, bert", v.model, ErrUnsupported)
		}
	}
	once := sync.OnceValues(func() (texts, error) {
		if err := v.read(); err != nil {
			return nil, err
		}
		return build()
	})
	for _, name := range list {
		f[name] = func() ([]byte, error) {
			all, err := once()
			return all[name], err
		}
	}
	if !m.arch.encoder {
		f["generation_config.json"] = func() ([]byte, error) {
			if err := v.read(); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]any{"eos_token_id": v.ends()})
		}
	}
	return f
}

// texts are files by their names.
type texts map[string][]byte

// read reads the tokens.
func (v *vocabulary) read() error {
	var err error
	if v.tokens, err = v.m.meta.Strings("tokenizer.ggml.tokens"); err != nil {
		return err
	}
	if v.types, err = v.m.meta.Ints("tokenizer.ggml.token_type"); err != nil || len(v.types) != len(v.tokens) {
		v.types = slices.Repeat([]int{int(normalToken)}, len(v.tokens))
	}
	return nil
}

// pooling is sentence-transformers' 1_Pooling/config.json.
func (m *Model) pooling() ([]byte, error) {
	mode := "mean_tokens"
	if m.meta.Has(m.arch.name + ".pooling_type") {
		n, err := m.meta.Int(m.arch.name + ".pooling_type")
		if err != nil {
			return nil, err
		}
		modes := []string{"", "mean_tokens", "cls_token", "lasttoken"}
		if n < 1 || n >= len(modes) {
			return nil, fmt.Errorf("%s.pooling_type %d is %w; supported are 1 (mean), 2 (first token), 3 (last token)", m.arch.name, n, ErrUnsupported)
		}
		mode = modes[n]
	}
	return json.Marshal(map[string]bool{"pooling_mode_" + mode: true})
}

// endings are the tokens that end a text or a turn whatever the metadata say, as in llama.cpp (llama-vocab.cpp).
var endings = []string{"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>", "<EOT>", "_<EOT>",
	"[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"}

// ends are the ids of tokens at which llama.cpp stops.
func (v *vocabulary) ends() []int {
	var ids []int
	add := func(id int) {
		if id >= 0 && id < len(v.tokens) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, key := range []string{"eos", "eot", "eom"} {
		if id, err := v.m.meta.Int("tokenizer.ggml." + key + "_token_id"); err == nil {
			add(id)
		}
	}
	for i, t := range v.tokens {
		if slices.Contains(endings, t) {
			add(i)
		}
	}
	return ids
}

// role is the token with a role, "" if there is none.
func (v *vocabulary) role(key string) string {
	id, err := v.m.meta.Int("tokenizer.ggml." + key + "_token_id")
	if err != nil || id < 0 || id >= len(v.tokens) {
		return ""
	}
	return v.tokens[id]
}

// config is tokenizer_config.json, to which more is added.
func (v *vocabulary) config(class string, more map[string]any) ([]byte, error) {
	c := map[string]any{"tokenizer_class": class, "clean_up_tokenization_spaces": false}
	if n, err := v.m.meta.Int(v.m.arch.name + ".context_length"); err == nil {
		c["model_max_length"] = n
	}
	for _, r := range special {
		if t := v.role(r.gguf); t != "" {
			c[r.hf] = t
		}
	}
	if t, err := v.m.meta.String("tokenizer.chat_template"); err == nil {
		c["chat_template"] = t
	}
	for key, value := range more {
		c[key] = value
	}
	return json.Marshal(c)
}

// adds says whether texts begin (bos) or end (eos) with a token.
func (v *vocabulary) adds(key string, otherwise bool) bool {
	if on, err := v.m.meta.Bool("tokenizer.ggml.add_" + key + "_token"); err == nil {
		return on
	}
	return otherwise
}

// AddsBOS says whether llama.cpp begins every text with the token tokenizer.ggml.bos_token_id: where
// tokenizer.ggml.add_bos_token is true, or without that key by the tokenizer's kind.
func AddsBOS(m *gguf.Metadata) bool {
	if on, err := m.Bool("tokenizer.ggml.add_bos_token"); err == nil {
		return on
	}
	switch model, _ := m.String("tokenizer.ggml.model"); model {
	case "llama":
		return true
	case "gpt2":
		name, _ := m.String("tokenizer.ggml.pre")
		pre, err := preTokenizerNamed(name)
		return err == nil && pre.bos
	}
	return false
}

// added are the tokens that are found whole in a text.
func (v *vocabulary) added() []map[string]any {
	var list []map[string]any
	for i, t := range v.tokens {
		if k := tokenType(v.types[i]); k == controlToken || k == userToken {
			list = append(list, map[string]any{"id": i, "content": t, "single_word": false, "lstrip": false, "rstrip": false,
				"normalized": false, "special": k == controlToken})
		}
	}
	return list
}

// byteLevel makes the tokenizer.json of byte-level BPE.
func (v *vocabulary) byteLevel() (texts, error) {
	merges, err := v.m.meta.Strings("tokenizer.ggml.merges")
	if err != nil {
		return nil, err
	}
	name, err := v.m.meta.String("tokenizer.ggml.pre")
	if err != nil {
		return nil, fmt.Errorf("the file does not say how texts are cut: %w; convert the model again", err)
	}
	pre, err := preTokenizerNamed(name)
	if err != nil {
		return nil, err
	}
	vocab := make(map[string]int, len(v.tokens))
	for i, t := range v.tokens {
		if j, ok := vocab[t]; ok {
			return nil, fmt.Errorf("tokens %d and %d are both %q", j, i, wording.Clip(t, 40))
		}
		vocab[t] = i
	}
	t := map[string]any{
		"version": "1.0", "added_tokens": v.added(), "pre_tokenizer": pre.json(), "decoder": preTokenizer{}.json(),
		"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": pre.whole, "byte_fallback": false},
	}
	if pre.nfc {
		t["normalizer"] = map[string]any{"type": "NFC"}
	}
	if err := v.surround(t, pre.bos); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	config, err := v.config("PreTrainedTokenizerFast", nil)
	return texts{"tokenizer.json": raw, "tokenizer_config.json": config}, err
}

// surround adds the post_processor for tokens around texts.
func (v *vocabulary) surround(t map[string]any, bos bool) error {
	ids := map[string]any{}
	text := func(seq string, typeID int) ([]any, error) {
		parts := []any{map[string]any{"Sequence": map[string]any{"id": seq, "type_id": typeID}}}
		for _, key := range []string{"bos", "eos"} {
			if !v.adds(key, bos && key == "bos") {
				continue
			}
			token := v.role(key)
			if token == "" {
				return nil, fmt.Errorf("tokenizer.ggml.add_%s_token is set, but there is no %s_token_id", key, key)
			}
			id := slices.Index(v.tokens, token)
			ids[token] = map[string]any{"id": token, "ids": []int{id}, "tokens": []string{token}}
			part := map[string]any{"SpecialToken": map[string]any{"id": token, "type_id": typeID}}
			if key == "bos" {
				parts = append([]any{part}, parts...)
			} else {
				parts = append(parts, part)
			}
		}
		return parts, nil
	}
	single, err := text("A", 0)
	if err != nil || len(single) == 1 {
		return err
	}
	second, err := text("B", 1)
	t["post_processor"] = map[string]any{"type": "TemplateProcessing", "single": single, "pair": slices.Concat(single, second), "special_tokens": ids}
	return err
}

// wordPiece makes BERT's vocab.txt. llama.cpp marks the pieces that begin words, BERT those that do not.
func (v *vocabulary) wordPiece() (texts, error) {
	const mark = "▁"
	lines := make([]string, len(v.tokens))
	for i, t := range v.tokens {
		word, begins := strings.CutPrefix(t, mark)
		switch {
		case strings.ContainsAny(t, "\r\n"):
			return nil, fmt.Errorf("token %d has a line's end", i)
		case begins:
			lines[i] = word
		case tokenType(v.types[i]) == controlToken || strings.HasPrefix(t, "[") && strings.HasSuffix(t, "]"):
			lines[i] = t
		default:
			lines[i] = "##" + t
		}
	}
	config, err := v.config("BertTokenizer", map[string]any{"do_lower_case": true})
	return texts{"vocab.txt": []byte(strings.Join(lines, "\n") + "\n"), "tokenizer_config.json": config}, err
}
