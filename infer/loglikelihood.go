package infer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Question is a prompt and the continuations of it that are compared, in tokens. The prompt and every choice have one
// or more tokens.
type Question struct {
	Prompt  []int32
	Choices [][]int32
}

const (
	maxQuestions  = 32        // run at once
	maxPassTokens = 1024      // of the questions that run at once, about
	maxCacheBytes = 256 << 20 // of the copies of a shared prefix
)

// LogLikelihoods returns the log-probability of each choice after its prompt: the sum over the choice's tokens. Keys
// and values of a prompt are computed once and continued by its choices. A prefix that consecutive prompts share, such
// as few-shot examples, is computed once for all of them.
func (s *Session) LogLikelihoods(ctx context.Context, questions []Question) ([][]float64, error) {
	prompts, sums := make([][]int32, len(questions)), make([][]float64, len(questions))
	for i, q := range questions {
		prompts[i], sums[i] = q.Prompt, make([]float64, len(q.Choices))
		for j, ids := range q.Choices {
			if err := s.checkChoice(ids); err != nil {
				return nil, fmt.Errorf("infer: question %d: choice %d: %w", i, j, err)
			}
		}
	}
	l := &likelihoods{m: s.Model, adapter: s.Adapter}
	for from := 0; from < len(questions); {
		n, shared := model.SharedPrefix(prompts[from:])
		l.questions, l.sums, l.shared = questions[from:from+n], sums[from:from+n], shared
		if err := l.run(ctx); err != nil {
			return nil, err
		}
		from += n
	}
	return sums, nil
}

// checkChoice says why the likelihood of tokens cannot be computed.
func (s *Session) checkChoice(ids []int32) error {
	if len(ids) == 0 {
		return errors.New("it has no tokens")
	}
	vocabulary := s.Model.Config().VocabSize
	for _, id := range ids {
		if id < 0 || int(id) >= vocabulary {
			return fmt.Errorf("token %d; the vocabulary ends at %d", id, vocabulary-1)
		}
	}
	return nil
}

// likelihoods is the state of LogLikelihoods for questions whose prompts share a prefix.
type likelihoods struct {
	m         *model.Model
	adapter   string
	questions []Question
	sums      [][]float64  // the results, by question and choice
	shared    int          // length of the shared prefix in tokens
	caches    *model.Cache // a copy of the prefix for each question that runs at once; nil if nothing is shared
}

// run computes the shared prefix, then the questions, as many at once as the limits allow.
func (l *likelihoods) run(ctx context.Context) error {
	limit := maxQuestions
	l.caches = nil
	if l.shared > 0 {
		prefix := l.m.NewCache(1)
		err := l.pass([][]int32{l.questions[0].Prompt[:l.shared]}, []int{0}, prefix, false, func(int, tensor.Matrix) {})
		if err != nil {
			return err
		}
		limit = min(maxQuestions, len(l.questions), max(1, maxCacheBytes/(2*prefix.Bytes(0))))
		l.caches = prefix.Repeat(0, limit)
	}
	for from := 0; from < len(l.questions); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, tokens := from, 0
		for to < min(from+limit, len(l.questions)) && (to == from || tokens+len(l.questions[to].Prompt)-l.shared <= maxPassTokens) {
			tokens += len(l.questions[to].Prompt) - l.shared
			to++
		}
		if err := l.runBatch(l.questions[from:to], l.sums[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// runBatch runs some questions at once: their prompts, then their first choices, their second choices and so on.
func (l *likelihoods) runBatch(questions []Question, sums [][]float64) error {
	caches, longChoices := l.caches, 0 // the most choices of a question that needs more than its prompt's logits
	for _, q := range questions {
		if slices.ContainsFunc(q.Choices, func(ids []int32) bool { return len(ids) > 1 }) {
			longChoices = max(longChoices, len(q.Choices))
		}
	}
	if caches == nil && longChoices > 0 {
		caches = l.m.NewCache(len(questions))
	}
	docs, indices := make([][]int32, len(questions)), make([]int, len(questions))
	for i, q := range questions {
		docs[i], indices[i] = q.Prompt[l.shared:], i
	}
	err := l.pass(docs, indices, caches, false, func(i int, logits tensor.Matrix) {
		row := logits.Row(0)
		norm := numeric.LogSumExp(row)
		for j, ids := range questions[i].Choices {
			sums[i][j] = float64(row[ids[0]]) - norm
		}
	})
	for j := 0; err == nil && j < longChoices; j++ {
		err = l.addContinuations(questions, sums, j, caches)
	}
	for i := range questions {
		if caches != nil {
			caches.Crop(i, l.shared)
		}
	}
	return err
}

// addContinuations adds the log-probabilities of the tokens after the first in every question's choice j. The caches
// are as long afterwards as before.
func (l *likelihoods) addContinuations(questions []Question, sums [][]float64, j int, caches *model.Cache) error {
	var docs [][]int32
	var indices []int // the question of each document
	for i, q := range questions {
		if j < len(q.Choices) && len(q.Choices[j]) > 1 {
			ids := q.Choices[j]
			docs, indices = append(docs, ids[:len(ids)-1]), append(indices, i)
		}
	}
	if len(docs) == 0 {
		return nil
	}
	err := l.pass(docs, indices, caches, true, func(d int, logits tensor.Matrix) {
		i := indices[d]
		for k, id := range questions[i].Choices[j][1:] {
			row := logits.Row(k)
			sums[i][j] += float64(row[id]) - numeric.LogSumExp(row)
		}
	})
	for _, i := range indices {
		caches.Crop(i, len(questions[i].Prompt))
	}
	return err
}

// pass runs documents, document d as a continuation of cache entry indices[d] (cache may be nil), and calls use with
// the logits of each, [rows, vocabulary]: those of all its tokens if everyToken is set, otherwise those of the last
// one.
func (l *likelihoods) pass(docs [][]int32, indices []int, cache *model.Cache, everyToken bool, use func(doc int, logits tensor.Matrix)) error {
	b, rows := model.Documents(docs)
	if everyToken {
		rows = nil
	}
	if cache != nil {
		cache = cache.Select(indices)
	}
	return op.Inference(l.adapter, func(p *op.Pass) error {
		logits, err := l.m.Logits(p, b, rows, cache)
		if err != nil {
			return err
		}
		from := 0
		for d := range docs {
			n := 1
			if everyToken {
				n = len(docs[d])
			}
			use(d, logits.Slice(from, 0, n, logits.Cols))
			from += n
		}
		return nil
	})
}
