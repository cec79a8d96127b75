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
// some tokens are masked and are to be found. New masks are drawn every time a block is trained on (Liu et al. 2019,
// section 4.1); held-out blocks keep theirs. The task is judged by its loss.
type MLM struct {
	Text
	// Probability is the share of tokens that are to be found. 80 % of them become the mask, 10 % a random token, and
	// 10 % stay as they are.
	Probability float64 `json:"mlm_probability"`
	// WholeWord masks all tokens of a word or none.
	WholeWord bool `json:"whole_word_mask"`
}

var _ interface {
	Postprocessor
	Collator
	PromptBuilder
	Packer
	Checker
	DataChecker
	Describer
} = (*MLM)(nil)

// Describe says what the task is.
func (t *MLM) Describe() string {
	return "masked language modelling on plain text or JSONL, in blocks; judged by the loss"
}

// Check returns an error if an option is out of range.
func (t *MLM) Check() error {
	if !(t.Probability > 0 && t.Probability < 1) {
		return fmt.Errorf("option mlm_probability is %g, want above 0 and below 1", t.Probability)
	}
	return t.Text.Check()
}

// Head is one of a masked language model.
func (t *MLM) Head(head.Config) (head.Config, error) { return head.Config{Kind: head.MaskedLM}, nil }

// Encode makes a row of a text that somebody asks about. Documents to train on become blocks instead.
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

// fillIns is how many tokens are offered for a mask.
const fillIns = 5

// Postprocess is the most likely tokens for each mask.
func (t *MLM) Postprocess(texts *PairEncoder, _ Example, rows []Features, outputs [][][]float32) (Prediction, error) {
	p := Prediction{Tokens: [][]Span{}}
	mask, _ := texts.Mask()
	for i, id := range rows[0].IDs {
		if id != mask {
			continue
		}
		probability := probabilities(outputs[0][i])
		var best []Span
		for _, id := range numeric.TopN(probability, fillIns) {
			best = append(best, Span{Text: texts.tok.Decode([]int32{int32(id)}, false), Probability: float64(probability[id])})
		}
		p.Tokens = append(p.Tokens, best)
	}
	if len(p.Tokens) == 0 {
		return p, errors.New("the text has no mask token to fill in")
	}
	return p, nil
}

// Collate masks a block.
func (t *MLM) Collate(texts *PairEncoder, row Features, seed uint64) Features {
	rng := rand.New(rand.NewPCG(seed, uint64(len(row.IDs))))
	mask, _ := texts.Mask()
	units := t.units(row)
	rng.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	tokens := 0
	for _, u := range units {
		tokens += len(u)
	}
	left := max(1, int(math.Round(t.Probability*float64(tokens))))
	labels := row.Labels
	row.IDs, row.Labels = slices.Clone(row.IDs), make([]int32, len(row.IDs))
	for i := range row.Labels {
		row.Labels[i] = head.IgnoreIndex
	}
	for n, u := range units {
		if len(u) > left && n > 0 {
			continue
		}
		left -= len(u)
		for _, i := range u {
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

// units are the indices of the tokens that are masked together: words or single tokens.
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
