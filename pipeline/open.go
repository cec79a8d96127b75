package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tokenizer"
)

// Base is a base model with adapters on it. The weights of the base are in memory once. Head, labels, problem type,
// numerics and tokenizer belong to the adapter that brought them, so adapters may be for different tasks: a call is
// answered by the adapter that it names, and an adapter whose head is for another task is an error. Adapters may be
// attached and detached while calls are answered.
type Base struct {
	session *infer.Session

	mu       sync.RWMutex
	subjects map[string]*subject // by the adapter's name; "" is the base alone
}

var _ source = (*Base)(nil)

// Open loads a base model, by its folder or as "embedded", and attaches the adapters in the given folders. An adapter's name
// is that of its folder; Attach takes other names.
//
//	b, err := pipeline.Open(ctx, "bert", "adapters/sentiment", "adapters/topics", "adapters/names")
//	classifier, err := b.TextClassifier(pipeline.Options{Adapter: "sentiment"})
//	tagger, err := b.TokenClassifier(pipeline.Options{Adapter: "names"})
//	r, err := classifier.Classify(pipeline.WithAdapter(ctx, "topics"), "Shares fall 5% after weak guidance")
func Open(ctx context.Context, base string, adapters ...string) (*Base, error) {
	session, err := infer.Open(ctx, base, "")
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	b := &Base{session: session, subjects: map[string]*subject{}}
	if b.subjects[""], err = openSubject(session); err != nil {
		err = fmt.Errorf("pipeline: %w", err)
	}
	for _, dir := range adapters {
		if err == nil {
			err = b.Attach(ctx, filepath.Base(filepath.Clean(dir)), dir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// openSubject returns what answers the calls of a session.
func openSubject(session *infer.Session) (*subject, error) {
	tok, err := session.Tokenizer()
	if err != nil {
		return nil, err
	}
	s, err := newSubject(session.Model, tok)
	if err != nil {
		return nil, err
	}
	s.adapter = session.Adapter
	s.noAnswer = session.Setup.TaskOptions["version_2_with_negative"] == true
	return s, nil
}

// Prepack makes calls on single texts faster, and takes memory of 4 bytes for each value of the linear layers' matrices. Answers do not
// change. It is called before any other call.
func (b *Base) Prepack() { b.session.Model.Prepack(false) }

// Close unmaps the weights of the base. No call may run then or later.
func (b *Base) Close() error { return b.session.Close() }

// Attach loads the adapter in a folder under a name. Calls that run meanwhile are not affected.
func (b *Base) Attach(ctx context.Context, name, dir string) error {
	if err := b.attach(ctx, name, dir); err != nil {
		return fmt.Errorf("pipeline: adapter %q: %w", name, err)
	}
	return nil
}

func (b *Base) attach(ctx context.Context, name, dir string) error {
	if name == "" {
		return errors.New("a name is needed; the empty one is the base alone")
	}
	session, err := b.session.With(ctx, dir)
	if err != nil {
		return err
	}
	s, err := openSubject(session)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subjects[name] != nil {
		return errors.New("there is an adapter of this name already")
	}
	b.subjects[name] = s
	return nil
}

// Detach removes an adapter. Calls that run with it end as they would have.
func (b *Base) Detach(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == "" || b.subjects[name] == nil {
		return fmt.Errorf("pipeline: there is no adapter %q", name)
	}
	delete(b.subjects, name)
	return nil
}

// Adapters lists the names of the adapters, sorted.
func (b *Base) Adapters() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	names := slices.Sorted(maps.Keys(b.subjects))
	return names[1:] // without the base alone
}

// Head returns the head with which an adapter answers; "" is that of the base alone.
func (b *Base) Head(adapter string) (head.Config, error) {
	s, err := b.subject(adapter)
	if err != nil {
		return head.Config{}, fmt.Errorf("pipeline: %w", err)
	}
	return s.Head().Config, nil
}

func (b *Base) subject(adapter string) (*subject, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if s := b.subjects[adapter]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("the model has no adapter %q", adapter)
}

// TextClassifier returns a pipeline for the adapters with a head for sequence classification.
func (b *Base) TextClassifier(o Options) (*TextClassifier, error) { return newTextClassifier(b, o) }

// ZeroShotClassifier returns a pipeline for the adapters with a head for natural language inference.
func (b *Base) ZeroShotClassifier(o Options) (*ZeroShotClassifier, error) {
	return newZeroShotClassifier(b, o)
}

// TokenClassifier returns a pipeline for the adapters with a head for token classification.
func (b *Base) TokenClassifier(o Options) (*TokenClassifier, error) { return newTokenClassifier(b, o) }

// QuestionAnswerer returns a pipeline for the adapters with a head for question answering.
func (b *Base) QuestionAnswerer(o Options) (*QuestionAnswerer, error) {
	return newQuestionAnswerer(b, o)
}

// TextEncoder returns a pipeline for the adapters that compute embeddings.
func (b *Base) TextEncoder(o Options) (*TextEncoder, error) { return newTextEncoder(b, o) }

// TextGenerator returns a pipeline for the adapters of causal and sequence-to-sequence models.
func (b *Base) TextGenerator(o Options) (*TextGenerator, error) { return newTextGenerator(b, o) }

// LanguageModel returns a pipeline for the adapters of masked language models.
func (b *Base) LanguageModel(o Options) (*LanguageModel, error) { return newLanguageModel(b, o) }

// sourceOf is the source of the constructors that take a model and its tokenizer.
func sourceOf(task string, m *model.Model, tok *tokenizer.Tokenizer) (source, error) {
	s, err := newSubject(m, tok)
	if err != nil {
		return nil, fmt.Errorf("pipeline: %s: %w", task, err)
	}
	return newSingle(s), nil
}
