package tasks

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("mlm", func() Task {
		return &MLM{Text: Text{Field: data.Paths{"text"}, BlockSize: 128, EvalFraction: 0.1}, Probability: 0.15, WholeWord: true}
	})
}

// MLM is continual pretraining of a masked language model (Devlin et al. 2019, section 3.1): text in blocks, of which
// some tokens are masked and are to be found again. Masks are drawn anew every time a block is trained on (Liu et al.
// 2019, section 4.1); held-out blocks keep theirs. It is judged by the loss, and the share of masks that are found.
type MLM struct {
	Text
	// Probability is the share of tokens that are masked: 80 % of them become the mask, 10 % a random token, 10 % stay.
	Probability float64 `json:"mlm_probability"`
	// WholeWord masks all tokens of a word or none.
	WholeWord bool `json:"whole_word_mask"`
}

var (
	_ HeadTask      = (*MLM)(nil)
	_ Encoder       = (*MLM)(nil)
	_ Postprocessor = (*MLM)(nil)
	_ Collator      = (*MLM)(nil)
	_ PromptBuilder = (*MLM)(nil)
	_ Checker       = (*MLM)(nil)
	_ Describer     = (*MLM)(nil)
)

// Describe says what the task is.
func (t *MLM) Describe() string {
	return "masked language modelling on plain text or JSONL, in blocks; judged by the loss"
}

// Check refuses values that cannot be.
func (t *MLM) Check() error { return oneOf(t.checkOwn(), t.Text.Check()) }

func (t *MLM) checkOwn() error {
	if !(t.Probability > 0 && t.Probability < 1) {
		return fmt.Errorf("option mlm_probability is %g, want above 0 and below 1", t.Probability)
	}
	return nil
}

// Head is one of a masked language model.
func (t *MLM) Head(head.Config) (head.Config, error) { return head.Config{Kind: head.MaskedLM}, nil }

// Encode makes one of a text that somebody asks about; documents become blocks.
func (t *MLM) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	row, truncated, err := texts.Row(ex.Input.Text, "")
	return []Features{row}, truncated, err
}

// BuildPrompt takes a text with masks.
func (t *MLM) BuildPrompt(text, pair string) (Example, error) {
	if pair != "" {
		return Example{}, errors.New("the task mlm takes one text")
	}
	return Example{Input: Input{Text: text}, Prompt: text}, nil
}

// shown is how many tokens are given for a mask.
const shown = 5

// Postprocess is the likeliest tokens in the places of masks.
func (t *MLM) Postprocess(texts *PairEncoder, _ Example, rows []Features, outputs [][][]float32) (Prediction, error) {
	a := Prediction{Tokens: [][]Span{}}
	mask, _ := texts.mask()
	for i, id := range rows[0].IDs {
		if id != mask {
			continue
		}
		p := probabilities(outputs[0][i])
		var best []Span
		for _, id := range numeric.TopN(p, shown) {
			best = append(best, Span{Text: texts.tok.Decode([]int32{int32(id)}, false), Probability: float64(p[id])})
		}
		a.Tokens = append(a.Tokens, best)
	}
	if len(a.Tokens) == 0 {
		return a, errors.New("the text has no mask token to fill in")
	}
	return a, nil
}

// Collate masks a block.
func (t *MLM) Collate(texts *PairEncoder, row Features, seed uint64) Features {
	rng := rand.New(rand.NewPCG(seed, uint64(len(row.IDs))))
	mask, _ := texts.mask()
	words := t.units(row)
	rng.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	tokens := 0
	for _, w := range words {
		tokens += len(w)
	}
	left := max(1, int(math.Round(t.Probability*float64(tokens))))
	labels := row.Labels
	row.IDs, row.Labels = slices.Clone(row.IDs), make([]int32, len(row.IDs))
	for i := range row.Labels {
		row.Labels[i] = head.IgnoreIndex
	}
	for n, w := range words {
		if len(w) > left && n > 0 {
			continue
		}
		left -= len(w)
		for _, i := range w {
			row.Labels[i] = labels[i]
			switch p := rng.Float64(); {
			case p < 0.8:
				row.IDs[i] = mask
			case p < 0.9:
				row.IDs[i] = int32(rng.IntN(texts.tok.VocabSize()))
			}
		}
	}
	return row
}

// units are the tokens that are masked together.
func (t *MLM) units(row Features) [][]int {
	var all [][]int
	last := int32(-1)
	for i, w := range row.WordIDs {
		switch {
		case w < 0:
		case t.WholeWord && w == last:
			all[len(all)-1] = append(all[len(all)-1], i)
		default:
			all = append(all, []int{i})
		}
		last = w
	}
	return all
}
