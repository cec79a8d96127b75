package tokenizer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/wording"
)

// A file of ranks has a byte-level BPE as its tokens alone: of two merges, the one that makes the token of the lower rank is first.
// tiktoken's files have a line for each, "BASE64 RANK"; Mistral's tekken.json has more around them.

const (
	tekkenName   = "tekken.json"
	maxRankToken = 1 << 10 // bytes of a token
)

// rankToken is a token's bytes and its id.
type rankToken struct {
	bytes []byte
	id    int32
}

// ranksFile is the name of the folder's file of ranks, or "". Llama 3 calls it tokenizer.model, as SentencePiece's files are called.
func (d folder) ranksFile() (string, error) {
	if d.has(tekkenName) {
		return tekkenName, nil
	}
	if raw, err := d.optional("tokenizer.model"); err != nil || isTiktoken(raw) {
		return "tokenizer.model", err
	}
	names, err := fs.Glob(d, "*.tiktoken")
	if err != nil || len(names) == 0 {
		return "", err
	}
	if len(names) > 1 {
		return "", fmt.Errorf("%d files of ranks (%s); want one", len(names), wording.List(names, 3, ", "))
	}
	return names[0], nil
}

// isTiktoken says whether a file begins with a line of tiktoken's form.
func isTiktoken(raw []byte) bool {
	line, _, _ := strings.Cut(string(raw[:min(len(raw), 4*maxRankToken)]), "\n")
	_, err := parseRank(line)
	return err == nil
}

// parseRank reads a line.
func parseRank(line string) (rankToken, error) {
	text, number, ok := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
	b, err := base64.StdEncoding.DecodeString(text)
	id, err2 := strconv.ParseInt(number, 10, 32)
	if !ok || err != nil || err2 != nil || id < 0 || len(b) == 0 {
		return rankToken{}, fmt.Errorf("%q; want a token in base64, a space, and its rank", wording.Clip(line, 30))
	}
	return rankToken{b, int32(id)}, nil
}

// parseTiktoken reads a file of tiktoken's form.
func parseTiktoken(raw []byte) ([]rankToken, error) {
	var tokens []rankToken
	number := 0
	for line := range strings.Lines(string(raw)) {
		number++
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			continue
		}
		t, err := parseRank(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is %w", number, err)
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// newRanks makes a byte-level BPE of tokens. A part of a text that is a token is not merged.
func newRanks(tokens []rankToken, pattern string) (*Tokenizer, error) {
	v := vocab{ids: make(map[string]int32, len(tokens))}
	names := make([]string, len(tokens))
	for i, t := range tokens {
		if len(t.bytes) > maxRankToken {
			return nil, fmt.Errorf("token %d has %d bytes; want at most %d", t.id, len(t.bytes), maxRankToken)
		}
		names[i] = byteLevelName(t.bytes)
		if _, ok := v.ids[names[i]]; ok {
			return nil, fmt.Errorf("token %d, %q, is listed twice", t.id, t.bytes)
		}
		v.ids[names[i]] = t.id
	}
	if err := v.invert(); err != nil {
		return nil, err
	}
	m, err := newBPE(&bpeConfig{Vocab: v, IgnoreMerges: true}, "ranks", modelTraits{byteLevel: true})
	if err != nil {
		return nil, err
	}
	if !m.knowsByteLevel() {
		return nil, fmt.Errorf("not all of the 256 bytes are tokens")
	}
	m.addRanks(names)
	split, err := newWordSplit(pattern)
	if err != nil {
		return nil, err
	}
	return &Tokenizer{preTokenizers: []preTokenizer{split, byteLevelSplit{}}, model: m, decoder: decodeFunc(decodeByteLevel)}, nil
}

// newWordSplit cuts a text into the matches of a pattern, and what is between them.
func newWordSplit(pattern string) (preTokenizer, error) {
	m, err := newRegex(pattern, "pattern")
	if err != nil {
		return nil, err
	}
	if w, ok := m.(wordPattern); ok {
		return wordSplit{w.split}, nil
	}
	return splitFunc(func(dst []piece, p piece) []piece { return isolated.split(dst, p, m, false) }), nil
}

// byteLevelName is how the byte-level alphabet writes bytes.
func byteLevelName(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(byteToRune[c])
	}
	return s.String()
}

// addRanks lets every two tokens merge that make a token, whose id is the rank.
func (m *bpe) addRanks(names []string) {
	type merge struct{ pair, made uint64 }
	var merges []merge
	for _, name := range names {
		for i := range name {
			left, ok := m.vocab.id(name[:i])
			right, ok2 := m.vocab.id(name[i:])
			if i > 0 && ok && ok2 {
				id := uint64(uint32(m.vocab.ids[name]))
				merges = append(merges, merge{pairKey(left, right), id<<32 | id})
			}
		}
	}
	m.pairs, m.characters = newTable(len(merges)), false
	for _, x := range merges {
		m.pairs.put(x.pair, x.made)
	}
}

// tiktokenFiles are what the code beside published files of ranks adds to them, by the number of their tokens: the pattern of words, by
// llama.cpp's name, and the special tokens by their ids.
var tiktokenFiles = map[int]struct {
	pattern  string
	bos, eos string
	addBOS   bool
	special  func() map[int]string
}{
	100256: {"dbrx", "", "<|endoftext|>", false, cl100kSpecial},
	128000: {"llama3", "<|begin_of_text|>", "<|end_of_text|>", true, llama3Special},
	151643: {"qwen2", "", "<|endoftext|>", false, qwenSpecial},
	199998: {"gpt-4o", "<|startoftext|>", "<|return|>", false, harmonySpecial},
}

// llama3Special are Llama 3's special tokens.
func llama3Special() map[int]string {
	named := map[int]string{0: "<|begin_of_text|>", 1: "<|end_of_text|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
	special, reserved := map[int]string{}, 0
	for i := range 256 {
		name, ok := named[i]
		if !ok {
			name = fmt.Sprintf("<|reserved_special_token_%d|>", reserved)
			reserved++
		}
		special[128000+i] = name
	}
	return special
}

// qwenSpecial are Qwen's special tokens.
func qwenSpecial() map[int]string {
	special := map[int]string{151643: "<|endoftext|>", 151644: "<|im_start|>", 151645: "<|im_end|>"}
	for i := range 205 {
		special[151646+i] = fmt.Sprintf("<|extra_%d|>", i)
	}
	return special
}

// harmonySpecial are gpt-oss's special tokens.
func harmonySpecial() map[int]string {
	special := map[int]string{199998: "<|startoftext|>", 199999: "<|endoftext|>", 200002: "<|return|>", 200003: "<|constrain|>", 200005: "<|channel|>",
		200006: "<|start|>", 200007: "<|end|>", 200008: "<|message|>", 200012: "<|call|>", 200018: "<|endofprompt|>"}
	for i := 200000; i < 201088; i++ {
		if special[i] == "" {
			special[i] = fmt.Sprintf("<|reserved_%d|>", i)
		}
	}
	return special
}

// cl100kSpecial are the special tokens of cl100k_base.
func cl100kSpecial() map[int]string {
	return map[int]string{100257: "<|endoftext|>", 100258: "<|fim_prefix|>", 100259: "<|fim_middle|>", 100260: "<|fim_suffix|>", 100276: "<|endofprompt|>"}
}

// buildTiktoken reads a file of tiktoken's form.
func buildTiktoken(d folder, name string, c *tokenizerConfig) (*Tokenizer, error) {
	raw, err := d.read(name)
	if err != nil {
		return nil, err
	}
	tokens, err := parseTiktoken(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	known, ok := tiktokenFiles[len(tokens)]
	if !ok {
		return nil, fmt.Errorf("%s has %d tokens, and does not say how texts are cut into words; this is %w but for the files of Llama 3, Qwen, gpt-oss and cl100k: "+
			"want a tokenizer.json", name, len(tokens), ErrUnsupported)
	}
	pattern, err := llamacpp.Pattern(known.pattern)
	if err != nil {
		return nil, err
	}
	t, err := newRanks(tokens, pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.bosAndEOS(known.bos, known.eos, known.addBOS)
	return t, c.addSpecialAt(known.special())
}

// bosAndEOS names the tokens that begin and end texts, and says whether the first one is added, unless the configuration does.
func (c *tokenizerConfig) bosAndEOS(bos, eos string, add bool) {
	for p, text := range map[**specialToken]string{&c.BOS: bos, &c.EOS: eos} {
		if *p == nil && text != "" {
			*p = &specialToken{addedToken: addedToken{Content: &text, Special: true}, plain: true}
		}
	}
	if c.followsBOS = true; c.AddBOS == nil {
		c.AddBOS = &add
	}
}

// addSpecialAt adds special tokens by their ids, unless added_tokens_decoder has others there.
func (c *tokenizerConfig) addSpecialAt(special map[int]string) error {
	if c.Decoder == nil {
		c.Decoder = map[string]json.RawMessage{}
	}
	for id, content := range special {
		key := strconv.Itoa(id)
		if _, ok := c.Decoder[key]; ok {
			continue
		}
		entry, err := json.Marshal(map[string]any{"content": content, "special": true})
		if err != nil {
			return err
		}
		c.Decoder[key] = entry
	}
	return nil
}

// tekkenFile is what is read of tekken.json.
type tekkenFile struct {
	Config struct {
		Pattern    string `json:"pattern"`
		VocabSize  int    `json:"default_vocab_size"`
		NumSpecial int    `json:"default_num_special_tokens"`
	} `json:"config"`
	Vocab []struct {
		Rank  int    `json:"rank"`
		Bytes string `json:"token_bytes"` // in base64
	} `json:"vocab"`
	Special []struct {
		Rank int    `json:"rank"`
		Text string `json:"token_str"`
	} `json:"special_tokens"`
}

// tekkenSpecial are the special tokens of files that list none.
var tekkenSpecial = strings.Fields(`<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] [IMG] <pad>
 [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]`)

// buildTekken reads tekken.json.
func buildTekken(d folder, _ string, c *tokenizerConfig) (*Tokenizer, error) {
	raw, err := d.read(tekkenName)
	if err != nil {
		return nil, err
	}
	t, special, err := parseTekken(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tekkenName, err)
	}
	c.bosAndEOS("<s>", "</s>", true)
	return t, c.addSpecialAt(special)
}

// parseTekken returns the tokenizer of the tokens, and the special ones by their ids.
func parseTekken(raw []byte) (*Tokenizer, map[int]string, error) {
	var f tekkenFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, nil, err
	}
	tokens, err := f.tokens()
	if err != nil {
		return nil, nil, err
	}
	special := f.special()
	for id := range special {
		if id < 0 || id >= f.Config.NumSpecial {
			return nil, nil, fmt.Errorf("a special token has rank %d; want less than %d", id, f.Config.NumSpecial)
		}
	}
	for id := range f.Config.NumSpecial {
		if special[id] == "" {
			special[id] = fmt.Sprintf("<SPECIAL_%d>", id)
		}
	}
	t, err := newRanks(tokens, f.Config.Pattern)
	return t, special, err
}

// tokens are those of the vocabulary. Special tokens have the first ids, and the ranks follow; what is beyond default_vocab_size is
// left out.
func (f *tekkenFile) tokens() ([]rankToken, error) {
	size, n := f.Config.VocabSize, f.Config.NumSpecial
	if n < 0 || n > maxExtra || size <= n || size-n > len(f.Vocab) {
		return nil, fmt.Errorf("default_vocab_size is %d, default_num_special_tokens %d, and there are %d tokens; they do not fit together", size, n, len(f.Vocab))
	}
	var tokens []rankToken
	for i, t := range f.Vocab[:size-n] {
		b, err := base64.StdEncoding.DecodeString(t.Bytes)
		if err != nil {
			return nil, fmt.Errorf("vocab[%d] has token_bytes %q; want base64", i, wording.Clip(t.Bytes, 30))
		}
		if t.Rank != i || len(b) == 0 {
			return nil, fmt.Errorf("vocab[%d] has rank %d and %d bytes; want rank %d and a token", i, t.Rank, len(b), i)
		}
		tokens = append(tokens, rankToken{b, int32(i + n)})
	}
	return tokens, nil
}

// special are the file's special tokens, by their ids.
func (f *tekkenFile) special() map[int]string {
	special := map[int]string{}
	for i, text := range tekkenSpecial {
		if len(f.Special) == 0 && i < f.Config.NumSpecial {
			special[i] = text
		}
	}
	for _, s := range f.Special {
		special[s.Rank] = s.Text
	}
	return special
}

// ranksClass is how a file of ranks is read.
func ranksClass(name string) *tokenClass {
	build := buildTiktoken
	if path.Base(name) == tekkenName {
		build = buildTekken
	}
	return &tokenClass{build: func(d folder, c *tokenizerConfig, _ *classOptions) (*Tokenizer, error) { return build(d, name, c) }}
}
