package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/cybertron/pkg/tasks/questionanswering"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// QuestionAnswerer implements Cybertron's extractive question answering.
type QuestionAnswerer struct{ runner *runner }

var _ questionanswering.Interface = (*QuestionAnswerer)(nil)

// NewQuestionAnswerer returns a pipeline for a model with a head for question answering.
func NewQuestionAnswerer(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*QuestionAnswerer, error) {
	h, err := newRunner("question answering", m, tok, o, head.QuestionAnswering)
	if err != nil {
		return nil, err
	}
	return &QuestionAnswerer{h}, nil
}

// ExtractAnswer returns the spans of a passage that may answer a question, the most likely first. As in Cybertron,
// scores are probabilities among the candidates: the MaxCandidates best starts combined with the MaxCandidates best
// ends. Start and End count characters of the passage; End is exclusive. Options that are 0 or nil have Cybertron's
// defaults: 3 answers of up to 20 tokens with a score of 0.1 or more, from 3 candidates. o is not changed.
func (c *QuestionAnswerer) ExtractAnswer(ctx context.Context, question, passage string, o *questionanswering.Options) (questionanswering.Response, error) {
	r, err := c.extract(ctx, question, passage, o)
	if err != nil {
		return r, fmt.Errorf("pipeline: question answering: %w", err)
	}
	return r, nil
}

func (c *QuestionAnswerer) extract(ctx context.Context, question, passage string, opts *questionanswering.Options) (r questionanswering.Response, err error) {
	o, err := answerOptions(opts)
	if err != nil {
		return r, err
	}
	e, err := c.runner.fits(c.runner.tok.EncodePair(question, passage, true), questionanswering.ErrInputSequenceTooLong)
	if err != nil {
		return r, err
	}
	first, n, err := c.findPassage(e, passage)
	if err != nil || n == 0 {
		return r, err
	}
	err = c.runner.each(ctx, []tokenizer.Encoding{e}, c.runner.headOutputs(tokenRows), func(_ int, y tensor.Matrix) {
		s := spanScores{passage: []rune(passage), offsets: e.Offsets[first : first+n]}
		for i := first; i < first+n; i++ {
			s.starts, s.ends = append(s.starts, float64(y.Row(i)[0])), append(s.ends, float64(y.Row(i)[1]))
		}
		r.Answers = s.answers(o)
	})
	return r, err
}

// answerOptions returns the options with Cybertron's defaults filled in.
func answerOptions(opts *questionanswering.Options) (o questionanswering.Options, err error) {
	if opts != nil {
		o = *opts
	}
	if o.MaxAnswers < 0 || o.MaxAnswerLength < 0 || o.MaxCandidates < 0 || o.MinScore < 0 {
		return o, errors.New("an option is negative; want 0 or more")
	}
	o.MaxAnswers, o.MaxAnswerLength = cmp.Or(o.MaxAnswers, 3), cmp.Or(o.MaxAnswerLength, 20)
	o.MaxCandidates, o.MinScore = cmp.Or(o.MaxCandidates, 3), cmp.Or(o.MinScore, 0.1)
	return o, nil
}

// findPassage finds the passage's tokens in the pair: the index of the first one and their number n.
func (c *QuestionAnswerer) findPassage(pair tokenizer.Encoding, passage string) (first, n int, err error) {
	ids := c.runner.tok.Encode(passage, false)
	for first = len(pair.IDs) - len(ids); first >= 0; first-- {
		if slices.Equal(pair.IDs[first:first+len(ids)], ids) {
			return first, len(ids), nil
		}
	}
	return 0, 0, errors.New("the tokens of the passage are not in the tokenizer's pair of question and passage")
}

// spanScores holds the start and end scores of a passage's tokens.
type spanScores struct {
	passage      []rune
	offsets      [][2]int
	starts, ends []float64
}

// answers returns the best spans.
func (s spanScores) answers(o questionanswering.Options) []questionanswering.Answer {
	var all []questionanswering.Answer
	var scores []float64
	for _, i := range numeric.TopN(s.starts, o.MaxCandidates) {
		for _, j := range numeric.TopN(s.ends, o.MaxCandidates) {
			from, to := s.offsets[i][0], s.offsets[j][1]
			if j < i || j-i+1 > o.MaxAnswerLength || from > to || to > len(s.passage) {
				continue
			}
			scores = append(scores, s.starts[i]+s.ends[j])
			all = append(all, questionanswering.Answer{Text: strings.Trim(string(s.passage[from:to]), " "), Start: from, End: to})
		}
	}
	if len(all) == 0 {
		return nil
	}
	for i, p := range numeric.Softmax(scores) {
		all[i].Score = p
	}
	all = slices.DeleteFunc(all, func(a questionanswering.Answer) bool { return a.Score < o.MinScore })
	slices.SortStableFunc(all, func(a, b questionanswering.Answer) int { return cmp.Compare(b.Score, a.Score) })
	return all[:min(o.MaxAnswers, len(all))]
}
