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

// Options are the options of all pipelines.
type Options struct {
	// Adapter is the name of the adapter to apply, unless a call's context names another. "" means the base alone.
	Adapter string
	// BatchTokens is the maximum number of tokens of a batch of texts; 0 means 2,048.
	BatchTokens int
}

// defaultBatchTokens is enough to use all processors, and keeps the memory small.
const defaultBatchTokens = 2048

type adapterKey struct{}

// WithAdapter returns a context whose calls apply the named adapter. "" means the base alone.
func WithAdapter(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, adapterKey{}, name)
}

// runner runs texts through a model. It is what all pipelines share.
type runner struct {
	*model.Model
	tok     *tokenizer.Tokenizer
	options Options
	linears []*model.Linear
	weights []*model.Weight
}

// newRunner returns a runner. It checks that the model and the tokenizer fit the task and each other.
func newRunner(task string, m *model.Model, tok *tokenizer.Tokenizer, o Options, kinds ...head.Kind) (*runner, error) {
	wrap := func(format string, args ...any) error {
		return fmt.Errorf("pipeline: %s: %w", task, fmt.Errorf(format, args...))
	}
	switch {
	case m == nil || m.Backbone == nil:
		return nil, wrap("there is no model")
	case tok == nil:
		return nil, wrap("there is no tokenizer")
	case !slices.Contains(kinds, m.Head().Kind):
		return nil, wrap("the model's head is for %s; want one for %v", m.Head().Kind, kinds)
	case tok.VocabSize() > m.Config().VocabSize:
		return nil, wrap("the tokenizer has %d tokens, the model %d: it belongs to another model", tok.VocabSize(), m.Config().VocabSize)
	case o.BatchTokens < 0:
		return nil, wrap("BatchTokens is %d; want 0 or more", o.BatchTokens)
	}
	if o.BatchTokens == 0 {
		o.BatchTokens = defaultBatchTokens
	}
	r := &runner{Model: m, tok: tok, options: o}
	m.Linears(func(l *model.Linear) { r.linears = append(r.linears, l) })
	m.Weights(func(w *model.Weight) { r.weights = append(r.weights, w) })
	if _, err := r.adapter(context.Background()); err != nil {
		return nil, wrap("%w", err)
	}
	return r, nil
}

// adapter returns the name of the adapter that a call applies.
func (r *runner) adapter(ctx context.Context) (string, error) {
	name, ok := ctx.Value(adapterKey{}).(string)
	if !ok {
		name = r.options.Adapter
	}
	if name == "" || slices.ContainsFunc(r.linears, func(l *model.Linear) bool { return l.Adapter(name) != nil }) ||
		slices.ContainsFunc(r.weights, func(w *model.Weight) bool { return w.Override(name) != nil }) {
		return name, nil
	}
	return "", fmt.Errorf("the model has no adapter %q", name)
}

// encode tokenizes a text. tooLong is the task's error for a text that exceeds the model's length.
func (r *runner) encode(text string, tooLong error) (tokenizer.Encoding, error) {
	return r.fits(r.tok.EncodePlus(text, true), tooLong)
}

// fits returns an encoding after a check of its length.
func (r *runner) fits(e tokenizer.Encoding, tooLong error) (tokenizer.Encoding, error) {
	switch n, most := len(e.IDs), r.Config().MaxPositionEmbeddings; {
	case n > most:
		return e, fmt.Errorf("%w: %d > %d", tooLong, n, most)
	case n == 0:
		return e, errors.New("the text has no tokens")
	}
	return e, nil
}

// encodeAll tokenizes several texts.
func (r *runner) encodeAll(texts []string, tooLong error) ([]tokenizer.Encoding, error) {
	all := make([]tokenizer.Encoding, len(texts))
	for i, text := range texts {
		e, err := r.encode(text, tooLong)
		if err != nil {
			return nil, textError(err, i, len(texts))
		}
		all[i] = e
	}
	return all, nil
}

// textError adds the index of a text to its error, if there are several texts.
func textError(err error, i, n int) error {
	if n == 1 {
		return err
	}
	return fmt.Errorf("text %d: %w", i, err)
}

// computation is what a task computes for a batch.
type computation struct {
	run func(p *op.Pass, b *model.Batch) (tensor.Matrix, error)
	// rows returns how many rows of the result belong to a text.
	rows func(e tokenizer.Encoding) int
}

func tokenRows(e tokenizer.Encoding) int { return len(e.IDs) }
func oneRow(tokenizer.Encoding) int      { return 1 }

// headOutputs computes the outputs of the model's head.
func (r *runner) headOutputs(rows func(tokenizer.Encoding) int) computation {
	return computation{func(p *op.Pass, b *model.Batch) (tensor.Matrix, error) { return r.Logits(p, b, nil, nil) }, rows}
}

// each runs a computation on texts, in batches, and calls use with the result for each text.
func (r *runner) each(ctx context.Context, texts []tokenizer.Encoding, c computation, use func(text int, y tensor.Matrix)) error {
	adapter, err := r.adapter(ctx)
	if err != nil {
		return err
	}
	from := 0
	for _, batch := range model.Runs(texts, r.options.BatchTokens, tokenRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.batch(adapter, batch, c, func(i int, y tensor.Matrix) { use(from+i, y) }); err != nil {
			return err
		}
		from += len(batch)
	}
	return nil
}

// batch runs a computation on one batch of texts.
func (r *runner) batch(adapter string, texts []tokenizer.Encoding, c computation, use func(text int, y tensor.Matrix)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the model does not take this text: %v", v)
		}
	}()
	b := &model.Batch{CuSeqLens: []int{0}}
	for _, e := range texts {
		b.IDs, b.TokenTypeIDs = append(b.IDs, e.IDs...), append(b.TokenTypeIDs, e.TypeIDs...)
		b.CuSeqLens = append(b.CuSeqLens, len(b.IDs))
	}
	return op.Inference(adapter, func(p *op.Pass) error {
		y, err := c.run(p, b)
		if err != nil {
			return err
		}
		at := 0
		for i, e := range texts {
			n := c.rows(e)
			use(i, tensor.Matrix{Data: y.Data[at*y.Stride:], Rows: n, Cols: y.Cols, Stride: y.Stride})
			at += n
		}
		return nil
	})
}
