package infer

import (
	"context"
	"slices"

	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Question is a prompt and continuations of it that are compared, in tokens: at least one each.
type Question struct {
	Prompt  []int32
	Choices [][]int32
}

const (
	// sideBySide is how many questions run at once, questionTokens about how many of their tokens one pass takes, and
	// cacheBytes how much memory copies of what they share may take.
	sideBySide     = 32
	questionTokens = 1024
	cacheBytes     = 256 << 20
)

// LogLikelihoods is the log-probability of each choice after its prompt, the sum over its tokens. The prompts' keys and
// values are computed once and the choices continue them; what a run of questions begins with alike, such as worked
// examples, is computed once for all.
func (s *Session) LogLikelihoods(ctx context.Context, questions []Question) ([][]float64, error) {
	prompts, all := make([][]int32, len(questions)), make([][]float64, len(questions))
	for i, q := range questions {
		prompts[i], all[i] = q.Prompt, make([]float64, len(q.Choices))
	}
	l := &likelihoods{m: s.Model, adapter: s.Adapter}
	for from := 0; from < len(questions); {
		n, shared := model.SharedPrefix(prompts[from:])
		l.questions, l.sums, l.shared = questions[from:from+n], all[from:from+n], shared
		if err := l.run(ctx); err != nil {
			return nil, err
		}
		from += n
	}
	return all, nil
}

// likelihoods is the state of LogLikelihoods, for questions whose first tokens are the same: so many as are shared.
type likelihoods struct {
	m         *model.Model
	adapter   string
	questions []Question
	sums      [][]float64
	shared    int
	caches    *model.Cache // a copy of what is shared for each question that runs at once; nil where nothing is
}

func (l *likelihoods) run(ctx context.Context) error {
	room := sideBySide
	l.caches = nil
	if l.shared > 0 {
		cache := l.m.NewCache(1)
		err := l.pass([][]int32{l.questions[0].Prompt[:l.shared]}, []int{0}, cache, false, func(int, tensor.Matrix) {})
		if err != nil {
			return err
		}
		room = min(sideBySide, len(l.questions), max(1, cacheBytes/(2*cache.Bytes(0))))
		l.caches = cache.Repeat(0, room)
	}
	for from := 0; from < len(l.questions); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, tokens := from, 0
		for to < min(from+room, len(l.questions)) && (to == from || tokens+len(l.questions[to].Prompt)-l.shared <= questionTokens) {
			tokens += len(l.questions[to].Prompt) - l.shared
			to++
		}
		if err := l.runBatch(from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// runBatch runs questions from to to-1 side by side.
func (l *likelihoods) runBatch(from, to int) error {
	questions, sums, lanes := l.questions[from:to], l.sums[from:to], l.caches
	most := 0 // choices of a question that need more than the prompt's logits
	for _, q := range questions {
		if slices.ContainsFunc(q.Choices, func(ids []int32) bool { return len(ids) > 1 }) {
			most = max(most, len(q.Choices))
		}
	}
	if lanes == nil && most > 0 {
		lanes = l.m.NewCache(len(questions))
	}
	docs, at := make([][]int32, len(questions)), make([]int, len(questions))
	for i, q := range questions {
		docs[i], at[i] = q.Prompt[l.shared:], i
	}
	err := l.pass(docs, at, lanes, false, func(i int, logits tensor.Matrix) {
		row := logits.Row(0)
		norm := numeric.LogSumExp(row)
		for j, ids := range questions[i].Choices {
			sums[i][j] = float64(row[ids[0]]) - norm
		}
	})
	for j := 0; err == nil && j < most; j++ {
		err = l.addContinuations(questions, sums, j, lanes)
	}
	for i := range questions {
		if lanes != nil {
			lanes.Crop(i, l.shared)
		}
	}
	return err
}

// addContinuations adds the further tokens of every question's choice j, and takes them off the caches again.
func (l *likelihoods) addContinuations(questions []Question, sums [][]float64, j int, lanes *model.Cache) error {
	var docs [][]int32
	var at []int
	for i, q := range questions {
		if j < len(q.Choices) && len(q.Choices[j]) > 1 {
			ids := q.Choices[j]
			docs, at = append(docs, ids[:len(ids)-1]), append(at, i)
		}
	}
	if len(docs) == 0 {
		return nil
	}
	err := l.pass(docs, at, lanes, true, func(d int, logits tensor.Matrix) {
		i := at[d]
		for k, id := range questions[i].Choices[j][1:] {
			row := logits.Row(k)
			sums[i][j] += float64(row[id]) - numeric.LogSumExp(row)
		}
	})
	for _, i := range at {
		lanes.Crop(i, len(questions[i].Prompt))
	}
	return err
}

// pass runs documents that continue the named ones of a cache (nil: none) and gives out each one's logits: of every token,
// or of the last alone.
func (l *likelihoods) pass(docs [][]int32, at []int, cache *model.Cache, every bool, each func(doc int, logits tensor.Matrix)) error {
	b, rows := model.Documents(docs)
	if every {
		rows = nil
	}
	if cache != nil {
		cache = cache.Select(at)
	}
	return op.Inference(l.adapter, func(p *op.Pass) error {
		logits, err := l.m.Logits(p, b, rows, cache)
		if err != nil {
			return err
		}
		from := 0
		for d := range docs {
			n := 1
			if every {
				n = len(docs[d])
			}
			each(d, logits.Slice(from, 0, n, logits.Cols))
			from += n
		}
		return nil
	})
}
