package llamacpp

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/internal/wording"
)

// A preTokenizer is how byte-level BPE cuts a text, under the names that llama.cpp has for it (llama-vocab.cpp).
type preTokenizer struct {
	names []string
	// digits cuts every digit off first, regex is the pattern of the parts; "" is GPT-2's.
	digits bool
	regex  string
	// nfc composes characters first, whole takes a part that is a token as it is (ignore_merges), bos begins texts with
	// bos_token where add_bos_token is missing.
	nfc, whole, bos bool
}

const (
	contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	afterWords   = ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	upper        = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	lower        = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	afterCased   = ` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var (
	llama3Regex = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|` + afterWords
	qwen2Regex  = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|` + afterWords
	gpt4oRegex  = `[^\r\n\p{L}\p{N}]?` + upper + `*` + lower + `+` + contractions + `?|[^\r\n\p{L}\p{N}]?` + upper + `+` + lower + `*` +
		contractions + `?|\p{N}{1,3}|` + afterCased
	tekkenRegex = `[^\r\n\p{L}\p{N}]?` + upper + `*` + lower + `+|[^\r\n\p{L}\p{N}]?` + upper + `+` + lower + `*|\p{N}|` + afterCased
)

// preTokenizers are those that are known. The first name is written.
var preTokenizers = []preTokenizer{
	{names: []string{"gpt-2", "phi-2", "mpt", "olmo", "jais", "gpt3-finnish", "roberta-bpe", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v2-code", "a.x-4.0", "mellum", "gigachat"}},
	{names: []string{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, digits: true},
	{names: []string{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"}, regex: llama3Regex, whole: true, bos: true},
	{names: []string{"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, regex: llama3Regex},
	{names: []string{"qwen2", "deepseek-r1-qwen", "megrez", "kormo", "stablelm2", "hunyuan"}, regex: qwen2Regex, nfc: true},
	{names: []string{"gpt-4o", "llama4"}, regex: gpt4oRegex},
	{names: []string{"tekken"}, regex: tekkenRegex, whole: true, bos: true},
}

// preTokenizerNamed finds one by tokenizer.ggml.pre.
func preTokenizerNamed(name string) (preTokenizer, error) {
	var known []string
	for _, p := range preTokenizers {
		if slices.Contains(p.names, name) {
			return p, nil
		}
		known = append(known, p.names...)
	}
	return preTokenizer{}, fmt.Errorf("tokenizer.ggml.pre %q is %w%s", name, ErrUnsupported, suggest.Hint(name, known))
}

// json is the pre_tokenizer of a tokenizer.json.
func (p preTokenizer) json() map[string]any {
	level := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": p.regex == ""}
	switch {
	case p.digits:
		return map[string]any{"type": "Sequence", "pretokenizers": []any{map[string]any{"type": "Digits", "individual_digits": true}, level}}
	case p.regex != "":
		split := map[string]any{"type": "Split", "pattern": map[string]any{"Regex": p.regex}, "behavior": "Isolated", "invert": false}
		return map[string]any{"type": "Sequence", "pretokenizers": []any{split, level}}
	}
	return level
}

// step is a part of a pre_tokenizer.
type step struct {
	Type             string `json:"type"`
	PreTokenizers    []step `json:"pretokenizers"`
	IndividualDigits bool   `json:"individual_digits"`
	AddPrefixSpace   bool   `json:"add_prefix_space"`
	UseRegex         *bool  `json:"use_regex"`
	Behavior         string `json:"behavior"`
	Invert           bool   `json:"invert"`
	Pattern          struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
}

// preTokenizerOf finds the one that a tokenizer.json has. whole is its ignore_merges, nfc that it composes characters.
func preTokenizerOf(raw json.RawMessage, whole, nfc bool) (preTokenizer, error) {
	var s step
	if err := json.Unmarshal(raw, &s); err != nil {
		return preTokenizer{}, fmt.Errorf("tokenizer.json: pre_tokenizer: %w", err)
	}
	if s.Type != "Sequence" {
		s.PreTokenizers = []step{s}
	}
	var have preTokenizer
	for _, part := range s.PreTokenizers {
		switch {
		case part.Type == "Digits" && part.IndividualDigits:
			have.digits = true
		case part.Type == "Split" && part.Behavior == "Isolated" && !part.Invert && have.regex == "":
			have.regex = part.Pattern.Regex
		case part.Type == "ByteLevel" && !part.AddPrefixSpace && (part.UseRegex == nil || *part.UseRegex) == (have.regex == ""):
		default:
			return have, unknownPreTokenizer(raw)
		}
	}
	for _, p := range preTokenizers {
		if p.digits == have.digits && p.regex == have.regex && p.whole == whole && (p.nfc == nfc || have.regex == qwen2Regex) {
			return p, nil
		}
	}
	return have, unknownPreTokenizer(raw)
}

func unknownPreTokenizer(raw json.RawMessage) error {
	return fmt.Errorf("tokenizer.json: llama.cpp has no name for the pre_tokenizer %s: %w", wording.Clip(raw, 120), ErrUnsupported)
}

// Pattern is the regular expression by which byte-level BPE cuts a text, by llama.cpp's name for it.
func Pattern(name string) (string, error) {
	p, err := preTokenizerNamed(name)
	return p.regex, err
}
