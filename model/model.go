package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Config are what callers need to know of a host.
type Config struct {
	VocabSize, MaxPositionEmbeddings, NumHiddenLayers, HiddenSize int
	// TypeVocabSize is how many segments a token may be of; 0 is one.
	TypeVocabSize int
}

// Backbone is a family's model: structs tagged with Hugging Face names, and how they compute.
type Backbone interface {
	nn.Model
	Config() Config
	// Forward returns the last hidden states, [tokens, hidden]; of a sequence-to-sequence model those of the decoder, one a
	// label. With a cache the batch continues the cached documents. The batch has been checked.
	Forward(t *op.Pass, b *Batch, cache *Cache) mat.Tensor
}

// NumericsSetter is implemented by a backbone that can compute as Cybertron does.
type NumericsSetter interface {
	// SetNumerics chooses HuggingFace ("" too) or Cybertron.
	SetNumerics(name string) error
}

// Architecture is a registered kind of host.
type Architecture struct {
	// Class is what Hugging Face's class names begin with, such as "Llama"; Classes are names that do not follow the rule.
	Class   string
	Classes map[head.Kind]string
	// Prefix is what the names of a headless checkpoint lack, such as "bert."; a headless host's weights have no prefix.
	Prefix string
	// Kind is the head where config.json names no architecture.
	Kind head.Kind
	// New makes a host without weights. It refuses kinds of heads that the family has not.
	New func(config []byte, want head.Config) (Backbone, *Head, error)
}

var architectures = map[string]Architecture{}

// Register makes a family known by its config's model_type; its file's init calls it.
func Register(modelType string, f Architecture) {
	if _, ok := architectures[modelType]; ok {
		panic("model: " + modelType + " is registered twice")
	}
	architectures[modelType] = f
}

// Architectures lists the registered model types.
func Architectures() []string {
	var names []string
	for n := range architectures {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Model is a host with its weights and where they came from.
type Model struct {
	Backbone
	// Dir is the folder that it was read from, or ""; Save takes the tokenizer's files along from there.
	Dir string
	// ConfigJSON is its config.json, that of a new head in it.
	ConfigJSON json.RawMessage
	// Options are those that it was loaded with.
	Options Options
	// NewlyInitialized says that the head is new: its weights are random and want training. MissingKeys are those that the
	// checkpoint lacks, UnexpectedKeys are tensors of the checkpoint that belong to another head.
	NewlyInitialized            bool
	MissingKeys, UnexpectedKeys []string
	// PaddedRows are, by the names of weights that Options.VocabSize has made larger, the first of the rows that are zero.
	PaddedRows map[string]int
	// Warnings say what is odd about the weights.
	Warnings []string

	head   *Head
	arch   Architecture
	served *pairing // with the Cybertron model that shares the weights' memory
	file   *checkpoint.Checkpoint
}

// Load reads a Hugging Face folder: config.json and model.safetensors or pytorch_model.bin, whole or in shards. Weights stay
// in the file's memory map, so the folder must not change while the model is in use. The options may ask for another head
// than the folder's, whose weights are then random, or for other numerics.
func Load(ctx context.Context, dir string, o Options) (*Model, error) {
	m, err := load(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("model: load %s: %w", dir, err)
	}
	return m, nil
}

func load(ctx context.Context, dir string, o Options) (*Model, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("no such folder; want a Hugging Face folder with config.json and model.safetensors")
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, errors.New("is a file; want the Hugging Face folder that holds it")
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	m, err := build(config, o)
	if err != nil {
		return nil, err
	}
	m.Dir = dir
	if m.file, err = checkpoint.Open(dir); err != nil {
		return nil, err
	}
	if err := errors.Join(m.bind(ctx), m.readPooling()); err != nil {
		_ = m.file.Close()
		return nil, err
	}
	return m, nil
}

// build makes the host that a config describes, without weights.
func build(config []byte, o Options) (*Model, error) {
	var c struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	f, ok := architectures[c.ModelType]
	if !ok {
		return nil, notSupported("config.json: model_type %q is not supported; supported are %s", c.ModelType, strings.Join(Architectures(), ", "))
	}
	config, err := o.vocabulary(config)
	if err != nil {
		return nil, err
	}
	config, want, err := f.headFor(config, o)
	if err != nil {
		return nil, err
	}
	b, h, err := f.New(config, want)
	if err != nil {
		return nil, err
	}
	if n, ok := b.(NumericsSetter); ok {
		err = n.SetNumerics(o.Numerics)
	} else if o.Numerics != "" && o.Numerics != HuggingFace {
		err = notSupported("numerics %q: %s has Hugging Face's alone", o.Numerics, c.ModelType)
	}
	if err != nil {
		return nil, err
	}
	if want.Kind == head.FeatureExtraction {
		h.Pooling = PoolMean
	}
	m := &Model{Backbone: b, ConfigJSON: bytes.Clone(config), Options: o, head: h, arch: f}
	name := func(path string) string { // @. is the family's prefix, which a headless model has not
		if want.Kind == head.FeatureExtraction {
			return strings.TrimPrefix(path, "@.")
		}
		return strings.Replace(path, "@.", f.Prefix, 1)
	}
	h.rename(name)
	m.walk(func(path string, l *Linear) { l.path = name(path) }, func(path string, w *Weight) { w.Name = name(path) })
	return m, nil
}

// bind gives every weight its tensor and lists all that is missing, left over or of another shape in one MismatchError.
func (m *Model) bind(ctx context.Context) error {
	m.PaddedRows = map[string]int{}
	b := binding{m: m, taken: map[string]bool{}, ties: map[*Weight][]*Weight{}, seed: m.Options.Seed}
	m.Weights(func(w *Weight) {
		if w.tied != nil {
			b.ties[w.tied] = append(b.ties[w.tied], w)
		}
	})
	m.Weights(func(w *Weight) {
		if ctx.Err() == nil {
			b.weight(w)
		}
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	m.NewlyInitialized = len(m.MissingKeys) > 0
	for _, name := range m.file.Names() {
		switch {
		case b.taken[name] || buffer(name):
		case m.arch.ofHead(name):
			m.UnexpectedKeys = append(m.UnexpectedKeys, name)
		default:
			b.mismatch.Unexpected = append(b.mismatch.Unexpected, name)
		}
	}
	return b.mismatch.or()
}

// notFinite says where a weight holds NaN or an infinity.
func notFinite(w *Weight) (string, bool) {
	rows, cols := w.rowsCols()
	const step = 256
	bad := make([]int, (rows+step-1)/step)
	tensor.Parallel(len(bad), func(i int) {
		row := make([]float32, cols)
		for r := i * step; r < min(rows, (i+1)*step); r++ {
			w.source.Block(row, cols, r, 0, 1, cols)
			if vec.HasNonFinite(row) {
				bad[i] = r + 1
				return
			}
		}
	})
	for _, r := range bad {
		if r > 0 {
			return fmt.Sprintf("%s holds NaN or an infinite value in row %d", w.Name, r-1), true
		}
	}
	return "", false
}

// New makes a model with random weights from a config.json: normal with deviation initializer_range (0.02), norms at 1.
func New(config []byte, o Options) (*Model, error) {
	m, err := build(config, o)
	if err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	deviation, err := initializerRange(config)
	if err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	m.NewlyInitialized = true
	i := uint64(0)
	m.Weights(func(w *Weight) {
		i++
		if w.tied == nil && !w.computed {
			w.randomize(newRand(o.Seed, i), deviation)
		}
	})
	return m, nil
}

// Close gives back the memory map of the weights. The model must not be used after.
func (m *Model) Close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// Head is what stands on the backbone's hidden states.
func (m *Model) Head() *Head { return m.head }

// walk calls linear for every linear layer and weight for every weight, those of the backbone first. Either may be nil.
func (m *Model) walk(linear func(path string, l *Linear), weight func(name string, w *Weight)) {
	walk(m.Backbone, linear, weight)
	walk(m.head, linear, weight)
}

// Weights calls f for every weight in the order of the host's fields, tied ones too.
func (m *Model) Weights(f func(*Weight)) { m.walk(nil, func(_ string, w *Weight) { f(w) }) }

// Linears calls f for every linear layer, the LM head too.
func (m *Model) Linears(f func(*Linear)) { m.walk(func(_ string, l *Linear) { f(l) }, nil) }

// NumParameters counts the values of all weights, tied ones once.
func (m *Model) NumParameters() int {
	n := 0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n += w.Size()
		}
	})
	return n
}

// WeightBytes counts the bytes of all weights as they are kept.
func (m *Model) WeightBytes() int {
	n := 0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n += w.bytes()
		}
	})
	return n
}

// LinearBytes counts the bytes of the linear layers' matrices as they are kept, the LM head's too: what a token that is
// generated reads.
func (m *Model) LinearBytes() int {
	n := 0
	m.Linears(func(l *Linear) { n += l.Weight.owner().bytes() })
	return n
}

// WeightMemory counts the bytes of memory behind the weights: the checkpoint's, which is mapped and stays, and those of
// float32 values besides.
func (m *Model) WeightMemory() (mapped, own int) {
	if m.file != nil {
		for _, name := range m.file.Names() {
			if t, ok := m.file.Get(name); ok {
				mapped += len(t.Data)
			}
		}
	}
	m.Weights(func(w *Weight) {
		if w.tied == nil && w.stored.Data == nil {
			own += 4 * w.Size()
		}
	})
	return mapped, own
}
