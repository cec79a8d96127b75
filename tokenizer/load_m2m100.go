package tokenizer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// m2m100Languages are the languages of M2M-100's models, by language_codes. Their order is that of the ids.
var m2m100Languages = map[string][]string{
	"m2m100": strings.Fields(`af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi hr ht hu hy id ig ilo
 is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr
 uk ur uz vi wo xh yi yo zh zu`),
	"wmt21": strings.Fields("en ha is ja cs ru zh de"),
}

// m2m100Name is the file of the SentencePiece model.
const m2m100Name = "sentencepiece.bpe.model"

// buildM2M100 reads the SentencePiece model that cuts texts, and vocab.json, which has the ids of its pieces. The tokens of the languages, such as
// __en__, follow in the order of their list. A text begins with its language.
func buildM2M100(d folder, c *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	const vocabName = "vocab.json"
	codes := cmp.Or(opts.LanguageCodes, "m2m100")
	languages, ok := m2m100Languages[codes]
	if !ok {
		return nil, fmt.Errorf("tokenizer_config.json: no language_codes %q%s", codes, suggest.Hint(codes, slices.Sorted(maps.Keys(m2m100Languages))))
	}
	for _, l := range []string{opts.SourceLanguage, opts.TargetLanguage} {
		if l != "" && !slices.Contains(languages, l) {
			return nil, fmt.Errorf("tokenizer_config.json: no language %q%s", l, suggest.Hint(l, languages))
		}
	}
	v, err := d.readVocab(vocabName)
	if err != nil {
		return nil, err
	}
	tokens := make([]string, len(languages))
	for i, l := range languages {
		tokens[i] = "__" + l + "__"
	}
	if err := v.extend(tokens); err != nil {
		return nil, fmt.Errorf("%s: %w", vocabName, err)
	}
	opts.trim = true
	c.addSpecialTokens(tokens)
	t, err := d.spm(m2m100Name, opts, func(f *spmFile) (*spmModel, error) { return newSPMModelWith(f, v) })
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", m2m100Name, vocabName, err)
	}
	return t, nil
}
