package pipeline

import (
	"context"
	"errors"
	"fmt"

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
	// NoAnswer lets a model for question answering say that the passage has no answer. It is for models of SQuAD 2.0's kind.
	// An adapter that Open has loaded does so if its training data had such questions.
	NoAnswer bool
	// MaxNewTokens is the maximum number of tokens of a generated text. 0 means that of the model's generation_config.json;
	// without one it is 256 for a causal model, and for others the model's length.
	MaxNewTokens int
	// PromptName names the prompt, of the model's config_sentence_transformers.json, that stands before each text that becomes a
	// vector. "" is the file's default_prompt_name.
	PromptName string
}

// defaultBatchTokens is enough to use all processors, and keeps the memory small.
const defaultBatchTokens = 2048

type adapterKey struct{}

// WithAdapter returns a context whose calls apply the named adapter. "" means the base alone.
func WithAdapter(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, adapterKey{}, name)
}

// runner runs texts through the models of a source. It is what all pipelines share.
type runner struct {
	source  source
	options Options
	kinds   []head.Kind // of the heads that the task is for
}

// newRunner returns a runner. It checks the options, and that the adapter that they name suits the task. A source of
// several models may lack a head for the task where no adapter is named: calls may name one.
func newRunner(task string, src source, o Options, kinds ...head.Kind) (*runner, error) {
	r := &runner{source: src, options: o, kinds: kinds}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("pipeline: %s: %w", task, err)
	}
	if o.BatchTokens == 0 {
		r.options.BatchTokens = defaultBatchTokens
	}
	return r, nil
}

func (r *runner) check() error {
	if n := r.options.BatchTokens; n < 0 {
		return fmt.Errorf("BatchTokens is %d; want 0 or more", n)
	}
	if n := r.options.MaxNewTokens; n < 0 {
		return fmt.Errorf("MaxNewTokens is %d; want 0 or more", n)
	}
	_, err := r.subject(context.Background())
	if r.options.Adapter == "" && (r.several() || errors.Is(err, ErrUntrainedHead)) {
		return nil // each call is checked
	}
	return err
}

// several reports whether the source has a model for each adapter.
func (r *runner) several() bool {
	_, one := r.source.(*single)
	return !one
}

// subject returns what answers a call, after a check that it suits the task.
func (r *runner) subject(ctx context.Context) (*subject, error) {
	name, ok := ctx.Value(adapterKey{}).(string)
	if !ok {
		name = r.options.Adapter
	}
	s, err := r.source.subject(name)
	if err == nil {
		err = s.fitsTask(r.kinds)
	}
	return s, err
}

// encode tokenizes a text. tooLong is the task's error for a text that exceeds the model's length.
func (s *subject) encode(text string, tooLong error) (tokenizer.Encoding, error) {
	return s.fits(s.tok.EncodePlus(text, true), tooLong)
}

// fits returns an encoding after a check of its length.
func (s *subject) fits(e tokenizer.Encoding, tooLong error) (tokenizer.Encoding, error) {
	if err := s.tok.Err(); err != nil {
		return e, err
	}
	switch n, most := len(e.IDs), s.Config().MaxPositionEmbeddings; {
	case n > most:
		return e, fmt.Errorf("%w: %d > %d", tooLong, n, most)
	case n == 0:
		return e, errNoTokens
	}
	return e, nil
}

var errNoTokens = errors.New("the text has no tokens")

// encodeAll tokenizes several texts.
func (s *subject) encodeAll(texts []string, tooLong error) ([]tokenizer.Encoding, error) {
	all := make([]tokenizer.Encoding, len(texts))
	for i, text := range texts {
		e, err := s.encode(text, tooLong)
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
func (s *subject) headOutputs(rows func(tokenizer.Encoding) int) computation {
	return computation{func(p *op.Pass, b *model.Batch) (tensor.Matrix, error) { return s.Logits(p, b, nil, nil) }, rows}
}

// each runs a computation of a subject on texts, in batches, and calls use with the result for each text.
func (r *runner) each(ctx context.Context, s *subject, texts []tokenizer.Encoding, c computation, use func(text int, y tensor.Matrix)) error {
	if err := s.tok.Err(); err != nil {
		return err
	}
	from := 0
	for _, batch := range model.Runs(texts, r.options.BatchTokens, tokenRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.batch(batch, c, func(i int, y tensor.Matrix) { use(from+i, y) }); err != nil {
			return err
		}
		from += len(batch)
	}
	return nil
}

// batch runs a computation on one batch of texts.
func (s *subject) batch(texts []tokenizer.Encoding, c computation, use func(text int, y tensor.Matrix)) (err error) {
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
	if s.Model.Config().TypeVocabSize == 0 {
		b.TokenTypeIDs = nil
	}
	return op.Inference(s.adapter, func(p *op.Pass) error {
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
