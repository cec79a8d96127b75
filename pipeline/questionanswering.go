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

// QuestionAnswerer is Cybertron's extractive question answering over a host.
type QuestionAnswerer struct{ runner *runner }

var _ questionanswering.Interface = (*QuestionAnswerer)(nil)

// NewQuestionAnswerer makes one of a model with a head for question answering.
func NewQuestionAnswerer(m *model.Model, tok *tokenizer.Tokenizer, o Options) (*QuestionAnswerer, error) {
	h, err := newRunner("question answering", m, tok, o, head.QuestionAnswering)
	if err != nil {
		return nil, err
	}
	return &QuestionAnswerer{h}, nil
}

// ExtractAnswer returns the spans of a passage that may answer a question, the likeliest first: Cybertron's answers, whose
// scores are probabilities among the candidates (the MaxCandidates best starts with the MaxCandidates best ends). Start and
// End are characters of the passage, End excluded. Options that are 0, or nil, have Cybertron's defaults: 3 answers of up to
// 20 tokens, of a score of 0.1 or more, from 3 candidates; the options stay as they are.
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
	first, n, err := c.passage(e, passage)
	if err != nil || n == 0 {
		return r, err
	}
	err = c.runner.each(ctx, []tokenizer.Encoding{e}, c.runner.head(perToken), func(_ int, y tensor.Matrix) {
		s := spans{passage: []rune(passage), offsets: e.Offsets[first : first+n]}
		for i := first; i < first+n; i++ {
			s.starts, s.ends = append(s.starts, float64(y.Row(i)[0])), append(s.ends, float64(y.Row(i)[1]))
		}
		r.Answers = s.answers(o)
	})
	return r, err
}

// answerOptions are the options with Cybertron's defaults.
func answerOptions(opts *questionanswering.Options) (o questionanswering.Options, err error) {
	if opts != nil {
		o = *opts
	}
	if o.MaxAnswers < 0 || o.MaxAnswerLength < 0 || o.MaxCandidates < 0 || o.MinScore < 0 {
		return o, errors.New("a negative option; want 0 or more")
	}
	o.MaxAnswers, o.MaxAnswerLength = cmp.Or(o.MaxAnswers, 3), cmp.Or(o.MaxAnswerLength, 20)
	o.MaxCandidates, o.MinScore = cmp.Or(o.MaxCandidates, 3), cmp.Or(o.MinScore, 0.1)
	return o, nil
}

// passage finds the passage's tokens in the pair: from which on, and how many.
func (c *QuestionAnswerer) passage(pair tokenizer.Encoding, passage string) (first, n int, err error) {
	ids := c.runner.tok.Encode(passage, false)
	for first = len(pair.IDs) - len(ids); first >= 0; first-- {
		if slices.Equal(pair.IDs[first:first+len(ids)], ids) {
			return first, len(ids), nil
		}
	}
	return 0, 0, errors.New("the tokenizer's pair of question and passage has not the passage's tokens")
}

// spans are the scores of a passage's tokens.
type spans struct {
	passage      []rune
	offsets      [][2]int
	starts, ends []float64
}

// answers are the best spans.
func (s spans) answers(o questionanswering.Options) []questionanswering.Answer {
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
