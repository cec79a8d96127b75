package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/tensor"
)

// Model is a backbone and a head, with their weights.
type Model struct {
	Backbone
	// Dir is the folder or the GGUF file from which the model was read, or ""; Save copies the tokenizer's files from it.
	Dir string
	// ConfigJSON is the config.json, with the head that the options asked for.
	ConfigJSON json.RawMessage
	// Options are those with which the model was loaded.
	Options Options
	// NewlyInitialized says that the head is new: its weights are random until they are trained.
	NewlyInitialized bool
	// MissingKeys are the weights that the checkpoint lacks. UnexpectedKeys are its tensors that belong to another head.
	MissingKeys, UnexpectedKeys []string
	// PaddedRows has the weights that Options.VocabSize has made larger, by name, with the first of the rows that were added.
	PaddedRows map[string]int
	// Warnings say what is odd about the weights, and which keys of config.json are not used.
	Warnings []string

	head      *Head
	arch      Architecture
	config    json.RawMessage // config.json as the folder has it
	cybertron *pairing        // with the Cybertron model that shares the weights' memory, or nil
	file      weightFile
	had       map[string]bool // the small files that were in Dir when the model was opened
	borrowed  bool            // the file belongs to the model with which this one shares the weights

	// Of sentence-transformers: the most tokens of a text, 0 for no limit, and the files of the dense layers.
	maxSeqLength int
	prompts      sentencePrompts
	denseFiles   []string
}

// weightFile is an open checkpoint.
type weightFile interface {
	Names() []string
	Get(name string) (checkpoint.Tensor, bool)
	Close() error
}

// sourceFile is implemented by one whose tensors are not all in the types, or the order, of package checkpoint: GGUF.
type sourceFile interface {
	Source(name string) (tensor.Source, error)
}

var (
	_ weightFile = (*checkpoint.Checkpoint)(nil)
	_ weightFile = (*mxfp4File)(nil)
	_ weightFile = (*llamacpp.Model)(nil)
	_ sourceFile = (*llamacpp.Model)(nil)
)

// Load reads a Hugging Face folder: config.json, and model.safetensors or pytorch_model.bin, whole or in shards. Or it reads a
// GGUF file, by its name NAME.gguf; its weights stay quantized, and are unpacked a panel at a time. The weights stay in the
// file's memory map, so it must not change while the model is in use. The options may ask for a new head, whose weights are
// then random, or for other numerics.
//
// A config.json that asks for what is not supported is ErrUnsupported; tensors that do not fit it are a *MismatchError.
func Load(ctx context.Context, dir string, o Options) (*Model, error) {
	m, err := load(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("model: load %s: %w", dir, err)
	}
	return m, nil
}

func load(ctx context.Context, dir string, o Options) (*Model, error) {
	config, gguf, err := readConfigFile(dir)
	if err != nil {
		return nil, err
	}
	m, err := build(config, o)
	if err != nil {
		return nil, errors.Join(err, gguf.Close())
	}
	m.Dir, m.file = dir, weightFile(gguf)
	if gguf == nil {
		if m.file, err = openWeights(dir, config); err != nil {
			return nil, inCybertronFormat(dir, err)
		}
	}
	m.noteCompanions()
	if err := errors.Join(m.bind(ctx), m.readFolder()); err != nil {
		_ = m.file.Close()
		return nil, err
	}
	return m, nil
}

// modelTypeOf is the model_type of a config.json.
func modelTypeOf(config []byte) (string, error) {
	var c struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return "", fmt.Errorf("config.json: %w", jsonvalue.Explain(err))
	}
	return c.ModelType, nil
}

// build makes the model that a config describes, without values.
func build(config []byte, o Options) (*Model, error) {
	modelType, err := modelTypeOf(config)
	if err != nil {
		return nil, err
	}
	f, ok := architectures[modelType]
	if !ok {
		return nil, notSupported("config.json: model_type %q is not supported; supported are %s", modelType, strings.Join(Architectures(), ", "))
	}
	own := bytes.Clone(config)
	config, err = o.vocabulary(config)
	if err != nil {
		return nil, err
	}
	config, want, err := f.headFor(config, o)
	if err != nil {
		return nil, err
	}
	file := &ConfigFile{raw: config}
	b, h, err := f.New(file, want)
	if err != nil {
		return nil, err
	}
	if n, ok := b.(NumericsSetter); ok {
		err = n.SetNumerics(o.Numerics)
	} else if o.Numerics != "" && o.Numerics != HuggingFace {
		err = notSupported("numerics %q: %s has only Hugging Face's", o.Numerics, modelType)
	}
	if err != nil {
		return nil, err
	}
	if want.Kind == head.FeatureExtraction {
		h.Pooling = PoolMean
	}
	m := &Model{Backbone: b, ConfigJSON: bytes.Clone(config), Options: o, Warnings: file.note(), head: h, arch: f, config: own}
	name := func(path string) string { // @. is the architecture's prefix, which a model without a head does not have
		if want.Kind == head.FeatureExtraction {
			return strings.TrimPrefix(path, "@.")
		}
		return strings.Replace(path, "@.", f.prefix(want.Kind), 1)
	}
	h.rename(name)
	m.walk(func(path string, l *Linear) { l.path = name(path) }, func(path string, w *Weight) { w.Name = name(path) })
	return m, nil
}

// New makes a model with random weights from a config.json: normal ones with the standard deviation initializer_range (0.02),
// 1 for norms, 0 for biases.
func New(config []byte, o Options) (*Model, error) {
	m, err := build(config, o)
	if err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	if err := m.fitsMachine(); err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	deviation, err := initializerRange(config)
	if err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	m.NewlyInitialized = true
	var draw []func()
	i := uint64(0)
	m.Weights(func(w *Weight) {
		i++
		switch r := newRand(o.Seed, i); {
		case w.tied != nil || w.computed:
		case o.inBF16(w):
			draw = append(draw, func() { w.randomizeBF16(r, deviation) })
		default:
			draw = append(draw, func() { w.randomize(r, deviation) })
		}
	})
	tensor.Parallel(len(draw), func(i int) { draw[i]() })
	return m, nil
}

// HasAdapter says whether an adapter of that name is on a layer or a weight of the model; the name "" is the base, which is there.
func (m *Model) HasAdapter(name string) bool {
	if name == "" {
		return true
	}
	found := false
	m.walk(func(_ string, l *Linear) { found = found || l.adapters[name].Adapter != nil },
		func(_ string, w *Weight) { found = found || w.copies[name] != nil || w.tables[name] != nil })
	return found
}

// Close gives back the memory map of the weights. The model must not be used afterwards.
func (m *Model) Close() error {
	if m.file == nil || m.borrowed {
		return nil
	}
	return m.file.Close()
}

// Head is the model's head.
func (m *Model) Head() *Head { return m.head }

// walk calls linear for every linear layer and weight for every weight, the backbone's first. Either function may be nil.
func (m *Model) walk(linear func(path string, l *Linear), weight func(name string, w *Weight)) {
	walk(m.Backbone, linear, weight)
	walk(m.head, linear, weight)
}

// Weights calls f for every weight in the order of the fields, tied ones too.
func (m *Model) Weights(f func(*Weight)) { m.walk(nil, func(_ string, w *Weight) { f(w) }) }

// Linears calls f for every linear layer, the LM head too, but not for routers and experts.
func (m *Model) Linears(f func(*Linear)) {
	m.walk(func(_ string, l *Linear) {
		if !l.parameter {
			f(l)
		}
	}, nil)
}

// Experts calls f for every layer of an expert.
func (m *Model) Experts(f func(*Linear)) {
	m.walk(func(_ string, l *Linear) {
		if l.Weight.OfExpert() {
			f(l)
		}
	}, nil)
}
