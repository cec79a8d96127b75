package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
)

// Options are what all pipelines have in common.
type Options struct {
	// Adapter is the one that calls apply whose context names none; "" is the base alone.
	Adapter string
	// BatchTokens is how many tokens go through the model at a time where there are many texts; 0 is 2048.
	BatchTokens int
}

// defaultBatchTokens fill the processors and keep the memory small.
const defaultBatchTokens = 2048

type adapterKey struct{}

// WithAdapter makes calls apply the named adapter; "" is the base alone.
func WithAdapter(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, adapterKey{}, name)
}

// runner is a model with its tokenizer.
type runner struct {
	*model.Model
	tok     *tokenizer.Tokenizer
	options Options
	linears []*model.Linear
	weights []*model.Weight
}

// newRunner checks that a model and a tokenizer fit the task and each other.
func newRunner(task string, m *model.Model, tok *tokenizer.Tokenizer, o Options, kinds ...head.Kind) (*runner, error) {
	wrap := func(format string, args ...any) error {
		return fmt.Errorf("pipeline: %s: %w", task, fmt.Errorf(format, args...))
	}
	switch {
	case m == nil || m.Backbone == nil:
		return nil, wrap("no model")
	case tok == nil:
		return nil, wrap("no tokenizer")
	case !slices.Contains(kinds, m.Head().Kind):
		return nil, wrap("the model's head is for %s; want one for %v", m.Head().Kind, kinds)
	case tok.VocabSize() > m.Config().VocabSize:
		return nil, wrap("the tokenizer has %d tokens, the model %d: it is another model's", tok.VocabSize(), m.Config().VocabSize)
	case o.BatchTokens < 0:
		return nil, wrap("BatchTokens is %d; want 0 or more", o.BatchTokens)
	}
	if o.BatchTokens == 0 {
		o.BatchTokens = defaultBatchTokens
	}
	h := &runner{Model: m, tok: tok, options: o}
	m.Linears(func(l *model.Linear) { h.linears = append(h.linears, l) })
	m.Weights(func(w *model.Weight) { h.weights = append(h.weights, w) })
	if _, err := h.adapter(context.Background()); err != nil {
		return nil, wrap("%w", err)
	}
	return h, nil
}

// adapter is the name of the adapter that a call applies.
func (h *runner) adapter(ctx context.Context) (string, error) {
	name, ok := ctx.Value(adapterKey{}).(string)
	if !ok {
		name = h.options.Adapter
	}
	if name == "" || slices.ContainsFunc(h.linears, func(l *model.Linear) bool { return l.Adapter(name) != nil }) ||
		slices.ContainsFunc(h.weights, func(w *model.Weight) bool { return w.Override(name) != nil }) {
		return name, nil
	}
	return "", fmt.Errorf("there is no adapter %q on the model", name)
}

// encode makes the tokens of a text; tooLong is the task's error for one that the model cannot take.
func (h *runner) encode(text string, tooLong error) (tokenizer.Encoding, error) {
	return h.fits(h.tok.EncodePlus(text, true), tooLong)
}

// fits checks an encoding's length.
func (h *runner) fits(e tokenizer.Encoding, tooLong error) (tokenizer.Encoding, error) {
	switch n, most := len(e.IDs), h.Config().MaxPositionEmbeddings; {
	case n > most:
		return e, fmt.Errorf("%w: %d > %d", tooLong, n, most)
	case n == 0:
		return e, errors.New("the text has no tokens")
	}
	return e, nil
}

// encodeAll makes the tokens of all texts.
func (h *runner) encodeAll(texts []string, tooLong error) ([]tokenizer.Encoding, error) {
	all := make([]tokenizer.Encoding, len(texts))
	for i, text := range texts {
		e, err := h.encode(text, tooLong)
		if err != nil {
			return nil, which(err, i, len(texts))
		}
		all[i] = e
	}
	return all, nil
}

// which says which text of several an error is about.
func which(err error, i, n int) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("text %d: %w", i, err)
}

// pass is what a task computes of a batch.
type pass struct {
	compute func(t *op.Pass, b *model.Batch) (tensor.Matrix, error)
	// rows is how many rows of outputs belong to a text.
	rows func(e tokenizer.Encoding) int
}

func perToken(e tokenizer.Encoding) int { return len(e.IDs) }
func perText(tokenizer.Encoding) int    { return 1 }

// head is the outputs of the model's head.
func (h *runner) head(rows func(tokenizer.Encoding) int) pass {
	return pass{func(t *op.Pass, b *model.Batch) (tensor.Matrix, error) { return h.Logits(t, b, nil, nil) }, rows}
}

// each computes the documents in batches and gives use the outputs of every one.
func (h *runner) each(ctx context.Context, docs []tokenizer.Encoding, p pass, use func(doc int, y tensor.Matrix)) error {
	adapter, err := h.adapter(ctx)
	if err != nil {
		return err
	}
	for from := 0; from < len(docs); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, tokens := from, 0
		for to < len(docs) && (to == from || tokens+len(docs[to].IDs) <= h.options.BatchTokens) {
			tokens += len(docs[to].IDs)
			to++
		}
		if err := h.batch(adapter, docs[from:to], p, func(d int, y tensor.Matrix) { use(from+d, y) }); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// batch computes some documents at once.
func (h *runner) batch(adapter string, docs []tokenizer.Encoding, p pass, use func(doc int, y tensor.Matrix)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the model does not take this text: %v", r)
		}
	}()
	b := &model.Batch{CuSeqLens: []int{0}}
	for _, e := range docs {
		b.IDs, b.TokenTypeIDs = append(b.IDs, e.IDs...), append(b.TokenTypeIDs, e.TypeIDs...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
	}
	t := &op.Pass{}
	defer t.Release()
	t.Adapter = adapter
	y, err := p.compute(t, b)
	if err != nil {
		return err
	}
	at := 0
	for d, e := range docs {
		n := p.rows(e)
		use(d, tensor.Matrix{Data: y.Data[at*y.Stride:], Rows: n, Cols: y.Cols, Stride: y.Stride})
		at += n
	}
	return nil
}
