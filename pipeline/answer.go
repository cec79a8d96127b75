package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/cybertron/pkg/tasks/questionanswering"

	"github.com/spagotune/spagotune/internal/numeric"
)

// AnswerOptions are the options of QuestionAnswerer.Answer, by the names and with the defaults of transformers' pipeline.
type AnswerOptions struct {
	// TopK is the maximum number of answers; 0 means 1.
	TopK int
	// MaxAnswerLen is the maximum number of tokens of an answer; 0 means 15.
	MaxAnswerLen int
	// MaxSeqLen is the maximum number of tokens of a window, with the question; 0 means 384, or the model's length if that is
	// less. DocStride is how many tokens of the passage two windows share; 0 means 128, or half of MaxSeqLen if that is less.
	MaxSeqLen, DocStride int
}

// complete returns the options with their defaults for a model's length.
func (o AnswerOptions) complete(length int) (AnswerOptions, error) {
	if o.TopK < 0 || o.MaxAnswerLen < 0 || o.MaxSeqLen < 0 || o.DocStride < 0 {
		return o, errors.New("an option is negative; want 0 or more")
	}
	o.TopK, o.MaxAnswerLen = cmp.Or(o.TopK, 1), cmp.Or(o.MaxAnswerLen, 15)
	o.MaxSeqLen = min(cmp.Or(o.MaxSeqLen, 384), length)
	o.DocStride = cmp.Or(o.DocStride, min(o.MaxSeqLen/2, 128))
	return o, nil
}

// Answer returns the best answers as the question-answering pipeline of transformers 4 does. An answer consists of whole
// words. Its score is the product of the probabilities of its first and its last token in its window; those of answers with
// the same text add up. Where the passage may have no answer (Options.NoAnswer), that is an answer too, with an empty text.
func (c *QuestionAnswerer) Answer(ctx context.Context, question, passage string, o AnswerOptions) ([]questionanswering.Answer, error) {
	all, err := c.answer(ctx, question, passage, o)
	if err != nil {
		return nil, fmt.Errorf("pipeline: question answering: %w", err)
	}
	return all, nil
}

func (c *QuestionAnswerer) answer(ctx context.Context, question, passage string, o AnswerOptions) ([]questionanswering.Answer, error) {
	s, err := c.runner.subject(ctx)
	if err != nil {
		return nil, err
	}
	if o, err = o.complete(s.Config().MaxPositionEmbeddings); err != nil {
		return nil, err
	}
	windows, err := c.windows(ctx, s, question, passage, o.MaxSeqLen, o.DocStride)
	if err != nil || len(windows) == 0 {
		return nil, err
	}
	var all []questionanswering.Answer
	none := 1.0
	for _, w := range windows {
		spans, p := w.spans(o)
		none = min(none, p)
		for _, span := range spans {
			all = addAnswer(all, []rune(passage), span)
		}
	}
	if c.runner.options.NoAnswer || s.noAnswer {
		all = append(all, questionanswering.Answer{Score: none})
	}
	slices.SortStableFunc(all, func(a, b questionanswering.Answer) int { return cmp.Compare(b.Score, a.Score) })
	return all[:min(o.TopK, len(all))], nil
}

// addAnswer adds a span of the passage to the answers.
func addAnswer(all []questionanswering.Answer, passage []rune, span questionanswering.Answer) []questionanswering.Answer {
	span.End = min(span.End, len(passage))
	span.Start = min(span.Start, span.End)
	span.Text = string(passage[span.Start:span.End])
	i := slices.IndexFunc(all, func(a questionanswering.Answer) bool { return strings.EqualFold(a.Text, span.Text) })
	if i < 0 {
		return append(all, span)
	}
	all[i].Score += span.Score
	return all
}

// spans returns the best spans of a window, without their texts, and the probability that it has no answer. Probabilities
// are among the window's tokens and the row's first one.
func (w spanWindow) spans(o AnswerOptions) (best []questionanswering.Answer, none float64) {
	starts, ends := slices.Clone(w.starts), slices.Clone(w.ends)
	if w.cls {
		starts, ends = append(starts, w.none[0]), append(ends, w.none[1])
	}
	starts, ends = numeric.Softmax(starts), numeric.Softmax(ends)
	n := len(w.starts)
	if w.cls {
		none = starts[n] * ends[n]
	}
	for i := range n {
		for j := i; j < n && j-i < o.MaxAnswerLen; j++ {
			from, _ := w.word(i)
			_, to := w.word(j)
			best = append(best, questionanswering.Answer{Start: from, End: to, Score: starts[i] * ends[j]})
		}
	}
	slices.SortStableFunc(best, func(a, b questionanswering.Answer) int { return cmp.Compare(b.Score, a.Score) })
	return best[:min(2*min(o.TopK, len(best))+10, len(best))], none // as many as transformers takes of a window
}

// word returns the characters of the word to which a token belongs, as far as it is in the window.
func (w spanWindow) word(token int) (from, to int) {
	first, last := token, token
	for first > 0 && w.words[first-1] == w.words[token] {
		first--
	}
	for last+1 < len(w.words) && w.words[last+1] == w.words[token] {
		last++
	}
	return w.offsets[first][0], w.offsets[last][1]
}
