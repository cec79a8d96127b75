package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
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
	src, err := sourceOf("question answering", m, tok)
	if err != nil {
		return nil, err
	}
	return newQuestionAnswerer(src, o)
}

func newQuestionAnswerer(src source, o Options) (*QuestionAnswerer, error) {
	r, err := newRunner("question answering", src, o, head.QuestionAnswering)
	if err != nil {
		return nil, err
	}
	return &QuestionAnswerer{r}, nil
}

// ExtractAnswer returns the spans of a passage that may answer a question, the most likely first. As in Cybertron,
// scores are probabilities among the candidates: the MaxCandidates best starts combined with the MaxCandidates best
// ends. Start and End count characters of the passage; End is exclusive. Options that are 0 or nil have Cybertron's
// defaults: 3 answers of up to 20 tokens with a score of 0.1 or more, from 3 candidates. o is not changed.
//
// A passage that is too long is read in windows that overlap; its candidates are those of all windows. Where the passage may
// have no answer (Options.NoAnswer), that is a candidate too, with an empty text: its score is that of the first token of the
// window in which it is the least likely.
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
	s, err := c.runner.subject(ctx)
	if err != nil {
		return r, err
	}
	n := s.Config().MaxPositionEmbeddings
	windows, err := c.windows(ctx, s, question, passage, n, min(n/4, 128))
	if err != nil || len(windows) == 0 {
		return r, err
	}
	r.Answers = answers([]rune(passage), windows, o, c.runner.options.NoAnswer || s.noAnswer)
	return r, nil
}

// spanWindow is a part of a passage with the scores of its tokens.
type spanWindow struct {
	offsets      [][2]int // in characters of the passage
	words        []int32  // the numbers of the tokens' words
	starts, ends []float64
	// none has the scores, as start and as end, of the row's first token, by which a model says that there is no answer. cls
	// reports whether that token is made for it.
	none [2]float64
	cls  bool
}

// windows computes the scores of a passage's tokens, in windows of at most maxLength tokens of which neighbours share
// stride. There is none for a passage without tokens.
func (c *QuestionAnswerer) windows(ctx context.Context, s *subject, question, passage string, maxLength, stride int) ([]spanWindow, error) {
	e := s.tok.EncodePlus(passage, false)
	if len(e.IDs) == 0 {
		return nil, nil
	}
	rows, err := s.once.pairs().PairWindows(s.tok.Encode(question, false), e.IDs, maxLength, stride)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", questionanswering.ErrInputSequenceTooLong, err)
	}
	encodings, all := make([]tokenizer.Encoding, len(rows)), make([]spanWindow, len(rows))
	id, hasCLS := s.tok.CLS()
	for i, row := range rows {
		encodings[i] = tokenizer.Encoding{IDs: row.IDs, TypeIDs: typesOf(row.Features)}
		all[i] = spanWindow{offsets: e.Offsets[row.From:row.To], words: e.WordIDs[row.From:row.To], cls: hasCLS && row.IDs[0] == id}
	}
	err = c.runner.each(ctx, s, encodings, s.headOutputs(tokenRows), func(w int, y tensor.Matrix) {
		v := &all[w]
		v.none = [2]float64{float64(y.Row(0)[0]), float64(y.Row(0)[1])}
		for i := range v.offsets {
			scores := y.Row(rows[w].First + i)
			v.starts, v.ends = append(v.starts, float64(scores[0])), append(v.ends, float64(scores[1]))
		}
	})
	return all, err
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

// answers returns the best spans of all windows, among them an empty one if there may be no answer.
func answers(passage []rune, windows []spanWindow, o questionanswering.Options, noAnswer bool) []questionanswering.Answer {
	var all []questionanswering.Answer
	var scores []float64
	none := math.Inf(1)
	for _, w := range windows {
		none = min(none, w.none[0]+w.none[1])
		for _, i := range numeric.TopN(w.starts, o.MaxCandidates) {
			for _, j := range numeric.TopN(w.ends, o.MaxCandidates) {
				from, to := w.offsets[i][0], w.offsets[j][1]
				if j < i || j-i+1 > o.MaxAnswerLength || from > to || to > len(passage) {
					continue
				}
				a := questionanswering.Answer{Text: strings.Trim(string(passage[from:to]), " "), Start: from, End: to}
				if k := slices.Index(all, a); k >= 0 { // in an overlap
					scores[k] = max(scores[k], w.starts[i]+w.ends[j])
					continue
				}
				scores, all = append(scores, w.starts[i]+w.ends[j]), append(all, a)
			}
		}
	}
	if noAnswer {
		scores, all = append(scores, none), append(all, questionanswering.Answer{})
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
