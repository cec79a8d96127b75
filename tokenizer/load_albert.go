package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// buildAlbert reads ALBERT's SentencePiece model. Before it sees a text, white space becomes single spaces, two quotation marks become one
// character, accents are removed, and letters are in lower case, unless remove_space, keep_accents or do_lower_case say otherwise.
func buildAlbert(d folder, _ *tokenizerConfig, opts *classOptions) (*Tokenizer, error) {
	const name = "spiece.model"
	opts.trim = true
	t, err := d.spm(name, opts, func(f *spmFile) (*spmModel, error) {
		if f.modelType != 1 {
			return nil, fmt.Errorf("model_type %d is %w for ALBERT; want 1 (Unigram)", f.modelType, ErrUnsupported)
		}
		splitNumbers(f.pieces)
		return newSPMModel(f, spmLayout{})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var rules normalizerList
	if orTrue(opts.RemoveSpace) {
		rules = append(rules, normalizeFunc(squeezeSpaces))
	}
	rules = append(rules, replaceNormalizer{textMatcher("``"), `"`}, replaceNormalizer{textMatcher("''"), `"`})
	if !opts.KeepAccents {
		rules = append(rules, unicodeForms["NFKD"], normalizeFunc(stripAccents))
	}
	if orTrue(opts.LowerCase) {
		rules = append(rules, normalizeFunc(lowercase))
	}
	rules = append(rules, t.normalizer)
	t.normalizer = rules
	return t, nil
}

// splitNumbers makes pieces such as "9," less likely, so that the comma after a number is a token of its own. ALBERT's code cuts such pieces;
// its published tokenizer.json has the scores that this gives.
func splitNumbers(pieces []spmPiece) {
	for i, p := range pieces {
		number, ok := strings.CutSuffix(p.text, ",")
		if last, _ := utf8.DecodeLastRuneInString(number); ok && unicode.IsDigit(last) {
			pieces[i].score -= 100
		}
	}
}

// squeezeSpaces makes one space of white space, and removes it at the ends.
func squeezeSpaces(p *piece) {
	p.replace(spaceRuns{}, " ")
	stripNormalizer{Left: true, Right: true}.normalize(p)
}

// spaceRuns matches runs of white space.
type spaceRuns struct{}

func (spaceRuns) matches(s string, yield func(i, j int)) {
	for i := 0; i < len(s); {
		at := strings.IndexFunc(s[i:], unicode.IsSpace)
		if at < 0 {
			return
		}
		i += at
		end := len(s) - len(strings.TrimLeftFunc(s[i:], unicode.IsSpace))
		yield(i, end)
		i = end
	}
}
